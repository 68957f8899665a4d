"""Every error as `application/problem+json` (RFC 9457) with the request's id. Never the text of an unforeseen one."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import cast

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException

from moderation.errors import ModerationError, Outage
from moderation.outcomes import database_away
from moderation.problems import MEDIA_TYPE, problem, problem_of

log = structlog.get_logger()
#: Codes of statuses that the framework itself answers with.
CODES = {404: "not_found", 405: "method_not_allowed", 413: "too_large", 415: "unsupported_media_type"}
RETRY_SECONDS = 5


def register(app: FastAPI) -> None:
    """Answer every kind of error with a problem document."""
    app.add_exception_handler(ModerationError, _of_ours)
    app.add_exception_handler(HTTPException, _of_the_framework)
    app.add_exception_handler(RequestValidationError, _of_validation)
    app.add_exception_handler(DBAPIError, _of_the_database)
    app.add_exception_handler(PoolTimeout, _of_the_database)


def answer(request_id: str, document: Mapping[str, object], headers: Mapping[str, str] | None = None) -> JSONResponse:
    """A problem document as a response."""
    status = cast("int", document["status"])
    content = {**document, "request_id": request_id}
    return JSONResponse(content, status_code=status, headers=dict(headers or {}), media_type=MEDIA_TYPE)


def unforeseen(request_id: str) -> JSONResponse:
    """The answer to what nobody foresaw: no word of the exception leaves the service."""
    return answer(request_id, problem(500, "internal_error", "The service failed in a way nobody foresaw."))


def invalid(errors: Sequence[Mapping[str, object]]) -> dict[str, object]:
    """The document for a request that does not have the form it must have; `errors` name each place by JSON pointer."""
    return problem(422, "invalid_request", "The request does not have the form it must have.", {"errors": errors})


def places(errors: Sequence[Mapping[str, object]], root: str = "") -> list[dict[str, object]]:
    """Write pydantic's errors as JSON pointers (RFC 6901) with what is wrong there; never the refused value."""
    return [
        {"pointer": root + _pointer(cast("Sequence[object]", error["loc"])), "detail": error["msg"]} for error in errors
    ]


def _pointer(place: Sequence[object]) -> str:
    return "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in place)


def _id_of(request: Request) -> str:
    return str(request.scope.get("request_id", ""))


async def _of_ours(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ModerationError)
    headers = {}
    if error.status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = str(error.params.get("retry_after", RETRY_SECONDS))
    if "retry_after" in error.params:
        headers["Retry-After"] = str(error.params["retry_after"])
    if error.status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
        headers["Content-Range"] = f"bytes */{error.params['size']}"
    if error.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    return answer(_id_of(request), problem_of(error), headers)


async def _of_the_framework(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    code = CODES.get(error.status_code, "bad_request")
    return answer(_id_of(request), problem(error.status_code, code, str(error.detail)), error.headers)


async def _of_validation(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    return answer(_id_of(request), invalid(places(error.errors())))


async def _of_the_database(request: Request, error: Exception) -> JSONResponse:
    if database_away(error):
        log.warning("database_away", error=type(error).__name__, sqlstate=getattr(error, "sqlstate", None))
        return await _of_ours(request, Outage("database", "the database is away; try again in a moment"))
    # The database's own words name tables and values.
    log.error("request_failed", error=type(error).__name__, sqlstate=getattr(error.__cause__, "sqlstate", None))
    return unforeseen(_id_of(request))
