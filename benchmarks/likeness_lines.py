"""Where the lines of large galleries may lie: how often a stranger comes within them among 10^3 to 10^6 registered.

    python benchmarks/likeness_lines.py FOLDER

`FOLDER` holds `history/`, as `portrait_history.py` wrote it; some minutes. Two answers that err on opposite sides:

- *The crowd*: galleries filled up with vectors of nobody (`distractors.py`) around half of the people, asked by the
  other half, both ways round. A million drawn around some hundred people are large families, not a million people: most
  strangers look like no family, and too few are taken for somebody.
- *The bound*: the chance that two people lie within a distance, times the size of the gallery. Below the distances at
  which pairs can be counted it is continued as a power of the distance with the exponent of the tail (Hill 1975). That
  exponent grows towards nearer pairs, so that the continued line lies above the true one: an upper bound.

How many registered people are missed at a line does not depend on the size: `identity.py` and `likeness_scale.py`
counted that. What was read of the portraits stays in `FOLDER/history.npz`.
"""

import json
import sys
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Final

import distractors
import numpy as np
import results
from identity import distances, share
from numpy.typing import NDArray
from official_portraits import SAME_PHOTOGRAPH, Photograph, read_faces

from detectors.faces import Faces
from detectors.likeness import Lines
from detectors.packs import load_manifest
from moderation.settings import Settings

SIZES: Final = (1_000, 10_000, 100_000, 1_000_000)
#: At most so many of all unknown faces may come within a line.
BUDGETS: Final = (0.001, 0.01, 0.1)
#: Shares of pairs whose distances begin a tail.
TAILS: Final = (1e-2, 1e-3, 1e-4)
#: Strangers drawn from nobody in each half, besides the real ones.
DRAWN: Final = 2_000
#: One person under two names, whose pictures differ.
ALSO: Final = {"ben-ray-lujan": "ben-lujan"}
_SEED: Final = 5
_BLOCK: Final = 20_000

Vectors = NDArray[np.float32]
Floats = NDArray[np.float64]


def find_history(folder: Path) -> list[Photograph]:
    """The portraits by name, oldest first; one whose name is spelled in two ways is told by the picture later."""
    found = []
    for path in sorted((folder / "history").glob("*.jpg"), key=lambda path: path.stem.split("@")[1]):
        name, _, date = path.stem.partition("@")
        found.append(Photograph(person=ALSO.get(name, name), year=int(date[:4]), path=path))
    return found


def one_each(people: list[str], vectors: Vectors) -> Vectors:
    """The first picture of each person, leaving out who is there already by the same photograph under another name."""
    first: dict[str, int] = {}
    for row, person in enumerate(people):
        first.setdefault(person, row)
    rows = np.array(sorted(first.values()))
    near = distances(vectors[rows], vectors[rows]) < SAME_PHOTOGRAPH
    return np.asarray(vectors[rows[~np.tril(near, -1).any(axis=1)]], np.float32)


def read(folder: Path, faces: Faces) -> Vectors:
    """The first picture of each person as numbers, read once."""
    kept = folder / "history.npz"
    if not kept.is_file():
        faceset = read_faces(faces, find_history(folder))
        np.savez(kept, people=faceset.people, vectors=faceset.vectors)
    with np.load(kept) as found:
        return one_each(found["people"].tolist(), found["vectors"])


def tail(pairs: Floats, part: float) -> tuple[float, float]:
    """The distance below which a part of the pairs lies, and the exponent by which their number grows up to it."""
    edge = float(np.quantile(pairs, part))
    below = pairs[pairs < edge]
    return edge, len(below) / float(np.log(edge / below).sum())


def bound(edge: float, exponent: float, part: float, wanted: float) -> float:
    """The distance below which a smaller part `wanted` lies at most."""
    return edge * float((wanted / part) ** (1 / exponent))


def nearest(asking: Vectors, silent: Vectors, seed: int) -> dict[int, Floats]:
    """Distance of each who asks to the nearest in galleries of growing size around who is silent."""
    best = distances(asking, silent).min(axis=1)
    found, held = {}, len(silent)
    for number, size in enumerate(SIZES):
        results.tell(f"crowd of {size}")
        crowd = distractors.draw(silent, size - held, seed=_SEED + 10 * seed + number)
        for start in range(0, len(crowd), _BLOCK):
            best = np.minimum(best, distances32(asking, crowd[start : start + _BLOCK]).min(axis=1))
        found[size], held = best.copy(), size
    return found


