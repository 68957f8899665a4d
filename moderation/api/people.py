"""The routes of the likeness registry: people, and what is known of them. Scope `likeness`; nobody is found by a face.

A platform acts for a person by naming the account that is theirs; who names another's learns nothing, not even that
the person exists.
"""

import base64
from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Response
from fastapi.responses import JSONResponse
from pydantic import Field

from moderation import consent
from moderation.api.auth import Admin, Services_, demand
from moderation.api.schemas import Invalid, Line, Strict
from moderation.consent.people import Place
from moderation.db import Transaction
from moderation.erasure import forget_person
from moderation.errors import Forbidden
from moderation.ids import is_id
from moderation.keys import Principal
from moderation.revocations.rejudging import judge_clips_of
from moderation.verdicts import moment

router = APIRouter(prefix="/v1/people", tags=["likeness"])
Keeper = Annotated[Principal, Depends(demand("likeness"))]
Name = Annotated[Line, Field(min_length=1, max_length=200)]
Account = Annotated[Line, Field(min_length=1, max_length=256)]
OnBehalf = Annotated[str | None, Query(max_length=256, description="The account of the person you act for.")]


class NewPerson(Strict):
    """A person to be registered. Their likeness comes by an enrolment; until it is verified nothing is compared."""

    name: Name
    kind: Literal["cameo", "public_figure", "rights_holder", "protected_person"] = "cameo"
    account: Account | None = Field(None, description="Your own id of them; a cameo has one.")
    age_band: Literal["adult", "teen"] | None = None
    guardian: Account | None = Field(None, description="The account of who answers for a teen.")
    aliases: Annotated[list[Name], Field(max_length=50)] = Field([])


class Guardian(Strict):
    """How old a person is and who answers for them; what is left out stays."""

    on_behalf_of: Account | None = None
    age_band: Literal["adult", "teen"] | None = None
    guardian: Account | None = None


class NewState(Strict):
    """Where a person stands from now on."""

    state: Literal["verified", "suspended"]


class SamePerson(Strict):
    """Whose cameo is the same human as a public figure."""

    same_as: Account | None = Field(description="The cameo's id; null takes the link back.")


class NewAlias(Strict):
    """One more name of a person, in any script."""

    on_behalf_of: Account | None = None
    name: Name


def demand_acting(
    tx: Transaction, principal: Principal, person: str, account: str | None, *, lock: bool = True
) -> None:
    """Let the caller act for a person, or with `lock` off read; see `consent.demand_acting`."""
    consent.demand_acting(tx, person, account, staff=principal.may("admin"), lock=lock)


@router.post("", status_code=201)
def register(said: NewPerson, services: Services_, principal: Keeper) -> Response:
    """Register a person, `pending` until an enrolment is verified. Whose face it is plays no part in the answer.

    A cameo needs an `account`; people of other kinds are registered by staff (scope `admin`).
    """
    if said.kind == "cameo" and said.account is None:
        raise Invalid("a cameo needs the account of the person")
    if said.kind != "cameo" and not principal.may("admin"):
        raise Forbidden("this needs the scope admin", scopes=["admin"])
    now, by = services.clock.now(), principal.principal
    new = consent.NewPerson(**said.model_dump(exclude={"aliases"}))
    with services.database.transaction(principal.org) as tx:
        person = consent.register(tx, services.vault, now, new, by=by)
        for alias in said.aliases:
            consent.add_alias(tx, services.vault, now, person, alias, by=by)
        answer = told(consent.read_person(tx, services.vault, person))
    return JSONResponse(answer, status_code=201, headers={"Location": f"/v1/people/{person}"})


