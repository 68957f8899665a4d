"""The outbox: what a clip's platform is told, written in the transaction that made it true. Sends nothing itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from moderation.canonical import canonical
from moderation.clips import Clip
from moderation.db import Transaction, queries
from moderation.ids import new_id
from moderation.revocations import recalling

SQL = queries("outbox")
#: First attempts at so many deliveries of one batch are one piece of work.
TOGETHER: Final = 50


class Enqueuer(Protocol):
    """Puts a workflow on a queue within a transaction (the engine, seen from here)."""

    def enqueue(
        self, tx: Transaction, workflow: str, workflow_id: str, queue: str, args: list[object], priority: int
    ) -> None: ...


def announce(tx: Transaction, enqueuer: Enqueuer, clip: Clip, event_type: str, now: datetime, data: object) -> str:
    """Write one event of a clip (whose row the caller holds) and enqueue its deliveries. Returns the event's id.

    The body is stored as it will be sent (Standard Webhooks payload: type, timestamp, data) and never rendered anew.
    Where a revocation waits for how the clip's judgement ends, the event that tells it asks for the purge.
    """
    waiting = recalling.waiting(tx, clip.clip_id, event_type)
    row = tx.pg.execute(SQL.next_seq, {"clip": clip.clip_id}).fetchone()
    seq = row[0] if row else 1
    said = {"clip_id": clip.clip_id, "sequence": seq, **(data if isinstance(data, dict) else {})}
    said |= recalling.demand(waiting, event_type)
    event = _write(tx, event_type, now, said, seq=seq, clip=clip.clip_id)
    recalling.settle(tx, clip.clip_id, waiting, event_type, event, now)
    _deliver(tx, enqueuer, event, now, clip.callback_url)
    tx.pg.execute("select pg_notify('clip_events', %s)", (f"{tx.org}:{clip.clip_id}",))
    return event


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A clip that its caller holds, and what its platform is told of it beyond its id and the sequence number."""

    clip_id: str
    callback_url: str | None
    data: dict[str, object]


def announce_all(
    tx: Transaction, enqueuer: Enqueuer, event_type: str, now: datetime, clips: Sequence[Told]
) -> dict[str, str]:
    """Write one event for each of many clips in a few statements; their deliveries are one piece of work.

    Returns clip -> event.
    """
    ids = [told.clip_id for told in clips]
    last: dict[str, int] = dict(tx.pg.execute(SQL.last_seqs, {"clips": ids}).fetchall())
    seqs = [last.get(clip, 0) + 1 for clip in ids]
    bodies = [
        _body(event_type, now, {"clip_id": told.clip_id, "sequence": seq, **told.data})
        for told, seq in zip(clips, seqs, strict=True)
    ]
    events = {clip: new_id("evt") for clip in ids}
    row: dict[str, object] = {"org": tx.org, "type": event_type, "now": now}
    said = {"events": list(events.values()), "clips": ids, "seqs": seqs, "bodies": bodies}
    tx.pg.execute(SQL.insert_events, row | said)
    _address_all(tx, enqueuer, now, [(events[told.clip_id], told.callback_url) for told in clips])
    tx.pg.execute(SQL.notify_clips, {"org": tx.org, "clips": ids})
    return events


def _address_all(tx: Transaction, enqueuer: Enqueuer, now: datetime, events: Sequence[tuple[str, str | None]]) -> None:
    everywhere: list[tuple[str | None, str]] = list(tx.pg.execute(SQL.endpoints).fetchall())
    targets = [
        (new_id("dlv"), event, endpoint or "", url)
        for event, callback in events
        for endpoint, url in (*everywhere, *([(None, callback)] if callback else []))
    ]
    if targets:
        names = ("deliveries", "events", "endpoints", "urls")
        columns: dict[str, object] = {name: [row[at] for row in targets] for at, name in enumerate(names)}
        tx.pg.execute(SQL.insert_deliveries, {"org": tx.org, "now": now} | columns)
    for begin in range(0, len(targets), TOGETHER):
        some = [delivery for delivery, *_ in targets[begin : begin + TOGETHER]]
        enqueuer.enqueue(tx, "deliver_events", f"{tx.org}:{some[0]}:together", "deliver", [tx.org, some], 1)


def tell(
    tx: Transaction, enqueuer: Enqueuer, about: str, event_type: str, now: datetime, data: dict[str, object]
) -> str:
    """Write one event of something that is no clip (a person, a revocation, a notice) and enqueue its deliveries.

    `about` is its id, which the caller holds: events of one thing are numbered. Returns the event's id.
    """
    row = tx.pg.execute(SQL.next_seq_about, {"about": about}).fetchone()
    seq = row[0] if row else 1
    event = _write(tx, event_type, now, {**data, "sequence": seq}, seq=seq, about=about)
    _deliver(tx, enqueuer, event, now, None)
    return event


def _write(
    tx: Transaction,
    event_type: str,
    now: datetime,
    data: dict[str, object],
    *,
    seq: int,
    clip: str | None = None,
    about: str | None = None,
) -> str:
    event = new_id("evt")
    body = _body(event_type, now, data)
    row = {"org": tx.org, "event": event, "clip": clip, "about": about, "seq": seq, "type": event_type}
    tx.pg.execute(SQL.insert_event, {**row, "body": body, "now": now})
    return event


def _body(event_type: str, now: datetime, data: dict[str, object]) -> str:
    return canonical({"type": event_type, "timestamp": now.isoformat(), "data": data}).decode()


def _deliver(tx: Transaction, enqueuer: Enqueuer, event: str, now: datetime, callback_url: str | None) -> None:
    targets: list[tuple[str | None, str]] = list(tx.pg.execute(SQL.endpoints).fetchall())
    if callback_url:
        targets.append((None, callback_url))
    for endpoint, url in targets:
        _address(tx, enqueuer, event, endpoint, url, now)


def _address(tx: Transaction, enqueuer: Enqueuer, event: str, endpoint: str | None, url: str, now: datetime) -> None:
    delivery = new_id("dlv")
    tx.pg.execute(
        SQL.insert_delivery,
        {"org": tx.org, "delivery": delivery, "event": event, "endpoint": endpoint, "url": url, "now": now},
    )
    enqueue_delivery(tx, enqueuer, str(tx.org), delivery, 0)


def enqueue_delivery(tx: Transaction, enqueuer: Enqueuer, org: str, delivery: str, attempt: int) -> None:
    """Start one attempt at a delivery; the same attempt enqueued twice is made once."""
    enqueuer.enqueue(tx, "deliver_event", f"{org}:{delivery}:{attempt}", "deliver", [org, delivery], 1)


def enqueue_clip(tx: Transaction, enqueuer: Enqueuer, clip: Clip, generation: int) -> None:
    """Start another run of the pipeline for a clip, in the transaction that called for it."""
    enqueue_run(tx, enqueuer, clip.org_id, clip.clip_id, generation, clip.priority)


def enqueue_run(tx: Transaction, enqueuer: Enqueuer, org: str, clip_id: str, generation: int, priority: int) -> None:
    """The same for a clip that its caller holds and of which no more is known."""
    name = f"{org}:{clip_id}" + (f":{generation}" if generation > 1 else "")
    enqueuer.enqueue(tx, "process_clip", name, "clips", [org, clip_id, generation], priority)
