"""Rules beside one another: which one never matters, which can never fire, which say the same. Looks at one area."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final

from moderation.decisions import Outcome
from moderation.policy.implication import always, implies, impossible, ordered
from moderation.policy.model import (
    All,
    AnyOf,
    Condition,
    ExpressionLeaf,
    FactLeaf,
    Finding,
    Not,
    PersonLeaf,
    Policy,
    Rule,
    SignalLeaf,
    VoiceLeaf,
)
from moderation.policy.registry import Vocabulary

#: Pairs of rules that are compared in one area. What lies beyond is not looked at, so that lint stays quick.
MAX_PAIRS: Final = 40_000
#: A rule needs others to be of interest in the first place: what its condition asks about.
_Key = tuple[str, str]


def find_rivals(policy: Policy, path: str, vocabulary: Vocabulary) -> Iterator[Finding]:
    """Yield what is wrong between the rules of an area, and with conditions that are never or always met."""
    twins = dict(_twins(policy.rules))
    for rule, twin in twins.items():
        instead = f"remove one of `{twin.name}` and `{rule.name}`, or put both into one"
        yield of_rule(rule, path, "duplicate-condition", f"`{rule.name}` asks what `{twin.name}` asks", instead)
    for _, rule in policy.variants:
        yield from _alone(rule, path, vocabulary)
    yield from _covered(policy, path, vocabulary, frozenset(rule.name for rule in twins))


def of_rule(rule: Rule, path: str, code: str, message: str, suggestion: str = "") -> Finding:
    """Return a finding at a rule's place."""
    return Finding(path=path, line=rule.line, column=rule.column, code=code, message=message, suggestion=suggestion)


def _twins(rules: Iterable[Rule]) -> Iterator[tuple[Rule, Rule]]:
    first: dict[Condition, Rule] = {}
    for rule in rules:
        twin = first.setdefault(ordered(rule.when), rule)
        if twin is not rule:
            yield rule, twin


def _alone(rule: Rule, path: str, vocabulary: Vocabulary) -> Iterator[Finding]:
    if why := impossible(rule.when, vocabulary):
        message = f"`{rule.name}` can never fire: {why}"
        yield of_rule(rule, path, "unreachable-rule", message, "change what contradicts, or remove the rule")
    elif why := always(rule.when, vocabulary):
        message = f"`{rule.name}` fires on every clip: {why}"
        yield of_rule(rule, path, "always-fires", message, "move the line, or remove the rule")


def _covered(policy: Policy, path: str, vocabulary: Vocabulary, known: frozenset[str]) -> Iterator[Finding]:
    """Yield rules that another rule makes pointless, each with one of those that do."""
    index = _Index(policy.rules)
    left = MAX_PAIRS
    for rule in policy.rules:
        if rule.name in known:
            continue
        for other in index.wider(rule):
            left -= 1
            if left < 0:
                return
            found = _verdict(rule, other, path, vocabulary)
            if found is not None:
                yield found
                break


def _verdict(rule: Rule, other: Rule, path: str, vocabulary: Vocabulary) -> Finding | None:
    shadowed = _outdoes(other, rule, vocabulary)
    overlapping = rule.then.outcome.strictness < Outcome.REVIEW.strictness and other.then.outcome is Outcome.BLOCK
    if not (shadowed or overlapping) or other.mode != "enforce" or not implies(rule.when, other.when):
        return None
    if ordered(rule.when) == ordered(other.when):
        return None
    always_with = f"whenever `{rule.name}` fires, `{other.name}` fires too"
    if overlapping and not shadowed:
        message = f"{always_with} and blocks: what `{rule.name}` {rule.then.outcome}s is never published"
        return of_rule(rule, path, "overlap", message, f"narrow `{other.name}`, or remove `{rule.name}`")
    message = f"{always_with} and asks for as much: `{rule.name}` changes nothing"
    return of_rule(rule, path, "shadowed-rule", message, f"remove `{rule.name}`, or narrow `{other.name}`")


