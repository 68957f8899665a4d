"""A reviewer at work in a real browser: log in, claim, look, decide by key; and nothing the content policy refuses."""

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from clips import ClipPlan, draw_clip
from playwright.sync_api import Browser, Page, expect, sync_playwright
from psycopg.types.json import Jsonb

from moderation import holding
from moderation.db import queries
from moderation.scoring import Analysis
from moderation.sessions import login_token
from review_ui.app import create_app

pytestmark = [pytest.mark.full, pytest.mark.timeout(300)]

RECORDS = queries("records")
SCORES = [(at, 0.9 if 800 <= at < 1600 else 0.05, None) for at in range(0, 3000, 333)]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Chromium of the system; where it is missing, these tests cannot say anything and fail."""
    path = os.environ.get("CHROMIUM") or shutil.which("chromium")
    assert path, "no chromium here: install it, or name it in CHROMIUM"
    with sync_playwright() as playwright:
        # Only our own pages are opened, and containers lack what its own sandbox needs.
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def pages(run_app):
    """The API with the pages on top."""
    return run_app(create_app)


@pytest.fixture
def page(chromium, pages) -> Iterator[Page]:
    """A reviewer's tab, logged in, in which nothing may be refused or fail unnoticed."""
    context = chromium.new_context(viewport={"width": 1280, "height": 720}, base_url=pages.url, locale="en")
    tab = context.new_page()
    tab.set_default_timeout(60_000)
    said: list[str] = []
    tab.on("console", lambda message: said.append(message.text) if message.type in {"error", "warning"} else None)
    tab.on("pageerror", lambda error: said.append(str(error)))
    tab.add_init_script(
        "addEventListener('securitypolicyviolation', (event) => console.error('refused: ' + event.violatedDirective))"
    )
    tab.goto(f"/login/dev?token={login_token(pages.services)}")
    yield tab
    context.close()
    assert [text for text in said if "409" not in text] == []


@pytest.fixture
def clip(pages, tmp_path: Path) -> str:
    """A marked clip of three seconds before a person, with a flagged moment at 0:00.9."""
    path = draw_clip(tmp_path / "clip.mp4", ClipPlan(width=360, height=640, frames=90))
    services = pages.services
    sent = {"file": path.read_bytes(), "metadata": ("", '{"prompt": "Shapes over hills", "creator": "noor"}')}
    clip = pages.client.post("/v1/clips", files=sent).json()["id"]
    blob, now = services.store.put("default", "marked", path), services.clock.now()
    signal = {"samples": SCORES, "state": "measured", "model": "m", "version": "1", "calibration": "none", "note": ""}
    analysis = Analysis(signals={"explicit.score": signal}, faces=[], seen_ms=[at for at, _, _ in SCORES])
    row = {"org": "default", "clip": clip, "now": now}
    marked = {"kind": "marked", "sha256": blob.sha256, "blob_key": blob.key, "bytes": blob.size, "report": Jsonb({})}
    measured = {"detectors": "d", "gallery": "g", "body": analysis.to_text()}
    with services.database.transaction("default") as tx:
        tx.pg.execute(RECORDS.insert_rendition, {**row, **marked})
        tx.pg.execute(RECORDS.insert_analysis, {**row, **measured})
    holding.ask_a_person(services, "default", clip, 1, "processing_failed", "it broke")
    return clip


def until(page: Page, expression: str) -> None:
    """Wait until an expression over `video` holds; asked from outside, as the content policy lets nobody inside ask."""
    deadline = time.monotonic() + 60
    while not page.evaluate(f"(() => {{ const video = document.querySelector('video'); return {expression} }})()"):
        assert time.monotonic() < deadline, expression
        page.wait_for_timeout(50)


def position(page: Page) -> float:
    return page.evaluate("document.querySelector('video').currentTime")


def start(page: Page) -> None:
    page.goto("/queues")
    page.get_by_role("button", name="Start with").click()
    until(page, "video.readyState >= 2")


def test_a_case_is_claimed_looked_at_and_approved_by_keys(page, pages, clip):
    start(page)
    expect(page.get_by_role("heading", name="Why it is here")).to_be_visible()
    expect(page.locator(".lane.hot")).to_contain_text("0.90")
    until(page, "Math.abs(video.currentTime - 0.999) < 0.1")
    page.keyboard.press("Space")
    until(page, "video.currentTime > 1.4")
    page.keyboard.press("Space")
    expect(page.get_by_role("button", name="Play")).to_be_visible()
    page.keyboard.press("1")
    until(page, "Math.abs(video.currentTime - 0.999) < 0.01")
    page.keyboard.press(".")
    until(page, "video.currentTime > 1.02")
    page.keyboard.press("a")
    expect(page.get_by_role("status")).to_contain_text("Recorded.")
    expect(page.get_by_text("Nothing is waiting.")).to_be_visible()
    verdict = pages.client.get(f"/v1/clips/{clip}").json()
    assert (verdict["status"], verdict["decision"]["outcome"], verdict["case_id"]) == ("processing", "allow", None)


def test_blocking_needs_a_reason_and_typing_is_no_key(page, pages, clip):
    start(page)
    page.keyboard.press("b")
    assert page.evaluate("document.activeElement.id") == "reason"
    at = position(page)
    assert page.url.endswith(page.evaluate("location.pathname"))
    page.keyboard.press("Escape")
    page.keyboard.press("n")
    page.keyboard.type("a b l x")
    expect(page.get_by_label("Note for the team")).to_have_value("a b l x")
    assert position(page) == at
    page.get_by_label("Reason").select_option("explicit_content")
    page.keyboard.press("Escape")
    page.keyboard.press("b")
    expect(page.get_by_role("status")).to_be_visible()
    verdict = pages.client.get(f"/v1/clips/{clip}").json()
    assert (verdict["status"], verdict["decision"]["reasons"][0]["code"]) == ("withheld", "explicit_content")


def test_a_lost_hold_is_said_and_nothing_is_recorded(page, pages, clip):
    start(page)
    with pages.services.database.transaction("default") as tx:
        tx.pg.execute("update moderation.cases set lease_expires_at = now() - interval '1 second'")
    page.keyboard.press("a")
    expect(page.get_by_role("alert").first).to_contain_text("Nothing was recorded")
    assert pages.client.get(f"/v1/clips/{clip}").json()["status"] == "in_review"


@pytest.mark.parametrize(("language", "title"), [("ar", "لماذا هي هنا"), ("fr", "Pourquoi ce cas est ici")])
def test_time_runs_left_to_right_and_nothing_overflows(chromium, pages, clip, language, title):
    context = chromium.new_context(viewport={"width": 1280, "height": 720}, base_url=pages.url, locale=language)
    page = context.new_page()
    page.goto(f"/login/dev?token={login_token(pages.services)}")
    page.locator("button.strong").click()
    expect(page.get_by_role("heading", name=title)).to_be_visible()
    assert page.evaluate("getComputedStyle(document.querySelector('.lanes')).direction") == "ltr"
    for width in (1280, 800, 360):
        page.set_viewport_size({"width": width, "height": 720})
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), width
    small = page.evaluate(
        "[...document.querySelectorAll('button, select, a')].map((e) => [e.textContent.trim(), e.getBoundingClientRect()])"
        ".filter(([, box]) => box.height && box.top >= 0 && box.height < 24).map(([text]) => text)"
    )
    assert small == []
    context.close()
