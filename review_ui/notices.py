"""The public forms for notices and appeals: no log-in, no scripts; asks the same services as the API.

What is wrong is said beside its field, and what was typed stays. Receipts are shown once; nothing here names a person.
"""

from collections.abc import Mapping
from typing import Annotated, Final, cast

from fastapi import APIRouter, Depends, Form, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from moderation import appeals
from moderation.api.auth import services_of
from moderation.api.notices import ASKED_PER_MINUTE, PER_MINUTE, AppealBody, NoticeBody, file_appeal, file_body
from moderation.api.rates import at_most, place_of
from moderation.api.schemas import Invalid as BadForm
from moderation.api.schemas import read_json
from moderation.canonical import canonical
from moderation.errors import Conflict, Forbidden, ModerationError, NotFound
from moderation.ids import is_id
from moderation.notices.claims import KINDS, Fault
from moderation.notices.filing import Invalid
from moderation.notices.limits import TooMany
from moderation.notices.naming import Unidentified
from moderation.notices.rows import read_by_token, state_document
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
    "unproven": marked("The number of the decision and the token do not belong to this clip."),
    "unreadable": marked("There are characters in this that cannot be used here."),
    "conflict": marked(
        "This cannot be done now: a person is about to decide, has decided on appeal, or it is too late."
    ),
    "often": marked("So many notices came from here today that no more are taken. Go on tomorrow."),
    "stale": marked("This page was open too long or came from elsewhere. What you wrote is kept: send it again."),
}
#: Fields of the API's bodies that go by other names on the pages.
NAMES: Final = {"statement": "token", "clip_id": "number", "notice_id": "number"}


@router.get("/notice")
def ask_notice(request: Request, clip: str = "") -> Response:
    """An empty form, or one about a clip."""
    return _form(request, "notice.html", {"clip": clip[:200]})


class NoticeForm(BaseModel):
    """The form as a browser sends it; a box that is not ticked is not sent."""

    form_token: str = Field("", max_length=200)
    kind: str = Field("", max_length=40)
    clip: str = Field("", max_length=4000)
    explanation: str = Field("", max_length=20_000)
    location: str = Field("", max_length=4000)
    name: str = Field("", max_length=4000)
    contact: str = Field("", max_length=4000)
    signature: str = Field("", max_length=4000)
    decision_id: str = Field("", max_length=200)
    token: str = Field("", max_length=200)
    good_faith: bool = False
    child_protection: bool = False

    def body(self, spoken: str) -> NoticeBody:
        """The same as the API takes it. Raises BadForm."""
        said = self.model_dump(exclude={"form_token", "decision_id", "token"})
        said |= {"clip": self.clip.strip(), "contact": self.contact.strip(), "language": spoken}
        if self.kind == "counter_notice":
            said["statement"] = {"decision_id": self.decision_id.strip(), "token": self.token.strip()}
        return read_json(NoticeBody, canonical(said))


class AppealForm(BaseModel):
    """The form as a browser sends it; `number` is a clip's, or that of one's own notice."""

    form_token: str = Field("", max_length=200)
    number: str = Field("", max_length=200)
    decision_id: str = Field("", max_length=200)
    token: str = Field("", max_length=200)
    explanation: str = Field("", max_length=20_000)

    def body(self, spoken: str) -> AppealBody:
        """The same as the API takes it. Raises BadForm, Invalid."""
        if not self.explanation.strip():
            raise Invalid(fields={"explanation": "missing"})
        number = self.number.strip()
        said = {"decision_id": self.decision_id.strip(), "token": self.token.strip(), "explanation": self.explanation}
        said |= {"notice_id" if is_id("ntc", number) else "clip_id": number, "language": spoken}
        return read_json(AppealBody, canonical(said))


