"""Pictures as a generator makes them, RGB in memory, brought to the planes that are marked and encoded.

Holds one picture at a time. Opens no file.
"""

from collections.abc import Iterable, Iterator

import av
import numpy as np
from numpy.typing import NDArray

from watermark.planes import eight_bit, plane_view
from watermark.writing import FramePlanes, Picture


def planes_of(pictures: Iterable[NDArray[np.uint8]], picture: Picture) -> Iterator[FramePlanes]:
    """Yield each picture, uint8 [height, width, 3] in RGB, as planes that the encoder takes without another copy.

    Colours become BT.709 in limited range, which is what `Picture` says unless told otherwise; the times follow from
    `picture.fps`. Raises ValueError for pictures of another size or with an odd side, and for another colour.
    """
    if picture.width % 2 or picture.height % 2 or picture.colour.full_range or picture.colour.matrix != 1:
        raise ValueError("pictures have even sides and become BT.709 in limited range")
    for index, pixels in enumerate(pictures):
        if pixels.shape != (picture.height, picture.width, 3) or pixels.dtype != np.uint8:
            raise ValueError(
                f"a picture of {pixels.dtype} {pixels.shape} in a clip of {picture.width}x{picture.height}"
            )
        frame = eight_bit(av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24"))
        yield FramePlanes(
            index=index,
            time_ms=round(index * 1000 / picture.fps),
            y=plane_view(frame, 0),
            u=plane_view(frame, 1),
            v=plane_view(frame, 2),
            frame=frame,
            ticks=round(index / picture.fps / picture.time_base),
            duration=picture.step,
        )
