"""The organisation's own takedown list of what notices were right about: no near copy is published unseen.

The sweep of the hash lists finds copies that are out already. A clip that is let out again is taken off the list.
"""

from datetime import datetime
from typing import Final

from moderation.clips import Clip
from moderation.db import Transaction
from moderation.hashlists.formats import Entry, Kind
from moderation.hashlists.lists import Category, add_entries, create_list, read_lists, switch_entries
from moderation.hashlists.prints import read_print

LIST: Final = "notices"


def block_copies(tx: Transaction, now: datetime, clip: Clip, by: str) -> int:
    """Put a clip's file and frames on the list; returns how many hashes are new on it. Put back, they count again."""
    if LIST not in {each.name for each in read_lists(tx) if each.org_id == tx.org}:
        create_list(tx, now, name=LIST, category=Category.TAKEDOWN, source="upheld notices", by=by)
    added = add_entries(tx, now, LIST, entries_of(tx, clip), by=by)
    return added + switch_entries(tx, now, LIST, hashes=[], items=[clip.clip_id], enabled=True, by=by)


def unblock_copies(tx: Transaction, now: datetime, clip: Clip, by: str) -> int:
    """Take a clip's hashes out of force; returns how many were in it."""
    if LIST not in {each.name for each in read_lists(tx) if each.org_id == tx.org}:
        return 0
    return switch_entries(tx, now, LIST, hashes=[], items=[clip.clip_id], enabled=False, by=by)


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
