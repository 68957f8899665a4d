"""What became of the cases a reviewer passed on: the outcome, never who gave it."""

from dataclasses import dataclass
from datetime import datetime

from moderation.db import Transaction, queries, rows
from moderation.review.reviewers import Reviewer

SQL = queries("answered")
MOST = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """One escalated case that was decided: what this reviewer thought (`review`: could not say) and what it came to."""

    case_id: str
    queue: str
    mine: str
    outcome: str
    decided_at: datetime


def my_escalations(tx: Transaction, reviewer: Reviewer, since: datetime) -> list[Answered]:
    """The reviewer's escalations that colleagues decided since, newest first, at most `MOST`. One statement."""
    return rows(tx, SQL.my_escalations, Answered, {"reviewer": reviewer.principal, "since": since, "most": MOST})
