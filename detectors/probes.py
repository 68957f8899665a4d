"""Pictures drawn the same on every machine, for self-checks. They show nobody and nothing."""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

_SKIN: Final = (205, 165, 140)
#: Ellipses of a drawn head on a 150-pixel grid: centre, half axes, RGB.
_HEAD: Final = (
    (75, 78, 52, 66, _SKIN),
    (50, 58, 9, 5, (250, 250, 250)),
    (101, 58, 9, 5, (250, 250, 250)),
    (50, 58, 4, 4, (50, 30, 20)),
    (101, 58, 4, 4, (50, 30, 20)),
    (75, 88, 7, 12, (180, 135, 115)),
    (75, 116, 20, 6, (160, 70, 75)),
    (75, 20, 54, 22, (50, 35, 25)),
)
#: Where eyes, nose and mouth corners of the drawn head are, in the order of the face detector's points.
HEAD_POINTS: Final = np.array([[50, 58], [101, 58], [75, 90], [57, 116], [93, 116]], dtype=np.float32)
#: Left, top, right, bottom of the drawn head.
HEAD_BOX: Final = np.array([23, 12, 127, 144], dtype=np.float32)


def drawn_head() -> NDArray[np.uint8]:
    """Return a schematic head on a coloured ground, uint8 [150, 150, 3] in BGR."""
    y, x = np.mgrid[0:150, 0:150].astype(np.int64)
    channels = [60 + y // 2, 80 + x // 3, np.full_like(x, 140)]
    for centre_x, centre_y, half_width, half_height, colour in _HEAD:
        reach = ((x - centre_x) * half_height) ** 2 + ((y - centre_y) * half_width) ** 2
        inside = reach <= (half_width * half_height) ** 2
        channels = [np.where(inside, value, channel) for value, channel in zip(colour, channels, strict=True)]
    return np.stack(channels[::-1], axis=2).astype(np.uint8)


def drawn_waves(height: int, width: int) -> NDArray[np.uint8]:
    """Return ramps and rings of all colours, uint8 [height, width, 3] in BGR."""
    y, x = np.mgrid[0:height, 0:width].astype(np.int64)
    red, green = (3 * x + 5 * y) % 256, (x * y // 7) % 256
    blue = ((x - width // 2) ** 2 + (y - height // 2) ** 2) // 9 % 256
    return np.stack([blue, green, red], axis=2).astype(np.uint8)


def drawn_rings(height: int, width: int) -> NDArray[np.uint8]:
    """Return warm rings, uint8 [height, width, 3] in BGR: nothing to see, yet no network is sure of it."""
    y, x = np.mgrid[0:height, 0:width].astype(np.int64)
    ramp = ((x - width // 2) ** 2 + (y - height // 2) ** 2) // 300 % 256 // 2
    return np.stack([60 + ramp, 80 + ramp, 120 + ramp], axis=2).astype(np.uint8)


def drawn_letters(text: str) -> NDArray[np.uint8]:
    """Return white letters on dark ground, uint8 [180, 640, 3] in BGR; the strokes are not antialiased."""
    picture = np.full((180, 640, 3), 40, np.uint8)
    cv2.putText(picture, text, (40, 115), cv2.FONT_HERSHEY_DUPLEX, 2.5, (255, 255, 255), 5, cv2.LINE_8)
    return picture
