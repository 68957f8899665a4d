"""How often a clip flashes, by the general threshold of WCAG 2.3.1. Pure: takes luma, knows no file.

Red flashes, for which WCAG has a threshold of their own, are not counted apart.
"""

from collections import deque
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

#: A change of relative luminance that counts, and the light below which its darker side must be.
_CHANGE: Final = 0.1
_DARKER: Final = 0.8
#: The share of the picture that must change together: a quarter, which WCAG asks of what fills the central field.
_AREA: Final = 0.25
#: Cells across and down; what changes in one together is one.
_CELLS: Final = (24, 24)
#: Changes this near each other are one: a flash may take two frames to come.
_TOGETHER_MS: Final = 80
_SECOND_MS: Final = 1000
_LONG_AGO: Final = -(10**9)


class FlashCounter:
    """Sees the frames of a clip in order. A flash is a pair of opposing changes of a quarter of the picture."""

    def __init__(self, *, full_range: bool) -> None:
        codes = np.arange(256, dtype=np.float32)
        share = codes / 255 if full_range else np.clip((codes - 16) / 219, 0, 1)
        self._light = (share**2.2).astype(np.float32)
        self._low = self._high = np.zeros(0, np.float32)
        self._way = np.zeros(0, np.int8)
        self._turned = np.zeros(0, np.int64)
        #: Which way the picture as a whole went last, and when it turned within the last second.
        self._whole = 0
        self._turns: deque[int] = deque()
        #: The most flashes within any second, and the beginning of the first second that had as many.
        self.most_in_a_second = 0
        self.from_ms: int | None = None

    def see(self, time_ms: int, plane: NDArray[np.uint8]) -> None:
        """Take one frame's luma, uint8 [height, width]."""
        light = cv2.resize(self._light[plane], _CELLS, interpolation=cv2.INTER_AREA).astype(np.float32).ravel()
        if not self._low.size:
            self._low, self._high = light.copy(), light.copy()
            self._way = np.zeros(light.size, np.int8)
            self._turned = np.full(light.size, _LONG_AGO, np.int64)
            return
        self._follow(light, time_ms)
        for way in (1, -1):
            together = (self._way == way) & (self._turned > time_ms - _TOGETHER_MS)
            if way != self._whole and together.mean() >= _AREA:
                self._whole = way
                self._turn(time_ms)

    def _follow(self, light: NDArray[np.float32], time_ms: int) -> None:
        """Note which cells rose or fell enough since they last turned."""
        self._low, self._high = np.minimum(self._low, light), np.maximum(self._high, light)
        rose = (self._way != 1) & (light - self._low >= _CHANGE) & (self._low < _DARKER)
        fell = (self._way != -1) & (self._high - light >= _CHANGE) & (light < _DARKER) & ~rose
        turned = rose | fell
        self._way[rose], self._way[fell] = 1, -1
        self._turned[turned] = time_ms
        self._low[turned] = self._high[turned] = light[turned]

    def _turn(self, time_ms: int) -> None:
        self._turns.append(time_ms)
        while self._turns[0] <= time_ms - _SECOND_MS:
            self._turns.popleft()
        flashes = len(self._turns) // 2
        if flashes > self.most_in_a_second:
            self.most_in_a_second, self.from_ms = flashes, self._turns[0]
