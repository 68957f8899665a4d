"""Judging by rules that do not act, beside those that do, and comparing. What fails here never touches a decision."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import structlog

from moderation.db import Transaction, queries, rows
from moderation.decisions import Decision
from moderation.facts import FactRecord
from moderation.policy.engine import decide, required_failures
from moderation.recording import keep_version
from moderation.rulebook.in_force import Choice, Shadowed

log = structlog.get_logger()
SQL = queries("policies")
#: Outcomes of rules in shadow that came to no decision: a required signal is missing, or judging broke.
HELD, FAILED = "held", "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """How many clips that were decided one way would have been decided another."""

    acting_outcome: str
    outcome: str
    #: Outcome, reasons and audience alike.
    same: bool
    count: int
    examples: list[str]


def write_shadows(
    tx: Transaction, rules: Choice, facts: FactRecord, acting: Decision, *, run: str, now: datetime
) -> None:
    """Judge by everything in shadow, on the same facts, and write it beside the decision."""
    for shadowed in rules.shadows:
        decision, outcome = _judged(shadowed, facts)
        # Only rules are compared: what people settled since is in the acting decision alone.
        plain = decide(facts, rules.acting) if acting.decided_by != "policy" else acting
        row = {
            "org": tx.org,
            "clip": facts.clip,
            "run": run,
            "base": shadowed.base,
            "version": shadowed.ruleset.version,
            "acting_version": rules.acting.version,
            "acting_outcome": str(plain.outcome),
            "outcome": outcome,
            "same": decision is not None and _said(decision) == _said(plain),
            "body": decision.to_bytes().decode() if decision else None,
            "now": now,
        }
        tx.pg.execute(SQL.insert_shadow, row)
        keep_version(tx, shadowed.ruleset, now)


def _judged(shadowed: Shadowed, facts: FactRecord) -> tuple[Decision | None, str]:
    try:
        if required_failures(facts, shadowed.ruleset):
            return None, HELD
        decision = decide(facts, shadowed.ruleset)
    except Exception as error:  # noqa: BLE001 (rules that do not act must not be able to stop a clip)
        log.warning("shadow_failed", version=shadowed.base, clip=facts.clip, error=type(error).__name__)
        return None, FAILED
    return decision, str(decision.outcome)


def _said(decision: Decision) -> tuple[object, ...]:
    reasons = sorted((*decision.reasons, *decision.lesser), key=lambda reason: str(reason.to_json()))
    return decision.outcome, tuple(reasons), decision.audience


def compare_shadow(tx: Transaction, base: str, since: datetime) -> list[Difference]:
    """Counts by what was decided and what the version in shadow would have decided, with five clips each."""
    return rows(tx, SQL.shadow_counts, Difference, {"base": base, "since": since})


def total(differences: Iterable[Difference]) -> int:
    """How many judgements were compared."""
    return sum(difference.count for difference in differences)
