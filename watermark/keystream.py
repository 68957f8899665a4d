"""Secret choices from a deployment's mark key: the same for every version of Python and numpy. Keeps no state."""

import hashlib
import hmac

import numpy as np
from numpy.typing import NDArray


class Keystream:
    """An endless stream of bytes bound to a key and a purpose: SHAKE-256 of HMAC-SHA-256(key, purpose).

    numpy's own generators are not used because their streams may change between releases (NEP 19), which would
    make every clip marked earlier unreadable.
    """

    def __init__(self, key: bytes, purpose: str) -> None:
        self._seed = hmac.new(key, b"countersign/" + purpose.encode(), hashlib.sha256).digest()

    def signs(self, n: int) -> NDArray[np.int8]:
        """Return n fair signs, -1 or 1."""
        bits = np.unpackbits(np.frombuffer(self._bytes("signs", -(-n // 8)), np.uint8))[:n]
        return (2 * bits.astype(np.int8) - 1).astype(np.int8)

    def order(self, n: int) -> NDArray[np.intp]:
        """Return a fair permutation of 0..n-1."""
        return np.argsort(np.frombuffer(self._bytes("order", 8 * n), "<u8"), kind="stable")

    def fractions(self, n: int) -> NDArray[np.float64]:
        """Return n numbers in [0, 1), 32 bits each."""
        return np.frombuffer(self._bytes("fractions", 4 * n), "<u4") / 2.0**32

    def _bytes(self, kind: str, n: int) -> bytes:
        return hashlib.shake_256(self._seed + kind.encode()).digest(n)
