"""What a policy is once read: conditions, actions, rules. Plain frozen values; no parsing, no judging."""

from dataclasses import dataclass, field
from typing import Final, Literal

from detectors.base import FaceState, VoiceState
from moderation.decisions import Audience, Outcome, Param
from moderation.facts import Consent, PersonKind, Phase, Scalar

#: Part of every policy version: a change in what the same text means is a change of version.
LANGUAGE = 1

#: What the parts of an `all` must share: a stretch between two cuts, or one face or person.
Within = Literal["same_shot", "same_person"]
#: A shadow rule is judged and stands in the trace; it never acts.
Mode = Literal["enforce", "shadow"]
WITHIN: tuple[Within, ...] = ("same_shot", "same_person")
MODES: tuple[Mode, ...] = ("enforce", "shadow")
#: What could be done to a clip instead of withholding it. Named in the language, and refused until it can be done.
REMEDIES: Final = ("mute", "blur_region", "trim")
Comparator = Literal["at_least", "above", "at_most", "below", "equals"]
FactComparator = Comparator | Literal["one_of", "known"]
COMPARATORS: tuple[Comparator, ...] = ("at_least", "above", "at_most", "below", "equals")
FACT_COMPARATORS: tuple[FactComparator, ...] = (*COMPARATORS, "one_of", "known")
#: A registered person whom the submission declares or whom nothing shows: no matched, no possible face.
ABSENT: Final = "absent"
#: The signal that tells whether voices were compared at all.
VOICE_SIGNAL: Final = "voice.match_distance"
#: The name under which the trace shows a policy whose required signals are missing; no rule may have it.
REQUIRES: Final = "requires"


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
    """Every part holds; with `within`, inside one shot, or on one and the same face or person."""

    parts: tuple["Condition", ...]
    within: Within | None = None


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
    """What a rule asks for when it fires.

    `markets` (ISO 3166-1 alpha-2; empty means all) and `visibility` (empty means any) limit where it does so.
    """

    outcome: Outcome
    reasons: tuple[Said, ...] = ()
    notes: tuple[Said, ...] = ()
    queue: str | None = None
    priority: int = 0
    audience: Audience = field(default_factory=Audience)
    #: How long the case may wait, in seconds; None leaves it to the queue.
    deadline_s: int | None = None
    #: Which share (0-1) of the clips on which the rule fires is marked for an audit.
    sample_rate: float = 0.0
    markets: tuple[str, ...] = ()
    visibility: tuple[Phase, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleException:
    """When a rule does not stand although it is met: whose word that is, why, and through which day (UTC)."""

    name: str
    owner: str
    why: str
    #: ISO 8601 date; the last day on which it holds.
    expires: str
    when: Condition
    line: int = field(default=1, compare=False)
    column: int = field(default=1, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One condition and what follows."""

    name: str
    when: Condition
    then: Action
    on_undetermined: Outcome = Outcome.REVIEW
    exceptions: tuple[RuleException, ...] = ()
    mode: Mode = "enforce"
    #: ISO 8601 date from which the rule has been in its mode; says nothing of what it means.
    since: str | None = field(default=None, compare=False)
    #: Where it stands in its file; says nothing of what it means.
    line: int = field(default=1, compare=False)
    column: int = field(default=1, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlay:
    """What is otherwise in some markets (ISO 3166-1 alpha-2) or for some locales; empty means any.

    `changed` are the area's rules as they stand under it, `off` those that do not stand, `added` further ones.
    """

    name: str
    owner: str
    why: str
    markets: tuple[str, ...] = ()
    locales: tuple[str, ...] = ()
    changed: tuple[Rule, ...] = ()
    off: tuple[str, ...] = ()
    added: tuple[Rule, ...] = ()
    line: int = field(default=1, compare=False)
    column: int = field(default=1, compare=False)

    @property
    def touches(self) -> frozenset[str]:
        """The names of the area's rules that are otherwise here."""
        return frozenset(rule.name for rule in self.changed) | frozenset(self.off)


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
    overlays: tuple[Overlay, ...] = ()

    @property
    def variants(self) -> tuple[tuple[Overlay | None, Rule], ...]:
        """Every rule with the overlay it stands in; None for those that stand anywhere else."""
        under = [(overlay, rule) for overlay in self.overlays for rule in (*overlay.changed, *overlay.added)]
        return (*((None, rule) for rule in self.rules), *under)


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
