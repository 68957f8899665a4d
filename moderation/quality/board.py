"""All figures of the metrics board, together, kept for a minute; old ones, said to be so, where none can be read."""

import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from psycopg.errors import QueryCanceled

from moderation.db import queries
from moderation.errors import Outage
from moderation.heartbeat import faults_of
from moderation.outcomes import database_away
from moderation.quality.answers import Quality, read_quality
from moderation.quality.care import Care, OwnDay, read_care, read_own
from moderation.quality.machine import Machine, read_machine
from moderation.quality.operations import Operations, read_operations

if TYPE_CHECKING:
    from moderation.services import Services

BOUNDS = queries("searching").bounds
KEPT_SECONDS: Final = 60.0
#: One set of figures may take so long in the database.
MILLISECONDS: Final = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """The figures of one organisation at `at`, looking back to `since`."""

    since: datetime
    at: datetime
    operations: Operations
    quality: Quality
    care: Care
    machine: Machine
    #: Worker -> detector -> what is wrong with it.
    faults: dict[str, dict[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A board, when it was read by the process's clock, and whether reading it anew failed since."""

    board: Board
    read: float
    stale: bool = False


def read_board(services: "Services", org: str, days: int) -> Kept:
    """The board of an organisation, at most a minute old unless it cannot be read anew. Raises Outage without any."""
    key = (org, days)
    known = services.boards.get(key)
    if known is not None and time.monotonic() - known.read <= KEPT_SECONDS:
        return known
    try:
        fresh = Kept(board=_read(services, org, days), read=time.monotonic())
    except Exception as error:
        if not (database_away(error) or isinstance(error, QueryCanceled)):
            raise
        if known is None:
            raise Outage("database", "the figures could not be read") from error
        return Kept(board=known.board, read=known.read, stale=True)
    services.boards[key] = fresh
    return fresh


def own_days(services: "Services", org: str, principal: str, days: int) -> tuple[OwnDay, ...]:
    """What a person themselves looked at, day by day; for that person alone."""
    now = services.clock.now()
    with services.database.transaction(org) as tx:
        return read_own(tx, principal, now - timedelta(days=days), now)


def _read(services: "Services", org: str, days: int) -> Board:
    now = services.clock.now()
    since = now - timedelta(days=days)
    with services.database.transaction(org) as tx:
        tx.pg.execute(BOUNDS, {"milliseconds": str(MILLISECONDS)})
        operations, quality = read_operations(tx, now), read_quality(tx, since, now)
        care, machine = read_care(tx, since, now), read_machine(tx, since, now)
    faults = {worker: found for worker, found in faults_of(services, "detect").items() if found}
    return Board(since=since, at=now, operations=operations, quality=quality, care=care, machine=machine, faults=faults)
