"""How far a likeness can be believed, and what it costs, among a million registered people.

    python benchmarks/likeness_scale.py FOLDER

Long (minutes of building); never in CI. `FOLDER` is that of `identity.py`: portraits of real people in public office.
A million is filled up with vectors of nobody (`distractors.py`), drawn around registered people who do not ask, so that
none lies nearer to whoever asks than real strangers do. Distances are exact.
"""

import resource
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import distractors
import numpy as np
import official_portraits
import results
from identity import mates, share
from numpy.typing import NDArray
from official_portraits import Faceset

from detectors.base import Gallery
from detectors.faces import Faces
from detectors.index import GraphIndex
from detectors.likeness import Likeness, Lines, make_rotation, turn
from detectors.packs import load_manifest
from moderation.settings import Settings

SIZE: Final = 1_000_000
#: Strangers drawn from nobody, besides the real ones.
DRAWN: Final = 2_000
#: Tracks that are looked up for the times, half of registered people; read views of each besides its mean.
TRACKS: Final = 300
VIEWS: Final = 6
_SEED: Final = 41
_BLOCK: Final = 20_000
#: How far a true view lies from its template, by the genuine pairs of benchmarks/identity.py.
_NEAR, _FAR = 0.15, 0.50

Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Parts:
    """The photographs in their parts, float32 [n, 128] each."""

    #: Registered, and asking with a later picture: row i of `later` shows whom row i of `older` shows.
    older: Vectors
    later: Vectors
    #: Registered and silent: the crowd is drawn around these, for what is drawn around somebody lies near them.
    silent: Vectors
    #: Not registered, and asking.
    strangers: Vectors


def split(faces: Faceset) -> Parts:
    """Who was photographed twice asks for himself; of the others every second one is registered, the rest strangers."""
    pairs = mates(faces)
    twice = {str(faces.people[old]) for old, _ in pairs}
    people = np.random.default_rng(_SEED).permutation(sorted(set(faces.people.tolist()) - twice))
    first = {str(person): row for row, person in reversed(list(enumerate(faces.people)))}
    rows = [first[str(person)] for person in people]
    half = len(rows) // 2
    return Parts(
        older=faces.vectors[[old for old, _ in pairs]],
        later=faces.vectors[[new for _, new in pairs]],
        silent=faces.vectors[rows[:half]],
        strangers=faces.vectors[rows[half:]],
    )


