"""Everything the case page shows, read in one go. Says nothing of how it looks."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from moderation import renditions, review
from moderation.api.auth import reviewer_of
from moderation.decisions import Outcome
from moderation.verdicts import read_verdict
from review_ui.timeline import Lane, Looks, Moment, lanes, looks, moments

if TYPE_CHECKING:
    from moderation.decisions import Decision
    from moderation.keys import Principal
    from moderation.services import Services


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseView:
    """One case as one reviewer sees it."""

    case: review.Case
    opened: "Decision"
    clip: dict[str, object]
    words: dict[str, str | None]
    lanes: list[Lane]
    looks: Looks | None
    moments: list[Moment]
    #: Policies and rules that fired, as `policy/rule`.
    rules: list[str]
    #: `mine`, `free`, `held` by a colleague, or `closed`.
    state: str
    #: Why there is nothing to look at; empty when there is.
    unseen: str

    @property
    def outcomes(self) -> tuple[tuple[str, str], ...]:
        """What may be decided, each with its key. A hash match is lifted by the list it stands on, not here."""
        every = (("allow", "A"), ("restrict", "L"), ("block", "B"))
        return every[2:] if self.case.queue == review.HASH_QUEUE else every

    @property
    def duration_ms(self) -> int:
        """Length of the clip; 1 when nobody could tell."""
        return max(1, cast("int | None", self.clip["duration_ms"]) or 1)


def read_view(services: "Services", principal: "Principal", case_id: str) -> CaseView:
    """Read a case. Raises NotFound, Forbidden for a queue that is not this reviewer's."""
    with services.database.transaction(principal.org) as tx:
        case = review.read_case(tx, case_id)
        review.demand_access(tx, case.queue, reviewer_of(principal))
        opened = review.opening_decision(tx, case)
        words = review.words_of(tx, case.clip_id)
        marked = renditions.find(tx, case.clip_id, "marked") is not None
    clip = read_verdict(services, principal.org, case.clip_id)
    state = _state(services, principal, case)
    return CaseView(
        case=case,
        opened=opened,
        clip=clip,
        words=words,
        lanes=lanes(clip),
        looks=looks(clip),
        moments=moments(clip),
        rules=_rules(opened),
        state=state,
        unseen=_unseen(case, state, marked=marked),
    )


def _state(services: "Services", principal: "Principal", case: review.Case) -> str:
    if case.state != "open":
        return "closed"
    if case.lease_expires_at is None or case.lease_expires_at <= services.clock.now():
        return "free"
    return "mine" if case.lease_holder == principal.principal else "held"


def _unseen(case: review.Case, state: str, *, marked: bool) -> str:
    if case.queue == review.HASH_QUEUE:
        return "known_illegal"
    if state == "held":
        return "held"
    return "" if marked else "unmarked"


def _rules(opened: "Decision") -> list[str]:
    return [
        f"{entry.policy}/{entry.rule}"
        for entry in opened.trace
        if entry.acts and entry.outcome not in {None, Outcome.ALLOW}
    ]
