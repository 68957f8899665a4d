"""Writing decisions down, append-only and numbered per clip, and withholding what they block. Decides nothing."""

from datetime import datetime

from moderation import audit, outbox
from moderation.clips import Clip, Status
from moderation.db import Transaction, queries
from moderation.db.clips import move
from moderation.decisions import Decision
from moderation.ids import new_id
from moderation.policy.engine import Ruleset

SQL = queries("records")


def insert_decision(
    tx: Transaction,
    clip: Clip,
    decision: Decision,
    *,
    actor_kind: str,
    actor: str,
    now: datetime,
    run: str | None = None,
) -> str:
    """Append a decision of a rule, a person or the system to a locked clip."""
    decision_id = new_id("dec")
    tx.pg.execute(
        SQL.insert_decision,
        {
            "org": clip.org_id,
            "clip": clip.clip_id,
            "decision": decision_id,
            "outcome": str(decision.outcome),
            "body": decision.to_bytes().decode(),
            "actor_kind": actor_kind,
            "actor": actor,
            "facts_hash": decision.facts_hash or None,
            "policy_version": decision.policy_version,
            "run": run,
            "now": now,
        },
    )
    audit.record(
        tx,
        now,
        actor,
        "decision.taken",
        clip.clip_id,
        decision=decision_id,
        outcome=str(decision.outcome),
        reasons=[reason.code for reason in decision.reasons],
        facts=decision.facts_hash,
        policy=decision.policy_version,
    )
    return decision_id


def keep_version(tx: Transaction, ruleset: Ruleset, now: datetime) -> None:
    """Keep the texts behind a policy version for ever, so that its decisions can be derived anew."""
    row = {"org": tx.org, "version": ruleset.version, "body": ruleset.to_bytes().decode(), "now": now}
    tx.pg.execute(SQL.insert_policy_version, row)


def withhold(tx: Transaction, enqueuer: outbox.Enqueuer, clip: Clip, decision: Decision, now: datetime) -> None:
    """Keep a locked clip from the public until an appeal succeeds; tell its platform why, and what was out to purge."""
    tx.pg.execute(SQL.withdraw_release, {"clip": clip.clip_id, "now": now})
    move(tx, clip, Status.WITHHELD, now)
    reasons = [reason.to_json() for reason in decision.reasons]
    outbox.announce(tx, enqueuer, clip, "clip.withheld", now, said_withheld(tx, clip, reasons))


def said_withheld(tx: Transaction, clip: Clip, reasons: list[dict[str, object]]) -> dict[str, object]:
    """What a platform is told of a clip that is withheld; what was ever out it is to purge."""
    return {"status": "withheld", "reasons": reasons} | ({"purge": True} if was_out(tx, clip) else {})


def was_out(tx: Transaction, clip: Clip) -> bool:
    """Whether a file of a clip was ever released: its platform may hold it, whatever became of the clip."""
    return tx.pg.execute(SQL.release, {"clip": clip.clip_id}).fetchone() is not None
