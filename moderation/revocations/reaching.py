"""What a revocation reaches: clips that show the person and what was made from them, at any depth. Changes nothing."""

from collections.abc import Sequence
from dataclasses import dataclass

from moderation.db import Transaction, queries, rows

SQL = queries("revocations")
#: Ways in which a clip is reached that say it shows the person.
SHOWS = frozenset({"shown", "copy"})
_ON_ITS_WAY = frozenset({"received", "processing", "held"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """One clip. `why`: shown, possible, declared, copy (the same pictures) or descendant (made from one of these)."""

    clip_id: str
    status: str
    visibility: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """The same in numbers: clips by status; drafts are counted there too, and so are descendants."""

    released: int
    in_review: int
    processing: int
    drafts: int
    descendants: int

    def to_json(self) -> dict[str, int]:
        """Plain numbers, as the API and the revocation's row write them."""
        return {
            "released": self.released,
            "in_review": self.in_review,
            "processing": self.processing,
            "drafts": self.drafts,
            "descendants": self.descendants,
        }


def find_reached(
    tx: Transaction,
    person: str,
    *,
    scope: str = "both",
    creators: Sequence[str] | None = None,
    unpurged: bool = False,
) -> list[Reached]:
    """Clips that are not over and that taking back everything, or a scope from some creators, would reach.

    With `unpurged` those too that an earlier revocation took out, and whose purge nobody has confirmed yet. One query:
    a recursive union over the edges of lineage, which ends in circles too.
    """
    said = {"person": person, "scope": scope, "creators": None if creators is None else list(creators)}
    return rows(tx, SQL.reach, Reached, {**said, "unpurged": unpurged})


def count_reach(reached: Sequence[Reached]) -> Reach:
    """Add up what is reached."""
    return Reach(
        released=sum(each.status == "released" for each in reached),
        in_review=sum(each.status == "in_review" for each in reached),
        processing=sum(each.status in _ON_ITS_WAY for each in reached),
        drafts=sum(each.visibility == "draft" for each in reached),
        descendants=sum(each.why == "descendant" for each in reached),
    )


def reach(tx: Transaction, person: str) -> Reach:
    """What taking everything back would reach now, in numbers."""
    return count_reach(find_reached(tx, person))
