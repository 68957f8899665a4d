"""The number on which one record turns: up to which threshold a rule's condition holds there. Pure."""

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, cast

from moderation.errors import Unprocessable
from moderation.policy.conditions import Compiled, compile_condition
from moderation.policy.engine import Ruleset
from moderation.policy.exhibits import Exhibits
from moderation.policy.model import Condition, Not, Policy, Rule, SignalLeaf
from moderation.policy.truth import TRUE
from moderation.rehearsing.outlines import case_queue

#: Comparators under which a higher threshold is met less often, and those under which it is met more often.
FALLING = frozenset({"at_least", "above"})
RISING = frozenset({"at_most", "below"})
#: Beyond every value a signal can have.
BEYOND = 1e12
#: Signals are rounded to this, so that nothing lies between two neighbours.
STEP = 1e-4


@dataclass(frozen=True, slots=True, kw_only=True)
class Dial:
    """One threshold of one rule, to be turned."""

    policy: Policy
    rule: Rule
    leaf: SignalLeaf

    @property
    def name(self) -> str:
        """The rule as it is named everywhere."""
        return f"{self.policy.area}.{self.rule.name}"

    @property
    def queue(self) -> str:
        """Where the rule's cases go."""
        return self.rule.then.queue or self.policy.queue

    @property
    def falling(self) -> bool:
        """Whether a higher threshold means fewer clips."""
        return self.leaf.comparator in FALLING

    def admitting(self, value: float) -> float:
        """Return the tightest threshold that the value still meets."""
        return round(value + {"above": -STEP, "below": STEP}.get(self.leaf.comparator, 0.0), 4)

    def refusing(self, value: float) -> float:
        """Return the loosest threshold that the value does not meet."""
        return round(self.admitting(value) + (STEP if self.falling else -STEP), 4)

    def condition(self, threshold: float) -> Condition:
        """Return the rule's condition with another threshold."""
        turned = replace(self.leaf, threshold=threshold)
        return cast("Condition", _exchanged(self.rule.when, self.leaf, turned))

    def ruleset(self, ruleset: Ruleset, threshold: float) -> Ruleset:
        """Return the policies with another threshold here; their version says nothing any more."""
        rule = replace(self.rule, when=self.condition(threshold))
        rules = tuple(rule if each.name == self.rule.name else each for each in self.policy.rules)
        policies = (
            replace(policy, rules=rules) if policy.area == self.policy.area else policy for policy in ruleset.policies
        )
        return Ruleset.of(policies, vocabulary=ruleset.vocabulary)


def find_dial(ruleset: Ruleset, named: str) -> Dial:
    """Find the threshold of `area.rule`, or of `area.rule:signal` where the rule asks several signals.

    Raises Unprocessable for what is not there, ambiguous, or not monotone (`equals`, or inside a `not`), and for a
    rule that asks nobody.
    """
    rule_name, _, signal = named.partition(":")
    area, _, name = rule_name.partition(".")
    for policy in ruleset.policies:
        for rule in policy.rules:
            if (policy.area, rule.name) == (area, name):
                return Dial(policy=policy, rule=rule, leaf=_leaf_to_turn(rule, rule_name, signal))
    known = ", ".join(f"{p.area}.{r.name}" for p in ruleset.policies for r in p.rules if p.area == area)
    raise Unprocessable(f"there is no rule {rule_name}" + (f"; {area} has {known}" if known else ""))


def _leaf_to_turn(rule: Rule, rule_name: str, signal: str) -> SignalLeaf:
    if rule.mode == "shadow":
        raise Unprocessable(f"{rule_name} is in shadow: it fills no queue")
    if case_queue(rule.then.outcome, rule.then.queue) is None:
        raise Unprocessable(f"{rule_name} sends nothing to people: no threshold of it fills a queue")
    leaves = [leaf for leaf in dict.fromkeys(_leaves(rule.when)) if signal in ("", leaf.signal)]
    if not leaves:
        raise Unprocessable(f"{rule_name} compares no signal {signal}".rstrip() + " with a number")
    if len(leaves) > 1:
        signals = sorted({leaf.signal for leaf in leaves})
        more = (
            f"name one: {', '.join(f'{rule_name}:{name}' for name in signals)}"
            if len(signals) > 1
            else "turn it by hand"
        )
        raise Unprocessable(f"{rule_name} has several thresholds; {more}")
    if leaves[0].comparator not in FALLING | RISING or leaves[0] in _denied(rule.when):
        raise Unprocessable(f"{rule_name}: a threshold under `equals` or inside `not` cannot be searched for")
    return leaves[0]


def _parts(node: object) -> Iterator[Any]:
    """Give what a condition is made of: dataclasses and tuples of them, whatever kinds there are."""
    if dataclasses.is_dataclass(node):
        for field in dataclasses.fields(node):
            yield getattr(node, field.name)
    elif isinstance(node, tuple):
        yield from node


def _leaves(node: object) -> Iterator[SignalLeaf]:
    if isinstance(node, SignalLeaf):
        yield node
        return
    for part in _parts(node):
        yield from _leaves(part)


def _denied(node: object) -> Iterator[SignalLeaf]:
    if isinstance(node, Not):
        yield from _leaves(node)
        return
    for part in _parts(node):
        yield from _denied(part)


def _exchanged(node: object, old: SignalLeaf, new: SignalLeaf) -> object:
    if node == old:
        return new
    if isinstance(node, tuple):
        return tuple(_exchanged(part, old, new) for part in node)
    if not dataclasses.is_dataclass(node) or isinstance(node, type):
        return node
    changed = {
        field.name: exchanged
        for field in dataclasses.fields(node)
        if field.init and (exchanged := _exchanged(part := getattr(node, field.name), old, new)) is not part
    }
    return replace(node, **changed) if changed else node


def turning_point(dial: Dial, exhibits: Exhibits, probes: dict[float, Compiled]) -> float | None:
    """Return the last of the record's own values at which the rule holds, by bisection; None when it holds at none.

    The condition is monotone in the threshold, so that value is the greatest where higher means fewer, else the least.
    `probes` keeps compiled conditions between records.
    """
    values = sorted({value for series in exhibits.series(dial.leaf.signal) for value in (*series.lows, *series.highs)})
    if not dial.falling:
        values.reverse()
    held = _count_held(values, lambda value: _probe(dial, value, probes).ask(exhibits) is TRUE)
    return values[held - 1] if held else None


def _count_held(values: list[float], holds: Callable[[float], bool]) -> int:
    """Return how many of the first values hold; none holds after one that does not."""
    low, high = 0, len(values)
    while low < high:
        middle = (low + high) // 2
        if holds(values[middle]):
            low = middle + 1
        else:
            high = middle
    return low


def _probe(dial: Dial, value: float, probes: dict[float, Compiled]) -> Compiled:
    found = probes.get(value)
    if found is None:
        found = probes[value] = compile_condition(dial.condition(dial.admitting(value)))
    return found
