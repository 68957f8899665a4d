"""Reads what follows a rule: outcome, words, queue, time, audience, and where it holds. Checks that the parts fit."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from moderation.decisions import Audience, Outcome, Param
from moderation.facts import Phase
from moderation.policy.fields import Fields
from moderation.policy.model import REMEDIES, Action, Condition, Said, signals_of
from moderation.policy.regions import read_markets
from moderation.policy.registry import Vocabulary
from moderation.policy.source import Node, Scalar

NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
LABELS = {
    "adults_only": Audience(adults_only=True, teens=False),
    "no_remix": Audience(no_remix=True),
    "not_for_teens": Audience(teens=False),
}
THEN = (
    "outcome", "reasons", "notes", "queue", "priority", "audience",
    "deadline", "remedies", "sample_rate", "markets", "visibility",
)  # fmt: skip
PHASES: tuple[Phase, ...] = ("public", "draft")
#: What no exception, overlay or limit may loosen, whatever the area.
PROTECTED_REASONS = frozenset({"known_illegal", "minor_safety", "minor_sexualised"})
PROTECTED_AREAS = frozenset({"known_illegal"})
_USUAL_PRIORITY = 50
DEADLINE = re.compile(r"([1-9]\d{0,3})(m|h|d)")
_SECONDS = {"m": 60, "h": 3600, "d": 86400}
_LONGEST_S = 30 * 86400
_LEAST_RATE = 0.0001
_MAX_PARAMS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Area:
    """What the rules of one area are read with."""

    fields: Fields
    vocabulary: Vocabulary
    name: str
    queue: str
    on_undetermined: Outcome

    def protects(self, action: Action) -> bool:
        """Tell whether nothing may loosen a rule of this action: known illegal material and the safety of minors."""
        queues = self.vocabulary.queues
        asked = [queues[queue] for queue in (self.queue, action.queue or "") if queue in queues]
        special = any(queue.specialists for queue in asked)
        return special or self.name in PROTECTED_AREAS or any(s.code in PROTECTED_REASONS for s in action.reasons)


def read_queue(fields: Fields, found: Mapping[str, Node], vocabulary: Vocabulary) -> str | None:
    """Read `queue`, if it is there."""
    return fields.word(found["queue"], "queue", vocabulary.queues, "unknown-queue") if "queue" in found else None


def read_action(area: Area, node: Node) -> Action | None:
    """Read a `then`; None when it has no outcome. What does not fit together is a finding."""
    fields, vocabulary = area.fields, area.vocabulary
    found = fields.mapping(node, THEN, ("outcome",), "`then`") or {}
    word = fields.word(found["outcome"], "outcome", tuple(map(str, Outcome))) if "outcome" in found else None
    priority = fields.whole(found["priority"], "`priority`", 0, 100) if "priority" in found else None
    _refuse_remedies(fields, found)
    action = Action(
        outcome=Outcome(word or Outcome.REVIEW),
        reasons=_said(fields, found, "reasons", vocabulary.reasons),
        notes=_said(fields, found, "notes", vocabulary.notes),
        queue=read_queue(fields, found, vocabulary) or area.queue,
        priority=_USUAL_PRIORITY if priority is None else priority,
        audience=_audience(fields, found),
        deadline_s=read_deadline(fields, found["deadline"]) if "deadline" in found else None,
        sample_rate=_rate(fields, found),
        markets=read_markets(fields, found),
        visibility=_visibility(fields, found),
    )
    if word is None:
        return None
    faults = (_misfit(action), _limit_misfit(action), _protection(area, action))
    for fault in filter(None, faults):
        fields.fault(node, *fault)
    return action


def check_block(area: Area, node: Node, when: Condition, then: Action) -> bool:
    """Tell whether the condition is good enough for what follows; a timid signal that blocks is a finding."""
    signals = area.vocabulary.signals
    timid = [name for name in sorted(signals_of(when)) if name in signals and not signals[name].may_block]
    if timid and then.outcome is Outcome.BLOCK:
        message = f"{', '.join(timid)} cannot block without a person: review"
        area.fields.fault(node, "uncalibrated-block", message)
        return False
    return True


def _misfit(action: Action) -> tuple[str, str] | None:
    """Name what does not go with the outcome."""
    outcome, limited = action.outcome, action.audience.adults_only or action.audience.no_remix
    if outcome is Outcome.ALLOW and (action.reasons or limited):
        return "action-misfit", "an `allow` has no reasons, adults_only or no_remix: use notes, or restrict"
    if outcome is Outcome.ALLOW and not action.notes and action.audience.teens and not action.sample_rate:
        message = "this `allow` changes nothing: give it notes, a sample_rate or `audience: [not_for_teens]`"
        return "no-effect", message
    if outcome is Outcome.RESTRICT and not limited:
        return "action-misfit", "a `restrict` says what is restricted: audience adults_only, no_remix or both"
    if outcome is not Outcome.ALLOW and not action.reasons:
        return "no-reason", f"a `{outcome}` needs at least one reason"
    return None


def _limit_misfit(action: Action) -> tuple[str, str] | None:
    asks = action.outcome.strictness >= Outcome.REVIEW.strictness
    if action.markets and not asks:
        return "action-misfit", "`markets` limits a `review` or a `block`: elsewhere the clip is not withheld"
    if action.deadline_s is not None and not asks:
        return "action-misfit", "a `deadline` is for what a person looks at: review or block"
    return None


def _protection(area: Area, action: Action) -> tuple[str, str] | None:
    if (action.markets or action.visibility) and area.protects(action):
        return "protected-rule", "what protects minors or stops known illegal material holds everywhere"
    return None


def _refuse_remedies(fields: Fields, found: Mapping[str, Node]) -> None:
    for item in fields.items(found["remedies"], "`remedies`") if "remedies" in found else ():
        if (word := fields.word(item, "remedy", REMEDIES)) in REMEDIES:
            fields.fault(
                item, "not-available", f"no clip can be given the remedy `{word}` yet: restrict, review or block"
            )


def read_deadline(fields: Fields, node: Node) -> int | None:
    """Read how soon a person must look, such as 30m, 4h or 2d, as seconds."""
    text = fields.text(node, "`deadline`")
    match = None if text is None else DEADLINE.fullmatch(text)
    seconds = 0 if match is None else int(match[1]) * _SECONDS[match[2]]
    if text is not None and not 0 < seconds <= _LONGEST_S:
        fields.fault(node, "wrong-value", f"`deadline` must be such as 30m, 4h or 2d, up to 30d, not `{text}`")
        return None
    return seconds or None


def _rate(fields: Fields, found: Mapping[str, Node]) -> float:
    if "sample_rate" not in found:
        return 0.0
    return fields.number(found["sample_rate"], "`sample_rate`", _LEAST_RATE, 1) or 0.0


def _visibility(fields: Fields, found: Mapping[str, Node]) -> tuple[Phase, ...]:
    items = fields.one_or_more(found["visibility"], "`visibility`") if "visibility" in found else ()
    words = [fields.word(item, "visibility", PHASES) for item in items]
    return tuple(phase for phase in PHASES if phase in words)


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
        if len(params) == _MAX_PARAMS:
            fields.fault(key, "too-large", f"more than {_MAX_PARAMS} parameters: every decision would carry them")
            break
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
