"""The public page that says where a copy came from. Needs no session; asks the same services as the API."""

from typing import Final

from fastapi import APIRouter, Depends, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from moderation.api.auth import services_of
from moderation.api.rates import at_most
from moderation.api.uploads import receive_form
from moderation.api.verify import PER_MINUTE, Turns
from moderation.errors import ModerationError
from moderation.telling import tell, tell_layers
from moderation.verification import verify_file
from review_ui.rendering import language, page
from review_ui.routes import PageRoute

router = APIRouter(include_in_schema=False, route_class=PageRoute)
#: Statuses after which asking again later helps.
LATER: Final = frozenset({408, 429, 503})


@router.get("/verify")
def ask(request: Request) -> Response:
    """Ask for a file."""
    return page(request, "verify.html", None, problem="", sentence="", layers=[])


@router.post("/verify", dependencies=[Depends(at_most(PER_MINUTE, "verify"))])
async def answer(request: Request) -> Response:
    """Say what was found in a file, as anybody may know it, whoever asks."""
    services, turns = services_of(request), request.app.state.turns
    assert isinstance(turns, Turns)
    try:
        async with receive_form(request, services.scratch(), services.settings.limits) as received, turns.take():
            found = await run_in_threadpool(verify_file, services, received.path)
    except ModerationError as error:
        problem = "busy" if error.status in LATER else "refused"
        return page(request, "verify.html", None, status=error.status, problem=problem, sentence="", layers=[])
    tongue = language(request)
    return page(
        request, "verify.html", None, problem="", sentence=tell(found, tongue), layers=tell_layers(found, tongue)
    )
