"""What reviewers see of a case, over HTTP: veiled renditions, counted reveals of the others, breaks. Never stored."""

import hashlib
from datetime import datetime
from typing import Annotated, Final

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import JSONResponse

from moderation import exposure, portraits, renditions, reveals, review
from moderation.api.auth import Decider, Services_, credential_of, reviewer_of
from moderation.api.media import parse_range, send_blob
from moderation.api.schemas import Lease, Revealing
from moderation.db import Transaction
from moderation.errors import Forbidden, NotFound, Unauthorised
from moderation.exposure import BEAT, Caps, Standing
from moderation.keys import Principal
from moderation.renditions import Rendition
from moderation.reveals import Reveal, Wish
from moderation.review import Reviewer
from moderation.services import Services

router = APIRouter(prefix="/v1", tags=["review"])

_HEADERS: Final = {"Accept-Ranges": "bytes", "Cache-Control": "private, no-store", "Content-Disposition": "inline"}


def session_of(request: Request) -> bytes:
    """What a reveal is bound to: SHA-256 of the key or of the session that asks. Raises Unauthorised without either."""
    credential = credential_of(request)
    if not credential:
        raise Unauthorised
    return hashlib.sha256(credential.encode()).digest()


@router.get("/cases/{case_id}/renditions")
def list_renditions(case_id: str, services: Services_, principal: Decider) -> Response:
    """What there is to see and hear of a case: addresses, times, flashes, loudness. Makes nothing."""
    return JSONResponse(renditions.sheet(services, principal.org, case_id, reviewer_of(principal)))


@router.head("/cases/{case_id}/renditions/{kind}", include_in_schema=False)
@router.get("/cases/{case_id}/renditions/{kind}", response_class=Response)
def read_rendition(
    case_id: str,
    kind: str,
    request: Request,
    services: Services_,
    principal: Decider,
    reveal: Annotated[str | None, Query(max_length=100)] = None,
    range_: Annotated[str | None, Header(alias="range")] = None,
) -> Response:
    """A rendition of the case's clip, made when it is first asked for; ranges as in `/media`.

    `veiled`, `strip`, `still_1` to `still_9`, `face_N` (a face, by its track, that may be somebody registered);
    `revealed`, `cartoon` and `sound` only with the id of a running reveal of the same session (403 without), by which
    `face_N` is unveiled too.
    """
    if kind in renditions.UNVEILED or (reveal is not None and kind.startswith("face_")):
        found = _unveiled(services, principal, case_id, kind, reveal or "", session_of(request))
    else:
        found = renditions.veiled(services, principal.org, case_id, kind, reviewer_of(principal))
    wanted = parse_range(range_, found.size) if range_ else None
    head = request.method == "HEAD"
    return send_blob(
        services.store, found.key, found.size, wanted, head=head, headers=dict(_HEADERS), media_type=found.media_type
    )


def _unveiled(
    services: Services, principal: Principal, case_id: str, kind: str, reveal: str, session: bytes
) -> Rendition:
    who = reviewer_of(principal)
    with services.database.transaction(principal.org) as tx:
        reveals.demand_shown(tx, services.clock.now(), reveal, case_id, kind, who, session)
        case = review.read_case(tx, case_id)
    unveil = renditions.demand_personal if kind in renditions.UNVEILED else renditions.unveiled_face
    return unveil(services, case, kind, who)


@router.get("/cases/{case_id}/portraits/{person_id}", response_class=Response)
def read_portrait(case_id: str, person_id: str, services: Services_, principal: Decider) -> Response:
    """The picture kept of a registered person whom a face of the case's clip may be; for keepers of the registry.

    404 for everybody else of whom one is kept: nobody is looked up here.
    """
    if not principal.may("likeness"):
        raise Forbidden("this needs the scope likeness", scopes=["likeness"])
    with services.database.transaction(principal.org) as tx:
        case = review.read_case(tx, case_id)
        renditions.demand_sight(tx, services.clock.now(), case, reviewer_of(principal))
        beside = person_id in renditions.people_beside(tx, case)
        found = portraits.find(tx, services.vault, person_id) if beside else None
    if found is None:
        raise NotFound("there is no such picture")
    headers = {"Cache-Control": "private, no-store", "Content-Disposition": "inline"}
    return Response(found.jpeg, media_type="image/jpeg", headers=headers)


@router.post("/cases/{case_id}/renditions/{kind}", status_code=204)
def prepare_rendition(case_id: str, kind: str, lease: Lease, services: Services_, principal: Decider) -> Response:
    """Make an unveiled rendition ahead of its reveal, for who holds the case. Shows and counts nothing."""
    if kind not in renditions.UNVEILED:
        raise NotFound(f"the rendition {kind} needs no preparing")
    _make(services, principal, case_id, lease.lease_token, (kind,))
    return Response(status_code=204)


