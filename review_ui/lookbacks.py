"""Looking back, for staff and for people at their own page: asking for it, how far it has come, calling it off.

Asks what the API asks, within its limits. People say only since when; they see numbers, and no clip of others.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from moderation import consent, unmatched
from moderation.api.auth import services_of
from moderation.errors import Conflict, Unprocessable
from moderation.keys import Principal
from moderation.lookbacks import asking
from moderation.lookbacks.looking import likeness_of
from moderation.lookbacks.progress import lookbacks_of, unreadable_clips
from moderation.owners import Owner
from moderation.services import Services
from review_ui.filters import Unreadable, day, end_of
from review_ui.filters import said as said_in
from review_ui.likeness import demand_acting, may_act
from review_ui.owner import own_page, signing, visiting
from review_ui.rendering import page
from review_ui.routes import PageRoute, acting, reading
from review_ui.security import Field
from review_ui.translating import marked

router = APIRouter(include_in_schema=False, route_class=PageRoute)
NEWEST: Final = 10
FIELDS: Final = ("since", "until", "creator", "words")
NO_DAY: Final = marked("This is no day: write it as 2026-01-31.")
NO_WINDOW: Final = marked("This window holds nothing that is still kept, or it ends before it begins.")
UNDER_WAY: Final = marked("A search is under way already. There is one at a time.")
OFTEN: Final = marked("That is enough for today. Ask again tomorrow.")
STATES: Final = {
    "asked": marked("waits for its turn"),
    "running": marked("under way"),
    "done": marked("completed"),
    "cancelled": marked("called off"),
}
#: Why a clip could not be looked at, where it is known in words.
REASONS: Final = {
    "its bytes are gone": marked("its file is no longer kept"),
    "its looks never came to an end": marked("looking at it never came to an end"),
}


def _shown(services: Services, org: str, person: str) -> dict[str, Any]:
    """What both pages show of a person's look backs. Raises NotFound."""
    with services.database.transaction(org) as tx:
        whose = consent.read_person(tx, services.vault, person)
        found = lookbacks_of(tx, person, limit=NEWEST)
        oldest = services.clock.now() - asking.kept_for(tx)
        return {
            "person": whose,
            "found": found,
            "unreadable": {each.lookback_id: unreadable_clips(tx, each.lookback_id) for each in found},
            "under_way": any(each.state in {"asked", "running"} for each in found),
            "nothing": likeness_of(services, tx, person).empty,
            "first_day": (oldest + timedelta(days=1)).date().isoformat(),
            "keeping": unmatched.keeping(tx),
            "states": STATES,
            "reasons": REASONS,
        }


def _window(now: datetime, kept: timedelta, typed: Mapping[str, str]) -> asking.Window:
    """The window that a form describes. Raises Unreadable."""
    since = day(typed.get("since", ""), "since", NO_DAY)
    if since is None:
        raise Unreadable("since", NO_DAY)
    # A day of which a part is still kept counts from there on.
    begins = max(since, now - kept) if since > now - kept - timedelta(days=1) else since
    until = end_of(typed.get("until", ""), "until", NO_DAY) or now
    return asking.Window(since=begins, until=until, creator=typed.get("creator"), words=typed.get("words"))


def _ask(
    services: Services, org: str, person: str, typed: Mapping[str, str], *, by: str, most: int | None = None
) -> tuple[Unreadable, int] | None:
    """Ask for a look back; what stands against it and its status, or None when it is under way."""
    try:
        with services.database.transaction(org) as tx:
            window = _window(services.clock.now(), asking.kept_for(tx), typed)
            asking.ask(services, tx, person, window, by=by, most_a_day=most)
    except Unreadable as error:
        return error, 422
    except Unprocessable:
        return Unreadable("since", NO_WINDOW), 422
    except Conflict:
        return Unreadable("ask", UNDER_WAY), 409
    except asking.TooMany:
        return Unreadable("ask", OFTEN), 429
    return None


@router.get("/likeness/{person_id}/lookbacks")
def look_backs(request: Request, person_id: str) -> Response:
    """A person's look backs, for staff."""
    return _staff_page(request, reading(request, "likeness"), person_id)


