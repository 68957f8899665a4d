"""What every page of a person's own shares: their cookie, their forms, their frame. No reviewer's session counts."""

from typing import Any, Final

from fastapi import Request
from starlette.responses import Response

from moderation import owners
from moderation.api.auth import services_of
from moderation.errors import Unauthorised
from moderation.owners import Owner
from moderation.passkeys import Party, party_at
from review_ui.login import set_cookie
from review_ui.rendering import page
from review_ui.security import demand_form_token, form_token, is_secure

COOKIE: Final = "countersign_owner"


def cookie_name(request: Request) -> str:
    """What the cookie is called here; over TLS no other host can set it."""
    return f"__Host-{COOKIE}" if is_secure(request) else COOKIE


def owner_cookie(request: Request) -> str:
    """The cookie, empty where there is none."""
    return request.cookies.get(cookie_name(request), "")


def visiting(request: Request) -> Owner:
    """Whose page is asked for. Raises Unauthorised."""
    cookie = owner_cookie(request)
    if not cookie:
        raise Unauthorised
    return owners.check(services_of(request), cookie)


def signing(request: Request, token: str) -> Owner:
    """Who sends a form of their own page. Raises Unauthorised, Forbidden."""
    owner = visiting(request)
    demand_own_form(request, token)
    return owner


def demand_own_form(request: Request, token: str) -> None:
    """Refuse a form that our page did not make for this visitor. Raises Forbidden."""
    cookie, site = owner_cookie(request), request.headers.get("sec-fetch-site")
    demand_form_token(services_of(request), cookie, token or request.headers.get("x-form-token", ""), site)


def keep_cookie(request: Request, answer: Response, cookie: str) -> None:
    """Let the browser keep its session."""
    set_cookie(request, answer, cookie_name(request), cookie, int(owners.LONGEST.total_seconds()))


def own_page(request: Request, template: str, owner: Owner | None, *, status: int = 200, **context: object) -> Response:
    """One of the pages of a person's own."""
    token = form_token(services_of(request), owner_cookie(request))
    own: dict[str, Any] = {**context, "form_token": token, "owner": owner, "here": "/mine"}
    return page(request, template, None, status=status, **own)


def party_of(request: Request) -> Party | None:
    """This service as passkeys know it: by the settings' address, never by whoever asks; None where none work."""
    settings = services_of(request).settings
    return party_at(settings.url or (str(request.base_url) if settings.development else ""))
