"""Notices and appeals from outside: no key, limited by address, and no personal data in any answer but to staff."""

from typing import Annotated, Final, Literal

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import Field
from starlette.concurrency import run_in_threadpool

from moderation import appeals
from moderation.api.auth import Anyone, Services_, demand
from moderation.api.rates import at_most, place_of
from moderation.api.schemas import Line, Strict, Text, read_json
from moderation.api.uploads import kind_of, receive_form, receive_json
from moderation.api.verify import Turns
from moderation.errors import NotFound, Unprocessable
from moderation.keys import Principal
from moderation.notices.claims import Claim, Kind
from moderation.notices.figures import read_figures
from moderation.notices.filing import Receipt, Sender, demand_valid, file_notice
from moderation.notices.naming import Differs, Unidentified, Unmarked, find_clip
from moderation.notices.rows import read_by_token, read_identity, state_document
from moderation.notices.sealing import erase
from moderation.services import Services
from moderation.verification import verify_file

router = APIRouter(prefix="/v1", tags=["notices"])
#: Of one address, by the API and the pages together.
PER_MINUTE: Final = 10
ASKED_PER_MINUTE: Final = 30
TOKEN_CHARACTERS: Final = 128
Few = Annotated[Line, Field(max_length=TOKEN_CHARACTERS)]
Token = Annotated[str, Header(alias="X-Notice-Token", max_length=TOKEN_CHARACTERS)]
Keeper = Annotated[Principal, Depends(demand("likeness"))]
Auditor = Annotated[Principal, Depends(demand("audit"))]


class Proof(Strict):
    """What a statement of reasons came with."""

    decision_id: Few
    token: Few


class NoticeBody(Strict):
    """A notice about one clip. Which fields are needed follows from `kind`."""

    kind: Kind
    clip: Annotated[Line, Field(max_length=2048)] = Field(
        "", description="Our clip id, the mark's 12 hex digits, or the clip's address; left out beside a copy."
    )
    explanation: Annotated[Text, Field(max_length=10_000)] = Field("", description="What it shows and why it must go.")
    location: Annotated[Line, Field(max_length=300)] = Field("", description="Where: seconds, or an address.")
    good_faith: bool = Field(default=False, description="That you believe in good faith that all this is true.")
    child_protection: bool = Field(default=False, description="Of illegal content: about abuse of children.")
    name: Annotated[Line, Field(max_length=300)] = ""
    contact: Annotated[Line, Field(max_length=300)] = Field("", description="An e-mail address.")
    signature: Annotated[Line, Field(max_length=300)] = Field("", description="Your name, typed: it counts as signed.")
    language: Literal["en", "fr", "ar"] = "en"
    statement: Proof | None = Field(None, description="Of a counter-notice: what the statement of reasons came with.")

    def claim(self) -> Claim:
        """The same as the service knows it."""
        return Claim(**self.model_dump(exclude={"clip", "language", "statement"}))


class AppealBody(Strict):
    """An appeal: as the creator with the statement's clip, decision and token, or as notifier with the notice's."""

    clip_id: Few = ""
    decision_id: Few = ""
    notice_id: Few = ""
    token: Few
    explanation: Annotated[Text, Field(min_length=1, max_length=10_000)]
    language: Literal["en", "fr", "ar"] = "en"


@router.post("/notices", status_code=201, dependencies=[Depends(at_most(PER_MINUTE, "notices"))])
async def file_a_notice(request: Request, services: Services_, principal: Anyone) -> Response:
    """File a notice about a clip: JSON, or multipart `metadata` (the same JSON) beside a copy of the clip as `file`."""
    limits = services.settings.limits
    source = sender_of(request, principal)
    if kind_of(request) == "json":
        wanted = read_json(NoticeBody, await receive_json(request, limits))
        receipt = await run_in_threadpool(file_body, services, wanted, wanted.clip, source, principal)
        return JSONResponse(receipt_document(services, receipt), status_code=201)
    turns: Turns = request.app.state.turns
    async with receive_form(request, services.scratch(), limits) as received:
        wanted = read_json(NoticeBody, received.metadata, root="/metadata")
        demand_valid(wanted.claim())
        async with turns.take():
            found = await run_in_threadpool(verify_file, services, received.path)
        clip = await run_in_threadpool(clip_of_copy, services, wanted, found)
        receipt = await run_in_threadpool(file_body, services, wanted, clip, source, principal)
    return JSONResponse(receipt_document(services, receipt), status_code=201)


def sender_of(request: Request, principal: Principal | None) -> str:
    """What notices of one sender are counted by: the address; nothing for a platform that hands on others' notices."""
    return place_of(request.client.host) if principal is None and request.client else ""


