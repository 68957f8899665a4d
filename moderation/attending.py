"""A detector's work under a deadline: whoever does not answer in time is left behind, a bounded number of times.

Nothing can end a thread that hangs in a native library: it keeps its place in the count until it ends by itself. What
it says then reaches nobody, so no clip is ever judged by half of a look.
"""

import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass
from typing import Final, ParamSpec, TypeVar

from detectors.base import Detector, DetectorError, DetectorUnavailable

P = ParamSpec("P")
T = TypeVar("T")
#: So many calls of one detector may be left behind; from then on it is asked nothing more until one of them ends.
MOST_LEFT_BEHIND: Final = 4


class Overdue(DetectorError):
    """A detector did not answer by the deadline. Its probe tells whose fault that is."""


class LeftBehind:
    """How many calls of each detector of this process did not end in time and still run; safe for threads."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self._count: Counter[str] = Counter()

    def of(self, name: str) -> int:
        """How many of this detector's."""
        with self.lock:
            return self._count[name]

    def change(self, name: str, by: int) -> None:
        """Count one more or one less; under the lock."""
        self._count[name] += by


@dataclass(slots=True, eq=False)
class _Call:
    """One act on its way; `left` is read and written under the lock of `LeftBehind`."""

    name: str
    act: Callable[[], None]
    left: bool = False


class Hand:
    """One thread that does what it is told, in order, for one who waits no longer than he wants."""

    def __init__(self, left_behind: LeftBehind) -> None:
        self._left_behind = left_behind
        self._calls: queue.SimpleQueue[_Call | None] = queue.SimpleQueue()
        #: CPU time of the acts that ended.
        self.cpu_seconds = 0.0
        threading.Thread(target=self._work, name="hand", daemon=True).start()

    def do(self, name: str, seconds: float, act: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what the act returns, or raise what it raises. Raises Overdue after `seconds`: then ask it no more."""
        answer: Future[T] = Future()

        def carry_out() -> None:
            try:
                answer.set_result(act(*args, **kwargs))
            except BaseException as error:  # noqa: BLE001 (whoever waits is told, whatever it is)
                answer.set_exception(error)

        call = _Call(name=name, act=carry_out)
        self._calls.put(call)
        wait([answer], timeout=max(0.0, seconds))
        with self._left_behind.lock:
            if not answer.done():
                call.left = True
                self._left_behind.change(name, 1)
                raise Overdue(f"{name} did not answer in time")
        return answer.result()

    def close(self) -> None:
        """Let the thread end; one that was left behind ends when its act does."""
        self._calls.put(None)

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            began = time.thread_time()
            call.act()
            self.cpu_seconds += time.thread_time() - began
            with self._left_behind.lock:
                if call.left:
                    self._left_behind.change(call.name, -1)
            del call


class Attention:
    """One clip's time with each detector: `seconds` for all it does on this clip, decoding not counted."""

    def __init__(self, left_behind: LeftBehind, seconds: float, detectors: Sequence[Detector]) -> None:
        self.hand = Hand(left_behind)
        self.seconds = seconds
        self._left = dict.fromkeys((detector.name for detector in detectors), seconds)

    def during(self, detector: Detector, act: Callable[P, T]) -> Callable[P, T]:
        """The same act under the detector's deadline for this clip; it raises Overdue when that has come."""

        def timed(*args: P.args, **kwargs: P.kwargs) -> T:
            began = time.monotonic()
            try:
                return self.hand.do(detector.name, self._left[detector.name], act, *args, **kwargs)
            except Overdue as error:
                raise Overdue(f"{detector.name} did not answer in the {self.seconds:g} s that it has for it") from error
            finally:
                self._left[detector.name] -= time.monotonic() - began

        return timed


def probe(detector: Detector, left_behind: LeftBehind, seconds: float) -> None:
    """Have a detector check itself. Raises DetectorUnavailable when it fails or does not answer in time."""
    left = left_behind.of(detector.name)
    if left >= MOST_LEFT_BEHIND:
        raise DetectorUnavailable(f"{left} calls of {detector.name} have not ended; restart this worker if none does")
    hand = Hand(left_behind)
    try:
        hand.do(detector.name, seconds, detector.self_check)
    except Overdue as error:
        raise DetectorUnavailable(f"{detector.name} did not answer its probe in {seconds:g} s") from error
    finally:
        hand.close()
