"""Arrays that grow at their end without copying all of themselves each time. Knows nothing of what they hold."""

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray


class Column:
    """Values of one dtype, each a number or, with `width`, a row of numbers; `values` is a view of what is there."""

    def __init__(self, dtype: DTypeLike, *width: int) -> None:
        self._room: NDArray[Any] = np.empty((0, *width), dtype)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    @property
    def values(self) -> NDArray[Any]:
        """Every value so far; writing into it changes the column."""
        return self._room[: self._count]

    @property
    def nbytes(self) -> int:
        """Bytes held, the room for more included."""
        return self._room.nbytes

    def add(self, values: NDArray[Any], *, most: int | None = None) -> None:
        """Append values; room is never made for more than `most`."""
        count = self._count + len(values)
        if count > len(self._room):
            wanted = max(count, len(self._room) * 5 // 4)
            room = np.empty((wanted if most is None else min(wanted, most), *self._room.shape[1:]), self._room.dtype)
            room[: self._count] = self.values
            self._room = room
        self._room[self._count : count] = values
        self._count = count
