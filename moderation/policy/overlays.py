"""Reads `overlays:`: what is otherwise in some markets or for some locales.

Overlays do not pile up: where several change one rule, each of their variants is asked, and the strictest wins.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from moderation.policy.actions import Area, check_block, read_action
from moderation.policy.fields import Fields
from moderation.policy.grammar import read_condition, read_measure
from moderation.policy.model import Action, All, AnyOf, Condition, Not, Overlay, Rule, SignalLeaf
from moderation.policy.regions import read_locales, read_markets
from moderation.policy.rules import read_name, read_rule, read_stricter
from moderation.policy.source import Mapping as MappingNode
from moderation.policy.source import Node

OVERLAY = ("overlay", "owner", "why", "markets", "locales", "change", "rules")
CHANGE = ("rule", "off", "signals", "when", "then", "on_undetermined")
_MAX_OVERLAYS = 100
_MAX_CHANGES = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class _Base:
    """What an area's overlays are laid over: its rules with the text of what follows each, by name."""

    area: Area
    rules: Mapping[str, Rule]
    thens: Mapping[str, Node]


@dataclass(frozen=True, slots=True)
class _Change:
    rule: str
    #: None switches the rule off.
    becomes: Rule | None


def read_overlays(area: Area, node: Node, rules: Mapping[str, Rule], thens: Mapping[str, Node]) -> tuple[Overlay, ...]:
    """Read the overlays of an area whose own rules have been read."""
    base = _Base(area=area, rules=rules, thens=thens)
    items = area.fields.items(node, "`overlays`")
    if len(items) > _MAX_OVERLAYS:
        area.fields.fault(node, "too-large", f"more than {_MAX_OVERLAYS} overlays in one area")
        return ()
    read: dict[str, Overlay] = {}
    for item in items:
        overlay = _overlay(base, item)
        if overlay is not None and overlay.name in read:
            area.fields.fault(item, "duplicate-name", f"the overlay `{overlay.name}` stands twice")
        if overlay is not None:
            read[overlay.name] = overlay
    overlays = tuple(read.values())
    if sum(len(overlay.touches) + len(overlay.added) for overlay in overlays) > _MAX_CHANGES:
        area.fields.fault(node, "too-large", f"the overlays of one area change more than {_MAX_CHANGES} rules")
        return ()
    return overlays


def _overlay(base: _Base, node: Node) -> Overlay | None:
    fields = base.area.fields
    found = fields.mapping(node, OVERLAY, ("overlay", "owner", "why"), "an overlay") or {}
    name = read_name(fields, found, "overlay")
    texts = {key: fields.text(found[key], f"`{key}`") if key in found else None for key in ("owner", "why")}
    if "markets" not in found and "locales" not in found:
        fields.fault(node, "missing-key", "an overlay says for which `markets` or `locales` it is")
    if "change" not in found and "rules" not in found:
        fields.fault(node, "missing-key", "an overlay has a `change` of rules, further `rules`, or both")
    changes = _changes(base, found["change"]) if "change" in found else {}
    added = _added(base, found["rules"]) if "rules" in found else ()
    if name is None:
        return None
    return Overlay(
        name=name,
        owner=texts["owner"] or "",
        why=texts["why"] or "",
        markets=read_markets(fields, found),
        locales=read_locales(fields, found),
        changed=tuple(change.becomes for change in changes.values() if change.becomes is not None),
        off=tuple(change.rule for change in changes.values() if change.becomes is None),
        added=added,
        line=node.line,
        column=node.column,
    )


def _added(base: _Base, node: Node) -> tuple[Rule, ...]:
    fields = base.area.fields
    added: dict[str, Rule] = {}
    for item in fields.items(node, "`rules`"):
        rule = read_rule(base.area, item)
        if rule is None:
            continue
        if rule.name in added or rule.name in base.rules:
            fields.fault(item, "duplicate-rule", f"the name `{rule.name}` is taken")
        added[rule.name] = rule
    return tuple(added.values())


def _changes(base: _Base, node: Node) -> dict[str, _Change]:
    fields = base.area.fields
    changes: dict[str, _Change] = {}
    for item in fields.items(node, "`change`"):
        change = _change(base, item)
        if change is not None and change.rule in changes:
            fields.fault(item, "duplicate-rule", f"`{change.rule}` is changed twice in one overlay")
        if change is not None:
            changes[change.rule] = change
    return changes


