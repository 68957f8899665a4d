"""What moved far since another version of the folder, or asks for less: it wants a backtest. Reads two rulesets."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from moderation.policy.engine import Ruleset
from moderation.policy.loader import POLICY, Folder, UnusablePolicies, load_ruleset
from moderation.policy.model import All, AnyOf, Condition, Finding, Not, Rule, SignalLeaf
from moderation.policy.rivals import of_rule

#: A line may move by this share of its signal's range before somebody has to see what that does.
FREE_SHARE: Final = 0.05
_CODE: Final = "moved-without-backtest"
_UNSEEN: Final = "and nobody saw what that does"
_INSTEAD: Final = "run a backtest and hand its file over with --backtest"
_MAX_BYTES: Final = 64 * 1024 * 1024


def find_drift(folder: Folder, ruleset: Ruleset, against: Path, backtest: Path | None) -> list[Finding]:
    """Return rules that moved far from those in `against`, ask for less, or are gone; none that `backtest` looked at.

    A rule is known again by its name, a question by its signal and its place among the rule's questions on it.
    """
    if ruleset.version in _named(backtest):
        return []
    try:
        before = load_ruleset(against)
    except UnusablePolicies as error:
        message = f"there is nothing to compare with: {error.findings[0]}"
        return [Finding(path=folder.root, line=1, column=1, code="no-base", message=message)]
    old = {(judge.policy, judge.rule.name): judge.rule for judge in before.judges}
    found = []
    for judge in ruleset.judges:
        was = old.get((judge.policy, judge.rule.name))
        path = folder.name(f"{judge.policy}/{POLICY}")
        found += [] if was is None else [*_weakened(was, judge.rule, path), *_moved(was, judge.rule, path, ruleset)]
    now = {(judge.policy, judge.rule.name) for judge in ruleset.judges}
    gone = [key for key, rule in old.items() if key not in now and rule.mode == "enforce"]
    return [*found, *(_gone(folder, area, name) for area, name in gone)]


def _weakened(was: Rule, rule: Rule, path: str) -> Iterator[Finding]:
    """Yield what a rule does less than before: it acts no more, or asks for less."""
    if was.mode == "enforce" and rule.mode == "shadow":
        yield of_rule(rule, path, _CODE, f"`{rule.name}` acted and is in shadow now, {_UNSEEN}", _INSTEAD)
    elif rule.then.outcome.strictness < was.then.outcome.strictness:
        less = f"`{rule.name}` asked for `{was.then.outcome}` and asks for `{rule.then.outcome}` now"
        yield of_rule(rule, path, _CODE, f"{less}, {_UNSEEN}", _INSTEAD)


def _gone(folder: Folder, area: str, name: str) -> Finding:
    path = folder.name(f"{area}/{POLICY}")
    message = f"`{area}.{name}` acted in the other folder and is gone, {_UNSEEN}"
    return Finding(path=path, line=1, column=1, code=_CODE, message=message, suggestion=_INSTEAD)


def _moved(was: Rule, rule: Rule, path: str, ruleset: Ruleset) -> Iterator[Finding]:
    before, after = dict(_lines(was.when)), dict(_lines(rule.when))
    for place, leaf in after.items():
        entry, old = ruleset.vocabulary.signals.get(leaf.signal), before.get(place)
        if entry is None or old is None:
            continue
        if abs(old.threshold - leaf.threshold) > FREE_SHARE * (entry.high - entry.low):
            moved = f"moved from {old.threshold:g} to {leaf.threshold:g}"
            yield of_rule(rule, path, _CODE, f"the line of `{rule.name}` on {leaf.signal} {moved}, {_UNSEEN}", _INSTEAD)


def _lines(condition: Condition) -> Iterator[tuple[tuple[str, int], SignalLeaf]]:
    count: dict[str, int] = {}
    for leaf in signal_leaves(condition):
        count[leaf.signal] = count.get(leaf.signal, 0) + 1
        yield (leaf.signal, count[leaf.signal]), leaf


def signal_leaves(condition: Condition) -> Iterator[SignalLeaf]:
    """Yield the questions that a condition asks of signals, in the order of the text."""
    match condition:
        case SignalLeaf():
            yield condition
        case All(parts) | AnyOf(parts):
            for part in parts:
                yield from signal_leaves(part)
        case Not(part):
            yield from signal_leaves(part)


def _named(backtest: Path | None) -> frozenset[str]:
    """Return every text in a backtest's file: the versions that it compared are among them."""
    if backtest is None or not backtest.is_file() or backtest.stat().st_size > _MAX_BYTES:
        return frozenset()
    try:
        return frozenset(_texts(json.loads(backtest.read_text(encoding="utf-8"))))
    except (ValueError, RecursionError):
        return frozenset()


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)
