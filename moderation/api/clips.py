"""The routes of clips: hand one in, read what became of it, fetch the released file, publish, withdraw, delete."""

import base64
import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Annotated, cast

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.concurrency import run_in_threadpool

from moderation import release
from moderation.api.announcements import Announcements
from moderation.api.auth import Reader, Services_, Submitter
from moderation.api.disclosure import disclose, disclose_decision
from moderation.api.schemas import Accepted, Invalid, Withdrawal
from moderation.api.submission import status_of, submit, wait_of, wait_until_settled
from moderation.clips import Status
from moderation.db import queries, rows
from moderation.db.clips import read_clip
from moderation.verdicts import moment, read_verdict

SQL = queries("clips")
RECORDS = queries("records")

router = APIRouter(prefix="/v1/clips", tags=["clips"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One clip in a list."""

    clip_id: str
    status: str
    creator: str | None
    title: str | None
    visibility: str
    held_cause: str | None
    created_at: datetime
    updated_at: datetime


@router.post("", status_code=202, response_model=Accepted)
async def create(request: Request, services: Services_, principal: Submitter) -> Response:
    """Hand in a clip: multipart `file` and `metadata`, or JSON with a `source_url`."""
    clip_id = await submit(request, services, principal)
    wait = wait_of(request)
    location = f"/v1/clips/{clip_id}"
    headers = {"Location": location}
    if wait is not None:
        headers["Preference-Applied"] = f"wait={wait}"
    status = Status.RECEIVED
    # The clip is in: whatever fails from here on must not look as if it were not.
    with suppress(DBAPIError, PoolTimeout):
        announcements = cast("Announcements", request.app.state.announcements)
        if wait and await wait_until_settled(services, announcements, principal.org, clip_id, wait):
            document = await run_in_threadpool(read_verdict, services, principal.org, clip_id)
            return JSONResponse(disclose(document, principal), headers=headers)
        status = await run_in_threadpool(status_of, services, principal.org, clip_id)
    accepted = {"id": clip_id, "status": str(status), "status_url": location}
    return JSONResponse(accepted, status_code=202, headers=headers)


@router.get("")
def list_clips(
    services: Services_,
    principal: Reader,
    *,
    status: Annotated[Status | None, Query()] = None,
    creator: Annotated[str | None, Query(max_length=256)] = None,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Response:
    """List clips, newest first. `next_cursor` is empty on the last page."""
    at, after = read_cursor(cursor) if cursor else (None, None)
    where = {"status": status, "creator": creator, "at": at, "clip": after, "limit": limit + 1}
    with services.database.transaction(principal.org) as tx:
        found = rows(tx, SQL.list_clips, Line, where)
    page = found[:limit]
    following = write_cursor(page[-1]) if len(found) > limit else None
    return JSONResponse({"items": [_line(line) for line in page], "next_cursor": following})


def _line(line: Line) -> dict[str, object]:
    row = asdict(line)
    clip_id = row.pop("clip_id")
    times = {"created_at": moment(line.created_at), "updated_at": moment(line.updated_at)}
    return {"id": clip_id, "status_url": f"/v1/clips/{clip_id}", **row, **times}


def write_cursor(line: Line) -> str:
    """Where a page ended."""
    return base64.urlsafe_b64encode(f"{line.created_at.isoformat()} {line.clip_id}".encode()).decode()


def read_cursor(cursor: str) -> tuple[datetime, str]:
    """Read what `write_cursor` wrote. Raises Invalid for anything else."""
    try:
        at, _, clip_id = base64.urlsafe_b64decode(cursor).decode().partition(" ")
        place = datetime.fromisoformat(at), clip_id
    except ValueError as error:
        raise Invalid("the cursor is not one of this service") from error
    if "\0" in clip_id:
        # No id holds one, and the database takes none.
        raise Invalid("the cursor is not one of this service")
    return place


@router.get("/{clip_id}")
def read(clip_id: str, services: Services_, principal: Reader) -> Response:
    """The clip with its decision, signals, marks and stages."""
    return JSONResponse(disclose(read_verdict(services, principal.org, clip_id), principal))


@router.get("/{clip_id}/timeline")
def read_timeline(clip_id: str, services: Services_, principal: Reader) -> Response:
    """Signals, segments, faces, voices and looks over time, in milliseconds from the first displayed frame."""
    document = read_verdict(services, principal.org, clip_id)
    names = ("duration_ms", "signals", "segments", "faces", "voices", "looks")
    return JSONResponse({"clip_id": clip_id, **{name: document[name] for name in names}})


@router.get("/{clip_id}/decision")
def read_decision(clip_id: str, services: Services_, principal: Reader) -> Response:
    """The latest decision with its full trace: which rules fired, on what, when in the clip."""
    with services.database.transaction(principal.org) as tx:
        read_clip(tx, clip_id)
        row = tx.pg.execute(RECORDS.latest_decision, {"clip": clip_id}).fetchone()
    if row is None:
        return JSONResponse({"clip_id": clip_id, "decision": None})
    body = disclose_decision(json.loads(row[2]), principal)
    decision = {"id": row[0], "actor_kind": row[3], "actor": row[4], "created_at": moment(row[7]), **body}
    return JSONResponse({"clip_id": clip_id, "decision": decision})


@router.post("/{clip_id}/publish", status_code=202, response_model=Accepted)
def publish(clip_id: str, services: Services_, principal: Submitter) -> Response:
    """Judge a draft again under public rules."""
    release.publish_draft(services, principal.org, clip_id, principal.principal)
    return _moved(services, principal.org, clip_id, 202)


@router.post("/{clip_id}/withdraw", response_model=Accepted)
def withdraw(clip_id: str, services: Services_, principal: Submitter, withdrawal: Withdrawal | None = None) -> Response:
    """Take a clip back; its media is gone from here on."""
    reason = (withdrawal or Withdrawal()).reason
    release.withdraw(services, principal.org, clip_id, principal.principal, reason)
    return _moved(services, principal.org, clip_id, 200)


@router.delete("/{clip_id}", status_code=204)
def delete(clip_id: str, services: Services_, principal: Submitter) -> Response:
    """Erase a clip's files and what tells of its content. A legal hold beats it (409)."""
    release.delete(services, principal.org, clip_id, principal.principal)
    return Response(status_code=204)


def _moved(services: Services_, org: str, clip_id: str, code: int) -> Response:
    location = f"/v1/clips/{clip_id}"
    status = status_of(services, org, clip_id)
    return JSONResponse({"id": clip_id, "status": str(status), "status_url": location}, status_code=code)
