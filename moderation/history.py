"""What is known of a clip's creator and of what it was made from, as facts. Reads; decides nothing."""

from collections.abc import Sequence
from datetime import datetime

from moderation.clips import Clip
from moderation.db import Transaction, queries
from moderation.facts import Scalar

SQL = queries("history")
#: How many generations are gone back.
GENERATIONS = 32


def account_facts(tx: Transaction, clip: Clip, now: datetime) -> dict[str, Scalar]:
    """Count what this creator handed in before; nothing is known of a creator whom nobody named."""
    if not clip.creator:
        return {}
    where = {"org": clip.org_id, "creator": clip.creator, "clip": clip.clip_id}
    found = tx.pg.execute(SQL.account, where).fetchone()
    assert found is not None
    clips, released, blocked, first = found
    days = 0 if first is None else max(0, (now - first).days)
    return {"clips": clips, "released_clips": released, "blocked_clips": blocked, "days": days}


def lineage_facts(tx: Transaction, clip: Clip) -> dict[str, Scalar]:
    """Follow the clips that this one names as its parents, and theirs."""
    where = {"clip": clip.clip_id, "parents": clip.parents, "generations": GENERATIONS}
    found = tx.pg.execute(SQL.lineage, where).fetchone()
    assert found is not None
    depth, withdrawn, unknown, no_remix = found
    return {
        "depth": depth,
        "withdrawn_parents": withdrawn,
        "unknown_parents": unknown,
        "no_remix_parents": no_remix,
    }


def people_in_ancestors(tx: Transaction, clip_id: str, parents: Sequence[str]) -> frozenset[str]:
    """The registered people whom a clip shows that this one was made from, named or not, however far back."""
    found = tx.pg.execute(SQL.people_in_ancestors, {"clip": clip_id, "parents": list(parents)}).fetchall()
    return frozenset(person for (person,) in found)


def ancestors_untold(tx: Transaction, clip_id: str, parents: Sequence[str]) -> bool:
    """Whether nobody can tell whom one of those clips shows: it was erased, or is not judged yet."""
    where = {"clip": clip_id, "parents": list(parents)}
    return tx.pg.execute(SQL.ancestors_untold, where).fetchone() is not None
