"""Escalation: whose view comes next. A second looks without the first's opinion; a third sees both and decides."""

from collections.abc import Sequence
from dataclasses import dataclass

from moderation.decisions import Outcome
from moderation.errors import Unprocessable
from moderation.review.cases import HASH_QUEUE, Case, Stage
from moderation.review.queues import Queue
from moderation.review.terms import Terms


@dataclass(frozen=True, slots=True, kw_only=True)
class Escalation:
    """A question to colleagues, with what one thinks oneself; `outcome` and `reason` are None of who cannot say."""

    question: str
    lease_token: str
    version: int
    outcome: Outcome | None = None
    reason: str | None = None
    #: Whose case it becomes; None leaves it in its queue.
    queue: str | None = None
    key: str | None = None


def next_stage(given: Sequence[Outcome], outcome: Outcome, *, asks: bool, two_people: bool) -> Stage | None:
    """Whose view comes after this one, None when it decides. Pure.

    `given` is what others thought of the case, `review` of who could not say. `asks` is whether this one wants another
    view; `two_people` whether nothing but a block is decided alone. Raises Unprocessable for an answer that a third
    view may not give.
    """
    said = [view for view in given if view is not Outcome.REVIEW]
    if len(said) > 1:
        _demand_last_word(said, outcome, asks=asks, two_people=two_people)
        return None
    if outcome is Outcome.REVIEW:
        return "second"
    if said:
        return "third" if asks or said[0] is not outcome else None
    return "second" if asks or (two_people and outcome is not Outcome.BLOCK) else None


def _demand_last_word(said: Sequence[Outcome], outcome: Outcome, *, asks: bool, two_people: bool) -> None:
    """Refuse what a third view is not for. Raises Unprocessable."""
    if asks or outcome is Outcome.REVIEW:
        raise Unprocessable("two colleagues disagree on this case and your answer decides: allow, restrict or block")
    if two_people and outcome is not Outcome.BLOCK and min(said, key=_strictness).strictness > outcome.strictness:
        raise Unprocessable(f"in this queue {outcome} takes two people, and no colleague would go so far")


def _strictness(outcome: Outcome) -> int:
    return outcome.strictness


def takes_two(terms: Terms, queue: Queue) -> bool:
    """Whether allow and restrict take two people in a queue."""
    return queue.two_person if queue.two_person is not None else queue.name in terms.two_person_queues


def demand_question(case: Case) -> None:
    """Refuse to escalate what nobody may look at. Raises Unprocessable."""
    if case.queue == HASH_QUEUE:
        raise Unprocessable("nothing of a hash match is shown to anybody: a second view would see no more")


def demand_group(own: Queue, group: Queue) -> None:
    """Refuse to hand a specialists' case to everybody. Raises Unprocessable."""
    if own.specialist and not group.specialist:
        raise Unprocessable(f"a case of {own.name} stays with specialists")
