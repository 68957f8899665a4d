"""Which rules provably mean the same although they are written otherwise. By structure only: it tries no facts."""

from dataclasses import replace
from typing import TypeVar

from detectors.base import FaceState
from moderation.policy.model import All, AnyOf, Anywhere, Condition, Not, OftenIn, PersonLeaf, Rule, SignalLeaf

_Word = TypeVar("_Word", bound=str)


def same(one: Rule, other: Rule) -> bool:
    """Tell whether two rules provably mean the same."""
    return _written(one) == _written(other)


def _written(rule: Rule) -> Rule:
    exceptions = tuple(replace(exception, when=normal(exception.when)) for exception in rule.exceptions)
    return replace(rule, when=normal(rule.when), exceptions=exceptions)


def normal(condition: Condition) -> Condition:
    """Write a condition in a form in which some that mean the same look the same."""
    match condition:
        case All() | AnyOf():
            return _branch(condition)
        case Not(Not(part)):
            return normal(part)
        case Not(part):
            return Not(normal(part))
        case SignalLeaf(quantifier=OftenIn(hits=1)):
            return replace(condition, quantifier=Anywhere())
        case PersonLeaf():
            return _person(condition)
        case _:
            return condition


def _branch(branch: All | AnyOf) -> Condition:
    """Flatten branches of one kind, and put parts in order, each once. What must share something stays together."""
    parts = tuple(map(normal, branch.parts))
    if isinstance(branch, All) and branch.within is not None:
        return All(parts, branch.within)
    flat: dict[Condition, None] = {}
    for part in parts:
        alike = isinstance(part, type(branch)) and not (isinstance(part, All) and part.within is not None)
        flat |= dict.fromkeys(part.parts if alike and isinstance(part, All | AnyOf) else (part,))
    ordered = tuple(sorted(flat, key=repr))
    return ordered[0] if len(ordered) == 1 else type(branch)(ordered)


def _person(leaf: PersonLeaf) -> PersonLeaf:
    named = leaf.kinds or leaf.consents or leaf.declared is not None
    # What is meant when no face is named.
    usual = (FaceState.MATCHED, FaceState.POSSIBLE) if named else tuple(FaceState)
    return replace(
        leaf, faces=_ordered(leaf.faces or usual), kinds=_ordered(leaf.kinds), consents=_ordered(leaf.consents)
    )


def _ordered(words: tuple[_Word, ...]) -> tuple[_Word, ...]:
    return tuple(sorted(set(words)))
