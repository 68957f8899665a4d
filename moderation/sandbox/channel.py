"""JSON messages over two pipes, length first. Nothing that comes in is ever executed or unpickled.

The child's end blocks; the parent's end trusts no length, no type and no promise to answer.
"""

import json
import math
import os
import select
import struct
import time
from collections.abc import Callable
from typing import Final, NoReturn

Message = dict[str, object]

#: Longest message either end accepts.
MESSAGE_BYTES: Final = 16 * 1024 * 1024
_LENGTH: Final = struct.Struct(">I")
#: How long the parent sleeps before it looks at the child's CPU time again.
_TICK_SECONDS: Final = 0.5


class Broken(Exception):
    """The other end is gone, or what it said is not a message."""


class Lost(Broken):
    """The other end is gone."""


class Overrun(Exception):
    """The other end did not answer within the time it was given."""


class Refused(Exception):
    """The file is the reason; `code` says what is wrong with it."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(code)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError("a number beyond all bounds")
    return value


def pack(message: Message) -> bytes:
    """One message with its length. Raises ValueError when it is too long or not plain JSON."""
    body = json.dumps(message, allow_nan=False, separators=(",", ":")).encode()
    if len(body) > MESSAGE_BYTES:
        raise ValueError("message too long")
    return _LENGTH.pack(len(body)) + body


def unpack(body: bytes) -> Message:
    """One message from its bytes. Raises Broken unless it is a JSON object of finite numbers."""
    try:
        message = json.loads(body, parse_constant=_refuse_constant, parse_float=_finite)
    except (ValueError, RecursionError) as fault:
        raise Broken("not JSON") from fault
    if not isinstance(message, dict):
        raise Broken("not an object")
    return message


def _length(head: bytes) -> int:
    length = int(_LENGTH.unpack(head)[0])
    if length > MESSAGE_BYTES:
        raise Broken("message too long")
    return length


class ChildEnd:
    """The child's end: blocking, and quiet about a parent that left (`receive` gives None)."""

    def __init__(self, requests: int, answers: int) -> None:
        self._requests = requests
        self._answers = answers

    def receive(self) -> Message | None:
        head = self._read(_LENGTH.size)
        return None if head is None else unpack(self._read(_length(head)) or b"")

    def send(self, message: Message) -> None:
        rest = memoryview(pack(message))
        while rest:
            rest = rest[os.write(self._answers, rest) :]

    def _read(self, count: int) -> bytes | None:
        data = bytearray()
        while len(data) < count:
            piece = os.read(self._requests, count - len(data))
            if not piece:
                return None
            data += piece
        return bytes(data)


class Allowance:
    """How long one job may keep its parent waiting, and its CPU time; the parent's own work does not count."""

    def __init__(self, seconds: float, cpu_seconds: float, cpu_now: Callable[[], float]) -> None:
        self._left = seconds
        self._cpu_now = cpu_now
        self._cpu_end = cpu_now() + cpu_seconds

    def wait(self, fd: int, event: int) -> None:
        """Wait until `fd` is ready. Raises Overrun when either allowance is spent."""
        poll = select.poll()
        poll.register(fd, event)
        while True:
            if self._left <= 0:
                raise Overrun("out of time")
            started = time.monotonic()
            ready = poll.poll(min(self._left, _TICK_SECONDS) * 1000)
            self._left -= time.monotonic() - started
            if self._cpu_now() > self._cpu_end:
                raise Overrun("out of CPU time")
            if ready:
                return


class ParentEnd:
    """The parent's end: never blocks longer than the allowance it is given."""

    def __init__(self, requests: int, answers: int) -> None:
        self._requests = requests
        self._answers = answers
        os.set_blocking(requests, False)
        os.set_blocking(answers, False)

    def send(self, message: Message, allowance: Allowance) -> None:
        """Raises Lost when the child is gone, Overrun when it does not read."""
        rest = memoryview(pack(message))
        while rest:
            allowance.wait(self._requests, select.POLLOUT)
            try:
                rest = rest[os.write(self._requests, rest) :]
            except BlockingIOError:
                continue
            except OSError as fault:
                raise Lost("the child is gone") from fault

    def receive(self, allowance: Allowance) -> Message:
        """Raises Lost when the child is gone, Broken when it speaks nonsense, Overrun when it is silent too long."""
        return unpack(self._read(_length(self._read(_LENGTH.size, allowance)), allowance))

    def close(self) -> None:
        os.close(self._requests)
        os.close(self._answers)

    def _read(self, count: int, allowance: Allowance) -> bytes:
        data = bytearray()
        while len(data) < count:
            allowance.wait(self._answers, select.POLLIN)
            try:
                piece = os.read(self._answers, count - len(data))
            except BlockingIOError:
                continue
            if not piece:
                raise Lost("the child is gone")
            data += piece
        return bytes(data)
