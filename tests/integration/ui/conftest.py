"""A real service with cases of the real pipeline, Chromium before it, and what every page must keep.

`page` is a tab of a logged-in reviewer; the test fails when anything is refused by the content policy, written to the
console as an error, or asked of another host. `assert_accessible`, `assert_layout` and `shoot` look at a page.
"""

import json
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from axe_playwright_python.sync_playwright import Axe
from clips import ClipPlan, draw_clip
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect, sync_playwright
from psycopg.types.json import Jsonb
from pydantic import SecretStr

from moderation import holding
from moderation.assembly import open_services
from moderation.checking import check_file
from moderation.db import queries
from moderation.keys import Principal
from moderation.samples.clips import make_samples, register_people
from moderation.scoring import Analysis
from moderation.services import Services
from moderation.sessions import begin, login_token
from moderation.settings import Reviewing, Settings
from review_ui.app import create_app
from review_ui.security import COOKIE

ROOT = Path(__file__).resolve().parents[3]
SHOTS = ROOT / "var" / "screenshots"
STAGE = "ui_stage"
#: A clip about a person of the registry, and one in which somebody may be a minor; who is shown is an adult.
SAMPLES = ("public-figure", "young-looking")
SIZES = ((1440, 900), (1280, 720), (400, 860))
SCHEMES = ("light", "dark")
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
RECORDS = queries("records")
SCORES = [(at, 0.9 if 800 <= at < 1600 else 0.05, None) for at in range(0, 3000, 333)]
LAYOUT = (Path(__file__).parent / "layout.js").read_text()


@pytest.fixture(scope="session")
def stage(postgres, embedded_pack) -> Iterator[Path]:
    """A state folder after the pipeline has run once on the samples; its database is a template for every test's."""
    folder = Path(tempfile.mkdtemp(prefix="cs-ui-"))
    folder.chmod(0o755)
    template = postgres.dsn()
    with psycopg.connect(template.replace("/moderation?", "/postgres?"), autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {STAGE} TEMPLATE moderation")
    settings = Settings(env="development", state=folder, database_url=template.replace("/moderation?", f"/{STAGE}?"))
    with open_services(settings, migrating=False) as services:
        register_people(services)
        for sample in make_samples(settings.models):
            if sample.name in SAMPLES:
                check_file(services, "default", "samples", sample.path, sample.submission)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def dsn(stage, postgres, request) -> Iterator[str]:
    """The URL of a copy of the stage's database."""
    name = f"ui_{abs(hash(request.node.nodeid)):x}"
    with psycopg.connect(postgres.dsn().replace("/moderation?", "/postgres?"), autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name} TEMPLATE {STAGE} STRATEGY file_copy")
        yield postgres.dsn().replace("/moderation?", f"/{name}?")
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def settings(stage, dsn, tmp_path) -> Settings:
    """Development settings over a copy of the stage."""
    shutil.copytree(stage, tmp_path / "state", ignore=shutil.ignore_patterns("postgres*", "scratch"))
    return Settings(env="development", state=tmp_path / "state", database_url=dsn)


@pytest.fixture
def pages(run_app):
    """The service with the pages, over a copy of the stage: one case in `likeness`, one in `minor_safety`."""
    return run_app(create_app)


@pytest.fixture
def empty_pages(run_app, postgres, tmp_path):
    """The service with the pages and nothing in it."""
    name = f"ui_empty_{os.getpid()}"
    with psycopg.connect(postgres.dsn().replace("/moderation?", "/postgres?"), autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name} TEMPLATE moderation STRATEGY file_copy")
        url = postgres.dsn().replace("/moderation?", f"/{name}?")
        yield run_app(create_app, database_url=SecretStr(url), state=tmp_path / "empty")
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="module")
def shared_pages(serve, postgres, tmp_path_factory):
    """The service with the pages for all tests of a module, with nothing in it; undoing lasts ten minutes."""
    name = f"ui_shared_{os.getpid()}"
    folder = tmp_path_factory.mktemp("shared")
    folder.chmod(0o755)
    with psycopg.connect(postgres.dsn().replace("/moderation?", "/postgres?"), autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name} TEMPLATE moderation STRATEGY file_copy")
        url = postgres.dsn().replace("/moderation?", f"/{name}?")
        settings = Settings(env="development", state=folder, database_url=url, review=Reviewing(undo_s=600))
        with serve(create_app(settings)) as running:
            yield running
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def empty_queues(shared_pages):
    """The shared service without an open case, whatever the tests before left in it."""
    with shared_pages.services.database.transaction("default") as tx:
        tx.pg.execute(
            "update moderation.cases set state = 'closed', lease_token = null, lease_holder = null, "
            "lease_expires_at = null where state = 'open'"
        )
    return shared_pages


