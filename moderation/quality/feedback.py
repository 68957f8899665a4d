"""To each reviewer their own answers to golden cases, a week late and with the sentence that makes the right one right.

Told to nobody else, and not while the week runs: a case that is known to be golden is no test any more.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from moderation.db import Transaction, queries, rows

SQL = queries("feedback")
WEEK = timedelta(days=7)


@dataclass(frozen=True, slots=True, kw_only=True)
class Feedback:
    """One answer to a golden case: what the reviewer said, what is right and why. `review` means could not say."""

    case_id: str
    queue: str
    answered_at: datetime
    mine: str
    mine_reason: str | None
    right: str
    right_reason: str
    why: str
    #: The version of the rules under which the answer is right.
    policy_version: str

    @property
    def met(self) -> bool:
        """Whether the reviewer said the same."""
        return self.mine == self.right


def last_week(now: datetime) -> tuple[datetime, datetime]:
    """The last whole week (UTC, from Monday): its beginning and its end."""
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    end = midnight - timedelta(days=midnight.weekday())
    return end - WEEK, end


def read_feedback(tx: Transaction, principal: str, now: datetime) -> tuple[Feedback, ...]:
    """A reviewer's answers to golden cases in the last whole week, those that differ first. One statement."""
    since, until = last_week(now)
    found = rows(tx, SQL.feedback, Feedback, {"principal": principal, "since": since, "until": until})
    return tuple(sorted(found, key=lambda each: each.met))
