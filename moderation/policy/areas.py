"""Reads one `policy.yaml`: head, rules and their actions, with every fault as a finding."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from moderation.decisions import Audience, Outcome, Param
from moderation.policy.fields import Fields
from moderation.policy.grammar import read_condition
from moderation.policy.model import Action, Policy, Rule, Said, signals_of
from moderation.policy.registry import Vocabulary
from moderation.policy.source import Node, Scalar

NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
LABELS = {
    "adults_only": Audience(adults_only=True, teens=False),
    "no_remix": Audience(no_remix=True),
    "not_for_teens": Audience(teens=False),
}
_HEAD = ("language", "owner", "description", "queue", "requires", "on_undetermined", "rules")
_RULE = ("rule", "description", "when", "then", "on_undetermined")
_THEN = ("outcome", "reasons", "notes", "queue", "priority", "audience")
_MAX_RULES = 1000
_USUAL_PRIORITY = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class _Area:
    fields: Fields
    vocabulary: Vocabulary
    queue: str
    on_undetermined: Outcome


def read_policy(fields: Fields, node: Node, area: str, vocabulary: Vocabulary) -> Policy | None:
    """Read a policy file; None when its head is beyond use. Faulty rules are left out and are findings."""
    found = fields.mapping(node, _HEAD, ("language", "owner", "description", "queue", "requires", "rules"), "a policy")
    if not NAME.fullmatch(area):
        fields.fault(node, "wrong-value", f"the folder `{area}` must be a plain lower-case name")
    if found is None:
        return None
    if "language" in found:
        fields.whole(found["language"], "`language`", 1, 1)
    head = _Area(
        fields=fields,
        vocabulary=vocabulary,
        queue=_queue(fields, found, vocabulary) or "",
        on_undetermined=_stricter(fields, found, Outcome.REVIEW),
    )
    return Policy(
        area=area,
        owner=fields.text(found["owner"], "`owner`") or "" if "owner" in found else "",
        description=fields.text(found["description"], "`description`") or "" if "description" in found else "",
        requires=_requires(fields, found, vocabulary),
        rules=_rules(head, found["rules"]) if "rules" in found else (),
        queue=head.queue,
        on_undetermined=head.on_undetermined,
    )


def _queue(fields: Fields, found: Mapping[str, Node], vocabulary: Vocabulary) -> str | None:
    return fields.word(found["queue"], "queue", vocabulary.queues, "unknown-queue") if "queue" in found else None


def _stricter(fields: Fields, found: Mapping[str, Node], default: Outcome) -> Outcome:
    if "on_undetermined" not in found:
        return default
    node = found["on_undetermined"]
    word = fields.word(node, "`on_undetermined`", tuple(map(str, Outcome)))
    chosen = default if word is None else Outcome(word)
    if chosen.strictness < default.strictness:
        fields.fault(node, "looser-than-default", f"`on_undetermined` may only be stricter than {default}")
        return default
    return chosen


def _requires(fields: Fields, found: Mapping[str, Node], vocabulary: Vocabulary) -> tuple[str, ...]:
    if "requires" not in found:
        return ()
    named = [
        fields.word(item, "signal", vocabulary.signals, "unknown-signal")
        for item in fields.items(found["requires"], "`requires`", least=0)
    ]
    return tuple(dict.fromkeys(name for name in named if name is not None))


def _rules(head: _Area, node: Node) -> tuple[Rule, ...]:
    items = head.fields.items(node, "`rules`")
    if len(items) > _MAX_RULES:
        head.fields.fault(node, "too-large", f"more than {_MAX_RULES} rules in one area")
        return ()
    rules: dict[str, Rule] = {}
    for item in items:
        rule = _rule(head, item)
        if rule is None:
            continue
        if rule.name in rules or rule.name == "requires":
            head.fields.fault(item, "duplicate-rule", f"the name `{rule.name}` is taken")
        rules[rule.name] = rule
    return tuple(rules.values())


def _rule(head: _Area, node: Node) -> Rule | None:
    fields = head.fields
    found = fields.mapping(node, _RULE, ("rule", "when", "then"), "a rule") or {}
    name = _name(fields, found)
    if "description" in found:
        fields.text(found["description"], "`description`")
    when = read_condition(fields, found["when"], head.vocabulary) if "when" in found else None
    then = _action(head, found["then"]) if "then" in found else None
    on_undetermined = _stricter(fields, found, head.on_undetermined)
    if name is None or when is None or then is None:
        return None
    timid = [s for s in sorted(signals_of(when)) if not head.vocabulary.signals[s].may_block]
    if timid and then.outcome is Outcome.BLOCK:
        fields.fault(found["then"], "uncalibrated-block", f"{', '.join(timid)} cannot block without a person: review")
        return None
    return Rule(name=name, when=when, then=then, on_undetermined=on_undetermined, line=node.line, column=node.column)


def _name(fields: Fields, found: Mapping[str, Node]) -> str | None:
    name = fields.text(found["rule"], "`rule`") if "rule" in found else None
    if name is not None and not NAME.fullmatch(name):
        fields.fault(found["rule"], "wrong-value", f"the name `{name}` must be lower-case letters, digits and _")
        return None
    return name


def _action(head: _Area, node: Node) -> Action | None:
    fields, vocabulary = head.fields, head.vocabulary
    found = fields.mapping(node, _THEN, ("outcome",), "`then`") or {}
    word = fields.word(found["outcome"], "outcome", tuple(map(str, Outcome))) if "outcome" in found else None
    reasons = _said(fields, found, "reasons", vocabulary.reasons)
    notes = _said(fields, found, "notes", vocabulary.notes)
    audience = _audience(fields, found)
    queue = _queue(fields, found, vocabulary) or head.queue
    priority = fields.whole(found["priority"], "`priority`", 0, 100) if "priority" in found else _USUAL_PRIORITY
    if word is None:
        return None
    outcome = Outcome(word)
    if (fault := _misfit(outcome, reasons, notes, audience)) is not None:
        fields.fault(node, *fault)
    return Action(
        outcome=outcome,
        reasons=reasons,
        notes=notes,
        queue=queue,
        priority=_USUAL_PRIORITY if priority is None else priority,
        audience=audience,
    )


def _misfit(
    outcome: Outcome,
    reasons: tuple[Said, ...],
    notes: tuple[Said, ...],
    audience: Audience,
) -> tuple[str, str] | None:
    """Name what does not go with the outcome."""
    limited = audience.adults_only or audience.no_remix
    if outcome is Outcome.ALLOW and (reasons or limited):
        return "action-misfit", "an `allow` has no reasons, adults_only or no_remix: use notes, or restrict"
    if outcome is Outcome.ALLOW and not notes and audience.teens:
        return "no-effect", "this `allow` changes nothing: give it notes or `audience: [not_for_teens]`"
    if outcome is Outcome.RESTRICT and not limited:
        return "action-misfit", "a `restrict` says what is restricted: audience adults_only, no_remix or both"
    if outcome is not Outcome.ALLOW and not reasons:
        return "no-reason", f"a `{outcome}` needs at least one reason"
    return None


def _said(fields: Fields, found: Mapping[str, Node], key: str, known: Mapping[str, str]) -> tuple[Said, ...]:
    items = fields.items(found[key], f"`{key}`") if key in found else ()
    return tuple(said for item in items if (said := _one_said(fields, item, key, known)) is not None)


def _one_said(fields: Fields, node: Node, key: str, known: Mapping[str, str]) -> Said | None:
    kind = key.removesuffix("s")
    if isinstance(node, Scalar):
        code = fields.word(node, kind, known, f"unknown-{kind}")
        return None if code is None else Said(code=code)
    found = fields.mapping(node, ("code", "params"), ("code",), f"a {kind}") or {}
    code = fields.word(found["code"], kind, known, f"unknown-{kind}") if "code" in found else None
    params = _params(fields, found["params"]) if "params" in found else ()
    return None if code is None else Said(code=code, params=params)


def _params(fields: Fields, node: Node) -> tuple[tuple[str, Param], ...]:
    params: dict[str, Param] = {}
    for key, value in fields.named(node, "`params`"):
        if isinstance(value, Scalar) and NAME.fullmatch(str(key.value)):
            params[str(key.value)] = value.value
        else:
            fields.fault(value, "wrong-type", "a parameter is a plain name with a text, number or flag")
    return tuple(params.items())


def _audience(fields: Fields, found: Mapping[str, Node]) -> Audience:
    audience = Audience()
    for item in fields.items(found["audience"], "`audience`") if "audience" in found else ():
        label = fields.word(item, "audience", LABELS)
        audience = audience if label is None else audience.narrowed(LABELS[label])
    return audience
