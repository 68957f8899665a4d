"""What a policy is once read: conditions, actions, rules. Plain frozen values; no parsing, no judging."""

from dataclasses import dataclass, field
from typing import Final, Literal

from detectors.base import FaceState, VoiceState
from moderation.decisions import Audience, Outcome, Param
from moderation.facts import Consent, PersonKind, Scalar

#: Part of every policy version: a change in what the same text means is a change of version.
LANGUAGE = 1

Comparator = Literal["at_least", "above", "at_most", "below", "equals"]
FactComparator = Comparator | Literal["one_of", "known"]
COMPARATORS: tuple[Comparator, ...] = ("at_least", "above", "at_most", "below", "equals")
FACT_COMPARATORS: tuple[FactComparator, ...] = (*COMPARATORS, "one_of", "known")
#: A registered person whom the submission declares or whom nothing shows: no matched, no possible face.
ABSENT: Final = "absent"
#: The signal that tells whether voices were compared at all.
VOICE_SIGNAL: Final = "voice.match_distance"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One fault of a policy folder, with its place (from 1) and a stable code."""

    path: str
    line: int
    column: int
    code: str
    message: str
    #: What to write there instead, where that can be told.
    suggestion: str = ""

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.column} {self.code} {self.message}"

    def to_json(self) -> dict[str, object]:
        return {
            "path": self.path,
            "line": self.line,
            "column": self.column,
            "code": self.code,
            "message": self.message,
            "suggestion": self.suggestion,
        }


@dataclass(frozen=True, slots=True)
class Anywhere:
    """At one sampled instant at least."""


@dataclass(frozen=True, slots=True)
class Sustained:
    """At successive sampled instants that together last `ms`; an instant lasts until the next one."""

    ms: int


@dataclass(frozen=True, slots=True)
class OftenIn:
    """At `hits` of some `window` successive sampled instants (of all, when there are fewer)."""

    hits: int
    window: int


@dataclass(frozen=True, slots=True)
class ShareOfClip:
    """For at least this share (0-1) of the clip's duration in all."""

    share: float


Quantifier = Anywhere | Sustained | OftenIn | ShareOfClip


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalLeaf:
    """A signal against a number, over time; on one and the same face where the signal is of faces."""

    signal: str
    comparator: Comparator
    threshold: float
    quantifier: Quantifier = field(default_factory=Anywhere)


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonLeaf:
    """Some one face or person for whom all that is named here holds; empty means any."""

    faces: tuple[FaceState | Literal["absent"], ...] = ()
    kinds: tuple[PersonKind, ...] = ()
    consents: tuple[Consent, ...] = ()
    declared: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VoiceLeaf:
    """Some one voice for which all that is named here holds; consents are those of the voice. Empty means any."""

    voices: tuple[VoiceState, ...]
    kinds: tuple[PersonKind, ...] = ()
    consents: tuple[Consent, ...] = ()
    declared: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FactLeaf:
    """A single fact: one of some values, a number against another, or whether it is known at all."""

    fact: str
    comparator: FactComparator
    operands: tuple[Scalar, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpressionLeaf:
    """An expression in CEL, the signals that it reads, and the names that were known when it was checked."""

    text: str
    signals: frozenset[str]
    known_signals: frozenset[str] = field(default=frozenset(), repr=False)
    known_facts: frozenset[str] = field(default=frozenset(), repr=False)


@dataclass(frozen=True, slots=True)
class All:
    """Every part holds."""

    parts: tuple["Condition", ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Some part holds."""

    parts: tuple["Condition", ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The part does not hold; what is not known stays not known."""

    part: "Condition"


Condition = SignalLeaf | PersonLeaf | VoiceLeaf | FactLeaf | ExpressionLeaf | All | AnyOf | Not


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A reason or note as a rule writes it: the code and its fixed parameters."""

    code: str
    params: tuple[tuple[str, Param], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """What a rule asks for when it fires."""

    outcome: Outcome
    reasons: tuple[Said, ...] = ()
    notes: tuple[Said, ...] = ()
    queue: str | None = None
    priority: int = 0
    audience: Audience = field(default_factory=Audience)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One condition and what follows."""

    name: str
    when: Condition
    then: Action
    on_undetermined: Outcome = Outcome.REVIEW
    #: Where it stands in its file; says nothing of what it means.
    line: int = field(default=1, compare=False)
    column: int = field(default=1, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The rules of one area, with the signals without which the area cannot be judged."""

    area: str
    owner: str
    description: str
    requires: tuple[str, ...]
    rules: tuple[Rule, ...]
    queue: str
    on_undetermined: Outcome = Outcome.REVIEW


def signals_of(condition: Condition) -> frozenset[str]:
    """Return every signal the condition reads by name, and the one that a voice was compared by."""
    match condition:
        case SignalLeaf(signal=signal):
            return frozenset({signal})
        case VoiceLeaf():
            return frozenset({VOICE_SIGNAL})
        case ExpressionLeaf(signals=signals):
            return signals
        case All(parts) | AnyOf(parts):
            return frozenset().union(*map(signals_of, parts))
        case Not(part):
            return signals_of(part)
        case _:
            return frozenset()
