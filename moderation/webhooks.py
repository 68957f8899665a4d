"""Webhooks after Standard Webhooks: who is told, the secrets that sign, and one attempt at a delivery.

At least once: an attempt cut off between sending and writing is made again with the same webhook id and body.
"""

import asyncio
import base64
import json
import random
import secrets
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from standardwebhooks.webhooks import Webhook

from moderation import audit, outbox
from moderation.canonical import canonical
from moderation.db import Transaction, queries, row, rows
from moderation.destinations import ForbiddenDestination, Unreachable, connect, demand_form, rules_of
from moderation.errors import NotFound
from moderation.ids import new_id
from moderation.revocations.receipts import note_delivery

if TYPE_CHECKING:
    from moderation.services import Services

SQL = queries("outbox")
PEOPLE = queries("people")
#: How many secrets of one endpoint sign at a time: the newest, and the one before while receivers change over.
SECRETS = 2
SECRET_BYTES = 32
CALLBACK = "callback"
#: Pauses between attempts grow from the first to the longest; the last of 20 attempts comes after more than three days.
FIRST_PAUSE = timedelta(seconds=5)
LONGEST_PAUSE = timedelta(hours=12)
#: Up to so much is added to each pause, so that many deliveries do not come back at one instant.
JITTER = 0.2
GONE = 410
#: Deliveries of one batch that are under way at a time.
ABREAST = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where events of an organisation go; its secrets stay inside."""

    endpoint_id: str
    url: str
    enabled: bool
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One event on its way to one place."""

    delivery_id: str
    event_id: str
    endpoint_id: str | None
    url: str
    state: str
    attempts: int
    next_at: datetime
    last_status: int | None
    last_error: str | None
    delivered_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What is sent: its id and body are those of the event, the same at every attempt."""

    webhook_id: str
    url: str
    body: str
    secrets: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one attempt; `error` is empty when it was taken."""

    status: int | None
    error: str
    retry_after: timedelta | None = None

    @property
    def taken(self) -> bool:
        return not self.error


def deliver(services: "Services", org: str, delivery_id: str) -> str:
    """Make one attempt at a delivery and write down what became of it; answers the delivery's state.

    A receiver's fault is never raised: it makes the delivery due again later, or dead after the last attempt.
    """
    with services.database.transaction(org) as tx:
        message = _message(tx, services, delivery_id)
    if message is None:
        return "settled"
    outcome = send(services, message)
    with services.database.transaction(org) as tx:
        return _note(tx, services, delivery_id, outcome)


def deliver_many(services: "Services", org: str, deliveries: list[str]) -> int:
    """Make one attempt at each of several deliveries, some at a time; returns how many. What was settled stays so."""
    with ThreadPoolExecutor(ABREAST) as threads:
        return len(list(threads.map(partial(deliver, services, org), deliveries)))


def send(services: "Services", message: Message) -> Outcome:
    """Sign and send a message once."""
    return asyncio.run(_send(services, message))


async def _send(services: "Services", message: Message) -> Outcome:
    settings = services.settings
    headers = signed_headers(message, services.clock.now())
    try:
        async with connect(
            "POST",
            message.url,
            rules_of(settings),
            seconds=settings.webhooks.timeout_seconds,
            headers=headers,
            content=message.body.encode(),
        ) as response:
            status = response.status_code
            if response.is_success:
                return Outcome(status=status, error="")
            after = _seconds(response.headers.get("retry-after", ""))
            return Outcome(status=status, error=f"answered {status}", retry_after=after)
    except (Unreachable, ForbiddenDestination) as error:
        return Outcome(status=None, error=error.message)


def signed_headers(message: Message, now: datetime) -> dict[str, str]:
    """The headers of Standard Webhooks; one signature per secret that is valid now."""
    signatures = [Webhook(secret).sign(message.webhook_id, now, message.body) for secret in message.secrets]
    return {
        "Content-Type": "application/json",
        "webhook-id": message.webhook_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(signatures),
    }


def pause_after(attempts: int, chance: float) -> timedelta:
    """How long to wait after so many failed attempts; `chance` is 0 to 1."""
    pause: timedelta = min(FIRST_PAUSE * int(2 ** min(attempts - 1, 30)), LONGEST_PAUSE)
    return pause * (1 + JITTER * chance)


