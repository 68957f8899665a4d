"""Frames beside pictures of rights holders' works, by the embeddings of the pack's picture network. Sets no line.

A cosine says that two pictures look alike to the network, never that both show one character.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from detectors.base import DetectorError, Model, References, Sample, Signal, State, WorkMatch, quantise
from detectors.gpu.batching import Batcher, Rows
from detectors.gpu.pictures import Preparation

#: The model of the pack whose picture tower compares.
MODEL: Final = "siglip2_scenes"
SIMILARITY: Final = "work.similarity"
#: Works that a finding names.
MOST_NAMED: Final = 5
#: Rows of references compared with all frames at once, to bound memory.
_BLOCK: Final = 8_192


def name_of(model: Model) -> str:
    """How vectors are named after the network that made them: only those of one name are compared."""
    return f"{model.id}@{model.version}"


class PictureEmbedder:
    """The picture tower by itself: makes vectors of works' pictures where no clip is looked at."""

    def __init__(self, model: Model, batcher: Batcher, preparation: Preparation) -> None:
        self.model = model
        self.batcher = batcher
        self._preparation = preparation

    def vectors(self, pictures: Sequence[NDArray[np.uint8]]) -> Rows:
        """Embed pictures (uint8 [height, width, 3] BGR): float32 [n, m], of length 1. Raises DetectorError."""
        ticket = self.batcher.begin()
        for picture in pictures:
            self.batcher.put(ticket, [self._preparation.prepare(picture)])
        return self.batcher.collect(ticket)

    def close(self) -> None:
        """Stop the batcher."""
        self.batcher.close()


def liken(
    model: Model, rows: Rows | None, times: Sequence[int], references: References | None
) -> tuple[Signal, tuple[WorkMatch, ...]]:
    """Of every frame the cosine to the nearest picture of any work, and which works come nearest.

    `not_measured` where no work has a vector of this network. Raises DetectorError for vectors of another length.
    """
    if references is None or not references.works or references.model != name_of(model):
        return Signal(name=SIMILARITY, state=State.NOT_MEASURED, model=model, note=_nothing(references)), ()
    if rows is None or not len(rows):
        return Signal(name=SIMILARITY, state=State.FAILED, model=model, note="no frame was shown"), ()
    if rows.shape[1] != references.vectors.shape[1]:
        raise DetectorError(f"{model.id} gave vectors of another length than those of the works")
    frames, nearest = _nearest(rows, references)
    samples = tuple(
        Sample(time_ms=time_ms, value=_cosine(value)) for time_ms, value in zip(times, frames.tolist(), strict=True)
    )
    note = f"{references.unread} works have pictures that this network never saw" if references.unread else ""
    found = [
        WorkMatch(work=work, similarity=_cosine(value), time_ms=times[frame])
        for work, (value, frame) in nearest.items()
    ]
    found.sort(key=lambda match: (-match.similarity, match.work))
    return Signal(name=SIMILARITY, state=State.MEASURED, model=model, samples=samples, note=note), tuple(
        found[:MOST_NAMED]
    )


def _nothing(references: References | None) -> str:
    if references is not None and references.unread:
        return f"{references.unread} works have pictures, none of which this network saw"
    return "no work has a picture"


def _nearest(rows: Rows, references: References) -> tuple[NDArray[np.float64], dict[str, tuple[float, int]]]:
    """For each frame the largest cosine, and for each work its largest with the frame's number."""
    # In float64: what a product of another shape rounds differently is gone once the cosine is rounded.
    frames, best = np.full(len(rows), -1.0), dict[str, tuple[float, int]]()
    for start in range(0, len(references.works), _BLOCK):
        block = references.vectors[start : start + _BLOCK].astype(np.float64)
        cosines = rows.astype(np.float64) @ block.T
        frames = np.maximum(frames, cosines.max(axis=1))
        where = cosines.argmax(axis=0)
        for column, work in enumerate(references.works[start : start + _BLOCK]):
            value = float(cosines[where[column], column])
            if work not in best or value > best[work][0]:
                best[work] = value, int(where[column])
    return frames, best


def _cosine(value: float) -> float:
    return quantise(min(1.0, max(0.0, value)))
