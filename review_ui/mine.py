"""A person's own page, made for a phone: where they appear, and taking out one clip or all. Shows nothing unveiled."""

from typing import Annotated, Final

from fastapi import APIRouter, Header, Query, Request
from starlette.responses import RedirectResponse, Response

from moderation import asking, consent, owners, registered
from moderation.api.auth import services_of
from moderation.api.media import parse_range, send_blob
from moderation.errors import NotFound, Unauthorised
from moderation.messages import LANGUAGES
from moderation.owners import Owner
from moderation.passkeys import passkeys_of
from moderation.renditions import owned
from moderation.renditions.personal import Rendition
from moderation.revocations.beginning import begin
from moderation.revocations.progress import progress, revocations_of
from moderation.revocations.reaching import reach as reach_of
from moderation.revocations.removing import remove_clip
from review_ui.login import YEAR, set_cookie
from review_ui.owner import cookie_name, demand_own_form, keep_cookie, own_page, signing, visiting
from review_ui.passkey_steps import door
from review_ui.rendering import LANGUAGE_COOKIE
from review_ui.routes import PageRoute
from review_ui.search import STATUSES
from review_ui.security import Field, is_secure

router = APIRouter(include_in_schema=False, route_class=PageRoute)
PAGE: Final = 20
HEADERS: Final = {"Accept-Ranges": "bytes", "Cache-Control": "private, no-store", "Content-Disposition": "inline"}


@router.post("/mine/enter")
def enter(request: Request, link: Field = "", form_token: Field = "") -> Response:
    """Turn a link into a session; without scripts it is pasted whole."""
    demand_own_form(request, form_token)
    try:
        cookie = owners.enter_by_link(services_of(request), link.rpartition("#")[2].strip())
    except Unauthorised:
        return door(request, said="old", status=401)
    answer = RedirectResponse("/mine", status_code=303)
    keep_cookie(request, answer, cookie)
    return answer


@router.post("/mine/leave")
def leave(request: Request, form_token: Field = "") -> Response:
    """End the session, here and on the server."""
    owners.end(services_of(request), signing(request, form_token))
    answer = RedirectResponse("/mine/enter?said=left", status_code=303)
    answer.delete_cookie(cookie_name(request), path="/", secure=is_secure(request), httponly=True, samesite="strict")
    return answer


@router.post("/mine/language")
def choose_language(request: Request, language: Field, form_token: Field = "") -> Response:
    """Remember the reader's language in this browser."""
    demand_own_form(request, form_token)
    if language not in LANGUAGES:
        raise NotFound("there are no texts in this language")
    answer = RedirectResponse("/mine", status_code=303)
    set_cookie(request, answer, LANGUAGE_COOKIE, language, YEAR)
    return answer


@router.get("/mine")
def home(request: Request, said: str = "", after: Annotated[str, Query(max_length=64)] = "") -> Response:
    """Where somebody appears, newest first, and what they are asked."""
    return _home(request, visiting(request), said=said, after=after)


def _home(request: Request, owner: Owner, *, said: str = "", after: str = "", status: int = 200) -> Response:
    services = services_of(request)
    now = services.clock.now()
    with services.database.transaction(owner.org) as tx:
        person = consent.read_person(tx, services.vault, owner.person)
        found = registered.places_of(tx, owner.person, after=after or None, limit=PAGE + 1)
        reach = reach_of(tx, owner.person)
        questions = asking.questions_of(tx, owner.person)
        passkeys = passkeys_of(tx, owner.person)
        under_way = [progress(tx, each) for each in revocations_of(tx, owner.person, limit=3)]
    return own_page(
        request,
        "mine/page.html",
        owner,
        status=status,
        person=person,
        places=found[:PAGE],
        more=found[PAGE - 1].clip_id if len(found) > PAGE else "",
        first=not after,
        reach=reach,
        asked=[question for question in questions if question.is_open(now)],
        answered=[question for question in questions if not question.is_open(now)][:PAGE],
        passkeys=passkeys,
        under_way=under_way,
        statuses=STATUSES,
        said=said,
    )


@router.post("/mine/clips/{clip_id}/remove")
def remove(request: Request, clip_id: str, form_token: Field = "") -> Response:
    """Take one clip out."""
    owner = signing(request, form_token)
    became = remove_clip(services_of(request), owner.org, owner.person, clip_id, by=owner.actor)
    said = {"withdrawn": "removed", "in_review": "looked_at", "withheld": "kept"}.get(became, "")
    return RedirectResponse(f"/mine?said={said}", status_code=303)


@router.get("/mine/all")
def ask_all(request: Request) -> Response:
    """What taking everything back reaches, in numbers, before anything is done."""
    return _ask_all(request, visiting(request))


def _ask_all(request: Request, owner: Owner, *, wrong: bool = False) -> Response:
    services = services_of(request)
    with services.database.transaction(owner.org) as tx:
        reach = reach_of(tx, owner.person)
    return own_page(request, "mine/all.html", owner, reach=reach, wrong=wrong, status=422 if wrong else 200)


@router.post("/mine/all")
def take_back(request: Request, typed: Field = "", form_token: Field = "") -> Response:
    """Take everything back, once the number of published clips was typed: who types it has read it."""
    owner, services = signing(request, form_token), services_of(request)
    with services.database.transaction(owner.org) as tx:
        reach = reach_of(tx, owner.person)
    if typed.strip() != str(reach.released):
        return _ask_all(request, owner, wrong=True)
    begin(services, owner.org, owner.person, by=owner.actor)
    return RedirectResponse("/mine?said=taken_back", status_code=303)


@router.get("/mine/clips/{clip_id}/still")
def still(request: Request, clip_id: str) -> Response:
    """A veiled still."""
    owner = visiting(request)
    return _send(request, owned.still_for(services_of(request), owner.org, owner.person, clip_id), None)


@router.get("/mine/questions/{question_id}/clip")
def asked_clip(
    request: Request, question_id: str, range_: Annotated[str | None, Header(alias="range")] = None
) -> Response:
    """The veiled clip of a question."""
    owner = visiting(request)
    return _send(request, owned.asked_about(services_of(request), owner.org, owner.person, question_id), range_)


def _send(request: Request, found: Rendition, range_: str | None) -> Response:
    wanted = parse_range(range_, found.size) if range_ else None
    store, headers = services_of(request).store, dict(HEADERS)
    return send_blob(store, found.key, found.size, wanted, head=False, headers=headers, media_type=found.media_type)