def _staff_page(
    request: Request,
    principal: Principal,
    person_id: str,
    *,
    typed: Mapping[str, str] | None = None,
    wrong: Unreadable | None = None,
    status: int = 200,
) -> Response:
    shown = _shown(services_of(request), principal.org, person_id)
    return page(
        request,
        "likeness/lookbacks.html",
        principal,
        status=status,
        fragment="likeness/looked_back.html",
        place=f"/likeness/{person_id}/lookbacks",
        staff=True,
        may_act=may_act(principal, shown["person"]),
        fields=typed or {"since": shown["first_day"]},
        wrong=wrong,
        **shown,
    )


@router.post("/likeness/{person_id}/lookbacks")
def begin(
    request: Request,
    person_id: str,
    since: Field = "",
    until: Field = "",
    creator: Field = "",
    words: Field = "",
    form_token: Field = "",
) -> Response:
    """Begin a look back for a person."""
    principal, services = acting(request, form_token, "likeness"), services_of(request)
    typed = said_in({"since": since, "until": until, "creator": creator, "words": words}, FIELDS)
    with services.database.transaction(principal.org) as tx:
        demand_acting(principal, consent.read_person(tx, services.vault, person_id))
    refused = _ask(services, principal.org, person_id, typed, by=principal.principal)
    if refused:
        return _staff_page(request, principal, person_id, typed=typed, wrong=refused[0], status=refused[1])
    return RedirectResponse(f"/likeness/{person_id}/lookbacks#progress", status_code=303)


@router.post("/likeness/{person_id}/lookbacks/{lookback_id}/cancel")
def call_off(request: Request, person_id: str, lookback_id: str, form_token: Field = "") -> Response:
    """Call a look back off."""
    principal, services = acting(request, form_token, "likeness"), services_of(request)
    with services.database.transaction(principal.org) as tx:
        demand_acting(principal, consent.read_person(tx, services.vault, person_id))
        asking.cancel(services, tx, person_id, lookback_id, by=principal.principal)
    return RedirectResponse(f"/likeness/{person_id}/lookbacks#progress", status_code=303)


@router.get("/mine/lookbacks")
def own_look_backs(request: Request) -> Response:
    """Somebody's own look backs."""
    return _own_page(request, visiting(request))


def _own_page(
    request: Request,
    owner: Owner,
    *,
    typed: Mapping[str, str] | None = None,
    wrong: Unreadable | None = None,
    status: int = 200,
) -> Response:
    shown = _shown(services_of(request), owner.org, owner.person)
    return own_page(
        request,
        "mine/lookbacks.html",
        owner,
        status=status,
        fragment="likeness/looked_back.html",
        place="/mine/lookbacks",
        staff=False,
        may_act=True,
        fields=typed or {"since": shown["first_day"]},
        wrong=wrong,
        **shown,
    )


@router.post("/mine/lookbacks")
def ask_for_oneself(request: Request, since: Field = "", until: Field = "", form_token: Field = "") -> Response:
    """Ask for a look back for oneself: in a window, and a few times a day."""
    owner, services = signing(request, form_token), services_of(request)
    typed, most = said_in({"since": since, "until": until}, FIELDS), services.settings.likeness.lookbacks_per_day
    refused = _ask(services, owner.org, owner.person, typed, by=owner.actor, most=most)
    if refused:
        return _own_page(request, owner, typed=typed, wrong=refused[0], status=refused[1])
    return RedirectResponse("/mine/lookbacks#progress", status_code=303)


@router.post("/mine/lookbacks/{lookback_id}/cancel")
def call_own_off(request: Request, lookback_id: str, form_token: Field = "") -> Response:
    """Call a look back for oneself off."""
    owner, services = signing(request, form_token), services_of(request)
    with services.database.transaction(owner.org) as tx:
        asking.cancel(services, tx, owner.person, lookback_id, by=owner.actor)
    return RedirectResponse("/mine/lookbacks#progress", status_code=303)
