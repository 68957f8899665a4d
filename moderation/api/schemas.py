"""What requests must look like, and answers for the OpenAPI document. Strict: an unknown field is an error."""

import re
from typing import Annotated, Literal, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from moderation.api.problems import places
from moderation.clips import Submission
from moderation.errors import ModerationError
from moderation.ids import is_id

#: Control characters (C0, DEL, C1) other than tab and line ends, the text-direction overrides that let a text show as
#: another, and halves of surrogate pairs, which no UTF-8 can hold.
_HOSTILE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_LINE_ENDS = re.compile("[\t\r\n\u2028\u2029]")
Model = TypeVar("Model", bound=BaseModel)


class Invalid(ModerationError):
    """The request does not have the form it must have."""

    status = 422
    code = "invalid_request"


def _text(value: str) -> str:
    if _HOSTILE.search(value):
        raise ValueError("control characters are not accepted")
    return value


def _line(value: str) -> str:
    if _LINE_ENDS.search(_text(value)):
        raise ValueError("this is one line; tabs and line ends are not accepted")
    return value


def _url(value: str) -> str:
    parts = urlsplit(_line(value))
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("an http or https URL is needed")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise ValueError("a URL here has no user, no password and no fragment")
    return value


def _person(value: str) -> str:
    if not is_id("per", value):
        raise ValueError("a person's id is needed, per_…")
    return value


def _clip(value: str) -> str:
    if not is_id("clip", value):
        raise ValueError("a clip's id is needed, clip_…")
    return value


Line = Annotated[str, AfterValidator(_line)]
Text = Annotated[str, AfterValidator(_text)]
Claimed = Literal[
    "platform.nsfw", "platform.violence", "platform.hate", "platform.self_harm", "platform.minors", "platform.risk"
]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Url = Annotated[str, Field(max_length=2048), AfterValidator(_url)]


class Strict(BaseModel):
    """Refuses fields it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class ClipMetadata(Strict):
    """What the platform says of a clip. Every field may be left out."""

    creator: Annotated[Line, Field(min_length=1, max_length=256)] | None = Field(
        None, description="Your opaque id of who made it."
    )
    creator_age_band: Annotated[Line, Field(min_length=1, max_length=32)] | None = Field(
        None, description="Age band of the creator as you know it."
    )
    prompt: Annotated[Text, Field(max_length=20_000)] | None = Field(None, description="What it was generated from.")
    title: Annotated[Text, Field(max_length=500)] | None = None
    generator: Annotated[Line, Field(max_length=200)] | None = Field(None, description="The model that generated it.")
    cameos: Annotated[list[Annotated[str, AfterValidator(_person)]], Field(max_length=32)] = Field(
        [], description="People declared to appear, by id."
    )
    parents: Annotated[list[Annotated[str, AfterValidator(_clip)]], Field(max_length=32)] = Field(
        [], description="Clips it was made from, by id."
    )
    locale: Annotated[str, Field(pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$", max_length=35)] = "en"
    market: Annotated[str, Field(pattern=r"^[A-Z]{2}$")] | None = Field(None, description="ISO 3166-1 alpha-2.")
    visibility: Literal["draft", "public"] = "public"
    purpose: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")] | None = Field(
        None,
        description="What it is for, in one word such as `personal` or `advertising`; people may allow some only.",
    )
    callback_url: Url | None = Field(None, description="Told of every event of this clip, signed.")
    claims: dict[Claimed, Share] = Field(
        {}, description="What your own classifiers say, 0 to 1; noted beside what is seen here, never in its place."
    )

    def submission(self) -> Submission:
        """The same as the pipeline knows it."""
        said = self.model_dump(include=set(ClipMetadata.model_fields))
        return Submission(**{**said, "cameos": tuple(self.cameos), "parents": tuple(self.parents)})


class ClipSource(ClipMetadata):
    """A clip whose bytes the service fetches."""

    source_url: Url = Field(description="Where the file lies; fetched once, public addresses only.")


ReasonCode = Annotated[Line, Field(min_length=1, max_length=64, pattern=r"^[a-z][a-z0-9_]*$")]
QueueName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
Note = Annotated[Text, Field(max_length=2000)]
AnswerKey = Annotated[Line, Field(min_length=1, max_length=128)]


class Answer(Strict):
    """A reviewer's decision on a case."""

    outcome: Literal["allow", "restrict", "block"]
    reason: ReasonCode
    note: Note = ""
    lease_token: Annotated[Line, Field(max_length=128)]
    version: int
    key: AnswerKey | None = Field(
        None, description="Your own name for this answer: sent again after a lost connection, it is recorded once."
    )


class Question(Strict):
    """A question to colleagues, with what you think yourself; without `outcome` you could not say."""

    question: Note = ""
    outcome: Literal["allow", "restrict", "block"] | None = None
    reason: ReasonCode | None = None
    queue: QueueName | None = Field(None, description="Whose case it becomes; without one it stays where it is.")
    lease_token: Annotated[Line, Field(max_length=128)]
    version: int
    key: AnswerKey | None = None


class Correction(Strict):
    """What should have been decided, and in which way the decision was wrong."""

    outcome: Literal["allow", "restrict", "block"]
    reason: ReasonCode
    error_class: Literal["false_positive", "false_negative", "wrong_policy", "technical"]
    note: Note = ""
    version: int


class ReviewerQueues(Strict):
    """What may be dealt to a reviewer."""

    queues: Annotated[list[QueueName], Field(max_length=100)] | None = Field(
        description="What their roles name; null for every queue that their scopes cover."
    )


