"""`POST /v1/clips` from the first byte to the answer: received once, accepted once, waited for when asked.

A request with an Idempotency-Key holds that key while its body arrives and lets go of it when nothing came of it.
"""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from fastapi import Request
from starlette.concurrency import run_in_threadpool

from moderation import intake
from moderation.api.announcements import Announcements, woken
from moderation.api.schemas import ClipMetadata, ClipSource, read_json
from moderation.api.uploads import kind_of, receive_form, receive_json
from moderation.clips import SETTLED, Status
from moderation.db import queries
from moderation.errors import NotFound, Unprocessable
from moderation.keys import Principal
from moderation.services import Services

SQL = queries("clips")
#: The longest wait that `Prefer: wait=N` is granted, in seconds.
MAX_WAIT = 120
#: A missed announcement costs a waiting request at most so long.
LOOK_SECONDS = 1.0
#: How often a request shows that it is still arriving; well within intake.RECEIVER_GONE.
SIGN_SECONDS = 5.0
_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_WAIT = re.compile(r"(?:^|[,\s])wait\s*=\s*\"?(\d{1,6})\"?", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """Who submits, and under which Idempotency-Key. `receiving` is empty for a key that stands for a finished clip."""

    principal: Principal
    key: str | None
    receiving: intake.Receiving | None

    @property
    def repeats(self) -> bool:
        return self.key is not None and self.receiving is None


async def submit(request: Request, services: Services, principal: Principal) -> str:
    """Take in the clip of this request and return its id. Raises every refusal of contract section 5."""
    kind = kind_of(request)
    key = key_of(request)
    await run_in_threadpool(intake.demand_room, services, principal.org)
    receiving = None
    if key is not None:
        receiving = await run_in_threadpool(intake.begin_receiving, services, principal.org, principal.principal, key)
    sender = Sender(principal=principal, key=key, receiving=receiving)
    try:
        async with arriving(services, sender):
            return await (_take_file if kind == "multipart" else _take_url)(request, services, sender)
    except BaseException:
        if receiving is not None:
            # Whatever ended this request, its key must be free again; a settled key is not touched.
            await asyncio.shield(run_in_threadpool(intake.stop_receiving, services, principal.org, receiving))
        raise


def key_of(request: Request) -> str | None:
    """The Idempotency-Key, with or without the quotes of a structured field. Raises Unprocessable for a bad one."""
    given = request.headers.get("idempotency-key")
    if given is None:
        return None
    key = given[1:-1] if len(given) > 2 and given[0] == given[-1] == '"' else given
    if not _KEY.fullmatch(key):
        raise Unprocessable("an Idempotency-Key is 1 to 255 visible ASCII characters")
    return key


def wait_of(request: Request) -> int | None:
    """Seconds that the caller prefers to wait (RFC 7240), capped; None when it does not say."""
    found = _WAIT.search(", ".join(request.headers.getlist("prefer")))
    return min(int(found[1]), MAX_WAIT) if found else None


@asynccontextmanager
async def arriving(services: Services, sender: Sender) -> AsyncIterator[None]:
    """Show now and then that the holder of a key is still at work."""
    receiving = sender.receiving
    if receiving is None:
        yield
        return

    async def show() -> None:
        while True:
            await asyncio.sleep(SIGN_SECONDS)
            await run_in_threadpool(intake.keep_receiving, services, sender.principal.org, receiving)

    task = asyncio.create_task(show())
    try:
        yield
    finally:
        task.cancel()
        # A sign that failed is no reason to refuse the clip: at worst the key is taken over, and settling notices.
        with suppress(asyncio.CancelledError, Exception):
            await task


async def _take_file(request: Request, services: Services, sender: Sender) -> str:
    limits = services.settings.limits
    async with receive_form(request, services.scratch(), limits) as received:
        submission = read_json(ClipMetadata, received.metadata or b"{}", "/metadata").submission()
        principal = sender.principal
        if sender.repeats:
            print_ = intake.fingerprint(submission, received.sha256, None)
            return await _repeat(services, sender, print_)
        clip = await run_in_threadpool(
            intake.accept_file,
            services,
            principal.org,
            principal.principal,
            received.path,
            submission,
            receiving=sender.receiving,
        )
    return clip.clip_id


async def _take_url(request: Request, services: Services, sender: Sender) -> str:
    source = read_json(ClipSource, await receive_json(request, services.settings.limits))
    submission, principal = source.submission(), sender.principal
    if sender.repeats:
        return await _repeat(services, sender, intake.fingerprint(submission, None, source.source_url))
    clip = await run_in_threadpool(
        intake.accept_url,
        services,
        principal.org,
        principal.principal,
        source.source_url,
        submission,
        receiving=sender.receiving,
    )
    return clip.clip_id


async def _repeat(services: Services, sender: Sender, print_: str) -> str:
    assert sender.key is not None
    principal = sender.principal
    return await run_in_threadpool(
        intake.same_request, services, principal.org, principal.principal, sender.key, print_
    )


async def wait_until_settled(
    services: Services, announcements: Announcements, org: str, clip_id: str, seconds: float
) -> bool:
    """Wait until nothing more happens to a clip by itself, at most so long; False when it is not there yet."""
    until = asyncio.get_running_loop().time() + seconds
    with announcements.watch(org, clip_id) as event:
        while not await run_in_threadpool(is_settled, services, org, clip_id):
            left = until - asyncio.get_running_loop().time()
            if left <= 0 or announcements.closing:
                return False
            await woken(event, min(LOOK_SECONDS, left))
    return True


def is_settled(services: Services, org: str, clip_id: str) -> bool:
    """Tell whether a clip is in a state in which nothing more happens by itself. Raises NotFound."""
    return status_of(services, org, clip_id) in SETTLED


def status_of(services: Services, org: str, clip_id: str) -> Status:
    """Where a clip stands. Raises NotFound."""
    with services.database.transaction(org) as tx:
        row = tx.pg.execute(SQL.status, {"clip": clip_id}).fetchone()
    if row is None:
        raise NotFound(f"there is no clip {clip_id}")
    return Status(row[0])
