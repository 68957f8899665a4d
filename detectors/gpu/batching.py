"""Frames of many clips in one run of a network: bounded, in order, and no clip's numbers depend on its neighbours.

Every run has the same shape (short runs are padded), because kernels chosen by shape round differently: with one
shape a row's answer is the same whichever rows stand beside it. Knows no network: `run` is a function on arrays.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from detectors.base import DetectorError, DetectorUnavailable

Rows = NDArray[np.float32]
#: uint8 [n, ...] to float32 [n, m]; n is always the batcher's present shape.
Run = Callable[[NDArray[np.uint8]], Rows]

_MAX_WAIT_S: Final = 0.005
_PATIENCE_S: Final = 120.0


class OutOfMemory(Exception):
    """The device had no room for a run of this shape; a smaller one may fit."""


class Overloaded(DetectorUnavailable):
    """The device could not answer in time: the system's fault, so the clip is held and tried again."""


@dataclass(slots=True, eq=False)
class Ticket:
    """A clip's frames on their way; `rows` fills in the order in which they were handed in."""

    #: Seconds that the clip may still wait for the device; decoding and preparing its frames do not count.
    patience_s: float
    rows: list[Rows | None] = field(default_factory=list)
    missing: int = 0
    error: Exception | None = None

    @property
    def settled(self) -> bool:
        """Whether nothing more is to come."""
        return self.error is not None or self.missing == 0