@router.post("/notice", dependencies=[Depends(at_most(PER_MINUTE, "notices"))])
def send_notice(request: Request, form: Annotated[NoticeForm, Form()]) -> Response:
    """File a notice; the receipt is shown once."""
    try:
        _demand_own(request, form.form_token)
        wanted = form.body(language(request))
        receipt = file_body(services_of(request), wanted, wanted.clip, _source(request), None)
    except ModerationError as error:
        return _form(request, "notice.html", form.model_dump(), error=error)
    made = state_document(receipt.notice, language(request))
    return page(request, "receipt.html", logged_in(request), status=201, of="notice", made=made, token=receipt.token)


@router.get("/appeal")
def ask_appeal(request: Request) -> Response:
    """An empty form."""
    return _form(request, "appeal.html", {})


@router.post("/appeal", dependencies=[Depends(at_most(PER_MINUTE, "appeals"))])
def send_appeal(request: Request, form: Annotated[AppealForm, Form()]) -> Response:
    """File an appeal; the receipt is shown once."""
    try:
        _demand_own(request, form.form_token)
        appeal, kept = file_appeal(services_of(request), form.body(language(request)))
    except ModerationError as error:
        return _form(request, "appeal.html", form.model_dump(), error=error)
    made = appeals.state_document(appeal, language(request))
    return page(request, "receipt.html", logged_in(request), status=201, of="appeal", made=made, token=kept)


@router.post("/notice/state", dependencies=[Depends(at_most(ASKED_PER_MINUTE, "notice states"))])
def read_state(request: Request, number: Given = "", token: Given = "") -> Response:
    """How a notice or an appeal stands, for who holds its token."""
    services, number = services_of(request), number.strip()
    try:
        if is_id("apl", number):
            made = appeals.state_document(appeals.read_appeal(services, number, token.strip()), language(request))
        else:
            made = state_document(read_by_token(services, number, token.strip()), language(request))
    except NotFound:
        return _form(request, "notice.html", {"number": number}, wrong={"number": "unproven"}, status=404)
    return page(request, "receipt.html", logged_in(request), of="state", made=made, token="")


def _source(request: Request) -> str:
    return place_of(request.client.host) if request.client else ""


def _token(request: Request) -> str:
    """The token of an anonymous form: good from the address that was given it, and nowhere else."""
    return form_token(services_of(request), f"anonymous {_source(request)}")


def _demand_own(request: Request, given: str) -> None:
    site = request.headers.get("sec-fetch-site")
    demand_form_token(services_of(request), f"anonymous {_source(request)}", given, site)


def _wrong(error: ModerationError) -> dict[str, str]:
    """What to say beside which field; under an empty name what concerns them all."""
    if isinstance(error, Invalid):
        return dict(cast("Mapping[str, Fault]", error.params["fields"]))
    if isinstance(error, BadForm):
        found = cast("list[dict[str, str]]", error.params["errors"])
        places = [each["pointer"].strip("/").partition("/")[0] for each in found]
        return {NAMES.get(place, place): "missing" if place == "kind" else "unreadable" for place in places}
    if isinstance(error, Unidentified):
        return {"clip": "unknown"}
    if isinstance(error, NotFound):
        return {"token": "unproven"}
    whole = {Forbidden: "stale", TooMany: "often", Conflict: "conflict"}
    return {"": next((said for kind, said in whole.items() if isinstance(error, kind)), "unreadable")}


def _form(
    request: Request,
    template: str,
    shown: Mapping[str, object],
    *,
    error: ModerationError | None = None,
    wrong: Mapping[str, str] | None = None,
    status: int = 200,
) -> Response:
    return page(
        request,
        template,
        logged_in(request),
        status=error.status if error else status,
        here="/notice" if template == "notice.html" else "/appeal",
        form_token=_token(request),
        hours=f"{services_of(request).settings.notices.decide_within_hours:g}",
        kinds={kind: LABELS[kind] for kind in KINDS},
        said=shown,
        wrong=_wrong(error) if error else dict(wrong or {}),
        sentences=SENTENCES,
    )
