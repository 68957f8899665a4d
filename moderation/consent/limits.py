"""What a person forbids whatever a grant says. Append-only: the last word stands."""

from collections.abc import Collection, Iterable
from datetime import datetime

from moderation import audit, stops
from moderation.consent.contexts import CONTEXTS, Context
from moderation.consent.people import SQL, lock_person
from moderation.db import Transaction
from moderation.errors import Unprocessable


def forbid(tx: Transaction, now: datetime, person: str, contexts: Iterable[Context], *, by: str) -> tuple[Context, ...]:
    """Say in which contexts a person may not be shown, from now on and by whatever grant; returns what stands.

    With a context more than before nothing that shows them is served until it was judged by it. For a teen every
    context is forbidden, and none can be allowed: Unprocessable. Raises NotFound.
    """
    wanted = tuple(context for context in CONTEXTS if context in set(contexts))
    held = lock_person(tx, person)
    if held.teen and wanted != CONTEXTS:
        raise Unprocessable("for a teen every context stays forbidden")
    before = read_limits(tx, [person]).get(person, ())
    row = {"org": tx.org, "person": person, "contexts": list(wanted), "by": by, "now": now}
    tx.pg.execute(SQL.insert_limits, row)
    tx.pg.execute(SQL.touch_person, {"person": person})
    if not set(wanted) <= set(before):
        stops.put_up(tx, now, person)
    audit.record(tx, now, by, "person.limits", person, contexts=list(wanted))
    return wanted


def read_limits(tx: Transaction, people: Collection[str]) -> dict[str, tuple[str, ...]]:
    """What each of these people forbids; who never said is not in it."""
    found = tx.pg.execute(SQL.limits, {"people": sorted(people)}).fetchall()
    return {person: tuple(contexts) for person, contexts in found}
