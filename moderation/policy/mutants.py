"""Small wrong turns of a rule, one at a time, made on the text's tree so that each has a place. Judges nothing.

What a step is: 0.05 on scales of up to 4 and on shares, 1 on larger scales (years, counts), a twentieth of large
numbers; for durations 250 ms, the usual distance of samples, or half of what is shorter. A mutant that the language
refuses is still made here; who reads it leaves it out.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from moderation.policy.actions import LABELS
from moderation.policy.branches import flow
from moderation.policy.dialect import Dialect, entry
from moderation.policy.fields import Fields
from moderation.policy.grammar import read_duration
from moderation.policy.model import COMPARATORS, Comparator
from moderation.policy.registry import Vocabulary
from moderation.policy.source import Mapping, Node, Scalar, Sequence
from moderation.policy.timeline import COMPARE

Kind = Literal[
    "threshold", "comparator", "quantifier", "branch", "part", "operand", "outcome", "reason", "queue",
    "exception", "overlay",
]  # fmt: skip

#: Where a comparator slips to: over the line itself, and to the other side.
_SLIPS: dict[str, tuple[str, str]] = {
    "at_least": ("above", "at_most"),
    "above": ("at_least", "below"),
    "at_most": ("below", "at_least"),
    "below": ("at_most", "above"),
    "equals": ("at_least", "at_most"),
}
_STRICT = {("at_least", "above"), ("above", "at_least"), ("at_most", "below"), ("below", "at_most")}
_OUTCOMES = ("allow", "restrict", "review", "block")
#: What of an expression is turned: quoted texts are left alone.
_OPERATORS: dict[str, tuple[str, ...]] = {
    ">=": (">", "<="),
    "<=": ("<", ">="),
    ">": (">=", "<"),
    "<": ("<=", ">"),
    "==": ("!=",),
    "!=": ("==",),
    "&&": ("||",),
    "||": ("&&",),
}
_TOKEN = re.compile(r"(?<![\w.])\d+(?:\.\d+)?(?![\w.])|>=|<=|==|!=|&&|\|\||(?<!-)>|<")
_LARGE = 100
_STEP_MS = 250


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One wrong turn: the node it leaves behind, what it did, and what a case must show to tell the difference."""

    node: Node
    kind: Kind
    #: "`at_least: 0.8` from `at_least: 0.85`"
    tells: str
    advice: str
    line: int
    column: int

    def to_json(self) -> dict[str, object]:
        return {
            "kind": self.kind,
            "line": self.line,
            "column": self.column,
            "tells": self.tells,
            "advice": self.advice,
        }


def rule_mutants(rule: Mapping, queue: str, dialect: Dialect) -> Iterator[Change]:
    """Yield every mutant of a rule; each change's node is the whole rule. `queue` is the area's own."""
    for key, value in rule.entries:
        if key.value == "when":
            yield from _within(rule, "when", condition_mutants(value, dialect))
        if key.value == "then" and isinstance(value, Mapping):
            yield from _within(rule, "then", action_mutants(value, queue, dialect.vocabulary))
        if key.value == "on_undetermined":
            yield drop(rule, "on_undetermined", "outcome", "add one in which it cannot be told")
        if key.value == "exceptions" and isinstance(value, Sequence):
            yield from _exceptions(rule, value, dialect)


def _exceptions(rule: Mapping, listed: Sequence, dialect: Dialect) -> Iterator[Change]:
    for index, item in enumerate(listed.items):
        if not isinstance(item, Mapping):
            continue
        name = flow(entry(item, "exception") or item)
        rest = listed.items[:index] + listed.items[index + 1 :]
        without = put(rule, "exceptions", replace(listed, items=rest)) if rest else take(rule, "exceptions")
        advice = "add one that only the exception lets through"
        yield change_at(item, without, "exception", f"the exception `{name}` from none", advice)
        when = entry(item, "when")
        for change in condition_mutants(when, dialect) if when else ():
            items = (*listed.items[:index], put(item, "when", change.node), *listed.items[index + 1 :])
            yield replace(change, node=put(rule, "exceptions", replace(listed, items=items)))


def _within(node: Mapping, key: str, changes: Iterator[Change]) -> Iterator[Change]:
    return (replace(change, node=put(node, key, change.node)) for change in changes)


def put(node: Mapping, key: str, value: Node | str | float | bool) -> Mapping:  # noqa: FBT001 - a value of a policy
    """Return the mapping with this value under the key, at the end where the key is new."""
    new = value if isinstance(value, Scalar | Sequence | Mapping) else _scalar(node, value)
    if entry(node, key) is None:
        return replace(node, entries=(*node.entries, (_scalar(node, key), new)))
    return replace(node, entries=tuple((name, new if name.value == key else old) for name, old in node.entries))


