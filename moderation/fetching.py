"""Bringing in a clip by its `source_url`: public addresses only, bounded, then the same door as an upload.

A source that cannot be reached holds the clip like any outage and is tried again; after `TRIES` the clip is refused.
A source that answers with no usable video refuses the clip at once.
"""

import asyncio
import http
from pathlib import Path
from typing import TYPE_CHECKING

from psycopg.types.json import Jsonb

from moderation import audit, outbox, uploads
from moderation.clips import Clip, Status
from moderation.db import queries
from moderation.db.clips import move, read_clip
from moderation.destinations import ForbiddenDestination, Rules, Unreachable, connect, rules_of
from moderation.errors import Busy, Outage, RefusedAtTheDoor, TooLarge
from moderation.holding import owns
from moderation.media import describe, examine
from moderation.problems import problem, problem_of
from moderation.sandbox.refusals import refusal
from moderation.settings import Limits
from moderation.store import CHUNK

if TYPE_CHECKING:
    from moderation.services import Services

SQL = queries("clips")
#: The longest one download may take, from the look-up of the name to the last byte.
SECONDS = 300.0
#: How often an unreachable source is tried. Between two tries the clip is held, at first for seconds, then a minute.
TRIES = 6
#: Answers that may be another tomorrow.
PASSING = frozenset({408, 425, 429})


class BadSource(RefusedAtTheDoor):
    """The source answered, but not with a file."""

    status = 422
    code = "bad_source"


def fetch(services: "Services", org: str, clip_id: str, generation: int) -> str:
    """Fetch a clip's bytes, once. Answers "fetched", or "refused" when the clip ended so or is another run's.

    Raises Outage("source") while the source cannot be reached and tries are left.
    """
    with services.database.transaction(org) as tx:
        clip = read_clip(tx, clip_id)
    if not owns(clip, generation):
        return "refused"
    if clip.content_sha256:
        return "fetched"
    try:
        with services.store.scratch() as folder:
            path = folder / "source"
            asyncio.run(download(clip.source_url or "", path, rules_of(services.settings), services.settings.limits))
            _keep(services, clip, path)
    except (RefusedAtTheDoor, TooLarge, ForbiddenDestination) as error:
        return _refuse(services, clip, problem_of(error))
    except Unreachable as error:
        if clip.holds + 1 < TRIES:
            raise Outage("source", error.message) from error
        detail = f"The source could not be reached in {TRIES} tries: {error.message}"
        return _refuse(services, clip, problem(422, "unreachable_source", detail))
    except OSError as error:
        raise Outage("scratch", f"the file could not be written: {error.strerror}") from error
    except Busy as busy:
        raise Outage("decoder", busy.message) from busy
    return "fetched"


async def download(url: str, path: Path, rules: Rules, limits: Limits, *, seconds: float = SECONDS) -> None:
    """Write what `url` answers to `path`.

    Raises ForbiddenDestination, Unreachable, BadSource, and TooLarge at the first byte beyond `limits.max_bytes`.
    """
    # No content coding: what is counted is what is written.
    headers = {"Accept-Encoding": "identity", "Accept": "video/*, application/octet-stream;q=0.9, */*;q=0.1"}
    async with connect("GET", url, rules, seconds=seconds, headers=headers) as response:
        status = response.status_code
        if status in PASSING or status >= http.HTTPStatus.INTERNAL_SERVER_ERROR:
            raise Unreachable(f"the source answered {status}")
        if status != http.HTTPStatus.OK:
            raise BadSource(f"the source answered {status}; only 200 is a file, and redirects are not followed")
        said = response.headers.get("content-length", "")
        if said.isdigit() and int(said) > limits.max_bytes:
            raise refusal("too_large", limits)
        size = 0
        with path.open("wb") as file:
            async for chunk in response.aiter_raw(CHUNK):
                size += len(chunk)
                if size > limits.max_bytes:
                    raise refusal("too_large", limits)
                file.write(chunk)


def _keep(services: "Services", clip: Clip, path: Path) -> None:
    """Look at the file as the door does, store it, and write it into the clip."""
    probe = examine(services.sandbox, path)
    blob = services.store.put(clip.org_id, "upload", path)
    now = services.clock.now()
    with services.database.transaction(clip.org_id) as tx:
        current = read_clip(tx, clip.clip_id, lock=True)
        if owns(current, clip.generation):
            content = {"sha256": blob.sha256, "bytes": blob.size, "probe": Jsonb(describe(probe))}
            tx.pg.execute(SQL.set_content, {"clip": clip.clip_id, "now": now, **content})
            audit.record(tx, now, "system", "clip.fetched", clip.clip_id, sha256=blob.sha256)
            uploads.make_sure(tx, services, blob, path)


def _refuse(services: "Services", clip: Clip, document: dict[str, object]) -> str:
    """End a clip whose source is unusable, and tell its platform why."""
    now = services.clock.now()
    with services.database.transaction(clip.org_id) as tx:
        current = read_clip(tx, clip.clip_id, lock=True)
        if owns(current, clip.generation):
            tx.pg.execute(SQL.set_problem, {"clip": clip.clip_id, "problem": Jsonb(document)})
            move(tx, current, Status.REFUSED, now)
            audit.record(tx, now, "system", "clip.refused", clip.clip_id, code=document["code"])
            said = {"status": "refused", "problem": document}
            outbox.announce(tx, services.enqueuer, current, "clip.refused", now, said)
    return "refused"
