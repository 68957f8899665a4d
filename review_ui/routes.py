"""What every page route shares: who reads, who acts, and that errors are pages, not problem documents."""

from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Any, cast

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.responses import RedirectResponse, Response

from moderation.api.auth import SessionPrincipal, services_of
from moderation.errors import Forbidden, ModerationError, Unauthorised
from moderation.keys import SCOPES, Principal
from moderation.outcomes import database_away
from moderation.sessions import check_session
from review_ui.rendering import page
from review_ui.security import COOKIE, demand_form_token

Handler = Callable[[Request], Coroutine[Any, Any, Response]]
#: Statuses that have a sentence of their own.
SAID = frozenset({403, 404, 409, 422, 503})


class PageRoute(APIRoute):
    """A route whose errors are pages: without a session the log-in, else a sentence on what to do."""

    def get_route_handler(self) -> Handler:
        """Wrap the framework's handler."""
        handle = super().get_route_handler()

        async def answer(request: Request) -> Response:
            try:
                return await handle(request)
            except Unauthorised:
                return RedirectResponse("/login", status_code=303)
            except ModerationError as error:
                return problem_page(request, error.status)
            except RequestValidationError:
                return problem_page(request, HTTPStatus.UNPROCESSABLE_ENTITY)
            except Exception as error:
                if database_away(error):
                    return problem_page(request, HTTPStatus.SERVICE_UNAVAILABLE)
                raise

        return answer


def problem_page(request: Request, status: int) -> Response:
    """Say what went wrong and what to do next."""
    sentence = f"problem.{int(status) if status in SAID else 'other'}"
    return page(request, "problem.html", logged_in(request), status=status, sentence=sentence)


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


def logged_in(request: Request) -> Principal | None:
    """Whose session this is, asked where the API asks too."""
    return cast("SessionPrincipal", request.app.state.session_principal)(request)


def reading(request: Request) -> Principal:
    """Who reads a page. Raises Unauthorised without a session, Forbidden to whoever reviews nothing."""
    principal = logged_in(request)
    if principal is None:
        raise Unauthorised
    if not principal.may("review", "specialist"):
        raise Forbidden
    return principal


def acting(request: Request, form_token: str) -> Principal:
    """Who sends a form: a reviewer, with their session's form token. Raises Unauthorised, Forbidden."""
    principal = reading(request)
    demand_own_form(request, form_token)
    return principal


def demand_own_form(request: Request, form_token: str) -> None:
    """Refuse a form that our own page did not make for this session. Raises Forbidden."""
    cookie = request.cookies.get(COOKIE, "")
    demand_form_token(services_of(request), cookie, form_token, request.headers.get("sec-fetch-site"))
