"""The routes of the human queue, over the same services as the review pages: list, claim, read, decide, hand back."""

from typing import Annotated

from fastapi import APIRouter, Body, Header, Request, Response
from fastapi.responses import JSONResponse

from moderation import renditions, review
from moderation.api.auth import Decider, Services_, reviewer_of
from moderation.api.media import parse_range, send_blob
from moderation.api.schemas import Answer, Claim, Lease
from moderation.decisions import Outcome
from moderation.keys import Principal
from moderation.review import Case
from moderation.verdicts import moment

router = APIRouter(prefix="/v1", tags=["review"])


@router.get("/queues")
def list_queues(services: Services_, principal: Decider) -> Response:
    """Every queue with something in it that this key may work on."""
    with services.database.transaction(principal.org) as tx:
        lines = review.list_queues(tx, services.clock.now(), reviewer_of(principal))
    items = [
        {
            "name": line.name,
            "waiting": line.waiting,
            "in_work": line.in_work,
            "mine": line.mine,
            "oldest": moment(line.oldest),
            "due": moment(line.due),
        }
        for line in lines
    ]
    return JSONResponse({"items": items})


@router.post("/queues/{name}/claim", responses={204: {"description": "Nothing is free in this queue."}})
def claim(name: str, services: Services_, principal: Decider, wish: Annotated[Claim | None, Body()] = None) -> Response:
    """Take the next case of a queue, or a clip's, under a lease."""
    clip_id = wish.clip_id if wish else None
    with services.database.transaction(principal.org) as tx:
        case = review.claim(
            tx, review.terms_of(services.settings), services.clock.now(), name, reviewer_of(principal), clip_id
        )
    return JSONResponse(document(case, principal)) if case else Response(status_code=204)


@router.get("/cases/{case_id}")
def read_case(case_id: str, services: Services_, principal: Decider) -> Response:
    """A case and the decision that opened it."""
    with services.database.transaction(principal.org) as tx:
        case = review.read_case(tx, case_id)
        review.demand_access(tx, case.queue, reviewer_of(principal))
        opened = review.opening_decision(tx, case)
    return JSONResponse({**document(case, principal), "opened_by": {"id": case.opened_by, **opened.to_json()}})


@router.post("/cases/{case_id}/decision")
def decide(case_id: str, answer: Answer, services: Services_, principal: Decider) -> Response:
    """Decide a case. 409, with nothing recorded, when lease or version is not current."""
    decided = review.Answer(
        outcome=Outcome(answer.outcome),
        reason=answer.reason,
        note=answer.note,
        lease_token=answer.lease_token,
        version=answer.version,
    )
    with services.database.transaction(principal.org) as tx:
        decision_id = review.decide(
            tx,
            services.enqueuer,
            review.terms_of(services.settings),
            services.clock.now(),
            case_id,
            decided,
            reviewer_of(principal),
        )
        case = review.read_case(tx, case_id)
    return JSONResponse({"decision_id": decision_id, **document(case, principal)})


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
    with services.database.transaction(principal.org) as tx:
        expires_at = review.renew(
            tx, review.terms_of(services.settings), services.clock.now(), case_id, lease.lease_token
        )
    return JSONResponse({"lease": {"token": lease.lease_token, "expires_at": moment(expires_at)}})


@router.get("/cases/{case_id}/renditions/veiled", response_class=Response)
def veiled(
    case_id: str,
    request: Request,
    services: Services_,
    principal: Decider,
    range_: Annotated[str | None, Header(alias="range")] = None,
) -> Response:
    """The case's clip as a reviewer sees it first: veiled, made from the marked file. Ranges as in `/media`."""
    key, size = renditions.veiled(services, principal.org, case_id, reviewer_of(principal))
    wanted = parse_range(range_, size) if range_ else None
    headers = {"Accept-Ranges": "bytes", "Cache-Control": "private, no-store"}
    return send_blob(services.store, key, size, wanted, head=request.method == "HEAD", headers=headers)


def document(case: Case, principal: Principal) -> dict[str, object]:
    """A case as its reader may see it: the lease's token only for who holds it."""
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
        "version": case.version,
        "severity": case.severity,
        "deadline": moment(case.deadline),
        "created_at": moment(case.created_at),
        "decided_at": moment(case.decided_at),
        "lease": lease,
    }
