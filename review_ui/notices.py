"""The public forms for notices and appeals: no log-in, no scripts; asks the same services as the API.

What is wrong is said beside its field, and what was typed stays. Tokens are shown once; nothing here names a person.
"""

from collections.abc import Mapping
from typing import Annotated, Final, cast

from fastapi import APIRouter, Depends, Form, Request
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from moderation import appeals
from moderation.api.auth import services_of
from moderation.api.notices import (
    ASKED_PER_MINUTE,
    PER_MINUTE,
    AppealBody,
    NoticeBody,
    clip_of_copy,
    file_appeal,
    file_body,
)
from moderation.api.rates import at_most, place_of
from moderation.api.schemas import Invalid as BadForm
from moderation.api.schemas import read_json
from moderation.api.verify import Turns
from moderation.canonical import canonical
from moderation.errors import Busy, Conflict, Forbidden, ModerationError, NotFound, RefusedAtTheDoor, TooLarge
from moderation.ids import is_id
from moderation.notices.claims import KINDS, faults
from moderation.notices.filing import Invalid, Receipt
from moderation.notices.limits import TooMany
from moderation.notices.naming import Differs, Unidentified, Unmarked
from moderation.notices.rows import read_by_token, state_document
from moderation.verification import verify_file
from review_ui.posted import Posted, lines, receive_posted
from review_ui.rendering import language, page
from review_ui.routes import PageRoute, logged_in
from review_ui.security import Field as Given
from review_ui.security import demand_form_token, form_token
from review_ui.translating import marked

router = APIRouter(include_in_schema=False, route_class=PageRoute)
LABELS: Final = {
    "intimate_image": marked("An intimate image or video of me, published without my consent"),
    "likeness": marked("My face or voice, used without my permission"),
    "illegal_content": marked("Something else that is against the law"),
    "rights_holder": marked("A work or character whose rights I hold"),
    "counter_notice": marked("I made the clip, and somebody's notice about it is wrong"),
}
SENTENCES: Final[Mapping[str, str]] = {
    "missing": marked("This is needed."),
    "too_long": marked("This is too long."),
    "no_address": marked("This is not an e-mail address."),
    "no_good_faith": marked("Without this statement a notice is not valid."),
    "unknown": marked("No clip here has this number or address."),
    "unnamed": marked("Say which clip it is, or choose a copy of it."),
    "unmarked": marked("No mark of ours was found in this copy. Give the number or the address of the clip instead."),
    "differs": marked("The copy is of another clip than the number or address. Send one of the two."),
    "no_video": marked("This file could not be read: it is no video or picture that is accepted, or it is damaged."),
    "large": marked("This file is too large or too long. Cut out the part in question."),
    "busy": marked("Too many files are being looked at. Try again in a minute."),
    "unproven": marked("The number of the decision and the token do not belong to this clip."),
    "unreadable": marked("There are characters in this that cannot be used here."),
    "conflict": marked(
        "This cannot be done now: a person is about to decide, has decided on appeal, or it is too late."
    ),
    "often": marked("So many notices came from here today that no more are taken. Go on tomorrow."),
    "stale": marked("This page was open too long or came from elsewhere. What you wrote is kept: send it again."),
}
#: What is said of each refusal, and beside which field; under an empty name what concerns the whole form.
PLACES: Final[tuple[tuple[type[ModerationError], str, str], ...]] = (
    (Unmarked, "file", "unmarked"),
    (Differs, "file", "differs"),
    (Unidentified, "clip", "unknown"),
    (NotFound, "token", "unproven"),
    (TooLarge, "file", "large"),
    (RefusedAtTheDoor, "file", "no_video"),
    (Busy, "", "busy"),
    (Forbidden, "", "stale"),
    (TooMany, "", "often"),
    (Conflict, "", "conflict"),
)
#: Fields of the API's bodies that go by other names on the pages.
NAMES: Final = {"statement": "token", "clip_id": "number", "notice_id": "number"}