class QueueChange(Strict):
    """What to change of a queue; what is left out stays."""

    two_person: bool | None = Field(None, description="Whether allow and restrict take two people; null as set up.")
    hours_per_day: Annotated[float, Field(ge=0, le=100_000)] | None = None
    seconds_per_case: Annotated[float, Field(gt=0, le=86_400)] | None = None
    patience_s: Annotated[int, Field(ge=60, le=31_536_000)] | None = None
    second_opinion_rate: Share | None = None
    golden_rate: Share | None = None
    retired: bool | None = None


class Claim(Strict):
    """Which case to take; without a clip the next one."""

    clip_id: Annotated[str, AfterValidator(_clip)] | None = None


class Lease(Strict):
    """Proof of holding a case."""

    lease_token: Annotated[Line, Field(max_length=128)]


class Revealing(Strict):
    """What to unveil, under which lease."""

    lease_token: Annotated[Line, Field(max_length=128)]
    rendition: Literal["revealed", "cartoon", "sound"] = "revealed"
    sound: bool = Field(default=False, description="The sound beside the pictures.")


class Revoking(Strict):
    """What is taken back: one grant, or without it every grant."""

    grant_id: Annotated[Line, Field(max_length=64)] | None = None
    on_behalf_of: Annotated[Line, Field(min_length=1, max_length=256)] | None = Field(
        None, description="The account of the person you act for."
    )


class LookingBack(Strict):
    """Which clips somebody is looked for in: those that came in during a window, of one creator, with some words."""

    since: AwareDatetime = Field(
        alias="from", strict=False, description="With an offset; no earlier than uploads are kept."
    )
    until: AwareDatetime = Field(alias="to", strict=False, description="With an offset; not included.")
    creator: Annotated[Line, Field(min_length=1, max_length=256)] | None = None
    words: Annotated[Line, Field(min_length=1, max_length=200)] | None = Field(
        None, description="Words that prompt or title must all hold."
    )
    on_behalf_of: Annotated[Line, Field(min_length=1, max_length=256)] | None = Field(
        None, description="The account of the person you act for."
    )


class CallingOff(Strict):
    """For whom a look back is called off."""

    on_behalf_of: Annotated[Line, Field(min_length=1, max_length=256)] | None = Field(
        None, description="The account of the person you act for."
    )


class PurgeReceipt(Strict):
    """Which clips of a revocation the platform removed; all of them when none are named."""

    clips: list[Annotated[str, AfterValidator(_clip)]] | None = Field(default=None, max_length=10_000)


class Withdrawal(Strict):
    """Why a clip is taken back."""

    reason: Annotated[Line, Field(max_length=200)] = "withdrawn by its platform"


class VerifySource(Strict):
    """A file to verify, by address."""

    url: Url


class BindingQuery(Strict):
    """A soft binding, as the C2PA Soft Binding Resolution API asks for it."""

    alg: Annotated[Line, Field(max_length=200)]
    value: Annotated[Line, Field(max_length=200)]


Why = Annotated[Text, Field(max_length=2000)]


class PolicyTexts(Strict):
    """A policy folder: each text by its path, such as `vocabulary.yaml`, `AREA/policy.yaml`, `AREA/cases.yaml`."""

    texts: Annotated[dict[str, str], Field(min_length=1, max_length=1500)] = Field(
        examples=[{"vocabulary.yaml": "signals: …", "explicit/policy.yaml": "language: 1\n…"}]
    )
    note: Why = Field("", description="What this is about, for whoever approves it.")


class PolicyStep(Strict):
    """Why a step is taken; kept beside it."""

    why: Why = ""


class EnforcedShare(PolicyStep):
    """How many clips in a hundred a bundle judges."""

    percent: Annotated[int, Field(ge=1, le=100)] = Field(examples=[10])


class RollBack(PolicyStep):
    """Which earlier full bundle shall judge again; without one the last."""

    bundle: Line | None = None


class BreakGlass(Strict):
    """An area of rules to lay over those in force, at once and for a day. It can only make things stricter."""

    policy: Annotated[str, Field(min_length=1, max_length=262_144)] = Field(description="The text of a policy.yaml.")
    why: Annotated[Text, Field(min_length=1, max_length=2000)]


class BacktestQuery(Strict):
    """Which stored records to judge."""

    since: Annotated[Line, Field(max_length=40)] = "30d"
    until: Annotated[Line, Field(max_length=40)] | None = None
    sample: Annotated[int, Field(ge=1)] | None = None


class Endpoint(Strict):
    """Where events go."""

    url: Url


class EndpointChange(Strict):
    """What to change of an endpoint; what is left out stays."""

    url: Url | None = None
    enabled: bool | None = None


class OwnerLink(Strict):
    """For whom a link to a person's own page is made."""

    on_behalf_of: Annotated[Line, Field(min_length=1, max_length=200)] | None = None


class Accepted(BaseModel):
    """A clip taken in."""

    id: str = Field(examples=["clip_0193b0c2a6f17d0e8f4a6a1a2b3c4d5e"])
    status: str = Field(examples=["received"])
    status_url: str


class Problem(BaseModel):
    """RFC 9457. `code` is stable and for programs; more members name limits, values or the places that are wrong."""

    type: str = Field(examples=["/problems/too_large"])
    title: str
    status: int
    detail: str
    code: str
    request_id: str


def read_json(model: type[Model], body: bytes, root: str = "") -> Model:
    """Read a JSON document as `model`. Raises Invalid, whose `errors` name each place by JSON pointer under `root`."""
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False, include_context=False)
        raise Invalid(errors=places([dict(each) for each in found], root)) from error
