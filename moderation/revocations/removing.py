"""One clip taken out by the person it shows, while every grant stands. What only may show them goes before a person."""

from typing import TYPE_CHECKING

from moderation import review
from moderation.appearances import in_clip
from moderation.clips import Status
from moderation.db.clips import next_generation, read_clip
from moderation.decisions import Decision, Outcome, Reason
from moderation.errors import Conflict, NotFound
from moderation.recording import insert_decision
from moderation.release import demand_unsealed, withdraw_locked

if TYPE_CHECKING:
    from moderation.services import Services

REASON = "removed_by_the_person_shown"
_OVER = frozenset({Status.WITHDRAWN, Status.WITHHELD, Status.REFUSED})


def remove_clip(services: "Services", org: str, person: str, clip_id: str, *, by: str) -> str:
    """Take one clip out for somebody it shows; answers its status: withdrawn, or in_review where that is not sure.

    Raises NotFound for a clip in which they do not appear, Conflict for one that is on its way: ask again in a moment.
    """
    now = services.clock.now()
    with services.database.transaction(org) as tx:
        clip = read_clip(tx, clip_id, lock=True)
        ways = in_clip(tx, clip_id, person)
        if not ways:
            raise NotFound(f"{person} does not appear in {clip_id}")
        demand_unsealed(tx, clip_id)
        if clip.state in _OVER:
            return clip.status
        if clip.state not in {Status.RELEASED, Status.IN_REVIEW}:
            raise Conflict(f"the clip is {clip.status}; nothing of it is out")
        if any(how in {"face", "voice", "copy"} and state == "matched" for how, state in ways):
            withdraw_locked(tx, services, clip, now, by=by, reason=REASON, purge=True)
            return "withdrawn"
        if clip.state is Status.RELEASED:
            decision = Decision(
                outcome=Outcome.REVIEW,
                facts_hash="",
                reasons=(Reason(code="unconsented_likeness", person=person),),
                queue="likeness",
                decided_by=by,
            )
            # A run of its own that nobody carries out: the clip is a person's from here on.
            next_generation(tx, clip, now)
            clip = read_clip(tx, clip_id, lock=True)
            opened = insert_decision(tx, clip, decision, actor_kind="system", actor="system", now=now)
            review.open_case(tx, services.enqueuer, clip, decision, opened, now, source="revocation")
    return "in_review"
