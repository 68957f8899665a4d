"""How much work a set of rules may be for one clip, with everything written out. Counts conditions, judges none."""

from collections.abc import Iterable, Iterator
from typing import Final

from moderation.policy.model import All, AnyOf, Condition, ExpressionLeaf, Not, Policy, Rule

#: Questions of all rules together, each in all its variants: a clip that does not say its market is asked all of them.
MAX_WEIGHT: Final = 50_000
#: An expression may loop over samples: it counts for as many questions.
EXPRESSION_WEIGHT: Final = 100


def too_heavy(policies: Iterable[Policy]) -> Iterator[tuple[str, Rule]]:
    """Yield area and rule with which the rules together become too much; nothing when they do not."""
    known: dict[int, int] = {}
    total = 0
    for policy in policies:
        for _, rule in policy.variants:
            conditions = (rule.when, *(exception.when for exception in rule.exceptions))
            total += sum(_weight(condition, known) for condition in conditions)
            if total > MAX_WEIGHT:
                yield policy.area, rule
                return


def _weight(condition: Condition, known: dict[int, int]) -> int:
    """Count a condition's questions. What a macro stands for is one object wherever it is used, and counted once."""
    if id(condition) not in known:
        known[id(condition)] = _counted(condition, known)
    return known[id(condition)]


def _counted(condition: Condition, known: dict[int, int]) -> int:
    match condition:
        case All(parts) | AnyOf(parts):
            return sum(_weight(part, known) for part in parts)
        case Not(part):
            return _weight(part, known)
        case ExpressionLeaf():
            return EXPRESSION_WEIGHT
        case _:
            return 1
