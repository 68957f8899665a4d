"""The public page that says where a copy came from. Needs no session; asks the same services as the API.

Staff see more: which clip it is, what a copy without marks resembles, and the figures behind each finding.
"""

from dataclasses import dataclass
from typing import Any, Final, cast

from fastapi import APIRouter, Depends, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from moderation.api.auth import services_of
from moderation.api.rates import at_most
from moderation.api.uploads import receive_form
from moderation.api.verify import PER_MINUTE, STAFF, Turns
from moderation.errors import ModerationError, NotFound, TooLarge, TooOften
from moderation.keys import Principal
from moderation.telling import tell, tell_layers, told_order
from moderation.verification import describe_number, verify_file
from review_ui.rendering import language, page
from review_ui.routes import PageRoute, logged_in
from review_ui.translating import Words, marked, words

router = APIRouter(include_in_schema=False, route_class=PageRoute)
#: Statuses after which asking again later helps.
LATER: Final = frozenset({408, 429, 503})
NUMBERS_PER_MINUTE: Final = 60
STATES: Final = {
    "found": marked("Found"),
    "not_found": marked("Not found"),
    "damaged": marked("Damaged"),
    "transplanted": marked("Of another clip"),
    "not_checked": marked("Not checked"),
}
#: What the four rows always are; layers that a deployment added follow.
ROWS: Final = ("visible", "invisible", "c2pa", "fingerprint")
#: What each state means for each of the four.
SENTENCES: Final = {
    ("visible", "found"): marked("The visible label stands where it was put."),
    ("visible", "not_found"): marked("No visible label stands where it was put."),
    ("visible", "damaged"): marked("Only a part of the visible label is left."),
    ("visible", "not_checked"): marked("It can be looked for only where the clip is known."),
    ("invisible", "found"): marked("The invisible mark was read beyond doubt."),
    ("invisible", "not_found"): marked("No invisible mark could be read."),
    ("invisible", "damaged"): marked("There are traces of an invisible mark, too weak to be read."),
    ("invisible", "transplanted"): marked(
        "The invisible mark is that of a clip with other content: it was carried over."
    ),
    ("invisible", "not_checked"): marked("Nobody could look for the invisible mark."),
    ("c2pa", "found"): marked("The file carries content credentials, and they are whole."),
    ("c2pa", "not_found"): marked("The file carries no content credentials."),
    ("c2pa", "damaged"): marked("The content credentials do not fit the file: one of them was changed."),
    ("c2pa", "transplanted"): marked("The content credentials are those of another file."),
    ("c2pa", "not_checked"): marked("Nobody could read the content credentials."),
    ("fingerprint", "found"): marked("The content is that of the clip which the marks name."),
    ("fingerprint", "not_found"): marked("The content is not that of the clip which the marks name."),
    ("fingerprint", "transplanted"): marked("The content is not that of the clip which the marks name."),
    ("fingerprint", "not_checked"): marked("There was no clip of ours to compare the content with."),
}
REASONS: Final = {
    "budget": marked("The time for looking ran out before it was found. Hand in a shorter part."),
    "still": marked("It cannot be looked for in a single picture."),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One thing that was looked for: what came of it in a word and a sentence, and figures for staff."""

    name: str
    state: str
    sentence: str
    figures: tuple[tuple[str, str], ...] = ()


@router.get("/verify", dependencies=[Depends(at_most(NUMBERS_PER_MINUTE, "verify numbers"))])
def ask(request: Request, number: str = "") -> Response:
    """Ask for a file, or say what a number stands for."""
    if not number:
        return _page(request)
    number = number.strip().lower()[:100]
    staff = _staff(request)
    try:
        known = describe_number(services_of(request), number, staff_of=staff.org if staff else None)
    except NotFound:
        return _page(request, number=number, problem="number", status=404)
    return _page(request, number=number, known=known)


@router.post("/verify", dependencies=[Depends(at_most(PER_MINUTE, "verify"))])
async def answer(request: Request) -> Response:
    """Say what was found in a file."""
    services, turns = services_of(request), request.app.state.turns
    assert isinstance(turns, Turns)
    staff = await run_in_threadpool(_staff, request)
    try:
        async with receive_form(request, services.scratch(), services.settings.limits) as received, turns.take():
            found = await run_in_threadpool(
                lambda: verify_file(services, received.path, staff_of=staff.org if staff else None)
            )
    except ModerationError as error:
        return await run_in_threadpool(_refused, request, error)
    return await run_in_threadpool(_told, request, found, staff)


def _refused(request: Request, error: ModerationError) -> Response:
    problem = "busy" if error.status in LATER else "large" if isinstance(error, TooLarge) else "refused"
    return _page(request, problem="often" if isinstance(error, TooOften) else problem, status=error.status)


def _told(request: Request, found: dict[str, Any], staff: Principal | None) -> Response:
    known = None
    if found["clip_id"]:
        services = services_of(request)
        known = describe_number(services, str(found["clip_id"]), staff_of=staff.org if staff else None, proven=True)
    rows = rows_of(found, language(request), figures=staff is not None)
    return _page(request, sentence=tell(found, language(request)), rows=rows, known=known, found=found)


def rows_of(found: dict[str, Any], tongue: str, *, figures: bool) -> list[Row]:
    """The rows of an answer, the four that always are first."""
    layers = cast("dict[str, dict[str, object]]", found["layers"])
    told = dict(zip(told_order(layers), tell_layers(found, tongue), strict=True))
    shown: list[str] = [*ROWS, *(name for name in layers if name not in ROWS)]
    return [
        Row(
            name=told[name][0],
            state=str(layers[name]["state"]),
            sentence=_sentence(name, layers[name], words(tongue)) or told[name][1],
            figures=_figures(layers[name]) if figures else (),
        )
        for name in shown
        if name in layers
    ]


def _sentence(name: str, layer: dict[str, object], tongue: Words) -> str:
    """What came of a layer; empty for layers that a deployment added, which say it their own way."""
    message = REASONS.get(str(layer.get("reason"))) or SENTENCES.get((name, str(layer["state"])))
    sentence = tongue.gettext(message) if message else ""
    if sentence and name == "c2pa" and layer["state"] == "found" and layer.get("issuer"):
        sentence += " " + tongue.gettext("Signed by %(issuer)s.", issuer=layer["issuer"])
    return sentence


def _figures(layer: dict[str, object]) -> tuple[tuple[str, str], ...]:
    return tuple((name, str(value)) for name, value in layer.items() if name != "state" and value not in (None, "", []))


def _staff(request: Request) -> Principal | None:
    """Who asks, where that is staff."""
    principal = logged_in(request)
    return principal if principal is not None and principal.may(*STAFF) else None


def _page(request: Request, *, status: int = 200, **shown: Any) -> Response:
    limits = services_of(request).settings.limits
    nothing: dict[str, Any] = {"problem": "", "sentence": "", "rows": [], "known": None, "found": {}, "number": ""}
    return page(
        request,
        "verify.html",
        logged_in(request),
        status=status,
        here="/verify",
        states=STATES,
        staff=_staff(request) is not None,
        largest=limits.max_bytes // (1024 * 1024),
        longest=limits.max_duration_ms // 1000,
        **{**nothing, **shown},
    )