@router.get("")
def list_people(
    services: Services_,
    principal: Keeper,
    *,
    kind: Annotated[str | None, Query(max_length=40)] = None,
    state: Annotated[str | None, Query(max_length=40)] = None,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Response:
    """List people, oldest first; nothing finds one by a face or a name. `next_cursor` is empty on the last page."""
    after = read_cursor(cursor) if cursor else None
    with services.database.transaction(principal.org) as tx:
        found = consent.page_people(tx, services.vault, limit=limit + 1, after=after, kind=kind, state=state)
    following = write_cursor((found[limit - 1].created_at, found[limit - 1].person_id)) if len(found) > limit else None
    return JSONResponse({"items": [told(person) for person in found[:limit]], "next_cursor": following})


@router.get("/stale")
def list_stale(
    services: Services_,
    principal: Keeper,
    *,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Response:
    """Who must be enrolled anew: their templates were made by weights that are no longer used."""
    after, current = read_cursor(cursor) if cursor else None, (services.face_model, services.voice_model)
    with services.database.transaction(principal.org) as tx:
        found = consent.stale_people(tx, current=current, limit=limit + 1, after=after)
    page = found[:limit]
    items = [{"id": each.person_id, "kind": each.kind, "models": each.models} for each in page]
    following = write_cursor((page[-1].created_at, page[-1].person_id)) if len(found) > limit else None
    return JSONResponse({"items": items, "next_cursor": following, "current": list(current)})


@router.get("/{person_id}")
def read(person_id: str, services: Services_, principal: Keeper) -> Response:
    """A person: where they stand, what they forbid, under which other names they go. Never a template."""
    with services.database.transaction(principal.org) as tx:
        person = consent.read_person(tx, services.vault, person_id)
        limits = consent.read_limits(tx, [person_id]).get(person_id, ())
        aliases = consent.list_aliases(tx, services.vault, person=person_id)
    names = [{"id": alias.alias_id, "name": alias.name} for alias in aliases]
    forbidden = consent.CONTEXTS if person.age_band == "teen" else limits
    return JSONResponse({**told(person), "limits": list(forbidden), "aliases": names})


@router.put("/{person_id}/guardian")
def set_guardian(person_id: str, said: Guardian, services: Services_, principal: Keeper) -> Response:
    """Say how old a person is, or who answers for a teen; a verified teen without a guardian is suspended.

    An enrolment that is `guardian_needed` goes on as `pending` once a guardian is named, without a new recording. Who
    has a guardian and of whom no age was said is a teen. Naming the guardian ends no suspension: staff do.
    That somebody who was not registered as an adult is one takes staff (scope `admin`): no stricter rules hold then.
    """
    now = services.clock.now()
    with services.database.transaction(principal.org) as tx:
        demand_acting(tx, principal, person_id, said.on_behalf_of)
        before = consent.read_person(tx, services.vault, person_id).age_band
        if said.age_band == "adult" and before != "adult" and not principal.may("admin"):
            raise Forbidden("this needs the scope admin", scopes=["admin"])
        by, age_band, guardian = principal.principal, said.age_band, said.guardian
        consent.set_guardian(tx, now, person_id, by=by, age_band=age_band, guardian=guardian)
        judge_clips_of(tx, services.enqueuer, person_id)
        answer = told(consent.read_person(tx, services.vault, person_id))
    return JSONResponse(answer)


@router.put("/{person_id}/state")
def set_state(person_id: str, said: NewState, services: Services_, principal: Admin) -> Response:
    """Suspend a person, or take it back: of who is suspended no grant counts. Clips that show them are judged again."""
    now = services.clock.now()
    with services.database.transaction(principal.org) as tx:
        consent.set_state(tx, now, person_id, said.state, by=principal.principal)
        judge_clips_of(tx, services.enqueuer, person_id)
        answer = told(consent.read_person(tx, services.vault, person_id))
    return JSONResponse(answer)


@router.put("/{person_id}/same")
def set_same(person_id: str, said: SamePerson, services: Services_, principal: Admin) -> Response:
    """Say that a public figure has a cameo of their own: the cameo's grants and limits rule for both records.

    Staff's word (scope `admin`). Released clips that show the figure are judged again; until then none is served.
    """
    now, by = services.clock.now(), principal.principal
    with services.database.transaction(principal.org) as tx:
        if said.same_as is None:
            consent.unlink(tx, now, person_id, by=by)
        else:
            consent.link(tx, now, person_id, said.same_as, by=by)
        judge_clips_of(tx, services.enqueuer, person_id)
        answer = told(consent.read_person(tx, services.vault, person_id))
    return JSONResponse(answer)


@router.post("/{person_id}/aliases", status_code=201)
def add_alias(person_id: str, said: NewAlias, services: Services_, principal: Keeper) -> Response:
    """Write down another name of a person; prompts are compared with it."""
    with services.database.transaction(principal.org) as tx:
        demand_acting(tx, principal, person_id, said.on_behalf_of)
        alias = consent.add_alias(
            tx, services.vault, services.clock.now(), person_id, said.name, by=principal.principal
        )
    return JSONResponse({"id": alias, "name": said.name}, status_code=201)


@router.delete("/{person_id}/aliases/{alias_id}", status_code=204)
def remove_alias(
    person_id: str, alias_id: str, services: Services_, principal: Keeper, on_behalf_of: OnBehalf = None
) -> Response:
    """Forget another name of a person."""
    with services.database.transaction(principal.org) as tx:
        demand_acting(tx, principal, person_id, on_behalf_of)
        consent.remove_alias(tx, services.clock.now(), person_id, alias_id, by=principal.principal)
    return Response(status_code=204)


@router.delete("/{person_id}", status_code=204)
def erase(person_id: str, services: Services_, principal: Keeper, on_behalf_of: OnBehalf = None) -> Response:
    """Erase a person: clips that show them are withdrawn, key and templates destroyed, the index written anew.

    From then on nobody recognises them here; who wants to stay recognised and refuse revokes instead.
    """
    now = services.clock.now()
    with services.database.transaction(principal.org) as tx:
        demand_acting(tx, principal, person_id, on_behalf_of)
    with services.database.transaction(principal.org) as tx:
        forget_person(tx, services, now, person_id, by=principal.principal)
    return Response(status_code=204)


def told(person: consent.Person) -> dict[str, object]:
    """A person as whoever keeps the registry sees them."""
    return {
        "id": person.person_id,
        "kind": person.kind,
        "name": person.name,
        "state": person.state,
        "verification": person.verification,
        "account": person.account,
        "age_band": person.age_band,
        "guardian": person.guardian,
        "same_as": person.same_as,
        "created_at": moment(person.created_at),
    }


def write_cursor(place: Place) -> str:
    """Where a page ended."""
    return base64.urlsafe_b64encode(f"{place[0].isoformat()} {place[1]}".encode()).decode()


def read_cursor(cursor: str) -> Place:
    """Read what `write_cursor` wrote. Raises Invalid for anything else."""
    try:
        at, _, person = base64.urlsafe_b64decode(cursor).decode().partition(" ")
        place = datetime.fromisoformat(at), person
    except ValueError as error:
        raise Invalid("the cursor is not one of this service") from error
    if not is_id("per", person):
        raise Invalid("the cursor is not one of this service")
    return place
