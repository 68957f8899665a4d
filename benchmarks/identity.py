"""How well faces tell people apart: pairs of photographs, and unknown faces before galleries of 100 to 10 000.

    python benchmarks/identity.py FOLDER

`FOLDER` holds the collections that `official_portraits.py` names. Real people in real photographs are the pairs;
vectors of nobody only fill galleries, and altered copies are told apart from both.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, cast

import cv2
import distractors
import numpy as np
import official_portraits
import results
from numpy.typing import NDArray
from official_portraits import SAME_PHOTOGRAPH, Faceset

from detectors.faces import Faces
from detectors.figures import exact_interval
from detectors.likeness import Lines
from detectors.packs import load_manifest
from moderation.settings import Settings

SIZES: Final = (1, 10, 100, 300, 1_000, 10_000)
LINES: Final = (0.35, 0.40, 0.45, 0.50, 0.55, 0.60)
#: Vectors of nobody that are asked about, besides real strangers.
UNKNOWN_DRAWN: Final = 20_000
#: Splits of the people into registered and unknown, over which rates are averaged.
SPLITS: Final = 10
_SEED: Final = 20

Vectors = NDArray[np.float32]
Chip = NDArray[np.uint8]
Share = dict[str, float | int]


def share(hits: int, trials: int) -> Share:
    """A rate with its exact 95 % interval, and what it was counted from."""
    low, high = exact_interval(hits, trials)
    return {"hits": hits, "of": trials, "rate": round(hits / trials, 6), "low": round(low, 6), "high": round(high, 6)}


def distances(one: Vectors, other: Vectors) -> NDArray[np.float64]:
    """Euclidean distances of all rows of one to all rows of the other."""
    a, b = one.astype(np.float64), other.astype(np.float64)
    squares = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1)[None] - 2 * a @ b.T
    return np.asarray(np.sqrt(np.maximum(squares, 0)))


def mates(faces: Faceset) -> list[tuple[int, int]]:
    """Pairs of rows that show one person in two photographs: registered from the older, looked for by the newer."""
    older = {person: row for row, person in enumerate(faces.people) if faces.years[row] == 2015}
    pairs = [
        (older[person], row) for row, person in enumerate(faces.people) if faces.years[row] == 2021 and person in older
    ]
    return [
        (old, new) for old, new in pairs if np.linalg.norm(faces.vectors[old] - faces.vectors[new]) >= SAME_PHOTOGRAPH
    ]


def measure_pairs(faces: Faceset) -> dict[str, object]:
    """False rejects over pairs of one person, false accepts over all pairs of two, at each line."""
    pairs = mates(faces)
    genuine = np.array([np.linalg.norm(faces.vectors[old] - faces.vectors[new]) for old, new in pairs])
    apart = distances(faces.vectors, faces.vectors)
    above = np.triu_indices(len(faces.vectors), 1)
    impostor = apart[above][(faces.people[:, None] != faces.people[None])[above]]
    return {
        "people": len(set(faces.people.tolist())),
        "photographs": len(faces.people),
        "unreadable": faces.unreadable,
        "genuine_pairs": len(genuine),
        "impostor_pairs": len(impostor),
        "impostor_pairs_note": "pairs share photographs: their interval is narrower than it ought to be",
        "lines": {
            str(line): {
                "false_reject": share(int((genuine >= line).sum()), len(genuine)),
                "false_accept": share(int((impostor < line).sum()), len(impostor)),
            }
            for line in LINES
        },
        "impostor_quantiles": {
            str(q): round(float(np.quantile(impostor, q)), 4) for q in (1e-6, 1e-5, 1e-4, 1e-3, 1e-2)
        },
    }


def measure_galleries(faces: Faceset, lines: Lines) -> dict[str, object]:
    """Unknown and registered faces before galleries of each size, by the lines that the pack ships.

    A face stands for a track: one photograph, where a clip gives several views of one moment.
    """
    genuine = np.array([np.linalg.norm(faces.vectors[old] - faces.vectors[new]) for old, new in mates(faces)])
    found: dict[str, object] = {}
    for size in SIZES:
        scaled = lines.at(size)
        splits = [_nearest_of_unknown(faces, size, split) for split in range(SPLITS)]
        found[str(size)] = {
            "match_line": round(scaled.match, 4),
            "possible_line": round(scaled.possible, 4),
            "fit": scaled.fit,
            "false_negative_possible": share(int((genuine >= scaled.possible).sum()), len(genuine)),
            "false_negative_matched": share(int((genuine >= scaled.match).sum()), len(genuine)),
            "false_positive_possible": _false_positives(splits, scaled.possible),
            "false_positive_matched": _false_positives(splits, scaled.match),
        }
    return found


def _nearest_of_unknown(faces: Faceset, size: int, split: int) -> dict[str, NDArray[np.float64]]:
    """Distances of unknown people, real and drawn, to the nearest of a gallery of this size."""
    rng = np.random.default_rng([_SEED, size, split])
    people = rng.permutation(sorted(set(faces.people.tolist())))
    registered = people[: min(size, len(people) // 2)]
    first = {str(person): row for row, person in reversed(list(enumerate(faces.people)))}
    inside = faces.vectors[[first[str(person)] for person in registered]]
    outside = faces.vectors[[first[str(person)] for person in people[len(people) // 2 :]]]
    # Nobody's vectors in the gallery come from the registered, those that ask from the others: none meets its origin.
    filled = size - len(registered)
    gallery = np.concatenate([inside, distractors.draw(inside, filled, split)]) if filled else inside
    asked = distractors.draw(outside, UNKNOWN_DRAWN, 1000 + split)
    return {"real": _nearest(outside, gallery), "drawn": _nearest(asked, gallery)}


def _nearest(queries: Vectors, gallery: Vectors) -> NDArray[np.float64]:
    return np.concatenate([distances(queries[i : i + 1000], gallery).min(axis=1) for i in range(0, len(queries), 1000)])


def _false_positives(splits: list[dict[str, NDArray[np.float64]]], line: float) -> dict[str, object]:
    """The first split with its interval, since its people are asked once, and the mean over all splits."""
    return {
        kind: share(int((splits[0][kind] < line).sum()), len(splits[0][kind]))
        | {"mean_of_splits": round(float(np.mean([(split[kind] < line).mean() for split in splits])), 6)}
        for kind in ("real", "drawn")
    }


def _blurred(chip: Chip) -> Chip:
    return cast("Chip", cv2.GaussianBlur(chip, (0, 0), 2.0))


def _small(height: int) -> Callable[[Chip], Chip]:
    """Shrink as if the face, about 110 pixels of the chip, had been so many pixels high."""

    def shrink(chip: Chip) -> Chip:
        side = round(len(chip) * height / 110)
        little = cv2.resize(chip, (side, side), interpolation=cv2.INTER_AREA)
        return cast("Chip", cv2.resize(little, chip.shape[:2], interpolation=cv2.INTER_CUBIC))

    return shrink


def _darkened(chip: Chip) -> Chip:
    return np.asarray((chip / 255.0) ** 2.0 * 255, np.uint8)


def _squeezed(chip: Chip) -> Chip:
    _, coded = cv2.imencode(".jpg", chip, [cv2.IMWRITE_JPEG_QUALITY, 25])
    return cast("Chip", cv2.imdecode(coded, cv2.IMREAD_COLOR))


ALTERATIONS: Final[dict[str, Callable[[Chip], Chip]]] = {
    "none": lambda chip: chip,
    "64 px": _small(64),
    "48 px": _small(48),
    "blur 2": _blurred,
    "gamma 2": _darkened,
    "jpeg 25": _squeezed,
}


def measure_alterations(faces: Faceset, embed: Callable[[Chip], Vectors]) -> dict[str, object]:
    """False rejects where the newer photograph of each pair is altered. The same pairs again, not more of them."""
    pairs = mates(faces)
    found: dict[str, object] = {}
    for name, alter in ALTERATIONS.items():
        altered = np.stack([embed(alter(faces.chips[new])) for _, new in pairs])
        apart = np.linalg.norm(altered - faces.vectors[[old for old, _ in pairs]], axis=1)
        found[name] = {str(line): share(int((apart >= line).sum()), len(pairs)) for line in (0.5, 0.6)}
    return found


def measure_normalised(faces: Faceset) -> dict[str, object]:
    """False rejects at equal false accepts, by raw distance and by distance relative to a cohort of strangers.

    The cohort of real people shows what one could gain; templates of people who never agreed may not be shipped. The
    drawn cohort could be.
    """
    pairs = mates(faces)
    older, newer = [old for old, _ in pairs], [new for _, new in pairs]
    rest = faces.vectors[~np.isin(faces.people, faces.people[older])]
    cohorts = {"none": None, "real": rest, "drawn": distractors.draw(rest, len(rest), _SEED)}
    apart = distances(faces.vectors[older], faces.vectors[newer])
    return {name: _rejects(_relative(faces, older, newer, apart, cohort)) for name, cohort in cohorts.items()}


def _relative(
    faces: Faceset, older: list[int], newer: list[int], apart: NDArray[np.float64], cohort: Vectors | None
) -> NDArray[np.float64]:
    """Divide by the mean distance of both sides to their ten nearest of the cohort."""
    if cohort is None:
        return apart
    one, other = (
        np.sort(distances(faces.vectors[rows], cohort), axis=1)[:, :10].mean(axis=1) for rows in (older, newer)
    )
    return np.asarray(2 * apart / (one[:, None] + other[None]))


def _rejects(scores: NDArray[np.float64]) -> dict[str, float]:
    genuine, impostor = np.diag(scores), scores[~np.eye(len(scores), dtype=bool)]
    return {str(rate): round(float((genuine >= np.quantile(impostor, rate)).mean()), 4) for rate in (1e-4, 1e-3)}


def main() -> None:
    """Measure, write `results/identity.json`, print it."""
    began = results.circumstances()
    faces = Faces.load(load_manifest(Settings().models))
    photographs = official_portraits.find_photographs(Path(sys.argv[1]))
    results.tell(f"reading {len(photographs)} portraits")
    faceset = official_portraits.read_faces(faces, photographs)
    figures: dict[str, object] = {
        "command": "python benchmarks/identity.py FOLDER",
        "model": f"{faces.embedder_model.id} {faces.embedder_model.version}",
        "sources": official_portraits.SOURCES,
        "pairs": measure_pairs(faceset),
        "galleries": measure_galleries(faceset, faces.lines),
        "alterations": measure_alterations(faceset, faces.embedder.vector),
        "normalised": measure_normalised(faceset),
    }
    path = results.save("identity", began, figures)
    _print(figures)
    print(f"\n{path}")


def _print(figures: dict[str, object]) -> None:
    lines: list[tuple[object, ...]] = [("gallery", "line", "missed", "up to", "false, real", "up to", "false, drawn")]
    for size, found in cast("dict[str, dict[str, Any]]", figures["galleries"]).items():
        for kind in ("matched", "possible"):
            missed, false = found[f"false_negative_{kind}"], found[f"false_positive_{kind}"]
            rates = (
                missed["rate"],
                missed["high"],
                false["real"]["rate"],
                false["real"]["high"],
                false["drawn"]["rate"],
            )
            line = found["match_line" if kind == "matched" else "possible_line"]
            lines.append((f"{size} {kind}", line, *(f"{rate:.2%}" for rate in rates)))
    results.print_table("Unknown and registered faces before galleries", lines)


if __name__ == "__main__":
    main()
