"""The routes of many cases at once: near-duplicates of a case, and lots of like cases that a few speak for."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response
from fastapi.responses import JSONResponse
from pydantic import Field

from moderation import review
from moderation.api.auth import Decider, Services_, reviewer_of
from moderation.api.reviews import document
from moderation.api.schemas import Answer, Line, Strict
from moderation.decisions import Outcome
from moderation.review import batches, trends
from moderation.review.lots import Lot
from moderation.review.trends import Standing, Trend
from moderation.verdicts import moment

router = APIRouter(prefix="/v1", tags=["review"])


class BatchAnswer(Answer):
    """A decision on a case and on the near-duplicates of it that are named."""

    also: Annotated[list[Annotated[str, Field(pattern=r"^case_[0-9a-f]{32}$")]], Field(max_length=batches.OFFERED)]


class TrendQuestion(Strict):
    """Which lot to draw from, and the share of its rest that may be otherwise."""

    queue: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
    kind: Literal["prompt", "person", "rule"]
    key: Annotated[Line, Field(min_length=1, max_length=300)]
    tolerated: Annotated[float, Field(gt=0, le=0.2, allow_inf_nan=False)] = trends.TOLERATED


@router.get("/cases/{case_id}/similar")
def similar(case_id: str, services: Services_, principal: Decider) -> Response:
    """Open cases of the same queue and for the same reasons whose clips show the same; the nearest first."""
    now, terms, reviewer = services.clock.now(), review.terms_of(services.settings), reviewer_of(principal)
    with services.database.transaction(principal.org) as tx:
        found = batches.similar(tx, terms, now, review.read_case(tx, case_id), reviewer)
    items = [{"id": one.case_id, "clip_id": one.clip_id, "distance": one.distance} for one in found]
    return JSONResponse({"items": items})


@router.post("/cases/{case_id}/batch")
def decide_batch(case_id: str, answer: BatchAnswer, services: Services_, principal: Decider) -> Response:
    """Decide a case and, alike, those near-duplicates that are named; each clip gets a decision of its own."""
    given = review.Answer(
        outcome=Outcome(answer.outcome),
        reason=answer.reason,
        note=answer.note,
        lease_token=answer.lease_token,
        version=answer.version,
        key=answer.key,
    )
    now, terms, reviewer = services.clock.now(), review.terms_of(services.settings), reviewer_of(principal)
    with services.database.transaction(principal.org) as tx:
        batch = batches.decide_all(tx, services.enqueuer, terms, now, case_id, given, reviewer, also=answer.also)
        case = review.read_case(tx, case_id)
    said = {"decision_id": batch.recorded.decision_id, "decided": list(batch.decided), "left": list(batch.left)}
    return JSONResponse({**document(case, principal), **said})


@router.get("/trends")
def list_trends(services: Services_, principal: Decider, queue: Annotated[str, Query(max_length=40)]) -> Response:
    """Lots of open cases of a queue that look like one, the largest first, and the trends that are being decided."""
    reviewer = reviewer_of(principal)
    with services.database.transaction(principal.org) as tx:
        lots = trends.find_lots(tx, review.terms_of(services.settings), queue, reviewer)
        running = trends.list_trends(tx, queue, reviewer)
    return JSONResponse({"lots": [_lot(lot) for lot in lots], "trends": [_trend(trend) for trend in running]})


@router.post("/trends", status_code=201)
def open_trend(question: TrendQuestion, services: Services_, principal: Decider) -> Response:
    """Draw from a lot the fewest cases that can speak for the rest; these are decided like any other."""
    now, terms, reviewer = services.clock.now(), review.terms_of(services.settings), reviewer_of(principal)
    lot = (question.kind, question.key)
    with services.database.transaction(principal.org) as tx:
        made = trends.open_trend(tx, terms, now, question.queue, lot, reviewer, tolerated=question.tolerated)
        standing = trends.read_trend(tx, made, reviewer)
    return JSONResponse(_standing(standing), status_code=201)


@router.get("/trends/{trend_id}")
def read_trend(trend_id: str, services: Services_, principal: Decider) -> Response:
    """How a trend stands: the drawn cases, what they came out as, and what that says of the rest."""
    with services.database.transaction(principal.org) as tx:
        return JSONResponse(_standing(trends.read_trend(tx, trend_id, reviewer_of(principal))))


@router.post("/trends/{trend_id}/decision")
def settle_trend(trend_id: str, services: Services_, principal: Decider) -> Response:
    """Let the rest take over what all drawn cases came out as. 409 unless they did, for good."""
    now, terms, reviewer = services.clock.now(), review.terms_of(services.settings), reviewer_of(principal)
    with services.database.transaction(principal.org) as tx:
        settled = trends.settle(tx, services.enqueuer, terms, now, trend_id, reviewer)
    return JSONResponse(
        {
            "decided": list(settled.decided),
            "left": list(settled.left),
            "wrong_at_most": settled.wrong_at_most,
            "confidence": settled.confidence,
        }
    )


@router.post("/trends/{trend_id}/end", status_code=204)
def end_trend(trend_id: str, services: Services_, principal: Decider) -> Response:
    """Give a trend up; its cases are decided one by one, as they could be all along."""
    with services.database.transaction(principal.org) as tx:
        trends.end_trend(tx, services.clock.now(), trend_id, reviewer_of(principal))
    return Response(status_code=204)


@router.post("/trends/{trend_id}/undo")
def undo_trend(trend_id: str, services: Services_, principal: Decider) -> Response:
    """Take back every answer that the rest took over; all of them, or 409 and none."""
    now, terms = services.clock.now(), review.terms_of(services.settings)
    with services.database.transaction(principal.org) as tx:
        undone = trends.undo_trend(tx, terms, now, trend_id, reviewer_of(principal))
    return JSONResponse({"undone": undone})


def _lot(lot: Lot) -> dict[str, object]:
    said = {"kind": lot.kind, "key": lot.key, "cases": len(lot.cases)}
    return {**said, "oldest": moment(lot.oldest), "due": moment(lot.due)}


def _trend(trend: Trend) -> dict[str, object]:
    return {
        "id": trend.trend_id,
        "queue": trend.queue,
        "kind": trend.kind,
        "key": trend.key,
        "tolerated": trend.tolerated,
        "state": trend.state,
        "opened_at": moment(trend.opened_at),
        "settled_at": moment(trend.settled_at),
    }


def _standing(standing: Standing) -> dict[str, object]:
    drawn = [
        {"id": member.case_id, "clip_id": member.clip_id, "decided": member.answer is not None}
        for member in standing.drawn
    ]
    agreed = standing.agreed and {"outcome": standing.agreed[0], "reason": standing.agreed[1]}
    return {
        **_trend(standing.trend),
        "lot": len(standing.members),
        "drawn": drawn,
        "rest": len(standing.rest),
        "bound": standing.bound.to_json(),
        "agreed": agreed,
        "split": standing.split,
    }
