"""The application: settings in, a FastAPI app out. Opens the services when it starts and closes them when it ends."""

import asyncio
import signal
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from types import FrameType

import structlog
from fastapi import FastAPI, Request
from starlette.concurrency import run_in_threadpool

from moderation import __version__
from moderation.api import (
    audit,
    clips,
    enrolments,
    events,
    grants,
    health,
    lineage,
    lookbacks,
    media,
    notices,
    openapi,
    owners,
    people,
    policies,
    problems,
    quality,
    renditions,
    resolution,
    reviewers,
    reviews,
    revocations,
    statements,
    trends,
    uploads,
    verify,
    webhooks,
    works,
)
from moderation.api.announcements import Announcements
from moderation.api.envelope import Envelope
from moderation.api.rates import new_limiter
from moderation.assembly import open_services
from moderation.errors import Outage
from moderation.keys import Principal
from moderation.rulebook.watching import kept_current
from moderation.services import Services
from moderation.settings import Settings

log = structlog.get_logger()
WATCH_SECONDS = 1.0
DECODERS = 2

DESCRIPTION = """\
The pre-publication gate for AI-generated video. Hand in a clip, learn whether it may be published and why, and fetch
the marked, signed file. Errors are problem documents (RFC 9457) with a stable `code`; times are UTC, positions within
a clip are milliseconds from the first displayed frame, boxes are 0 to 1 in displayed orientation.
"""
TAGS = [
    {"name": "clips", "description": "Clips and what became of them."},
    {"name": "review", "description": "The human queue: claim a case under a lease, decide it."},
    {"name": "quality", "description": "How right the answers are, how the work stands, what it costs people."},
    {"name": "likeness", "description": "The likeness registry: people, what they allow, what they take back."},
    {"name": "policies", "description": "The rules: bundles on their way, what is in force, break-glass."},
    {"name": "enrolments", "description": "A person's own likeness, enrolled by a challenge and one recording."},
    {"name": "audit", "description": "What happened, in hash chains: who did what to what."},
    {"name": "verify", "description": "Where a copy came from. No key needed; limited by address."},
    {"name": "notices", "description": "Notices and appeals of anybody. No key needed; limited by address."},
    {"name": "c2pa", "description": "The C2PA Soft Binding Resolution API: a copy's lost manifest. No key needed."},
    {"name": "webhooks", "description": "Signed events after Standard Webhooks, at least once."},
    {"name": "health", "description": "Whether this process can work, and the numbers to watch."},
]


def create_app(settings: Settings | None = None) -> FastAPI:
    """Make the API; `settings` are read from the environment when none are given.

    `app.state.session_principal` and `.session_cookie`, functions of the request, are for whoever adds log-ins.
    """
    resolved = settings or Settings()
    app = FastAPI(
        title="Countersign",
        version=__version__,
        description=DESCRIPTION,
        openapi_tags=TAGS,
        lifespan=_lifespan,
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=openapi.name_of,
    )
    app.state.settings = resolved
    #: Hundreds of services in a row, as tests start them, need few decoders.
    app.state.warm_decoders = True
    app.state.found_ready = {}
    app.state.announcements = Announcements()
    app.state.limiter = new_limiter()
    app.state.turns = verify.Turns()
    app.state.session_principal = no_session
    app.state.session_cookie = no_cookie
    problems.register(app)
    read = (clips, lineage, media, events, statements, notices, verify, resolution)
    registry = (people, grants, owners, enrolments, revocations, lookbacks, works)
    staff = (reviews, reviewers, renditions, trends, quality, policies, audit)
    for module in (*read, *registry, *staff, webhooks, health):
        app.include_router(module.router)
    app.add_middleware(Envelope)
    openapi.describe(app)
    return app


def no_session(_: Request) -> Principal | None:
    """The API alone knows no sessions."""
    return None


def no_cookie(_: Request) -> str:
    """Nor what would name one."""
    return ""


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    with ExitStack() as stack:
        services = await run_in_threadpool(_open, stack, app.state.settings, warm=app.state.warm_decoders)
        app.state.services = services
        tasks = [
            asyncio.create_task(watch(services)),
            asyncio.create_task(app.state.announcements.listen(services.dsn)),
        ]
        try:
            with streams_ended_on_signals(app.state.announcements):
                yield
        finally:
            for task in tasks:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task


@contextmanager
def streams_ended_on_signals(announcements: Announcements) -> Iterator[None]:
    """End open streams when the server is told to stop, which would otherwise wait for them; then do what was due."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def end(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(announcements.close)
        handler = before[signal.Signals(number)]
        if callable(handler):
            handler(number, frame)

    for number in before:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _open(stack: ExitStack, settings: Settings, *, warm: bool) -> Services:
    """Open the services and make now what a first request would otherwise wait for."""
    opening = open_services(settings, sandbox_children=DECODERS, sandbox_warm=warm, migrating=settings.development)
    services = stack.enter_context(opening)
    uploads.sweep(services.scratch())
    _ = services.sandbox, services.store, services.mark_keys
    stack.enter_context(kept_current(services.rulebook, services.dsn))
    return services


async def watch(services: Services) -> None:
    """Restart an embedded database that died, within about a second."""
    while True:
        await asyncio.sleep(WATCH_SECONDS)
        try:
            await run_in_threadpool(services.watch_database)
        except Outage as outage:
            log.warning("database_away", detail=outage.message)
