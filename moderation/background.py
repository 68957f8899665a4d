"""What a reviewer is told beside a clip: its creator in figures, what people in it granted, what it was made from.

Never a name: neither the creator's nor a registered person's.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from moderation.clips import Clip
from moderation.db import Transaction, queries, rows
from moderation.history import account_facts

SQL = queries("background")
#: How many generations, ancestors and grants a person is shown.
GENERATIONS = 8
MOST = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Creator:
    """A creator in figures, without this clip; `known` is False where the platform named nobody."""

    known: bool
    age_band: str | None
    clips: int = 0
    released: int = 0
    blocked: int = 0
    days: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ancestor:
    """A clip that this one was made from; `status` is None for one that is no clip of ours."""

    clip_id: str
    generation: int
    status: str | None
    case_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Permission:
    """One grant that counts for a person concerned, and speaks of this creator (`personal`) or of everybody.

    Whether it does is weighed as `consent.stand` does: who is not verified has none, a linked figure their cameo's.
    """

    person: str
    kind: str
    scope: str
    mode: str
    purposes: list[str]
    personal: bool
    since: datetime
    until: datetime | None
    revoked: bool

    def stands(self, now: datetime) -> bool:
        """Whether it is neither taken back nor over."""
        return not self.revoked and (self.until is None or self.until > now)


@dataclass(frozen=True, slots=True, kw_only=True)
class Background:
    """All of it, read in one transaction."""

    creator: Creator
    permissions: tuple[Permission, ...]
    ancestors: tuple[Ancestor, ...]


def read_background(tx: Transaction, now: datetime, clip: Clip, people: Collection[str]) -> Background:
    """Read what stands beside a clip; `people` are the registered people who were seen, heard or declared."""
    where = {"clip": clip.clip_id, "parents": clip.parents, "generations": GENERATIONS, "most": MOST}
    concerned = {"people": sorted(people), "creator": clip.creator, "most": MOST}
    return Background(
        creator=_creator(tx, now, clip),
        permissions=tuple(rows(tx, SQL.permissions, Permission, concerned)) if people else (),
        ancestors=tuple(rows(tx, SQL.ancestors, Ancestor, where)) if clip.parents else (),
    )


def _creator(tx: Transaction, now: datetime, clip: Clip) -> Creator:
    facts = {name: int(value or 0) for name, value in account_facts(tx, clip, now).items()}
    return Creator(
        known=bool(clip.creator),
        age_band=clip.creator_age_band,
        clips=facts.get("clips", 0),
        released=facts.get("released_clips", 0),
        blocked=facts.get("blocked_clips", 0),
        days=facts.get("days", 0),
    )
