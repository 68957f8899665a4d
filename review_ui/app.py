"""The whole web service: the API of `moderation` with the reviewers' pages on top. Holds no logic of its own."""

from pathlib import Path

from fastapi import FastAPI
from starlette.staticfiles import StaticFiles

from moderation.api.app import create_app as create_api
from moderation.settings import Settings
from review_ui import frame, login, pages, provenance, routes
from review_ui.rendering import STATIC_URL
from review_ui.security import PageGuard

STATIC = Path(__file__).parent / "static"


def create_app(settings: Settings | None = None) -> FastAPI:
    """Make the service; `settings` are read from the environment when none are given."""
    app = create_api(settings)
    app.state.session_principal = routes.session_principal
    app.include_router(frame.router)
    app.include_router(login.router)
    app.include_router(pages.router)
    app.include_router(provenance.router)
    app.mount(STATIC_URL, StaticFiles(directory=STATIC), name="static")
    app.add_middleware(PageGuard)
    return app
