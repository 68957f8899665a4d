"""Fingerprints: PDQ hashes of frames, to tell whether two files show the same content. Never proof of origin."""

import struct
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

import cv2
import numpy as np
from numpy.typing import NDArray

from watermark.pdq import pdq

#: Stored clips have two hashes a second; queries more, since a moving picture hashes alike only within 2 % of its
#: width, and a copy rarely starts on the stored grid. A frame may come this much early.
STORED_STEP_MS, QUERY_STEP_MS, EARLY_MS = 500, 125, 20
#: PDQ reduces to 64 x 64 by box filters; area averaging straight to it is as near to PDQ of the full picture
#: (6-22 bits of 256, as from a 256 x 256 thumbnail) at a tenth of the cost, and mirrors exactly.
SIDE = 64
#: A frame counts when its hash moves by no more than this under noise of one grey level. Flat pictures and plain
#: gradients move by 60-130 bits and do not survive a re-encode (86-130); drawn shapes and titles move by 0-14 and
#: survive within 20. PDQ's own quality cannot tell them apart: gradients reach 63 of 100, drawn shapes only 11.
STEADY = 30
#: Bits of 256. Unrelated frames are 96 and more apart; 31 is what PDQ calls the same picture.
NEAR, SAME_PICTURE = 60, 31
#: How far the time offsets of agreeing frames may differ: query and stored frames fall between one another.
OFFSET_SPREAD_MS = 300
#: This many frames must agree, and this share of all that the query has to show.
MIN_FRAMES, MIN_SHARE = 3, 0.5

#: Pictures whose shapes differ by more have been cropped or got bars.
ASPECT_SPREAD = 0.03

MAGIC = b"PDQ1"
_HEAD = struct.Struct("<Id")
_NOISE = np.random.default_rng(64).normal(0, 1, (SIDE, SIDE))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Fingerprint:
    """PDQ hashes of the frames that can be told apart; flat frames are left out.

    `times` int32 [n] in ms from the first displayed frame; `hashes` and `mirrored` (the same frames, left and right
    exchanged) uint8 [n, 32]; `quality` uint8 [n], PDQ's own, 0-100: lists of single pictures want 50 and more.
    """

    #: Width over height of the frames.
    aspect: float
    times: NDArray[np.int32]
    hashes: NDArray[np.uint8]
    mirrored: NDArray[np.uint8]
    quality: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.times)

    def to_bytes(self) -> bytes:
        """Serialise: magic, count, aspect, times, qualities, hashes, mirrored hashes; little-endian."""
        head = MAGIC + _HEAD.pack(len(self), self.aspect)
        arrays = (self.times.astype("<i4"), self.quality, self.hashes, self.mirrored)
        return head + b"".join(array.tobytes() for array in arrays)

    @classmethod
    def from_bytes(cls, content: bytes) -> "Fingerprint":
        """Read what `to_bytes` wrote. Raises ValueError for anything else."""
        start = len(MAGIC) + _HEAD.size
        if not content.startswith(MAGIC) or len(content) < start:
            raise ValueError("this is not a fingerprint")
        count, aspect = _HEAD.unpack(content[len(MAGIC) : start])
        if len(content) != start + count * (4 + 1 + 32 + 32):
            raise ValueError("a fingerprint's length does not fit its count")
        if count and not 0 < aspect < float("inf"):
            raise ValueError("a fingerprint's aspect is no shape of a picture")
        rest = np.frombuffer(content, np.uint8, offset=start)
        times, quality, hashes, mirrored = np.split(rest, np.cumsum([4, 1, 32]) * count)
        return cls(
            aspect=aspect,
            times=times.view("<i4").astype(np.int32),
            quality=quality,
            hashes=hashes.reshape(count, 32),
            mirrored=mirrored.reshape(count, 32),
        )


class Verdict(StrEnum):
    """Whether two fingerprints show the same content.

    `INCOMPARABLE`: one has nothing to compare, or they differ and so does the shape of the picture: PDQ does not
    follow a crop or added bars, so that nothing can be said.
    """

    SAME = "same"
    DIFFERENT = "different"
    INCOMPARABLE = "incomparable"


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentMatch:
    """How far a query shows a stored clip's content: `share` of the query's frames agree at `offset_ms`.

    `offset_ms` is stored time less query time, None when no frame agrees. `nearest` is the least distance in bits.
    """

    verdict: Verdict
    share: float = 0.0
    frames: int = 0
    offset_ms: int | None = None
    mirrored: bool = False
    nearest: int | None = None

    @property
    def agreed(self) -> bool:
        """True only for the same content: nothing to compare is no agreement."""
        return self.verdict is Verdict.SAME