def _make(services: Services, principal: Principal, case_id: str, lease_token: str, kinds: tuple[str, ...]) -> set[str]:
    """Make what is not made yet; which of it there is (a silent clip has no sound). Raises as `reveals.begin`."""
    who = reviewer_of(principal)
    with services.database.transaction(principal.org) as tx:
        case = review.read_case(tx, case_id)
        renditions.demand_unveiled(tx, case, who)
        reveals.demand_lease(case, who, lease_token, services.clock.now())
    made = set()
    for kind in kinds:
        try:
            renditions.demand_personal(services, case, kind, who)
        except NotFound:
            if kind != "sound":
                raise
        else:
            made.add(kind)
    return made


@router.post("/cases/{case_id}/reveals", status_code=201)
def begin_reveal(
    case_id: str, wished: Revealing, request: Request, services: Services_, principal: Decider
) -> Response:
    """Begin a counted reveal under your lease. It runs out at `until` unless a beat prolongs it, and counts until then.

    409 `exposure_capped`, `cooling`, `on_break`, or `conflict` without the lease; 403 for what stays veiled.
    """
    wish = Wish(
        rendition=wished.rendition,
        lease_token=wished.lease_token,
        session=session_of(request),
        sound=wished.sound,
    )
    kinds = (wished.rendition, *(["sound"] if wished.sound and wished.rendition != "sound" else []))
    made = _make(services, principal, case_id, wished.lease_token, kinds)
    caps, who = exposure.caps_of(services.settings), reviewer_of(principal)
    with services.database.transaction(principal.org) as tx:
        now = services.clock.now()
        reveal = reveals.begin(tx, now, caps, case_id, wish, who)
        standing = _standing(tx, now, caps, who, case_id)
    return JSONResponse(_document(reveal, made, standing), status_code=201)


def _document(reveal: Reveal, made: set[str], standing: Standing) -> dict[str, object]:
    def url(kind: str) -> str | None:
        known = kind in made and reveal.shows(kind)
        return f"/v1/cases/{reveal.case_id}/renditions/{kind}?reveal={reveal.reveal_id}" if known else None

    return {
        "id": reveal.reveal_id,
        "url": None if reveal.rendition == "sound" else url(reveal.rendition),
        "sound_url": url("sound"),
        "until": reveal.shown_until.isoformat(),
        "limit_ms": round((reveal.shown_until - reveal.started_at).total_seconds() * 1000),
        "beat_ms": round(BEAT.total_seconds() * 1000),
        "standing": standing.to_json(),
    }


@router.post("/cases/{case_id}/reveals/{reveal_id}/beat")
def beat_reveal(case_id: str, reveal_id: str, request: Request, services: Services_, principal: Decider) -> Response:
    """Say that a reveal goes on. 403 `not_revealed` when it ran out, 409 when the lease is lost or a cap is reached."""
    caps, session, who = exposure.caps_of(services.settings), session_of(request), reviewer_of(principal)
    with services.database.transaction(principal.org) as tx:
        now = services.clock.now()
        reveal = reveals.beat(tx, now, caps, reveal_id, who, session)
        _demand_case(reveal.case_id, case_id)
        standing = _standing(tx, now, caps, who, case_id)
    left_ms = round((reveal.shown_until - now).total_seconds() * 1000)
    told = {"until": reveal.shown_until.isoformat(), "limit_ms": left_ms, "standing": standing.to_json()}
    return JSONResponse(told)


def _standing(tx: Transaction, now: datetime, caps: Caps, who: Reviewer, case_id: str) -> Standing:
    return exposure.standing(tx, now, who.principal, caps.of(specialist=who.specialist), case_id)


def _demand_case(named: str, case_id: str) -> None:
    if named != case_id:
        raise NotFound("this reveal is of another case")


@router.post("/cases/{case_id}/reveals/{reveal_id}/end")
def end_reveal(case_id: str, reveal_id: str, services: Services_, principal: Decider) -> Response:
    """End a reveal; `ms` is what was counted, null when it was counted before."""
    caps, who = exposure.caps_of(services.settings), reviewer_of(principal)
    with services.database.transaction(principal.org) as tx:
        now = services.clock.now()
        ms = reveals.end(tx, now, reveal_id, who)
        standing = _standing(tx, now, caps, who, case_id)
    return JSONResponse({"ms": ms, "standing": standing.to_json()})


@router.get("/exposure")
def read_exposure(services: Services_, principal: Decider) -> Response:
    """How much you have looked at unveiled material, and what you may still. Nobody else's is told here."""
    return JSONResponse(reveals.standing_of(services, principal.org, reviewer_of(principal)).to_json())


@router.post("/break")
def begin_break(services: Services_, principal: Decider) -> Response:
    """Begin a break, or go on with the one that is on; a running reveal ends."""
    with services.database.transaction(principal.org) as tx:
        began = exposure.begin_break(tx, services.clock.now(), principal.principal)
    return JSONResponse({"break_since": began.isoformat()})


@router.post("/break/end")
def end_break(services: Services_, principal: Decider) -> Response:
    """End the break. One of `review.pause_minutes` or more begins a new run."""
    with services.database.transaction(principal.org) as tx:
        lasted = exposure.end_break(tx, services.clock.now(), principal.principal)
    standing = reveals.standing_of(services, principal.org, reviewer_of(principal))
    return JSONResponse({"seconds": round(lasted.total_seconds()), "standing": standing.to_json()})
