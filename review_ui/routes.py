"""What every page route shares: who reads, who acts, and that errors are pages, not problem documents."""

from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Any, cast
from urllib.parse import quote

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.responses import Response

from moderation.api.auth import SessionPrincipal, services_of
from moderation.errors import Forbidden, ModerationError, Unauthorised
from moderation.keys import Principal
from moderation.outcomes import database_away
from moderation.sessions import check_session, read_session
from review_ui.desk import Desk, desks_of
from review_ui.rendering import home_of, page, see_other, wants_fragment
from review_ui.security import demand_form_token, session_cookie

#: Scopes of which a reviewer holds at least one.
REVIEWERS = ("review", "specialist")
Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class PageRoute(APIRoute):
    """A route whose errors are pages: without a session the log-in, else a sentence on what to do."""

    def get_route_handler(self) -> Handler:
        """Wrap the framework's handler."""
        handle = super().get_route_handler()

        async def answer(request: Request) -> Response:
            try:
                return await handle(request)
            except Unauthorised:
                return see_other(request, login_address(request))
            except ModerationError as error:
                return problem_page(request, error.status)
            except RequestValidationError:
                return problem_page(request, HTTPStatus.UNPROCESSABLE_ENTITY)
            except Exception as error:
                if database_away(error):
                    return problem_page(request, HTTPStatus.SERVICE_UNAVAILABLE)
                raise

        return answer


def login_address(request: Request) -> str:
    """The log-in, which leads back to the page that was asked for; for people at their own page its door."""
    if home_of(request) == "/mine":
        return "/mine/enter"
    url = request.url
    wanted = f"{url.path}?{url.query}" if url.query else url.path
    return f"/login?back={quote(wanted)}" if request.method == "GET" and wanted != "/queues" else "/login"


def problem_page(request: Request, status: int) -> Response:
    """Say what went wrong and what to do next."""
    principal = said_to_be(request)
    remembered = (principal and desks_of(request).find(principal)) or Desk()
    answer = page(request, "problem.html", principal, status=int(status), fragment="sentence.html", desk=remembered)
    if wants_fragment(request):
        # What stands on the page stays; only the region for problems says it.
        answer.headers["HX-Retarget"], answer.headers["HX-Reswap"] = "#problem", "innerHTML"
    return answer


def session_principal(request: Request) -> Principal | None:
    """Who the request's session belongs to; None when it carries none that stands. Asked once a request."""
    if not hasattr(request.state, "principal"):
        request.state.principal = _principal(request)
    return cast("Principal | None", request.state.principal)


def _principal(request: Request) -> Principal | None:
    cookie = session_cookie(request)
    if not cookie:
        return None
    try:
        return check_session(services_of(request), cookie).principal
    except ModerationError:
        return None


def said_to_be(request: Request) -> Principal | None:
    """Whose cookie this is, were its session still to stand: for pages that must not need the database."""
    try:
        return read_session(services_of(request), session_cookie(request)).principal
    except ModerationError:
        return None


def logged_in(request: Request) -> Principal | None:
    """Whose session this is, asked where the API asks too."""
    return cast("SessionPrincipal", request.app.state.session_principal)(request)


def reading(request: Request, *scopes: str) -> Principal:
    """Who reads a page, with one of these scopes, a reviewer's when none are named. Raises Unauthorised, Forbidden."""
    principal = logged_in(request)
    if principal is None:
        raise Unauthorised
    if not principal.may(*(scopes or REVIEWERS)):
        raise Forbidden
    return principal


def acting(request: Request, form_token: str, *scopes: str) -> Principal:
    """Who sends a form: like `reading`, with their session's form token. Raises Unauthorised, Forbidden."""
    principal = reading(request, *scopes)
    demand_own_form(request, form_token)
    return principal


def demand_own_form(request: Request, form_token: str) -> None:
    """Refuse a form that our own page did not make for this session; htmx sends a header. Raises Forbidden."""
    cookie, given = session_cookie(request), form_token or request.headers.get("x-form-token", "")
    demand_form_token(services_of(request), cookie, given, request.headers.get("sec-fetch-site"))
