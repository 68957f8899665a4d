"""The routes of the human queue, over the same services as the review pages: list, claim, read, answer, hand back."""

from typing import Annotated

from fastapi import APIRouter, Body, Response
from fastapi.responses import JSONResponse

from moderation import review
from moderation.api.auth import Decider, Services_, reviewer_of
from moderation.api.schemas import Answer, Claim, Correction, Lease, Question
from moderation.decisions import Outcome
from moderation.keys import Principal
from moderation.review import Case, Recorded, batches
from moderation.verdicts import moment

router = APIRouter(prefix="/v1", tags=["review"])


@router.get("/queues")
def list_queues(services: Services_, principal: Decider, *, empty: bool = False) -> Response:
    """The queues that this key may work on; those in which nothing waits only with `empty`."""
    with services.database.transaction(principal.org) as tx:
        lines = review.list_queues(tx, services.clock.now(), reviewer_of(principal), empty=empty)
    items = [
        {
            "name": line.name,
            "specialist": line.specialist,
            "waiting": line.waiting,
            "in_work": line.in_work,
            "mine": line.mine,
            "beyond": line.beyond,
            "oldest": moment(line.oldest),
            "due": moment(line.due),
            "last_decided": moment(line.last_decided),
        }
        for line in lines
    ]
    return JSONResponse({"items": items})


@router.post("/queues/{name}/claim", responses={204: {"description": "Nothing is free in this queue."}})
def claim(name: str, services: Services_, principal: Decider, wish: Annotated[Claim | None, Body()] = None) -> Response:
    """Take the next case of a queue, or a clip's, under a lease. 404 for a queue that is none."""
    clip_id = wish.clip_id if wish else None
    terms = review.terms_of(services.settings)
    with services.database.transaction(principal.org) as tx:
        case = review.claim(tx, terms, services.clock.now(), name, reviewer_of(principal), clip_id)
    return JSONResponse(document(case, principal)) if case else Response(status_code=204)


@router.get("/cases/{case_id}")
def read_case(case_id: str, services: Services_, principal: Decider) -> Response:
    """A case, the decision that opened it, what was done with it, and what colleagues think where that may be known."""
    reviewer = reviewer_of(principal)
    with services.database.transaction(principal.org) as tx:
        case = review.read_case(tx, case_id)
        review.demand_access(tx, case.queue, reviewer)
        opened = review.opening_decision(tx, case)
        acts = review.history(tx, case, reviewer)
        opinions = review.opinions_to_show(tx, case, reviewer)
    return JSONResponse(
        {
            **document(case, principal),
            "opened_by": {"id": case.opened_by, **opened.to_json()},
            "history": [
                {**act.body, "action": act.action, "at": moment(act.at), "mine": act.actor == principal.principal}
                for act in acts
            ],
            "opinions": [
                {"outcome": each.outcome, "reason": each.reason, "note": each.note, "at": moment(each.answered_at)}
                for each in opinions
            ],
        }
    )


@router.post("/cases/{case_id}/decision")
def decide(case_id: str, answer: Answer, services: Services_, principal: Decider) -> Response:
    """Decide a case. 409, with nothing recorded, when lease or version is not current.

    `decision_id` is null where another view is needed first; `undo_until` says how long `/undo` takes it back.
    """
    given = review.Answer(
        outcome=Outcome(answer.outcome),
        reason=answer.reason,
        note=answer.note,
        lease_token=answer.lease_token,
        version=answer.version,
        key=answer.key,
    )
    terms, now, reviewer = review.terms_of(services.settings), services.clock.now(), reviewer_of(principal)
    with services.database.transaction(principal.org) as tx:
        recorded = review.decide(tx, services.enqueuer, terms, now, case_id, given, reviewer)
        case = review.read_case(tx, case_id)
    return JSONResponse({**told(recorded), **document(case, principal)})


