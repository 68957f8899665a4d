"""How soon the next case is usable after a decision key, in a real browser on loopback; and what a case page costs.

Usable is: the new case stands in the page and its veiled clip can be shown. Whoever decides dwells on each case first,
so that what comes next is there already, as it is for people. Needs Chromium.
"""

import argparse
import json
import os
import shutil
import statistics
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx
import results
import uvicorn
from playwright.sync_api import Page, sync_playwright
from psycopg.types.json import Jsonb
from pydantic import SecretStr
from states import passing_state

sys.path.append(str(Path(__file__).resolve().parent.parent / "tests" / "assets"))
from clips import ClipPlan, draw_clip

from moderation import holding
from moderation.db import queries
from moderation.db.migrate import migrate
from moderation.keys import development_key
from moderation.postgres import EmbeddedPostgres
from moderation.scoring import Analysis
from moderation.services import Services
from moderation.sessions import login_token
from moderation.settings import Settings
from review_ui.app import create_app

TARGETS: Final = {"next_case_usable_ms_p95": 300.0, "case_page_ms_p95": 150.0}
RECORDS: Final = queries("records")
#: Resolved by the frame in which the new case can be worked on; asked from outside the page's content policy.
USABLE: Final = """() => new Promise((done) => {
  const before = location.pathname;
  let began = 0;
  addEventListener('keydown', () => { began = performance.now() }, { once: true, capture: true });
  const look = () => {
    const video = document.querySelector('clip-player video');
    if (began && location.pathname !== before && video && video.readyState >= 2) done(performance.now() - began);
    else requestAnimationFrame(look);
  };
  look();
})"""


@contextmanager
def serving(state: Path) -> Iterator[tuple[str, Services]]:
    """The whole service on a loopback port over a database of its own."""
    with EmbeddedPostgres(state) as server:
        migrate(server.dsn())
        app = create_app(Settings(env="development", state=state / "state", database_url=SecretStr(server.dsn())))
        served = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, access_log=False))
        thread = threading.Thread(target=served.run)
        thread.start()
        while not served.started:
            time.sleep(0.05)
        yield f"http://127.0.0.1:{served.servers[0].sockets[0].getsockname()[1]}", app.state.services
        served.should_exit = True
        thread.join()


def put_cases(url: str, services: Services, folder: Path, count: int) -> None:
    """Put drawn clips of ten seconds before a person, each with scores of two signals over time."""
    path = draw_clip(folder / "clip.mp4", ClipPlan(width=360, height=640, frames=300))
    client = httpx.Client(base_url=url, headers={"Authorization": f"Bearer {development_key(services)}"}, timeout=120)
    blob, times = services.store.put("default", "marked", path), range(0, 10_000, 333)
    scores = [[at, 0.9 if 3000 <= at < 4000 else 0.05, None] for at in times]
    signal: dict[str, object] = {
        "samples": scores,
        "state": "measured",
        "model": "m",
        "version": "1",
        "calibration": "none",
        "note": "",
    }
    analysis = Analysis(
        signals={"explicit.score": signal, "minor.score": {**signal, "samples": scores[:5]}}, faces=[], seen_ms=[*times]
    )
    for number in range(count):
        said = ("", json.dumps({"prompt": f"Shapes over hills {number}", "creator": f"creator {number % 7}"}))
        clip = client.post("/v1/clips", files={"file": path.read_bytes(), "metadata": said}).json()["id"]
        row = {"org": "default", "clip": clip, "now": services.clock.now()}
        marked = {"kind": "marked", "sha256": blob.sha256, "blob_key": blob.key, "bytes": blob.size}
        with services.database.transaction("default") as tx:
            tx.pg.execute(RECORDS.insert_rendition, {**row, **marked, "report": Jsonb({})})
            tx.pg.execute(
                RECORDS.insert_analysis, {**row, "detectors": "d", "gallery": "g", "body": analysis.to_text()}
            )
        holding.ask_a_person(services, "default", clip, 1, "processing_failed", "a benchmark")
    client.close()


def decide_all(page: Page, count: int, dwell: float) -> list[float]:
    """Decide so many cases by key; milliseconds from the key to the next usable case."""
    page.goto("/queues")
    page.locator('form[action="/queues/failures/start"] button').click()
    page.wait_for_selector("clip-player video")
    spent = []
    for _ in range(count):
        page.wait_for_timeout(dwell * 1000)
        handle = page.evaluate_handle(f"() => {{ window.usable = ({USABLE})() }}")
        page.keyboard.press("a")
        spent.append(float(page.evaluate("() => window.usable")))
        handle.dispose()
    return spent


def read_pages(page: Page, count: int) -> list[float]:
    """Milliseconds the server takes for the page of the case in hand, its transport on loopback included."""
    cookies = {cookie["name"]: cookie["value"] for cookie in page.context.cookies()}
    spent = []
    with httpx.Client(cookies=cookies, timeout=60) as client:
        for _ in range(count):
            began = time.perf_counter()
            client.get(page.url).raise_for_status()
            spent.append((time.perf_counter() - began) * 1000)
    return spent


def spread(values: list[float]) -> dict[str, float]:
    """Median, 95th percentile and greatest."""
    cuts = statistics.quantiles(values, n=20, method="inclusive")
    return {
        "median": round(statistics.median(values), 1),
        "p95": round(cuts[-1], 1),
        "greatest": round(max(values), 1),
        "count": len(values),
    }


def measure(count: int, dwell: float) -> dict[str, Any]:
    """Work through a queue in a browser."""
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
    with passing_state() as state, serving(state) as (url, services), sync_playwright() as playwright:
        put_cases(url, services, state, count + 2)
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_context(base_url=url, viewport={"width": 1280, "height": 720}).new_page()
        page.set_default_timeout(120_000)
        page.goto(f"/login/dev?token={login_token(services)}")
        figures = {"next_case_usable_ms": spread(decide_all(page, count, dwell)), "dwell_seconds": dwell}
        figures["case_page_ms"] = spread(read_pages(page, count))
        browser.close()
    return figures


def main() -> int:
    """Measure, print, write `results/case_page.json`; 1 when a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=40)
    parser.add_argument("--dwell", type=float, default=4.0, help="seconds on each case before its key")
    given = parser.parse_args()
    began = results.circumstances()
    figures = measure(given.cases, given.dwell)
    results.save("case_page", began, {"targets": TARGETS, **figures})
    lines: list[list[object]] = [["what", "median ms", "p95 ms", "greatest ms"]]
    parts = ("median", "p95", "greatest")
    lines += [[name, *(figures[name][part] for part in parts)] for name in ("next_case_usable_ms", "case_page_ms")]
    results.print_table("the case page", lines)
    return int(any(figures[name.removesuffix("_p95")]["p95"] > most for name, most in TARGETS.items()))


if __name__ == "__main__":
    sys.exit(main())
