"""What the veil hides, shown for a counted while: begun under a lease, prolonged by beats, ended or run out.

Decides whether something unveiled may be served at this moment; makes no rendition and serves none.
"""

import hmac
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from moderation import audit, exposure, review
from moderation.db import Transaction, queries, row
from moderation.errors import Conflict, Forbidden
from moderation.exposure import SLICE, Caps, Standing
from moderation.ids import new_id
from moderation.renditions.sight import demand_unveiled

if TYPE_CHECKING:
    from moderation.services import Services

SQL = queries("exposure")

Unveiled = Literal["revealed", "cartoon", "sound"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What somebody wants to see, with the lease they hold and the credential they came with (its SHA-256)."""

    rendition: Unveiled
    lease_token: str
    session: bytes
    #: The sound beside the pictures; `rendition` "sound" is sound alone.
    sound: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Reveal:
    """One that is running: one row of `moderation.reveals`."""

    reveal_id: str
    principal: str
    case_id: str
    clip_id: str
    rendition: str
    sound: bool
    severity: int
    session: bytes
    started_at: datetime
    shown_until: datetime

    def shows(self, kind: str) -> bool:
        """Whether files of this kind are part of it."""
        part = kind.startswith("face_") and self.rendition == "revealed"
        return part or kind == self.rendition or (kind == "sound" and self.sound)


class NotRunning(Forbidden):
    """Nothing is unveiled outside a running reveal: begin one."""

    code = "not_revealed"


def begin(tx: Transaction, now: datetime, caps: Caps, case_id: str, wish: Wish, who: review.Reviewer) -> Reveal:
    """Begin a reveal; the person's one before it ends. Shown until its slice is over or a cap is reached.

    `caps` are the deployment's. Raises Conflict for a lease that is not theirs, exposure's Capped, Cooling and OnBreak,
    and as `demand_unveiled`.
    """
    case = review.read_case(tx, case_id)
    demand_unveiled(tx, case, who)
    demand_lease(case, who, wish.lease_token, now)
    exposure.lock_person(tx, who.principal)
    before = exposure.take(tx, now, who.principal)
    found = exposure.standing(tx, now, who.principal, caps.of(specialist=who.specialist), case_id)
    found.demand_reveal(now)
    reveal = Reveal(
        reveal_id=new_id("reveal"),
        principal=who.principal,
        case_id=case_id,
        clip_id=case.clip_id,
        rendition=wish.rendition,
        sound=wish.sound and wish.rendition != "sound",
        severity=case.severity,
        session=wish.session,
        started_at=now,
        shown_until=now + min(SLICE, found.left),
    )
    tx.pg.execute(SQL.insert_reveal, _row(tx, reveal))
    _record(tx, reveal, before)
    return reveal


def _record(tx: Transaction, reveal: Reveal, before: tuple[str, int] | None) -> None:
    """Note that a reveal began and which one it ended, always in the order of their chains: two persons never wait."""
    acts: list[tuple[str, str, dict[str, object]]] = [
        ("reveal.begun", reveal.case_id, {"rendition": reveal.rendition, "sound": reveal.sound})
    ]
    if before is not None:
        acts.insert(0, ("reveal.ended", before[0], {"ms": before[1]}))
    for action, case_id, details in sorted(acts, key=lambda act: audit.shard_of(act[1])):
        audit.record(tx, reveal.started_at, reveal.principal, action, case_id, **details)


def _row(tx: Transaction, reveal: Reveal) -> dict[str, object]:
    return {
        "org": tx.org,
        "reveal": reveal.reveal_id,
        "principal": reveal.principal,
        "case": reveal.case_id,
        "clip": reveal.clip_id,
        "rendition": reveal.rendition,
        "sound": reveal.sound,
        "severity": reveal.severity,
        "session": reveal.session,
        "now": reveal.started_at,
        "until": reveal.shown_until,
    }


def beat(tx: Transaction, now: datetime, caps: Caps, reveal_id: str, who: review.Reviewer, session: bytes) -> Reveal:
    """Go on showing, if the reveal still runs, the lease still stands and no cap is reached.

    Otherwise raises NotRunning, Conflict or Capped; what may have been shown is counted all the same.
    """
    exposure.lock_person(tx, who.principal)
    reveal = _running(tx, now, reveal_id, who, session)
    case = review.read_case(tx, reveal.case_id)
    demand_lease(case, who, case.lease_token or "", now)
    found = exposure.standing(tx, now, who.principal, caps.of(specialist=who.specialist), reveal.case_id)
    found.demand_reveal(now)
    until = now + min(SLICE, found.left)
    tx.pg.execute(SQL.prolong_reveal, {"reveal": reveal_id, "now": now, "until": until})
    return _running(tx, now, reveal_id, who, session)


def end(tx: Transaction, now: datetime, reveal_id: str, who: review.Reviewer) -> int | None:
    """End a reveal; the milliseconds that are counted, None when it was counted before."""
    exposure.lock_person(tx, who.principal)
    return exposure.settle(tx, now, who.principal, reveal_id)


def demand_shown(
    tx: Transaction, now: datetime, reveal_id: str, case_id: str, kind: str, who: review.Reviewer, session: bytes
) -> Reveal:
    """The running reveal under which this file may be served now, to this person in this session.

    Raises NotRunning, Conflict when the lease was lost meanwhile, and as `demand_unveiled`.
    """
    reveal = _running(tx, now, reveal_id, who, session)
    if reveal.case_id != case_id or not reveal.shows(kind):
        raise NotRunning("this reveal shows something else")
    case = review.read_case(tx, case_id)
    demand_unveiled(tx, case, who)
    demand_lease(case, who, case.lease_token or "", now)
    return reveal


def _running(tx: Transaction, now: datetime, reveal_id: str, who: review.Reviewer, session: bytes) -> Reveal:
    found = row(tx, SQL.reveal, Reveal, {"reveal": reveal_id, "now": now})
    if found is None or found.principal != who.principal:
        raise NotRunning
    if not hmac.compare_digest(bytes(found.session), session):
        raise NotRunning("this reveal was begun in another session")
    return found


def demand_lease(case: review.Case, who: review.Reviewer, token: str, now: datetime) -> None:
    """Refuse whoever does not hold the case now. Raises Conflict."""
    held = (
        case.state == "open"
        and case.lease_token is not None
        and hmac.compare_digest(case.lease_token.encode(), token.encode())
        and case.lease_holder == who.principal
        and case.lease_expires_at is not None
        and case.lease_expires_at > now
    )
    if not held:
        raise Conflict("your hold on this case ran out; nothing is unveiled without it")


def standing_of(services: "Services", org: str, who: review.Reviewer) -> Standing:
    """How one person stands, in a transaction of its own; for pages."""
    caps = exposure.caps_of(services.settings).of(specialist=who.specialist)
    with services.database.transaction(org) as tx:
        return exposure.standing(tx, services.clock.now(), who.principal, caps)
