"""The application: settings in, a FastAPI app out. Opens the services when it starts and closes them when it ends."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager, suppress

import structlog
from fastapi import FastAPI, Request
from starlette.concurrency import run_in_threadpool

from moderation import __version__
from moderation.api import clips, health, problems, uploads
from moderation.api.announcements import Announcements
from moderation.api.envelope import Envelope
from moderation.assembly import open_services
from moderation.errors import Outage
from moderation.keys import Principal
from moderation.services import Services
from moderation.settings import Settings

log = structlog.get_logger()
WATCH_SECONDS = 1.0
#: The largest body of a request that is no upload.
MAX_BODY_BYTES = 1024 * 1024
DECODERS = 2

DESCRIPTION = """\
The pre-publication gate for AI-generated video. Hand in a clip, learn whether it may be published and why, and fetch
the marked, signed file. Errors are problem documents (RFC 9457) with a stable `code`; times are UTC, positions within
a clip are milliseconds from the first displayed frame, boxes are 0 to 1 in displayed orientation.
"""
TAGS = [{"name": "clips", "description": "Clips and what became of them."}, {"name": "health"}]


def create_app(settings: Settings | None = None) -> FastAPI:
    """Make the API; `settings` are read from the environment when none are given.

    `app.state.session_principal` may be replaced by whoever adds log-ins: a function of the request.
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
        max_body_size=MAX_BODY_BYTES,
    )
    app.state.settings = resolved
    app.state.found_ready = {}
    app.state.announcements = Announcements()
    app.state.session_principal = no_session
    problems.register(app)
    for module in (clips, health):
        app.include_router(module.router)
    app.add_middleware(Envelope)
    return app


def no_session(_: Request) -> Principal | None:
    """The API alone knows no sessions."""
    return None


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    with ExitStack() as stack:
        services = await run_in_threadpool(_open, stack, app.state.settings)
        app.state.services = services
        tasks = [
            asyncio.create_task(watch(services)),
            asyncio.create_task(app.state.announcements.listen(services.dsn)),
        ]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task


def _open(stack: ExitStack, settings: Settings) -> Services:
    """Open the services and make now what a first request would otherwise wait for."""
    services = stack.enter_context(open_services(settings, sandbox_children=DECODERS, migrating=settings.development))
    uploads.sweep(services.scratch())
    _ = services.sandbox, services.store, services.mark_keys
    return services


async def watch(services: Services) -> None:
    """Restart an embedded database that died, within about a second."""
    while True:
        await asyncio.sleep(WATCH_SECONDS)
        try:
            await run_in_threadpool(services.watch_database)
        except Outage as outage:
            log.warning("database_away", detail=outage.message)
