"""What a decision is, whoever took it: a rule's and a person's have one type. No storage, no clock."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from typing import ClassVar, Literal

from pydantic import ConfigDict, TypeAdapter

from moderation.canonical import canonical, digest

#: `decided_by` of a decision that no person took.
POLICY = "policy"
_CLOSED = ConfigDict(extra="forbid", allow_inf_nan=False)
Param = str | int | float | bool | None


class Outcome(StrEnum):
    """What happens to the clip, loosest first; `strictness` orders them."""

    ALLOW = "allow"
    #: Adults only, no remix, or both.
    RESTRICT = "restrict"
    REVIEW = "review"
    BLOCK = "block"

    @property
    def strictness(self) -> int:
        """0 for allow to 3 for block."""
        return _STRICTNESS[self]


_STRICTNESS = {outcome: rank for rank, outcome in enumerate(Outcome)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why, as a stable code with parameters; sentences are made from `moderation.messages` when they are read."""

    __pydantic_config__: ClassVar[ConfigDict] = _CLOSED

    code: str
    params: Mapping[str, Param] = field(default_factory=dict)
    person: str | None = None
    track: int | None = None
    start_ms: int | None = None
    end_ms: int | None = None

    @property
    def settles(self) -> tuple[str, str | int | None]:
        """What a person's decision settles when it answers this reason: the code, and the person or else the track."""
        return (self.code, self.person if self.person is not None else self.track)

    def to_json(self) -> dict[str, object]:
        """Return plain data with the absent parts left out."""
        parts = {"person": self.person, "track": self.track, "start_ms": self.start_ms, "end_ms": self.end_ms}
        named: dict[str, object] = {"code": self.code, "params": dict(self.params)}
        return named | {name: value for name, value in parts.items() if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Note(Reason):
    """Something worth showing that changes no outcome; same form as a reason."""

    __pydantic_config__: ClassVar[ConfigDict] = _CLOSED


@dataclass(frozen=True, slots=True, kw_only=True)
class Audience:
    """Who may see a released clip and what they may do with it."""

    __pydantic_config__: ClassVar[ConfigDict] = _CLOSED

    teens: bool = True
    adults_only: bool = False
    no_remix: bool = False

    def narrowed(self, other: "Audience") -> "Audience":
        """Return the audience that both allow."""
        adults_only = self.adults_only or other.adults_only
        return Audience(
            teens=self.teens and other.teens and not adults_only,
            adults_only=adults_only,
            no_remix=self.no_remix or other.no_remix,
        )

    def to_json(self) -> dict[str, object]:
        return {"teens": self.teens, "adults_only": self.adults_only, "no_remix": self.no_remix}


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A stretch of the clip on which a condition held; `peak` is the value furthest beyond the threshold."""

    __pydantic_config__: ClassVar[ConfigDict] = _CLOSED

    start_ms: int
    end_ms: int
    peak: float | None = None
    track: int | None = None
    person: str | None = None

    def to_json(self) -> dict[str, object]:
        parts = {"peak": self.peak, "track": self.track, "person": self.person}
        span: dict[str, object] = {"start_ms": self.start_ms, "end_ms": self.end_ms}
        return span | {name: value for name, value in parts.items() if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """Something that was not known: the signal, person, fact or expression, and how it was missing ("failed")."""

    __pydantic_config__: ClassVar[ConfigDict] = _CLOSED

    kind: Literal["signal", "person", "fact", "expression"]
    name: str
    state: str

    def to_json(self) -> dict[str, object]:
        return {"kind": self.kind, "name": self.name, "state": self.state}


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """One condition that held, or could not be told and why; `says` is the condition in the language's own words."""

    __pydantic_config__: ClassVar[ConfigDict] = _CLOSED

    says: str
    truth: str
    spans: tuple[Span, ...] = ()
    #: Shorter stretches that held too and are not listed.
    left_out: int = 0
    #: Of an undetermined leaf: what was not known.
    causes: tuple[Cause, ...] = ()
    #: The signal or fact that is asked, how, and against what; the values of a signal are its spans' peaks.
    name: str | None = None
    comparator: str | None = None
    against: tuple[Param, ...] = ()
    #: What the fact was.
    value: Param = None

    def to_json(self) -> dict[str, object]:
        asked = {
            "name": self.name,
            "comparator": self.comparator,
            "against": list(self.against) or None,
            "value": self.value,
        }
        said: dict[str, object] = {
            "says": self.says,
            "truth": self.truth,
            "spans": [span.to_json() for span in self.spans],
            "left_out": self.left_out,
            "causes": [cause.to_json() for cause in self.causes],
        }
        return said | {name: value for name, value in asked.items() if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleTrace:
    """One rule that fired, or could not be told, with the outcome it asked for.

    `truth` is "excepted" for a rule that was met but for its `exception`; it asks for nothing.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _CLOSED

    policy: str
    rule: str
    truth: str
    outcome: Outcome
    leaves: tuple[Leaf, ...] = ()
    #: The overlay whose variant of the rule this is.
    overlay: str | None = None
    #: The exception on whose account the rule does not stand.
    exception: str | None = None
    #: Judged, and without any effect on the decision.
    shadow: bool = False

    @property
    def name(self) -> str:
        """The rule with its area."""
        return f"{self.policy}.{self.rule}"

    @property
    def order(self) -> str:
        """What tells variants of one rule apart, for a total order."""
        return self.overlay or ""

    @property
    def acts(self) -> bool:
        """Whether the rule had a part in the decision."""
        return not self.shadow and self.exception is None

    def to_json(self) -> dict[str, object]:
        extras = {"overlay": self.overlay, "exception": self.exception, "shadow": self.shadow or None}
        said: dict[str, object] = {
            "policy": self.policy,
            "rule": self.rule,
            "truth": self.truth,
            "outcome": str(self.outcome),
            "leaves": [leaf.to_json() for leaf in self.leaves],
        }
        return said | {name: value for name, value in extras.items() if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """One answer for one clip. Ids, times and what it supersedes belong to its storage, not here.

    `reasons` are those of the outcome that won; `lesser` are reasons of weaker outcomes that fired too: whoever
    overturns this decision has to answer those as well. `queue` may stand beside a `block`: specialists look too.
    In `markets_withheld` (ISO 3166-1 alpha-2) the clip must not be shown, wherever else it may be.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _CLOSED

    outcome: Outcome
    facts_hash: str
    reasons: tuple[Reason, ...] = ()
    lesser: tuple[Reason, ...] = ()
    notes: tuple[Note, ...] = ()
    audience: Audience = field(default_factory=Audience)
    queue: str | None = None
    priority: int = 0
    #: None when a person decided.
    policy_version: str | None = None
    decided_by: str = POLICY
    trace: tuple[RuleTrace, ...] = ()
    markets_withheld: tuple[str, ...] = ()
    #: How long a person may take, in seconds; None leaves it to the queue.
    deadline_s: int | None = None
    #: Rules (`area.rule`) whose audit sample the clip fell into.
    sampled: tuple[str, ...] = ()

    def to_json(self) -> dict[str, object]:
        """Return plain data; `canonical()` of it is the stored form."""
        # Left out when there are none: other decisions keep their bytes.
        extras = {
            "markets_withheld": list(self.markets_withheld) or None,
            "deadline_s": self.deadline_s,
            "sampled": list(self.sampled) or None,
        }
        said: dict[str, object] = {
            "outcome": str(self.outcome),
            "reasons": [reason.to_json() for reason in self.reasons],
            "lesser": [reason.to_json() for reason in self.lesser],
            "notes": [note.to_json() for note in self.notes],
            "audience": self.audience.to_json(),
            "queue": self.queue,
            "priority": self.priority,
            "policy_version": self.policy_version,
            "facts_hash": self.facts_hash,
            "decided_by": self.decided_by,
            "trace": [entry.to_json() for entry in self.trace],
        }
        return said | {name: value for name, value in extras.items() if value is not None}

    def to_bytes(self) -> bytes:
        """Return the canonical bytes (RFC 8785)."""
        return canonical(self.to_json())

    def digest(self) -> str:
        """Return the SHA-256 (hex) of the canonical bytes."""
        return digest(self.to_json())

    @classmethod
    def from_json(cls, value: Mapping[str, object]) -> "Decision":
        """Read a stored decision. Raises ValueError for unknown or missing keys."""
        return _reader().validate_python(dict(value))


@cache
def _reader() -> TypeAdapter[Decision]:
    return TypeAdapter(Decision)