def _change(base: _Base, node: Node) -> _Change | None:
    fields = base.area.fields
    found = fields.mapping(node, CHANGE, ("rule",), "a change") or {}
    name = fields.word(found["rule"], "rule", base.rules, "unknown-rule") if "rule" in found else None
    rule = None if name is None else base.rules.get(name)
    if rule is None:
        return None
    if base.area.protects(rule.then):
        fields.fault(node, "protected-rule", "what protects minors or stops known illegal material is changed nowhere")
        return None
    if len(found) < 2:
        fields.fault(node, "no-effect", f"this changes nothing: give it one of {', '.join(CHANGE[1:])}")
        return None
    if "off" in found:
        return _switched_off(fields, found, rule)
    changed = _changed(base, found, rule, node)
    return None if changed is None else _Change(rule.name, changed)


def _switched_off(fields: Fields, found: Mapping[str, Node], rule: Rule) -> _Change | None:
    if len(found) > 2:
        fields.fault(found["off"], "several", "a rule that is switched off has no other changes")
    if fields.flag(found["off"], "`off`") is not True:
        fields.fault(found["off"], "wrong-value", "`off` can only be true: leave it out")
        return None
    return _Change(rule.name, None)


def _changed(base: _Base, found: Mapping[str, Node], rule: Rule, node: Node) -> Rule | None:
    area, fields = base.area, base.area.fields
    fields.names.leaves = 0
    if fields.only_one(found, ("when", "signals"), node, "a change") == "when":
        when = read_condition(fields, found["when"], area.vocabulary)
    else:
        when = _measured(area, found["signals"], rule.when) if "signals" in found else rule.when
    then = _merged(base, found["then"], rule) if "then" in found else rule.then
    on_undetermined = read_stricter(fields, found, rule.on_undetermined)
    if when is None or then is None or not check_block(area, node, when, then):
        return None
    changed = replace(rule, when=when, then=then, on_undetermined=on_undetermined)
    return replace(changed, line=node.line, column=node.column)


def _merged(base: _Base, node: Node, rule: Rule) -> Action | None:
    """Read the rule's own `then` with the keys that the overlay gives instead or besides."""
    own = base.thens[rule.name]
    if not isinstance(node, MappingNode) or not isinstance(own, MappingNode):
        return read_action(base.area, node)
    given = {str(key.value) for key, _ in node.entries}
    kept = tuple(entry for entry in own.entries if str(entry[0].value) not in given)
    return read_action(base.area, replace(node, entries=(*kept, *node.entries)))


def _measured(area: Area, node: Node, when: Condition) -> Condition | None:
    """Change the one question that the condition asks of each signal named."""
    before = len(area.fields.findings)
    for key, value in area.fields.named(node, "`signals`"):
        signal = str(key.value)
        leaves = [leaf for leaf in _leaves(when) if leaf.signal == signal]
        if len(leaves) != 1:
            times = f"{len(leaves)} times" if leaves else "not"
            message = f"the rule asks of `{signal}` {times}, not once: write its whole `when`"
            area.fields.fault(key, "no-one-leaf", message)
            continue
        if not area.fields.names.admit(len(_leaves(when))):
            area.fields.fault(key, "too-large", "the rules of this area ask too many questions")
            return None
        leaf = read_measure(area.fields, value, leaves[0], area.vocabulary)
        when = when if leaf is None else _replaced(when, leaves[0], leaf)
    return when if len(area.fields.findings) == before else None


def _leaves(condition: Condition) -> list[SignalLeaf]:
    match condition:
        case SignalLeaf():
            return [condition]
        case All(parts) | AnyOf(parts):
            return [leaf for part in parts for leaf in _leaves(part)]
        case Not(part):
            return _leaves(part)
        case _:
            return []


def _replaced(condition: Condition, old: SignalLeaf, new: SignalLeaf) -> Condition:
    match condition:
        case All(parts) | AnyOf(parts):
            return replace(condition, parts=tuple(_replaced(part, old, new) for part in parts))
        case Not(part):
            return Not(_replaced(part, old, new))
        case _:
            return new if condition is old else condition
