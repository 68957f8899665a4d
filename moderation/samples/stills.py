"""Still pictures as footage: the whole picture, slowly nearing on a plain ground. The picture itself is not altered."""

from collections.abc import Iterator
from typing import Final, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from moderation.samples.footage import Picture

#: The picture grows from so much of its final size; it is never cut.
_START: Final = 0.88
_GROUND: Final = (72, 66, 60)
_SMOOTHING_DIAMETER: Final = 15
_SMOOTHING_COLOUR: Final = 60
_SMOOTHING_SPACE: Final = 15


def near(picture: Picture, count: int, width: int, height: int, *, filling: float = 1.0) -> Iterator[Picture]:
    """Yield `count` frames, BGR uint8 [height, width, 3], in which the whole picture grows and drifts a little.

    `filling` is the share of the frame it fills at the end.
    """
    tall, wide = picture.shape[:2]
    fit = min(width / wide, height / tall) * filling
    # Made smaller by area once: every frame then only warps a picture of about its own size.
    ready = cv2.resize(picture, None, fx=fit, fy=fit, interpolation=cv2.INTER_AREA)
    for number in range(count):
        share = number / max(1, count - 1)
        scale = _START + (1 - _START) * share
        room = (width - ready.shape[1] * scale, height - ready.shape[0] * scale)
        left, top = room[0] * (0.35 + 0.3 * share), room[1] * 0.5
        matrix = np.array([[scale, 0, left], [0, scale, top]], dtype=np.float64)
        yield cast(
            "Picture",
            cv2.warpAffine(ready, matrix, (width, height), flags=cv2.INTER_AREA, borderValue=_GROUND),
        )


def smooth(picture: Picture, times: int) -> NDArray[np.uint8]:
    """Wipe fine lines out of a picture by `times` bilateral filters; what is left looks younger to age networks."""
    smoothed = picture
    for _ in range(times):
        smoothed = cast(
            "Picture", cv2.bilateralFilter(smoothed, _SMOOTHING_DIAMETER, _SMOOTHING_COLOUR, _SMOOTHING_SPACE)
        )
    return smoothed
