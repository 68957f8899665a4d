"""How a coded picture must be turned to be seen upright: the eight orientations a display matrix can express."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: Rotation and mirroring by transpose, mirror, flip.
_TURNS = {
    (False, False, False): (0, False),
    (False, True, True): (180, False),
    (True, False, True): (90, False),
    (True, True, False): (270, False),
    (False, True, False): (0, True),
    (False, False, True): (180, True),
    (True, False, False): (90, True),
    (True, True, True): (270, True),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Orientation:
    """First transpose, then mirror left to right, then flip top to bottom."""

    transpose: bool = False
    mirror: bool = False
    flip: bool = False

    @property
    def upright(self) -> bool:
        """Whether nothing has to be done."""
        return not (self.transpose or self.mirror or self.flip)

    @property
    def rotation(self) -> int:
        """Degrees counter-clockwise of the turn: 0, 90, 180 or 270; it follows the mirroring, if `mirrored`."""
        return _TURNS[self.transpose, self.mirror, self.flip][0]

    @property
    def mirrored(self) -> bool:
        """Whether left and right are exchanged before the turn."""
        return _TURNS[self.transpose, self.mirror, self.flip][1]

    def turn(self, plane: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return `plane` [height, width, ...] upright, as a view."""
        turned = plane.swapaxes(0, 1) if self.transpose else plane
        turned = turned[:, ::-1] if self.mirror else turned
        return turned[::-1] if self.flip else turned


UPRIGHT = Orientation()


def orientation_of(matrix: bytes) -> Orientation:
    """Read a display matrix: nine native 32-bit integers (ISO/IEC 14496-12, 8.3.2.3).

    An angle that is not a multiple of 90 degrees counts as the nearest one, as browsers do.
    """
    across, down, back, up = (int(value) for value in np.frombuffer(matrix, np.int32, 9)[[0, 1, 3, 4]])
    if abs(across) + abs(up) >= abs(down) + abs(back):
        return Orientation(mirror=across < 0, flip=up < 0)
    return Orientation(transpose=True, mirror=back < 0, flip=down < 0)
