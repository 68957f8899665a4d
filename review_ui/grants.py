"""What a person allows: their grants and limits, given, changed and taken back on their own page."""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Annotated, Final, Literal, cast

from fastapi import APIRouter, Depends, Request
from pydantic import Field, TypeAdapter, ValidationError
from starlette.datastructures import FormData
from starlette.responses import RedirectResponse, Response

from moderation import consent
from moderation.api.auth import services_of
from moderation.api.grants import Purpose
from moderation.api.people import Account
from moderation.errors import Conflict, NotFound, Unprocessable
from moderation.ids import is_id
from moderation.owners import Owner
from moderation.revocations.beginning import follow
from moderation.revocations.rejudging import judge_clips_of
from review_ui.filters import Unreadable, end_of
from review_ui.own import entered
from review_ui.owner import own_page, signing, visiting
from review_ui.routes import PageRoute
from review_ui.translating import marked

router = APIRouter(include_in_schema=False, route_class=PageRoute)
Entered = Annotated[FormData, Depends(entered)]
CONTEXTS: Final = {
    "sexual": marked("sexual"),
    "violent": marked("violent"),
    "political": marked("political"),
    "commercial": marked("commercial"),
}
SCOPES: Final = {"face": marked("Face"), "voice": marked("Voice"), "both": marked("Face and voice")}
MODES: Final = {"ask_me": marked("Ask me about every clip"), "standing": marked("Always, without asking")}
AUDIENCES: Final = {"public": marked("for everybody"), "draft": marked("as a draft that only its maker sees")}
NO_GRANTEE: Final = marked("Write the name that the platform has for this maker.")
REFUSED: Final = marked(
    "This cannot be granted so: it contradicts itself, is over already, or you are too young for it."
)
NO_DAY: Final = marked("Write a day as 2026-11-22.")
NO_PURPOSE: Final = marked("Write purposes as the platform has them, such as satire, with commas between, at most 20.")
_ACCOUNT: Final = TypeAdapter[str](Account)
_PURPOSES: Final = TypeAdapter(Annotated[list[Purpose], Field(max_length=20)])


@router.get("/mine/grants")
def grants(request: Request, said: str = "", change: str = "") -> Response:
    """What somebody allows and forbids; `change` names the grant whose terms the form begins with."""
    return show(request, visiting(request), said=said, change=change)


def show(
    request: Request,
    owner: Owner,
    *,
    said: str = "",
    change: str = "",
    fields: Mapping[str, object] | None = None,
    wrong: Unreadable | None = None,
    status: int = 200,
) -> Response:
    """The page, with what was typed where that was refused."""
    services = services_of(request)
    with services.database.transaction(owner.org) as tx:
        person = consent.read_person(tx, services.vault, owner.person)
        found = consent.read_grants(tx, [owner.person])
        limits = consent.read_limits(tx, [owner.person]).get(owner.person, ())
        lists = {each.list_id: each.name for each in consent.read_lists(tx, services.vault, owner.person)}
    changed = next((grant for grant in found if grant.grant_id == change and grant.revoked_at is None), None)
    now = services.clock.now()
    return own_page(
        request,
        "mine/grants.html",
        owner,
        status=status,
        person=person,
        live=[grant for grant in found if grant.revoked_at is None and not grant.over(now)],
        ended=[grant for grant in reversed(found) if grant.revoked_at is not None or grant.over(now)][:20],
        limits=consent.CONTEXTS if person.age_band == "teen" else limits,
        changed=changed,
        fields=fields or _fields_of(changed),
        contexts=CONTEXTS,
        scopes=SCOPES,
        modes=MODES,
        audiences=AUDIENCES,
        lists=lists,
        last_day=last_day,
        said=said,
        wrong=wrong,
    )


def _fields_of(grant: consent.Grant | None) -> dict[str, object]:
    """What the form begins with: an existing grant, or the most careful one."""
    if grant is None:
        return {"to": "creator", "scope": "face", "mode": "ask_me", "audience": "public", "limits": [*CONTEXTS]}
    return {
        "to": grant.grantee if grant.grantee_kind == "list" else grant.grantee_kind,
        "grantee": (grant.grantee or "") if grant.grantee_kind == "creator" else "",
        "scope": grant.scope,
        "mode": grant.mode,
        "audience": grant.audience,
        "limits": grant.limits,
        "remix": grant.remix,
        "purposes": ", ".join(grant.purposes),
        "until": last_day(grant.expires_at) if grant.expires_at else "",
    }


def last_day(ends: datetime) -> str:
    """The last day on which a grant that ends then holds."""
    return (ends - timedelta(microseconds=1)).date().isoformat()


