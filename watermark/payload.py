"""The 76 bits every copy of a clip carries and how they are protected. Must not know how bits are drawn into pixels."""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from watermark import convolution

ID_BITS = 48
VERSION_BITS = 4
CHECK_BITS = 24
BITS = ID_BITS + VERSION_BITS + CHECK_BITS
#: Length of what `encode` returns and `decode` takes.
CODED_BITS = BITS * convolution.RATE


@dataclass(frozen=True, slots=True, kw_only=True)
class Payload:
    """What the invisible mark says: which mark this is, and under which of the deployment's keys it was written."""

    mark_id: int
    key_version: int

    def __post_init__(self) -> None:
        if not 0 <= self.mark_id < 1 << ID_BITS:
            raise ValueError(f"mark_id must fit {ID_BITS} bits")
        if not 0 <= self.key_version < 1 << VERSION_BITS:
            raise ValueError(f"key_version must fit {VERSION_BITS} bits")

    def __str__(self) -> str:
        """Return the 12 hex digits under which a mark is published."""
        return f"{self.mark_id:012x}"


def encode(payload: Payload, key: bytes) -> NDArray[np.int8]:
    """Return the payload with its check as 304 coded bits, each 0 or 1."""
    word = (_head(payload) << CHECK_BITS) | _check(payload, key)
    bits = np.array([(word >> (BITS - 1 - i)) & 1 for i in range(BITS)], np.int8)
    return convolution.encode(bits)


def decode(llr: NDArray[np.float32], keys: Mapping[int, bytes]) -> Payload | None:
    """Read 304 soft bits (positive means 1), or return None when they name no key given here or fail its check.

    The key version inside selects the key. Noise passes with probability `len(keys) / 16 * 2**-24`.
    """
    word = 0
    for bit in convolution.decode(llr):
        word = (word << 1) | int(bit)
    head, check = word >> CHECK_BITS, word & ((1 << CHECK_BITS) - 1)
    payload = Payload(mark_id=head >> VERSION_BITS, key_version=head & ((1 << VERSION_BITS) - 1))
    key = keys.get(payload.key_version)
    return payload if key is not None and _check(payload, key) == check else None


def _head(payload: Payload) -> int:
    return (payload.mark_id << VERSION_BITS) | payload.key_version


def _check(payload: Payload, key: bytes) -> int:
    """HMAC-SHA-256 cut to 24 bits: without the key nobody can write a payload that passes."""
    message = b"countersign/payload-check/1" + _head(payload).to_bytes(7, "big")
    return int.from_bytes(hmac.new(key, message, hashlib.sha256).digest()[: CHECK_BITS // 8], "big")
