"""Reading and moving clips. Every change of status goes through `move`, which knows what may follow what."""

from datetime import datetime

from psycopg.rows import class_row

from moderation.clips import Clip, Status, may_follow
from moderation.db import Transaction, queries
from moderation.errors import Conflict, NotFound

SQL = queries("clips")


def read_clip(tx: Transaction, clip_id: str, *, lock: bool = False) -> Clip:
    """Return one clip of this organisation; `lock` holds its row until the transaction ends. Raises NotFound."""
    with tx.pg.cursor(row_factory=class_row(Clip)) as cursor:
        clip = cursor.execute(SQL.clip_locked if lock else SQL.clip, {"clip": clip_id}).fetchone()
    if clip is None:
        raise NotFound(f"there is no clip {clip_id}")
    return clip


def move(tx: Transaction, clip: Clip, status: Status, now: datetime) -> None:
    """Set a locked clip's status. Raises Conflict when that status may not follow."""
    if not may_follow(clip.state, status):
        raise Conflict(f"a clip that is {clip.status} cannot become {status}")
    tx.pg.execute(SQL.set_status, {"clip": clip.clip_id, "status": str(status), "now": now})


def next_generation(tx: Transaction, clip: Clip, now: datetime) -> int:
    """Begin another run for a locked clip and return its number. Raises Conflict for a clip that is past it."""
    if not may_follow(clip.state, Status.PROCESSING):
        raise Conflict(f"a clip that is {clip.status} is not judged again")
    row = tx.pg.execute(SQL.next_generation, {"clip": clip.clip_id, "now": now}).fetchone()
    if row is None:
        raise NotFound(f"there is no clip {clip.clip_id}")
    return int(row[0])


def mark_of(tx: Transaction, clip_id: str) -> tuple[str, int]:
    """The payload (12 hex digits) and key version of a clip's invisible mark. Raises NotFound."""
    row = tx.pg.execute(SQL.payload_of_clip, {"clip": clip_id}).fetchone()
    if row is None:
        raise NotFound(f"the clip {clip_id} has no mark id")
    return row[0], row[1]
