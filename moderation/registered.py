"""What staff and people themselves read of the likeness registry: counts beside a person, remixes, one clip's still.

Reads only. Shows no template, and finds nobody by a face.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from moderation.appearances import of_person
from moderation.db import Transaction, queries, rows
from moderation.facts import FactRecord

SQL = queries("registered")
RECORDS = queries("records")
#: How far down remixes are counted, and how many doubtful clips are named.
GENERATIONS: Final = 32
MOST_DOUBTS: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One person in figures: live grants, clips that are out and show them, when they were last recognised."""

    person_id: str
    grants: int
    circulating: int
    last_match_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """Clips so many steps away from one that shows the person; 0 are those themselves."""

    generation: int
    clips: int
    released: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """A clip of which it is not sure whom it shows, and everybody it may be."""

    clip_id: str
    status: str
    people: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A notice about a clip that shows the person, or an appeal (kind `appeal`); never who sent it."""

    claim_id: str
    kind: str
    state: str
    clip_id: str
    case_id: str | None
    filed_at: datetime


def claims_about(tx: Transaction, person: str) -> list[Claim]:
    """Notices and appeals about clips that show a person, or may, newest first."""
    return rows(tx, SQL.claims, Claim, {"person": person, "most": MOST_DOUBTS})


def lines_of(tx: Transaction, people: Sequence[str], now: datetime) -> dict[str, Line]:
    """The figures beside these people. One statement."""
    found = rows(tx, SQL.lines, Line, {"people": list(people), "now": now})
    return {line.person_id: line for line in found}


def remixes_of(tx: Transaction, person: str) -> list[Generation]:
    """How many clips show a person, and how many were made from those, by distance."""
    return rows(tx, SQL.generations, Generation, {"person": person, "most": GENERATIONS})


def doubts_about(tx: Transaction, person: str) -> list[Doubt]:
    """Clips that may show this person, with everybody else they may show; newest first."""
    return rows(tx, SQL.doubts, Doubt, {"person": person, "limit": MOST_DOUBTS})


def pseudonyms_of(tx: Transaction, clips: Sequence[str]) -> dict[str, str]:
    """What the makers of clips are called here, by clip."""
    return dict(tx.pg.execute(SQL.pseudonyms, {"clips": list(clips)}).fetchall())


def moment_of(tx: Transaction, clip_id: str, person: str) -> int:
    """A millisecond of a clip at which somebody is seen, its middle where that is not known."""
    found = tx.pg.execute(RECORDS.latest_facts, {"clip": clip_id}).fetchone()
    if found is None:
        return 0
    facts = FactRecord.from_json(found[0])
    seen = [face for face in facts.faces if any(near.person == person for near in face.candidates)]
    if not seen:
        return facts.duration_ms // 2
    longest = max(seen, key=lambda face: face.end_ms - face.start_ms)
    return (longest.start_ms + longest.end_ms) // 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A clip in which somebody appears, as they see it themselves."""

    clip_id: str
    status: str
    draft: bool
    #: What its maker is called here; empty where the platform named nobody.
    pseudonym: str
    at: datetime
    #: face, voice, declared, inherited or copy.
    hows: list[str]
    #: Whether they were recognised for certain; only then is anything shown of it.
    sure: bool


def places_of(tx: Transaction, person: str, *, after: str | None, limit: int) -> list[Place]:
    """Where somebody appears, drafts and remixes included, newest clip first from a clip on."""
    found = of_person(tx, person, after=after, limit=limit)
    called = pseudonyms_of(tx, [each.clip_id for each in found])
    return [
        Place(
            clip_id=each.clip_id,
            status=each.status,
            draft=each.visibility == "draft",
            pseudonym=called.get(each.clip_id, ""),
            at=each.created_at,
            hows=each.hows,
            sure=each.matched,
        )
        for each in found
    ]
