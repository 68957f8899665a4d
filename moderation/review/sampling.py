"""The audit of what went out: released clips that fell into a rule's sample come before a person. Draws nothing itself.

Rules draw, by their `sample_rate` (`moderation.policy.verdicts`); here what they drew becomes cases, with the chance
that each clip had of it, without which the sample tells nothing of the rest.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from functools import lru_cache

from moderation.db import Transaction, queries
from moderation.db.clips import read_clip
from moderation.decisions import Decision
from moderation.policy.engine import Ruleset
from moderation.policy.loader import load_bundle
from moderation.review.cases import insert_case
from moderation.review.golden import read_decision

SQL = queries("mixing")
RECORDS = queries("records")
QUEUE = "samples"
#: How long after its decision a released clip is still drawn.
LATELY = timedelta(days=7)


def open_sample(tx: Transaction, now: datetime) -> bool:
    """Open a case that moves no clip for a released clip that fell into a sample; False when none is due."""
    found = tx.pg.execute(SQL.to_audit, {"since": now - LATELY, "limit": 1}).fetchall()
    for decision_id, clip_id in found:
        clip = read_clip(tx, clip_id, lock=True)
        decision = read_decision(tx, decision_id)
        asked = replace(decision, queue=QUEUE, deadline_s=None)
        case = insert_case(tx, clip, asked, decision_id, now, source="sample", effect="opinion")
        row = {"org": tx.org, "case": case, "clip": clip_id, "decision": decision_id, "now": now}
        tx.pg.execute(SQL.insert_sample, {**row, "rules": list(decision.sampled), "rate": _chance_of(tx, decision)})
    return bool(found)


def _chance_of(tx: Transaction, decision: Decision) -> float:
    """The chance that a clip with this decision had; a whole one, for itself alone, where its rules are lost."""
    found = tx.pg.execute(RECORDS.policy_version, {"version": decision.policy_version}).fetchone()
    return (chance(_ruleset(found[0]), decision) if found else 0.0) or 1.0


def chance(ruleset: Ruleset, decision: Decision) -> float:
    """Return how likely the rules that drew a clip were to draw it, 0 where they drew none.

    One number decides for all rules of a clip (their samples nest), so that the largest rate is the chance of any.
    """
    rates = {
        (policy.area, rule.name, overlay.name if overlay else None): rule.then.sample_rate
        for policy in ruleset.policies
        for overlay, rule in policy.variants
    }
    drawn = (entry for entry in decision.trace if entry.acts and entry.name in decision.sampled)
    return max((rates.get((entry.policy, entry.rule, entry.overlay), 0.0) for entry in drawn), default=0.0)


@lru_cache(maxsize=8)
def _ruleset(bundle: str) -> Ruleset:
    return load_bundle(bundle)
