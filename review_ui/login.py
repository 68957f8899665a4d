"""Logging in and out. In development a link does it; otherwise nobody gets in until a log-in provider is configured."""

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from moderation.api.auth import services_of
from moderation.errors import ModerationError
from moderation.keys import SCOPES, Principal
from moderation.sessions import SESSION_SECONDS, check_login_token, check_session, session_cookie
from review_ui.rendering import page

router = APIRouter(include_in_schema=False)
COOKIE = "countersign_session"


@router.get("/login")
def ask(request: Request) -> Response:
    """Say how to log in."""
    return page(request, "login.html", None, status=401)


@router.get("/login/dev")
def enter(request: Request, token: str) -> Response:
    """Turn a development log-in link into a session."""
    services = services_of(request)
    try:
        principal = check_login_token(services, token)
    except ModerationError:
        return page(request, "login.html", None, status=401)
    answer = RedirectResponse("/queues", status_code=303)
    answer.set_cookie(
        COOKIE, session_cookie(services, principal), max_age=SESSION_SECONDS, httponly=True, samesite="strict", path="/"
    )
    return answer


@router.post("/logout")
def leave() -> Response:
    """End the session in this browser."""
    answer = RedirectResponse("/login", status_code=303)
    answer.delete_cookie(COOKIE, path="/")
    return answer


def session_principal(request: Request) -> Principal | None:
    """Who the request's session belongs to; None when it carries none that is valid."""
    cookie = request.cookies.get(COOKIE)
    if cookie is None:
        return None
    try:
        name = check_session(services_of(request), cookie)
    except ModerationError:
        return None
    # Only the development link makes sessions so far, and it stands for the principal that may do everything.
    return Principal(org="default", principal=name, scopes=frozenset(SCOPES), kind="person")
