"""What protects the pages: strict headers, and a token on every form. Decides nothing about who may do what."""

import hashlib
import hmac
import secrets
from typing import TYPE_CHECKING, Annotated, Final, cast

from fastapi import Form, Request
from pydantic import StringConstraints
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from moderation.errors import Forbidden

if TYPE_CHECKING:
    from moderation.services import Services

COOKIE: Final = "countersign_session"
#: Over TLS browsers let no other host and no plain connection set a cookie of this name (RFC 6265bis, 4.1.3.2).
HOST_COOKIE: Final = f"__Host-{COOKIE}"
NONCE_BYTES: Final = 18
#: What the database can keep: anything but NUL.
Text = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$")]
#: A field of a form, bounded as nothing here needs more.
Field = Annotated[Text, Form(max_length=4000)]
#: Nothing but our own files, no inline code; only htmx may turn text into elements (CSP level 3, Trusted Types), and
#: only for elements that carry the page's nonce.
CONTENT_POLICY: Final = (
    "default-src 'none'; script-src 'self' 'nonce-{nonce}'; style-src 'self'; img-src 'self'; media-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types htmx; report-uri /csp-report"
)
HEADERS: Final = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}


class PageGuard:
    """Puts the headers on every answer, with a nonce of its own. That nothing is stored is the API's rule for all."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        fresh = secrets.token_urlsafe(NONCE_BYTES)
        scope.setdefault("state", {})["nonce"] = fresh

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.setdefault("content-security-policy", CONTENT_POLICY.format(nonce=fresh))
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, guarded)


def nonce(request: Request) -> str:
    """The nonce of this answer, for `<script nonce>` and `hx-nonce`."""
    return cast("str", request.state.nonce)


def is_secure(request: Request) -> bool:
    """Whether people reach this service over TLS, be it by a proxy before it."""
    settings = cast("Services", request.app.state.services).settings
    return request.url.scheme == "https" or settings.url.startswith("https://")


def cookie_name(request: Request) -> str:
    """What the session's cookie is called here."""
    return HOST_COOKIE if is_secure(request) else COOKIE


def session_cookie(request: Request) -> str:
    """The session's cookie, empty where there is none."""
    return request.cookies.get(cookie_name(request), "")


def form_token(services: "Services", cookie: str) -> str:
    """The token of one session's forms: nobody else's page can know it."""
    return hmac.new(services.vault.derive("form"), cookie.encode(), hashlib.sha256).hexdigest()


def demand_form_token(services: "Services", cookie: str, given: str, fetch_site: str | None) -> None:
    """Refuse a form that did not come from our own page. Raises Forbidden."""
    if fetch_site not in {None, "same-origin"}:
        raise Forbidden("this form came from another site")
    if not hmac.compare_digest(form_token(services, cookie).encode(), given.encode()):
        raise Forbidden("this page is too old or not yours; load it again")
