"""Leases: a case is its holder's for a time. Whoever's lease is lost changes nothing."""

from datetime import datetime

from moderation.db import Transaction, queries
from moderation.errors import Conflict
from moderation.review.cases import Case, note_act
from moderation.review.reviewers import Reviewer
from moderation.review.terms import Terms

SQL = queries("cases")


def renew(tx: Transaction, terms: Terms, now: datetime, case_id: str, token: str) -> datetime:
    """Prolong a lease that still stands. Raises Conflict when it does not."""
    expires_at = now + terms.lease
    where = {"case": case_id, "token": token, "now": now, "expires_at": expires_at}
    if tx.pg.execute(SQL.renew_lease, where).fetchone() is None:
        raise Conflict("your hold on this case ran out; nothing was recorded")
    return expires_at


def skip(tx: Transaction, now: datetime, case_id: str, token: str, reviewer: Reviewer) -> None:
    """Leave a case to colleagues: the queue deals it to this reviewer no more. Raises Conflict as `give_back`."""
    give_back(tx, now, case_id, token, reviewer, action="skipped")


def give_back(
    tx: Transaction, now: datetime, case_id: str, token: str, reviewer: Reviewer, *, action: str = "returned"
) -> None:
    """End a lease without a decision. Raises Conflict when it is not the current one."""
    where = {"case": case_id, "token": token, "holder": reviewer.principal}
    if tx.pg.execute(SQL.end_lease, where).fetchone() is None:
        raise Conflict("your hold on this case ran out already")
    note_act(tx, now, case_id, action, reviewer)


def demand_lease(case: Case, token: str, version: int, reviewer: Reviewer, now: datetime) -> None:
    """Refuse an answer to a locked case from who does not hold it, or saw another version of it. Raises Conflict."""
    if not case.held(now) or case.lease_token != token or case.lease_holder != reviewer.principal:
        raise Conflict("your hold on this case ran out or another reviewer has it; nothing was recorded")
    if case.version != version:
        raise Conflict("the case changed since you opened it; nothing was recorded", version=case.version)
