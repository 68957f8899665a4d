"""The outbox: what a clip's platform is told, written in the transaction that made it true. Sends nothing itself."""

from datetime import datetime
from typing import Protocol

from moderation.canonical import canonical
from moderation.clips import Clip
from moderation.db import Transaction, queries
from moderation.ids import new_id

SQL = queries("outbox")


class Enqueuer(Protocol):
    """Puts a workflow on a queue within a transaction (the engine, seen from here)."""

    def enqueue(
        self, tx: Transaction, workflow: str, workflow_id: str, queue: str, args: list[object], priority: int
    ) -> None: ...


def announce(tx: Transaction, enqueuer: Enqueuer, clip: Clip, event_type: str, now: datetime, data: object) -> str:
    """Write one event of a clip (whose row the caller holds) and enqueue its deliveries. Returns the event's id.

    The body is stored as it will be sent (Standard Webhooks payload: type, timestamp, data) and never rendered anew.
    """
    event = new_id("evt")
    row = tx.pg.execute(SQL.next_seq, {"clip": clip.clip_id}).fetchone()
    seq = row[0] if row else 1
    body = canonical(
        {
            "type": event_type,
            "timestamp": now.isoformat(),
            "data": {"clip_id": clip.clip_id, "sequence": seq, **(data if isinstance(data, dict) else {})},
        }
    ).decode()
    tx.pg.execute(
        SQL.insert_event,
        {"org": tx.org, "event": event, "clip": clip.clip_id, "seq": seq, "type": event_type, "body": body, "now": now},
    )
    targets: list[tuple[str | None, str]] = list(tx.pg.execute(SQL.endpoints).fetchall())
    if clip.callback_url:
        targets.append((None, clip.callback_url))
    for endpoint, url in targets:
        _address(tx, enqueuer, event, endpoint, url, now)
    tx.pg.execute("select pg_notify('clip_events', %s)", (f"{tx.org}:{clip.clip_id}",))
    return event


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
    name = f"{clip.org_id}:{clip.clip_id}" + (f":{generation}" if generation > 1 else "")
    enqueuer.enqueue(tx, "process_clip", name, "clips", [clip.org_id, clip.clip_id, generation], clip.priority)
