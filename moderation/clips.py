"""What a clip is and which states it may pass through. Pure: no input, no output."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class Status(StrEnum):
    """Where a clip stands (contract, vocabulary)."""

    RECEIVED = "received"
    PROCESSING = "processing"
    HELD = "held"
    IN_REVIEW = "in_review"
    RELEASED = "released"
    WITHHELD = "withheld"
    WITHDRAWN = "withdrawn"
    REFUSED = "refused"


#: What may follow what. A new fact (revocation, another hash, publishing a draft) sends a settled clip to processing.
FOLLOWS: dict[Status, frozenset[Status]] = {
    Status.RECEIVED: frozenset({Status.PROCESSING, Status.HELD, Status.IN_REVIEW, Status.WITHDRAWN}),
    Status.PROCESSING: frozenset(set(Status) - {Status.RECEIVED}),
    Status.HELD: frozenset({Status.PROCESSING, Status.WITHDRAWN, Status.IN_REVIEW}),
    Status.IN_REVIEW: frozenset({Status.PROCESSING, Status.WITHHELD, Status.WITHDRAWN}),
    Status.RELEASED: frozenset({Status.PROCESSING, Status.WITHDRAWN}),
    Status.WITHHELD: frozenset({Status.PROCESSING, Status.WITHDRAWN}),
    Status.WITHDRAWN: frozenset(),
    Status.REFUSED: frozenset(),
}

#: States in which nothing more happens by itself.
SETTLED = frozenset({Status.IN_REVIEW, Status.RELEASED, Status.WITHHELD, Status.WITHDRAWN, Status.REFUSED})


def may_follow(now: Status, then: Status) -> bool:
    """Tell whether a clip may go from one state to another."""
    return then in FOLLOWS[now]


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """What the platform said of a clip when it handed it in."""

    creator: str | None = None
    creator_age_band: str | None = None
    prompt: str | None = None
    title: str | None = None
    generator: str | None = None
    cameos: tuple[str, ...] = ()
    parents: tuple[str, ...] = ()
    locale: str = "en"
    market: str | None = None
    visibility: str = "public"
    callback_url: str | None = None
    #: What the platform's own classifiers said, 0-1 by signal (`platform.nsfw`, ...).
    claims: dict[str, float] = field(default_factory=dict)
    #: What it is for, in the platform's own word; grants may be for some purposes only.
    purpose: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """One row of `moderation.clips`."""

    org_id: str
    clip_id: str
    status: str
    held_cause: str | None
    retry_at: datetime | None
    holds: int
    generation: int
    runner: str
    creator: str | None
    creator_age_band: str | None
    prompt: str | None
    title: str | None
    generator: str | None
    cameos: list[str]
    parents: list[str]
    locale: str
    market: str | None
    visibility: str
    callback_url: str | None
    source_url: str | None
    content_sha256: str | None
    content_bytes: int | None
    probe: dict[str, object] | None
    problem: dict[str, object] | None
    priority: int
    erased_at: datetime | None
    created_at: datetime
    updated_at: datetime
    claims: dict[str, float] = field(default_factory=dict)
    purpose: str | None = None

    @property
    def state(self) -> Status:
        """The status as a member of the vocabulary."""
        return Status(self.status)