def take(node: Mapping, *keys: str) -> Mapping:
    """Return the mapping without these keys."""
    return replace(node, entries=tuple((name, value) for name, value in node.entries if name.value not in keys))


def _scalar(at: Node, value: str | float | bool) -> Scalar:  # noqa: FBT001 - a value of a policy
    return Scalar(value=value, line=at.line, column=at.column)


def change_at(at: Node, node: Node, kind: Kind, tells: str, advice: str) -> Change:
    """Return a change that leaves `node` behind and stands at the place of `at`."""
    return Change(node=node, kind=kind, tells=tells, advice=advice, line=at.line, column=at.column)


def drop(node: Mapping, key: str, kind: Kind, advice: str) -> Change:
    """Return the mapping without this key as a change."""
    value = entry(node, key)
    tells = f"`{key}: {flow(value) if value else ''}` from none"
    return change_at(value or node, take(node, key), kind, tells, advice)


def condition_mutants(node: Node, dialect: Dialect) -> Iterator[Change]:
    """Yield every mutant of a condition: of its branches, and of every leaf. A macro is changed where it is used."""
    node = dialect.written_out(node)
    if not isinstance(node, Mapping):
        return
    for kind, other in (("all", "any"), ("any", "all")):
        if isinstance(parts := entry(node, kind), Sequence):
            yield from _branch(node, kind, other, parts, dialect)
            return
    if (inner := entry(node, "not")) is not None:
        advice = f"add one in which `{flow(inner)}` holds"
        yield change_at(node, inner, "branch", f"`not: {flow(inner)}` from the same without `not`", advice)
        yield from _within(node, "not", condition_mutants(inner, dialect))
        return
    yield from _leaf(node, dialect)


def _branch(node: Mapping, kind: str, other: str, parts: Sequence, dialect: Dialect) -> Iterator[Change]:
    if entry(node, "within") is not None:
        yield drop(node, "within", "quantifier", "add one in which the parts hold, and share nothing")
    if len(parts.items) > 1:
        turned = Mapping(entries=((_scalar(node, other), parts),), line=node.line, column=node.column)
        yield change_at(node, turned, "branch", f"`{kind}` from `{other}`", "add one in which one part alone holds")
    for index, part in enumerate(parts.items):
        if len(parts.items) > 1:
            rest = replace(parts, items=parts.items[:index] + parts.items[index + 1 :])
            held = "everything else holds and this does not" if kind == "all" else "this alone holds"
            tells = f"`{kind}` with `{flow(part)}` from `{kind}` without it"
            yield change_at(part, put(node, kind, rest), "part", tells, f"add one in which {held}")
        for change in condition_mutants(part, dialect):
            items = (*parts.items[:index], change.node, *parts.items[index + 1 :])
            yield replace(change, node=put(node, kind, replace(parts, items=items)))


def _leaf(node: Mapping, dialect: Dialect) -> Iterator[Change]:
    name = entry(node, "signal") or entry(node, "fact")
    subject = str(name.value) if isinstance(name, Scalar) else ""
    for key, value in node.entries:
        word = str(key.value)
        if word in ("signal", "fact"):
            continue
        if word in COMPARATORS and isinstance(value, Scalar) and _is_number(value.value):
            yield from _thresholds(node, subject, word, value, dialect)
            yield from _comparators(node, subject, word, value)
        elif word == "expr" and isinstance(value, Scalar):
            yield from _expression(node, value)
        else:
            yield from _operands(node, word, dialect.written_out(value))
            yield from _quantifiers(node, word, value)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _thresholds(node: Mapping, subject: str, word: str, value: Scalar, dialect: Dialect) -> Iterator[Change]:
    at = float(value.value or 0)
    step = step_of(subject, at, dialect.vocabulary)
    for moved in (round(at + step, 6), round(at - step, 6)):
        tells = f"`{word}: {at:g}` from `{word}: {moved:g}`"
        between = _between(word, at, moved, step)
        yield change_at(value, put(node, word, moved), "threshold", tells, f"add one with {subject} {between:g}")


def step_of(subject: str, threshold: float, vocabulary: Vocabulary) -> float:
    """Return how far the line of a signal or a fact is moved, in its own unit."""
    signal = vocabulary.signals.get(subject)
    if signal is not None:
        return 0.05 if signal.high - signal.low <= 4 else 1.0
    if subject.endswith("share") or threshold != int(threshold):
        return 0.05
    return 1.0 if threshold < _LARGE else float(round(threshold / 20))


