"""One clip taken out by the person it shows, while every grant stands. What only may show them goes before a person.

There the wish is written down: it outlasts answers that are older, another judgement, and whoever had the case.
"""

from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Final

from moderation import reservations, review
from moderation.appearances import in_clip
from moderation.clips import Clip, Status
from moderation.db import Transaction, queries
from moderation.db.clips import next_generation, read_clip
from moderation.decisions import Decision, Outcome
from moderation.errors import Conflict, NotFound
from moderation.recording import insert_decision
from moderation.release import demand_unsealed, withdraw_locked

if TYPE_CHECKING:
    from moderation.services import Services

SQL = queries("cases")
REASON = "removed_by_the_person_shown"
_OVER = frozenset({Status.WITHDRAWN, Status.WITHHELD, Status.REFUSED})
#: Cases that may be asked anew with the wish among their reasons; what others ask is answered by itself first.
_ASKED_BY: Final = frozenset({"rule", "revocation"})


def remove_clip(services: "Services", org: str, person: str, clip_id: str, *, by: str) -> str:
    """Take one clip out for somebody it shows; answers its status: withdrawn, or in_review where that is not sure.

    One that is withheld stays so, and the wish is kept for whoever would let it out.

    Raises NotFound for a clip in which they do not appear, Conflict for one that is on its way: ask again in a moment.
    """
    now = services.clock.now()
    with services.database.transaction(org) as tx:
        clip = read_clip(tx, clip_id, lock=True)
        ways = in_clip(tx, clip_id, person)
        if not ways:
            raise NotFound(f"{person} does not appear in {clip_id}")
        demand_unsealed(tx, clip_id)
        if clip.state is Status.WITHHELD:
            # Nothing of it is out; an appeal may bring it back, and finds the wish.
            reservations.wish(tx, now, clip_id, person, by=by)
        if clip.state in _OVER:
            return clip.status
        if clip.state not in {Status.RELEASED, Status.IN_REVIEW}:
            raise Conflict(f"the clip is {clip.status}; nothing of it is out")
        if any(how in {"face", "voice", "copy"} and state == "matched" for how, state in ways):
            withdraw_locked(tx, services, clip, now, by=by, reason=REASON, purge=True)
            return "withdrawn"
        reservations.wish(tx, now, clip_id, person, by=by)
        if clip.state is Status.RELEASED:
            # A run of its own that nobody carries out: the clip is a person's from here on.
            next_generation(tx, clip, now)
            clip = read_clip(tx, clip_id, lock=True)
            asked = _with_wish(None, person)
            opened = insert_decision(tx, clip, asked, actor_kind="system", actor="system", now=now)
            review.open_case(tx, services.enqueuer, clip, asked, opened, now, source="revocation")
        else:
            _ask_anew(tx, now, clip, person)
    return "in_review"


def _ask_anew(tx: Transaction, now: datetime, clip: Clip, person: str) -> None:
    """Put the wish among what is asked of a clip before a person, where that is about likenesses already.

    Elsewhere it waits until that is answered: an approval is judged again, and finds the wish.
    """
    found = tx.pg.execute(SQL.open_case_of_clip, {"clip": clip.clip_id}).fetchone()
    case = review.read_case(tx, found[0], lock=True) if found else None
    if case is None or case.queue != reservations.QUEUE or case.stage != "first" or case.source not in _ASKED_BY:
        return
    before = review.opening_decision(tx, case)
    if reservations.wished(person).reason.settles in {reason.settles for reason in before.reasons}:
        return
    asked = _with_wish(before, person)
    opened = insert_decision(tx, clip, asked, actor_kind="system", actor="system", now=now)
    review.insert_case(tx, clip, asked, opened, now, source="revocation")


def _with_wish(before: Decision | None, person: str) -> Decision:
    """What is asked of a clip: does it show whoever asked to be out of it, and what was asked before."""
    wished = reservations.wished(person)
    if before is None:
        before = Decision(outcome=Outcome.REVIEW, facts_hash="", queue=reservations.QUEUE)
    return replace(
        before,
        outcome=Outcome.REVIEW,
        reasons=(wished.reason, *(reason for reason in before.reasons if reason.settles != wished.reason.settles)),
        priority=max(before.priority, wished.priority),
        decided_by=reservations.SYSTEM,
        policy_version=None,
        trace=(),
    )
