"""Conditions compiled to closures over one clip's facts: first the truth, then, for what fired, the evidence."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import assert_never

from moderation.decisions import Cause, Leaf
from moderation.policy.exhibits import Exhibits
from moderation.policy.expressions import compile_expression
from moderation.policy.leaves import compile_fact, compile_person, compile_signal
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
Explain = Callable[[Exhibits], list[Leaf]]


@dataclass(frozen=True, slots=True)
class Compiled:
    """`ask` gives the truth; `explain` gives the leaves that made it true or left it open, nothing when false."""

    ask: Ask
    explain: Explain


def compile_condition(condition: Condition) -> Compiled:
    """Turn a condition into closures; judging then walks no tree and looks no name up."""
    match condition:
        case SignalLeaf() | PersonLeaf() | VoiceLeaf() | FactLeaf() | ExpressionLeaf():
            return _leaf(*_compile_leaf(condition))
        case All(parts, within):
            every = _every(tuple(map(compile_condition, parts)))
            return every if within is None else _shared(every, within)
        case AnyOf(parts):
            return _some(tuple(map(compile_condition, parts)))
        case Not(part):
            return _inverse(compile_condition(part))
        case _:
            assert_never(condition)


def _compile_leaf(
    leaf: SignalLeaf | PersonLeaf | VoiceLeaf | FactLeaf | ExpressionLeaf,
) -> tuple[Ask, Callable[[Exhibits, Truth], Leaf]]:
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


def _leaf(ask: Ask, describe: Callable[[Exhibits, Truth], Leaf]) -> Compiled:
    def explain(exhibits: Exhibits) -> list[Leaf]:
        truth = ask(exhibits)
        return [] if truth is FALSE else [describe(exhibits, truth)]

    return Compiled(ask, explain)


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

    return Compiled(ask, _explaining(ask, parts))


def _shared(every: Compiled, within: Within) -> Compiled:
    """All parts in one shot, or on one face or person: true as soon as there is one such."""

    def ask(exhibits: Exhibits) -> Truth:
        views = views_of(exhibits, within)
        if views is None:
            return UNDETERMINED
        result = FALSE
        for view in views:
            truth = every.ask(view)
            if truth is TRUE:
                return TRUE
            if truth is UNDETERMINED:
                result = UNDETERMINED
        return result

    def explain(exhibits: Exhibits) -> list[Leaf]:
        truth, views = ask(exhibits), views_of(exhibits, within)
        if truth is FALSE:
            return []
        if views is None:
            causes = (Cause(kind="fact", name="shots", state="unknown"),)
            return [Leaf(says=f"within {within}", truth=truth.word, causes=causes)]
        return _merged(leaf for view in views if every.ask(view) is truth for leaf in every.explain(view))

    return Compiled(ask, explain)


def _merged(leaves: Iterable[Leaf]) -> list[Leaf]:
    """Put together what the same question found in several parts of the clip."""
    found: dict[tuple[str, str], list[Leaf]] = {}
    for leaf in leaves:
        found.setdefault((leaf.says, leaf.truth), []).append(leaf)
    return [_one(same) for same in found.values()]


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

    return Compiled(ask, _explaining(ask, parts))


def _explaining(ask: Ask, parts: tuple[Compiled, ...]) -> Explain:
    def explain(exhibits: Exhibits) -> list[Leaf]:
        if ask(exhibits) is FALSE:
            return []
        return [leaf for part in parts for leaf in part.explain(exhibits)]

    return explain


def _inverse(part: Compiled) -> Compiled:
    def ask(exhibits: Exhibits) -> Truth:
        return opposite(part.ask(exhibits))

    def explain(exhibits: Exhibits) -> list[Leaf]:
        # What held inside a `not` is no evidence for the rule; what was open inside it is why the rule is open.
        if part.ask(exhibits) is not UNDETERMINED:
            return []
        return [leaf for leaf in part.explain(exhibits) if leaf.truth == UNDETERMINED.word]

    return Compiled(ask, explain)
