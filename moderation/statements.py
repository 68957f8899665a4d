"""Statements of reasons (DSA Art. 17) made from a decision and its trace: for whoever made the clip, in their language.

Says what was restricted, on which facts, by whom and on what ground, and what can be done about it. Never a
threshold, a score, a model, a registered person, or what a hash list knew.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from moderation.db import queries
from moderation.db.clips import read_clip
from moderation.decisions import POLICY, Decision, Outcome, Reason, Span
from moderation.errors import NotFound
from moderation.messages import catalogue, clock_text, language_of, say
from moderation.verdicts import moment

if TYPE_CHECKING:
    from moderation.services import Services

SQL = queries("records")
#: A reason that nobody is told (docs/decisions/0015): the statement then says what every withheld clip's says.
SILENT: Final = "known_illegal"
#: What a decision rests on beside the rules of the platform: a law forbids it, or somebody's own rights do.
LAWS: Final = frozenset({"takedown_copy"})
RIGHTS: Final = frozenset(
    {
        "consent_revoked",
        "protected_person",
        "public_figure_likeness",
        "rights_holder",
        "unconsented_likeness",
        "voice_likeness",
    }
)
#: Stretches named for one fact; the rest of a long clip adds nothing.
STRETCHES: Final = 5
TRUE: Final = "true"


def read_statement(services: "Services", org: str, clip_id: str, language: str | None = None) -> dict[str, object]:
    """The statement on a clip's latest decision, in this language or else the clip's own.

    Raises NotFound for a clip that is unknown, undecided, or restricted in nothing.
    """
    with services.database.transaction(org) as tx:
        clip = read_clip(tx, clip_id)
        row = tx.pg.execute(SQL.latest_decision, {"clip": clip_id}).fetchone()
    decision = neutral(Decision.from_json(json.loads(row[2]))) if row else None
    if row is None or decision is None or not (restrictions := restrictions_of(decision)):
        raise NotFound("nothing was restricted here, so there is nothing to state")
    spoken = language_of(language or clip.locale)
    return {
        "clip_id": clip_id,
        "decision_id": row[0],
        "decided_at": moment(row[7]),
        "language": spoken,
        "restrictions": [
            {"code": code, "text": say(f"statement.restricted.{code}", {}, spoken)} for code in restrictions
        ],
        "facts": facts_of(decision, spoken),
        "automated": automated(decision, spoken),
        "grounds": [
            {"code": code, "text": say(f"statement.ground.{code}", {}, spoken)} for code in grounds_of(decision)
        ],
        "redress": {
            "text": say("statement.redress", {}, spoken),
            "appeal_url": "/v1/appeals",
            "token": token_of(services, org, clip_id, row[0]),
        },
        "policy_version": decision.policy_version,
    }


def neutral(decision: Decision) -> Decision:
    """The decision without what a hash list knew, and then without anything else it rests on."""
    if all(reason.code != SILENT for reason in (*decision.reasons, *decision.lesser)):
        return decision
    return replace(decision, reasons=(), lesser=(), notes=(), trace=())


def restrictions_of(decision: Decision) -> list[str]:
    """What the decision keeps from the public, as codes; nothing for a clip that is out without limits."""
    if decision.outcome is Outcome.BLOCK:
        return ["withheld"]
    if decision.outcome is Outcome.REVIEW:
        return ["in_review"]
    audience = decision.audience
    limits = {
        "adults_only": audience.adults_only,
        "not_for_teens": not audience.teens and not audience.adults_only,
        "no_remix": audience.no_remix,
    }
    return [name for name, holds in limits.items() if holds]


def facts_of(decision: Decision, language: str) -> list[dict[str, object]]:
    """The reasons as sentences, each with its seconds and with what was seen or heard that led to it."""
    shown = [reason for reason in (*decision.reasons, *decision.notes) if reason.code != "reviewer_note"]
    return [_fact(reason, decision, language) for reason in shown]


def _fact(reason: Reason, decision: Decision, language: str) -> dict[str, object]:
    kind = "reason" if reason in decision.reasons else "note"
    text = say(f"{kind}.{reason.code}", reason.params, language)
    spans = _spans(reason, decision)
    return {
        "code": reason.code,
        "text": text,
        "certain": "undetermined" not in reason.params,
        "seconds": [
            {
                "start_ms": start,
                "end_ms": end,
                "text": say("when.span", {"start": clock_text(start), "end": clock_text(end)}, language),
            }
            for start, end in spans
        ],
        "seen": _seen(reason, decision, language),
    }


def _spans(reason: Reason, decision: Decision) -> list[tuple[int, int]]:
    """Where the reason holds: its own seconds, else those of the rules that gave it."""
    if reason.start_ms is not None and reason.end_ms is not None:
        return [(reason.start_ms, reason.end_ms)]
    held = {(span.start_ms, span.end_ms) for span in _evidence(reason, decision) if span.end_ms > span.start_ms}
    return sorted(sorted(held, key=lambda span: span[0] - span[1])[:STRETCHES])


def _evidence(reason: Reason, decision: Decision) -> Iterable[Span]:
    for entry in decision.trace:
        if entry.truth == TRUE and entry.outcome is decision.outcome and reason in decision.reasons:
            for leaf in entry.leaves:
                yield from leaf.spans


def _seen(reason: Reason, decision: Decision, language: str) -> list[str]:
    """What was measured that led to the outcome, by its plain name."""
    if reason not in decision.reasons:
        return []
    texts = catalogue(language)
    named = (
        leaf.name
        for entry in decision.trace
        if entry.truth == TRUE and entry.outcome is decision.outcome
        for leaf in entry.leaves
        if leaf.truth == TRUE
    )
    return list(dict.fromkeys(texts[f"signal.{name}"] for name in named if f"signal.{name}" in texts))


def automated(decision: Decision, language: str) -> dict[str, object]:
    """Whether machines found and decided it."""
    by_rule = decision.decided_by == POLICY
    code = "decided" if by_rule and decision.outcome is not Outcome.REVIEW else "found"
    return {"detection": True, "decision": code == "decided", "text": say(f"statement.automated.{code}", {}, language)}


def grounds_of(decision: Decision) -> list[str]:
    """On what the decision rests: the law, somebody's rights, the rules of the platform."""
    codes = {reason.code for reason in decision.reasons}
    found = {"law": codes & LAWS, "rights": codes & RIGHTS, "rules": codes - LAWS - RIGHTS}
    return [ground for ground, given in found.items() if given] or ["rules"]


def token_of(services: "Services", org: str, clip_id: str, decision_id: str) -> str:
    """What proves to an appeal that its sender was given this statement."""
    key = services.vault.derive("statements")
    made = hmac.new(key, f"{org}\n{clip_id}\n{decision_id}".encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(made[:24]).decode()
