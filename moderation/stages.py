"""What a caller sees of a clip's run: which stage began and ended when, at what cost. The pipeline never reads it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from psycopg.types.json import Jsonb

from moderation.db import queries

if TYPE_CHECKING:
    from moderation.services import Services

SQL = queries("clips")


@contextmanager
def stage(services: "Services", org: str, clip_id: str, generation: int, name: str) -> Iterator[dict[str, object]]:
    """Write a stage's beginning and end around the block; what the block puts into the dict becomes its detail.

    `cpu_seconds` in the detail (of child processes) is added to this thread's own CPU time.
    """
    where = {"org": org, "clip": clip_id, "generation": generation, "stage": name}
    with services.database.transaction(org) as tx:
        tx.pg.execute(SQL.begin_stage, {**where, "now": services.clock.now()})
    detail: dict[str, object] = {}
    began, state = time.thread_time(), "failed"
    try:
        yield detail
        state = "done"
    finally:
        elsewhere = detail.get("cpu_seconds", 0.0)
        cpu = time.thread_time() - began + (elsewhere if isinstance(elsewhere, float) else 0.0)
        end = {"state": state, "cpu_ms": round(cpu * 1000), "detail": Jsonb(detail), "now": services.clock.now()}
        with services.database.transaction(org) as tx:
            tx.pg.execute(SQL.end_stage, {**where, **end})
