"""The routes of enrolment: a challenge and its recording for callers, what was found and the answer for staff.

Callers read a word and how to do better. Who looks like whom is in no answer of theirs, nor in how long one takes.
"""

import hashlib
import re
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Depends, Header, Request, Response
from fastapi.responses import JSONResponse
from pydantic import Field
from starlette.concurrency import run_in_threadpool

from moderation.api.auth import Services_, demand
from moderation.api.media import parse_range, send_bytes
from moderation.api.people import OnBehalf, demand_acting
from moderation.api.schemas import Line, Strict
from moderation.api.uploads import Unsupported, kind_of, receive_form
from moderation.enrolling import attempts, showing
from moderation.enrolling.attempts import Enrolment
from moderation.errors import Forbidden
from moderation.keys import Principal
from moderation.services import Services
from moderation.verdicts import moment

router = APIRouter(prefix="/v1", tags=["enrolments"])
Registry = Annotated[Principal, Depends(demand("likeness"))]
Range = Annotated[str | None, Header(alias="range")]
_HEADERS: Final = {"Accept-Ranges": "bytes", "Cache-Control": "private, no-store", "Content-Disposition": "inline"}
#: A player that begins to look; it asks for more of the same later.
_BEGINNING: Final = re.compile(r"\s*bytes\s*=\s*0\s*-")


def staff(principal: Registry) -> Principal:
    """Who works on the likeness registry as a reviewer: callers' keys alone see no evidence and give no answer."""
    if not principal.may("review", "specialist"):
        raise Forbidden("this is for reviewers of the likeness registry", scopes=["review", "specialist"])
    return principal


Staff = Annotated[Principal, Depends(staff)]


class EnrolmentAnswer(Strict):
    """What a reviewer says of an enrolment that waits, and the version they looked at."""

    outcome: Literal["verify", "refuse"]
    reason: Annotated[Line, Field(min_length=1, max_length=200)]
    version: int | None = None


@router.post("/people/{person}/enrolments", status_code=201)
def ask(person: str, services: Services_, principal: Registry, on_behalf_of: OnBehalf = None) -> Response:
    """Draw a challenge for a person: groups of digits to say, a turn of the head after each. The last one ends.

    409 `challenge_over` to a recording that comes late, 429 to a person or key that asks too often.
    """
    _demand_acting(services, principal, person, on_behalf_of)
    made = attempts.ask(services, principal.org, person, by=principal.principal)
    headers = {"Location": f"/v1/people/{person}/enrolments/{made.enrolment_id}"}
    return JSONResponse(document(made), status_code=201, headers=headers)


@router.get("/people/{person}/enrolments/{enrolment}")
def read(
    person: str, enrolment: str, services: Services_, principal: Registry, on_behalf_of: OnBehalf = None
) -> Response:
    """Where an enrolment stands; `hints` say how to do better where only the quality was at fault."""
    with services.database.transaction(principal.org) as tx:
        demand_acting(tx, principal, person, on_behalf_of, lock=False)
        return JSONResponse(document(attempts.read(tx, enrolment, person=person)))


@router.post("/people/{person}/enrolments/{enrolment}/recording", status_code=202)
async def receive(
    person: str,
    enrolment: str,
    request: Request,
    services: Services_,
    principal: Registry,
    on_behalf_of: OnBehalf = None,
) -> Response:
    """Hand in the one recording that answers a challenge: multipart, the part `file` a short video with sound."""
    await run_in_threadpool(_demand_acting, services, principal, person, on_behalf_of)
    if kind_of(request) != "multipart":
        raise Unsupported
    settings = services.settings
    limits = settings.limits.model_copy(update={"max_bytes": settings.likeness.recording_bytes})
    async with receive_form(request, services.scratch(), limits) as received:
        path, by = received.path, principal.principal
        taken = await run_in_threadpool(
            lambda: attempts.receive(services, principal.org, person, enrolment, path, by=by)
        )
    return JSONResponse(document(taken), status_code=202)


