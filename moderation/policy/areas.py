"""Reads one `policy.yaml`: head, names, rules and overlays, with every fault as a finding."""

from collections.abc import Mapping

from moderation.decisions import Outcome
from moderation.policy.actions import NAME, Area, read_queue
from moderation.policy.fields import Fields
from moderation.policy.model import REQUIRES, Overlay, Policy, Rule
from moderation.policy.overlays import read_overlays
from moderation.policy.registry import Vocabulary
from moderation.policy.rules import read_rule, read_stricter
from moderation.policy.shorthand import SECTIONS, read_names
from moderation.policy.source import Mapping as MappingNode
from moderation.policy.source import Node

HEAD = ("language", "owner", "description", "queue", "requires", "on_undetermined", *SECTIONS, "rules", "overlays")
NEEDED = ("language", "owner", "description", "queue", "requires", "rules")
_MAX_RULES = 1000


def read_policy(fields: Fields, node: Node, name: str, vocabulary: Vocabulary) -> Policy | None:
    """Read a policy file; None when its head is beyond use. Faulty rules are left out and are findings."""
    found = fields.mapping(node, HEAD, NEEDED, "a policy")
    if not NAME.fullmatch(name):
        fields.fault(node, "wrong-value", f"the folder `{name}` must be a plain lower-case name")
    if found is None:
        return None
    if "language" in found:
        fields.whole(found["language"], "`language`", 1, 1)
    read_names(fields, found)
    area = Area(
        fields=fields,
        vocabulary=vocabulary,
        name=name,
        queue=read_queue(fields, found, vocabulary) or "",
        on_undetermined=read_stricter(fields, found, Outcome.REVIEW),
    )
    rules, overlays = _rules(area, found)
    return Policy(
        area=name,
        owner=fields.text(found["owner"], "`owner`") or "" if "owner" in found else "",
        description=fields.text(found["description"], "`description`") or "" if "description" in found else "",
        requires=_requires(fields, found, vocabulary),
        rules=rules,
        queue=area.queue,
        on_undetermined=area.on_undetermined,
        overlays=overlays,
    )


def _requires(fields: Fields, found: Mapping[str, Node], vocabulary: Vocabulary) -> tuple[str, ...]:
    if "requires" not in found:
        return ()
    named = [
        fields.word(item, "signal", vocabulary.signals, "unknown-signal")
        for item in fields.items(found["requires"], "`requires`", least=0)
    ]
    return tuple(dict.fromkeys(name for name in named if name is not None))


def _rules(area: Area, found: Mapping[str, Node]) -> tuple[tuple[Rule, ...], tuple[Overlay, ...]]:
    items = area.fields.items(found["rules"], "`rules`") if "rules" in found else ()
    if len(items) > _MAX_RULES:
        area.fields.fault(found["rules"], "too-large", f"more than {_MAX_RULES} rules in one area")
        return (), ()
    rules: dict[str, Rule] = {}
    thens: dict[str, Node] = {}
    for item in items:
        rule = read_rule(area, item)
        if rule is None:
            continue
        if rule.name in rules or rule.name == REQUIRES:
            area.fields.fault(item, "duplicate-rule", f"the name `{rule.name}` is taken")
        rules[rule.name] = rule
        thens[rule.name] = _entries(item)["then"]
    overlays = read_overlays(area, found["overlays"], rules, thens) if "overlays" in found else ()
    return tuple(rules.values()), overlays


def _entries(node: Node) -> dict[str, Node]:
    return {str(key.value): value for key, value in node.entries} if isinstance(node, MappingNode) else {}
