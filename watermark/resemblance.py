"""Whether a copy's sketches are a part of a clip's, at one place of the picture. Never proof of origin by itself."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from numpy.typing import NDArray

from watermark.fingerprint import ContentMatch, Verdict
from watermark.sketches import Sketches

#: Correlation of two sketches from which they are of one picture, and below which of two.
ALIKE, UNLIKE = 0.45, 0.35
#: Cells with something to see that both sketches of a pair must have.
MIN_CELLS = 80
#: Less of both pictures in common is no part of either: edges of a canvas, where a whole field off.
MIN_COMMON = 0.2
#: How far, in cells, the mark's geometry may be wrong.
SLACK = 2
#: A query frame speaks for so much of its copy's time: a moving picture is stored in steps.
SPEAKS_MS = 250
MIN_FRAMES, MIN_SHARE = 3, 0.5
#: A clip changes too fast for stills of it when more of its neighbouring sketches are not alike.
FAST = 0.1


def same_part(query: Sketches, stored: Sketches) -> ContentMatch:
    """Compare a copy's sketches, at the place where its mark lies, with those of the clip that the mark names.

    Same content needs frames alike over half of the copy's time, three frames where there are as many. Frames with
    too little to see say nothing; where no frame says anything, the two are incomparable. So they are where frames
    are neither alike nor clearly not: a picture that was bent, or a still taken between two stored frames.
    """
    best = max(_alignments(query, stored), key=lambda found: found.rank, default=None)
    if best is None:
        return ContentMatch(verdict=Verdict.INCOMPARABLE)
    return replace(best.judge(query.times, stored.times), mirrored=query.mirrored)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Alignment:
    """How all frames agree at one place: float32 [queries, stored], NaN where there is too little to see."""

    alike: NDArray[np.float32]
    #: Whether the stored clip looks like another between two of its sketches.
    fast: bool

    @property
    def rank(self) -> float:
        told = self.best[np.isfinite(self.best)]
        return float(told.mean()) * min(len(told), 8) if len(told) else -np.inf

    @property
    def best(self) -> NDArray[np.float32]:
        return np.asarray(np.nanmax(np.pad(self.alike, ((0, 0), (0, 1)), constant_values=-2), axis=1), np.float32)

    def judge(self, times: NDArray[np.int32], stored_times: NDArray[np.int32]) -> ContentMatch:
        best = self.best
        told = best > -2
        if not told.any():
            return ContentMatch(verdict=Verdict.INCOMPARABLE)
        alike = np.flatnonzero(best >= ALIKE)
        near = np.abs(times[told][:, None] - times[alike][None]).min(axis=1, initial=2**30) <= SPEAKS_MS
        share = float(near.mean())
        same = share >= MIN_SHARE and len(alike) >= min(MIN_FRAMES, int(told.sum()))
        still = len(times) < MIN_FRAMES and self.fast
        different = not still and float(np.quantile(best[told], 1 - MIN_SHARE)) < UNLIKE
        verdict = Verdict.SAME if same else Verdict.DIFFERENT if different else Verdict.INCOMPARABLE
        offset = None
        if len(alike):
            offset = int(np.median(stored_times[np.nanargmax(self.alike[alike], axis=1)] - times[alike]))
        return ContentMatch(verdict=verdict, share=round(share, 4), frames=len(alike), offset_ms=offset)


def _alignments(query: Sketches, stored: Sketches) -> Iterator[_Alignment]:
    """Yield how the two agree wherever the mark's geometry allows: by whole fields, and a little slack."""
    fields = (-1, 0, 1) if query.field else (0,)
    slack = range(-SLACK, SLACK + 1)
    for (row, column), down, across in product(product(fields, fields), slack, slack):
        moved = replace(
            query,
            top=query.top - stored.top + round(row * query.field) + down,
            left=query.left - stored.left + round(column * query.field) + across,
        )
        found = _compare(moved, stored)
        if found is not None:
            yield found


def _compare(query: Sketches, stored: Sketches) -> _Alignment | None:
    """Correlate every query frame with every stored one where both are seen; None where that is too little."""
    (height, width), (h, w) = stored.seen.shape, query.seen.shape
    top, left = max(query.top, 0), max(query.left, 0)
    bottom, right = min(query.top + h, height), min(query.left + w, width)
    least = max(MIN_CELLS, MIN_COMMON * min(stored.seen.sum(), query.seen.sum()))
    if bottom <= top or right <= left:
        return None
    ours = slice(top, bottom), slice(left, right)
    theirs = slice(top - query.top, bottom - query.top), slice(left - query.left, right - query.left)
    seen = stored.seen[ours] & query.seen[theirs]
    if seen.sum() < least:
        return None
    a = query.cells[:, *theirs][:, seen].astype(np.float32)
    b = stored.cells[:, *ours][:, seen].astype(np.float32)
    much, more = (np.abs(each).sum(axis=1) for each in (a, b))
    with np.errstate(invalid="ignore", divide="ignore"):
        alike = (a @ b.T) / np.sqrt(much[:, None] * more[None])
    alike[np.minimum(much[:, None], more[None]) < MIN_CELLS] = np.nan
    return _Alignment(alike=alike, fast=_is_fast(b, more))


def _is_fast(cells: NDArray[np.float32], much: NDArray[np.float32]) -> bool:
    between = (cells[1:] * cells[:-1]).sum(axis=1) / np.sqrt(much[1:] * much[:-1] + 1e-6)
    return len(between) > 0 and float((between < ALIKE).mean()) > FAST
