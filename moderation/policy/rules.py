"""Reads one rule: its condition, what follows, since when it stands, and its exceptions."""

from collections.abc import Mapping
from datetime import date

from moderation.decisions import Outcome
from moderation.policy.actions import NAME, Area, check_block, read_action
from moderation.policy.fields import Fields
from moderation.policy.grammar import read_condition
from moderation.policy.model import MODES, Action, Condition, Mode, Rule, RuleException
from moderation.policy.source import Node

RULE = ("rule", "description", "when", "then", "on_undetermined", "exceptions", "mode", "since")
EXCEPTION = ("exception", "owner", "expires", "why", "when")
_MAX_EXCEPTIONS = 50


def read_rule(area: Area, node: Node) -> Rule | None:
    """Read a rule; None when it has faults that leave nothing to judge."""
    fields = area.fields
    found = fields.mapping(node, RULE, ("rule", "when", "then"), "a rule") or {}
    fields.names.leaves = 0
    name = read_name(fields, found, "rule")
    if "description" in found:
        fields.text(found["description"], "`description`")
    when = read_condition(fields, found["when"], area.vocabulary) if "when" in found else None
    then = read_action(area, found["then"]) if "then" in found else None
    on_undetermined = read_stricter(fields, found, area.on_undetermined)
    exceptions = _exceptions(area, found["exceptions"], then) if "exceptions" in found else ()
    mode, since = _mode(fields, found)
    if name is None or when is None or then is None or not check_block(area, found["then"], when, then):
        return None
    return Rule(
        name=name,
        when=when,
        then=then,
        on_undetermined=on_undetermined,
        exceptions=exceptions,
        mode=mode,
        since=since,
        line=node.line,
        column=node.column,
    )


def read_stricter(fields: Fields, found: Mapping[str, Node], default: Outcome) -> Outcome:
    """Read `on_undetermined`, which may only be stricter than the default."""
    if "on_undetermined" not in found:
        return default
    node = found["on_undetermined"]
    word = fields.word(node, "`on_undetermined`", tuple(map(str, Outcome)))
    chosen = default if word not in tuple(Outcome) else Outcome(word)
    if chosen.strictness < default.strictness:
        fields.fault(node, "looser-than-default", f"`on_undetermined` may only be stricter than {default}")
        return default
    return chosen


def read_name(fields: Fields, found: Mapping[str, Node], key: str) -> str | None:
    """Read a name of one's own under `key`: lower-case letters, digits and _."""
    name = fields.text(found[key], f"`{key}`") if key in found else None
    if name is not None and not NAME.fullmatch(name):
        fields.fault(found[key], "wrong-value", f"the name `{name}` must be lower-case letters, digits and _")
        return None
    return name


def read_date(fields: Fields, node: Node, what: str) -> str | None:
    """Read a date such as 2027-01-31."""
    text = fields.text(node, what)
    if text is None:
        return None
    try:
        if date.fromisoformat(text).isoformat() == text:
            return text
    except ValueError:
        pass
    fields.fault(node, "wrong-value", f"{what} must be a date such as 2027-01-31, not `{text}`")
    return None


def _mode(fields: Fields, found: Mapping[str, Node]) -> tuple[Mode, str | None]:
    word = fields.word(found["mode"], "mode", MODES) if "mode" in found else "enforce"
    since = read_date(fields, found["since"], "`since`") if "since" in found else None
    if word == "shadow" and "since" not in found:
        fields.fault(found["mode"], "missing-key", "a shadow rule says `since` when it has been one")
    return ("shadow" if word == "shadow" else "enforce"), since


def _exceptions(area: Area, node: Node, then: Action | None) -> tuple[RuleException, ...]:
    fields = area.fields
    if then is not None and area.protects(then):
        fields.fault(node, "protected-rule", "what protects minors or stops known illegal material has no exceptions")
    items = fields.items(node, "`exceptions`")
    if len(items) > _MAX_EXCEPTIONS:
        fields.fault(node, "too-large", f"more than {_MAX_EXCEPTIONS} exceptions of one rule")
        return ()
    read: dict[str, RuleException] = {}
    for item in items:
        exception = _exception(area, item)
        if exception is not None and exception.name in read:
            fields.fault(item, "duplicate-name", f"the exception `{exception.name}` stands twice")
        if exception is not None:
            read[exception.name] = exception
    return tuple(read.values())


def _exception(area: Area, node: Node) -> RuleException | None:
    fields = area.fields
    found = fields.mapping(node, EXCEPTION, EXCEPTION, "an exception") or {}
    texts = {key: fields.text(found[key], f"`{key}`") if key in found else None for key in ("owner", "why")}
    name = read_name(fields, found, "exception")
    expires = read_date(fields, found["expires"], "`expires`") if "expires" in found else None
    when: Condition | None = read_condition(fields, found["when"], area.vocabulary) if "when" in found else None
    if name is None or expires is None or when is None:
        return None
    return RuleException(
        name=name,
        owner=texts["owner"] or "",
        why=texts["why"] or "",
        expires=expires,
        when=when,
        line=node.line,
        column=node.column,
    )
