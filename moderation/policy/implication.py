"""When one condition cannot hold without another, and when none can hold. Sound, never complete: no is "not seen".

`implies(a, b)` means that on no clip a is truer than b (false < undetermined < true), so that b covers a in every case.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import product
from math import inf
from typing import Final

from detectors.base import FaceState, VoiceState
from moderation.facts import Scalar
from moderation.policy.model import (
    All,
    AnyOf,
    Anywhere,
    Condition,
    FactLeaf,
    Not,
    OftenIn,
    PersonLeaf,
    Quantifier,
    ShareOfClip,
    SignalLeaf,
    Sustained,
    VoiceLeaf,
)
from moderation.policy.registry import Vocabulary

#: Comparisons that one pair of conditions may cost; beyond, nothing is said.
_EFFORT: Final = 400
_NEAR: Final = frozenset({FaceState.MATCHED, FaceState.POSSIBLE})
_NOBODY: Final = frozenset({FaceState.UNMATCHED, FaceState.UNREAD})
_VOICES_NEAR: Final = frozenset({VoiceState.MATCHED, VoiceState.POSSIBLE})
_UP: Final = frozenset({"at_least", "above"})
_DOWN: Final = frozenset({"at_most", "below"})


def implies(one: Condition, other: Condition) -> bool:
    """Tell whether `other` is at least as true as `one` on every clip; False when that cannot be seen."""
    budget = [_EFFORT]
    return _implies(one, other, budget)


def _implies(one: Condition, other: Condition, budget: list[int]) -> bool:
    budget[0] -= 1
    if budget[0] < 0:
        return False
    if one == other or _covered(one, other, budget):
        return True
    match one, other:
        case AnyOf(parts), _:
            return all(_implies(part, other, budget) for part in parts)
        case _, All(parts, None):
            return all(_implies(one, part, budget) for part in parts)
        case Not(part), Not(opposite):
            return _implies(opposite, part, budget)
    return _leaf_implies(one, other)


def _covered(one: Condition, other: Condition, budget: list[int]) -> bool:
    """Tell whether one part of an `all` is enough, or one part of an `any` wide enough.

    Within one shot or person an `all` may be undetermined where a part of it is false, so that no part covers it.
    """
    if isinstance(one, All) and one.within is None and any(_implies(part, other, budget) for part in one.parts):
        return True
    return isinstance(other, AnyOf) and any(_implies(one, part, budget) for part in other.parts)


def _leaf_implies(one: Condition, other: Condition) -> bool:
    match one, other:
        case SignalLeaf(), SignalLeaf():
            return one.signal == other.signal and _reaches(one, other) and _lasts(one.quantifier, other.quantifier)
        case FactLeaf(), FactLeaf():
            return one.fact == other.fact and _fact_implies(one, other)
        case PersonLeaf(), PersonLeaf():
            return faces_of(one) <= faces_of(other) and _narrower(one, other)
        case VoiceLeaf(), VoiceLeaf():
            near = [frozenset(leaf.voices) or _VOICES_NEAR for leaf in (one, other)]
            return near[0] <= near[1] and _narrower(one, other)
    return False


def _reaches(one: SignalLeaf, other: SignalLeaf) -> bool:
    """Tell whether a value that meets one comparison meets the other."""
    line, further = one.threshold, other.threshold
    if other.comparator in _UP and one.comparator in (*_UP, "equals"):
        strict = other.comparator == "above" and one.comparator != "above"
        return line > further or (line == further and not strict)
    if other.comparator in _DOWN and one.comparator in (*_DOWN, "equals"):
        strict = other.comparator == "below" and one.comparator != "below"
        return line < further or (line == further and not strict)
    return one.comparator == other.comparator and line == further


def _lasts(one: Quantifier, other: Quantifier) -> bool:
    """Tell whether what one quantifier asks is enough for the other."""
    match one, other:
        case _, Anywhere():
            return True
        case Sustained(ms), Sustained(least):
            return ms >= least
        case ShareOfClip(share), ShareOfClip(least_share):
            return share >= least_share
        case OftenIn(hits, window), OftenIn(least_hits, wider):
            return hits >= least_hits and window <= wider
    return False


def faces_of(leaf: PersonLeaf) -> frozenset[str]:
    """Return the states of a face that the leaf means; those of a near person when it names none but asks who."""
    return frozenset(leaf.faces) or frozenset(_NEAR if _asks_who(leaf) else FaceState)


def _asks_who(leaf: PersonLeaf | VoiceLeaf) -> bool:
    return bool(leaf.kinds or leaf.consents) or leaf.declared is not None


def _narrower(one: PersonLeaf | VoiceLeaf, other: PersonLeaf | VoiceLeaf) -> bool:
    kinds = not other.kinds or (one.kinds and set(one.kinds) <= set(other.kinds))
    consents = not other.consents or (one.consents and set(one.consents) <= set(other.consents))
    return bool(kinds and consents) and other.declared in (None, one.declared)


def _fact_implies(one: FactLeaf, other: FactLeaf) -> bool:
    if "known" in (one.comparator, other.comparator):
        return one == other
    if _listed(one):
        return all(_fits(value, other) for value in one.operands)
    if _listed(other):
        return False
    low, high = _interval(one), _interval(other)
    return high[0] <= low[0] and low[1] <= high[1]


def _listed(leaf: FactLeaf) -> bool:
    return leaf.comparator in ("equals", "one_of")


def _fits(value: Scalar, leaf: FactLeaf) -> bool:
    if _listed(leaf):
        return value in leaf.operands
    if not isinstance(value, int | float):
        return False
    (low, _), (high, _) = _interval(leaf)
    edge = leaf.comparator in ("at_least", "at_most")
    return low < value < high or (edge and value in (low, high))


#: A bound and, for equal bounds, which lies further out: 0 takes the bound in, 1 leaves it out.
_Bound = tuple[float, int]


def _interval(leaf: FactLeaf) -> tuple[_Bound, _Bound]:
    value = float(leaf.operands[0] or 0)
    match leaf.comparator:
        case "at_least":
            return (value, 0), (inf, 0)
        case "above":
            return (value, 1), (inf, 0)
        case "at_most":
            return (-inf, 0), (value, 0)
        case _:
            return (-inf, 0), (value, -1)


def impossible(condition: Condition, vocabulary: Vocabulary) -> str:
    """Say why the condition can never be true; nothing when that cannot be seen."""
    match condition:
        case AnyOf(parts):
            whys = [impossible(part, vocabulary) for part in parts]
            return whys[0] if all(whys) else ""
        case All():
            parts = tuple(_flattened(condition))
            alone = (impossible(part, vocabulary) for part in parts)
            return next((why for why in alone if why), "") or _contradiction(parts)
        case SignalLeaf():
            return _beyond(condition, vocabulary)
        case FactLeaf():
            return "a number of things is never below 0" if _below_nothing(condition) else ""
        case PersonLeaf():
            return _nobody(condition)
    return ""


def _flattened(condition: All) -> Iterator[Condition]:
    for part in condition.parts:
        if isinstance(part, All):
            yield from _flattened(part)
        else:
            yield part


def _contradiction(parts: tuple[Condition, ...]) -> str:
    opposites = [part.part for part in parts if isinstance(part, Not)]
    for part, opposite in product(parts[:60], opposites[:60]):
        if implies(part, opposite):
            return "one part holds only where another part, under `not`, holds too"
    facts: dict[str, list[FactLeaf]] = {}
    for part in parts:
        if isinstance(part, FactLeaf):
            facts.setdefault(part.fact, []).append(part)
    return next((f"no value of {fact} meets all that is asked of it" for fact in facts if _empty(facts[fact])), "")


def _empty(leaves: Iterable[FactLeaf]) -> bool:
    """Tell whether no value of one fact meets every leaf."""
    asked = [leaf for leaf in leaves if leaf.comparator != "known"]
    unknown = any(leaf.comparator == "known" and leaf.operands[0] is False for leaf in leaves)
    listed = [set(leaf.operands) for leaf in asked if _listed(leaf)]
    ranged = [leaf for leaf in asked if not _listed(leaf)]
    if unknown and asked:
        return True
    if listed:
        shared = set.intersection(*listed)
        return not any(all(_fits(value, leaf) for leaf in ranged) for value in shared)
    bounds = [_interval(leaf) for leaf in ranged]
    return bool(bounds) and _crossed(max(low for low, _ in bounds), min(high for _, high in bounds))


def _crossed(low: _Bound, high: _Bound) -> bool:
    return low[0] > high[0] or (low[0] == high[0] and (low[1], high[1]) != (0, 0))


def _beyond(leaf: SignalLeaf, vocabulary: Vocabulary) -> str:
    entry = vocabulary.signals.get(leaf.signal)
    if entry is None:
        return ""
    if leaf.comparator == "above" and leaf.threshold >= entry.high:
        return f"{leaf.signal} is never above {entry.high:g}"
    if leaf.comparator == "below" and leaf.threshold <= entry.low:
        return f"{leaf.signal} is never below {entry.low:g}"
    return ""


def _below_nothing(leaf: FactLeaf) -> bool:
    return leaf.comparator == "below" and leaf.operands[0] == 0


def _nobody(leaf: PersonLeaf) -> str:
    if faces_of(leaf) <= _NOBODY and _asks_who(leaf):
        return "a face that is unmatched or unread is nobody's: nothing is known of who it is"
    return ""


def always(condition: Condition, vocabulary: Vocabulary) -> str:
    """Say why the condition holds on every clip that was looked at; nothing when that cannot be seen."""
    match condition:
        case All(parts, None):
            whys = [always(part, vocabulary) for part in parts]
            return whys[0] if all(whys) else ""
        case AnyOf(parts):
            return next((why for part in parts if (why := always(part, vocabulary))), "")
        case SignalLeaf():
            return _everything(condition, vocabulary)
    return ""


def _everything(leaf: SignalLeaf, vocabulary: Vocabulary) -> str:
    entry = vocabulary.signals.get(leaf.signal)
    # Only what is looked at on every frame has samples on every clip.
    if entry is None or entry.per != "frame":
        return ""
    lowest = leaf.comparator == "at_least" and leaf.threshold <= entry.low
    highest = leaf.comparator == "at_most" and leaf.threshold >= entry.high
    return f"{leaf.signal} {leaf.comparator} {leaf.threshold:g} holds of every frame" if lowest or highest else ""


def ordered(condition: Condition) -> Condition:
    """Return the condition with its parts in one order and nothing twice, so that equal ones compare equal."""
    match condition:
        case All(parts, within):
            found = _sorted(ordered, parts, All)
            return found[0] if len(found) == 1 and within is None else All(found, within)
        case AnyOf(parts):
            found = _sorted(ordered, parts, AnyOf)
            return found[0] if len(found) == 1 else AnyOf(found)
        case Not(part):
            inner = ordered(part)
            return inner.part if isinstance(inner, Not) else Not(inner)
        case FactLeaf(fact=fact, operands=operands) if _listed(condition):
            return FactLeaf(fact=fact, comparator="one_of", operands=tuple(sorted(set(operands), key=repr)))
    return condition


def _sorted(
    tidy: Callable[[Condition], Condition], parts: tuple[Condition, ...], kind: type[All | AnyOf]
) -> tuple[Condition, ...]:
    flat: dict[str, Condition] = {}
    for part in map(tidy, parts):
        # An `all` with `within` is one thing; every other nested one of the same kind says the same flattened.
        loose = isinstance(part, kind) and getattr(part, "within", None) is None
        for inner in part.parts if loose and isinstance(part, All | AnyOf) else (part,):
            flat[repr(inner)] = inner
    return tuple(flat[key] for key in sorted(flat))
