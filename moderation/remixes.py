"""The tree of remixes around a clip: what it was made from, what was made from it, how we know. Reads; judges nothing.

Walked generation by generation, each clip once and where it first stands, so that a circle ends by itself.
"""

import base64
from dataclasses import dataclass
from typing import Final, Literal

from moderation.db import Transaction, queries
from moderation.db.clips import read_clip
from moderation.errors import Unprocessable

SQL = queries("lineage")
Direction = Literal["ancestors", "descendants"]
#: Where the walk ends: whoever wants to know more asks from the clip at its end.
GENERATIONS: Final = 100
MOST_CLIPS: Final = 20_000
#: Edges that are told of one clip.
MOST_EDGES: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Relative:
    """A clip of the tree. `edges` are [clip nearer to the one asked about, how we know], a few of them."""

    clip_id: str
    generation: int
    status: str
    edges: list[list[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """One page of a clip's relatives, nearest generation first."""

    clip_id: str
    status: str
    direction: Direction
    relatives: list[Relative]
    #: How many there are in all, as far as the walk went.
    count: int
    generations: int
    #: False where the walk ended before the tree did.
    whole: bool
    #: What the submission named as parents and is no clip of ours.
    unknown: list[str]
    #: Where the next page begins, empty on the last.
    cursor: str


def read_tree(tx: Transaction, clip_id: str, direction: Direction, *, cursor: str = "", limit: int = 50) -> Tree:
    """Read a page of a clip's relatives. Raises NotFound, and Unprocessable for a cursor of another making."""
    clip = read_clip(tx, clip_id)
    after = _place(cursor) if cursor else (0, "")
    down = direction == "descendants"
    where = {
        "clip": clip_id,
        "down": down,
        "generations": GENERATIONS,
        "most": MOST_CLIPS,
        "edges": MOST_EDGES,
        "generation": after[0],
        "after": after[1],
        "limit": limit + 1,
    }
    found = tx.pg.execute(SQL.tree, where).fetchall()
    count, generations, whole = found[0][:3]
    relatives = [
        Relative(clip_id=clip, generation=generation, status=status, edges=edges)
        for *_, clip, generation, status, edges in found
        if clip is not None
    ]
    page = relatives[:limit]
    return Tree(
        clip_id=clip_id,
        status=clip.status,
        direction=direction,
        relatives=page,
        count=count,
        generations=generations,
        whole=whole,
        unknown=[] if down else _unknown(tx, clip.parents),
        cursor=_cursor(page[-1]) if len(relatives) > limit else "",
    )


def _unknown(tx: Transaction, parents: list[str]) -> list[str]:
    return [parent for (parent,) in tx.pg.execute(SQL.unknown_parents, {"parents": parents}).fetchall()]


def _cursor(last: Relative) -> str:
    return base64.urlsafe_b64encode(f"{last.generation} {last.clip_id}".encode()).decode()


def _place(cursor: str) -> tuple[int, str]:
    try:
        generation, _, clip_id = base64.urlsafe_b64decode(cursor).decode().partition(" ")
        place = int(generation), clip_id
    except ValueError as error:
        raise Unprocessable("the cursor is not one of this service") from error
    if "\0" in clip_id:
        # No id holds one, and the database takes none.
        raise Unprocessable("the cursor is not one of this service")
    return place
