"""Wakes requests that wait for a clip: one LISTEN for the whole process. A hint only: who wakes must look."""

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import structlog

from moderation.db import libpq_url

log = structlog.get_logger()
RECONNECT_SECONDS = 1.0


class Announcements:
    """Who waits for which clip. For one event loop."""

    def __init__(self) -> None:
        self._waiting: dict[str, set[asyncio.Event]] = defaultdict(set)
        #: True when the service ends: whoever streams must stop.
        self.closing = False

    def close(self) -> None:
        """Let go of everybody who waits."""
        self.closing = True
        self._wake_all()

    @contextmanager
    def watch(self, org: str, clip_id: str) -> Iterator[asyncio.Event]:
        """An event that is set whenever something may have happened to the clip; clear it before looking."""
        name, event = f"{org}:{clip_id}", asyncio.Event()
        self._waiting[name].add(event)
        try:
            yield event
        finally:
            self._waiting[name].discard(event)
            if not self._waiting[name]:
                del self._waiting[name]

    async def listen(self, dsn: str) -> None:
        """Listen until cancelled. While the database is away nobody is woken; those who wait look now and then."""
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(libpq_url(dsn), autocommit=True) as connection:
                    await connection.execute("LISTEN clip_events")
                    self._wake_all()
                    async for notice in connection.notifies():
                        for event in self._waiting.get(notice.payload, ()):
                            event.set()
            except (psycopg.Error, OSError) as error:
                log.warning("announcements_interrupted", error=type(error).__name__)
            await asyncio.sleep(RECONNECT_SECONDS)

    def _wake_all(self) -> None:
        for events in self._waiting.values():
            for event in events:
                event.set()


async def woken(event: asyncio.Event, seconds: float) -> None:
    """Wait for the event at most so long, and clear it."""
    try:
        async with asyncio.timeout(max(seconds, 0.0)):
            await event.wait()
    except TimeoutError:
        return
    event.clear()
