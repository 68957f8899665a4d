"""A clip's events as they happen (server-sent events), each once and in order, from where the reader left off."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, cast

from fastapi import APIRouter, Header, Request, Response
from fastapi.responses import StreamingResponse
from fastapi.sse import KEEPALIVE_COMMENT, EventSourceResponse, format_sse_event
from starlette.concurrency import run_in_threadpool

from moderation.api.announcements import Announcements, woken
from moderation.api.auth import Reader, Services_
from moderation.api.submission import status_of
from moderation.db import queries
from moderation.services import Services

SQL = queries("outbox")
#: A missed announcement delays an event by at most so long.
LOOK_SECONDS = 2.0
KEEPALIVE_SECONDS = 15.0
RETRY_MS = 2000

router = APIRouter(prefix="/v1/clips", tags=["clips"])


@router.get("/{clip_id}/events", response_class=Response, responses={200: {"content": {"text/event-stream": {}}}})
async def events(
    clip_id: str,
    request: Request,
    services: Services_,
    principal: Reader,
    last_event_id: Annotated[str | None, Header()] = None,
) -> StreamingResponse:
    """Events of a clip, the past ones first. `Last-Event-ID` (the sequence number) leaves out what was seen."""
    await run_in_threadpool(status_of, services, principal.org, clip_id)
    after = int(last_event_id) if last_event_id and last_event_id.isdigit() and len(last_event_id) < 9 else 0
    announcements = cast("Announcements", request.app.state.announcements)
    stream = follow(services, announcements, principal.org, clip_id, after)
    return EventSourceResponse(stream, headers={"X-Accel-Buffering": "no"})


async def follow(
    services: Services, announcements: Announcements, org: str, clip_id: str, after: int
) -> AsyncIterator[bytes]:
    """Write every event after a sequence number, then wait for more, until the reader goes or the service ends."""
    loop = asyncio.get_running_loop()
    yield format_sse_event(retry=RETRY_MS)
    spoken = loop.time()
    with announcements.watch(org, clip_id) as event:
        while not announcements.closing:
            for seq, type_, body in await run_in_threadpool(read_events, services, org, clip_id, after):
                yield format_sse_event(data_str=body, event=type_, id=str(seq))
                after, spoken = seq, loop.time()
            if loop.time() - spoken >= KEEPALIVE_SECONDS:
                yield KEEPALIVE_COMMENT
                spoken = loop.time()
            await woken(event, LOOK_SECONDS)


def read_events(services: Services, org: str, clip_id: str, after: int) -> list[tuple[int, str, str]]:
    """Sequence number, type and body of every event after one."""
    with services.database.transaction(org) as tx:
        found = tx.pg.execute(SQL.events_of_clip, {"clip": clip_id, "after": after}).fetchall()
    return [(seq, type_, body) for _, seq, type_, body, _ in found]
