"""Dealing: which case a reviewer gets next, under a lease. Never their own again; nothing severe where that is enough.

Deadline first, then severity, then age; beyond its people's hours a queue deals the riskiest first, but for notices.
What a colleague holds is passed over, never waited for; who looked long enough is dealt nothing severe.
"""

import secrets
from datetime import datetime

from moderation import exposure
from moderation.db import Transaction, queries, row, rows
from moderation.review.capacity import overloaded
from moderation.review.cases import Case, note_act, read_case
from moderation.review.opinions import answered_already
from moderation.review.queues import BY_CLOCK, demand_access, demand_dealt
from moderation.review.reviewers import Reviewer, enlist
from moderation.review.terms import Terms

SQL = queries("cases")
#: How often a case may be taken away between finding it and leasing it before the reviewer is told that none is free.
TRIES = 8
#: Beyond every severity.
NO_LIMIT = 2**31 - 1
BY_DEADLINE = b" order by deadline, severity desc, created_at limit 1"
BY_RISK = b" order by severity desc, deadline, created_at limit 1"


def claim(
    tx: Transaction, terms: Terms, now: datetime, queue: str, reviewer: Reviewer, clip_id: str | None = None
) -> Case | None:
    """Take the next case of a queue, or a clip's, under a lease; None when nothing is free for this reviewer.

    Raises NotFound for a queue that is none, Forbidden for one that is not theirs.
    """
    where = _wish(tx, terms, now, queue, reviewer, clip_id)
    # Passes over what a colleague takes, not what somebody only writes of.
    next_case = _next_case(tx, queue) + b" for no key update skip locked"
    for _ in range(TRIES):
        found = tx.pg.execute(next_case, where).fetchone()
        if found is None:
            return None
        lease = {"token": secrets.token_urlsafe(24), "expires_at": now + terms.lease}
        # Asked again with the row held: what this reviewer answered in the same moment was not seen before.
        if not answered_already(tx, terms, read_case(tx, found[0]), reviewer):
            case = row(tx, SQL.lease, Case, {**where, **lease, "case": found[0]})
            assert case is not None
            note_act(tx, now, case.case_id, "claimed", reviewer)
            return case
    return None


def peek(
    tx: Transaction, terms: Terms, now: datetime, queue: str, reviewer: Reviewer, *, beside: str = ""
) -> str | None:
    """The id of the case that would be dealt next, without taking it; for making ready what it will show.

    `beside` is the case that the reviewer has in hand and will have answered by then.
    """
    where = _wish(tx, terms, now, queue, reviewer, None)
    found = tx.pg.execute(_next_case(tx, queue), {**where, "beside": beside}).fetchone()
    return str(found[0]) if found else None


def spared(tx: Transaction, terms: Terms, now: datetime, queue: str, reviewer: Reviewer) -> exposure.Standing | None:
    """How the reviewer stands where this queue has a case for them that is too severe just now; None elsewhere."""
    where = {**_wish(tx, terms, now, queue, reviewer, None), "severe_from": NO_LIMIT}
    standing = _standing(tx, terms, now, reviewer)
    kept = not standing.severe_allowed(now) and tx.pg.execute(_next_case(tx, queue), where).fetchone()
    return standing if kept else None


def my_cases(tx: Transaction, now: datetime, reviewer: Reviewer) -> list[Case]:
    """What this reviewer holds, the lease that ends first before the others."""
    return rows(tx, SQL.cases_held, Case, {"holder": reviewer.principal, "now": now})


def _next_case(tx: Transaction, queue: str) -> bytes:
    return SQL.next_case + (BY_RISK if queue not in BY_CLOCK and overloaded(tx, queue) else BY_DEADLINE)


def _wish(
    tx: Transaction, terms: Terms, now: datetime, queue: str, reviewer: Reviewer, clip_id: str | None
) -> dict[str, object]:
    demand_dealt(demand_access(tx, queue, reviewer), enlist(tx, now, reviewer.principal))
    return {
        "queue": queue,
        "clip": clip_id,
        "now": now,
        "holder": reviewer.principal,
        "again": terms.own_clips_again,
        "severe_from": NO_LIMIT if _standing(tx, terms, now, reviewer).severe_allowed(now) else terms.caps.severe_from,
        "beside": "",
    }


def _standing(tx: Transaction, terms: Terms, now: datetime, reviewer: Reviewer) -> exposure.Standing:
    return exposure.standing(tx, now, reviewer.principal, terms.caps.of(specialist=reviewer.specialist))
