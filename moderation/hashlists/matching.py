"""Comparing a clip's print with the lists and with our own clips, as vPDQ does; the answer is numbers for facts.

After Facebook's vPDQ: frames of quality 50 and more, the same within 31 bits; the share of the query's frames that
are matched, and the share of the target's. Decides nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from moderation.db import Transaction, queries
from moderation.db.clips import read_clip
from moderation.hashlists.asking import kept_answers
from moderation.hashlists.lists import Category
from moderation.hashlists.mirror import Hits, ListMirror, OwnHits
from moderation.hashlists.prints import ClipPrint, read_print
from moderation.hashlists.providers import ServiceMatch
from watermark.fingerprint import MIN_FRAMES, NEAR, SAME_PICTURE

if TYPE_CHECKING:
    from moderation.services import Services

SQL = queries("hashlists")
#: The distance of nothing: all 256 bits.
FAR: Final = 256
#: From which share of its frames on a clip is surely a copy; "may be" is a fact for rules, this is an edge of lineage.
SURE_SHARE: Final = 0.9
#: Our own clips by what became of them, in the words of the facts.
_OWN: Final = {"withheld": "withheld", "withdrawn": "withdrawn", "released": "others"}

Scalar = str | int | float | bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Likeness:
    """How far a clip shows what a source knows.

    `share` of the clip's frames are matched within 31 bits, `near_share` within 60; `target_share` is the largest part
    of one item that is matched; `distance` the least in bits, 256 when nothing is near. `name` tells the best source.
    """

    share: float = 0.0
    target_share: float = 0.0
    near_share: float = 0.0
    distance: int = FAR
    name: str = ""

    def facts(self, prefix: str) -> dict[str, Scalar]:
        """As facts under a prefix."""
        return {
            f"{prefix}_share": self.share,
            f"{prefix}_target_share": self.target_share,
            f"{prefix}_distance": self.distance,
        }


#: What a source says whose very file this is.
SAME_FILE: Final = Likeness(share=1.0, target_share=1.0, near_share=1.0, distance=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """All that fingerprints say of a clip. `known_illegal` names the list that knows it; it never becomes a fact."""

    frames: int
    known_illegal: str | None = None
    takedown: Likeness = Likeness()
    #: None where no rights holder registered a picture.
    works: Likeness | None = None
    own: Mapping[str, Likeness] = field(default_factory=dict)
    #: Earlier clips whose pictures this one surely shows, whoever made them.
    copied: tuple[str, ...] = ()

    def facts(self) -> dict[str, Scalar]:
        """As the fact record holds it. A clip without one frame that PDQ can tell apart has no shares to speak of."""
        known: dict[str, Scalar] = {"frames": self.frames}
        if not self.frames and not self.takedown.share:
            return known
        known |= self.takedown.facts("takedown")
        known |= {"takedown_near_share": self.takedown.near_share, "takedown_list": self.takedown.name}
        if self.works is not None:
            known |= self.works.facts("works") | {"works_work": self.works.name}
        for word in _OWN.values():
            known |= self.own.get(word, Likeness()).facts(word)
        return known


def compare(services: "Services", org: str, clip_id: str) -> Found | None:
    """Compare a clip's file, print and the services' answers with all there is now; None before a print was taken."""
    services.hash_lists.refresh(services.database)
    services.own_clips.refresh(services.database)
    with services.database.transaction(org) as tx:
        seen = read_print(tx, clip_id)
        if seen is None:
            return None
        files = known_files(tx, read_clip(tx, clip_id).content_sha256)
        said = [match for matches in kept_answers(tx, clip_id).values() for match in matches]
        hits = services.own_clips.near(seen.hashes[:, 0], SAME_PICTURE) if len(seen) else []
        own = compare_with_own(tx, clip_id, seen, hits)
    return Found(
        frames=len(seen),
        copied=copied_clips(clip_id, hits, len(seen)),
        known_illegal=_illegal(services.hash_lists, seen, org, files, said),
        takedown=_taken_down(services.hash_lists, seen, org, files, said),
        works=_works(services.hash_lists, seen, org),
        own=own,
    )


def known_files(tx: Transaction, sha256: str | None) -> dict[Category, str]:
    """Names of lists that hold this very file, by category."""
    rows = tx.pg.execute(SQL.known_file, {"hash": bytes.fromhex(sha256 or "")}).fetchall()
    return {Category(category): name for name, category in reversed(rows)}


def _illegal(
    mirror: ListMirror, seen: ClipPrint, org: str, files: Mapping[Category, str], said: Sequence[ServiceMatch]
) -> str | None:
    if Category.KNOWN_ILLEGAL in files:
        return files[Category.KNOWN_ILLEGAL]
    found = compare_with_lists(mirror, seen, org, Category.KNOWN_ILLEGAL, reach=SAME_PICTURE)
    answers = (match.list for match in said if match.category is Category.KNOWN_ILLEGAL)
    return found.name if found.share else next(answers, None)


def _taken_down(
    mirror: ListMirror, seen: ClipPrint, org: str, files: Mapping[Category, str], said: Sequence[ServiceMatch]
) -> Likeness:
    if Category.TAKEDOWN in files:
        return replace(SAME_FILE, name=files[Category.TAKEDOWN])
    found = compare_with_lists(mirror, seen, org, Category.TAKEDOWN)
    answers = [match for match in said if match.category is Category.TAKEDOWN]
    if not answers:
        return found
    # A service tells which frames it knows, not of how many its item has: at most a part.
    share = round(len({match.time_ms for match in answers}) / max(1, len(seen)), 4)
    told = Likeness(share=share, near_share=share, distance=SAME_PICTURE, name=answers[0].list)
    return _stronger(found, told)


def _works(mirror: ListMirror, seen: ClipPrint, org: str) -> Likeness | None:
    registered = bool(mirror.lists(org, Category.WORKS))
    return compare_with_lists(mirror, seen, org, Category.WORKS, reach=SAME_PICTURE) if registered else None


def compare_with_lists(
    mirror: ListMirror, seen: ClipPrint, org: str, category: Category, *, reach: int = NEAR
) -> Likeness:
    """Compare a print with the lists of a category: the frames as they are, then, when none matches, turned."""
    lists = mirror.lists(org, category)
    if not len(seen) or not lists:
        return Likeness()
    upright = mirror.near(seen.hashes[:, 0], lists, reach)
    if not bool((upright.distance <= SAME_PICTURE).any()):
        turned = mirror.near(seen.hashes[:, 1:].reshape(-1, 32), lists, SAME_PICTURE)
        if len(turned):
            return _liken(mirror, _of_frames(turned), len(seen), lists)
    return _liken(mirror, upright, len(seen), lists)


def _of_frames(turned: Hits) -> Hits:
    """Hits of seven turned hashes a frame as hits of the frames."""
    return Hits(
        query=turned.query // 7, row=turned.row, distance=turned.distance, source=turned.source, item=turned.item
    )


def _liken(mirror: ListMirror, hits: Hits, frames: int, lists: Mapping[int, str]) -> Likeness:
    if not len(hits):
        return Likeness()
    same = hits.distance <= SAME_PICTURE
    best = int(hits.distance.argmin())
    return Likeness(
        share=_share(hits.query[same], frames),
        target_share=_largest_part(mirror, hits, same),
        near_share=_share(hits.query, frames),
        distance=int(hits.distance[best]),
        name=lists[int(hits.source[best])],
    )


def _share(queries_: NDArray[np.int64], frames: int) -> float:
    return round(len(np.unique(queries_)) / frames, 4)


def _largest_part(mirror: ListMirror, hits: Hits, same: NDArray[np.bool_]) -> float:
    """Of the items that are matched, the largest share of one item's hashes."""
    items, counts = np.unique(_once_a_row(hits, same), axis=1, return_counts=True)
    sizes = (mirror.size_of(int(source), int(item)) for source, item in items.T)
    parts = [count / size for count, size in zip(counts.tolist(), sizes, strict=True)]
    return round(max(parts, default=0.0), 4)


