"""Stops of clips, by notices: while one stands no media is served and nothing released. Placed and lifted here only."""

from datetime import datetime

from moderation.db import Transaction, queries
from moderation.errors import ModerationError

SQL = queries("notices")


class Stopped(ModerationError):
    """The clip is kept from the public because of a notice."""

    status = 451
    code = "stopped_by_notice"


def stands(tx: Transaction, clip_id: str) -> bool:
    """Tell whether any stop stands on a clip."""
    return tx.pg.execute(SQL.stop_standing, {"clip": clip_id}).fetchone() is not None


def place(tx: Transaction, now: datetime, clip_id: str, notice_id: str) -> None:
    """Keep a locked clip from the public on account of a notice; placed again, it stands again."""
    tx.pg.execute(SQL.place_stop, {"org": tx.org, "clip": clip_id, "notice": notice_id, "now": now})


def lift(tx: Transaction, now: datetime, notice_id: str) -> None:
    """End what a notice kept from the public; other notices' stops stand."""
    tx.pg.execute(SQL.lift_stop, {"notice": notice_id, "now": now})
