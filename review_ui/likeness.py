"""The likeness registry for its staff: who is registered, what they allow, where they appear, taking consent back.

Nobody is searched for by a face or a picture here. To act for who has no account takes `admin`.
"""

from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request
from starlette.responses import RedirectResponse, Response

from moderation import consent, owners, passkeys, registered
from moderation.api.auth import services_of
from moderation.enrolling import attempts
from moderation.errors import Forbidden
from moderation.keys import Principal
from moderation.revocations.beginning import begin, follow
from moderation.revocations.progress import progress, revocations_of
from moderation.revocations.reaching import reach as reach_of
from review_ui.enrolments import may_look
from review_ui.filters import address, read_cursor, said, write_cursor
from review_ui.grants import AUDIENCES, CONTEXTS, MODES, SCOPES
from review_ui.rendering import page
from review_ui.routes import PageRoute, acting, reading
from review_ui.security import Field
from review_ui.translating import marked

router = APIRouter(include_in_schema=False, route_class=PageRoute)
PAGE: Final = 50
FIELDS: Final = ("kind", "state")
KINDS: Final = {
    "cameo": marked("Cameo"),
    "public_figure": marked("Public figure"),
    "rights_holder": marked("Rights holder"),
    "protected_person": marked("Protected person"),
}
STATES: Final = {
    "pending": marked("Pending"),
    "verified": marked("Verified"),
    "refused": marked("Refused"),
    "suspended": marked("Suspended"),
}
#: How somebody was found to be who they say.
VERIFIED_BY: Final = {
    "operator": marked("on the word of whoever runs this service"),
    "enrolment": marked("by a recording with a challenge"),
    "none": marked("not yet"),
}
WORDS: Final[dict[str, Any]] = {
    "kinds": KINDS,
    "states": STATES,
    "verified_by": VERIFIED_BY,
    "contexts": CONTEXTS,
    "scopes": SCOPES,
    "modes": MODES,
    "audiences": AUDIENCES,
}


@router.get("/likeness")
def people(request: Request, after: Annotated[str, Query(max_length=200)] = "", told: str = "") -> Response:
    """Who is registered, oldest first; the address says which of them."""
    principal, services = reading(request, "likeness"), services_of(request)
    fields, current = said(request.query_params, FIELDS), (services.face_model, services.voice_model)
    wanted = {"kind": fields.get("kind"), "state": fields.get("state")}
    with services.database.transaction(principal.org) as tx:
        found = consent.page_people(tx, services.vault, limit=PAGE + 1, after=_place(after), **wanted)
        lines = registered.lines_of(tx, [person.person_id for person in found], services.clock.now())
        stale = consent.stale_people(tx, current=current, limit=PAGE)
        waiting = attempts.waiting(tx, PAGE)
        known = {each.person_id for each in stale} | {each.person_id for each in waiting}
        names = {each: consent.read_person(tx, services.vault, each).name for each in known}
    last = found[PAGE - 1] if len(found) > PAGE else None
    more = write_cursor(last.created_at.isoformat(), last.person_id) if last else ""
    return page(
        request,
        "likeness/people.html",
        principal,
        found=[(person, lines[person.person_id]) for person in found[:PAGE]],
        more=address("/likeness", fields, after=more) if more else "",
        first=not after,
        fields=fields,
        stale=[(each, names[each.person_id]) for each in stale],
        waiting=[(each, names[each.person_id]) for each in waiting],
        may_look=may_look(principal),
        told=told,
        **WORDS,
    )


def _place(cursor: str) -> tuple[datetime, str] | None:
    match read_cursor(cursor):
        case [at, person]:
            try:
                return datetime.fromisoformat(at), person
            except ValueError:
                return None
        case _:
            return None


def may_act(principal: Principal, found: consent.Person) -> bool:
    """As the API has it: for who has no account that a platform could name, only staff with `admin` act."""
    return found.account is not None or principal.may("admin")


def demand_acting(principal: Principal, found: consent.Person) -> None:
    """Let this keeper act for a person. Raises Forbidden."""
    if not may_act(principal, found):
        raise Forbidden


@router.get("/likeness/{person_id}")
def person(request: Request, person_id: str, told: str = "") -> Response:
    """One person: how they were verified, what they allow, where they appear, what was taken back."""
    return show(request, reading(request, "likeness"), person_id, told=told)


