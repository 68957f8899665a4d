"""The organisation's own takedown list of what notices were right about: no near copy is published unseen.

The sweep of the hash lists finds copies that are out already. A clip that is let out again is taken off the list.
"""

from datetime import datetime
from typing import Final

from moderation.clips import Clip
from moderation.db import Transaction, queries
from moderation.hashlists.formats import Entry, Kind
from moderation.hashlists.lists import Category, add_entries, create_list, has_list, switch_entries
from moderation.hashlists.prints import read_print

SQL = queries("notices")
LIST: Final = "notices"


def block_copies(tx: Transaction, now: datetime, clip: Clip, by: str) -> int:
    """Put a clip's file and frames on the list; returns how many hashes are new on it or in force again.

    A hash is listed once, for the clip that had it first: what was taken off with that one counts again.
    """
    if not has_list(tx, LIST):
        create_list(tx, now, name=LIST, category=Category.TAKEDOWN, source="upheld notices", by=by)
    entries = entries_of(tx, clip)
    added = add_entries(tx, now, LIST, entries, by=by)
    return added + _switch(tx, now, clip, [entry.hash for entry in entries], enabled=True, by=by)


def unblock_copies(tx: Transaction, now: datetime, clip: Clip, by: str) -> int:
    """Take a clip's hashes out of force, but those of other clips whose notices stand; returns how many were in it."""
    if not has_list(tx, LIST):
        return 0
    own = [entry.hash for entry in entries_of(tx, clip)]
    where = {"org": tx.org, "list": LIST, "clip": clip.clip_id, "hashes": own}
    alone = [bytes(line[0]) for line in tx.pg.execute(SQL.stood_on_alone, where).fetchall()]
    return _switch(tx, now, clip, alone, enabled=False, by=by)


def _switch(tx: Transaction, now: datetime, clip: Clip, hashes: list[bytes], *, enabled: bool, by: str) -> int:
    return switch_entries(tx, now, LIST, hashes=hashes, items=[], enabled=enabled, by=by, named=[clip.clip_id])


def entries_of(tx: Transaction, clip: Clip) -> list[Entry]:
    """A clip's file and the frames of its print that PDQ can tell apart."""
    item = clip.clip_id
    files = [Entry(kind=Kind.SHA256, hash=bytes.fromhex(clip.content_sha256), item=item)] if clip.content_sha256 else []
    taken = read_print(tx, clip.clip_id)
    if taken is None:
        return files
    frames = zip(taken.hashes[:, 0], taken.quality, strict=True)
    unique = {hash_.tobytes(): int(quality) for hash_, quality in frames}
    return [
        *files,
        *(Entry(kind=Kind.PDQ, hash=hash_, quality=quality, item=item) for hash_, quality in unique.items()),
    ]
