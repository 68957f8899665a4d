"""Decide whether a tracked face is somebody registered. Hands out distances and names, never vectors."""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from detectors.base import FaceState, Gallery, PersonMatch, quantise
from detectors.index import ExactIndex

Floats = NDArray[np.float32]

#: No gallery is so large that nearer faces are told apart by distance at all.
_LEAST_LINE: Final = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Lines:
    """The two lines between "matched", "possible" and "unmatched" (L2 on raw vectors), by the pack's manifest.

    One of many strangers comes nearer than one of a few: `sizes` has the lines for larger galleries, by the number of
    their vectors, so that the share of unknown faces that is taken for somebody stays what it is.
    """

    match: float = 0.50
    possible: float = 0.60
    #: So many single views of a track below `match` are a match, whatever the track's mean.
    faces: int = 3
    #: (vectors, match, possible), ascending; between two of them the lines fall with the logarithm of the size.
    sizes: tuple[tuple[int, float, float], ...] = ()
    #: More vectors than this are more than the model can tell apart: nothing is matched, all that was is possible.
    largest: int | None = None
    #: Whether the gallery these lines are for is within `largest`.
    fit: bool = True

    @classmethod
    def of(cls, thresholds: Mapping[str, float]) -> Self:
        """Take the lines out of a manifest's thresholds: `match`, `match_at_100`, ..., `largest_gallery`.

        Raises KeyError when one of a pair is missing.
        """
        sizes = sorted(int(name.removeprefix("match_at_")) for name in thresholds if name.startswith("match_at_"))
        largest = thresholds.get("largest_gallery")
        return cls(
            match=thresholds["match"],
            possible=thresholds["possible"],
            sizes=tuple((size, thresholds[f"match_at_{size}"], thresholds[f"possible_at_{size}"]) for size in sizes),
            largest=None if largest is None else int(largest),
        )

    def moved(self, shift: float) -> Self:
        """Return the same lines, both moved by `shift`."""
        return replace(self, match=self.match + shift, possible=self.possible + shift) if shift else self

    def at(self, size: int) -> Self:
        """Return the lines for a gallery of `size` vectors. Beyond the last size they go on falling as before it."""
        known = ((1, self.match, self.possible), *self.sizes)
        after = next((i for i, entry in enumerate(known) if entry[0] >= size), len(known) - 1)
        low, high = known[max(after - 1, 0)], known[after]
        span = math.log(high[0] / low[0])
        share = math.log(max(size, 1) / low[0]) / span if span else 0.0
        match, possible = (max(_LEAST_LINE, low[i] + share * (high[i] - low[i])) for i in (1, 2))
        fit = self.largest is None or size <= self.largest
        return replace(self, match=match, possible=possible, sizes=(), fit=fit)


