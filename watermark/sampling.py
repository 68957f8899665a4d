"""Which frames of a clip are looked at: a floor, every shot, every sudden change, some of what moves much.

Chooses only: scales no picture and opens no file. What changed and could not be looked at within the budget is
told, never passed over.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil
from typing import Final

import cv2
import numpy as np

from watermark.changes import Cells, Change, changes, difference, strongest
from watermark.sources import TimedFrame
from watermark.thumbnails import Thumbnail, Thumbnailer

#: Raised by hand with every change of this file, of `changes` or `thumbnails` that can change which frames are chosen.
METHOD: Final = 1
#: A change goes on for so many frames at most before one of them is looked at.
_SETTLING: Final = 4
#: Frames whose content is known: what was looked at last, and what stood there before a sudden change.
_REMEMBERED: Final = 12
#: Changes that wait for a later look at the same.
_MOST_OWED: Final = 16
#: A part of the picture changes suddenly when it changes so many times as much as it lately did.
_UNUSUAL: Final = 3
_LATELY: Final = 16
#: A frame goes back to an earlier shot when less than so much of the picture is far from it.
_SAME_SHOT: Final = 0.25
#: From the last frame looked at, so much of the picture must differ by so much to be worth another look.
_MOVED_SHARE: Final = 0.35
_MOVED_BY: Final = 24
#: A fade goes on while a frame is less than so much of the way to the next.
_ALMOST_THERE: Final = 0.87
#: By so many times.
_STILL_THERE: Final = 2
#: What is listed of one clip; everything is counted.
MOST_SHOTS: Final = 512
MOST_STRETCHES: Final = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplingRules:
    """The floor, the budget beyond it, and from which change on a frame counts as new.

    Changes are sums over luma and doubled colour differences (levels of 255): `part_change` is the mean over a window
    of 1/16 of the longer side, `whole_change` that over the whole picture.
    """

    floor_fps: float = 2.0
    extra_per_second: int = 8
    extra_in_all: int = 480
    part_change: int = 8
    whole_change: int = 20
    #: The share of the picture that makes another shot of a change.
    whole_share: float = 0.4


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A frame to look at, and its shot."""

    timed: TimedFrame
    shot: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ShotStart:
    """Where a shot begins, or goes on after an insert."""

    start_ms: int
    shot: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """From the first to the last of consecutive frames, both included."""

    first_ms: int
    last_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What is known of the frames that were not looked at.

    `unseen` are the stretches that showed something new which the budget did not allow to look at, and `unseen_frames`
    counts their frames. At most `MOST_SHOTS` and `MOST_STRETCHES` are listed.
    """

    frames: int
    shots: tuple[ShotStart, ...]
    unseen: tuple[Stretch, ...]
    unseen_frames: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Event:
    """A sudden change on its way to be looked at: the frame that shows it best so far."""

    change: Change[TimedFrame]
    #: What stood there before, and the cells that changed.
    before: Thumbnail
    changed: Cells
    shot: int
    #: Whether it begins a shot.
    fresh: bool
    #: How many later frames went on with it.
    steps: int


class Watch:
    """Chooses frames of one clip; use it once."""

    def __init__(self, rules: SamplingRules) -> None:
        self._rules = rules
        self._budget = _Budget(rules)
        self._floor = _Floor(Fraction(1000) / Fraction(rules.floor_fps))
        self._unseen = _Unseen()
        self._known: deque[tuple[Thumbnail, int]] = deque(maxlen=_REMEMBERED)
        self._owed: deque[_Event] = deque()
        self._lately: deque[int] = deque(maxlen=_LATELY)
        self._pending: _Event | None = None
        self._before: Thumbnail | None = None
        self._last: Change[TimedFrame] | None = None
        self._shots = [ShotStart(start_ms=0, shot=0)]
        self._shot = self._newest = self._frames = 0

    def choose(self, frames: Iterable[TimedFrame]) -> Iterator[Choice]:
        """Yield the frames to look at, in order, each once: the first, the last, and what the rules ask for between.

        Holds `LOOK_AHEAD` frames and two more. Raises what reading `frames` raises.
        """
        thumbnails = Thumbnailer()
        change: Change[TimedFrame] | None = None
        for change in changes((timed, thumbnails.make(timed.frame)) for timed in frames):
            self._frames += 1
            yield from self._settle(change)
            self._notice(change)
            if self._floor.due(change.item.time_ms) or (self._pending is None and self._moved(change)):
                yield from self._settle(None)
                yield from self._look(change, self._shot)
            self._before = change.thumbnail
        yield from self._settle(None)
        if change is not None:
            yield from self._look(change, self._shot)
        while self._owed:
            self._unseen.add(self._owed.popleft())

    def account(self) -> Account:
        """What the clip held; complete once `choose` is exhausted."""
        return Account(
            frames=self._frames,
            shots=tuple(self._shots),
            unseen=tuple(self._unseen.stretches),
            unseen_frames=self._unseen.frames,
        )

    def _notice(self, change: Change[TimedFrame]) -> None:
        """Take note when this frame shows something new, or goes back to what was there before an insert."""
        sudden = self._sudden(change)
        if not sudden or self._pending is not None or self._before is None:
            return
        unlike, whole = change.unlike >= self._rules.whole_change, self._whole(change)
        # Two frames lie between what an insert hid and what comes back.
        earlier, alike = self._recall(change.thumbnail, None if unlike else _twice(change.motion))
        fresh = whole and earlier is None
        before = self._before, self._shot
        if whole and earlier is not None and earlier != self._shot:
            self._turn(earlier, change.item.time_ms)
            self._floor.go_back(earlier)
        if alike:
            return
        if not self._owed:
            self._known.append(before)
        if fresh:
            self._newest += 1
            self._turn(self._newest, change.item.time_ms)
        cells = difference(change.thumbnail, self._before) if unlike else change.cells
        self._pending = _Event(change=change, before=before[0], changed=cells, shot=self._shot, fresh=fresh, steps=0)

    def _sudden(self, change: Change[TimedFrame]) -> bool:
        """Whether a part of the picture, or all of it, changed at once, and by more than it lately did."""
        usual = sorted(self._lately)[len(self._lately) // 2] if self._lately else 0
        self._lately.append(change.part)
        return change.part >= max(self._rules.part_change, _UNUSUAL * usual) or self._whole(change)

    def _whole(self, change: Change[TimedFrame]) -> bool:
        return change.share >= self._rules.whole_share or change.unlike >= self._rules.whole_change

    def _recall(self, thumbnail: Thumbnail, motion: Cells | None) -> tuple[int | None, bool]:
        """Return the shot this frame goes back to, None for none, and whether it shows nothing that was not seen."""
        shot = None
        for known, known_shot in reversed(self._known):
            cells = difference(thumbnail, known)
            left = cells if motion is None else np.asarray(cv2.subtract(cells, motion), np.uint8)
            if strongest(left) < self._rules.part_change:
                return known_shot, True
            if shot is None and np.count_nonzero(left > _MOVED_BY) < _SAME_SHOT * left.size:
                shot = known_shot
        return shot, False

    def _turn(self, shot: int, time_ms: int) -> None:
        self._shot = shot
        if len(self._shots) < MOST_SHOTS:
            self._shots.append(ShotStart(start_ms=time_ms, shot=shot))

    def _settle(self, change: Change[TimedFrame] | None) -> Iterator[Choice]:
        """Look at a pending change once it is over: while a fade goes on, its later frames show more of it."""
        event = self._pending
        if event is None:
            return
        if (
            change is not None
            and event.steps < _SETTLING
            and event.fresh >= self._whole(change)
            and _goes_on(event, change, self._rules.part_change)
        ):
            self._pending = replace(event, change=change, steps=event.steps + 1)
            return
        self._pending = None
        if self._budget.take(event.change.item.time_ms):
            if event.fresh:
                self._floor.begin(event.shot, event.change.item.time_ms)
            yield from self._look(event.change, event.shot)
        else:
            self._owe(event)

    def _look(self, change: Change[TimedFrame], shot: int) -> Iterator[Choice]:
        if self._last is not None and change.item.index <= self._last.item.index:
            return
        self._last = change
        self._floor.met(change.item.time_ms)
        self._known.append((change.thumbnail, shot))
        self._owed = deque(event for event in self._owed if not _still_there(event, change.thumbnail))
        yield Choice(timed=change.item, shot=shot)

    def _owe(self, event: _Event) -> None:
        """Remember a change the budget had no room for; a later look at the same clears it."""
        self._owed.append(event)
        while len(self._owed) > _MOST_OWED:
            self._unseen.add(self._owed.popleft())

    def _moved(self, change: Change[TimedFrame]) -> bool:
        """Whether much of the picture moved since the last look, and long enough ago; pays for the look."""
        if self._last is None or not self._floor.half_over(self._last.item.time_ms, change.item.time_ms):
            return False
        far = np.count_nonzero(difference(change.thumbnail, self._last.thumbnail) > _MOVED_BY)
        return bool(far >= _MOVED_SHARE * change.cells.size) and self._budget.spare(change.item.time_ms)


class _Budget:
    """Looks beyond the floor: so many a second, saved up for one second at most, and so many in all."""

    def __init__(self, rules: SamplingRules) -> None:
        self._most = rules.extra_per_second
        self._left = rules.extra_in_all
        self._in_all = rules.extra_in_all
        # In thousandths of a look, so that whole milliseconds add up exactly.
        self._saved = 1000 * self._most
        self._at = 0

    def take(self, time_ms: int) -> bool:
        """Pay for one look, if there is enough."""
        self._save(time_ms)
        if self._saved < 1000 or self._left < 1:
            return False
        self._saved -= 1000
        self._left -= 1
        return True

    def spare(self, time_ms: int) -> bool:
        """Pay for a look that is not needed: half of everything is kept for changes."""
        self._save(time_ms)
        return 2 * self._saved >= 1000 * self._most + 2000 and 2 * self._left > self._in_all and self.take(time_ms)

    def _save(self, time_ms: int) -> None:
        self._saved = min(1000 * self._most, self._saved + (time_ms - self._at) * self._most)
        self._at = time_ms


class _Floor:
    """The instants at which a look is due: from the start of each shot on, in even steps."""

    def __init__(self, step_ms: Fraction) -> None:
        self._step_ms = step_ms
        self._start = self._due = 0
        #: Of the shots that an insert may go back to.
        self._kept: dict[int, tuple[int, int]] = {}
        self._shot = 0

    def due(self, time_ms: int) -> bool:
        """Whether a look is due now."""
        return time_ms >= self._due

    def half_over(self, last_ms: int, time_ms: int) -> bool:
        """Whether half a step went by since the last look."""
        return 2 * (time_ms - last_ms) >= self._step_ms

    def met(self, time_ms: int) -> None:
        """Count a look: when it was due, the next is due a step later."""
        if time_ms >= self._due:
            self._due = self._start + int(ceil(Fraction(time_ms + 1 - self._start) / self._step_ms) * self._step_ms)

    def begin(self, shot: int, time_ms: int) -> None:
        """Start afresh with the first look at a new shot."""
        self._keep()
        self._shot, self._start, self._due = shot, time_ms, time_ms

    def go_back(self, shot: int) -> None:
        """Go on with an earlier shot, as if nothing had come between."""
        self._keep()
        self._shot = shot
        self._start, self._due = self._kept.get(shot, (self._start, self._due))

    def _keep(self) -> None:
        self._kept[self._shot] = (self._start, self._due)
        while len(self._kept) > _REMEMBERED:
            del self._kept[min(self._kept)]


class _Unseen:
    """Stretches of frames that showed something new and were not looked at."""

    def __init__(self) -> None:
        self.frames = 0
        self.stretches: list[Stretch] = []
        self._next = -1

    def add(self, event: _Event) -> None:
        """Add the frame of one event; frames come in order."""
        timed = event.change.item
        self.frames += 1
        if self.stretches and timed.index == self._next:
            self.stretches[-1] = replace(self.stretches[-1], last_ms=timed.time_ms)
        elif len(self.stretches) < MOST_STRETCHES:
            self.stretches.append(Stretch(first_ms=timed.time_ms, last_ms=timed.time_ms))
        self._next = timed.index + 1


def _twice(cells: Cells) -> Cells:
    return np.asarray(cv2.add(cells, cells), np.uint8)


def _still_there(event: _Event, thumbnail: Thumbnail) -> bool:
    """Whether what appeared in an event is shown by a later frame, by far more than what stood there before."""
    cells = event.changed > event.changed.max() // 2
    appeared = difference(event.change.thumbnail, event.before)[cells].sum(dtype=np.int64)
    return bool(_STILL_THERE * difference(event.change.thumbnail, thumbnail)[cells].sum(dtype=np.int64) <= appeared)


def _goes_on(event: _Event, change: Change[TimedFrame], line: int) -> bool:
    """Whether the next frame shows more of what appears, and this one nothing but a blend on the way there.

    A picture between two others, say between black and white, is on nobody's way: it must be the blend, cell by cell.
    """
    changed = np.tile(event.changed > event.changed.max() // 2, (3, 1))
    before, now, then = (
        np.where(changed, thumbnail, 0).astype(np.int32)
        for thumbnail in (event.before, event.change.thumbnail, change.thumbnail)
    )
    gone, way = now - before, then - before
    length = float((way * way).sum())
    share = float((gone * way).sum()) / length if length else 1.0
    if not 0 < share < _ALMOST_THERE:
        return False
    beside = np.abs(gone - np.round(share * way)).astype(np.int32)
    return strongest(np.minimum(beside.reshape(3, -1, beside.shape[1]).sum(axis=0), 255).astype(np.uint8)) < line
