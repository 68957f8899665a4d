"""The layer `rivagan`: 32 bits by the networks of RivaGAN, mostly in colour. Runs no network itself: it is given two.

After Zhang and others, "Robust invisible video watermarking with attention" (2019); the networks' files are those of
the package invisible-watermark. Their residual is computed on 256 x 256 pixels and enlarged.
"""

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from watermark.layers import Pictures

#: Takes inputs by name and returns the one output; float32, the first axis being the batch.
Network = Callable[[Mapping[str, NDArray[np.float32]]], NDArray[np.float32]]

#: The networks' values run from -1 to 1.
_HALF: Final = 127.5
#: What the decoder says halfway between 0 and 1.
_UNDECIDED: Final = 0.5


class RivaGan:
    """Writes and reads 32 bits through the given networks. Luma alone does not carry them."""

    name = "rivagan"
    bits = 32
    side = 256
    every = 8

    def __init__(self, encoder: Network, decoder: Network, *, version: str, strength: float = 1.0) -> None:
        """Take the encoder (`frame`, `data`) and the decoder (`frame`); frames are [n, 3, 1, side, side]."""
        self._encoder, self._decoder = encoder, decoder
        self.version = version
        self._strength = strength

    def draw(self, pictures: Pictures, word: NDArray[np.int8]) -> NDArray[np.float32]:
        """Return the residual of every picture, float32 [n, side, side, 3] in BGR, grey levels."""
        frames = _frames(pictures)
        data = np.repeat((word > 0).astype(np.float32)[None], len(pictures), axis=0)
        marked = np.clip(self._encoder({"frame": frames, "data": data}), -1, 1)
        moved = (marked - frames)[:, :, 0].transpose(0, 2, 3, 1)
        return np.asarray(moved * (_HALF * self._strength), np.float32)

    def listen(self, pictures: Pictures) -> NDArray[np.float32]:
        """Return soft bits, float32 [n, 32]."""
        return np.asarray(self._decoder({"frame": _frames(pictures)}) - _UNDECIDED, np.float32)


def _frames(pictures: Pictures) -> NDArray[np.float32]:
    scaled = pictures.astype(np.float32) / _HALF - 1
    return np.ascontiguousarray(scaled.transpose(0, 3, 1, 2)[:, :, None])
