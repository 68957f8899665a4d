"""Logging in and out. In development a link does it; otherwise nobody gets in until a log-in provider is configured."""

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from moderation.api.auth import services_of
from moderation.errors import ModerationError, NotFound
from moderation.messages import LANGUAGES
from moderation.sessions import SESSION_SECONDS, check_login_token, session_cookie
from review_ui.rendering import LANGUAGE_COOKIE, page
from review_ui.routes import PageRoute, demand_own_form
from review_ui.security import COOKIE, Field

router = APIRouter(include_in_schema=False, route_class=PageRoute)
YEAR = 365 * 86400


@router.get("/login")
def ask(request: Request) -> Response:
    """Say how to log in."""
    return page(request, "login.html", None, development=services_of(request).settings.development)


@router.get("/login/dev")
def enter(request: Request, token: str = "") -> Response:
    """Turn a development log-in link into a session."""
    services = services_of(request)
    try:
        principal = check_login_token(services, token)
    except ModerationError:
        return page(request, "login.html", None, status=401, development=services.settings.development)
    answer = RedirectResponse("/queues", status_code=303)
    set_cookie(answer, COOKIE, session_cookie(services, principal), SESSION_SECONDS)
    return answer


@router.post("/logout")
def leave(request: Request, form_token: Field = "") -> Response:
    """End the session in this browser."""
    demand_own_form(request, form_token)
    answer = RedirectResponse("/login", status_code=303)
    answer.delete_cookie(COOKIE, path="/")
    return answer


@router.post("/language")
def choose_language(request: Request, language: Field, form_token: Field = "", back: Field = "/queues") -> Response:
    """Remember the reader's language in this browser."""
    demand_own_form(request, form_token)
    if language not in LANGUAGES:
        raise NotFound("there are no texts in this language")
    answer = RedirectResponse(own_path(back), status_code=303)
    set_cookie(answer, LANGUAGE_COOKIE, language, YEAR)
    return answer


def own_path(text: str) -> str:
    """A path of this service to go back to; anything that a browser could take for another site becomes `/queues`."""
    strange = any(character == "\\" or not " " < character < "\x7f" for character in text)
    return "/queues" if strange or not text.startswith("/") or text.startswith("//") else text


def set_cookie(answer: Response, name: str, value: str, seconds: int) -> None:
    """Set a cookie that no script can read and no other site can make a browser send."""
    answer.set_cookie(name, value, max_age=seconds, httponly=True, samesite="strict", path="/")
