"""Adds signed changes to bytes and stops at black and white. Knows no mark."""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

#: `value ^ 128`, read as a signed byte, is `value - 128`: a signed change can be added to it with saturation.
_SIGN: Final = np.uint8(128)


def add_signed(plane: NDArray[np.uint8], change: NDArray[np.int8], scratch: NDArray[np.uint8] | None = None) -> None:
    """Add `change`, int8, to `plane`, uint8 of the same shape, in place; rows of the plane may be strided.

    `scratch`, uint8 of that shape with whole rows, spares an allocation.
    """
    shifted = np.bitwise_xor(plane, _SIGN, out=scratch)
    cv2.add(shifted.view(np.int8), change, dst=shifted.view(np.int8))
    np.bitwise_xor(shifted, _SIGN, out=plane)
