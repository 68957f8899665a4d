"""The reviewers' pages: queues, one queue. They ask the same services as the API and know no SQL."""

from datetime import timedelta
from typing import Final

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from moderation import exposure, review
from moderation.api.auth import reviewer_of, services_of
from moderation.code_names import code_names
from moderation.keys import Principal
from moderation.review.lots import LEAST
from review_ui.casework import undo_toast
from review_ui.desk import caps_for
from review_ui.rendering import Toast, page, words_of
from review_ui.routes import PageRoute, acting, reading
from review_ui.security import Field
from review_ui.translating import Words

#: How far back the list of one's answered escalations goes.
RECENT = timedelta(days=7)
#: What `said` says where a severe case is kept from who needs a rest from them.
SPARED: Final = "spared"
router = APIRouter(include_in_schema=False, route_class=PageRoute)


@router.get("/")
def root() -> Response:
    """Begin with the queues."""
    return RedirectResponse("/queues", status_code=303)


@router.get("/queues")
def queues(request: Request, said: str = "", after: str = "") -> Response:
    """Every queue this reviewer may work on; `said` tells of the last action, `after` which case it answered.

    Where a severe case was kept from the reviewer, the page says until when.
    """
    principal = reading(request)
    services = services_of(request)
    now, reviewer = services.clock.now(), reviewer_of(principal)
    with services.database.transaction(principal.org) as tx:
        lines = review.list_queues(tx, now, reviewer, empty=True)
        held = review.my_cases(tx, now, reviewer)
        answered = review.my_escalations(tx, reviewer, now - RECENT)
        standing = (
            exposure.standing(tx, now, reviewer.principal, caps_for(services, principal)) if said == SPARED else None
        )
    return page(
        request,
        "queues/page.html",
        principal,
        fragment="queues/list.html",
        waiting=[line for line in lines if line.waiting or line.in_work],
        quiet=[line for line in lines if not line.waiting and not line.in_work],
        last_left=max((line.last_decided for line in lines if line.last_decided), default=None),
        held=held,
        answered=answered,
        spared=standing if standing and not standing.severe_allowed(now) else None,
        lots_from=LEAST,
        toast=undo_toast(request, principal, after) if after else told(words_of(request), said),
    )


def told(tongue: Words, said: str) -> Toast | None:
    """What the last action has to say, by its name in the address."""
    sentences = {
        "recorded": tongue.gettext("Recorded. Nothing more is free in that queue."),
        "none_free": tongue.gettext("Nothing is free in this queue just now."),
    }
    return Toast(text=sentences[said]) if said in sentences else None


@router.get("/queues/{name}")
def queue(request: Request, name: str) -> Response:
    """The open cases of one queue, in the order they are dealt. No pictures."""
    principal = reading(request)
    services = services_of(request)
    with services.database.transaction(principal.org) as tx:
        cases = review.list_cases(tx, name, reviewer_of(principal))
        decisions = review.opening_decisions(tx, cases)
        known = code_names(tx, {case.lease_holder for case in cases if case.lease_holder})
    opened = [(case, decisions[case.case_id], known.get(case.lease_holder or "", "")) for case in cases]
    return page(request, "queues/queue.html", principal, name=name, opened=opened, lots=len(cases) >= LEAST)


@router.post("/queues/{name}/start")
def start(request: Request, name: str, form_token: Field = "") -> Response:
    """Claim the next case of a queue and go there."""
    return to_next(request, acting(request, form_token), name, "none_free")


def to_next(request: Request, principal: Principal, name: str, otherwise: str) -> Response:
    """Claim the next case of a queue and go there, or back to the queues when nothing is free."""
    services = services_of(request)
    terms, now, reviewer = review.terms_of(services.settings), services.clock.now(), reviewer_of(principal)
    with services.database.transaction(principal.org) as tx:
        case = review.claim(tx, terms, now, name, reviewer)
        kept = case is None and review.spared(tx, terms, now, name, reviewer)
    said = SPARED if kept else otherwise
    return RedirectResponse(f"/review/{case.case_id}" if case else f"/queues?said={said}", status_code=303)
