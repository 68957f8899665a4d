"""Which stored records a rehearsal is about: a stretch of time, a sample, labels. Reads ids, never a record."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice

from moderation.db import Transaction, queries
from moderation.errors import Unprocessable

SQL = queries("rehearsing")
BATCH = 250
_AGO = re.compile(r"(\d{1,5})(m|h|d|w)")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What to look at. `labels` are outcomes by clip id that speak instead of people's own decisions."""

    since: datetime
    until: datetime
    sample: int | None = None
    queue: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    #: Clips named for each cell of the table.
    examples: int = 3

    def __post_init__(self) -> None:
        if self.since >= self.until:
            raise Unprocessable("nothing lies between since and until: the first must be earlier")
        if self.sample is not None and self.sample < 1:
            raise Unprocessable("a sample has at least one clip")

    def bounds(self) -> dict[str, object]:
        """Return the parameters of the queries."""
        return {"since": self.since, "until": self.until, "sample": self.sample, "labelled": list(self.labels)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """How much there is: clips that rules decided, the first and last of them, and clips that no rule decided."""

    clips: int
    first: datetime | None
    last: datetime | None
    without_rules: int

    def days(self, scope: Scope) -> float:
        """Return the days that the records cover, at least one: less is no measure of a day."""
        if self.first is None:
            return 1.0
        ends = min(scope.until, self.last + timedelta(days=1)) if self.last else scope.until
        return max(1.0, (ends - max(scope.since, self.first)) / timedelta(days=1))


@dataclass(frozen=True, slots=True)
class Key:
    """One clip's record: the decision that rules took, its label, whether it belongs in the table (or only labels)."""

    clip: str
    decision: str
    label: str | None
    counted: bool


def moment(text: str, now: datetime) -> datetime:
    """Read a time: ISO 8601 (UTC unless it says otherwise) or an age such as `30d`, `12h`. Raises Unprocessable."""
    ago = _AGO.fullmatch(text.strip())
    if ago is not None:
        return now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
    try:
        read = datetime.fromisoformat(text.strip())
    except ValueError:
        raise Unprocessable(f"{text!r} is no time: write 2026-10-01, 2026-10-01T08:00 or 30d") from None
    return read if read.tzinfo is not None else read.replace(tzinfo=UTC)


def measure(tx: Transaction, scope: Scope) -> Extent:
    """Count what the scope holds."""
    row = tx.pg.execute(SQL.extent, scope.bounds()).fetchone()
    lost = tx.pg.execute(SQL.without_rules, scope.bounds()).fetchone()
    assert row is not None
    assert lost is not None
    return Extent(clips=row[0], first=row[1], last=row[2], without_rules=lost[0])


def batches(tx: Transaction, scope: Scope, size: int = BATCH) -> Iterator[list[Key]]:
    """Give the keys in order of clip id, `size` at a time, from a cursor of the server's."""
    read_to_the_end(tx)
    with tx.pg.cursor(name="rehearsed") as cursor:
        cursor.itersize = 4 * size
        cursor.execute(SQL.decided, scope.bounds())
        while found := list(islice(cursor, size)):
            yield [_key(row, scope) for row in found]


def read_to_the_end(tx: Transaction) -> None:
    """Have cursors of this transaction planned for all of their rows: a plan for the first tenth may be far slower."""
    tx.pg.execute("set local cursor_tuple_fraction = 1")


def _key(row: tuple[str, str, str | None, bool], scope: Scope) -> Key:
    clip, decision, label, counted = row
    return Key(clip, decision, scope.labels.get(clip, label), counted)