@pytest.fixture(scope="session")
def portrait_clip(tmp_path_factory) -> Path:
    """A drawn clip of three seconds, silent and upright."""
    return draw_clip(tmp_path_factory.mktemp("portrait") / "drawn.mp4", ClipPlan(width=360, height=640, frames=90))


@pytest.fixture
def draw_case(portrait_clip) -> Callable[..., str]:
    """Put a drawn clip of three seconds before a person, with one moment at 0:00.9; returns the clip.

    Its scores are written, not measured: for tests that need many cases and care nothing for what is in them. `file` is
    another clip, `signals` are more scores by signal.
    """

    def put(
        pages, *, file: Path = portrait_clip, signals: Mapping[str, list[object]] | None = None, **said: str
    ) -> str:
        return _put(pages, file, {"prompt": "Shapes over hills", "creator": "noor", **said}, signals or {})

    return put


def _put(pages, path: Path, metadata: dict[str, str], signals: Mapping[str, list[object]]) -> str:
    services: Services = pages.services
    sent = {"file": path.read_bytes(), "metadata": ("", json.dumps(metadata))}
    clip = pages.client.post("/v1/clips", files=sent).json()["id"]
    blob, now = services.store.put("default", "marked", path), services.clock.now()
    measured = {"state": "measured", "model": "m", "version": "1", "calibration": "none", "note": ""}
    scored = {name: {**measured, "samples": each} for name, each in {"explicit.score": SCORES, **signals}.items()}
    analysis = Analysis(signals=scored, faces=[], seen_ms=[at for at, _, _ in SCORES])
    row = {"org": "default", "clip": clip, "now": now}
    marked = {"kind": "marked", "sha256": blob.sha256, "blob_key": blob.key, "bytes": blob.size, "report": Jsonb({})}
    analysed = {"detectors": "d", "gallery": "g", "body": analysis.to_text()}
    with services.database.transaction("default") as tx:
        tx.pg.execute(RECORDS.insert_rendition, {**row, **marked})
        tx.pg.execute(RECORDS.insert_analysis, {**row, **analysed})
    holding.ask_a_person(services, "default", clip, 1, "processing_failed", "it broke")
    return clip


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """Chromium of the system; where it is missing, these tests cannot say anything and fail."""
    found = filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome")))
    path = os.environ.get("CHROMIUM") or next(found, None)
    assert path, "no chromium here: install it, or name it in CHROMIUM"
    # Nothing here is a test of how quick a busy machine is.
    expect.set_options(timeout=30_000)
    with sync_playwright() as playwright:
        # Only our own pages are opened, and containers lack what its own sandbox needs.
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@dataclass
class Watch:
    """What went wrong in a browser's context; `forgiven` holds patterns of what a test brings about on purpose."""

    origin: str
    said: list[str] = field(default_factory=list)
    forgiven: list[str] = field(default_factory=list)

    def follow(self, context: BrowserContext) -> None:
        context.add_init_script(
            "addEventListener('securitypolicyviolation', (event) => console.error("
            "`refused: ${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`))"
        )
        context.on("console", self._note)
        context.on("weberror", lambda error: self.said.append(str(error.error)))
        context.on("request", lambda request: self._hold_to_host(request.url))

    def _note(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.said.append(f"{message.text} ({message.location.get('url', '')})")

    def _hold_to_host(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.path == "/csp-report" or (parts.scheme, f"{parts.scheme}://{parts.netloc}") not in {
            ("http", self.origin),
            ("data", "data://"),
            ("blob", "blob://"),
        }:
            self.said.append(f"asked of another host, or a report: {url}")

    def complaints(self) -> list[str]:
        return [text for text in self.said if not any(re.search(pattern, text) for pattern in self.forgiven)]


@pytest.fixture
def open_browser(chromium, request) -> Iterator[Callable[..., Page]]:
    """Open a logged-in reviewer's tab on a service; each is a browser of its own. `page.watch` is its `Watch`.

    `who` is somebody other than the developer, with the `scopes` of a reviewer.
    """
    if "run_app" in request.fixturenames:
        # Browsers close before the service that they talk to.
        request.getfixturevalue("run_app")
    opened: list[tuple[BrowserContext, Watch]] = []

    def enter(
        pages,
        *,
        locale: str = "en",
        size: tuple[int, int] = (1280, 720),
        log_in: bool = True,
        who: str = "",
        scopes: tuple[str, ...] = ("review",),
        **options,
    ) -> Page:
        viewport = {"width": size[0], "height": size[1]}
        context = chromium.new_context(viewport=viewport, base_url=pages.url, locale=locale, **options)
        watch = Watch(pages.url)
        watch.follow(context)
        opened.append((context, watch))
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.watch = watch
        if who:
            person = Principal(org="default", principal=who, scopes=frozenset(scopes), kind="person")
            cookie = begin(pages.services, person, method="development")
            context.add_cookies([{"name": COOKIE, "value": cookie, "url": pages.url}])
        elif log_in:
            page.goto(f"/login/dev?token={login_token(pages.services)}")
        return page

    yield enter
    for context, _ in opened:
        context.close()
    assert [watch.complaints() for _, watch in opened] == [[] for _ in opened]


@pytest.fixture(scope="session")
def until() -> Callable[[Page, str], None]:
    """Wait until an expression over `video` holds; asked from outside: the content policy lets nobody inside ask."""

    def wait(page: Page, expression: str) -> None:
        deadline = time.monotonic() + 60
        asked = f"(() => {{ const video = document.querySelector('video'); return {expression} }})()"
        while not page.evaluate(asked):
            assert time.monotonic() < deadline, expression
            page.wait_for_timeout(50)

    return wait


@pytest.fixture(scope="session")
def take_case(until) -> Callable[..., str]:
    """Take the next drawn case and wait until its clip stands at the first moment; the case's address."""

    def take(
        page: Page, ready: str = "video && video.readyState >= 2 && Math.abs(video.currentTime - 0.999) < 0.1"
    ) -> str:
        page.goto("/queues")
        page.locator('form[action="/queues/failures/start"] button').click()
        page.wait_for_url(re.compile("/review/case_"))
        until(page, f"'live' in document.body.dataset && {ready}")
        return str(page.evaluate("location.pathname"))

    return take


@pytest.fixture(scope="session")
def ask() -> Callable[..., object]:
    """The one value that a query on a service's database gives."""

    def value(pages, query: str, *values: object) -> object:
        with pages.services.database.transaction("default") as tx:
            return tx.pg.execute(query, values).fetchone()[0]

    return value


@pytest.fixture
def page(open_browser, pages) -> Page:
    """A reviewer's tab, logged in, in which nothing may be refused or fail unnoticed."""
    return open_browser(pages)


@pytest.fixture(scope="session")
def assert_accessible() -> Callable[[Page], None]:
    """Demand that axe finds nothing against WCAG 2.0 to 2.2, A and AA."""
    axe = Axe()

    def demand(page: Page) -> None:
        options = {"runOnly": {"type": "tag", "values": RULES}, "resultTypes": ["violations"]}
        page.wait_for_load_state("load")
        found = axe.run(page, options=options).response
        assert found["passes"], "axe looked at nothing"
        told = [
            f"{rule['id']}: {rule['help']} | {node['html'][:160]} | {node['failureSummary']}"
            for rule in found["violations"]
            for node in rule["nodes"]
        ]
        assert told == [], page.url

    return demand


@pytest.fixture(scope="session")
def assert_layout() -> Callable[[Page], None]:
    """Demand that nothing runs over, no text is cut off, and no two things to press lie on one another.

    What a page holds can be found before its style sheet has come: a page is looked at once all of it is there.
    """

    def demand(page: Page) -> None:
        page.wait_for_load_state("load")
        assert page.evaluate(LAYOUT) == [], (page.url, page.viewport_size)

    return demand


@pytest.fixture(scope="session")
def shoot() -> Callable[[Page, str], None]:
    """Write what a page looks like now, at each size, light and dark, to var/screenshots/."""

    def take(page: Page, name: str) -> None:
        page.wait_for_load_state("load")
        SHOTS.mkdir(parents=True, exist_ok=True)
        before, language = page.viewport_size, page.evaluate("document.documentElement.lang")
        for width, height in SIZES:
            page.set_viewport_size({"width": width, "height": height})
            for scheme in SCHEMES:
                page.emulate_media(color_scheme=scheme)
                page.screenshot(path=SHOTS / f"{name}-{language}-{scheme}-{width}x{height}.png", full_page=True)
        page.emulate_media(color_scheme="light")
        page.set_viewport_size(before)

    return take


@pytest.fixture(scope="session")
def sizes() -> tuple[tuple[int, int], ...]:
    """Width and height of the viewports that every page must fit."""
    return SIZES
