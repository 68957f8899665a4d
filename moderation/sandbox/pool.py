"""A few decoder children shared by the threads of one process: lends one at a time, replaces those that ended badly."""

import contextlib
import threading
from collections import deque
from collections.abc import Iterator

from moderation.errors import Busy, Outage
from moderation.sandbox import airlock
from moderation.sandbox.process import DecoderChild, Launch


class Pool:
    """Keeps up to `size` children warm. Thread-safe; who holds a child and asks for another may wait in vain."""

    def __init__(self, launch: Launch, size: int, wait_seconds: float, *, warm: bool = True) -> None:
        self._launch = launch
        self._places = threading.BoundedSemaphore(size)
        self._idle: deque[DecoderChild] = deque()
        self._wait_seconds = wait_seconds
        self._closed = False
        with contextlib.suppress(OSError):
            airlock.sweep(launch.folder)
        for _ in range(size if warm else 0):
            self._warm()

    @contextlib.contextmanager
    def lend(self) -> Iterator[DecoderChild]:
        """A child that is up and confined. Raises Outage when none can be started, Busy when all are taken too long."""
        if not self._places.acquire(timeout=self._wait_seconds):
            raise Busy("every decoder is at work", retry_after=5)
        try:
            child = self._ready()
            try:
                yield child
            finally:
                self._take_back(child)
        finally:
            self._places.release()

    def close(self) -> None:
        """End the idle children; one at work ends when it is given back."""
        self._closed = True
        while self._idle:
            self._idle.pop().end()

    def _ready(self) -> DecoderChild:
        child = self._idle.popleft() if self._idle else self._start()
        if child.greeted and not child.alive():
            child.end()
            child = self._start()
        try:
            child.greet()
        except BaseException:
            child.end()
            raise
        return child

    def _start(self) -> DecoderChild:
        if self._closed:
            raise Outage("decoder", "the decoder was closed")
        try:
            return DecoderChild(self._launch)
        except OSError as fault:
            raise Outage("decoder", f"the decoder could not be started: {fault}") from fault

    def _take_back(self, child: DecoderChild) -> None:
        if child.fit and not self._closed and child.clear():
            self._idle.append(child)
            return
        child.end()
        self._warm()

    def _warm(self) -> None:
        """Start a child ahead of need; a failure shows when one is needed."""
        if not self._closed:
            with contextlib.suppress(Outage):
                self._idle.append(self._start())
