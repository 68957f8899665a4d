"""Who appears in which clip, as the latest judgement knows it. Reads facts, writes rows; finds nobody by itself."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from moderation.clips import Clip
from moderation.db import Transaction, queries, rows
from moderation.facts import FactRecord

SQL = queries("appearances")
MATCHED, POSSIBLE, DECLARED = "matched", "possible", "declared"
#: Of nobody are there two records.
NOBODY_TWICE: Final[Mapping[str, str]] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Appearance:
    """One clip in which somebody appears: `hows` are face, voice, declared, inherited (in a parent) and copy."""

    clip_id: str
    status: str
    visibility: str
    creator: str | None
    created_at: datetime
    #: Whether its file can be fetched, as far as the release says.
    out: bool
    hows: list[str]
    #: Whether the person was recognised, not only possibly.
    matched: bool


def declare(tx: Transaction, clip_id: str, generation: int, people: Sequence[str], now: datetime) -> None:
    """Note whom a submission declares, until it is judged."""
    if people:
        row = {"clip": clip_id, "generation": generation, "people": list(people), "now": now}
        tx.pg.execute(SQL.declare_people, row)


def write(
    tx: Transaction,
    clip: Clip,
    facts: FactRecord,
    now: datetime,
    *,
    refuted: frozenset[str],
    humans: Mapping[str, str] = NOBODY_TWICE,
) -> None:
    """Put what a judgement knows in the place of what the one before knew; the caller holds the clip's row.

    `refuted` are people whom somebody looked at and did not recognise: they stay possible. For `humans` see `seen`.
    """
    found = sorted(seen(facts, refuted, humans).items())
    row = {"clip": clip.clip_id, "generation": clip.generation, "now": now}
    tx.pg.execute(SQL.forget_appearances, row)
    if found:
        said = {
            "people": [person for (person, _), _ in found],
            "hows": [how for (_, how), _ in found],
            "states": [state for _, state in found],
            "versions": [facts.people[person].version for (person, _), _ in found],
        }
        tx.pg.execute(SQL.insert_appearances, row | said)
    tx.pg.execute(SQL.insert_copied, row)
    wrong = refuted | {humans[person] for person in refuted if person in humans}
    tx.pg.execute(SQL.renew_copied, row | {"refuted": sorted(wrong)})
    tx.pg.execute(SQL.mirror_copied, row)
    tx.pg.execute(SQL.insert_inherited, row)


def note(tx: Transaction, clip: Clip, person: str, ways: Mapping[str, str], now: datetime) -> bool:
    """Add how somebody was found in a clip that was judged without them; False where that is known already.

    `ways` are face and voice with matched or possible. The caller holds the clip's row.
    """
    row = {"clip": clip.clip_id, "generation": clip.generation, "person": person, "now": now}
    return bool(tx.pg.execute(SQL.note_found, row | {"hows": list(ways), "states": list(ways.values())}).fetchall())


def seen(
    facts: FactRecord, refuted: frozenset[str] = frozenset(), humans: Mapping[str, str] = NOBODY_TWICE
) -> dict[tuple[str, str], str]:
    """Person and way -> matched, possible or declared, of everybody in the record that the registry knows.

    A face or voice within the match line of two people is surely neither's: nobody is shown a stranger, or takes out
    a stranger's clip, for looking like them. `humans` names the record that rules for another of the same human: where
    one is seen or declared, so is the other, and who is refuted is so in both.
    """
    found: dict[tuple[str, str], str] = {}
    near = [("face", face.candidates) for face in facts.faces] + [("voice", voice.candidates) for voice in facts.voices]
    for how, candidates in near:
        known = {each.person: str(each.state) for each in candidates if each.person in facts.people}
        whose = {person: humans.get(person, person) for person in known}
        wrong = {humans.get(person, person) for person in refuted}
        sure = {whose[person] for person, state in known.items() if state == MATCHED} - wrong
        for person, state in known.items():
            certain = state == MATCHED and sure == {whose[person]}
            for record in {person, whose[person]} & facts.people.keys():
                matched = certain or found.get((record, how)) == MATCHED
                found[record, how] = MATCHED if matched else POSSIBLE
    said = {person for person, fact in facts.people.items() if fact.declared}
    said |= {humans[person] for person in said if person in humans} & facts.people.keys()
    return found | {(person, DECLARED): DECLARED for person in said}


def doubt_shared(tx: Transaction, figure: str, cameo: str) -> None:
    """Be sure no more of a cameo where a figure is too: the two are not one human. The caller holds the figure.

    Until a clip is judged again a reviewer looks in the place of whoever would see it, or take it out.
    """
    tx.pg.execute(SQL.doubt_shared, {"figure": figure, "cameo": cameo})


def of_person(tx: Transaction, person: str, *, after: str | None = None, limit: int = 50) -> list[Appearance]:
    """Where somebody appears, drafts included, newest clip first from a clip on."""
    return rows(tx, SQL.of_person, Appearance, {"person": person, "after": after, "limit": limit})


def in_clip(tx: Transaction, clip_id: str, person: str) -> list[tuple[str, str]]:
    """How one clip shows one person: ways with their states."""
    return [(how, state) for how, state in tx.pg.execute(SQL.in_clip, {"clip": clip_id, "person": person}).fetchall()]


def copied_since(tx: Transaction, clip_id: str) -> bool:
    """Whether a clip with the same pictures shows somebody of whom this one's judgement did not know."""
    return tx.pg.execute(SQL.copied_since, {"clip": clip_id}).fetchone() is not None


def untold_copies(tx: Transaction, clip_id: str) -> list[tuple[str, bool]]:
    """Clips with the same pictures that do not know of somebody whom this one shows; whether each was judged so."""
    return tx.pg.execute(SQL.untold_copies, {"clip": clip_id}).fetchall()


def hold_people(tx: Transaction, clip_id: str) -> Iterable[str]:
    """Let nobody who appears in a clip take consent back until this transaction ends; returns who they are."""
    return [person for (person,) in tx.pg.execute(SQL.hold_people, {"clip": clip_id}).fetchall()]