def _once_a_row(hits: Hits, same: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Source and item of every matched row, int64 [2, rows], each row once."""
    _, once = np.unique(hits.row[same], return_index=True)
    return np.stack([hits.source[same][once].astype(np.int64), hits.item[same][once]])


def copied_clips(clip_id: str, hits: Sequence[OwnHits], frames: int) -> tuple[str, ...]:
    """Clips handed in before this one that showed nearly all of its frames; ids tell which came first."""
    counted = ((near.clip, len(np.unique(near.query))) for near in hits if near.clip < clip_id)
    return tuple(sorted({clip for clip, held in counted if held >= MIN_FRAMES and held >= SURE_SHARE * frames}))


def compare_with_own(tx: Transaction, clip_id: str, seen: ClipPrint, hits: Sequence[OwnHits]) -> dict[str, Likeness]:
    """Compare a print with this organisation's own clips, in words: withheld, withdrawn, others.

    A creator's own clips count only where they were withheld, and the clips this one says it was made from do not.
    """
    creator, parents = tx.pg.execute(SQL.origin_of, {"clip": clip_id}).fetchone() or (None, [])
    named = {"clips": [near.clip for near in hits if near.clip != clip_id and near.clip not in parents]}
    standing = {clip: (status, by) for clip, status, by in tx.pg.execute(SQL.standing_of, named).fetchall()}
    found: dict[str, Likeness] = {}
    for near in hits:
        status, by = standing.get(near.clip, ("", None))
        word = _OWN.get(status)
        if word is not None and (word == "withheld" or by != creator):
            found[word] = _stronger(found.get(word, Likeness()), _alike(near, len(seen)))
    return found


def _alike(near: OwnHits, frames: int) -> Likeness:
    share = _share(near.query, frames)
    return Likeness(
        share=share,
        target_share=round(len(np.unique(near.row)) / near.frames, 4),
        near_share=share,
        distance=int(near.distance.min()),
        name=near.clip,
    )


def _stronger(one: Likeness, other: Likeness) -> Likeness:
    return max(one, other, key=lambda likeness: (likeness.share, likeness.target_share, -likeness.distance))
