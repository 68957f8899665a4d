"""Provenance for anybody, without a key: verify a copy, resolve a mark.

No answer here holds personal data. At most one file is verified at a time, so that a decoder stays free for the door.
"""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from moderation.api.auth import Anyone, Services_
from moderation.api.rates import at_most
from moderation.api.schemas import VerifySource, read_json
from moderation.api.uploads import kind_of, receive_form, receive_json, scratch_file
from moderation.destinations import rules_of
from moderation.errors import Busy, NotFound
from moderation.fetching import download
from moderation.services import Services
from moderation.verification import resolve_mark, verify_file

#: Who may see candidates that a fingerprint alone suggests.
STAFF = ("review", "specialist", "audit")
MAX_WAITING = 8
#: Files of one address, by the API and the page together.
PER_MINUTE = 30
FETCH_SECONDS = 60.0
_PAYLOAD = re.compile(r"[0-9a-f]{12}")

router = APIRouter(prefix="/v1", tags=["verify"])


class Turns:
    """One file at a time; a short queue; the rest are told to come back."""

    def __init__(self) -> None:
        self._turn = asyncio.Semaphore(1)
        self._waiting = 0

    @asynccontextmanager
    async def take(self) -> AsyncIterator[None]:
        """Wait for a turn. Raises Busy when too many wait already."""
        if self._waiting >= MAX_WAITING:
            raise Busy("too many files are being verified", retry_after=10)
        self._waiting += 1
        try:
            async with self._turn:
                yield
        finally:
            self._waiting -= 1


@router.post("/verify", dependencies=[Depends(at_most(PER_MINUTE, "verify"))])
async def verify(request: Request, services: Services_, principal: Anyone) -> Response:
    """Say where a copy came from: multipart `file`, or JSON with its `url`."""
    turns: Turns = request.app.state.turns
    staff_of = principal.org if principal is not None and principal.may(*STAFF) else None
    limits = services.settings.limits
    if kind_of(request) == "multipart":
        async with receive_form(request, services.scratch(), limits) as received, turns.take():
            return await _verified(services, received.path, staff_of=staff_of)
    source = read_json(VerifySource, await receive_json(request, limits))
    with scratch_file(services.scratch()) as (_, path):
        rules = rules_of(services.settings)
        await download(source.url, path, rules, limits, seconds=FETCH_SECONDS)
        async with turns.take():
            return await _verified(services, path, staff_of=staff_of)


async def _verified(services: Services, path: Path, *, staff_of: str | None) -> Response:
    return JSONResponse(await run_in_threadpool(lambda: verify_file(services, path, staff_of=staff_of)))


@router.get("/marks/{payload}", dependencies=[Depends(at_most(120, "marks"))])
def read_mark(payload: str, services: Services_) -> Response:
    """What a mark's payload of 12 hex digits stands for."""
    return JSONResponse(resolve_mark(services, demand_payload(payload)))


def demand_payload(payload: str) -> str:
    """A payload in its one written form. Raises NotFound for anything else."""
    if not _PAYLOAD.fullmatch(payload):
        raise NotFound("a mark's payload is 12 lower-case hex digits")
    return payload