def _message(tx: Transaction, services: "Services", delivery_id: str) -> Message | None:
    """What a pending delivery sends; None when it needs no attempt any more."""
    found = tx.pg.execute(SQL.delivery_locked, {"delivery": delivery_id}).fetchone()
    if found is None:
        return None
    _, event_id, endpoint_id, url, state, _, body, _, _, _ = found
    if state != "pending":
        return None
    endpoint = tx.pg.execute(SQL.endpoint, {"endpoint": endpoint_id}).fetchone() if endpoint_id else None
    if endpoint_id and endpoint is None:
        failed = {"delivery": delivery_id, "state": "dead", "status": None, "error": "the endpoint was removed"}
        tx.pg.execute(SQL.delivery_failed, {**failed, "next_at": services.clock.now()})
        return None
    if endpoint is None:
        keys = callback_secrets(tx, services)
    else:
        # Where the endpoint is now, which may have moved since the event.
        url, keys = endpoint[1], _unseal(services, bytes(endpoint[2]), _context(tx.org, endpoint[0]))
    return Message(webhook_id=event_id, url=url, body=body, secrets=keys)


def _note(tx: Transaction, services: "Services", delivery_id: str, outcome: Outcome) -> str:
    now = services.clock.now()
    found = tx.pg.execute(SQL.delivery_locked, {"delivery": delivery_id}).fetchone()
    if found is None or found[4] != "pending":
        return "settled"
    if outcome.taken:
        tx.pg.execute(SQL.delivery_worked, {"delivery": delivery_id, "status": outcome.status, "now": now})
        note_delivery(tx, found[1], now)
        return "delivered"
    attempts = found[5] + 1
    dead = attempts >= services.settings.webhooks.max_attempts or outcome.status == GONE
    pause = max(pause_after(attempts, random.random()), outcome.retry_after or timedelta())  # noqa: S311 (spreads load)
    state = "dead" if dead else "pending"
    row_ = {"delivery": delivery_id, "state": state, "status": outcome.status, "error": outcome.error[:500]}
    tx.pg.execute(SQL.delivery_failed, {**row_, "next_at": now + pause})
    return state


def _seconds(said: str) -> timedelta | None:
    """A receiver's Retry-After in seconds, believed up to the longest pause."""
    return min(timedelta(seconds=int(said)), LONGEST_PAUSE) if said.isdigit() and len(said) < 10 else None


def new_secret() -> str:
    """A fresh signing secret in the form of Standard Webhooks."""
    return f"whsec_{base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()}"


def _seal(services: "Services", keys: tuple[str, ...], context: str) -> bytes:
    return services.vault.seal(json.dumps(keys).encode(), context)


def _unseal(services: "Services", sealed: bytes, context: str) -> tuple[str, ...]:
    return tuple(json.loads(services.vault.open(sealed, context)))


def _context(org: str | None, name: str) -> str:
    return f"webhook:{org}:{name}"


def _secrets_of(tx: Transaction, services: "Services", endpoint_id: str) -> tuple[str, ...]:
    found = tx.pg.execute(SQL.endpoint, {"endpoint": endpoint_id}).fetchone()
    return _unseal(services, bytes(found[2]), _context(tx.org, endpoint_id)) if found else ()


def callback_secrets(tx: Transaction, services: "Services") -> tuple[str, ...]:
    """The secrets that sign what goes to clips' own `callback_url`, made on first use."""
    where = {"org": tx.org, "name": CALLBACK}
    context = _context(tx.org, CALLBACK)
    tx.pg.execute(PEOPLE.insert_org_secret, {**where, "sealed": _seal(services, (new_secret(),), context)})
    found = tx.pg.execute(PEOPLE.org_secret, where).fetchone()
    assert found is not None
    return _unseal(services, bytes(found[0]), context)


def rotate_callback_secret(services: "Services", org: str, *, by: str) -> str:
    """Make a new secret for callbacks; the one before stays valid until the next rotation."""
    now = services.clock.now()
    with services.database.transaction(org) as tx:
        keys = (new_secret(), *callback_secrets(tx, services))[:SECRETS]
        sealed = _seal(services, keys, _context(org, CALLBACK))
        tx.pg.execute(SQL.set_org_secret, {"org": org, "name": CALLBACK, "sealed": sealed})
        audit.record(tx, now, by, "webhook.secret_rotated", CALLBACK)
    return keys[0]