def nearest_two(queries: Vectors, rows: Vectors) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return for each query the rows and exact distances of its two nearest, [n, 2] each, block by block."""
    norms = np.einsum("ij,ij->i", rows, rows)
    near = np.empty((len(queries), 2), np.int64)
    for start in range(0, len(queries), 200):
        asked = queries[start : start + 200]
        best = np.full((len(asked), 2), np.inf)
        at = np.zeros((len(asked), 2), np.int64)
        for low in range(0, len(rows), _BLOCK):
            squares = norms[low : low + _BLOCK] - 2 * (asked @ rows[low : low + _BLOCK].T)
            two = np.argpartition(squares, 1, axis=1)[:, :2]
            both = np.concatenate([best, np.take_along_axis(squares, two, axis=1)], axis=1)
            where = np.concatenate([at, two + low], axis=1)
            order = np.argsort(both, axis=1)[:, :2]
            best, at = np.take_along_axis(both, order, axis=1), np.take_along_axis(where, order, axis=1)
        near[start : start + 200] = at
    steps = rows[near].astype(np.float64) - queries[:, None]
    return near, np.sqrt((steps * steps).sum(axis=2))


def measure_quality(parts: Parts, rows: Vectors, lines: Lines) -> dict[str, object]:
    """How often a stranger comes within a line of somebody, and whether a registered person is found, and nearest.

    The first rows are `parts.older`.
    """
    _, real = nearest_two(parts.strangers, rows)
    _, drawn = nearest_two(distractors.draw(parts.strangers, DRAWN, seed=_SEED + 1), rows)
    near, genuine = nearest_two(parts.later, rows)
    own = np.arange(len(parts.later))
    true = np.sqrt(((parts.older.astype(np.float64) - parts.later) ** 2).sum(axis=1))
    scaled = lines.at(len(rows))
    wanted = {
        "match": scaled.match,
        "possible": scaled.possible,
        "match_of_one": lines.match,
        "possible_of_one": lines.possible,
    }
    return {
        "lines": {
            name: {
                "line": round(line, 4),
                "false_match_real": share(int((real[:, 0] < line).sum()), len(real)),
                "false_match_drawn": share(int((drawn[:, 0] < line).sum()), len(drawn)),
                "missed": share(int((true >= line).sum()), len(true)),
                "somebody_else_nearer": share(int(((genuine[:, 0] < line) & (near[:, 0] != own)).sum()), len(own)),
            }
            for name, line in wanted.items()
        },
        "nearest_is_the_person": share(int((near[:, 0] == own).sum()), len(own)),
        "among_the_two_nearest": share(int((near == own[:, None]).any(axis=1).sum()), len(own)),
        "nearest_to_strangers_quantiles": {
            str(q): round(float(np.quantile(real[:, 0], q)), 4) for q in (0.001, 0.01, 0.1, 0.5)
        },
        "nearest_to_drawn_quantiles": {
            str(q): round(float(np.quantile(drawn[:, 0], q)), 4) for q in (0.001, 0.01, 0.1, 0.5)
        },
        "fit": scaled.fit,
    }


def measure_cost(real: Vectors, rows: Vectors, lines: Lines) -> dict[str, object]:
    """Build the graph as a worker does, and look tracks up; memory is what the process grew by."""
    rotation = make_rotation(b"benchmark", rows.shape[1])
    before = _resident()
    turned = np.empty_like(rows)
    for start in range(0, len(rows), _BLOCK):
        turned[start : start + _BLOCK] = turn(rows[start : start + _BLOCK], rotation)
    graph = GraphIndex(rows.shape[1])
    began = time.process_time()
    for start in range(0, len(rows), _BLOCK):
        results.tell(f"{start} of {len(rows)}")
        graph.add(np.arange(start, min(start + _BLOCK, len(rows))), turned[start : start + _BLOCK])
    building = time.process_time() - began
    people = tuple(f"per_{number:026d}" for number in range(len(rows)))
    memory = _resident() - before
    gallery = Gallery(model="m", version="1", people=people, vectors=turned, rotation=rotation, index=graph)
    likeness = Likeness(gallery, lines)
    wall, cpu = [], []
    for number in range(2 * TRACKS):
        track = _track(rows if number % 2 else real, number)
        began, used = time.perf_counter(), time.thread_time()
        likeness.compare(track[0], track[1:])
        cpu.append((time.thread_time() - used) * 1000)
        wall.append((time.perf_counter() - began) * 1000)
    began = time.process_time()
    graph.add(np.array([len(rows)]), turned[:1] + np.float32(0.01))
    return {
        "building_cpu_seconds": round(building, 1),
        "one_more_row_ms": round((time.process_time() - began) * 1000, 3),
        "memory_mb": round(memory / 2**20),
        "track_ms": {"median": _at(wall, 50), "p95": _at(wall, 95)},
        "track_cpu_ms": {"median": _at(cpu, 50), "p95": _at(cpu, 95)},
        "peak_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


def _track(rows: Vectors, number: int) -> Vectors:
    """A track, its mean and its views, each at a distance from some row that true views lie at."""
    rng = np.random.default_rng([7, number])
    steps = rng.standard_normal((VIEWS + 1, rows.shape[1]))
    steps *= rng.uniform(_NEAR, _FAR, (VIEWS + 1, 1)) / np.linalg.norm(steps, axis=1, keepdims=True)
    return np.asarray(rows[rng.integers(len(rows))] + steps, np.float32)


def _resident() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def _at(values: list[float], percentile: float) -> float:
    return round(float(np.percentile(values, percentile)), 2)


def main() -> None:
    """Measure both, write `results/likeness_scale.json`, print it."""
    began = results.circumstances()
    faces = Faces.load(load_manifest(Settings().models))
    faceset = official_portraits.read_faces(faces, official_portraits.find_photographs(Path(sys.argv[1])))
    parts = split(faceset)
    crowd = distractors.draw(parts.silent, SIZE - len(parts.older) - len(parts.silent), seed=_SEED)
    rows = np.concatenate([parts.older, parts.silent, crowd])
    results.tell("quality")
    quality = measure_quality(parts, rows, faces.lines)
    cost = measure_cost(parts.strangers, rows, faces.lines)
    figures = {
        "command": "python benchmarks/likeness_scale.py FOLDER",
        "registered": {"real": len(parts.older) + len(parts.silent), "drawn": len(crowd)},
        "asked": {"registered": len(parts.later), "strangers_real": len(parts.strangers), "strangers_drawn": DRAWN},
        "quality": quality,
        "cost": cost,
    }
    path = results.save("likeness_scale", began, figures)
    results.print_table(
        "A million registered", [("part", "figures"), *((name, value) for name, value in {**quality, **cost}.items())]
    )
    print(f"\n{path}")


if __name__ == "__main__":
    main()
