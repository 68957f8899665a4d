"""What protects the pages: strict headers, and a token on every form. Decides nothing about who may do what."""

import hashlib
import hmac
from typing import TYPE_CHECKING, Annotated, Final

from fastapi import Form
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from moderation.errors import Forbidden

if TYPE_CHECKING:
    from moderation.services import Services

COOKIE: Final = "countersign_session"
#: A field of a form, bounded as nothing here needs more.
Field = Annotated[str, Form(max_length=4000)]
#: Nothing but our own files, no inline code, no sinks that parse text as script (CSP level 3, Trusted Types).
CONTENT_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
HEADERS: Final = {
    "content-security-policy": CONTENT_POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}


class PageGuard:
    """Puts the headers on every answer. That nothing is stored on the way is the API's own rule for all answers."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, guarded)


def form_token(services: "Services", cookie: str) -> str:
    """The token of one session's forms: nobody else's page can know it."""
    return hmac.new(services.vault.derive("form"), cookie.encode(), hashlib.sha256).hexdigest()


def demand_form_token(services: "Services", cookie: str, given: str, fetch_site: str | None) -> None:
    """Refuse a form that did not come from our own page. Raises Forbidden."""
    if fetch_site not in {None, "same-origin"}:
        raise Forbidden("this form came from another site")
    if not hmac.compare_digest(form_token(services, cookie), given):
        raise Forbidden("this page is too old or not yours; load it again")
