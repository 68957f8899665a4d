"""Logging in and out: at the provider, in development by a link. Sets the session's cookie; knows nothing of tokens."""

from typing import Annotated, Final
from urllib.parse import quote

import structlog
from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import RedirectResponse, Response

from moderation import sessions
from moderation.api.auth import services_of
from moderation.api.rates import at_most
from moderation.errors import NotFound, Outage, Unauthorised
from moderation.keys import Principal
from moderation.login import entering
from moderation.login.attempts import ATTEMPT_SECONDS
from moderation.login.refusals import LoginRefused
from moderation.messages import LANGUAGES
from review_ui.rendering import LANGUAGE_COOKIE, page
from review_ui.routes import PageRoute, demand_own_form
from review_ui.security import Field, cookie_name, is_secure, session_cookie

log = structlog.get_logger()
router = APIRouter(include_in_schema=False, route_class=PageRoute, dependencies=[Depends(at_most(60, "login"))])
YEAR: Final = 365 * 86400
#: What an attempt leaves with the browser. Lax: it must come back with the redirect from the provider's site.
ATTEMPT_COOKIE: Final = "countersign_login"
Back = Annotated[str, Query(max_length=2000)]


@router.get("/login")
def ask(request: Request, back: Back = "/queues", said: str = "") -> Response:
    """Say how to log in."""
    return _page(request, back, said=said if said == "left" else "")


@router.get("/login/dev")
def enter(request: Request, token: str = "", back: Back = "/queues") -> Response:
    """Turn a development log-in link into a session."""
    try:
        principal = sessions.check_login_token(services_of(request), token)
    except Unauthorised:
        return _page(request, back, status=401)
    answer = RedirectResponse(own_path(back), status_code=303)
    return _with_session(request, answer, principal, method="development")


@router.get("/login/start")
def start(request: Request, back: Back = "/queues") -> Response:
    """Send the browser to the provider. By GET, since our own policy lets no form lead to another site."""
    try:
        address, kept = entering.begin(services_of(request), _return_address(request), own_path(back))
    except Outage as error:
        log.warning("login_unavailable", detail=error.message)
        return _page(request, back, said="outage", status=error.status)
    answer = RedirectResponse(address, status_code=303)
    set_cookie(request, answer, ATTEMPT_COOKIE, kept, ATTEMPT_SECONDS, same_site="lax", path="/login")
    return answer


@router.get("/login/return")
def finish(request: Request) -> Response:
    """Take up who comes back from the provider."""
    try:
        entrant = entering.finish(
            services_of(request),
            _return_address(request),
            request.cookies.get(ATTEMPT_COOKIE, ""),
            request.query_params,
        )
        # A redirect that began at another site takes no Strict cookie along; a page of ours that refreshes does.
        answer = page(request, "welcome.html", None, back=own_path(entrant.back))
        _with_session(request, answer, entrant.principal, method="oidc", queues=entrant.queues)
    except (LoginRefused, Outage) as error:
        log.warning("login_refused", detail=error.message)
        said = error.why if isinstance(error, LoginRefused) else "outage"
        answer = _page(request, "/queues", said=said, status=error.status)
    answer.delete_cookie(ATTEMPT_COOKIE, path="/login")
    return answer


@router.post("/logout")
def leave(request: Request, form_token: Field = "") -> Response:
    """End the session, here and on the server."""
    demand_own_form(request, form_token)
    sessions.end(services_of(request), session_cookie(request))
    answer = RedirectResponse("/login?said=left", status_code=303)
    answer.delete_cookie(cookie_name(request), path="/", secure=is_secure(request), httponly=True, samesite="strict")
    return answer


@router.post("/language")
def choose_language(request: Request, language: Field, form_token: Field = "", back: Field = "/queues") -> Response:
    """Remember the reader's language in this browser."""
    demand_own_form(request, form_token)
    if language not in LANGUAGES:
        raise NotFound("there are no texts in this language")
    answer = RedirectResponse(own_path(back), status_code=303)
    set_cookie(request, answer, LANGUAGE_COOKIE, language, YEAR)
    return answer


def own_path(text: str) -> str:
    """A path of this service to go back to; anything that a browser could take for another site becomes `/queues`."""
    strange = any(character == "\\" or not " " < character < "\x7f" for character in text)
    return "/queues" if strange or not text.startswith("/") or text.startswith("//") else text


def set_cookie(
    request: Request,
    answer: Response,
    name: str,
    value: str,
    seconds: int,
    *,
    same_site: str = "strict",
    path: str = "/",
) -> None:
    """Set a cookie that no script can read, that travels over TLS where we do, and not with other sites' requests."""
    strict = same_site == "strict"
    answer.set_cookie(
        name,
        value,
        max_age=seconds,
        httponly=True,
        samesite="strict" if strict else "lax",
        secure=is_secure(request),
        path=path,
    )


def _page(request: Request, back: str, *, said: str = "", status: int = 200) -> Response:
    settings = services_of(request).settings
    return page(
        request,
        "login.html",
        None,
        status=status,
        said=said,
        development=settings.development,
        provider=settings.login.oidc is not None,
        start=f"/login/start?back={quote(own_path(back))}",
    )


def _with_session(
    request: Request, answer: Response, principal: Principal, *, method: str, queues: tuple[str, ...] | None = None
) -> Response:
    """Begin a session in place of whatever the browser had. Raises LoginRefused."""
    services = services_of(request)
    before = session_cookie(request) or None
    cookie = sessions.begin(services, principal, method=method, queues=queues, before=before)
    set_cookie(request, answer, cookie_name(request), cookie, services.settings.login.absolute_seconds)
    return answer


def _return_address(request: Request) -> str:
    """Where the provider sends people back to: said by the settings, never by whoever asks. Raises Outage."""
    settings = services_of(request).settings
    if settings.url:
        return f"{settings.url.rstrip('/')}/login/return"
    if not settings.development:
        raise Outage("login", "MODERATION_URL must say under which address this service is reached")
    return f"{str(request.base_url).rstrip('/')}/login/return"
