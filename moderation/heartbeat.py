"""Tells every process which workers are there and what is wrong with them. Decides nothing about their work.

Who does a dead worker's work is the guard's question; this one answers operators and `/readyz`.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from psycopg.types.json import Jsonb

from moderation.db import queries

if TYPE_CHECKING:
    from moderation.services import Services

SQL = queries("workers")
#: A worker not heard of for so long is gone, as far as anybody asks.
SILENCE = timedelta(seconds=60)
FORGOTTEN = timedelta(days=1)


def beat(services: "Services", worker: str, names: Sequence[str]) -> None:
    """Say that this worker is here, which queues and rules it has, and which detectors failed their last probe."""
    now = services.clock.now()
    row = {"worker": worker, "queues": list(names), "faults": Jsonb(services.detector_faults), "now": now}
    row["policies"] = Jsonb(services.rulebook.told())
    with services.database.system_transaction() as tx:
        tx.pg.execute(SQL.beat, row)
        tx.pg.execute(SQL.forget, {"before": now - FORGOTTEN})


def leave(services: "Services", worker: str) -> None:
    """Say that this worker ends."""
    with services.database.system_transaction() as tx:
        tx.pg.execute(SQL.leave, {"worker": worker})


def policies_of(services: "Services", org: str) -> dict[str, dict[str, object]]:
    """Which rules each worker heard of lately judges an organisation's clips by, and what it cannot use."""
    where = {"org": org, "since": services.clock.now() - SILENCE}
    with services.database.system_transaction() as tx:
        return dict(tx.pg.execute(SQL.policies_of_workers, where).fetchall())


def faults_of(services: "Services", queue: str) -> dict[str, dict[str, str]]:
    """What is wrong with each worker heard of lately that serves a queue: worker -> detector -> fault."""
    where = {"queue": queue, "since": services.clock.now() - SILENCE}
    with services.database.system_transaction() as tx:
        return dict(tx.pg.execute(SQL.serving, where).fetchall())