@dataclass(slots=True, eq=False)
class _Place:
    """One frame in the queue."""

    ticket: Ticket
    row: int
    frame: NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What the batcher did so far, for metrics and benchmarks."""

    runs: int
    frames: int
    padded: int
    halvings: int
    waiting: int


class Batcher:
    """One thread that owns a network and feeds it frames of all clips, first come, first served.

    `frames_per_run` halves when the device runs out of memory and stays so until the process ends. Everything is
    bounded: `room` frames may wait; whoever brings more waits until there is room or the clip's patience is at its end.
    """

    def __init__(
        self, name: str, run: Run, *, frames_per_run: int, max_wait_s: float = _MAX_WAIT_S, room: int | None = None
    ) -> None:
        if frames_per_run < 1:
            raise ValueError("a run takes at least one frame")
        self.name = name
        self._run = run
        self._shape = frames_per_run
        self._max_wait_s = max_wait_s
        self._room = room if room is not None else 8 * frames_per_run
        self._queue: deque[_Place] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._counts = {"runs": 0, "frames": 0, "padded": 0, "halvings": 0}
        self._thread = threading.Thread(target=self._work, name=f"batcher-{name}", daemon=True)
        self._thread.start()

    @property
    def shape(self) -> int:
        """Frames in a run at present."""
        return self._shape

    @property
    def load(self) -> Load:
        """What was done so far and what waits."""
        with self._changed:
            return Load(**self._counts, waiting=len(self._queue))

    def begin(self, *, patience_s: float = _PATIENCE_S) -> Ticket:
        """Begin with one clip, which may wait for the device for `patience_s` in all."""
        return Ticket(patience_s=patience_s)

    def put(self, ticket: Ticket, frames: Sequence[NDArray[np.uint8]]) -> None:
        """Queue the clip's next prepared frames, which nobody may change afterwards; waits while there is no room.

        Raises Overloaded when the clip's patience is at its end, DetectorUnavailable after `close`.
        """
        for frame in frames:
            with self._changed:
                try:
                    self._wait(ticket, lambda: len(self._queue) < self._room and not self._closed)
                except DetectorError:
                    self._abandon(ticket)
                    raise
                self._queue.append(_Place(ticket=ticket, row=len(ticket.rows), frame=frame))
                ticket.rows.append(None)
                ticket.missing += 1
                self._changed.notify_all()

    def collect(self, ticket: Ticket) -> Rows:
        """Return the clip's rows, float32 [frames, m], in the order of its frames.

        Raises DetectorError when one of its frames could not be read, Overloaded when its patience is at its end.
        """
        with self._changed:
            try:
                self._wait(ticket, lambda: ticket.settled)
            finally:
                self._abandon(ticket)
            if ticket.error is not None:
                raise ticket.error
            rows = [row for row in ticket.rows if row is not None]
        return np.stack(rows) if rows else np.empty((0, 0), np.float32)

    def close(self) -> None:
        """Stop: what waits is told so, the run under way ends first. Safe to call twice."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _wait(self, ticket: Ticket, ready: Callable[[], bool]) -> None:
        """Wait under the lock until `ready`, the clip's failure, the end of its patience or of the batcher."""
        began = time.monotonic()
        self._changed.wait_for(
            lambda: ready() or ticket.error is not None or self._closed, timeout=max(0.0, ticket.patience_s)
        )
        ticket.patience_s -= time.monotonic() - began
        if ticket.error is not None:
            raise ticket.error
        if ready():
            return
        if self._closed:
            raise DetectorUnavailable(f"{self.name} is shutting down")
        raise Overloaded(f"{self.name} did not answer in the time a clip may wait; {len(self._queue)} frames wait")

    def _abandon(self, ticket: Ticket) -> None:
        """Take what is left of a clip out of the queue: nobody waits for it any more."""
        if not ticket.settled:
            ticket.error = DetectorError("nobody waits for this clip any more")
        if any(place.ticket is ticket for place in self._queue):
            self._queue = deque(place for place in self._queue if place.ticket is not ticket)
            self._changed.notify_all()

    def _work(self) -> None:
        while (places := self._take()) is not None:
            self._answer(places)
        with self._changed:
            for place in self._queue:
                place.ticket.error = DetectorUnavailable(f"{self.name} is shutting down")
            self._queue.clear()
            self._changed.notify_all()

    def _take(self) -> list[_Place] | None:
        """Wait for a full run, or for as many frames as come within the wait; None at the end."""
        with self._changed:
            self._changed.wait_for(lambda: bool(self._queue) or self._closed)
            self._changed.wait_for(lambda: len(self._queue) >= self._shape or self._closed, timeout=self._max_wait_s)
            if self._closed:
                return None
            places: list[_Place] = []
            while self._queue and len(places) < self._shape:
                place = self._queue.popleft()
                if place.ticket.error is None:
                    places.append(place)
            self._changed.notify_all()
            return places

    def _answer(self, places: list[_Place]) -> None:
        """Run some frames and hand out the rows; in several runs when the shape has become smaller meanwhile."""
        while places:
            chunk, places = places[: self._shape], places[self._shape :]
            self._answer_at_once(chunk)

    def _answer_at_once(self, places: list[_Place]) -> None:
        """Make one run; when it fails, find out whose frames cannot be run."""
        try:
            rows = self._run_padded([place.frame for place in places])
        except OutOfMemory as error:
            self._halve(places, error)
        except Exception as error:  # noqa: BLE001 (a network's errors share no base class)
            self._find_culprit(places, error)
        else:
            self._hand_out(places, rows)

    def _run_padded(self, frames: Sequence[NDArray[np.uint8]]) -> Rows:
        shape = self._shape
        batch = np.zeros((shape, *frames[0].shape), frames[0].dtype)
        for row, frame in enumerate(frames):
            if frame.shape != batch.shape[1:] or frame.dtype != batch.dtype:
                raise DetectorError(f"{self.name} was shown a frame of another form: {frame.shape} {frame.dtype}")
            batch[row] = frame
        answer = self._run(batch)
        if answer.ndim != 2 or len(answer) != shape:
            raise DetectorError(f"{self.name} answered with shape {answer.shape} to {shape} frames")
        with self._changed:
            self._counts["runs"] += 1
            self._counts["frames"] += len(frames)
            self._counts["padded"] += shape - len(frames)
        return answer[: len(frames)]

    def _halve(self, places: list[_Place], error: OutOfMemory) -> None:
        if self._shape == 1:
            self._fail(places, DetectorUnavailable(f"{self.name}: the device has no room for one frame: {error}"))
            return
        with self._changed:
            self._shape //= 2
            self._counts["halvings"] += 1
        self._answer(places)

    def _find_culprit(self, places: list[_Place], error: Exception) -> None:
        """Give each clip a run of its own: only those that fail alone have failed."""
        owners = list(dict.fromkeys(place.ticket for place in places))
        if len(owners) == 1:
            self._fail(places, error if isinstance(error, DetectorError) else DetectorError(f"{self.name}: {error}"))
            return
        for owner in owners:
            self._answer([place for place in places if place.ticket is owner])

    def _hand_out(self, places: list[_Place], rows: Rows) -> None:
        with self._changed:
            for place, row in zip(places, rows, strict=True):
                ticket = place.ticket
                if not np.isfinite(row).all():
                    ticket.error = ticket.error or DetectorError(f"{self.name} gave no number for a frame")
                ticket.rows[place.row] = np.array(row, np.float32)
                ticket.missing -= 1
            self._changed.notify_all()

    def _fail(self, places: list[_Place], error: DetectorError) -> None:
        with self._changed:
            for place in places:
                place.ticket.error = place.ticket.error or error
            self._changed.notify_all()
