"""Small wrong turns of overlays: what is otherwise in some markets is tried like the rules. Judges nothing."""

from collections.abc import Iterator
from dataclasses import replace

from moderation.policy.branches import flow
from moderation.policy.dialect import Dialect, entry
from moderation.policy.mutants import (
    Change,
    action_mutants,
    change_at,
    condition_mutants,
    drop,
    put,
    rule_mutants,
    take,
)
from moderation.policy.source import Mapping, Node, Scalar, Sequence

#: What a case cannot tell: which clips the sample takes is for their ids to say.
_UNSEEN = ("sample_rate",)
_ADVICE = "add one of its markets that comes out otherwise there"
_KEPT_APART = ("rule", "off", "signals", "when", "then")


def overlay_mutants(tree: Mapping, queue: str, dialect: Dialect) -> Iterator[tuple[str, str, Change]]:
    """Yield overlay, rule and change of every mutant of an area's overlays; each change's node is the whole file."""
    listed = entry(tree, "overlays")
    for index, overlay in enumerate(listed.items if isinstance(listed, Sequence) else ()):
        assert isinstance(listed, Sequence)
        rest = listed.items[:index] + listed.items[index + 1 :]
        without = put(tree, "overlays", replace(listed, items=rest)) if rest else take(tree, "overlays")
        tells = f"the overlay `{_word(overlay, 'overlay')}` from none"
        for rule in _rules(overlay):
            yield _word(overlay, "overlay"), rule, change_at(overlay, without, "overlay", tells, _ADVICE)
        for rule, change in _of_overlay(overlay, queue, dialect):
            items = (*listed.items[:index], change.node, *listed.items[index + 1 :])
            yield (
                _word(overlay, "overlay"),
                rule,
                replace(change, node=put(tree, "overlays", replace(listed, items=items))),
            )


def _of_overlay(overlay: Node, queue: str, dialect: Dialect) -> Iterator[tuple[str, Change]]:
    if not isinstance(overlay, Mapping):
        return
    for section, of_item in (("change", _of_change), ("rules", rule_mutants)):
        listed = entry(overlay, section)
        for index, item in enumerate(listed.items if isinstance(listed, Sequence) else ()):
            assert isinstance(listed, Sequence)
            before, after = listed.items[:index], listed.items[index + 1 :]
            if before or after:
                without = put(overlay, section, replace(listed, items=(*before, *after)))
                tells = f"`{section}` with `{_word(item, 'rule')}` from `{section}` without it"
                yield _word(item, "rule"), change_at(item, without, "overlay", tells, _ADVICE)
            for change in of_item(item, queue, dialect) if isinstance(item, Mapping) else ():
                changed = put(overlay, section, replace(listed, items=(*before, change.node, *after)))
                yield _word(item, "rule"), replace(change, node=changed)


def _rules(overlay: Node) -> list[str]:
    """Name the rules that an overlay changes or adds."""
    sections = (entry(overlay, "change"), entry(overlay, "rules"))
    return [_word(item, "rule") for listed in sections if isinstance(listed, Sequence) for item in listed.items]


def _word(node: Node, key: str) -> str:
    value = entry(node, key)
    return str(value.value) if isinstance(value, Scalar) else ""


def _of_change(item: Mapping, queue: str, dialect: Dialect) -> Iterator[Change]:
    for key, value in item.entries:
        if key.value == "when":
            for change in condition_mutants(value, dialect):
                yield replace(change, node=put(item, "when", change.node))
        if key.value == "then" and isinstance(value, Mapping):
            yield from _of_then(item, value, queue, dialect)
        if key.value == "signals" and isinstance(value, Mapping):
            yield from _of_signals(item, value, dialect)
        if key.value not in _KEPT_APART:
            yield drop(item, str(key.value), "outcome", _ADVICE)


def _of_then(item: Mapping, then: Mapping, queue: str, dialect: Dialect) -> Iterator[Change]:
    for change in action_mutants(then, queue, dialect.vocabulary):
        yield replace(change, node=put(item, "then", change.node))
    for key, value in then.entries:
        if len(then.entries) > 1 and key.value not in _UNSEEN:
            tells = f"`{key.value}: {flow(value)}` from what the rule itself says"
            changed = put(item, "then", take(then, str(key.value)))
            yield change_at(value, changed, "part", tells, _ADVICE)


def _of_signals(item: Mapping, signals: Mapping, dialect: Dialect) -> Iterator[Change]:
    for name, measure in signals.entries:
        if not isinstance(measure, Mapping):
            continue
        leaf = replace(measure, entries=((replace(name, value="signal"), name), *measure.entries))
        for change in condition_mutants(leaf, dialect):
            if isinstance(change.node, Mapping):
                back = put(signals, str(name.value), take(change.node, "signal"))
                yield replace(change, node=put(item, "signals", back))
