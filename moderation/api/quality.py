"""The routes of quality: how right the answers are, how the work stands, what it costs people; golden answers."""

from datetime import datetime, timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Response
from fastapi.responses import JSONResponse
from pydantic import Field

from moderation.api.auth import Decider, Services_, demand
from moderation.api.schemas import Line, Strict, Text
from moderation.decisions import Outcome
from moderation.errors import Unprocessable
from moderation.keys import Principal
from moderation.quality.answers import read_quality
from moderation.quality.care import read_care, read_own
from moderation.quality.machine import read_machine
from moderation.quality.operations import read_operations
from moderation.review import golden
from moderation.services import Services
from moderation.verdicts import moment

router = APIRouter(prefix="/v1", tags=["quality"])
Lead = Annotated[Principal, Depends(demand("audit", "admin", "policy"))]
PolicyLead = Annotated[Principal, Depends(demand("policy"))]
#: What figures look back on unless they are asked otherwise, and at most.
USUAL, LONGEST = timedelta(days=28), timedelta(days=366)


class GoldenQuestion(Strict):
    """What is known to be right of a clip that people decided once, and the policy's sentence that makes it so."""

    clip_id: Annotated[str, Field(pattern=r"^clip_[0-9a-f]{32}$")]
    queue: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
    outcome: Literal["allow", "restrict", "block"]
    reason: Annotated[Line, Field(min_length=1, max_length=64, pattern=r"^[a-z][a-z0-9_]*$")]
    why: Annotated[Text, Field(min_length=1, max_length=2000)]


def _span(services: Services, since: datetime | None, until: datetime | None) -> tuple[datetime, datetime]:
    """The stretch of time that is asked about. Raises Unprocessable for one that cannot be."""
    end = until or services.clock.now()
    start = since or end - USUAL
    if start.tzinfo is None or end.tzinfo is None:
        raise Unprocessable("say the times' zone, as in 2026-11-01T00:00:00Z")
    if not timedelta(0) < end - start <= LONGEST:
        raise Unprocessable("since lies before until, by a year at most")
    return start, end


Since = Annotated[datetime | None, Query()]


@router.get("/quality")
def quality(services: Services_, principal: Lead, since: Since = None, until: Since = None) -> Response:
    """Golden answers, agreement, overturns, harm that went out, what rules are worth; each with its interval."""
    start, end = _span(services, since, until)
    with services.database.transaction(principal.org) as tx:
        return JSONResponse(read_quality(tx, start, end).to_json())


@router.get("/quality/operations")
def operations(services: Services_, principal: Lead) -> Response:
    """What came and went by the hour, what each queue takes, how long clips wait for people."""
    with services.database.transaction(principal.org) as tx:
        return JSONResponse(read_operations(tx, services.clock.now()).to_json())


@router.get("/quality/care")
def care(services: Services_, principal: Lead, since: Since = None, until: Since = None) -> Response:
    """Unveiled minutes as a spread over person-days; nothing below five people, nobody's name, no order."""
    start, end = _span(services, since, until)
    with services.database.transaction(principal.org) as tx:
        return JSONResponse(read_care(tx, start, end).to_json())


@router.get("/quality/machine")
def machine(services: Services_, principal: Lead, since: Since = None, until: Since = None) -> Response:
    """Times and failures of stages, detectors that fail or drift, marks that were found again."""
    start, end = _span(services, since, until)
    with services.database.transaction(principal.org) as tx:
        return JSONResponse(read_machine(tx, start, end).to_json())


@router.get("/quality/mine")
def mine(services: Services_, principal: Decider, since: Since = None, until: Since = None) -> Response:
    """Your own unveiled minutes by day (UTC); nobody else is shown them."""
    start, end = _span(services, since, until)
    with services.database.transaction(principal.org) as tx:
        days = read_own(tx, principal.principal, start, end)
    return JSONResponse({"items": [{"day": d.day.isoformat(), "ms": d.ms, "reveals": d.reveals} for d in days]})


@router.get("/golden")
def list_golden(
    services: Services_,
    principal: PolicyLead,
    retired: Annotated[bool, Query(description="Those of the past too.")] = False,  # noqa: FBT002
) -> Response:
    """The golden answers with how often they were asked for and met; `current` says whether by today's rules."""
    with services.database.transaction(principal.org) as tx:
        version = services.rulebook.in_force(tx).rules.acting.version
        found = golden.list_golden(tx, retired=retired)
    return JSONResponse({"items": [_document(answer, version) for answer in found]})


@router.post("/golden", status_code=201)
def add_golden(question: GoldenQuestion, services: Services_, principal: PolicyLead) -> Response:
    """Keep a golden answer, dated and under the rules of now; it comes back into its queue without being told apart."""
    new = golden.NewGolden(
        clip_id=question.clip_id,
        queue=question.queue,
        outcome=Outcome(question.outcome),
        reason=question.reason,
        why=question.why,
    )
    with services.database.transaction(principal.org) as tx:
        version = services.rulebook.in_force(tx).rules.acting.version
        made = golden.add_golden(tx, services.clock.now(), new, policy_version=version, by=principal.principal)
    return JSONResponse({"id": made}, status_code=201)


@router.post("/golden/{golden_id}/retire", status_code=204)
def retire_golden(golden_id: str, services: Services_, principal: PolicyLead) -> Response:
    """Use an answer no more; what was answered to it stays."""
    with services.database.transaction(principal.org) as tx:
        golden.retire_golden(tx, services.clock.now(), golden_id, by=principal.principal)
    return Response(status_code=204)


def _document(answer: golden.GoldenAnswer, version: str) -> dict[str, object]:
    return {
        "id": answer.golden_id,
        "clip_id": answer.clip_id,
        "queue": answer.queue,
        "outcome": answer.outcome,
        "reason": answer.reason,
        "why": answer.why,
        "policy_version": answer.policy_version,
        "current": answer.policy_version == version,
        "added_by": answer.added_by,
        "added_at": moment(answer.added_at),
        "retired_at": moment(answer.retired_at),
        "asked": answer.asked,
        "met": answer.met,
    }
