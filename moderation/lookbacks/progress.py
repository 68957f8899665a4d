"""How far a look back has come, for its platform and its person. Reads only."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from moderation.db import Transaction, queries, row, rows
from moderation.errors import NotFound
from moderation.verdicts import moment

SQL = queries("lookbacks")
#: How many clips that could not be looked at are named.
MOST_NAMED: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """One look back. Every clip of the window is in exactly one of known, looked, unreadable, moved_on and left."""

    lookback_id: str
    person_id: str
    since: datetime
    until: datetime
    creator: str | None
    words: str | None
    state: str
    ended_why: str | None
    #: What is down, while it waits for that.
    held_cause: str | None
    asked_at: datetime
    ended_at: datetime | None
    listed_at: datetime | None
    clips: int
    #: Of these, clips whose prompt or title names the person: looked at first.
    named: int
    #: Clips that were judged since the person was registered as they are.
    known: int
    looked: int
    matched: int
    possible: int
    #: Clips looked at of which something could not be read.
    partly: int
    unreadable: int
    #: Clips that were withdrawn or sent to judgement meanwhile.
    moved_on: int
    cpu_ms: int
    #: Clips looked at by what was kept of them for a while, without decoding them.
    from_templates: int

    @property
    def left(self) -> int:
        """Clips that nobody has looked at yet."""
        return self.clips - self.known - self.looked - self.unreadable - self.moved_on

    @property
    def cpu_seconds_left(self) -> float | None:
        """What the rest is likely to cost by the mean so far; None before anything was looked at."""
        if not self.left or self.state == "cancelled":
            return 0.0 if self.listed_at else None
        return round(self.cpu_ms / self.looked * self.left / 1000, 1) if self.looked else None

    def to_json(self) -> dict[str, object]:
        """The document of `GET /v1/people/{id}/lookbacks/{l}`; counts are null until the window is listed."""
        counts = {
            "in_window": self.clips,
            "naming_the_person": self.named,
            "judged_since": self.known,
            "looked_at": self.looked,
            "from_templates": self.from_templates,
            "matched": self.matched,
            "possible": self.possible,
            "partly_read": self.partly,
            "unreadable": self.unreadable,
            "moved_on": self.moved_on,
            "left": self.left,
        }
        return {
            "lookback_id": self.lookback_id,
            "person": self.person_id,
            "from": moment(self.since),
            "to": moment(self.until),
            "creator": self.creator,
            "words": self.words,
            "state": self.state,
            "ended_why": self.ended_why,
            "held_cause": self.held_cause,
            "clips": counts if self.listed_at else None,
            "cpu_seconds": round(self.cpu_ms / 1000, 1),
            "cpu_seconds_left": self.cpu_seconds_left,
            "asked_at": moment(self.asked_at),
            "ended_at": moment(self.ended_at) if self.ended_at else None,
        }


def progress(tx: Transaction, person: str, lookback: str) -> Progress:
    """How far one of a person's look backs has come. Raises NotFound."""
    found = row(tx, SQL.lookback, Progress, {"lookback": lookback, "person": person})
    if found is None:
        raise NotFound(f"there is no look back {lookback}")
    return found


def lookbacks_of(tx: Transaction, person: str, *, limit: int = 50) -> list[Progress]:
    """A person's look backs, newest first."""
    return rows(tx, SQL.lookbacks_of, Progress, {"person": person, "limit": limit})


def unreadable_clips(tx: Transaction, lookback: str) -> list[dict[str, str]]:
    """Clips that could not be looked at, with why, the first hundred: who may be in them is not known."""
    found = tx.pg.execute(SQL.unreadable, {"lookback": lookback, "limit": MOST_NAMED}).fetchall()
    return [{"clip_id": clip, "why": why} for clip, why in found]
