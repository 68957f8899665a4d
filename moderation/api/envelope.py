"""Around every request: its id, the headers every answer carries, and the last resort when a handler breaks."""

import asyncio
import re
import secrets
from contextlib import suppress
from http import HTTPStatus

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from moderation.api.problems import unforeseen

log = structlog.get_logger()
_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
#: What a refused client still sends is read for so long, so that it can read why before the connection closes.
DRAIN_SECONDS = 5.0


class Envelope:
    """ASGI middleware. A caller's `X-Request-Id` is kept when it is harmless, else a fresh one is made."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = Body(scope, receive)
        reply = Reply(scope, send, body)
        with structlog.contextvars.bound_contextvars(request_id=reply.request_id):
            try:
                await self._app(scope, body.receive, reply.send)
            except Exception:
                log.exception("request_failed", method=scope["method"], path=scope["path"])
                if reply.started:
                    raise
                await unforeseen(reply.request_id)(scope, body.receive, reply.send)


class Body:
    """The request's body on its way in, and whether all of it has come."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        headers = Headers(scope=scope)
        self._receive = receive
        self._begun = False
        # Who asks before sending has sent nothing yet and need not be listened to.
        self._asks_first = headers.get("expect", "").lower() == "100-continue"
        self._ended = "transfer-encoding" not in headers and headers.get("content-length", "0") == "0"

    async def receive(self) -> Message:
        message = await self._receive()
        self._begun = True
        self._ended = message["type"] == "http.disconnect" or not message.get("more_body", False)
        return message

    async def drain(self) -> None:
        """Read and forget the rest, for a few seconds."""
        if self._asks_first and not self._begun:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_SECONDS):
                while not self._ended:
                    await self.receive()


class Reply:
    """The response on its way out, with what every response carries."""

    def __init__(self, scope: Scope, send: Send, body: Body) -> None:
        given = Headers(scope=scope).get("x-request-id", "")
        self.request_id = given if _ID.fullmatch(given) else secrets.token_hex(12)
        self.started = False
        self._body = body
        self._send = send
        scope["request_id"] = self.request_id

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            headers = MutableHeaders(scope=message)
            headers["X-Request-Id"] = self.request_id
            headers["X-Content-Type-Options"] = "nosniff"
            headers.setdefault("Cache-Control", "no-store")
            if message["status"] >= HTTPStatus.BAD_REQUEST:
                await self._body.drain()
        await self._send(message)