def distances32(one: Vectors, other: Vectors) -> NDArray[np.float32]:
    """As `distances`, good to three digits and quick."""
    squares = (one**2).sum(axis=1)[:, None] + (other**2).sum(axis=1)[None] - 2 * one @ other.T
    return np.asarray(np.sqrt(np.maximum(squares, 0)), np.float32)


def crowds(vectors: Vectors) -> dict[int, tuple[Floats, Floats]]:
    """For each size: distances of real strangers and of drawn ones to their nearest, over both halves."""
    order = np.random.default_rng(_SEED).permutation(len(vectors))
    half = len(order) // 2
    found = []
    for number, (silent, asking) in enumerate(((order[:half], order[half:]), (order[half:], order[:half]))):
        drawn = distractors.draw(vectors[asking], DRAWN, seed=_SEED + 100 + number)
        near = nearest(np.concatenate([vectors[asking], drawn]), vectors[silent], number)
        found.append({size: (far[: len(asking)], far[len(asking) :]) for size, far in near.items()})
    one, other = found
    return {
        size: (np.concatenate([one[size][0], other[size][0]]), np.concatenate([one[size][1], other[size][1]]))
        for size in SIZES
    }


def missed() -> dict[float, tuple[int, int]]:
    """Of how many pairs of one person the distance was not below a line, at every line that identity.py counted."""
    measured = json.loads((results.FOLDER / "identity.json").read_text(encoding="utf-8"))["figures"]
    counted = {
        float(line): (entry["false_reject"]["hits"], entry["false_reject"]["of"])
        for line, entry in measured["pairs"]["lines"].items()
    }
    for entry in measured["galleries"].values():
        for line, name in (("match_line", "false_negative_matched"), ("possible_line", "false_negative_possible")):
            counted[entry[line]] = (entry[name]["hits"], entry[name]["of"])
    scaled = json.loads((results.FOLDER / "likeness_scale.json").read_text(encoding="utf-8"))["figures"]
    for entry in scaled["quality"]["lines"].values():
        counted[entry["line"]] = (entry["missed"]["hits"], entry["missed"]["of"])
    return dict(sorted(counted.items()))


def missed_at(line: float) -> Mapping[str, object]:
    """What is missed at a line: the count, or those of the nearest lines on both sides that were counted."""
    counted = missed()
    if round(line, 4) in counted:
        return share(*counted[round(line, 4)])
    for (low, (most, of)), (high, (least, _)) in pairwise(counted.items()):
        if low < line < high:
            return {"at_least": least, "at_most": most, "of": of}
    raise ValueError(f"nobody counted who is missed at {line}")


def measure(vectors: Vectors, lines: Lines) -> dict[str, object]:
    """Both answers at the lines in force, and the lines that either answer would allow."""
    pairs = np.sort(distances(vectors, vectors)[np.triu_indices(len(vectors), 1)])
    tails = {part: tail(pairs, part) for part in TAILS}
    part = min(TAILS)
    edge, exponent = tails[part]
    near = crowds(vectors)
    sizes = {}
    for size in SIZES:
        real, drawn = near[size]
        at = lines.at(size)
        sizes[str(size)] = {
            "allowed": {
                str(budget): {
                    "bound": round(bound(edge, exponent, part, budget / size), 4),
                    "crowd": round(float(np.quantile(np.concatenate([real, drawn]), budget)), 4),
                }
                for budget in BUDGETS
            },
            "in_force": {
                name: {
                    "line": round(line, 4),
                    "false_real": share(int((real < line).sum()), len(real)),
                    "false_drawn": share(int((drawn < line).sum()), len(drawn)),
                    "false_at_most": round(min(1.0, size * part * (line / edge) ** exponent), 6),
                    "missed": missed_at(line),
                }
                for name, line in (("match", at.match), ("possible", at.possible))
            },
        }
    return {
        "people": len(vectors),
        "pairs": len(pairs),
        "tails": {
            str(part): {"distance": round(edge, 4), "exponent": round(exponent, 1)}
            for part, (edge, exponent) in tails.items()
        },
        "sizes": sizes,
    }


def main() -> None:
    """Measure, write `results/likeness_lines.json`, print it."""
    began = results.circumstances()
    faces = Faces.load(load_manifest(Settings().models))
    figures = measure(read(Path(sys.argv[1]), faces), faces.lines)
    path = results.save("likeness_lines", began, {"command": "python benchmarks/likeness_lines.py FOLDER", **figures})
    results.print_table("Lines by size", [("part", "figures"), *figures.items()])
    print(f"\n{path}")


if __name__ == "__main__":
    main()
