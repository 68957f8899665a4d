"""Keeps a process's rules current: woken when a pointer moves, looking now and then where nobody wakes it."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import structlog

from moderation.db import CONNECT_SECONDS, libpq_url
from moderation.rulebook.book import Rulebook

log = structlog.get_logger()
CHANNEL = "policies_moved"
#: How often a folder is looked at, and the database without a notice.
LOOK_SECONDS = 0.2
POLL_SECONDS = 2.0


@contextmanager
def kept_current(rulebook: Rulebook, dsn: str) -> Iterator[None]:
    """Watch while the block lasts, in a thread of its own."""
    stop = threading.Event()
    thread = threading.Thread(target=watch, args=(rulebook, dsn, stop), name="rules", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(POLL_SECONDS)


def watch(rulebook: Rulebook, dsn: str, stop: threading.Event) -> None:
    """Until told to stop. While the database is away, its notices are missed; who judges asks it anyway."""
    while not stop.is_set():
        try:
            _listen(rulebook, dsn, stop)
        except (psycopg.Error, OSError) as error:
            log.warning("policies_unheard", error=type(error).__name__)
            stop.wait(POLL_SECONDS)


def _listen(rulebook: Rulebook, dsn: str, stop: threading.Event) -> None:
    with psycopg.connect(libpq_url(dsn), autocommit=True, connect_timeout=CONNECT_SECONDS) as connection:
        connection.execute(f"LISTEN {CHANNEL}")
        polled = 0.0
        while not stop.is_set():
            moved = [*connection.notifies(timeout=LOOK_SECONDS, stop_after=1)]
            due = time.monotonic() - polled > POLL_SECONDS
            if due:
                polled = time.monotonic()
            _look(rulebook, everywhere=bool(moved) or due)


def _look(rulebook: Rulebook, *, everywhere: bool) -> None:
    """One round; its failure is this round's only."""
    try:
        if rulebook.look_outside() or everywhere:
            rulebook.look()
    except Exception as error:  # noqa: BLE001 (a watch must outlive whatever it meets)
        log.warning("policies_not_looked_at", error=type(error).__name__, detail=str(error)[:500])
