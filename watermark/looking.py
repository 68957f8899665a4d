"""Looks at a file's pictures: reads the invisible mark and takes down what they show. Compares and decides nothing.

Opens untrusted files with native decoders: runs in the confined child.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from watermark import invisible
from watermark.despreading import AlignedTier, Candidate
from watermark.fingerprint import QUERY_STEP_MS, STORED_STEP_MS, Fingerprint, Hasher
from watermark.geometry import Geometry
from watermark.invisible import InvisibleReading, Tier
from watermark.lattice import LatticeTier
from watermark.limits import VideoLimits, VideoRefused
from watermark.patience import Budget, Over, Patience, never
from watermark.reader import luma
from watermark.sketches import QUERY_STEP_MS as SKETCHED_STEP_MS
from watermark.sketches import Sketcher
from watermark.skimming import Hidden, skim
from watermark.stills import is_picture, read_picture

#: A frame's time in ms and its luma, uint8 [height, width].
Frame: TypeAlias = tuple[int, NDArray[np.uint8]]

#: So much of a file that is bound by our manifest is compared.
BEGINNING_MS = 2_000
#: Frames are shrunk to this before marks are looked for: 960 finds no more and costs twice the decode.
LONG_SIDE = 640
#: Frames kept of a copy: of longer ones they lie further apart.
MOST_KEPT = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What a file's pictures showed. `sketches` is `Sketches.to_bytes`, None where nobody knows where the file lies."""

    reading: InvisibleReading | None
    print_: Fingerprint
    sketches: bytes | None
    kept: Sequence[Frame] = ()
    #: Whether it was a single picture.
    still: bool = False
    #: What went wrong, and its VideoRefused code where the file itself was the reason.
    error: str | None = None
    refusal: str | None = None
    #: Whether a budget was spent before all was done; `unseen` when part of the content was not looked at therefore.
    cut: bool = False
    unseen: bool = False


class _Onlooker:
    """Passes a file's frames on and takes them down on the way; a file that breaks off ends there, unraised."""

    def __init__(self, hasher: Hasher, sketcher: Sketcher, keep_ms: int, most: int | None = None) -> None:
        """Keep a frame every `keep_ms`; of more than `most` every other is dropped, and again."""
        self.hasher, self.sketcher, self._keep_ms, self._most = hasher, sketcher, keep_ms, most
        self.kept: list[Frame] = []
        self.error: str | None = None
        self.refusal: str | None = None
        #: Whether the frames went on to their end.
        self.ended = False

    def passing(self, frames: Iterator[Frame], stop: Over = never) -> Iterator[Frame]:
        """Yield `frames` until `stop` says so, which is asked before each."""
        try:
            for time_ms, plane in frames:
                if stop():
                    return
                self.hasher.see(time_ms, plane)
                self.sketcher.see(time_ms, plane)
                self._keep(time_ms, plane)
                yield time_ms, plane
            self.ended = True
        except Hidden:
            raise
        except VideoRefused as refused:
            self.error, self.refusal = refused.message, refused.code
        except Exception as fault:  # noqa: BLE001 - whatever goes wrong, nobody has looked
            self.error = said(fault)

    def _keep(self, time_ms: int, plane: NDArray[np.uint8]) -> None:
        if self.kept and time_ms < self.kept[-1][0] + self._keep_ms:
            return
        self.kept.append((time_ms, plane.copy()))
        if self._most is not None and len(self.kept) > self._most:
            self.kept, self._keep_ms = self.kept[::2], 2 * self._keep_ms


def said(fault: Exception) -> str:
    """A fault in one line."""
    return f"{type(fault).__name__}: {fault}"


def _for_queries(keep_ms: int) -> _Onlooker:
    return _Onlooker(Hasher(QUERY_STEP_MS), Sketcher(SKETCHED_STEP_MS, bounded=True), keep_ms, MOST_KEPT)


