"""The audit log over the API: entries by filters, newest first. People by code name, creators not at all."""

import base64
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response
from fastapi.responses import JSONResponse

from moderation.api.auth import Services_, demand
from moderation.api.schemas import Invalid
from moderation.auditing import PAGE, Cursor, Filters, read_entries
from moderation.keys import Principal

router = APIRouter(prefix="/v1", tags=["audit"])
Auditor = Annotated[Principal, Depends(demand("audit"))]
Text = Annotated[str, Query(max_length=200)]


@router.get("/audit")
def list_entries(
    services: Services_,
    principal: Auditor,
    *,
    actor: Text = "",
    action: Text = "",
    subject: Text = "",
    policy: Text = "",
    since: datetime | None = None,
    until: datetime | None = None,
    cursor: Text = "",
    limit: Annotated[int, Query(ge=1, le=200)] = PAGE,
) -> Response:
    """Entries of the audit log, newest first. `next_cursor` is empty on the last page."""
    if any(at is not None and at.tzinfo is None for at in (since, until)):
        raise Invalid("times need an offset, such as 2026-01-01T12:00:00Z")
    filters = Filters(actor=actor, action=action, subject=subject, policy=policy, since=since, until=until)
    with services.database.transaction(principal.org) as tx:
        found, following = read_entries(tx, filters, read_cursor(cursor) if cursor else None, limit=limit)
    items = [entry.to_json() for entry in found]
    return JSONResponse({"items": items, "next_cursor": write_cursor(following) if following else None})


def write_cursor(cursor: Cursor) -> str:
    """Where a page ended."""
    return base64.urlsafe_b64encode(f"{cursor.at.isoformat()} {cursor.shard} {cursor.seq}".encode()).decode()


def read_cursor(text: str) -> Cursor:
    """Read what `write_cursor` wrote. Raises Invalid for anything else."""
    try:
        at, shard, seq = base64.urlsafe_b64decode(text).decode().split(" ")
        return Cursor(at=aware(at), shard=int(shard), seq=int(seq))
    except ValueError as error:
        raise Invalid("the cursor is not one of this service") from error


def aware(text: str) -> datetime:
    """Read a time with its offset. Raises ValueError for one without."""
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError("a time without an offset")
    return at
