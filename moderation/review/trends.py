"""Trends: of a lot of like cases some are drawn at random and decided singly; when all agree they speak for the rest.

How many of the rest may then be otherwise is stated, exactly (`moderation.quality.bounds`). Whatever else happens,
the rest is decided case by case: it was never taken out of its queue. Never for specialists' queues, nor for those that
take two people.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from moderation import audit, outbox
from moderation.db import Transaction, queries, row, rows
from moderation.decisions import Outcome
from moderation.errors import Conflict, NotFound, Unprocessable
from moderation.ids import new_id
from moderation.quality.bounds import CONFIDENCE, Bound, bound_when_all_agree, cases_to_draw
from moderation.review.batches import lock_all, release, take_over
from moderation.review.escalation import takes_two
from moderation.review.lots import Kind, Lot, OpenCase, lots_of
from moderation.review.opinions import View
from moderation.review.queues import demand_access
from moderation.review.reviewers import Reviewer
from moderation.review.terms import Terms

SQL = queries("mixing")
#: How many of a queue's most urgent cases are sorted into lots.
SORTED = 5000
#: The share of a lot's rest that may be otherwise, where nobody says.
TOLERATED = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """One row of `moderation.trends`; `drawn` until it is `decided` (the rest took the answer over) or `ended`."""

    trend_id: str
    queue: str
    kind: Kind
    key: str
    tolerated: float
    confidence: float
    state: Literal["drawn", "decided", "ended"]
    opened_by: str
    opened_at: datetime
    settled_by: str | None
    settled_at: datetime | None
    outcome: str | None
    reason: str | None
    wrong_at_most: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One case of a trend as it stands; `final` once its answer can be undone no more."""

    case_id: str
    clip_id: str
    drawn: bool
    state: str
    stage: str
    queue: str
    outcome: str | None
    reason: str | None
    opinion_id: str | None
    final: bool

    @property
    def answer(self) -> tuple[str, str] | None:
        """Outcome and reason of a case that people decided for good."""
        if self.state != "decided" or not self.final or self.outcome is None or self.reason is None:
            return None
        return self.outcome, self.reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a trend stands: `agreed` is what all drawn cases came out as, `split` says that they never all will."""

    trend: Trend
    members: tuple[Member, ...]
    bound: Bound
    agreed: tuple[str, str] | None
    split: bool

    @property
    def drawn(self) -> tuple[Member, ...]:
        """The cases that are decided singly."""
        return tuple(member for member in self.members if member.drawn)

    @property
    def rest(self) -> tuple[Member, ...]:
        """The others that are still open."""
        return tuple(member for member in self.members if not member.drawn and member.state == "open")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What became of a trend's rest: decided, or left because somebody has it or it moved on; and the bound."""

    decided: tuple[str, ...]
    left: tuple[str, ...]
    wrong_at_most: int
    confidence: float


def find_lots(tx: Transaction, terms: Terms, queue: str, reviewer: Reviewer) -> tuple[Lot, ...]:
    """Sort the most urgent cases of a queue into lots; none where the queue takes no trends. Raises as a claim does."""
    if not takes_trends(tx, terms, queue, reviewer):
        return ()
    return lots_of(rows(tx, SQL.open_lots, OpenCase, {"queue": queue, "limit": SORTED}))


def list_trends(tx: Transaction, queue: str, reviewer: Reviewer) -> list[Trend]:
    """The trends of a queue whose drawn cases are being decided. Raises Forbidden, NotFound."""
    demand_access(tx, queue, reviewer)
    return rows(tx, SQL.trends_of_queue, Trend, {"queue": queue})


def open_trend(
    tx: Transaction,
    terms: Terms,
    now: datetime,
    queue: str,
    lot: tuple[Kind, str],
    reviewer: Reviewer,
    *,
    tolerated: float = TOLERATED,
) -> str:
    """Draw, of the lot of this kind and key, the fewest cases that can speak for the rest; returns the trend's id.

    Raises Unprocessable for a queue that takes no trends, NotFound for a lot that is (or has grown) too small.
    """
    if not takes_trends(tx, terms, queue, reviewer):
        raise Unprocessable("cases of this queue are decided one by one")
    kind, key = lot
    cases = next((each.cases for each in find_lots(tx, terms, queue, reviewer) if (each.kind, each.key) == lot), ())
    if not cases:
        raise NotFound(f"there is no lot of open cases with this {kind}")
    drawn = draw(cases, tolerated)
    trend = new_id("trend")
    said = {"queue": queue, "kind": kind, "key": key, "tolerated": tolerated, "confidence": CONFIDENCE}
    made = {"org": tx.org, "trend": trend, "by": reviewer.principal, "now": now}
    tx.pg.execute(SQL.insert_trend, {**made, **said})
    tx.pg.execute(SQL.insert_trend_cases, {**made, "cases": list(cases), "drawn": list(drawn)})
    audit.record(tx, now, reviewer.principal, "trend.drawn", trend, lot=len(cases), drawn=len(drawn), **said)
    return trend


def draw(cases: Sequence[str], tolerated: float) -> tuple[str, ...]:
    """Draw so many cases, each set of them as likely as any other, that their agreement leaves this share at most."""
    return tuple(secrets.SystemRandom().sample(list(cases), cases_to_draw(len(cases), tolerated)))


