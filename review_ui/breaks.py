"""The break page: no media, a timer that counts up, and the way back. Ends nobody's break for them."""

from datetime import timedelta

from fastapi import APIRouter, Request
from starlette.responses import Response

from moderation import exposure
from moderation.api.auth import services_of
from review_ui.desk import caps_for, desks_of
from review_ui.login import own_path
from review_ui.rendering import page, see_other
from review_ui.routes import PageRoute, acting, reading
from review_ui.security import Field

router = APIRouter(include_in_schema=False, route_class=PageRoute)


@router.get("/break")
def rest(request: Request, back: str = "/queues") -> Response:
    """The break that is on, or the offer of one."""
    principal, services = reading(request), services_of(request)
    now, caps = services.clock.now(), caps_for(services, principal)
    with services.database.transaction(principal.org) as tx:
        since = exposure.standing(tx, now, principal.principal, caps).break_since
    lasted = now - since if since else timedelta(0)
    enough = bool(since) and lasted >= caps.pause
    return page(request, "break.html", principal, since=since, lasted=lasted, enough=enough, back=own_path(back))


@router.post("/break")
def begin(request: Request, back: Field = "/queues", form_token: Field = "") -> Response:
    """Begin a break, or stay on the one that is on."""
    principal, services = acting(request, form_token), services_of(request)
    with services.database.transaction(principal.org) as tx:
        exposure.begin_break(tx, services.clock.now(), principal.principal)
    desks_of(request).forget(principal)
    return see_other(request, f"/break?back={own_path(back)}")


@router.post("/break/end")
def end(request: Request, back: Field = "/queues", form_token: Field = "") -> Response:
    """End the break and go back to where it began."""
    principal, services = acting(request, form_token), services_of(request)
    with services.database.transaction(principal.org) as tx:
        exposure.end_break(tx, services.clock.now(), principal.principal)
    desks_of(request).begin_stretch(principal, services.clock.now())
    return see_other(request, own_path(back))