def _between(word: str, at: float, moved: float, step: float) -> float:
    """Return a value that one line takes and the other does not."""
    compare = COMPARE[_comparator(word)]
    middle = round(at + (moved - at) * 0.4, 6)
    tried = (middle, at, moved) if step < 1 else (at, moved, middle)
    return next((number for number in tried if compare(number, at) is not compare(number, moved)), at)


def _comparator(word: str) -> Comparator:
    return next(comparator for comparator in COMPARATORS if comparator == word)


def _comparators(node: Mapping, subject: str, word: str, value: Scalar) -> Iterator[Change]:
    for other in _SLIPS[word]:
        slipped = replace(
            node, entries=tuple((_scalar(k, other) if k.value == word else k, v) for k, v in node.entries)
        )
        exactly = "exactly" if (word, other) in _STRICT else "on the other side of"
        tells = f"`{word}: {flow(value)}` from `{other}: {flow(value)}`"
        yield change_at(value, slipped, "comparator", tells, f"add one with {subject} {exactly} {flow(value)}")


def _operands(node: Mapping, word: str, value: Node) -> Iterator[Change]:
    if isinstance(value, Scalar) and isinstance(value.value, bool):
        flipped = put(node, word, not value.value)
        tells = f"`{word}: {flow(value)}` from `{word}: {flow(_scalar(value, not value.value))}`"
        yield change_at(value, flipped, "operand", tells, "add one of either")
    if entry(node, "fact") is not None and word in ("equals", "one_of") and not isinstance(_plain(value), bool):
        any_value = put(take(node, word), "known", value=True)
        tells = f"`{word}: {flow(value)}` from any value"
        yield change_at(value, any_value, "operand", tells, "add one with another value, which must not fire")
    if isinstance(value, Sequence) and len(value.items) > 1:
        for index, item in enumerate(value.items):
            rest = replace(value, items=value.items[:index] + value.items[index + 1 :])
            tells = f"`{word}` with `{flow(item)}` from `{word}` without it"
            yield change_at(
                item, put(node, word, rest), "operand", tells, f"add one with {flow(item)}, which must fire"
            )


def _plain(value: Node) -> object:
    return value.value if isinstance(value, Scalar) else None


def _quantifiers(node: Mapping, word: str, value: Node) -> Iterator[Change]:
    if len(node.entries) > 1 and word not in COMPARATORS and not _sole(node, word):
        kind: Kind = "quantifier" if entry(node, "signal") else "part"
        yield drop(node, word, kind, f"add one in which all but `{word}: {flow(value)}` holds")
    if word == "for":
        yield from _durations(node, value)
    if word == "in" and isinstance(value, Scalar):
        yield from _often(node, value)
    if word == "share_of_clip" and isinstance(value, Scalar) and _is_number(value.value):
        share = float(value.value or 0)
        for moved in (round(share + 0.05, 6), round(share - 0.05, 6)):
            tells = f"`share_of_clip: {share:g}` from `{moved:g}`"
            advice = f"add one in which it holds for {(share + moved) / 2:g} of the clip"
            yield change_at(value, put(node, word, moved), "quantifier", tells, advice)


def _sole(node: Mapping, word: str) -> bool:
    """Whether the key is what the leaf asks at all."""
    return entry(node, "fact") is not None and word in ("one_of", "known")