@router.get("/notice")
def ask_notice(request: Request, clip: str = "") -> Response:
    """An empty form, or one about a clip."""
    return _form(request, "notice.html", {"clip": clip[:200]})


class NoticeForm(BaseModel):
    """The form as a browser sends it; a box that is not ticked is not sent. The API's body bounds each."""

    form_token: str = ""
    kind: str = ""
    clip: str = ""
    explanation: str = ""
    location: str = ""
    name: str = ""
    contact: str = ""
    signature: str = ""
    decision_id: str = ""
    token: str = ""
    good_faith: str = ""
    child_protection: str = ""

    def body(self, spoken: str) -> NoticeBody:
        """The same as the API takes it. Raises BadForm."""
        said: dict[str, object] = self.model_dump(exclude={"form_token", "decision_id", "token"})
        said |= {"clip": self.clip.strip(), "contact": self.contact.strip(), "language": spoken}
        said |= {"good_faith": bool(self.good_faith), "child_protection": bool(self.child_protection)}
        if self.kind == "counter_notice":
            said["statement"] = {"decision_id": self.decision_id.strip(), "token": self.token.strip()}
        return read_json(NoticeBody, canonical(said))


class AppealForm(BaseModel):
    """The form as a browser sends it; `number` is a clip's, or that of one's own notice. The API's body bounds each."""

    form_token: str = ""
    number: str = ""
    decision_id: str = ""
    token: str = ""
    explanation: str = ""

    def body(self, spoken: str) -> AppealBody:
        """The same as the API takes it. Raises BadForm, Invalid."""
        if not self.explanation.strip():
            raise Invalid(fields={"explanation": "missing"})
        number = self.number.strip()
        said = {"decision_id": self.decision_id.strip(), "token": self.token.strip()}
        said |= {"explanation": lines(self.explanation)}
        said |= {"notice_id" if is_id("ntc", number) else "clip_id": number, "language": spoken}
        return read_json(AppealBody, canonical(said))


@router.post("/notice", dependencies=[Depends(at_most(PER_MINUTE, "notices"))])
async def send_notice(request: Request) -> Response:
    """File a notice, with a copy of the clip or without; its number and token are shown once."""
    form = NoticeForm()
    try:
        async with receive_posted(request, NoticeForm.model_fields) as posted:
            form = NoticeForm(**posted.fields)
            receipt = await _file(request, form, posted)
    except ModerationError as error:
        wrong = error
        return await run_in_threadpool(lambda: _form(request, "notice.html", form.model_dump(), error=wrong))
    return await run_in_threadpool(_received, request, receipt)


async def _file(request: Request, form: NoticeForm, posted: Posted) -> Receipt:
    """A copy is looked at only for a notice that lacks nothing else."""
    services, turns = services_of(request), request.app.state.turns
    assert isinstance(turns, Turns)
    _demand_own(request, form.form_token)
    wanted = form.body(language(request))
    clip, copy = wanted.clip, posted.file
    wrong: dict[str, str] = dict(faults(wanted.claim()))
    if not clip and copy is None and not posted.too_large:
        wrong["clip"] = "unnamed"
    if wrong:
        raise Invalid(fields=wrong | ({"file": "large"} if posted.too_large else {}))
    if posted.too_large:
        raise TooLarge
    if copy is not None:
        async with turns.take():
            found = await run_in_threadpool(verify_file, services, copy)
        clip = await run_in_threadpool(clip_of_copy, services, wanted, found)
    return await run_in_threadpool(file_body, services, wanted, clip, _source(request), None)


def _received(request: Request, receipt: Receipt) -> Response:
    made = state_document(services_of(request), receipt.notice, language(request))
    return _receipt(request, "notice", made, token=receipt.token, status=201)


@router.get("/appeal")
def ask_appeal(request: Request, number: str = "") -> Response:
    """An empty form, or one about a clip or a notice."""
    return _form(request, "appeal.html", {"number": number[:100]})


