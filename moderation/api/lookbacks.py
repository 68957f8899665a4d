"""The routes of looking back: somebody registered lately is searched for in clips that were judged before."""

from typing import Annotated

from fastapi import APIRouter, Query, Response
from fastapi.responses import JSONResponse

from moderation import unmatched
from moderation.api.auth import Registrar, Services_
from moderation.api.people import OnBehalf, demand_acting
from moderation.api.schemas import CallingOff, LookingBack
from moderation.db import Transaction
from moderation.lookbacks import asking
from moderation.lookbacks.progress import lookbacks_of, progress, unreadable_clips

router = APIRouter(prefix="/v1/people/{person_id}/lookbacks", tags=["likeness"])


def _document(tx: Transaction, person_id: str, lookback_id: str) -> dict[str, object]:
    said, kept = progress(tx, person_id, lookback_id).to_json(), unmatched.keeping(tx)
    return {
        **said,
        "unreadable_clips": unreadable_clips(tx, lookback_id),
        "unmatched_templates": kept.to_json() if kept else None,
    }


@router.post("", status_code=202)
def look_back(person_id: str, said: LookingBack, services: Services_, principal: Registrar) -> Response:
    """Look for a person in clips that were judged before they registered. One at a time for each person.

    What is found is judged again. Clips whose prompt names the person come first; everything else goes before them.
    """
    window = asking.Window(since=said.since, until=said.until, creator=said.creator, words=said.words)
    with services.database.transaction(principal.org) as tx:
        demand_acting(tx, principal, person_id, said.on_behalf_of)
        lookback_id = asking.ask(services, tx, person_id, window, by=principal.principal)
        document = _document(tx, person_id, lookback_id)
    place = f"/v1/people/{person_id}/lookbacks/{lookback_id}"
    return JSONResponse({**document, "status_url": place}, status_code=202, headers={"Location": place})


@router.get("")
def list_lookbacks(
    person_id: str,
    services: Services_,
    principal: Registrar,
    *,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    on_behalf_of: OnBehalf = None,
) -> Response:
    """A person's look backs, newest first."""
    with services.database.transaction(principal.org) as tx:
        demand_acting(tx, principal, person_id, on_behalf_of, lock=False)
        items, kept = [each.to_json() for each in lookbacks_of(tx, person_id, limit=limit)], unmatched.keeping(tx)
    return JSONResponse({"items": items, "unmatched_templates": kept.to_json() if kept else None})


@router.get("/{lookback_id}")
def read_lookback(
    person_id: str, lookback_id: str, services: Services_, principal: Registrar, on_behalf_of: OnBehalf = None
) -> Response:
    """How far a look back has come, what it has cost and what the rest is likely to cost, in CPU seconds.

    `unreadable_clips` could not be looked at: whether the person is in them is not known. `unmatched_templates` says on
    what legal basis templates of people who are in no registry are kept, and for how many hours; null: none are.
    """
    with services.database.transaction(principal.org) as tx:
        demand_acting(tx, principal, person_id, on_behalf_of, lock=False)
        return JSONResponse(_document(tx, person_id, lookback_id))


@router.post("/{lookback_id}/cancel")
def cancel(
    person_id: str, lookback_id: str, services: Services_, principal: Registrar, said: CallingOff | None = None
) -> Response:
    """Call a look back off. What it found stays found."""
    with services.database.transaction(principal.org) as tx:
        demand_acting(tx, principal, person_id, said.on_behalf_of if said else None)
        asking.cancel(services, tx, person_id, lookback_id, by=principal.principal)
        return JSONResponse(_document(tx, person_id, lookback_id))
