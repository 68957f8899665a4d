"""How far faces of 40 to 64 pixels, which are compared and never matched, tell people apart.

    python benchmarks/identity_distant.py FOLDER

`FOLDER` holds the collections that `official_portraits.py` names; one of them is enough. Every portrait is shrunk until
its face has the height, laid into a frame of 640 x 360, compressed, and found anew.
"""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, cast

import cv2
import numpy as np
import official_portraits
import results
from identity import Chip, Vectors, distances, share
from numpy.typing import NDArray
from official_portraits import Photograph

from detectors.embedding import MIN_DISTANT_HEIGHT
from detectors.faces import Faces
from detectors.packs import load_manifest
from detectors.yunet import Detection
from moderation.settings import Settings

HEIGHTS: Final = (44, 48, 56, 63)
SIZES: Final = (1, 10, 100, 250)
SPLITS: Final = 20
_SEED: Final = 21
_WIDTH, _HEIGHT, _QUALITY = 640, 360, 80


class Portraits:
    """One portrait of each person, whole; and the same portraits from afar."""

    def __init__(self, faces: Faces, photographs: list[Photograph]) -> None:
        self.faces = faces
        self.people: list[str] = []
        self.pictures: list[tuple[Chip, Detection]] = []
        vectors = []
        for photograph in photographs:
            picture = _read(photograph.path)
            found = max(faces.finder.find(picture), key=lambda face: face.height, default=None)
            if found is None or photograph.person in self.people:
                continue
            chip, quality = faces.embedder.chip(picture, found)
            if quality > 0:
                self.people.append(photograph.person)
                self.pictures.append((picture, found))
                vectors.append(faces.embedder.vector(chip))
        self.vectors = np.stack(vectors)

    def from_afar(self, height: int) -> tuple[list[int], Vectors]:
        """Return the rows that could be read at this height, and their vectors."""
        read = dict(self._each(height))
        return list(read), np.stack(list(read.values()))

    def _each(self, height: int) -> Iterator[tuple[int, Vectors]]:
        rng = np.random.default_rng([_SEED, height])
        for row, (picture, face) in enumerate(self.pictures):
            frame = _framed(picture, height / face.height, rng)
            found = max(self.faces.finder.find(frame), key=lambda face: face.height, default=None)
            if found is not None:
                chip, quality = self.faces.embedder.distant_chip(frame, found)
                if quality > 0:
                    yield row, self.faces.embedder.vector(chip)


def measure(portraits: Portraits, height: int) -> dict[str, object]:
    """Strangers taken for somebody; people missed in the very photograph they are registered from, a lower bound."""
    rows, vectors = portraits.from_afar(height)
    apart = distances(vectors, portraits.vectors)
    own = apart[np.arange(len(rows)), rows]
    found: dict[str, object] = {"portraits": len(portraits.people), "read": len(rows)}
    for size in SIZES:
        line = portraits.faces.lines.at(size).match
        strangers = [_strangers(apart, rows, size, split) for split in range(SPLITS)]
        found[f"gallery of {size}"] = {
            "line": round(line, 4),
            "false_possible": share(int((strangers[0] < line).sum()), len(strangers[0]))
            | {"mean_of_splits": round(float(np.mean([(each < line).mean() for each in strangers])), 6)},
            "missed_in_the_same_photograph": share(int((own >= line).sum()), len(own)),
        }
    return found


def _lines(measured: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[object, ...]]:
    for height, found in measured.items():
        for size in SIZES:
            figures = found[f"gallery of {size}"]
            strangers, missed = figures["false_possible"]["mean_of_splits"], figures["missed_in_the_same_photograph"]
            yield height, found["read"], size, figures["line"], f"{strangers:.2%}", f"{missed['rate']:.2%}"


def _strangers(apart: NDArray[np.float64], rows: list[int], size: int, split: int) -> Vectors:
    """Distances of those who are not registered to the nearest of `size` who are."""
    everybody = np.random.default_rng([_SEED, size, split]).permutation(apart.shape[1])
    registered, unknown = everybody[:size], set(everybody[len(everybody) // 2 :].tolist())
    asking = [place for place, row in enumerate(rows) if row in unknown]
    return cast("Vectors", apart[np.array(asking)][:, registered].min(axis=1))


def _framed(picture: Chip, scale: float, rng: np.random.Generator) -> Chip:
    small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    frame = np.full((_HEIGHT, _WIDTH, 3), (150, 160, 168), np.uint8)
    top, left = (int(rng.integers(0, room)) for room in (_HEIGHT - small.shape[0], _WIDTH - small.shape[1]))
    frame[top : top + small.shape[0], left : left + small.shape[1]] = small
    coded = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1]
    return cast("Chip", cv2.imdecode(coded, cv2.IMREAD_COLOR))


def _read(path: Path) -> Chip:
    return cast("Chip", cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_COLOR))


def main() -> None:
    """Measure, write `results/identity_distant.json`, print it."""
    began = results.circumstances()
    faces = Faces.load(load_manifest(Settings().models))
    photographs = [one for one in official_portraits.find_photographs(Path(sys.argv[1])) if one.year == 2021]
    results.tell(f"reading {len(photographs)} portraits")
    portraits = Portraits(faces, photographs)
    measured = {f"{height} px": measure(portraits, height) for height in HEIGHTS}
    figures = {
        "command": "python benchmarks/identity_distant.py FOLDER",
        "model": f"{faces.embedder_model.id} {faces.embedder_model.version}",
        "sources": official_portraits.SOURCES,
        "least_height": MIN_DISTANT_HEIGHT,
        "heights": measured,
    }
    path = results.save("identity_distant", began, figures)
    results.print_table(
        "faces from afar: strangers taken as possible, people missed in the same photograph",
        [("height", "read", "gallery", "line", "strangers", "missed"), *_lines(measured)],
    )
    print(f"\n{path}")


if __name__ == "__main__":
    main()