@router.post("/appeal", dependencies=[Depends(at_most(PER_MINUTE, "appeals"))])
def send_appeal(request: Request, form: Annotated[AppealForm, Form()]) -> Response:
    """File an appeal; the receipt is shown once."""
    try:
        _demand_own(request, form.form_token)
        appeal, kept = file_appeal(services_of(request), form.body(language(request)))
    except ModerationError as error:
        return _form(request, "appeal.html", form.model_dump(), error=error)
    return _receipt(request, "appeal", appeals.state_document(appeal, language(request)), token=kept, status=201)


@router.get("/notice/{number}")
def ask_state(request: Request, number: str) -> Response:
    """Ask for the token of a notice or appeal; whether there is one of this number is not said."""
    return _state_form(request, number[:100])


@router.post("/notice/state", dependencies=[Depends(at_most(ASKED_PER_MINUTE, "notice states"))])
def read_state(request: Request, number: Given = "", token: Given = "") -> Response:
    """How a notice or an appeal stands, for who holds its token."""
    services, number = services_of(request), number.strip()
    try:
        if is_id("apl", number):
            made = appeals.state_document(appeals.read_appeal(services, number, token.strip()), language(request))
        else:
            made = state_document(services, read_by_token(services, number, token.strip()), language(request))
    except NotFound:
        return _state_form(request, number[:100], wrong=True, status=404)
    return _receipt(request, "state", made)


def _state_form(request: Request, number: str, *, wrong: bool = False, status: int = 200) -> Response:
    return page(
        request,
        "notice_state.html",
        logged_in(request),
        status=status,
        here="/notice/state",
        number="" if number == "state" else number,
        wrong=wrong,
    )


def _receipt(request: Request, of: str, made: dict[str, object], *, token: str = "", status: int = 200) -> Response:
    own = (services_of(request).settings.url or str(request.base_url)).rstrip("/")
    return page(
        request,
        "receipt.html",
        logged_in(request),
        status=status,
        here="/notice/state",
        of=of,
        made=made,
        token=token,
        address=f"{own}/notice/{made['id']}",
    )


def _source(request: Request) -> str:
    return place_of(request.client.host) if request.client else ""


def _token(request: Request) -> str:
    """The token of an anonymous form: good from the address that was given it, and nowhere else."""
    return form_token(services_of(request), f"anonymous {_source(request)}")


def _demand_own(request: Request, given: str) -> None:
    site = request.headers.get("sec-fetch-site")
    demand_form_token(services_of(request), f"anonymous {_source(request)}", given, site)


def _wrong(error: ModerationError) -> dict[str, str]:
    """What to say beside which field."""
    if isinstance(error, Invalid):
        return dict(cast("Mapping[str, str]", error.params["fields"]))
    if isinstance(error, BadForm):
        return dict(map(_misread, cast("list[dict[str, str]]", error.params["errors"])))
    return next(({field: said} for kind, field, said in PLACES if isinstance(error, kind)), {"": "unreadable"})


def _misread(error: Mapping[str, str]) -> tuple[str, str]:
    place = error["pointer"].strip("/").partition("/")[0]
    said = "missing" if place == "kind" else "too_long" if "at most" in error["detail"] else "unreadable"
    return NAMES.get(place, place), said


def _form(
    request: Request,
    template: str,
    shown: Mapping[str, object],
    *,
    error: ModerationError | None = None,
) -> Response:
    return page(
        request,
        template,
        logged_in(request),
        status=error.status if error else 200,
        here="/notice" if template == "notice.html" else "/appeal",
        notice_token=_token(request),
        hours=f"{services_of(request).settings.notices.decide_within_hours:g}",
        kinds={kind: LABELS[kind] for kind in KINDS},
        said=shown,
        wrong=_wrong(error) if error else {},
        sentences=SENTENCES,
        largest=services_of(request).settings.limits.max_bytes // (1024 * 1024),
        longest=services_of(request).settings.limits.max_duration_ms // 1000,
        keeping=services_of(request).settings.notices.identity_days,
    )
