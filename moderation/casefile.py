"""All that one reviewer may read of one case, in one transaction: for whatever page shows it. Decides nothing."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, cast

from moderation import renditions, review
from moderation.background import Background, read_background
from moderation.code_names import code_names
from moderation.errors import Forbidden, NotFound
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
    #: Why there is nothing to look at; empty when there is.
    unseen: str
    #: Whether approving and limiting take two people here.
    two_person: bool
    #: Queues whose people may be asked.
    groups: list[str]
    #: Open cases of the same clip, nearly, that may be decided alike.
    similar: tuple[batches.Similar, ...]
    #: The case that would be dealt next; empty where none would, or there is nothing of it to make ready.
    upcoming: str


def read_casefile(services: "Services", org: str, case_id: str, who: review.Reviewer) -> CaseFile:
    """Read it. Raises NotFound, Forbidden for a queue that is not this reviewer's."""
    now, terms = services.clock.now(), review.terms_of(services.settings)
    with services.database.transaction(org) as tx:
        case = review.read_case(tx, case_id)
        queue = review.demand_access(tx, case.queue, who)
        verdict = gather(tx, case.clip_id)
        clip = document(verdict)
        people, state = _people(clip, verdict), _state(case, who, now)
        mine = state == "mine"
        history, opinions = _told(tx, case, who)
        return CaseFile(
            case=case,
            opened=review.opening_decision(tx, case),
            verdict=verdict,
            clip=clip,
            background=read_background(tx, now, verdict.clip, people),
            people=people,
            state=state,
            holder=_name(tx, case.lease_holder),
            history=history,
            opinions=opinions,
            unseen=_unseen(tx, case, state),
            two_person=takes_two(terms, queue),
            groups=_groups(tx, now, who) if mine else [],
            similar=batches.similar(tx, terms, now, case, who) if mine else (),
            upcoming=_upcoming(tx, terms, now, case, who) if mine else "",
        )


def sheet_of(services: "Services", org: str, case_id: str, who: review.Reviewer) -> dict[str, Any]:
    """What there is to see and hear of a case; nothing where this reviewer may see nothing."""
    try:
        return cast("dict[str, Any]", renditions.sheet(services, org, case_id, who))
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
    return frozenset({each["person"] for each in seen if each.get("person")} | set(verdict.clip.cameos))


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


def _upcoming(tx: "Transaction", terms: review.Terms, now: datetime, case: review.Case, who: review.Reviewer) -> str:
    if case.queue in {MINOR_SAFETY, review.HASH_QUEUE}:
        return ""
    found = review.peek(tx, terms, now, case.queue, who, beside=case.case_id)
    shown = found and renditions.find(tx, review.read_case(tx, found).clip_id, "marked")
    return found if found and shown else ""
