"""Deriving past decisions anew: stored facts, stored policies, the same judge. Reads and changes nothing else."""

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from moderation.db import Transaction, queries
from moderation.decisions import Decision
from moderation.facts import FactRecord
from moderation.judging import settle
from moderation.policy.engine import Ruleset, decide
from moderation.policy.loader import load_bundle

if TYPE_CHECKING:
    from moderation.services import Services

SQL = queries("records")


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """How many decisions came out equal, byte for byte, and the ids of those that did not."""

    equal: int
    different: list[str]


def replay_decisions(services: "Services", org: str, clip_id: str | None = None) -> Replayed:
    """Judge the stored facts of one clip, or of all, again by the policy set each was judged by."""
    equal, different = 0, []
    rulesets: dict[str, Ruleset] = {}
    with services.database.transaction(org) as tx:
        for decision_id, clip, _, body, version, facts in tx.pg.execute(SQL.replayable, {"clip": clip_id}).fetchall():
            if version not in rulesets:
                rulesets[version] = ruleset_of(tx, version)
            answers = answers_before(tx, clip, decision_id)
            again = settle(decide(FactRecord.from_json(facts), rulesets[version]), answers)
            if again.to_bytes().decode() == body:
                equal += 1
            else:
                different.append(decision_id)
    return Replayed(equal=equal, different=different)


def ruleset_of(tx: Transaction, version: str) -> Ruleset:
    """The policy set as it stood. Raises LookupError when it was not kept."""
    row = tx.pg.execute(SQL.policy_version, {"version": version}).fetchone()
    if row is None:
        raise LookupError(f"the policy set {version} was not kept")
    return load_bundle(row[0])


def answers_before(tx: Transaction, clip_id: str, decision_id: str) -> list[Decision]:
    """What people had decided of the clip when this decision was taken."""
    rows = tx.pg.execute(SQL.answers_before, {"clip": clip_id, "decision": decision_id}).fetchall()
    return [Decision.from_json(json.loads(row[0])) for row in rows]
