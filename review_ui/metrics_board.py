"""The metrics board: how the work stands, how right its answers are, what it costs people, how the machines do."""

from typing import Annotated, Final

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from moderation.api.auth import services_of
from moderation.quality.board import own_days, read_board
from moderation.quality.operations import Operations
from review_ui.charts import percent
from review_ui.figures import Figures, bounds_said
from review_ui.rendering import page, queue_name, words_of
from review_ui.routes import PageRoute, reading

router = APIRouter(include_in_schema=False, route_class=PageRoute)
SCOPES: Final = ("review", "specialist", "audit", "policy", "admin")
#: Who sees more than how the work stands and their own figures.
LEADS: Final = ("audit", "policy", "admin")
PERIODS: Final = (1, 7, 28, 90)
#: Below so many hours of cases there is nothing to compare.
HOURS: Final = 24


@router.get("/metrics-board")
def board(request: Request, days: Annotated[int, Query()] = 28) -> Response:
    """The board over a period; a person's own figures whoever they are."""
    principal, services = reading(request, *SCOPES), services_of(request)
    days = days if days in PERIODS else 28
    kept, tongue = read_board(services, principal.org, days), words_of(request)
    return page(
        request,
        "metrics_board.html",
        principal,
        board=kept.board,
        stale=kept.stale,
        figures=Figures(tongue, lambda name: queue_name(tongue, name)),
        percent=percent,
        bounds_said=bounds_said,
        own=own_days(services, principal.org, principal.principal, days),
        lead=principal.may(*LEADS),
        specialist=principal.may("specialist"),
        days=days,
        periods=PERIODS,
        hours=hours_so_far(kept.board.operations),
        enough=HOURS,
    )


def hours_so_far(found: Operations) -> int:
    """How many hours lie between the first case of the last day and now; 24 where there were cases before."""
    first = next((place for place, hour in enumerate(found.hours) if hour.arrived or hour.decided), len(found.hours))
    return len(found.hours) - first