@cache
def make_rotation(seed: bytes, dim: int) -> Floats:
    """Derive the secret rotation of an organisation's gallery: float32 [dim, dim], orthogonal, not to be written to.

    The Q of a Gaussian matrix, signs fixed by R's diagonal, is uniform over rotations (Mezzadri 2007). The
    normals come from SHAKE-256 by Box-Muller, so that the same seed gives the same turn under every numpy.
    """
    count = dim * dim + dim * dim % 2
    stream = hashlib.shake_256(b"countersign/rotation/1\0" + dim.to_bytes(4, "big") + seed).digest(count * 8)
    uniform = (np.frombuffer(stream, "<u8") >> np.uint64(11)).astype(np.float64) / 2**53
    radius = np.sqrt(-2 * np.log1p(-uniform[: count // 2]))
    angle = 2 * math.pi * uniform[count // 2 :]
    normal = np.concatenate([radius * np.cos(angle), radius * np.sin(angle)])[: dim * dim].reshape(dim, dim)
    turn_, upper = np.linalg.qr(normal)
    rotation = (turn_ * np.sign(np.diag(upper))).astype(np.float32)
    rotation.flags.writeable = False
    return rotation


def turn(vectors: Floats, rotation: Floats | None) -> Floats:
    """Turn float32 [n, dim] or [dim] the way the gallery is turned; distances stay what they were."""
    if rotation is None:
        return vectors
    return (vectors.astype(np.float64) @ rotation.astype(np.float64).T).astype(np.float32)


def too_large(size: int, lines: Lines) -> str:
    """Say that a gallery is larger than the model is fit for."""
    return (
        f"the gallery holds {size} vectors and the model tells {lines.largest} apart: "
        "likenesses are called possible, never matched, and more of them are missed"
    )


class Likeness:
    """A gallery made ready for questions, with the lines for its size. Raises ValueError when its parts do not fit."""

    def __init__(self, gallery: Gallery | None, lines: Lines) -> None:
        self._people = gallery.people if gallery else ()
        self._rotation = gallery.rotation if gallery else None
        self._rows = gallery.vectors if gallery else np.empty((0, 0), np.float32)
        if self._rows.ndim != 2 or len(self._people) != len(self._rows):
            raise ValueError("the gallery names another number of people than it has vectors")
        self._index = ExactIndex(self._rows) if gallery is None or gallery.index is None else gallery.index
        self.size = len(self._index)
        self.lines = lines.at(self.size)
        self._shifts = dict(gallery.shifts) if gallery else {}
        #: Whoever has a wider line than the others is to be among those near.
        self._reach = self.lines.possible + max((0.0, *self._shifts.values()))

    @property
    def empty(self) -> bool:
        """Whether nobody is registered: a distance then has no meaning."""
        return not self.size

    @property
    def note(self) -> str:
        """What must be said beside every match, empty where nothing must."""
        return "" if self.lines.fit else too_large(self.size, self.lines)

    def distances(self, vectors: Floats) -> list[dict[str, float]]:
        """Return for each raw vector (float32 [n, dim]) the distance to each person near it, nearest first.

        Everybody below the outer line is in it, and always the nearest person. Empty for an empty gallery.
        """
        if self.empty:
            return [{} for _ in vectors]
        queries = turn(vectors, self._rotation)
        near = self._index.near(queries, self._reach)
        return [self._exact(query, rows) for query, rows in zip(queries, near, strict=True)]

    def _exact(self, query: Floats, rows: NDArray[np.int64]) -> dict[str, float]:
        rows = rows[rows < len(self._rows)]
        # Exact, each row summed by itself: the fast pass rounds differently with the gallery's size.
        steps = self._rows[rows].astype(np.float64) - query
        found: dict[str, float] = {}
        for row, square in zip(rows.tolist(), (steps * steps).sum(axis=1).tolist(), strict=True):
            person = self._people[row]
            if person:
                found[person] = min(quantise(math.sqrt(square)), found.get(person, math.inf))
        return dict(sorted(found.items(), key=lambda item: (item[1], item[0])))

    def compare(self, mean: Floats, views: Floats, *, distant: bool = False) -> "Comparison":
        """Compare a track, by its mean (float32 [dim], raw) and its read views ([n, dim]), with the gallery.

        Matched: the mean is below the match line, or enough views are, and the gallery is not larger than the model
        is fit for. Possible: the mean is below the outer line, or any view is below the match line. The distance is
        the mean's; where single views decided, that of the nearest of them. Of a `distant` face nothing is matched,
        and what would be is possible: a crowd holds many, and each asks once for everybody who is registered.
        Lines of single people may lie elsewhere, by the gallery's `shifts`.
        """
        lines = replace(self.lines, possible=self.lines.match, fit=False) if distant else self.lines
        by_mean, *by_view = self.distances(np.concatenate([mean[None], views]))
        shift = self._shifts.get
        means = {person: far for person, far in by_mean.items() if far < lines.possible + shift(person, 0.0)}
        close: dict[str, list[float]] = {}
        for distances in by_view:
            for person, distance in distances.items():
                if distance < lines.match + shift(person, 0.0):
                    close.setdefault(person, []).append(distance)
        matches = [
            _match(lines.moved(shift(p, 0.0)), p, means.get(p, math.inf), close.get(p, [])) for p in {**means, **close}
        ]
        return Comparison(
            nearest=tuple(next(iter(distances.values()), None) for distances in by_view),
            matches=tuple(sorted(matches, key=lambda m: (m.state is not FaceState.MATCHED, m.distance, m.person))),
        )


def _match(lines: Lines, person: str, mean: float, close: list[float]) -> PersonMatch:
    certain = mean < lines.match or len(close) >= lines.faces
    by_mean = mean < (lines.match if certain else lines.possible)
    return PersonMatch(
        person=person,
        distance=mean if by_mean else min(close),
        state=FaceState.MATCHED if certain and lines.fit else FaceState.POSSIBLE,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What a gallery says of one track."""

    #: Distance of each view to the nearest person; None in an empty gallery.
    nearest: tuple[float | None, ...]
    #: Who the track may be: the matched before the possible, nearest first.
    matches: tuple[PersonMatch, ...]
