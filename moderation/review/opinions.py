"""Opinions: every answer of a person, written once and never changed. Some decide; figures of quality read them all."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from moderation.clips import Clip
from moderation.db import Transaction, queries, row, rows
from moderation.decisions import Decision, Outcome
from moderation.ids import new_id
from moderation.review.cases import Case
from moderation.review.reviewers import Reviewer
from moderation.review.terms import Terms

SQL = queries("opinions")

#: What an opinion was to its case: the only one, one of several views, or an answer that only counts for quality.
Role = Literal[
    "deciding",
    "first",
    "second",
    "third",
    "golden",
    "sample",
    "second_opinion",
    "batch",
    "overturn",
]
#: The role of an answer to a case that does not act on its clip, by the case's source.
QUIET_ROLES: dict[str, Role] = {"golden": "golden", "second_opinion": "second_opinion"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Opinion:
    """One row of `moderation.opinions`. `outcome` is `review` of who could not say."""

    opinion_id: str
    case_id: str
    clip_id: str
    queue: str
    stage: Literal["first", "second", "third"]
    reviewer: str
    role: Role
    outcome: str
    reason: str | None
    note: str
    decision_id: str | None
    answered_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What somebody thinks of a case: outcome, reason and note; the outcome is `review` of who cannot say."""

    outcome: Outcome
    reason: str | None
    note: str = ""
    #: The sender's own name for this answer: sent twice, it is recorded once.
    key: str | None = None
    #: The opinion this one was taken over from, in a batch of near-duplicates.
    derived_from: str | None = None


def write_opinion(
    tx: Transaction,
    now: datetime,
    clip: Clip,
    case: Case,
    opened: Decision,
    view: View,
    reviewer: Reviewer,
    *,
    role: Role,
    decision_id: str | None,
) -> str:
    """Write down what a reviewer thinks of a locked case, with how long they looked unveiled; returns its id."""
    opinion = new_id("opn")
    tx.pg.execute(
        SQL.insert_opinion,
        {
            "org": tx.org,
            "opinion": opinion,
            "case": case.case_id,
            "clip": clip.clip_id,
            "queue": case.queue,
            "stage": case.stage,
            "reviewer": reviewer.principal,
            "role": role,
            "outcome": str(view.outcome),
            "reason": view.reason,
            "note": view.note,
            "policy_version": opened.policy_version,
            "language": clip.locale,
            "decision": decision_id,
            "derived_from": view.derived_from,
            "key": view.key,
            "opened_at": case.leased_at or now,
            "now": now,
        },
    )
    return opinion


def opinions_of(tx: Transaction, case_id: str) -> list[Opinion]:
    """What people think of a case and did not take back, oldest first."""
    return rows(tx, SQL.opinions_of_case, Opinion, {"case": case_id})


def read_opinion(tx: Transaction, opinion_id: str) -> Opinion | None:
    """One opinion, taken back or not."""
    return row(tx, SQL.opinion, Opinion, {"opinion": opinion_id})


def sent_before(tx: Transaction, case_id: str, reviewer: Reviewer, key: str | None) -> Opinion | None:
    """The opinion that this reviewer already sent under this key, should the answer to it have been lost."""
    if key is None:
        return None
    return row(tx, SQL.opinion_by_key, Opinion, {"case": case_id, "reviewer": reviewer.principal, "key": key})


def answered_already(tx: Transaction, terms: Terms, case: Case, reviewer: Reviewer) -> bool:
    """Tell whether a case may not be this reviewer's, because they answered it or another one of its clip."""
    where = {"case": case.case_id, "holder": reviewer.principal, "again": terms.own_clips_again}
    return tx.pg.execute(SQL.own_opinion, where).fetchone() is not None


def opinions_to_show(tx: Transaction, case: Case, reviewer: Reviewer) -> list[Opinion]:
    """What who looks at a case may see of what people think: their own, and others' from the third view on.

    An answer that only counts for quality is nobody's but its giver's.
    """
    told = case.effect == "clip" and (case.state != "open" or case.stage == "third")
    return [each for each in opinions_of(tx, case.case_id) if told or each.reviewer == reviewer.principal]


def take_back(tx: Transaction, now: datetime, opinion: Opinion) -> None:
    """Write down that an opinion counts no more."""
    tx.pg.execute(SQL.insert_undone, {"org": tx.org, "opinion": opinion.opinion_id, "now": now})
