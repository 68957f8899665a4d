"""The queues: which there are, who may work on them, and how each stands at a glance."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from moderation import audit
from moderation.db import Transaction, queries, row, rows
from moderation.errors import Conflict, Forbidden, NotFound, Unprocessable
from moderation.policy.registry import QUEUES
from moderation.review.reviewers import Profile, Reviewer

SQL = queries("queues")

DEFAULT_QUEUE: Final = "general"
#: Queues of the vocabulary whose cases only specialists may claim, see or decide.
SPECIALIST_QUEUES: Final = frozenset(name for name, queue in QUEUES.items() if queue.specialists)
#: What an operator may change of a queue.
CHANGEABLE: Final = frozenset(
    {
        "two_person",
        "hours_per_day",
        "seconds_per_case",
        "patience_s",
        "second_opinion_rate",
        "golden_rate",
        "retired",
    }
)
#: What the law gives hours for is dealt by them, whatever waits: a notice passed over for graver ones would be late.
BY_CLOCK: Final = frozenset({"takedown"})
#: What the settings say where a queue does not.
MAY_BE_EMPTY: Final = frozenset({"two_person", "hours_per_day", "seconds_per_case"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """One row of `moderation.queues`; what is None the settings say."""

    name: str
    rank: int
    specialist: bool
    two_person: bool | None
    hours_per_day: float | None
    seconds_per_case: float | None
    patience_s: int
    second_opinion_rate: float
    golden_rate: float
    retired: bool

    @property
    def patience(self) -> timedelta:
        """How long its cases may wait."""
        return timedelta(seconds=self.patience_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueLine:
    """One queue at a glance. `mine` is what the asking reviewer answered in it since midnight (UTC)."""

    name: str
    specialist: bool
    waiting: int
    in_work: int
    mine: int
    #: What a day of its people's hours does not cover; it stays held, and is dealt by risk.
    beyond: int
    #: When the case that waits longest came, and when the most urgent one is due; None in an empty queue.
    oldest: datetime | None
    due: datetime | None
    last_decided: datetime | None

    @property
    def by_clock(self) -> bool:
        """Whether what is due first is dealt first whatever waits."""
        return self.name in BY_CLOCK


def read_queue(tx: Transaction, name: str) -> Queue:
    """Return one queue. Raises NotFound for a name that is none, and for a queue that is no longer used."""
    found = row(tx, SQL.queue, Queue, {"name": name})
    if found is None or found.retired:
        raise NotFound(f"there is no queue {name}")
    return found


def find_queue(tx: Transaction, name: str) -> Queue:
    """Return one queue for a case to come into; one that nobody set up is made, for specialists only."""
    tx.pg.execute(SQL.make_queue, {"org": tx.org, "name": name})
    found = row(tx, SQL.queue, Queue, {"name": name})
    if found is None:
        raise NotFound(f"there is no queue {name}")
    return found


def list_queues(tx: Transaction, now: datetime, reviewer: Reviewer, *, empty: bool = False) -> list[QueueLine]:
    """The queues that are dealt to this reviewer; those in which nothing waits only when asked for. One statement."""
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    where = {"now": now, "reviewer": reviewer.principal, "midnight": midnight}
    found = rows(tx, SQL.queue_lines, QueueLine, where)
    return [line for line in found if (empty or line.waiting) and (reviewer.specialist or not line.specialist)]


def demand_access(tx: Transaction, name: str, reviewer: Reviewer) -> Queue:
    """Refuse general reviewers the specialists' queues. Raises Forbidden, NotFound for a queue that is none."""
    queue = read_queue(tx, name)
    if queue.specialist and not reviewer.specialist:
        raise Forbidden(f"the queue {name} is for specialists")
    return queue


def demand_dealt(queue: Queue, profile: Profile) -> None:
    """Refuse who was given other queues, or chose not to see this one. Raises Forbidden."""
    if profile.queues is not None and queue.name not in profile.queues:
        raise Forbidden(f"the queue {queue.name} is not among yours")
    if queue.name in profile.opted_out:
        raise Forbidden(f"you asked not to be dealt cases of {queue.name}; your preferences change that")


def change_queue(tx: Transaction, now: datetime, name: str, wanted: Mapping[str, object], *, by: str) -> Queue:
    """Change some of a queue's columns (`CHANGEABLE`); the others stay. Raises NotFound, Unprocessable."""
    strange = set(wanted) - CHANGEABLE
    if strange:
        raise Unprocessable(f"a queue's {', '.join(sorted(strange))} cannot be changed")
    missing = [name for name, value in wanted.items() if value is None and name not in MAY_BE_EMPTY]
    if missing:
        raise Unprocessable(f"a queue needs its {', '.join(missing)}")
    found = row(tx, SQL.queue, Queue, {"name": name})
    if found is None:
        raise NotFound(f"there is no queue {name}")
    changed = replace(found, **wanted)  # type: ignore[arg-type]  # the border checked their types
    if changed.retired and not found.retired:
        _demand_empty(tx, name)
    tx.pg.execute(SQL.change_queue, asdict(changed))
    audit.record(tx, now, by, "queue.changed", name, **wanted)
    return changed


def _demand_empty(tx: Transaction, name: str) -> None:
    waiting = tx.pg.execute(SQL.waiting, {"name": name}).fetchone()
    if waiting and waiting[0]:
        raise Conflict(f"{waiting[0]} cases wait in {name}; a queue is retired when it is empty")


def fold_changes(tx: Transaction) -> int:
    """Add up what queues gained and lost, so that lists stay quick (a system transaction); how many rows went."""
    return tx.pg.execute(SQL.fold_changes).rowcount
