"""Loads the detectors once however many ask, and lets nobody wait for ever. Knows nothing of weights."""

import threading
import time
from collections.abc import Callable, MutableMapping
from concurrent.futures import Future, wait
from typing import Generic, TypeVar, overload

from detectors.base import Detector, DetectorUnavailable

S = TypeVar("S")
T = TypeVar("T")


class Loading:
    """One load at a time, in a thread of its own; one that fails is begun again by whoever asks next."""

    def __init__(self, load: Callable[[], tuple[Detector, ...]]) -> None:
        self._load = load
        self._lock = threading.Lock()
        self._begun: Future[tuple[Detector, ...]] | None = None
        self._began_at = 0.0

    def wait(self, seconds: float) -> tuple[Detector, ...]:
        """Return what was loaded, or raise what went wrong.

        Raises DetectorUnavailable when it takes longer, counted from its beginning: whoever asks later waits no more.
        """
        with self._lock:
            if self._begun is None or (self._begun.done() and self._begun.exception() is not None):
                self._begun, self._began_at = Future(), time.monotonic()
                threading.Thread(target=self._carry_out, args=(self._begun,), name="loading", daemon=True).start()
            begun, left = self._begun, self._began_at + seconds - time.monotonic()
        wait([begun], timeout=max(0.0, left))
        if not begun.done():
            raise DetectorUnavailable(f"the detectors were not loaded in {seconds:g} s")
        return begun.result()

    def _carry_out(self, begun: "Future[tuple[Detector, ...]]") -> None:
        try:
            begun.set_result(self._load())
        except BaseException as error:  # noqa: BLE001 (whoever waits is told, whatever it is)
            begun.set_exception(error)


class Kept(Generic[S, T]):
    """Like `functools.cached_property`, which holds up the other instances too before Python 3.12."""

    def __init__(self, make: Callable[[S], T]) -> None:
        self._make = make
        self._name = ""

    def __set_name__(self, owner: type[S], name: str) -> None:
        self._name = name

    @overload
    def __get__(self, instance: None, owner: type[S] | None = None) -> "Kept[S, T]": ...
    @overload
    def __get__(self, instance: S, owner: type[S] | None = None) -> T: ...
    def __get__(self, instance: S | None, owner: type[S] | None = None) -> "T | Kept[S, T]":
        if instance is None:
            return self
        kept: MutableMapping[str, T] = instance.__dict__
        return kept.setdefault(self._name, self._make(instance))
