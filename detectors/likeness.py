"""Decide whether a tracked face is somebody registered. Hands out distances and names, never vectors."""

import hashlib
import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from detectors.base import FaceState, Gallery, PersonMatch, quantise

Floats = NDArray[np.float32]

#: The fast pass errs by less than this near the lines (float32 products of vectors of length about 1.4).
_SLACK: Final = 1e-3


@dataclass(frozen=True, slots=True, kw_only=True)
class Lines:
    """The two lines between "matched", "possible" and "unmatched" (L2 on raw vectors), by the pack's manifest.

    Measured on 520 pairs: below 0.50 false matches are at most 0.06 %, above 0.60 no true pair was found; views
    in profile fall between the two, which is why that band goes to a person and never counts as clear.
    """

    match: float = 0.50
    possible: float = 0.60
    #: So many single faces of a track below `match` are a match, whatever the track's mean.
    faces: int = 3


def make_rotation(seed: bytes, dim: int) -> Floats:
    """Derive the secret rotation of an organisation's gallery: float32 [dim, dim], orthogonal.

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
    return (turn_ * np.sign(np.diag(upper))).astype(np.float32)


def turn(vectors: Floats, rotation: Floats | None) -> Floats:
    """Turn float32 [n, dim] or [dim] the way the gallery is turned; distances stay what they were."""
    if rotation is None:
        return vectors
    return (vectors.astype(np.float64) @ rotation.astype(np.float64).T).astype(np.float32)


class Likeness:
    """A gallery made ready for questions. Raises ValueError when its parts do not fit together."""

    def __init__(self, gallery: Gallery | None, lines: Lines) -> None:
        self._lines = lines
        self._people = gallery.people if gallery else ()
        self._rotation = gallery.rotation if gallery else None
        self._rows = gallery.vectors if gallery else np.empty((0, 0), np.float32)
        if self._rows.ndim != 2 or len(self._people) != len(self._rows):
            raise ValueError("the gallery names another number of people than it has vectors")
        if not np.isfinite(self._rows).all():
            raise ValueError("the gallery holds a vector that is not a number")
        self._norms = np.einsum("ij,ij->i", self._rows, self._rows)

    @property
    def empty(self) -> bool:
        """Whether nobody is registered: a distance then has no meaning."""
        return not self._people

    def distances(self, vector: Floats) -> dict[str, float]:
        """Return the distance to each person near this raw vector (float32 [dim]), nearest first.

        Everybody below the outer line is in it, and always the nearest person. Empty for an empty gallery.
        """
        if self.empty:
            return {}
        query = turn(vector, self._rotation)
        rough = self._norms - 2 * (self._rows @ query) + np.float32(query @ query)
        limit = max((self._lines.possible + _SLACK) ** 2, float(rough.min()) + _SLACK)
        found: dict[str, float] = {}
        for row in np.flatnonzero(rough <= limit):
            # Exact and one row at a time: the fast pass rounds differently with the gallery's size.
            distance = quantise(float(np.linalg.norm(self._rows[row].astype(np.float64) - query)))
            person = self._people[row]
            found[person] = min(distance, found.get(person, math.inf))
        return dict(sorted(found.items(), key=lambda item: (item[1], item[0])))


class Comparison:
    """One track against the gallery: takes single faces as they come, keeps a few numbers per near person."""

    def __init__(self, likeness: Likeness, lines: Lines) -> None:
        self._likeness = likeness
        self._lines = lines
        #: Single faces below the match line, and the nearest of them, by person.
        self._faces: dict[str, int] = {}
        self._nearest: dict[str, float] = {}

    def add(self, vector: Floats) -> float | None:
        """Count one face of the track (float32 [dim], raw); return the distance to the nearest person, if any."""
        distances = self._likeness.distances(vector)
        for person, distance in distances.items():
            if distance < self._lines.match:
                self._faces[person] = self._faces.get(person, 0) + 1
                self._nearest[person] = min(distance, self._nearest.get(person, math.inf))
        return next(iter(distances.values()), None)

    def conclude(self, mean: Floats) -> tuple[PersonMatch, ...]:
        """Return who the track may be, the matched before the possible, nearest first, given its mean vector.

        Matched: the mean is below the match line, or enough single faces are. Possible: the mean is below the
        outer line, or any single face is below the match line. The distance is the mean's; where single faces
        decided, that of the nearest of them. `mean` is float32 [dim], raw.
        """
        means = {p: d for p, d in self._likeness.distances(mean).items() if d < self._lines.possible}
        matches = [self._match(person, means.get(person, math.inf)) for person in {**means, **self._nearest}]
        return tuple(sorted(matches, key=lambda m: (m.state is not FaceState.MATCHED, m.distance, m.person)))

    def _match(self, person: str, mean: float) -> PersonMatch:
        matched = mean < self._lines.match or self._faces.get(person, 0) >= self._lines.faces
        by_mean = mean < (self._lines.match if matched else self._lines.possible)
        return PersonMatch(
            person=person,
            distance=mean if by_mean else self._nearest[person],
            state=FaceState.MATCHED if matched else FaceState.POSSIBLE,
        )
