"""Conditions compiled to closures over one clip's facts: first the truth, then, for what fired, the evidence."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from sys import intern
from typing import assert_never

from moderation.decisions import Cause, Leaf
from moderation.policy.exhibits import Exhibits
from moderation.policy.expressions import compile_expression
from moderation.policy.leaves import compile_fact, compile_person, compile_signal, rules_out
from moderation.policy.model import (
    All,
    AnyOf,
    Condition,
    ExpressionLeaf,
    FactLeaf,
    Not,
    PersonLeaf,
    SignalLeaf,
    VoiceLeaf,
    Within,
)
from moderation.policy.speaking import compile_voice
from moderation.policy.timeline import MAX_SPANS
from moderation.policy.truth import FALSE, TRUE, UNDETERMINED, Truth, opposite
from moderation.policy.views import views_of

Ask = Callable[[Exhibits], Truth]
Explain = Callable[[Exhibits], tuple[Leaf, ...]]
Hopeless = Callable[[Exhibits, Within], bool]
AnyLeaf = SignalLeaf | PersonLeaf | VoiceLeaf | FactLeaf | ExpressionLeaf


def _never(_exhibits: Exhibits, _within: Within) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Compiled:
    """`ask` gives the truth; `explain` gives the leaves that made it true or left it open, nothing when false."""

    ask: Ask
    explain: Explain
    #: Tells that this is false in every shot, or of every person, without a look at them; not always when it is so.
    hopeless: Hopeless = _never


def compile_condition(condition: Condition) -> Compiled:
    """Turn a condition into closures; judging then walks no tree and looks no name up."""
    match condition:
        case SignalLeaf():
            return replace(_leaf(condition), hopeless=rules_out(condition))
        case FactLeaf():
            leaf = _leaf(condition)
            # The same in every part of the clip.
            return replace(leaf, hopeless=lambda exhibits, _: leaf.ask(exhibits) is FALSE)
        case PersonLeaf() | VoiceLeaf() | ExpressionLeaf():
            return _leaf(condition)
        case All(parts, within):
            every = _every(tuple(map(compile_condition, parts)))
            return every if within is None else _shared(every, within)
        case AnyOf(parts):
            return _some(tuple(map(compile_condition, parts)))
        case Not(part):
            return _inverse(compile_condition(part))
        case _:
            assert_never(condition)


def _compile_leaf(leaf: AnyLeaf) -> tuple[Ask, Callable[[Exhibits, Truth], Leaf]]:
    match leaf:
        case SignalLeaf():
            return compile_signal(leaf)
        case PersonLeaf():
            return compile_person(leaf)
        case VoiceLeaf():
            return compile_voice(leaf)
        case FactLeaf():
            return compile_fact(leaf)
        case ExpressionLeaf():
            return compile_expression(leaf)


def _leaf(leaf: AnyLeaf) -> Compiled:
    """What a leaf comes to, and what it saw, is worked out once for a clip or a part of it, whichever rules ask."""
    ask, describe = _compile_leaf(leaf)
    # A text keeps its hash, a leaf works it out anew each time.
    key = intern(repr(leaf))

    def told(exhibits: Exhibits) -> Truth:
        truth = exhibits.told.get(key)
        if truth is None:
            truth = exhibits.told[key] = ask(exhibits)
        return truth

    def explain(exhibits: Exhibits) -> tuple[Leaf, ...]:
        leaves = exhibits.described.get(key)
        if leaves is None:
            truth = told(exhibits)
            leaves = exhibits.described[key] = () if truth is FALSE else (describe(exhibits, truth),)
        return leaves

    return Compiled(told, explain)


def _every(parts: tuple[Compiled, ...]) -> Compiled:
    asks = tuple(part.ask for part in parts)

    def ask(exhibits: Exhibits) -> Truth:
        result = TRUE
        for part in asks:
            truth = part(exhibits)
            if truth is FALSE:
                return FALSE
            if truth is UNDETERMINED:
                result = UNDETERMINED
        return result

    def hopeless(exhibits: Exhibits, within: Within) -> bool:
        return any(part.hopeless(exhibits, within) for part in parts)

    return Compiled(ask, _explaining(ask, parts), hopeless)


def _shared(every: Compiled, within: Within) -> Compiled:
    """All parts in one shot, or on one face or person: true as soon as there is one such."""

    def ask(exhibits: Exhibits) -> Truth:
        views = views_of(exhibits, within)
        if views is None:
            return UNDETERMINED
        if every.hopeless(exhibits, within):
            return FALSE
        result = FALSE
        for view in views:
            truth = every.ask(view)
            if truth is TRUE:
                return TRUE
            if truth is UNDETERMINED:
                result = UNDETERMINED
        return result

    def explain(exhibits: Exhibits) -> tuple[Leaf, ...]:
        truth, views = ask(exhibits), views_of(exhibits, within)
        if truth is FALSE:
            return ()
        if views is None:
            causes = (Cause(kind="fact", name="shots", state="unknown"),)
            return (Leaf(says=f"within {within}", truth=truth.word, causes=causes),)
        return _merged(leaf for view in views if every.ask(view) is truth for leaf in every.explain(view))

    return Compiled(ask, explain)


def _merged(leaves: Iterable[Leaf]) -> tuple[Leaf, ...]:
    """Put together what the same question found in several parts of the clip."""
    found: dict[tuple[str, str], list[Leaf]] = {}
    for leaf in leaves:
        found.setdefault((leaf.says, leaf.truth), []).append(leaf)
    return tuple(map(_one, found.values()))


def _one(leaves: list[Leaf]) -> Leaf:
    spans = sorted(dict.fromkeys(span for leaf in leaves for span in leaf.spans), key=lambda s: (s.start_ms, s.end_ms))
    return replace(
        leaves[0],
        spans=tuple(spans[:MAX_SPANS]),
        left_out=max(leaf.left_out for leaf in leaves) + max(0, len(spans) - MAX_SPANS),
        causes=tuple(dict.fromkeys(cause for leaf in leaves for cause in leaf.causes)),
    )


def _some(parts: tuple[Compiled, ...]) -> Compiled:
    asks = tuple(part.ask for part in parts)

    def ask(exhibits: Exhibits) -> Truth:
        result = FALSE
        for part in asks:
            truth = part(exhibits)
            if truth is TRUE:
                return TRUE
            if truth is UNDETERMINED:
                result = UNDETERMINED
        return result

    def hopeless(exhibits: Exhibits, within: Within) -> bool:
        return all(part.hopeless(exhibits, within) for part in parts)

    return Compiled(ask, _explaining(ask, parts), hopeless)


def _explaining(ask: Ask, parts: tuple[Compiled, ...]) -> Explain:
    def explain(exhibits: Exhibits) -> tuple[Leaf, ...]:
        if ask(exhibits) is FALSE:
            return ()
        return tuple(leaf for part in parts for leaf in part.explain(exhibits))

    return explain


def _inverse(part: Compiled) -> Compiled:
    def ask(exhibits: Exhibits) -> Truth:
        return opposite(part.ask(exhibits))

    def explain(exhibits: Exhibits) -> tuple[Leaf, ...]:
        # What held inside a `not` is no evidence for the rule; what was open inside it is why the rule is open.
        if part.ask(exhibits) is not UNDETERMINED:
            return ()
        return tuple(leaf for leaf in part.explain(exhibits) if leaf.truth == UNDETERMINED.word)

    return Compiled(ask, explain)