def look_through(path: Path, keys: Mapping[int, bytes], limits: VideoLimits, *, keep_ms: int) -> Look:
    """Look at every frame of a file of ours, and keep one every `keep_ms`: what is stored of it is taken down here."""
    onlooker = _Onlooker(Hasher(STORED_STEP_MS), Sketcher(), keep_ms)
    frames = onlooker.passing(luma(path, limits=limits, long_side=LONG_SIDE))
    seen, error = _read(frames, keys, invisible.TIERS, never)
    for _ in frames:
        """The reader stops once it is sure; what is taken down is of the whole file."""
    return Look(
        reading=seen,
        print_=onlooker.hasher.finish(),
        sketches=_drawn(onlooker.sketcher, None),
        kept=onlooker.kept,
        error=error or onlooker.error,
        refusal=onlooker.refusal,
    )


def look_at(
    path: Path, keys: Mapping[int, bytes], limits: VideoLimits, budget: Budget, *, keep_ms: int, bound: bool = False
) -> Look:
    """Look at a file nobody knows, a film or a single picture, for as long as the budget lasts; keep some frames.

    Where the mark is found early, the rest is skimmed for its content only; of a file whose bytes a valid manifest of
    ours has `bound`, no more than its beginning: nobody could put another film behind it.
    """
    patience, onlooker = Patience(budget), _for_queries(keep_ms)
    still = path.is_file() and is_picture(path)
    frames = onlooker.passing(_frames(path, limits, still=still), lambda: patience.over(budget.mark_seconds))
    tiers = (AlignedTier, lambda own: _PatientTier(LatticeTier(own), patience))
    most = max(budget.mark_seconds, budget.search_seconds)
    seen, error = _read(frames, keys, tiers, lambda: patience.over(most))
    unseen = False
    if seen is not None and seen.payload is not None and not onlooker.ended and onlooker.error is None:
        until_ms = BEGINNING_MS if bound else limits.max_duration_ms
        onlooker, unseen = _take_down(path, limits, patience, until_ms, keep_ms)
    geometry = seen.geometry if seen else None
    return Look(
        reading=seen,
        print_=onlooker.hasher.finish(),
        sketches=None if geometry is None else _drawn(onlooker.sketcher, geometry),
        kept=onlooker.kept,
        still=still,
        error=error or onlooker.error,
        refusal=onlooker.refusal,
        cut=patience.ended,
        unseen=unseen,
    )


def _frames(path: Path, limits: VideoLimits, *, still: bool) -> Iterator[Frame]:
    if still:
        yield 0, read_picture(path, limits)
    else:
        yield from luma(path, limits=limits, long_side=LONG_SIDE)


def _read(
    frames: Iterator[Frame],
    keys: Mapping[int, bytes],
    tiers: Sequence[Callable[[Mapping[int, bytes]], Tier]],
    over: Over,
) -> tuple[InvisibleReading | None, str | None]:
    try:
        return invisible.read(frames, keys, tiers, over), None
    except Exception as fault:  # noqa: BLE001 - whatever goes wrong, nobody has looked
        return None, said(fault)


def _take_down(
    path: Path, limits: VideoLimits, patience: Patience, until_ms: int, keep_ms: int
) -> tuple[_Onlooker, bool]:
    """Skim a file for its content; decode it whole where it hides frames. True when the budget did not last."""
    since, most = patience.spent, patience.budget.content_seconds
    for frames in (
        skim(path, limits=limits, step_ms=QUERY_STEP_MS, long_side=LONG_SIDE),
        luma(path, limits=limits, fps=1000 / QUERY_STEP_MS, long_side=LONG_SIDE),
    ):
        onlooker = _for_queries(keep_ms)
        try:
            early = takewhile(lambda frame: frame[0] <= until_ms, frames)
            for _ in onlooker.passing(early, lambda: patience.over(most, since=since)):
                """Taken down as they pass."""
        except Hidden:
            continue
        break
    return onlooker, not onlooker.ended and onlooker.error is None


class _PatientTier:
    """The thorough search, ended where it is once its own budget is spent."""

    def __init__(self, tier: LatticeTier, patience: Patience) -> None:
        self._tier, self._patience = tier, patience
        self.name = tier.name
        self.watch, self.close = tier.watch, tier.close

    def candidates(self, over: Over = never) -> Iterator[Candidate]:
        """Yield what is worth decoding until time is up."""
        seconds = self._patience.budget.search_seconds
        yield from self._tier.candidates(lambda: over() or self._patience.over(seconds))


def _drawn(sketcher: Sketcher, geometry: Geometry | None) -> bytes | None:
    sketches = sketcher.finish(geometry)
    return None if sketches is None else sketches.to_bytes()