def create_endpoint(services: "Services", org: str, url: str, *, by: str) -> tuple[Endpoint, str]:
    """Add an endpoint; its secret is returned here and never again. Raises ForbiddenDestination."""
    demand_form(url, rules_of(services.settings))
    now, endpoint_id, secret = services.clock.now(), new_id("hook"), new_secret()
    sealed = _seal(services, (secret,), _context(org, endpoint_id))
    with services.database.transaction(org) as tx:
        line = {"org": org, "endpoint": endpoint_id, "url": url, "secrets": sealed, "now": now}
        tx.pg.execute(SQL.insert_endpoint, line)
        audit.record(tx, now, by, "webhook.created", endpoint_id)
    return Endpoint(endpoint_id=endpoint_id, url=url, enabled=True, created_at=now), secret


def list_endpoints(services: "Services", org: str) -> list[Endpoint]:
    """Every endpoint that was not removed."""
    with services.database.transaction(org) as tx:
        return rows(tx, SQL.all_endpoints, Endpoint)


def read_endpoint(tx: Transaction, endpoint_id: str) -> Endpoint:
    """One endpoint. Raises NotFound."""
    found = row(tx, SQL.endpoint_line, Endpoint, {"endpoint": endpoint_id})
    if found is None:
        raise NotFound(f"there is no endpoint {endpoint_id}")
    return found


def change_endpoint(
    services: "Services", org: str, endpoint_id: str, *, by: str, url: str | None = None, enabled: bool | None = None
) -> Endpoint:
    """Move an endpoint, or switch it off and on. Raises NotFound, ForbiddenDestination."""
    if url is not None:
        demand_form(url, rules_of(services.settings))
    now = services.clock.now()
    with services.database.transaction(org) as tx:
        read_endpoint(tx, endpoint_id)
        tx.pg.execute(SQL.change_endpoint, {"endpoint": endpoint_id, "url": url, "enabled": enabled})
        audit.record(tx, now, by, "webhook.changed", endpoint_id, enabled=enabled, moved=url is not None)
        return read_endpoint(tx, endpoint_id)


def remove_endpoint(services: "Services", org: str, endpoint_id: str, *, by: str) -> None:
    """Tell an endpoint nothing more; deliveries still due to it end. Raises NotFound."""
    now = services.clock.now()
    with services.database.transaction(org) as tx:
        if tx.pg.execute(SQL.delete_endpoint, {"endpoint": endpoint_id, "now": now}).fetchone() is None:
            raise NotFound(f"there is no endpoint {endpoint_id}")
        audit.record(tx, now, by, "webhook.removed", endpoint_id)


def rotate_secret(services: "Services", org: str, endpoint_id: str, *, by: str) -> str:
    """Make a new secret for an endpoint; the one before stays valid until the next rotation. Raises NotFound."""
    now = services.clock.now()
    with services.database.transaction(org) as tx:
        read_endpoint(tx, endpoint_id)
        keys = (new_secret(), *_secrets_of(tx, services, endpoint_id))[:SECRETS]
        sealed = _seal(services, keys, _context(org, endpoint_id))
        tx.pg.execute(SQL.set_secrets, {"endpoint": endpoint_id, "secrets": sealed})
        audit.record(tx, now, by, "webhook.secret_rotated", endpoint_id)
    return keys[0]


def send_test(services: "Services", org: str, endpoint_id: str) -> Outcome:
    """Send an endpoint a signed `webhook.test` now, which is kept nowhere. Raises NotFound."""
    with services.database.transaction(org) as tx:
        endpoint = read_endpoint(tx, endpoint_id)
        keys = _secrets_of(tx, services, endpoint_id)
    now = services.clock.now()
    body = {"type": "webhook.test", "timestamp": now.isoformat(), "data": {"endpoint_id": endpoint_id}}
    message = Message(webhook_id=new_id("evt"), url=endpoint.url, body=canonical(body).decode(), secrets=keys)
    return send(services, message)


def list_deliveries(
    services: "Services", org: str, *, state: str | None, after: str | None, limit: int
) -> list[Delivery]:
    """Deliveries, newest first, from a delivery on."""
    with services.database.transaction(org) as tx:
        return rows(tx, SQL.deliveries, Delivery, {"state": state, "after": after, "limit": limit})


def replay(services: "Services", org: str, delivery_id: str) -> None:
    """Make a delivery due again at once, whatever became of it. Raises NotFound."""
    now = services.clock.now()
    with services.database.transaction(org) as tx:
        found = tx.pg.execute(SQL.replay_delivery, {"delivery": delivery_id, "now": now}).fetchone()
        if found is None:
            raise NotFound(f"there is no delivery {delivery_id}")
        outbox.enqueue_delivery(tx, services.enqueuer, org, delivery_id, found[0])
