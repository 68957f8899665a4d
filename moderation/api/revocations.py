"""The routes of taking consent back: what a likeness reaches, where it appears, revocations, progress, receipts."""

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Query, Response
from fastapi.responses import JSONResponse

from moderation import appearances, consent
from moderation.api.auth import Registrar, Services_
from moderation.api.people import OnBehalf, demand_acting
from moderation.api.schemas import PurgeReceipt, Revoking
from moderation.db import Transaction
from moderation.revocations import beginning, reaching, removing
from moderation.revocations.progress import progress
from moderation.revocations.receipts import take_receipt
from moderation.services import Services
from moderation.verdicts import moment

router = APIRouter(prefix="/v1", tags=["likeness"])


def demand_person(tx: Transaction, services: Services, person_id: str) -> None:
    """Raise NotFound for somebody who is not registered here."""
    consent.read_person(tx, services.vault, person_id)


@router.get("/people/{person_id}/reach")
def read_reach(person_id: str, services: Services_, principal: Registrar) -> Response:
    """What taking every grant back would reach now, in numbers: to be shown before it is done. Changes nothing."""
    with services.database.transaction(principal.org) as tx:
        demand_person(tx, services, person_id)
        numbers = reaching.reach(tx, person_id).to_json()
    return JSONResponse({"person": person_id, "reached": numbers})


@router.get("/people/{person_id}/appearances")
def list_appearances(
    person_id: str,
    services: Services_,
    principal: Registrar,
    *,
    cursor: Annotated[str | None, Query(max_length=64)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Response:
    """Clips in which somebody appears, drafts included, newest first. `next_cursor` is empty on the last page."""
    with services.database.transaction(principal.org) as tx:
        demand_person(tx, services, person_id)
        found = appearances.of_person(tx, person_id, after=cursor, limit=limit + 1)
    items = [{**asdict(each), "created_at": moment(each.created_at)} for each in found[:limit]]
    following = found[limit - 1].clip_id if len(found) > limit else None
    return JSONResponse({"items": items, "next_cursor": following})


@router.delete("/people/{person_id}/appearances/{clip_id}")
def remove_appearance(
    person_id: str, clip_id: str, services: Services_, principal: Registrar, on_behalf_of: OnBehalf = None
) -> Response:
    """Take one clip out for somebody it shows, while every grant stands. Where it only may show them, people look."""
    with services.database.transaction(principal.org) as tx:
        demand_acting(tx, principal, person_id, on_behalf_of)
    status = removing.remove_clip(services, principal.org, person_id, clip_id, by=principal.principal)
    return JSONResponse({"clip_id": clip_id, "status": status})


@router.post("/people/{person_id}/revoke", status_code=202)
def revoke(person_id: str, services: Services_, principal: Registrar, revoking: Revoking | None = None) -> Response:
    """Take back one grant, or all. From this answer on nothing that shows the person is served; the rest follows."""
    said = revoking or Revoking(on_behalf_of=None)
    with services.database.transaction(principal.org) as tx:
        demand_acting(tx, principal, person_id, said.on_behalf_of)
    begun = beginning.begin(services, principal.org, person_id, by=principal.principal, grant_id=said.grant_id)
    place = f"/v1/revocations/{begun['revocation_id']}"
    return JSONResponse({**begun, "status_url": place}, status_code=202, headers={"Location": place})


@router.get("/revocations/{revocation_id}")
def read_revocation(revocation_id: str, services: Services_, principal: Registrar) -> Response:
    """How far a revocation has come. `time_to_zero_s` is known once the platform said that all of it is gone."""
    with services.database.transaction(principal.org) as tx:
        return JSONResponse(progress(tx, revocation_id).to_json())


@router.post("/revocations/{revocation_id}/receipts")
def take(revocation_id: str, receipt: PurgeReceipt, services: Services_, principal: Registrar) -> Response:
    """The platform's word that it removed these clips from wherever it had put them; without `clips`, all of them."""
    now = services.clock.now()
    with services.database.transaction(principal.org) as tx:
        take_receipt(tx, now, revocation_id, receipt.clips, by=principal.principal)
        return JSONResponse(progress(tx, revocation_id).to_json())