@router.get("/enrolments")
def list_waiting(services: Services_, principal: Staff) -> Response:
    """Enrolments that wait for a person, the most urgent first."""
    with services.database.transaction(principal.org) as tx:
        found = attempts.waiting(tx)
    return JSONResponse({"items": [evidence(each) for each in found], "next_cursor": None})


@router.get("/enrolments/{enrolment}")
def read_evidence(enrolment: str, services: Services_, principal: Staff) -> Response:
    """One enrolment with every check and its evidence, and everybody registered whom it resembles."""
    with services.database.transaction(principal.org) as tx:
        return JSONResponse(evidence(attempts.read(tx, enrolment)))


@router.head("/enrolments/{enrolment}/pictures", include_in_schema=False)
@router.get("/enrolments/{enrolment}/pictures", response_class=Response)
def see(enrolment: str, request: Request, services: Services_, principal: Staff, range_: Range = None) -> Response:
    """The recording's pictures, written anew, with the viewer's code; ranges as in `/media`. 404 once it is deleted."""
    return _shown(services, principal, enrolment, "pictures", request, range_)


@router.head("/enrolments/{enrolment}/sound", include_in_schema=False)
@router.get("/enrolments/{enrolment}/sound", response_class=Response)
def hear(enrolment: str, request: Request, services: Services_, principal: Staff, range_: Range = None) -> Response:
    """The recording's sound alone, written anew; ranges as in `/media`. 404 once it is deleted."""
    return _shown(services, principal, enrolment, "sound", request, range_)


def _shown(
    services: Services_,
    principal: Principal,
    enrolment: str,
    part: showing.Part,
    request: Request,
    range_: str | None,
) -> Response:
    further = range_ is not None and not _BEGINNING.match(range_)
    made = showing.show(services, principal.org, enrolment, part, to=principal.principal, further=further)
    tag = f'"{hashlib.sha256(made).hexdigest()}"'
    same = request.headers.get("if-range") in {None, tag}
    wanted = parse_range(range_, len(made)) if range_ is not None and same else None
    kind = "video/mp4" if part == "pictures" else "audio/mp4"
    headers = {**_HEADERS, "ETag": tag}
    return send_bytes(made, wanted, head=request.method == "HEAD", headers=headers, media_type=kind)


@router.post("/enrolments/{enrolment}/answer")
def answer(enrolment: str, given: EnrolmentAnswer, services: Services_, principal: Staff) -> Response:
    """Say whether the person is who they say. 409 when it no longer waits, or to who asked for the challenge."""
    by = principal.principal
    found = attempts.answer(
        services, principal.org, enrolment, given.outcome, reason=given.reason, by=by, version=given.version
    )
    return JSONResponse(evidence(found))


def _demand_acting(services: Services, principal: Principal, person: str, account: str | None) -> None:
    """Let a caller act for a person by naming their account; who names another's learns nothing."""
    with services.database.transaction(principal.org) as tx:
        demand_acting(tx, principal, person, account, lock=False)


def document(found: Enrolment) -> dict[str, object]:
    """An enrolment as its caller may read it."""
    challenge = {**found.challenge, "expires_at": moment(found.expires_at)} if found.state == "asked" else None
    return {
        "id": found.enrolment_id,
        "person": found.person_id,
        "state": found.told,
        "challenge": challenge,
        "hints": found.hints if found.state == "refused" else [],
    }


def evidence(found: Enrolment) -> dict[str, object]:
    """An enrolment as staff read it. No template is in it."""
    return {
        "id": found.enrolment_id,
        "person": found.person_id,
        "state": found.state,
        "case": found.case_id,
        "queue": attempts.QUEUE,
        "challenge": found.challenge,
        "checks": found.checks or [],
        "recording": found.recording is not None,
        "asked_at": moment(found.asked_at),
        "received_at": moment(found.received_at),
        "checked_at": moment(found.checked_at),
        "deadline": moment(found.deadline),
        "answered_at": moment(found.answered_at),
        "reason": found.reason,
        "version": found.version,
    }
