"""All that one reviewer may read of one case, in one transaction: for whatever page shows it. Decides nothing."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, cast

from moderation import renditions, review
from moderation.appeals import Said as AppealSaid
from moderation.appeals import appeals_of
from moderation.background import Background, read_background
from moderation.code_names import code_names
from moderation.errors import Forbidden, NotFound
from moderation.notices.rows import Said as NoticeSaid
from moderation.notices.rows import claims_of
from moderation.review import batches
from moderation.review.escalation import takes_two
from moderation.verdicts import Verdict, document, gather

if TYPE_CHECKING:
    from moderation.db import Transaction
    from moderation.decisions import Decision
    from moderation.services import Services

MINOR_SAFETY: Final = "minor_safety"


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What was done with the case, or said of it, by whom as colleagues know them."""

    who: str
    action: str
    at: datetime
    question: str = ""
    outcome: str = ""
    reason: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseFile:
    """A case, what opened it and what stands around it."""

    case: review.Case
    opened: "Decision"
    verdict: Verdict
    #: The clip's document, as platforms read it.
    clip: dict[str, object]
    background: Background
    #: Registered people seen, heard or declared.
    people: frozenset[str]
    #: `mine`, `free`, `held` by a colleague, or `closed`.
    state: str
    holder: str
    history: list[Told]
    #: What colleagues think, where this reviewer may see it.
    opinions: list[Told]
    #: What notices, and then appeals, say of the clip, in their senders' words; never who they are.
    claims: list[NoticeSaid]
    appeals: list[AppealSaid]
    #: Why there is nothing to look at; empty when there is.
    unseen: str
    #: Whether approving and limiting take two people here.
    two_person: bool
    #: Queues whose people may be asked.
    groups: list[str]
    #: Open cases of the same clip, nearly, that may be decided alike.
    similar: tuple[batches.Similar, ...]
    #: What there is to see and hear of it; empty where this reviewer may see nothing.
    sheet: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ahead:
    """The case that would be dealt next, for making ready what it shows first: its moments' beginnings."""

    case_id: str
    moments_ms: tuple[int, ...]


def read_casefile(services: "Services", org: str, case_id: str, who: review.Reviewer) -> CaseFile:
    """Read it. Raises NotFound, Forbidden for a queue that is not this reviewer's."""
    with services.database.transaction(org) as tx:
        return _read(services, tx, review.read_case(tx, case_id), who)


def claim_casefile(services: "Services", org: str, queue: str, who: review.Reviewer) -> CaseFile | None:
    """Take the next case of a queue and read it at once; None when nothing is free. Raises as `review.claim`."""
    with services.database.transaction(org) as tx:
        case = review.claim(tx, review.terms_of(services.settings), services.clock.now(), queue, who)
        return _read(services, tx, case, who) if case else None


def read_ahead(services: "Services", org: str, case_id: str, who: review.Reviewer) -> Ahead | None:
    """What comes after the case that this reviewer has in hand; None where nothing can be made ready."""
    now, terms = services.clock.now(), review.terms_of(services.settings)
    with services.database.transaction(org) as tx:
        case = review.read_case(tx, case_id)
        if case.queue in {MINOR_SAFETY, review.HASH_QUEUE} or _state(case, who, now) != "mine":
            return None
        found = review.peek(tx, terms, now, case.queue, who, beside=case.case_id)
        upcoming = review.read_case(tx, found) if found else None
        if upcoming is None or renditions.find(tx, upcoming.clip_id, "marked") is None:
            return None
        begins = tuple(cast("int", moment["start_ms"]) for moment in renditions.moments_of(tx, upcoming))
    return Ahead(case_id=upcoming.case_id, moments_ms=begins)


def _read(services: "Services", tx: "Transaction", case: review.Case, who: review.Reviewer) -> CaseFile:
    now, terms = services.clock.now(), review.terms_of(services.settings)
    queue = review.demand_access(tx, case.queue, who)
    verdict, opened = gather(tx, case.clip_id), review.opening_decision(tx, case)
    clip = document(verdict)
    people, state = _people(clip, verdict), _state(case, who, now)
    mine, unseen = state == "mine", _unseen(tx, case, state)
    history, opinions = _told(tx, case, who)
    return CaseFile(
        case=case,
        opened=opened,
        verdict=verdict,
        clip=clip,
        background=read_background(tx, now, verdict.clip, people),
        people=people,
        state=state,
        holder=_name(tx, case.lease_holder) if state == "held" else "",
        history=history,
        opinions=opinions,
        claims=claims_of(tx, services.vault, case.clip_id),
        appeals=appeals_of(tx, services.vault, case.clip_id),
        unseen=unseen,
        two_person=takes_two(terms, queue),
        groups=_groups(tx, now, who) if mine else [],
        similar=batches.similar(tx, terms, now, case, who) if mine else (),
        sheet={} if unseen else _sheet(tx, now, case, who, opened, verdict),
    )


def _sheet(
    tx: "Transaction", now: datetime, case: review.Case, who: review.Reviewer, opened: "Decision", verdict: Verdict
) -> Mapping[str, Any]:
    try:
        return renditions.sheet_of(tx, now, case, who, opened, verdict)
    except (Forbidden, NotFound):
        return {}


def _state(case: review.Case, who: review.Reviewer, now: datetime) -> str:
    if case.state != "open":
        return "closed"
    if not case.held(now):
        return "free"
    return "mine" if case.lease_holder == who.principal else "held"


def _unseen(tx: "Transaction", case: review.Case, state: str) -> str:
    if case.queue == review.HASH_QUEUE:
        return "known_illegal"
    if state == "held":
        return "held"
    return "" if renditions.find(tx, case.clip_id, "marked") is not None else "unmarked"


def _people(clip: dict[str, object], verdict: Verdict) -> frozenset[str]:
    seen = [*cast("list[dict[str, Any]]", clip["faces"]), *cast("list[dict[str, Any]]", clip["voices"])]
    alone = {each["person"] for each in seen if each.get("person")}
    beside = {one["person"] for each in seen for one in each.get("candidates", ())}
    return frozenset(alone | beside | set(verdict.clip.cameos))


def _told(tx: "Transaction", case: review.Case, who: review.Reviewer) -> tuple[list[Told], list[Told]]:
    """What was done with the case, and what others think of it, with code names."""
    acts = review.history(tx, case, who)
    views = review.opinions_to_show(tx, case, who)
    names = code_names(tx, {*(act.actor for act in acts), *(view.reviewer for view in views)})
    done = [
        Told(who=names.get(act.actor, ""), action=act.action, at=act.at, question=str(act.body.get("question", "")))
        for act in acts
    ]
    thought = [
        Told(
            who=names.get(view.reviewer, ""),
            action="answered",
            at=view.answered_at,
            outcome=view.outcome,
            reason=view.reason or "",
            note=view.note,
        )
        for view in views
    ]
    return done, thought


def _name(tx: "Transaction", principal: str | None) -> str:
    return code_names(tx, [principal]).get(principal, "") if principal else ""


def _groups(tx: "Transaction", now: datetime, who: review.Reviewer) -> list[str]:
    """Whom the case may be handed to: colleagues of a queue one sees, and always those of minor safety."""
    lines = review.list_queues(tx, now, who, empty=True)
    return list(dict.fromkeys([MINOR_SAFETY, *(line.name for line in lines if line.name != review.HASH_QUEUE)]))
