"""Around every request: its id, a bound on its body, every answer's headers, and the last resort when it breaks."""

import re
import secrets
import traceback
from http import HTTPStatus

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from moderation.api.problems import answer, unforeseen
from moderation.problems import problem

log = structlog.get_logger()
_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
#: The largest body of a request that is no upload; uploads have their own limits while they arrive.
MAX_BODY_BYTES = 1024 * 1024
UPLOADS = frozenset({"/v1/clips", "/v1/notices", "/v1/verify", "/v1/c2pa/matches/byContent", "/verify", "/notice"})
#: The same where an id stands in the path.
UPLOAD_FORMS = re.compile(r"/v1/people/per_[0-9a-f]{32}/(enrolments/enr_[0-9a-f]{32}/recording|works)")


def is_upload(path: str) -> bool:
    """Tell whether a route bounds its body itself, while it arrives."""
    return path in UPLOADS or UPLOAD_FORMS.fullmatch(path) is not None


class Envelope:
    """ASGI middleware. A caller's `X-Request-Id` is kept when it is harmless, else a fresh one is made."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = Body(scope, receive)
        reply = Reply(scope, send)
        if "\0" in scope["path"] or b"%00" in scope["query_string"]:
            # No name of ours has one, and the database takes none.
            await answer(reply.request_id, problem(400, "bad_request", "An address holds no NUL."))(
                scope, body.receive, reply.send
            )
            return
        with structlog.contextvars.bound_contextvars(request_id=reply.request_id):
            try:
                await self._app(scope, body.receive, reply.send)
            except ClientDisconnect:
                log.info("client_left", method=scope["method"], path=scope["path"])
            except Exception as error:
                report(error, method=scope["method"], path=scope["path"])
                if reply.started:
                    raise
                await unforeseen(reply.request_id)(scope, body.receive, reply.send)


def report(error: Exception, **context: object) -> None:
    """Log what nobody foresaw: its kind and where it happened. Its text and values may be personal and stay out."""
    where = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(error.__traceback__)]
    log.error("request_failed", error=type(error).__name__, where=where[-12:], **context)


class Body:
    """The request's body on its way in; bounded unless it is an upload."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self._receive = receive
        self._left = None if is_upload(scope["path"]) else MAX_BODY_BYTES

    async def receive(self) -> Message:
        message = await self._receive()
        if self._left is not None:
            self._left -= len(message.get("body", b""))
            if self._left < 0:
                # The one kind of error that the framework's own reading of a body lets through.
                raise HTTPException(
                    HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"The body has more than {MAX_BODY_BYTES} bytes."
                )
        return message


class Reply:
    """The response on its way out, with what every response carries."""

    def __init__(self, scope: Scope, send: Send) -> None:
        given = Headers(scope=scope).get("x-request-id", "")
        self.request_id = given if _ID.fullmatch(given) else secrets.token_hex(12)
        self.started = False
        self._send = send
        scope["request_id"] = self.request_id

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            headers = MutableHeaders(scope=message)
            headers["X-Request-Id"] = self.request_id
            headers["X-Content-Type-Options"] = "nosniff"
            headers.setdefault("Cache-Control", "no-store")
        await self._send(message)