@router.post("/cases/{case_id}/escalate")
def escalate(case_id: str, question: Question, services: Services_, principal: Decider) -> Response:
    """Ask for another view, which does not see yours; two that agree decide, else a third does."""
    asked = review.Escalation(
        question=question.question,
        lease_token=question.lease_token,
        version=question.version,
        outcome=Outcome(question.outcome) if question.outcome else None,
        reason=question.reason,
        queue=question.queue,
        key=question.key,
    )
    terms, now, reviewer = review.terms_of(services.settings), services.clock.now(), reviewer_of(principal)
    with services.database.transaction(principal.org) as tx:
        recorded = review.escalate(tx, services.enqueuer, terms, now, case_id, asked, reviewer)
        case = review.read_case(tx, case_id)
    return JSONResponse({**told(recorded), **document(case, principal)})


@router.post("/cases/{case_id}/undo")
def undo(case_id: str, services: Services_, principal: Decider) -> Response:
    """Take your last answer back while its window is open; the case is yours again. 409 when it is not."""
    terms, now, reviewer = review.terms_of(services.settings), services.clock.now(), reviewer_of(principal)
    with services.database.transaction(principal.org) as tx:
        case = batches.undo_all(tx, terms, now, case_id, reviewer)
    return JSONResponse(document(case, principal))


@router.post("/cases/{case_id}/overturn")
def overturn(case_id: str, correction: Correction, services: Services_, principal: Decider) -> Response:
    """Put another decision in the place of a settled one. 409 while the clip is on its way, 403 to who took part."""
    wish = review.Overturn(
        outcome=Outcome(correction.outcome),
        reason=correction.reason,
        error_class=correction.error_class,
        version=correction.version,
        note=correction.note,
    )
    terms, now, reviewer = review.terms_of(services.settings), services.clock.now(), reviewer_of(principal)
    with services.database.transaction(principal.org) as tx:
        recorded = review.overturn(tx, services.enqueuer, terms, now, case_id, wish, reviewer)
        case = review.read_case(tx, case_id)
    return JSONResponse({**told(recorded), **document(case, principal)})


@router.post("/cases/{case_id}/return", status_code=204)
def give_back(case_id: str, lease: Lease, services: Services_, principal: Decider) -> Response:
    """Give a case back undecided; it is dealt again."""
    with services.database.transaction(principal.org) as tx:
        review.give_back(tx, services.clock.now(), case_id, lease.lease_token, reviewer_of(principal))
    return Response(status_code=204)


@router.post("/cases/{case_id}/skip", status_code=204)
def skip(case_id: str, lease: Lease, services: Services_, principal: Decider) -> Response:
    """Leave a case to colleagues; it is not dealt to you again."""
    with services.database.transaction(principal.org) as tx:
        review.skip(tx, services.clock.now(), case_id, lease.lease_token, reviewer_of(principal))
    return Response(status_code=204)


@router.post("/cases/{case_id}/renew")
def renew(case_id: str, lease: Lease, services: Services_, principal: Decider) -> Response:
    """Prolong a lease that still stands."""
    terms = review.terms_of(services.settings)
    with services.database.transaction(principal.org) as tx:
        expires_at = review.renew(tx, terms, services.clock.now(), case_id, lease.lease_token)
    return JSONResponse({"lease": {"token": lease.lease_token, "expires_at": moment(expires_at)}})


def told(recorded: Recorded) -> dict[str, object]:
    """What became of an answer."""
    return {
        "opinion_id": recorded.opinion_id,
        "decision_id": recorded.decision_id,
        "next_view": recorded.next_stage,
        "undo_until": moment(recorded.undo_until),
    }


def document(case: Case, principal: Principal) -> dict[str, object]:
    """A case as its reader may see it: the lease's token only for who holds it.

    Its source and effect are not told: a golden case or a second opinion looks like any other.
    """
    lease: dict[str, object] | None = None
    if case.lease_token is not None:
        mine = case.lease_holder == principal.principal
        lease = {"holder": case.lease_holder, "expires_at": moment(case.lease_expires_at)}
        lease |= {"token": case.lease_token} if mine else {}
    return {
        "id": case.case_id,
        "clip_id": case.clip_id,
        "queue": case.queue,
        "state": case.state,
        "view": case.stage,
        "version": case.version,
        "severity": case.severity,
        "deadline": moment(case.deadline),
        "created_at": moment(case.created_at),
        "decided_at": moment(case.decided_at),
        "lease": lease,
    }
