"""The invisible mark: a keyed pattern added to luma, and its blind reader. Opens no file and knows no clip."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from watermark.despreading import AlignedTier, Candidate
from watermark.frames import Planes
from watermark.geometry import Geometry
from watermark.imprint import DETAIL_UNIT, UNIT, Imprint, Strength
from watermark.lattice import LatticeTier
from watermark.patience import Over, never
from watermark.payload import CODED_BITS, Payload, decode, encode
from watermark.spreading import chip_plan, grade_for, pattern, polarities

#: Gain in grey levels by detail in grey levels, for 720 lines. Grain and fine texture drown the pattern in the next
#: encode; where a picture is rougher the reader learns little from a stronger pattern, and it costs bytes; only what is
#: very rough everywhere cannot be read otherwise.
_DETAIL, _GAIN = (0, 0.5, 0.7, 2, 3, 8, 12), (1.0, 1.0, 1.35, 1.35, 0.9, 0.9, 2.2)
#: What remains beside the picture's own detail when a reader takes it away, in grey levels.
_CODING_NOISE = 0.3
#: A frame that is soft everywhere shows the pattern most, pays the most bytes, and hides nothing from the reader: when
#: its signal to noise comes to more than this its gains are lowered, down to a share. Blank places do not count: there
#: encoders let a pattern go first.
_ENOUGH, _LEAST = 1.45, 0.65
#: That signal to noise is kept in whole parts of this.
_TOLD = 64
#: No frame is marked more strongly on the whole, in grey levels: 44 dB.
_MOST = 1.58
#: After these many windows of an eighth of a second decoding is tried, and then every `_TRY_EVERY`.
_TRY_AFTER = frozenset({2, 4, 8, 12, 16, 24, 32, 48, 64, 96})
_TRY_EVERY = 64
#: Noise passes one decoding so often: 24 bits of check, and 4 of key version that must name the key being tried.
_FALSE_DECODE = 2.0**-28
#: Below this chance an undecodable sync is called a damaged mark: some hundred places are looked at in a copy.
_SYNC_IS_SURE = 1e-7

State = Literal["found", "not_found", "damaged"]


@dataclass(frozen=True, slots=True, kw_only=True)
class InvisibleReading:
    """What the invisible layer says of a copy.

    `confidence` is 1 minus an upper bound of the probability that a copy without our mark gives this reading.
    `found`: 2^-28 for every decoding tried, whatever the pictures are (24 bits of check and 4 of key version); it is
    tried only where keyed waves show. `damaged`: the chance of waves so strong. `not_found`: 0. The derivation stands
    in docs/decisions/0017.
    """

    state: State
    payload: Payload | None = None
    confidence: float = 0.0
    #: Windows of an eighth of a second that were read.
    windows: int = 0
    #: Words that were really decoded and checked, whatever came of them.
    decodings: int = 0
    #: For people: how the mark was looked at.
    view: str | None = None
    #: Where the copy's pixels lie in the original, when found.
    geometry: Geometry | None = None


class Tier(Protocol):
    """One way of looking for the tile, from cheap to costly; keeps a bounded summary of what it watched."""

    name: str

    def watch(self, time_ms: int, luma: NDArray[np.uint8]) -> bool:
        """Take in a frame, uint8 [h, w]; return True when a window was closed."""

    def close(self) -> None:
        """End the current window, however short."""

    def candidates(self, over: Over = never) -> Iterator[Candidate]:
        """Yield what is worth decoding in what was watched so far, newest key first; end soon once `over` says so."""


#: What `read` tries, in this order, after each step.
TIERS: Sequence[Callable[[Mapping[int, bytes]], Tier]] = (AlignedTier, LatticeTier)


class InvisibleMarker:
    """Adds the payload's pattern to luma, in place; one per clip and frame size.

    The pattern is weakest on flat areas; its polarity follows `time_ms`, so a change of frame rate changes nothing.
    """

    def __init__(self, payload: Payload, key: bytes, width: int, height: int) -> None:
        drawn = pattern(chip_plan(key, grade_for(width, height)), encode(payload, key), width, height)
        # A small frame has fewer pixels to speak with, so each speaks louder.
        louder = float(np.clip((720 / min(width, height)) ** 0.35, 0.75, 1.3))
        self._imprint = Imprint(drawn, _strength(louder))

    def mark(self, planes: Planes) -> None:
        """Add the pattern to `planes.y`; of the rest only `time_ms` is read."""
        self._imprint.add(planes.y, int(polarities(np.array([planes.time_ms]))[0]))


def _strength(louder: float) -> Strength:
    detail = np.arange(256) / DETAIL_UNIT
    gains = np.interp(detail, _DETAIL, _GAIN)
    tells = np.where(detail > 0, gains / (detail + _CODING_NOISE), 0)
    return Strength(
        gains=np.rint(gains * louder * UNIT).astype(np.int8),
        tells=np.rint(_TOLD * tells).astype(np.uint8),
        enough=_ENOUGH * _TOLD,
        least=_LEAST,
        most=_MOST * UNIT,
    )


def read(
    luma: Iterable[tuple[int, NDArray[np.uint8]]],
    keys: Mapping[int, bytes],
    tiers: Sequence[Callable[[Mapping[int, bytes]], Tier]] = TIERS,
    over: Over = never,
) -> InvisibleReading:
    """Read the mark of a copy blind: (time in ms, luma uint8 [h, w]) in display order, and keys by their version.

    Stops taking frames as soon as a payload decodes. Memory does not grow with the length of the copy. `over` is asked
    within every search: whoever ends one must not take "not_found" for an answer.
    """
    keys = dict(sorted(keys.items(), reverse=True))
    reader = _Reader(keys, [make(keys) for make in tiers], over)
    for time_ms, picture in luma:
        reading = reader.watch(time_ms, picture)
        if reading is not None:
            return reading
    return reader.finish()


class _Reader:
    def __init__(self, keys: Mapping[int, bytes], tiers: Sequence[Tier], over: Over) -> None:
        self._keys = keys
        self._tiers = tiers
        self._over = over
        self._windows = 0
        self._trials = 0
        self._least_chance = 1.0
        self._view: str | None = None
        self._frames_since = 0

    def watch(self, time_ms: int, picture: NDArray[np.uint8]) -> InvisibleReading | None:
        closed = [tier.watch(time_ms, picture) for tier in self._tiers]
        if not any(closed):
            self._frames_since += 1
            return None
        self._frames_since = 1
        self._windows += 1
        due = self._windows in _TRY_AFTER or self._windows % _TRY_EVERY == 0
        return self._attempt() if due else None

    def finish(self) -> InvisibleReading:
        for tier in self._tiers:
            tier.close()
        self._windows += self._frames_since > 0
        reading = self._attempt()
        if reading is not None:
            return reading
        if self._least_chance > _SYNC_IS_SURE:
            return InvisibleReading(state="not_found", windows=self._windows, decodings=self._trials)
        confidence = 1 - self._least_chance
        return InvisibleReading(
            state="damaged",
            confidence=confidence,
            windows=self._windows,
            view=self._view,
            decodings=self._trials,
        )

    def _attempt(self) -> InvisibleReading | None:
        for tier in self._tiers:
            for candidate in tier.candidates(self._over):
                payload = self._decode(candidate)
                if payload is not None:
                    return InvisibleReading(
                        state="found",
                        payload=payload,
                        confidence=1 - self._trials * _FALSE_DECODE,
                        windows=self._windows,
                        view=f"{tier.name}: {candidate.view}",
                        geometry=candidate.geometry,
                        decodings=self._trials,
                    )
        return None

    def _decode(self, candidate: Candidate) -> Payload | None:
        if candidate.chance < self._least_chance:
            self._least_chance, self._view = candidate.chance, candidate.view
        # Only the key whose chips were found: a payload naming another would be noise that happened to pass.
        key = {candidate.key_version: self._keys[candidate.key_version]}
        for llr in candidate.llr.reshape(-1, CODED_BITS):
            self._trials += 1
            payload = decode(llr, key)
            if payload is not None:
                return payload
        return None
