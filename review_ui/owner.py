"""What every page of a person's own shares: their cookie, their forms, their frame. No reviewer's session counts."""

import secrets
from contextlib import suppress
from typing import Any, Final

from fastapi import Request
from starlette.responses import Response

from moderation import owners
from moderation.api.auth import services_of
from moderation.errors import Forbidden, Unauthorised
from moderation.owners import Owner
from moderation.passkeys import Party, party_at
from review_ui.login import set_cookie
from review_ui.rendering import page, wants_fragment
from review_ui.security import demand_form_token, form_token, is_secure

COOKIE: Final = "countersign_owner"
#: Of a browser in which nobody has entered yet: it says nothing but that two forms came from the same one.
VISIT: Final = "countersign_visit"
VISIT_SECONDS: Final = 3600
VISIT_BYTES: Final = 18


def cookie_name(request: Request, name: str = COOKIE) -> str:
    """What the cookie is called here; over TLS no other host can set it."""
    return f"__Host-{name}" if is_secure(request) else name


def owner_cookie(request: Request) -> str:
    """The cookie, empty where there is none."""
    return request.cookies.get(cookie_name(request), "")


def visiting(request: Request) -> Owner:
    """Whose page is asked for. Raises Unauthorised."""
    cookie = owner_cookie(request)
    if not cookie:
        raise Unauthorised
    return owners.check(services_of(request), cookie, touch=not wants_fragment(request))


def signing(request: Request, token: str) -> Owner:
    """Who sends a form of their own page. Raises Unauthorised, Forbidden."""
    owner = visiting(request)
    _demand_token(request, owner_cookie(request), token)
    return owner


def demand_own_form(request: Request, token: str) -> None:
    """Refuse a form that our page did not make in this browser. Raises Forbidden.

    Who comes from another site brings no cookie to the door but does to its form: an older session is no hindrance.
    """
    if owner_cookie(request):
        with suppress(Forbidden):
            return _demand_token(request, owner_cookie(request), token)
    return _demand_token(request, _visit(request), token)


def _demand_token(request: Request, held: str, token: str) -> None:
    if not held:
        raise Forbidden("this page is too old or not yours; load it again")
    given, site = token or request.headers.get("x-form-token", ""), request.headers.get("sec-fetch-site")
    demand_form_token(services_of(request), held, given, site)


def _visit(request: Request) -> str:
    """What the forms of a browser are bound to before anybody entered; empty where it brought nothing."""
    found = request.cookies.get(cookie_name(request, VISIT), "")
    return f"visit {found}" if found else ""


def keep_cookie(request: Request, answer: Response, cookie: str) -> None:
    """Let the browser keep its session."""
    set_cookie(request, answer, cookie_name(request), cookie, int(owners.LONGEST.total_seconds()))


def own_page(request: Request, template: str, owner: Owner | None, *, status: int = 200, **context: object) -> Response:
    """One of the pages of a person's own; no address of these is told to other pages."""
    held, fresh = owner_cookie(request) or _visit(request), secrets.token_urlsafe(VISIT_BYTES)
    token = form_token(services_of(request), held or f"visit {fresh}")
    own: dict[str, Any] = {**context, "form_token": token, "owner": owner, "here": "/mine"}
    answer = page(request, template, None, status=status, **own)
    answer.headers["Referrer-Policy"] = "no-referrer"
    if not held:
        set_cookie(request, answer, cookie_name(request, VISIT), fresh, VISIT_SECONDS)
    return answer


def party_of(request: Request) -> Party | None:
    """This service as passkeys know it: by the settings' address, never by whoever asks; None where none work."""
    settings = services_of(request).settings
    return party_at(settings.url or (str(request.base_url) if settings.development else ""))
