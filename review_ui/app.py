"""The whole web service: the API of `moderation` with the reviewers' pages on top. Holds no logic of its own."""

from pathlib import Path

from fastapi import FastAPI
from starlette.staticfiles import StaticFiles

from moderation.api.app import create_app as create_api
from moderation.settings import Settings
from review_ui import (
    auditing,
    breaks,
    casework,
    enrolments,
    frame,
    grants,
    likeness,
    lineage,
    lists,
    login,
    lookbacks,
    metrics_board,
    mine,
    notices,
    own,
    pages,
    passkey_steps,
    policies,
    policy_desk,
    provenance,
    routes,
    search,
    trends,
)
from review_ui.desk import Desks
from review_ui.rendering import STATIC_URL
from review_ui.security import PageGuard, session_cookie

#: The areas of the pages; the first route that fits a path answers.
AREAS = (
    breaks,
    frame,
    login,
    own,
    pages,
    trends,
    casework,
    search,
    lineage,
    auditing,
    metrics_board,
    provenance,
    notices,
    policy_desk,
    policies,
    enrolments,
    likeness,
    lookbacks,
    passkey_steps,
    grants,
    lists,
    mine,
)
STATIC = Path(__file__).parent / "static"


def create_app(settings: Settings | None = None) -> FastAPI:
    """Make the service; `settings` are read from the environment when none are given."""
    app = create_api(settings)
    app.state.session_principal = routes.session_principal
    app.state.session_cookie = session_cookie
    for area in AREAS:
        app.include_router(area.router)
    app.state.desks = Desks()
    app.state.page_paths = frozenset(getattr(route, "path", "") for area in AREAS for route in area.router.routes)
    app.mount(STATIC_URL, StaticFiles(directory=STATIC), name="static")
    app.add_middleware(PageGuard)
    return app