class Hasher:
    """Hashes the frames of one clip as they pass by, one every `step_ms`; frames in between are ignored."""

    def __init__(self, step_ms: int = STORED_STEP_MS) -> None:
        self._step_ms = step_ms
        self._early_ms = min(EARLY_MS, step_ms // 4)
        self._due: int | None = None
        self._aspect = 0.0
        self._kept: list[tuple[int, NDArray[np.uint8], NDArray[np.uint8], int]] = []

    def see(self, time_ms: int, luma: NDArray[np.uint8]) -> None:
        """Take note of one frame, uint8 [height, width]; frames come in order of time. Keeps no reference to it."""
        if self._due is not None and time_ms < self._due - self._early_ms:
            return
        self._due = time_ms + self._step_ms
        self._aspect = luma.shape[1] / luma.shape[0]
        square = np.asarray(cv2.resize(luma, (SIDE, SIDE), interpolation=cv2.INTER_AREA), np.uint8)
        plain, quality = _pdq(square)
        if _steady(square, plain):
            # PDQ's own "dihedral" hashes are half a pixel off, 38 bits: the mirror image is hashed instead.
            self._kept.append((time_ms, plain, _pdq(square[:, ::-1])[0], quality))

    def finish(self) -> Fingerprint:
        """The fingerprint of what was seen."""
        return Fingerprint(
            aspect=self._aspect,
            times=np.array([time for time, *_ in self._kept], np.int32),
            hashes=np.array([plain for _, plain, _, _ in self._kept], np.uint8).reshape(-1, 32),
            mirrored=np.array([mirrored for _, _, mirrored, _ in self._kept], np.uint8).reshape(-1, 32),
            quality=np.array([quality for *_, quality in self._kept], np.uint8),
        )


def fingerprint(frames: Iterable[tuple[int, NDArray[np.uint8]]], *, step_ms: int = STORED_STEP_MS) -> Fingerprint:
    """Hash a clip's frames, given as (time in ms, luma uint8 [height, width]) in order, one every `step_ms`.

    PDQ as published ("The TMK+PDQF Video-Hashing Algorithm and the PDQ Image-Hashing Algorithm", 2019).
    """
    hasher = Hasher(step_ms)
    for time_ms, luma in frames:
        hasher.see(time_ms, luma)
    return hasher.finish()


def distance(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> NDArray[np.int32]:
    """Hamming distance in bits (0-256) over the last axis of uint8 [..., 32], broadcast over the others."""
    return np.asarray(np.bitwise_count(a ^ b).sum(axis=-1), np.int32)


def same_content(query: Fingerprint, stored: Fingerprint) -> ContentMatch:
    """Compare a query with a stored clip, as it is and mirrored; a denser query is tried at each of its phases.

    Same content needs half of the query's frames, and at least three, to be near stored frames at one time offset;
    where one side has fewer than three frames, all of them must be the same picture by PDQ's own measure.
    """
    if not len(query) or not len(stored):
        return ContentMatch(verdict=Verdict.INCOMPARABLE)
    matches = [
        _align(query.times[phase], hashes[phase], stored, mirrored=mirrored)
        for phase in _phases(query.times)
        for mirrored, hashes in ((False, query.hashes), (True, query.mirrored))
    ]
    best = max(matches, key=lambda match: (match.agreed, match.share, -(match.nearest or 0)))
    reshaped = not 1 - ASPECT_SPREAD < query.aspect / stored.aspect < 1 + ASPECT_SPREAD
    return replace(best, verdict=Verdict.INCOMPARABLE) if reshaped and not best.agreed else best


def _phases(times: NDArray[np.int32]) -> list[NDArray[np.intp]]:
    """Split a query into sets of frames half a second apart, so that each is sampled as the stored clip is."""
    slot = (times - times[0]) % STORED_STEP_MS // QUERY_STEP_MS
    phases = [np.flatnonzero(slot == number) for number in np.unique(slot)]
    # A stray frame between the phases speaks for itself only, not for the file.
    fullest = max(len(phase) for phase in phases)
    return [phase for phase in phases if 2 * len(phase) > fullest]


def _steady(square: NDArray[np.uint8], plain: NDArray[np.uint8]) -> bool:
    noisy = np.clip(np.rint(square + _NOISE), 0, 255).astype(np.uint8)
    return int(distance(plain, _pdq(noisy)[0])) <= STEADY


def _pdq(square: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], int]:
    bits, quality = pdq(square)
    return np.packbits(bits), quality


def _align(times: NDArray[np.int32], hashes: NDArray[np.uint8], stored: Fingerprint, *, mirrored: bool) -> ContentMatch:
    """Find the time offset at which most query frames have a near stored frame."""
    apart = distance(hashes[:, None], stored.hashes[None])
    few = min(len(times), len(stored)) < MIN_FRAMES
    near = apart <= (SAME_PICTURE if few else NEAR)
    nearest = int(apart.min())
    if not near.any():
        return ContentMatch(verdict=Verdict.DIFFERENT, mirrored=mirrored, nearest=nearest)
    offsets = stored.times[None, :] - times[:, None]
    best, agreeing = 0, 0
    for offset in np.unique(offsets[near]):
        held = int((near & (np.abs(offsets - offset) <= OFFSET_SPREAD_MS)).any(axis=1).sum())
        if held > agreeing:
            best, agreeing = int(offset), held
    share = agreeing / len(times)
    enough = agreeing == min(len(times), len(stored)) if few else agreeing >= MIN_FRAMES
    return ContentMatch(
        verdict=Verdict.SAME if enough and share >= MIN_SHARE else Verdict.DIFFERENT,
        share=round(share, 4),
        frames=agreeing,
        offset_ms=best,
        mirrored=mirrored,
        nearest=nearest,
    )
