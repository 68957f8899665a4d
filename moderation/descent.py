"""What clips were made from: edges between clips of one organisation, of any depth, in circles where people name them.

An edge is an assertion of the submission, of a mark or a manifest in its file, or of equal pictures; none is a verdict.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Literal

from moderation.db import Transaction, queries

SQL = queries("lineage")
How = Literal["declared", "payload", "ingredient", "copy"]


def join(tx: Transaction, child: str, parents: Iterable[str], how: How, now: datetime) -> None:
    """Write down what a clip was made from. Ids that are no clips of this organisation change nothing."""
    named = sorted(set(parents))
    if named:
        tx.pg.execute(SQL.insert_edges, {"child": child, "parents": named, "how": how, "now": now})


def parents_of(tx: Transaction, clip_id: str) -> list[tuple[str, str]]:
    """What a clip was made from and how we know, one generation back."""
    return [(parent, how) for parent, how in tx.pg.execute(SQL.parents, {"clip": clip_id}).fetchall()]
