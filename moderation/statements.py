"""Statements of reasons (DSA Art. 17) made from a decision and its trace: for whoever made the clip, in their language.

Says what was restricted, on which facts, by whom and on what ground, and what can be done about it. Never a
threshold, a score, a model, a registered person, or what a hash list knew.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from moderation.db import Transaction, queries
from moderation.db.clips import read_clip
from moderation.decisions import POLICY, Decision, Outcome, Reason
from moderation.errors import NotFound
from moderation.messages import catalogue, clock_text, language_of, say
from moderation.policy import source
from moderation.policy.fields import Fields
from moderation.policy.registry import VOCABULARY, GroundEntry
from moderation.policy.vocabulary import FILE, read_vocabulary
from moderation.verdicts import moment

if TYPE_CHECKING:
    from moderation.services import Services

SQL = queries("records")
#: A reason that nobody is told (docs/decisions/0015): the statement then says what every withheld clip's says.
SILENT: Final = "known_illegal"
#: Nothing found it: somebody's notice did.
ASKED_FOR: Final = "takedown_notice"
TRUE: Final = "true"


def read_statement(services: "Services", org: str, clip_id: str, language: str | None = None) -> dict[str, object]:
    """The statement on a clip's latest decision, in this language or else the clip's own.

    Raises NotFound for a clip that is unknown, undecided, or restricted in nothing.
    """
    with services.database.transaction(org) as tx:
        clip = read_clip(tx, clip_id)
        row = tx.pg.execute(SQL.latest_decision, {"clip": clip_id}).fetchone()
        decision = neutral(Decision.from_json(json.loads(row[2]))) if row else None
        grounds = grounds_in_force(tx, decision.policy_version if decision else None)
    if row is None or decision is None or not (restrictions := restrictions_of(decision)):
        raise NotFound("nothing was restricted here, so there is nothing to state")
    spoken = language_of(language or clip.locale)
    return {
        "clip_id": clip_id,
        "decision_id": row[0],
        "decided_at": moment(row[7]),
        "language": spoken,
        "restrictions": [
            {"code": code, "text": say(f"statement.restricted.{code}", params, spoken)} for code, params in restrictions
        ],
        "facts": facts_of(decision, spoken),
        "measured": measured(decision, spoken),
        "automated": automated(decision, spoken),
        "grounds": grounds_of(decision, grounds, spoken),
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


def restrictions_of(decision: Decision) -> list[tuple[str, dict[str, str]]]:
    """What the decision keeps from the public: codes with parameters; none for a clip that is out without limits."""
    if decision.outcome is Outcome.BLOCK:
        return [("withheld", {})]
    if decision.outcome is Outcome.REVIEW:
        return [("in_review", {})]
    audience = decision.audience
    limits = {
        "adults_only": audience.adults_only,
        "not_for_teens": not audience.teens and not audience.adults_only,
        "no_remix": audience.no_remix,
        "markets": bool(decision.markets_withheld),
    }
    params = {"markets": {"markets": ", ".join(decision.markets_withheld)}}
    return [(name, params.get(name, {})) for name, holds in limits.items() if holds]


def facts_of(decision: Decision, language: str) -> list[dict[str, object]]:
    """Reasons and notes as sentences, with their seconds; `certain` is false of what could not be ruled out."""
    reasons = [("reason", reason) for reason in decision.reasons]
    notes = [("note", note) for note in decision.notes if note.code != "reviewer_note"]
    return [
        {
            "code": said.code,
            "text": say(f"{kind}.{said.code}", said.params, language),
            "certain": "undetermined" not in said.params,
            "seconds": _seconds(said, language),
        }
        for kind, said in (*reasons, *notes)
    ]


def _seconds(reason: Reason, language: str) -> dict[str, object] | None:
    if reason.start_ms is None or reason.end_ms is None:
        return None
    params = {"start": clock_text(reason.start_ms), "end": clock_text(reason.end_ms)}
    return {"start_ms": reason.start_ms, "end_ms": reason.end_ms, "text": say("when.span", params, language)}


def measured(decision: Decision, language: str) -> list[str]:
    """What was looked at that led to the outcome, by its plain name."""
    texts = catalogue(language)
    named = (
        leaf.name
        for entry in decision.trace
        if entry.acts and entry.truth == TRUE and entry.outcome is decision.outcome
        for leaf in entry.leaves
        if leaf.truth == TRUE
    )
    return list(dict.fromkeys(texts[f"signal.{name}"] for name in named if f"signal.{name}" in texts))


def automated(decision: Decision, language: str) -> dict[str, object]:
    """Whether machines found and decided it."""
    if any(reason.code == ASKED_FOR for reason in decision.reasons):
        return {"detection": False, "decision": False, "text": say("statement.automated.notice", {}, language)}
    by_rule = decision.decided_by == POLICY
    code = "decided" if by_rule and decision.outcome is not Outcome.REVIEW else "found"
    return {"detection": True, "decision": code == "decided", "text": say(f"statement.automated.{code}", {}, language)}


def grounds_of(decision: Decision, grounds: Mapping[str, GroundEntry], language: str) -> list[dict[str, object]]:
    """On what each reason rests, in the operator's own clauses; the terms in general where there is no reason."""
    found = {reason.code: grounds[reason.code] for reason in decision.reasons if reason.code in grounds}
    if not found:
        return [{"basis": "terms", "clause": None, "text": say("statement.ground.rules", {}, language)}]
    return [
        {
            "reason": code,
            "basis": ground.basis,
            "clause": ground.clause,
            "text": say(f"statement.ground.{ground.basis}", {"clause": ground.clause}, language),
        }
        for code, ground in found.items()
    ]


def grounds_in_force(tx: Transaction, version: str | None) -> Mapping[str, GroundEntry]:
    """The grounds as the version that decided had them; the product's own where a person decided or none is kept."""
    row = tx.pg.execute(SQL.policy_version, {"version": version}).fetchone()
    text = json.loads(row[0]).get(FILE) if row else None
    if text is None:
        return VOCABULARY.grounds
    return read_vocabulary(Fields(FILE), source.parse(text, FILE)).grounds or VOCABULARY.grounds


def token_of(services: "Services", org: str, clip_id: str, decision_id: str) -> str:
    """What proves to an appeal that its sender was given this statement."""
    key = services.vault.derive("statements")
    made = hmac.new(key, f"{org}\n{clip_id}\n{decision_id}".encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(made[:24]).decode()