def show(
    request: Request,
    principal: Principal,
    person_id: str,
    *,
    told: str = "",
    wrong: bool = False,
    link: str = "",
    status: int = 200,
) -> Response:
    """The page of a person. Raises NotFound."""
    services = services_of(request)
    now = services.clock.now()
    with services.database.transaction(principal.org) as tx:
        found = consent.read_person(tx, services.vault, person_id)
        given = consent.read_grants(tx, [person_id])
        limits = consent.read_limits(tx, [person_id]).get(person_id, ())
        reach = reach_of(tx, person_id)
        remixes = registered.remixes_of(tx, person_id)
        doubts = registered.doubts_about(tx, person_id)
        others = {each for doubt in doubts for each in doubt.people}
        names = {each: consent.read_person(tx, services.vault, each).name for each in others}
        taken_back = [progress(tx, each) for each in revocations_of(tx, person_id, limit=10)]
        keys = passkeys.passkeys_of(tx, person_id)
        claims = registered.claims_about(tx, person_id)
        waiting = [each for each in attempts.waiting(tx) if each.person_id == person_id]
    under_way = any(each.state == "driving" for each in taken_back)
    return page(
        request,
        "likeness/person.html",
        principal,
        status=status,
        fragment="likeness/progress.html",
        person=found,
        live=[grant for grant in given if grant.revoked_at is None and not grant.over(now)],
        ended=[grant for grant in reversed(given) if grant.revoked_at is not None or grant.over(now)],
        limits=consent.CONTEXTS if found.age_band == "teen" else limits,
        reach=reach,
        remixes=remixes,
        doubts=doubts,
        names=names,
        taken_back=taken_back,
        under_way=under_way,
        passkeys=keys,
        claims=claims,
        waiting=waiting,
        may_look=may_look(principal),
        may_act=may_act(principal, found),
        may_forget=principal.may("admin"),
        told=told,
        wrong=wrong,
        link=link,
        **WORDS,
    )


@router.post("/likeness/{person_id}/revoke")
def revoke(request: Request, person_id: str, typed: Field = "", form_token: Field = "") -> Response:
    """Take everything back for a person, once the number of clips that go was typed."""
    principal, services = acting(request, form_token, "likeness"), services_of(request)
    with services.database.transaction(principal.org) as tx:
        demand_acting(principal, consent.read_person(tx, services.vault, person_id))
        reach = reach_of(tx, person_id)
    if typed.strip() != str(reach.released):
        return show(request, principal, person_id, wrong=True, status=422)
    begin(services, principal.org, person_id, by=principal.principal)
    return RedirectResponse(f"/likeness/{person_id}?told=revoked#progress", status_code=303)


@router.post("/likeness/{person_id}/grants/{grant_id}/revoke")
def revoke_grant(request: Request, person_id: str, grant_id: str, form_token: Field = "") -> Response:
    """Take one grant back."""
    principal, services = acting(request, form_token, "likeness"), services_of(request)
    now = services.clock.now()
    with services.database.transaction(principal.org) as tx:
        demand_acting(principal, consent.read_person(tx, services.vault, person_id))
        begun = consent.take_back(tx, now, person_id, grant_id, by=principal.principal)
        follow(tx, services, now, person_id, begun)
    return RedirectResponse(f"/likeness/{person_id}?told=grant_revoked#progress", status_code=303)


@router.post("/likeness/{person_id}/link")
def make_link(request: Request, person_id: str, form_token: Field = "") -> Response:
    """Make a link to the person's own page, shown once."""
    principal, services = acting(request, form_token, "likeness"), services_of(request)
    with services.database.transaction(principal.org) as tx:
        demand_acting(principal, consent.read_person(tx, services.vault, person_id))
        link = owners.make_link(tx, services.clock.now(), person_id, by=principal.principal)
    base = services.settings.url or str(request.base_url)
    return show(request, principal, person_id, link=link.address(base))


@router.post("/likeness/{person_id}/passkeys/remove")
def forget_passkeys(request: Request, person_id: str, form_token: Field = "") -> Response:
    """Remove a person's passkeys and end their sessions, as when a device was lost; a new link begins anew.

    It takes `admin`: with a link it makes somebody else the owner.
    """
    principal, services = acting(request, form_token, "likeness"), services_of(request)
    if not principal.may("admin"):
        raise Forbidden
    with services.database.transaction(principal.org) as tx:
        passkeys.forget(tx, services.clock.now(), person_id, by=principal.principal)
    return RedirectResponse(f"/likeness/{person_id}?told=passkeys_removed", status_code=303)