def _durations(node: Mapping, value: Node) -> Iterator[Change]:
    ms = read_duration(Fields(""), value, "for")
    if ms is None:
        return
    step = min(_STEP_MS, max(ms // 2, 1))
    for moved in (ms + step, ms - step):
        tells = f"`for: {ms}ms` from `for: {moved}ms`"
        advice = f"add one in which it holds for {min(ms, moved)} ms"
        yield change_at(value, put(node, "for", f"{moved}ms"), "quantifier", tells, advice)


def _often(node: Mapping, value: Scalar) -> Iterator[Change]:
    words = str(value.value).split(" of ")
    if len(words) != 2 or not all(word.isdigit() for word in words):
        return
    hits, window = map(int, words)
    moves = {
        (hits + 1, window): f"add one in which {hits} of {window} hold",
        (hits - 1, window): f"add one in which {hits - 1} of {window} hold",
        (hits, window + 1): f"add one in which {hits} hold among {window + 1} and no {hits} among {window}",
        (hits, window - 1): f"add one in which {hits} hold among {window} and no {hits} among {window - 1}",
    }
    for (more, among), advice in moves.items():
        tells = f"`in: {hits} of {window}` from `in: {more} of {among}`"
        yield change_at(value, put(node, "in", f"{more} of {among}"), "quantifier", tells, advice)


def _expression(node: Mapping, value: Scalar) -> Iterator[Change]:
    """Turn each comparison of an expression, move each number in it, and put `&&` for `||` and the other way."""
    text = str(value.value)
    for match in _TOKEN.finditer(text):
        old = match[0]
        for new in _turns(old):
            changed = f"{text[: match.start()]}{new}{text[match.end() :]}"
            tells = f"`{old}` from `{new}` in `{text}`"
            kind: Kind = "threshold" if old[0].isdigit() else "comparator"
            yield change_at(value, put(node, "expr", changed), kind, tells, "add one on either side of the difference")


def _turns(token: str) -> tuple[str, ...]:
    if not token[0].isdigit():
        return _OPERATORS[token]
    number, step = float(token), 0.05 if "." in token else 1.0
    moved = (round(number + step, 6), round(number - step, 6))
    return tuple(str(to if "." in token else int(to)) for to in moved if to >= 0)


def action_mutants(then: Mapping, queue: str, vocabulary: Vocabulary) -> Iterator[Change]:
    """Yield every mutant of what follows: another outcome, a reason, note or limit less, another queue."""
    outcome = entry(then, "outcome")
    said = str(outcome.value) if isinstance(outcome, Scalar) else ""
    for other in _OUTCOMES:
        if outcome is not None and other != said:
            advice = f"write `expect: {{outcome: {said}}}` where this rule alone fires"
            turned = _turned(then, other, vocabulary)
            yield change_at(outcome, turned, "outcome", f"`outcome: {said}` from `outcome: {other}`", advice)
    for key, known in (("reasons", vocabulary.reasons), ("notes", vocabulary.notes)):
        if isinstance(codes := entry(then, key), Sequence):
            yield from _codes(then, key, codes, list(known))
    if isinstance(labels := entry(then, "audience"), Sequence):
        yield from _codes(then, "audience", labels, list(LABELS))
    for key in ("visibility", "markets"):
        if entry(then, key) is not None:
            yield drop(then, key, "operand", "add one of another, which must not fire")
    if entry(then, "deadline") is not None:
        yield drop(then, "deadline", "operand", "write `deadline` under `expect` where this rule alone fires")
    if said in ("review", "block"):
        yield _requeued(then, queue, list(vocabulary.queues))


def _turned(then: Mapping, outcome: str, vocabulary: Vocabulary) -> Mapping:
    """Return the action with another outcome and what goes with it."""
    turned = put(then, "outcome", outcome)
    if outcome == "allow":
        return put(take(turned, "reasons"), "audience", _list(then, "not_for_teens"))
    if entry(turned, "reasons") is None:
        turned = put(turned, "reasons", _list(then, next(iter(vocabulary.reasons))))
    return put(turned, "audience", _list(then, "adults_only")) if outcome == "restrict" else turned


def _list(at: Node, word: str) -> Sequence:
    return Sequence(items=(_scalar(at, word),), line=at.line, column=at.column)


def _codes(then: Mapping, key: str, codes: Sequence, known: list[str]) -> Iterator[Change]:
    for index, code in enumerate(codes.items):
        rest = codes.items[:index] + codes.items[index + 1 :]
        if rest or key == "audience":
            changed = put(then, key, replace(codes, items=rest)) if rest else take(then, key)
            tells = f"`{key}` with `{flow(code)}` from `{key}` without it"
        else:
            other = next(word for word in known if word != _code(code))
            changed = put(then, key, _list(code, other))
            tells = f"`{key}: [{flow(code)}]` from `{key}: [{other}]`"
        advice = f"write `{key}` under `expect` where this rule alone fires"
        yield change_at(code, changed, "reason", tells, advice)


def _code(node: Node) -> str:
    inner = entry(node, "code") or node
    return str(inner.value) if isinstance(inner, Scalar) else ""


def _requeued(then: Mapping, queue: str, queues: list[str]) -> Change:
    """Return the action with another queue: the first of all, for the last would hide behind any other rule's."""
    named = entry(then, "queue")
    own = str(named.value) if isinstance(named, Scalar) else queue
    other = next(name for name in queues if name != own)
    tells = f"`queue: {own}` from `queue: {other}`"
    advice = f"write `expect: {{queue: {own}}}` where this rule alone fires"
    return change_at(named or then, put(then, "queue", other), "queue", tells, advice)