def _outdoes(strong: Rule, weak: Rule, vocabulary: Vocabulary) -> bool:
    """Tell whether everything that follows the weak rule follows the strong one anyway."""
    more, less = strong.then, weak.then
    asks = less.outcome.strictness >= Outcome.REVIEW.strictness
    return (
        more.outcome.strictness >= less.outcome.strictness
        and strong.on_undetermined.strictness >= weak.on_undetermined.strictness
        and set(less.reasons) <= set(more.reasons)
        and set(less.notes) <= set(more.notes)
        and more.audience.narrowed(less.audience) == more.audience
        and (not asks or vocabulary.rank(more.queue) <= vocabulary.rank(less.queue))
        and (not asks or more.priority >= less.priority)
        and _holds_wherever(strong, weak)
    )


def _holds_wherever(strong: Rule, weak: Rule) -> bool:
    more, less = strong.then, weak.then
    sooner = less.deadline_s is None or (more.deadline_s is not None and more.deadline_s <= less.deadline_s)
    markets = not more.markets or (less.markets and set(less.markets) <= set(more.markets))
    seen = not more.visibility or (less.visibility and set(less.visibility) <= set(more.visibility))
    same = strong.exceptions in ((), weak.exceptions) and (strong.mode == "enforce" or weak.mode == "shadow")
    return bool(sooner and markets and seen and same and more.sample_rate >= less.sample_rate)


class _Index:
    """Rules by what they ask about, so that a rule is compared only with those that could be wider than it."""

    def __init__(self, rules: tuple[Rule, ...]) -> None:
        self._count = Counter(key for rule in rules for key in _keys(rule.when))
        self._by_key: dict[_Key, list[Rule]] = {}
        for rule in self._widest(rules):
            for key in self._entry(rule.when):
                self._by_key.setdefault(key, []).append(rule)

    def wider(self, rule: Rule) -> Iterator[Rule]:
        """Yield the rules of which one may hold whenever this one does."""
        seen = {rule.name}
        for key in sorted(_keys(rule.when)):
            for other in self._by_key.get(key, ()):
                if other.name not in seen:
                    seen.add(other.name)
                    yield other

    def _widest(self, rules: tuple[Rule, ...]) -> Iterator[Rule]:
        """Of rules that differ only in the line of their one question, keep the two widest: they speak for all."""
        groups: dict[object, list[Rule]] = {}
        for rule in rules:
            groups.setdefault(_shape(rule), []).append(rule)
        for alike in groups.values():
            alike.sort(key=_width)
            yield from alike[:2] if isinstance(alike[0].when, SignalLeaf) else alike

    def _entry(self, condition: Condition) -> frozenset[_Key]:
        """Return keys of which a narrower condition must have one: of an `all` those of its rarest part."""
        match condition:
            case All(parts):
                return min((self._entry(part) for part in parts), key=lambda keys: sum(map(self._count.get, keys)))  # type: ignore[arg-type]
            case AnyOf(parts):
                return frozenset().union(*map(self._entry, parts))
            case _:
                return _keys(condition)


def _shape(rule: Rule) -> object:
    if not isinstance(rule.when, SignalLeaf):
        return rule.name
    then = rule.then
    leaf = (rule.when.signal, rule.when.comparator, rule.when.quantifier)
    return leaf, then, rule.on_undetermined, rule.exceptions, rule.mode


def _width(rule: Rule) -> float:
    if not isinstance(rule.when, SignalLeaf):
        return 0.0
    return rule.when.threshold if rule.when.comparator in ("at_least", "above") else -rule.when.threshold


def _keys(condition: Condition) -> frozenset[_Key]:
    """Return what the condition asks about, in whatever branch."""
    match condition:
        case All(parts) | AnyOf(parts):
            return frozenset().union(*map(_keys, parts))
        case Not(part):
            return frozenset(("not", name) for _, name in _keys(part))
        case SignalLeaf(signal=name) | FactLeaf(fact=name) | ExpressionLeaf(text=name):
            return frozenset({(type(condition).__name__, name)})
        case PersonLeaf() | VoiceLeaf():
            return frozenset({(type(condition).__name__, "")})
