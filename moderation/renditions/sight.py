"""Who may see what of a case: refused here, by the server, whatever a page asks for."""

from datetime import datetime

from moderation import review
from moderation.db import Transaction, queries
from moderation.errors import Forbidden, NotFound

SQL = queries("renditions")


def demand_sight(tx: Transaction, now: datetime, case: review.Case, who: review.Reviewer) -> None:
    """Refuse whoever may not look at a case's veiled renditions.

    A clip's strictest queue counts, whichever of its cases is asked for. Raises Forbidden for specialists' material
    and while a colleague holds the case, NotFound where nothing is ever shown.
    """
    _demand_access(tx, case, who)
    if case.held(now) and case.lease_holder != who.principal:
        raise Forbidden("another reviewer has this case")


def demand_unveiled(tx: Transaction, case: review.Case, who: review.Reviewer) -> None:
    """Refuse to unveil what is never unveiled: specialists' material, whoever asks. Raises Forbidden, NotFound."""
    _demand_access(tx, case, who)
    if veil_only(tx, case):
        raise Forbidden("this material stays veiled and without sound")


def veil_only(tx: Transaction, case: review.Case) -> bool:
    """Whether the clip stands, or stood, in a queue for specialists: then it is never unveiled."""
    return any(specialist for _, specialist in _queues_of(tx, case))


def _demand_access(tx: Transaction, case: review.Case, who: review.Reviewer) -> None:
    review.demand_access(tx, case.queue, who)
    queues = _queues_of(tx, case)
    if any(specialist for _, specialist in queues) and not who.specialist:
        raise Forbidden("this clip is for specialists")
    if any(name == review.HASH_QUEUE for name, _ in queues):
        raise NotFound("cases of this queue have no renditions")


def _queues_of(tx: Transaction, case: review.Case) -> list[tuple[str, bool]]:
    """Every queue that a case of this clip stood in, and whether it is for specialists."""
    return [(name, bool(only)) for name, only in tx.pg.execute(SQL.queues_of_clip, {"clip": case.clip_id}).fetchall()]
