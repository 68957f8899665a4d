"""Lets steps run side by side, and a suspect alone.

A step whose worker died under it may be what killed it, or only have stood beside it. Tried again with nobody near,
the guilty one dies alone and the innocent one ends.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from moderation.outcomes import Leaving

WAKE_SECONDS = 0.5


class Solitude:
    """Many may be inside together, or one alone; whoever wants to be alone goes before newcomers."""

    def __init__(self, stopping: threading.Event) -> None:
        self._stopping = stopping
        self._change = threading.Condition()
        self._inside = 0
        self._alone = False
        self._wanting = 0

    @contextmanager
    def together(self) -> Iterator[None]:
        """Be inside with others. Raises Leaving when the process stops first."""
        with self._change:
            while self._alone or self._wanting:
                self._wait()
            self._inside += 1
        try:
            yield
        finally:
            with self._change:
                self._inside -= 1
                self._change.notify_all()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Be inside with nobody else. Raises Leaving when the process stops first."""
        with self._change:
            self._wanting += 1
            try:
                while self._alone or self._inside:
                    self._wait()
                self._alone = True
            finally:
                self._wanting -= 1
        try:
            yield
        finally:
            with self._change:
                self._alone = False
                self._change.notify_all()

    def _wait(self) -> None:
        if self._stopping.is_set():
            raise Leaving
        self._change.wait(WAKE_SECONDS)
