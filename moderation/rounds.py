"""One round of a sweep over what is due: each item is a matter of its own, and one that fails stops no other."""

from collections.abc import Callable, Iterable
from typing import Final

import structlog

from moderation.errors import Outage
from moderation.outcomes import database_away

#: SQLSTATE classes of what Postgres ends in one transaction and not in others: idleness, conflicts, locks.
OF_ONE: Final = ("25", "40", "55")

log = structlog.get_logger()


def go_through(due: Iterable[tuple[object, ...]], act: Callable[..., int]) -> int:
    """Let `act` do each item in a transaction of its own; returns how much was done.

    What fails is logged and stands in the next round again. Raises what would fail for every other item alike.
    """
    done = 0
    for item in due:
        try:
            done += act(*item)
        except Exception as error:
            if _of_all(error):
                raise
            log.warning("sweep_item_failed", item=item, error=type(error).__name__)
    return done


def _of_all(error: Exception) -> bool:
    """Whether the database or another part is gone; what ended by an item's own wait or conflict is not that."""
    code = getattr(getattr(error, "orig", error), "sqlstate", None) or ""
    return isinstance(error, Outage) or (database_away(error) and not code.startswith(OF_ONE))
