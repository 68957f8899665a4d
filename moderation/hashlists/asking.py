"""Asking the closed hash services about one clip: each once, its answer kept. No answer holds the clip."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

from moderation.canonical import canonical
from moderation.clips import Clip
from moderation.db import Transaction, queries
from moderation.errors import Outage
from moderation.hashlists.lists import Category
from moderation.hashlists.prints import ClipPrint
from moderation.hashlists.providers import HashService, QueryFrame, ServiceMatch, ServiceUnavailable

if TYPE_CHECKING:
    from moderation.services import Services

SQL = queries("hashlists")
#: Pixels of the longer side of pictures for services that want them, and how many a clip sends at most.
JPEG_SIDE: Final = 512
MOST_JPEGS: Final = 40


def ask_services(services: "Services", clip: Clip, seen: ClipPrint) -> list[ServiceMatch]:
    """What every service says of a clip. Raises Outage("hash_service:NAME") for one that gives no answer."""
    with services.database.transaction(clip.org_id) as tx:
        kept = kept_answers(tx, clip.clip_id)
    for service in services.hash_services:
        if service.name not in kept:
            kept[service.name] = _ask(services, clip, service, seen)
    return [match for name in sorted(kept) for match in kept[name]]


def kept_answers(tx: Transaction, clip_id: str) -> dict[str, list[ServiceMatch]]:
    """What services said of a clip, by service."""
    rows = tx.pg.execute(SQL.answers, {"clip": clip_id}).fetchall()
    return {service: [_match(each) for each in json.loads(body)] for service, body in rows}


def _match(said: dict[str, object]) -> ServiceMatch:
    return ServiceMatch(**(said | {"category": Category(str(said["category"]))}))  # type: ignore[arg-type]


def _ask(services: "Services", clip: Clip, service: HashService, seen: ClipPrint) -> list[ServiceMatch]:
    frames = _hashed(seen) if service.wants == "hashes" else _pictured(services, clip, seen)
    try:
        found = service.match(frames) if frames else []
    except Exception as failure:
        # Whatever an adapter raises, it did not say that the clip is unknown to it.
        said = str(failure) if isinstance(failure, ServiceUnavailable) else type(failure).__name__
        raise Outage(f"hash_service:{service.name}", f"{service.name} gave no answer: {said}") from failure
    body = canonical([asdict(match) for match in found]).decode()
    row = {"org": clip.org_id, "clip": clip.clip_id, "service": service.name, "body": body}
    with services.database.transaction(clip.org_id) as tx:
        tx.pg.execute(SQL.insert_answer, {**row, "now": services.clock.now()})
    return found


def _hashed(seen: ClipPrint) -> list[QueryFrame]:
    frames = zip(seen.times.tolist(), seen.quality.tolist(), seen.hashes[:, 0], strict=True)
    return [QueryFrame(time_ms=time, quality=quality, pdq=hash_.tobytes()) for time, quality, hash_ in frames]


def _pictured(services: "Services", clip: Clip, seen: ClipPrint) -> list[QueryFrame]:
    times = _spread(seen.times.tolist())
    with services.store.open(services.upload_key(clip)) as path:
        pictures = services.sandbox.stills(path, times, long_side=JPEG_SIDE, blur=0.0) if times else []
    return [QueryFrame(time_ms=time, jpeg=picture) for time, picture in zip(times, pictures, strict=True)]


def _spread(times: Sequence[int]) -> list[int]:
    """At most `MOST_JPEGS` of the times, evenly."""
    step = max(1, -(-len(times) // MOST_JPEGS))
    return list(times[::step])