def clip_of_copy(services: Services, wanted: NoticeBody, found: dict[str, object]) -> str:
    """What names the clip where a copy was sent: its marks, and they agree with the number that came with it.

    A copy that proves nothing leaves the number to name it. Raises Unmarked without one, Differs, Unidentified.
    """
    if found["origin"] != "ours" or not found["clip_id"]:
        if not wanted.clip:
            raise Unmarked
        return wanted.clip
    if wanted.clip and find_clip(services, wanted.clip)[1] != found["clip_id"]:
        raise Differs
    return str(found["clip_id"])


def file_body(
    services: Services, wanted: NoticeBody, material: str, source: str, principal: Principal | None
) -> Receipt:
    """File a notice as a body says it, about the clip that `material` names."""
    claim, proof = wanted.claim(), wanted.statement
    demand_valid(claim)
    counters = claim.kind == "counter_notice"
    if counters and proof is None:
        raise Unprocessable("a counter-notice comes with the token of the statement of reasons")
    try:
        org, clip_id = find_clip(services, material, org=principal.org if principal else None)
    except Unidentified:
        if counters:
            # As with a wrong token: who has none learns nothing of which clips there are.
            raise NotFound(appeals.UNPROVEN) from None
        raise
    if counters and proof is not None:
        appeals.org_of_statement(services, clip_id, proof.decision_id, proof.token)
    return file_notice(services, org, clip_id, claim, Sender(source=source, language=wanted.language))


def receipt_document(services: Services, receipt: Receipt) -> dict[str, object]:
    """What the sender takes away."""
    return {
        **state_document(services, receipt.notice),
        "token": receipt.token,
        "status_url": f"/v1/notices/{receipt.notice.notice_id}",
        "status_page": f"/notice/{receipt.notice.notice_id}",
    }


@router.get("/notices/{notice_id}", dependencies=[Depends(at_most(ASKED_PER_MINUTE, "notice states"))])
def read_state(
    notice_id: str, services: Services_, token: Token, lang: Annotated[str | None, Query(max_length=35)] = None
) -> Response:
    """State and clock of a notice, for who holds its token."""
    return JSONResponse(state_document(services, read_by_token(services, notice_id, token), lang))


@router.get("/notices/{notice_id}/identity")
def read_sender(notice_id: str, services: Services_, principal: Keeper) -> Response:
    """Who filed a notice. Every reading is written down."""
    return JSONResponse(read_identity(services, principal.org, notice_id, principal.principal))


@router.delete("/notices/{notice_id}/identity", status_code=204)
def erase_sender(notice_id: str, services: Services_, principal: Keeper) -> Response:
    """Erase for good who filed a notice, and its words."""
    with services.database.transaction(principal.org) as tx:
        erase(tx, services.clock.now(), notice_id, principal.principal)
    return Response(status_code=204)


@router.post("/appeals", status_code=201, dependencies=[Depends(at_most(PER_MINUTE, "appeals"))])
def file_an_appeal(wanted: AppealBody, services: Services_) -> Response:
    """Appeal against a decision. Somebody who took no part in it looks at it."""
    appeal, token = file_appeal(services, wanted)
    made = {**appeals.state_document(appeal), "token": token, "status_url": f"/v1/appeals/{appeal.appeal_id}"}
    return JSONResponse(made, status_code=201)


def file_appeal(services: Services, wanted: AppealBody) -> tuple[appeals.Appeal, str]:
    """File an appeal as a body says it: with a notice's number it is the notifier's."""
    if wanted.notice_id:
        return appeals.appeal_as_notifier(services, wanted.notice_id, wanted.token, wanted.explanation, wanted.language)
    return appeals.appeal_as_creator(
        services, wanted.clip_id, wanted.decision_id, wanted.token, wanted.explanation, wanted.language
    )


@router.get("/appeals/{appeal_id}", dependencies=[Depends(at_most(ASKED_PER_MINUTE, "notice states"))])
def read_appeal_state(
    appeal_id: str, services: Services_, token: Token, lang: Annotated[str | None, Query(max_length=35)] = None
) -> Response:
    """State and times of an appeal, for who holds its token."""
    return JSONResponse(appeals.state_document(appeals.read_appeal(services, appeal_id, token), lang))


@router.get("/reports/transparency", tags=["audit"])
def read_transparency(
    services: Services_,
    principal: Auditor,
    *,
    since: Annotated[str | None, Query(max_length=40)] = None,
    until: Annotated[str | None, Query(max_length=40)] = None,
) -> Response:
    """Notices and appeals in figures (Digital Services Act, article 24): counts, and the median time to a decision."""
    return JSONResponse(read_figures(services, principal.org, since, until))
