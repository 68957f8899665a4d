"""Conditions compiled to closures over one clip's facts: first the truth, then, for what fired, the evidence."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import assert_never

from moderation.decisions import Leaf
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
)
from moderation.policy.speaking import compile_voice
from moderation.policy.truth import FALSE, TRUE, UNDETERMINED, Truth, opposite

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
        case All(parts):
            return _every(tuple(map(compile_condition, parts)))
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
