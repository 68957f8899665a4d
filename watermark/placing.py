"""Where the visible mark stands in each stretch of time: secret, fair, re-derivable, clear of faces and captions.

Knows a coarse grid of what to keep clear of, nothing of what is there. Boxes may push the mark about, never away.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from watermark.keystream import Keystream

#: How long the mark stays at one place.
DWELL_MS: Final = 2_500
MARGIN: Final = 0.03
#: Boxes are kept as cells of a grid over the frame: enough to stand clear of a face, too coarse to tell one by.
CELLS: Final = 16
#: How far beyond its box a face or a caption is kept clear, as a share of the frame's sides.
CLEARANCE: Final = 0.01
#: Places that are drawn for each stretch, and how many of them must be free for boxes to be heeded.
DRAWN: Final = 32
LEAST_FREE: Final = 4
#: Where less is free, the least covered of so many is taken: nobody can leave the mark but one corner.
IN_A_CROWD: Final = 4
#: The height, as a share of the frame's, at which a start label's top stands.
START_TOP: Final = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptClear:
    """A box (shares of the frame, displayed orientation) that the mark keeps clear of from a time until another."""

    start_ms: int
    end_ms: int
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Rect:
    """A rectangle in pixels."""

    x: int
    y: int
    width: int
    height: int

    def meets(self, other: "Rect") -> bool:
        """Tell whether the two have a pixel in common."""
        return (
            self.x < other.x + other.width
            and other.x < self.x + self.width
            and self.y < other.y + other.height
            and other.y < self.y + self.height
        )


def keep_out(boxes: Iterable[KeptClear]) -> tuple[str, ...]:
    """Return, for each stretch of time, the cells that boxes touch: hex digits of 256 bits row by row, "" for none."""
    grids: dict[int, NDArray[np.bool_]] = {}
    for box in boxes:
        columns, rows = _cells(box.x, box.width), _cells(box.y, box.height)
        for slot in range(max(0, box.start_ms) // DWELL_MS, (max(0, box.end_ms - 1)) // DWELL_MS + 1):
            grids.setdefault(slot, np.zeros((CELLS, CELLS), np.bool_))[rows, columns] = True
    return tuple(
        np.packbits(grids[slot]).tobytes().hex() if slot in grids else "" for slot in range(max(grids, default=-1) + 1)
    )


def _cells(start: float, length: float) -> slice:
    first = int(np.floor((start - CLEARANCE) * CELLS))
    last = int(np.ceil((start + length + CLEARANCE) * CELLS))
    return slice(min(max(0, first), CELLS - 1), max(1, min(CELLS, last)))


class Places:
    """The mark's places in one clip, for frames and a mark of given sizes.

    `apart` is what stands there besides, from the first frame until `apart_until_ms`.
    """

    def __init__(
        self,
        key: bytes,
        mark_id: int,
        frame: tuple[int, int],
        mark: tuple[int, int],
        avoid: Sequence[str] = (),
        apart: Rect | None = None,
        apart_until_ms: int = DWELL_MS,
    ) -> None:
        self._key, self._mark_id = key, mark_id
        self._frame, self._mark = frame, mark
        self._avoid, self._apart, self._apart_until_ms = avoid, apart, apart_until_ms
        margin = MARGIN * min(frame)
        self._spans = [_span(side, size, margin) for side, size in zip(frame, mark, strict=True)]

    def at(self, slot: int) -> tuple[int, int]:
        """Left and top of the mark in a stretch of time, even numbers of pixels: whole inside the frame, always.

        The first drawn place that is free of boxes, where at least an eighth of those drawn are. Whoever wants the
        mark in one corner would have to fill the rest, and then boxes are not heeded.
        """
        drawn = self._drawn(slot)
        if self._apart is not None and slot * DWELL_MS < self._apart_until_ms:
            drawn = [place for place in drawn if not self._apart.meets(Rect(*place, *self._mark))] or drawn
        grid = self._grid(slot)
        if grid is None:
            return drawn[0]
        covered = [self._covered(place, grid) for place in drawn]
        free = [place for place, cells in zip(drawn, covered, strict=True) if cells == 0]
        if len(free) >= LEAST_FREE:
            return free[0]
        return drawn[min(range(min(IN_A_CROWD, len(drawn))), key=covered.__getitem__)]

    def _drawn(self, slot: int) -> list[tuple[int, int]]:
        stream = Keystream(self._key, f"visible/{self._mark_id:012x}/{slot}")
        (left, across), (top, down) = self._spans
        pairs = stream.fractions(2 * DRAWN).reshape(DRAWN, 2)
        return [(round((left + x * across) / 2) * 2, round((top + y * down) / 2) * 2) for x, y in pairs.tolist()]

    def _grid(self, slot: int) -> NDArray[np.float64] | None:
        if slot >= len(self._avoid) or not self._avoid[slot]:
            return None
        bits = np.unpackbits(np.frombuffer(bytes.fromhex(self._avoid[slot]), np.uint8))
        return bits.reshape(CELLS, CELLS).astype(np.float64)

    def _covered(self, place: tuple[int, int], grid: NDArray[np.float64]) -> float:
        """How many cells' worth of the grid the mark would cover at a place."""
        across, down = (
            _overlap(start / side * CELLS, (start + size) / side * CELLS)
            for start, size, side in zip(place, self._mark, self._frame, strict=True)
        )
        return float(down @ grid @ across)


def _overlap(start: float, end: float) -> NDArray[np.float64]:
    cells = np.arange(CELLS)
    return np.asarray(np.maximum(np.minimum(end, cells + 1.0) - np.maximum(start, cells), 0.0), np.float64)


def start_place(frame: tuple[int, int], mark: tuple[int, int]) -> Rect:
    """Where a start label stands: in the middle, near the top, whole inside the frame."""
    (width, height), (wide, tall) = frame, mark
    left, top = max(0, (width - wide) // 4 * 2), round(height * START_TOP / 2) * 2
    return Rect(left, max(0, min(top, (height - tall) // 2 * 2)), wide, tall)


def _span(side: int, size: int, margin: float) -> tuple[float, float]:
    """First place and room to move along one side; the mark stays whole even where there is no margin left."""
    room = max(0.0, side - size - 2)
    start = min(margin, room / 2)
    return start, max(0.0, room - 2 * start)