def read_trend(tx: Transaction, trend_id: str, reviewer: Reviewer, *, lock: bool = False) -> Standing:
    """Return how a trend stands. Raises NotFound, Forbidden."""
    trend = row(tx, SQL.trend_locked if lock else SQL.trend, Trend, {"trend": trend_id})
    if trend is None:
        raise NotFound(f"there is no trend {trend_id}")
    demand_access(tx, trend.queue, reviewer)
    return standing_of(trend, tuple(rows(tx, SQL.members, Member, {"trend": trend_id})))


def standing_of(trend: Trend, members: Sequence[Member]) -> Standing:
    """Reckon how a trend stands.

    A drawn case that was closed without an answer, or went to a second view, splits the trend like one that came out
    otherwise: the draw would no longer be the one that was made. So does a case of the rest that somebody decided
    otherwise meanwhile.
    """
    drawn = [member for member in members if member.drawn]
    answers = {member.answer for member in drawn}
    known = {member.answer for member in members} - {None}
    lost = any(member.state == "closed" or member.stage != "first" or member.queue != trend.queue for member in drawn)
    agreed = next(iter(answers)) if len(answers) == 1 and not lost and len(known) == 1 else None
    return Standing(
        trend=trend,
        members=tuple(members),
        bound=bound_when_all_agree(len(members), len(drawn), trend.confidence),
        agreed=agreed,
        split=lost or len(known) > 1,
    )


def settle(
    tx: Transaction, enqueuer: outbox.Enqueuer, terms: Terms, now: datetime, trend_id: str, reviewer: Reviewer
) -> Settled:
    """Let the rest of a trend take over what its drawn cases came out as; each case gets a decision of its own.

    Raises Conflict while drawn cases are undecided or can still be undone, and for a trend that is over; one that is
    split is ended by `end_trend`.
    """
    standing = read_trend(tx, trend_id, reviewer, lock=True)
    if standing.trend.state != "drawn":
        raise Conflict("this trend is over")
    if standing.agreed is None:
        raise Conflict("not all drawn cases came out alike for good; the rest is decided one by one")
    outcome, reason = standing.agreed
    speaks = min(member.opinion_id for member in standing.drawn if member.opinion_id is not None)
    view = View(outcome=Outcome(outcome), reason=reason, derived_from=speaks)
    queue = standing.trend.queue
    ordered = sorted(standing.rest, key=lambda member: member.clip_id)
    lock_all(tx, {member.case_id: member.clip_id for member in ordered})
    decided = tuple(
        member.case_id
        for member in ordered
        if take_over(tx, enqueuer, terms, now, member.case_id, view, reviewer, queue=queue)
    )
    wrong = min(standing.bound.wrong, len(decided))
    _close(tx, now, standing.trend, reviewer, "decided", outcome=outcome, reason=reason, wrong=wrong)
    left = tuple(member.case_id for member in ordered if member.case_id not in decided)
    return Settled(decided=decided, left=left, wrong_at_most=wrong, confidence=standing.trend.confidence)


def end_trend(tx: Transaction, now: datetime, trend_id: str, reviewer: Reviewer) -> None:
    """Give a trend up: its cases stay where they always were, to be decided one by one. Raises Conflict when over."""
    standing = read_trend(tx, trend_id, reviewer, lock=True)
    if standing.trend.state != "drawn":
        raise Conflict("this trend is over")
    _close(tx, now, standing.trend, reviewer, "ended")


def undo_trend(tx: Transaction, terms: Terms, now: datetime, trend_id: str, reviewer: Reviewer) -> int:
    """Take back every answer that a trend's rest took over; the cases are dealt again. Returns how many.

    All or nothing: raises Conflict where one of them can be undone no more, or somebody else settled the trend.
    """
    standing = read_trend(tx, trend_id, reviewer, lock=True)
    if standing.trend.state != "decided" or standing.trend.settled_by != reviewer.principal:
        raise Conflict("there is no answer of yours to this trend that could be undone")
    speaks = min(member.opinion_id for member in standing.drawn if member.opinion_id is not None)
    derived = {each for (each,) in tx.pg.execute(SQL.derived, {"opinion": speaks}).fetchall()}
    taken = sorted((m for m in standing.members if m.case_id in derived), key=lambda member: member.clip_id)
    lock_all(tx, {member.case_id: member.clip_id for member in taken})
    for member in taken:
        release(tx, terms, now, member.case_id, reviewer)
    _close(tx, now, standing.trend, reviewer, "ended")
    return len(taken)


def _close(
    tx: Transaction,
    now: datetime,
    trend: Trend,
    reviewer: Reviewer,
    state: Literal["decided", "ended"],
    *,
    outcome: str | None = None,
    reason: str | None = None,
    wrong: int | None = None,
) -> None:
    said = {"outcome": outcome, "reason": reason, "wrong": wrong}
    closing = {**said, "trend": trend.trend_id, "state": state, "by": reviewer.principal, "now": now}
    tx.pg.execute(SQL.settle_trend, closing)
    audit.record(tx, now, reviewer.principal, f"trend.{state}", trend.trend_id, **said)


def takes_trends(tx: Transaction, terms: Terms, queue: str, reviewer: Reviewer) -> bool:
    """Whether a queue's cases may ever be decided by a draw. Raises Forbidden, NotFound."""
    found = demand_access(tx, queue, reviewer)
    return not found.specialist and not takes_two(terms, found)
