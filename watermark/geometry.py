"""Where a copy's pixels lie in the original. Plain numbers: knows no marks and no files."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

#: Two rows of three: (x, y) of the original = matrix @ (x, y, 1) of the copy.
Rows = tuple[tuple[float, float, float], tuple[float, float, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Geometry:
    """An affine map from a copy to the original.

    A copy's point is given in pixels of the frames that were read, (0, 0) their top left corner and (width, height)
    the bottom right one; the original's in its short sides from its top left corner, so that a landscape original of
    16:9 spans (0, 0) to (1.78, 1). Known but for whole fields (1.78 short sides or more), of which the one is taken
    that puts the middle of the copy between 0 and one field.
    """

    matrix: Rows
    #: In short sides of the original.
    field: float = 16 / 9

    @classmethod
    def of(cls, matrix: NDArray[np.float64], width: int, height: int, field: float) -> Self:
        """Take a float [2, 3] that is right but for whole fields, for a copy of the size given."""
        middle = matrix @ (width / 2, height / 2, 1)
        moved = matrix.copy()
        moved[:, 2] -= np.floor(middle / field) * field
        (a, b, c), (d, e, f) = moved.tolist()
        return cls(matrix=((a, b, c), (d, e, f)), field=field)

    def to_array(self) -> NDArray[np.float64]:
        """Return the matrix, float64 [2, 3]."""
        return np.array(self.matrix)
