"""SIGTERM unwinds like Ctrl-C, so that what was opened is closed; both wait while a server is started or stopped.

Takes over only what nobody else handles: `up`, the workers and the HTTP server keep their own ways.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Final

#: The handlers of a process that has none of its own.
_UNHANDLED: Final[dict[signal.Signals, Any]] = {
    signal.SIGTERM: signal.SIG_DFL,
    signal.SIGINT: signal.default_int_handler,
}


class Interrupts:
    """The two signals of this process, between `take` and `give_back`. Does nothing outside the main thread."""

    def __init__(self) -> None:
        self._taken: list[signal.Signals] = []
        self._putting_off = False
        self._late = False

    def take(self) -> None:
        """Let each signal that would end the process at once unwind it instead."""
        if threading.current_thread() is not threading.main_thread():
            return
        for number, handler in _UNHANDLED.items():
            if signal.getsignal(number) is handler:
                signal.signal(number, self._meet)
                self._taken.append(number)

    def give_back(self) -> None:
        """Handle the signals as before."""
        while self._taken:
            number = self._taken.pop()
            signal.signal(number, _UNHANDLED[number])

    @contextmanager
    def put_off(self, *, forget: bool = False) -> Iterator[None]:
        """Raise KeyboardInterrupt for a signal only after the block, with `forget` never."""
        self._putting_off, self._late = True, False
        try:
            yield
        finally:
            self._putting_off = False
        if self._late and not forget:
            raise KeyboardInterrupt

    def _meet(self, _number: int, _frame: FrameType | None) -> None:
        if not self._putting_off:
            raise KeyboardInterrupt
        self._late = True
