"""How suddenly a frame differs from the one before, cell by cell, with motion taken out. Knows no file and no budget.

A thing that moves changes the cells on its way in the frames before and after as well; what appears at once does not.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import reduce
from typing import Final, Generic, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from watermark.thumbnails import Thumbnail

T = TypeVar("T")
#: uint8 [rows, columns]: sums over luma and both colour differences, saturated.
Cells = NDArray[np.uint8]

#: Frames of context on either side; also the longest cadence of repeated frames that is taken for motion.
NEAR: Final = 4
#: How many later frames are waited for before one is judged.
LOOK_AHEAD: Final = 2 * NEAR
#: Cells that a thing may move from one frame to the next and still be taken for moving; in several frames, further.
_REACH: Final = np.ones((7, 7), np.uint8)
_FAR_REACH: Final = np.ones((17, 17), np.uint8)
#: Side, in cells, of the windows in which a part of the picture is compared: of 1280 x 720, 80 pixels.
WINDOW: Final = 4
_STILL: Final = 8
#: Less is told as 0.
_LEAST_UNLIKE: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Change(Generic[T]):
    """One frame against its neighbours. `item` is what came with its thumbnail.

    `cells` is the change from the frame before less the motion around, `motion` what was taken off. `part` is the mean
    of `cells` in the window where it is greatest; `share` of the picture changed by more than `_STILL`; `unlike` is by
    how much the mean cell lies outside all that was shown just before and after.
    """

    item: T
    thumbnail: Thumbnail
    cells: Cells
    motion: Cells
    part: int
    share: float
    unlike: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    thumbnail: Thumbnail
    #: Change from the frame before, and the most of it within reach.
    cells: Cells
    around: Cells


def changes(frames: Iterable[tuple[T, Thumbnail]]) -> Iterator[Change[T]]:
    """Yield one Change for each frame, in order, `LOOK_AHEAD` frames late; holds so many items and no more."""
    steps: deque[_Step] = deque(maxlen=2 * NEAR + 2 + LOOK_AHEAD)
    waiting: deque[T] = deque()
    for item, thumbnail in frames:
        steps.append(_step(thumbnail, steps[-1].thumbnail if steps else thumbnail))
        waiting.append(item)
        if len(waiting) > LOOK_AHEAD:
            yield _judge(waiting.popleft(), steps, len(steps) - 1 - LOOK_AHEAD)
    while waiting:
        yield _judge(waiting.popleft(), steps, len(steps) - 1 - len(waiting))


def difference(one: Thumbnail, other: Thumbnail) -> Cells:
    """Return the difference of two thumbnails by cell."""
    return _summed(np.asarray(cv2.absdiff(one, other), np.uint8))


def strongest(cells: Cells) -> int:
    """Return the mean of `cells` in the window where it is greatest."""
    return int(cv2.blur(cells, (WINDOW, WINDOW), borderType=cv2.BORDER_REFLECT).max())


def _step(thumbnail: Thumbnail, before: Thumbnail) -> _Step:
    cells = difference(thumbnail, before)
    return _Step(thumbnail=thumbnail, cells=cells, around=np.asarray(cv2.dilate(cells, _REACH), np.uint8))


def _judge(item: T, steps: deque[_Step], at: int) -> Change[T]:
    step = steps[at]
    motion = _motion([other.around for other in steps], at)
    cells = np.asarray(cv2.subtract(step.cells, motion), np.uint8)
    return Change(
        item=item,
        thumbnail=step.thumbnail,
        cells=cells,
        motion=motion,
        part=strongest(cells),
        share=float(np.count_nonzero(cells > _STILL)) / cells.size,
        unlike=_unlikeness(steps, at),
    )


def _motion(around: list[Cells], at: int) -> Cells:
    """How much moved near each cell before, and after, and some frames ago: the least of these.

    Motion goes on through all three. Where one is calm nothing moved, however wild the others are: what appears may be
    gone again in the next frame, or come with flashes before it. The clip's first frame has no change that would count.
    """
    before, ago, after = (
        range(max(1, at - NEAR), at),
        range(max(1, at - 2 * NEAR), at - NEAR),
        range(at + 1, at + NEAR + 1),
    )
    later = range(at + NEAR + 1, at + 2 * NEAR + 1) if at <= NEAR else range(0)
    contexts = [[around[i] for i in context if i < len(around)] for context in (before, after, ago, later)]
    near = [_most(context) for context in contexts[:2] if context]
    far = [np.asarray(cv2.dilate(_most(context), _FAR_REACH), np.uint8) for context in contexts[2:] if context]
    return _least([*near, *far] or [np.zeros_like(around[at])])


def _unlikeness(steps: deque[_Step], at: int) -> float:
    """By how much the mean cell leaves the range of what stands before and after, for 1 to `NEAR` frames from `at`.

    Zero for all that goes from one value to another without turning back, as most motion does.
    """
    # No cell leaves the range by more than it changed: the usual frame is done here.
    if at == 0 or cv2.sumElems(steps[at].cells)[0] < _LEAST_UNLIKE * steps[at].cells.size:
        return 0.0
    thumbnails = [step.thumbnail for step in steps]
    low = high = thumbnails[at]
    most = 0.0
    for after in thumbnails[at + 1 : at + 1 + NEAR]:
        below = cv2.subtract(cv2.min(thumbnails[at - 1], after), high)
        above = cv2.subtract(low, cv2.max(thumbnails[at - 1], after))
        most = max(most, cv2.sumElems(below)[0] + cv2.sumElems(above)[0])
        low, high = np.asarray(cv2.min(low, after), np.uint8), np.asarray(cv2.max(high, after), np.uint8)
    return most / (low.size / 3)


def _summed(planes: Thumbnail) -> Cells:
    rows = planes.shape[0] // 3
    return np.asarray(cv2.add(cv2.add(planes[:rows], planes[rows : 2 * rows]), planes[2 * rows :]), np.uint8)


def _most(cells: list[Cells]) -> Cells:
    return reduce(lambda one, other: np.asarray(cv2.max(one, other), np.uint8), cells)


def _least(cells: list[Cells]) -> Cells:
    return reduce(lambda one, other: np.asarray(cv2.min(one, other), np.uint8), cells)
