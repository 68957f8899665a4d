"""The routes of grants: what a person allows, takes back and forbids, and the lists they grant to. Scope `likeness`."""

from dataclasses import asdict
from typing import Annotated, Literal

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from pydantic import AwareDatetime, Field

from moderation import consent
from moderation.api.auth import Services_
from moderation.api.people import Account, Keeper, Name, OnBehalf, demand_acting
from moderation.api.schemas import Strict
from moderation.revocations.beginning import follow
from moderation.revocations.rejudging import judge_clips_of
from moderation.verdicts import moment

router = APIRouter(prefix="/v1/people/{person_id}", tags=["likeness"])
Purpose = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
Contexts = Annotated[list[consent.Context], Field(max_length=len(consent.CONTEXTS))]
Creators = Annotated[list[Account], Field(max_length=1000)]


class NewGrant(Strict):
    """What a person allows. Whatever is not said is not granted."""

    on_behalf_of: Account | None = Field(None, description="The person's own account.")
    grantee_kind: Literal["creator", "list", "everyone", "self"]
    grantee: Account | None = Field(None, description="The creator's id, or the list's.")
    scope: Literal["face", "voice", "both"] = "face"
    mode: Literal["standing", "ask_me"] = "standing"
    purposes: Annotated[list[Purpose], Field(max_length=20)] = Field([], description="What for; empty: anything.")
    limits: Contexts = Field([], description="Contexts that this grant does not cover.")
    audience: Literal["draft", "public"] = "public"
    remix: bool = Field(default=False, description="Whether clips made from others that show the person are covered.")
    expires_at: Annotated[AwareDatetime, Field(strict=False)] | None = None
    replaces: str | None = Field(None, max_length=60, description="The grant that this one is put in the place of.")


class NewLimits(Strict):
    """Contexts in which a person may not be shown, whatever was granted; the whole list."""

    on_behalf_of: Account | None = None
    contexts: Contexts


class NewList(Strict):
    """A list of creators."""

    on_behalf_of: Account | None = None
    name: Name
    creators: Creators = Field([])


class ListChange(Strict):
    """Who comes on a list and who leaves it."""

    on_behalf_of: Account | None = None
    add: Creators = Field([])
    remove: Creators = Field([])


@router.post("/grants", status_code=201)
def give(person_id: str, said: NewGrant, services: Services_, principal: Keeper) -> Response:
    """Write down that a person consents. With `replaces`, that grant is taken back in the same step."""
    now, by = services.clock.now(), principal.principal
    terms = consent.Terms(
        **said.model_dump(exclude={"on_behalf_of", "replaces", "purposes", "limits"}),
        purposes=tuple(said.purposes),
        limits=tuple(said.limits),
    )
    with services.database.transaction(principal.org) as tx:
        demand_acting(tx, principal, person_id, said.on_behalf_of)
        if said.replaces is None:
            grant_id = consent.grant(tx, now, person_id, terms=terms, by=by)
        else:
            grant_id, begun = consent.replace_grant(tx, now, person_id, said.replaces, terms, by=by)
            follow(tx, services, now, person_id, begun)
        (made,) = (each for each in consent.read_grants(tx, [person_id]) if each.grant_id == grant_id)
    return JSONResponse(told(made), status_code=201)


@router.get("/grants")
def list_grants(person_id: str, services: Services_, principal: Keeper) -> Response:
    """Every grant a person ever gave, oldest first, and since when it is taken back."""
    with services.database.transaction(principal.org) as tx:
        consent.read_person(tx, services.vault, person_id)
        found = consent.read_grants(tx, [person_id])
    return JSONResponse({"items": [told(each) for each in found], "next_cursor": None})


@router.delete("/grants/{grant_id}")
def take_back(
    person_id: str, grant_id: str, services: Services_, principal: Keeper, on_behalf_of: OnBehalf = None
) -> Response:
    """Take one grant back; what rested on it is refused from here on and judged again."""
    now = services.clock.now()
    with services.database.transaction(principal.org) as tx:
        demand_acting(tx, principal, person_id, on_behalf_of)
        begun = consent.take_back(tx, now, person_id, grant_id, by=principal.principal)
        answer = follow(tx, services, now, person_id, begun)
    return JSONResponse(answer)


@router.put("/limits")
def forbid(person_id: str, said: NewLimits, services: Services_, principal: Keeper) -> Response:
    """Say in which contexts a person may not be shown, by whatever grant; released clips are judged by it again."""
    now = services.clock.now()
    with services.database.transaction(principal.org) as tx:
        demand_acting(tx, principal, person_id, said.on_behalf_of)
        standing = consent.forbid(tx, now, person_id, said.contexts, by=principal.principal)
        judge_clips_of(tx, services.enqueuer, person_id)
    return JSONResponse({"contexts": list(standing)})


@router.post("/lists", status_code=201)
def make_list(person_id: str, said: NewList, services: Services_, principal: Keeper) -> Response:
    """Make a list of creators that a grant may name."""
    now, by = services.clock.now(), principal.principal
    with services.database.transaction(principal.org) as tx:
        demand_acting(tx, principal, person_id, said.on_behalf_of)
        creators = tuple(said.creators)
        made = consent.make_list(tx, services.vault, now, person_id, said.name, by=by, creators=creators)
        (answer,) = (each for each in consent.read_lists(tx, services.vault, person_id) if each.list_id == made)
    return JSONResponse(listed(answer), status_code=201)


@router.get("/lists")
def list_lists(person_id: str, services: Services_, principal: Keeper) -> Response:
    """A person's lists and who is on them now."""
    with services.database.transaction(principal.org) as tx:
        consent.read_person(tx, services.vault, person_id)
        found = consent.read_lists(tx, services.vault, person_id)
    return JSONResponse({"items": [listed(each) for each in found], "next_cursor": None})


@router.patch("/lists/{list_id}")
def change_list(person_id: str, list_id: str, said: ListChange, services: Services_, principal: Keeper) -> Response:
    """Put creators on a list or take them off; clips of whom it no longer names are judged again."""
    now, change = services.clock.now(), {"add": tuple(said.add), "remove": tuple(said.remove)}
    with services.database.transaction(principal.org) as tx:
        demand_acting(tx, principal, person_id, said.on_behalf_of)
        left = consent.change_list(tx, services.vault, now, person_id, list_id, by=principal.principal, **change)
        if said.remove:
            judge_clips_of(tx, services.enqueuer, person_id)
    return JSONResponse(listed(left))


def told(grant: consent.Grant) -> dict[str, object]:
    """A grant as it stands in the ledger."""
    row = {name: value for name, value in asdict(grant).items() if name not in {"grant_id", "person_id"}}
    times = {name: moment(row[name]) for name in ("expires_at", "created_at", "revoked_at")}
    return {"id": grant.grant_id, **row, **times}


def listed(found: consent.GranteeList) -> dict[str, object]:
    """A list and who is on it."""
    made = moment(found.created_at)
    return {"id": found.list_id, "name": found.name, "creators": list(found.creators), "created_at": made}
