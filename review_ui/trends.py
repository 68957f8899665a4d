"""Many like cases of a queue: which lots there are, a draw that speaks for one, and what its answer may miss.

Shows words and numbers, never a picture; the drawn cases are decided on their own pages.
"""

from http import HTTPStatus
from typing import Final, cast

from fastapi import APIRouter, Request
from starlette.responses import Response

from moderation import review
from moderation.api.auth import reviewer_of, services_of
from moderation.errors import Conflict, Unprocessable
from moderation.keys import Principal
from moderation.quality.bounds import cases_to_draw
from moderation.review import trends
from moderation.review.lots import Kind
from review_ui.rendering import Toast, page, see_other, words_of
from review_ui.routes import PageRoute, acting, reading
from review_ui.security import Field
from review_ui.translating import Words, marked

router = APIRouter(include_in_schema=False, route_class=PageRoute)
#: What the cases of a lot have in common.
KINDS: Final = {"prompt": marked("One prompt"), "person": marked("One person"), "rule": marked("One rule")}


@router.get("/queues/{name}/trends")
def lots(request: Request, name: str) -> Response:
    """The lots of a queue, and the draws that are being decided."""
    principal = reading(request)
    services, reviewer = services_of(request), reviewer_of(principal)
    with services.database.transaction(principal.org) as tx:
        terms = review.terms_of(services.settings)
        offered = trends.takes_trends(tx, terms, name, reviewer)
        found = trends.find_lots(tx, terms, name, reviewer)
        running = trends.list_trends(tx, name, reviewer)
    drawn = [(lot, cases_to_draw(len(lot.cases), trends.TOLERATED)) for lot in found]
    return page(
        request, "queues/lots.html", principal, name=name, offered=offered, lots=drawn, running=running, kinds=KINDS
    )


@router.post("/queues/{name}/trends")
def draw(request: Request, name: str, kind: Field, key: Field, form_token: Field = "") -> Response:
    """Draw from a lot and go there."""
    principal = acting(request, form_token)
    if kind not in KINDS:
        raise Unprocessable("lots have one prompt, one person or one rule in common")
    services, reviewer = services_of(request), reviewer_of(principal)
    with services.database.transaction(principal.org) as tx:
        terms, lot = review.terms_of(services.settings), (cast("Kind", kind), key)
        made = trends.open_trend(tx, terms, services.clock.now(), name, lot, reviewer)
    return see_other(request, f"/trends/{made}")


@router.get("/trends/{trend_id}")
def trend(request: Request, trend_id: str) -> Response:
    """How a draw stands, and what it says of the rest."""
    return show(request, reading(request), trend_id)


@router.post("/trends/{trend_id}/decision")
def settle(request: Request, trend_id: str, form_token: Field = "") -> Response:
    """Let the rest take the answer over; 409 with the page as it stands where the drawn cases do not say one thing."""
    principal = acting(request, form_token)
    services, reviewer = services_of(request), reviewer_of(principal)
    terms, now = review.terms_of(services.settings), services.clock.now()
    try:
        with services.database.transaction(principal.org) as tx:
            settled = trends.settle(tx, services.enqueuer, terms, now, trend_id, reviewer)
    except Conflict:
        return show(request, principal, trend_id, status=HTTPStatus.CONFLICT)
    return show(request, principal, trend_id, toast=taken_over(words_of(request), trend_id, settled, terms))


@router.post("/trends/{trend_id}/end")
def end(request: Request, trend_id: str, form_token: Field = "") -> Response:
    """Give the draw up: its cases are decided one by one."""
    principal = acting(request, form_token)
    services, reviewer = services_of(request), reviewer_of(principal)
    with services.database.transaction(principal.org) as tx:
        trends.end_trend(tx, services.clock.now(), trend_id, reviewer)
    return see_other(request, f"/trends/{trend_id}")


@router.post("/trends/{trend_id}/undo")
def undo(request: Request, trend_id: str, form_token: Field = "") -> Response:
    """Take back every answer that the rest took over."""
    principal = acting(request, form_token)
    services, reviewer = services_of(request), reviewer_of(principal)
    terms, now = review.terms_of(services.settings), services.clock.now()
    with services.database.transaction(principal.org) as tx:
        trends.undo_trend(tx, terms, now, trend_id, reviewer)
    return see_other(request, f"/trends/{trend_id}")


def taken_over(tongue: Words, trend_id: str, settled: trends.Settled, terms: review.Terms) -> Toast:
    """How many cases took the answer over, and for as long as that can be undone the button for it."""
    said = tongue.ngettext(
        "%(num)s case took the answer over.", "%(num)s cases took the answer over.", len(settled.decided)
    )
    seconds = int(terms.undo.total_seconds())
    if not seconds or not settled.decided:
        return Toast(text=said)
    return Toast(text=said, path=f"/trends/{trend_id}/undo", label=tongue.gettext("Undo"), seconds=seconds)


def show(
    request: Request, principal: Principal, trend_id: str, *, status: int = HTTPStatus.OK, toast: Toast | None = None
) -> Response:
    """The page of one draw."""
    services = services_of(request)
    with services.database.transaction(principal.org) as tx:
        standing = trends.read_trend(tx, trend_id, reviewer_of(principal))
    return page(
        request,
        "queues/trend.html",
        principal,
        status=int(status),
        toast=toast,
        found=standing,
        trend=standing.trend,
        final=sum(member.answer is not None for member in standing.drawn),
        undecided=[member for member in standing.drawn if member.state == "open"],
        kinds=KINDS,
        refused=status != HTTPStatus.OK,
    )