@router.post("/mine/grants")
def give(request: Request, form: Entered) -> Response:
    """Give a grant, or with `changes` one in the place of another."""
    owner, services = signing(request, str(form.get("form_token", ""))), services_of(request)
    now, changes = services.clock.now(), str(form.get("changes", ""))
    try:
        terms = read_terms(form)
        with services.database.transaction(owner.org) as tx:
            if changes:
                terms = _with_its_hour(terms, consent.read_grants(tx, [owner.person]), changes)
                _, begun = consent.replace_grant(tx, now, owner.person, changes, terms, by=owner.actor)
                follow(tx, services, now, owner.person, begun)
            else:
                consent.grant(tx, now, owner.person, by=owner.actor, terms=terms)
    except Unreadable as error:
        return show(request, owner, change=changes, fields=_typed(form), wrong=error, status=422)
    except (Unprocessable, Conflict, NotFound) as error:
        return show(
            request, owner, change=changes, fields=_typed(form), wrong=Unreadable("terms", REFUSED), status=error.status
        )
    return RedirectResponse("/mine/grants?said=granted", status_code=303)


def _with_its_hour(terms: consent.Terms, grants: list[consent.Grant], changes: str) -> consent.Terms:
    """Where the day was left as it is, the grant ends at its old hour: the form knows days alone."""
    ends = next((grant.expires_at for grant in grants if grant.grant_id == changes), None)
    if ends and terms.expires_at and last_day(ends) == last_day(terms.expires_at):
        return replace(terms, expires_at=ends)
    return terms


def _typed(form: FormData) -> dict[str, object]:
    typed: dict[str, object] = {name: str(value) for name, value in form.items()}
    return typed | {"limits": [str(value) for value in form.getlist("limits")], "remix": "remix" in form}


def read_terms(form: FormData) -> consent.Terms:
    """The terms that a form describes. Raises Unreadable with the field that says what it cannot say."""
    kind, grantee = _grantee(form)
    return consent.Terms(
        grantee_kind=kind,
        grantee=grantee,
        purposes=_purposes(str(form.get("purposes", ""))),
        scope=cast("consent.Scope", _one_of(form, "scope", SCOPES)),
        mode=cast("consent.Mode", _one_of(form, "mode", MODES)),
        limits=tuple(context for context in consent.CONTEXTS if context in form.getlist("limits")),
        audience=cast("Literal['draft', 'public']", _one_of(form, "audience", AUDIENCES)),
        remix="remix" in form,
        expires_at=end_of(str(form.get("until", "")), "until", NO_DAY),
    )


def _grantee(form: FormData) -> tuple[Literal["creator", "list", "everyone", "self"], str | None]:
    """Who is allowed something: a list by its number, a maker by the name that was typed. Raises Unreadable."""
    to = str(form.get("to", ""))
    if to in {"everyone", "self"}:
        return cast("Literal['everyone', 'self']", to), None
    if is_id("glist", to):
        return "list", to
    if to != "creator":
        raise Unreadable("grantee", NO_GRANTEE)
    try:
        return "creator", _ACCOUNT.validate_python(str(form.get("grantee", "")).strip())
    except ValidationError as error:
        raise Unreadable("grantee", NO_GRANTEE) from error


def _purposes(text: str) -> tuple[str, ...]:
    words = dict.fromkeys(word.strip().lower() for word in re.split(r"[,،\n]", text) if word.strip())
    try:
        return tuple(_PURPOSES.validate_python(list(words)))
    except ValidationError as error:
        raise Unreadable("purposes", NO_PURPOSE) from error


def _one_of(form: FormData, name: str, known: Mapping[str, str]) -> str:
    value = str(form.get(name, ""))
    if value not in known:
        raise Unprocessable("this is no choice of the page")
    return value


@router.post("/mine/grants/{grant_id}/revoke")
def revoke(request: Request, grant_id: str, form: Entered) -> Response:
    """Take one grant back."""
    owner, services = signing(request, str(form.get("form_token", ""))), services_of(request)
    now = services.clock.now()
    with services.database.transaction(owner.org) as tx:
        begun = consent.take_back(tx, now, owner.person, grant_id, by=owner.actor)
        follow(tx, services, now, owner.person, begun)
    return RedirectResponse("/mine/grants?said=revoked", status_code=303)


@router.post("/mine/limits")
def forbid(request: Request, form: Entered) -> Response:
    """Say in which contexts one may not be shown, whatever a grant says."""
    owner, services = signing(request, str(form.get("form_token", ""))), services_of(request)
    wanted = [context for context in consent.CONTEXTS if context in form.getlist("limits")]
    now = services.clock.now()
    with services.database.transaction(owner.org) as tx:
        consent.forbid(tx, now, owner.person, wanted, by=owner.actor)
        judge_clips_of(tx, services.enqueuer, owner.person)
    return RedirectResponse("/mine/grants?said=limited", status_code=303)
