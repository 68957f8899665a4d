"""What belongs to no area of work: what browsers report as refused."""

from http import HTTPStatus
from typing import Final

import structlog
from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from moderation.api.rates import at_most
from review_ui.routes import PageRoute

log = structlog.get_logger()
router = APIRouter(include_in_schema=False, route_class=PageRoute)
#: A report is read so far and no further; whoever sends more is not a browser.
REPORT_BYTES: Final = 4096
REPORTS_PER_MINUTE: Final = 30


@router.post("/csp-report", dependencies=[Depends(at_most(REPORTS_PER_MINUTE, "csp-report"))])
async def refused(request: Request) -> Response:
    """Log what a browser refused to load or run on one of our pages."""
    text = b""
    async for chunk in request.stream():
        text += chunk[: REPORT_BYTES - len(text)]
        if len(text) >= REPORT_BYTES:
            break
    log.warning("page_refused", report=text.decode(errors="replace"))
    return Response(status_code=HTTPStatus.NO_CONTENT)
