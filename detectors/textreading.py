"""Reads found lines of text, by PP-OCR's recognition network: Latin, Greek, Chinese and Japanese; no Arabic."""

import math
from collections.abc import Sequence
from typing import Final, NamedTuple, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from detectors.base import DetectorError, quantise
from detectors.textlines import Line, Network

#: What the network takes: this height, at least this width, zeros to the right of the line.
_HEIGHT: Final = 48
_LEAST_WIDTH: Final = 320
_MOST_WIDTH: Final = 1600
#: A box so much higher than wide holds a line that stands.
_STANDING: Final = 1.5


class Reading(NamedTuple):
    """What a line says, and how sure the network was of its letters on average (0-1, quantised)."""

    text: str
    confidence: float


class LineReader:
    """Wraps the network with its preparation and its decoding (connectionist temporal classification, best path)."""

    def __init__(self, network: Network, letters: Sequence[str]) -> None:
        self._network = network
        #: Class 0 is the blank, the last one the space.
        self._letters = ("", *letters, " ")

    def read(self, pixels_bgr: NDArray[np.uint8], lines: Sequence[Line]) -> list[Reading]:
        """Return what each line of a picture (uint8 [height, width, 3] BGR) says, one network run a line.

        One at a time, so that a line's reading does not depend on its neighbours. Raises DetectorError when the
        network fails.
        """
        return [self._read_one(_straightened(pixels_bgr, line)) for line in lines]

    def _read_one(self, line: NDArray[np.uint8]) -> Reading:
        height, width = line.shape[:2]
        wanted = min(_MOST_WIDTH, max(1, math.ceil(_HEIGHT * width / height)))
        resized = cv2.resize(line, (wanted, _HEIGHT)).astype(np.float32)
        batch = np.zeros((1, 3, _HEIGHT, max(_LEAST_WIDTH, wanted)), np.float32)
        batch[0, :, :, :wanted] = ((resized / 255 - 0.5) / 0.5).transpose(2, 0, 1)
        (answer,) = self._network.run(batch).values()
        if answer.ndim != 3 or answer.shape[2] != len(self._letters) or not np.isfinite(answer).all():
            raise DetectorError(f"{self._network.model.id} gave no letters")
        return self._decode(answer[0])

    def _decode(self, answer: NDArray[np.float32]) -> Reading:
        best = answer.argmax(axis=1)
        new = np.append(True, best[1:] != best[:-1]) & (best != 0)
        sure = answer.max(axis=1)[new]
        text = "".join(self._letters[letter] for letter in best[new]).strip()
        return Reading(text, quantise(float(sure.mean())) if len(sure) else 0.0)


def _straightened(pixels: NDArray[np.uint8], line: Line) -> NDArray[np.uint8]:
    """Cut a line out and lay it level; one that stands is turned to lie."""
    width, height = max(1, round(line.width)), max(1, round(line.height))
    level = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    turn = cv2.getPerspectiveTransform(line.corners, level)
    cut = cv2.warpPerspective(pixels, turn, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return cast("NDArray[np.uint8]", np.rot90(cut) if height >= _STANDING * width else cut)
