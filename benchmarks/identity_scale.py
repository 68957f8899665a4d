"""How matching grows with the registry: 1, 10 000 and a million registered vectors, exact and by the graph.

    python benchmarks/identity_scale.py FOLDER

Long (minutes of building); never in CI. The vectors show nobody (`distractors.py`); the distribution is that of the
portraits below `FOLDER`.
"""

import resource
import sys
import time
from pathlib import Path
from typing import Final

import distractors
import numpy as np
import official_portraits
import results
from numpy.typing import NDArray

from detectors.base import Gallery, Index
from detectors.faces import Faces
from detectors.index import GRAPH_FROM, NEIGHBOURS, ExactIndex, GraphIndex
from detectors.likeness import Likeness, Lines, make_rotation, turn
from detectors.packs import load_manifest
from moderation.settings import Settings

SIZES: Final = (1, GRAPH_FROM - 1, 10_000, 1_000_000)
TRACKS: Final = 300
#: Read views of a track besides its mean.
VIEWS: Final = 6
_BLOCK: Final = 20_000
#: How far a true view lies from its template, by the genuine pairs of benchmarks/identity.py.
_NEAR, _FAR = 0.15, 0.50

Vectors = NDArray[np.float32]


def measure(real: Vectors, lines: Lines, size: int) -> dict[str, object]:
    """Build, ask `TRACKS` tracks of registered and as many of unknown people, compare with the exact answer."""
    rotation = make_rotation(b"benchmark", real.shape[1])
    rows = distractors.draw(real, size, seed=1)
    for start in range(0, size, _BLOCK):
        rows[start : start + _BLOCK] = turn(rows[start : start + _BLOCK], rotation)
    began = time.process_time()
    index = _built(rows)
    building = time.process_time() - began
    gallery = Gallery(
        model="m", version="1", people=tuple(map(str, range(size))), vectors=rows, rotation=rotation, index=index
    )
    likeness = Likeness(gallery, lines)
    tracks = [_near(rows, rotation, number) for number in range(TRACKS)]
    tracks += list(_strangers(real))
    wall, cpu = _ask(likeness, tracks)
    return {
        "index": type(index).__name__,
        "building_cpu_seconds": round(building, 1),
        "match_ms": {"median": _at(wall, 50), "p95": _at(wall, 95)},
        "match_cpu_ms": {"median": _at(cpu, 50), "p95": _at(cpu, 95)},
        "recall": _recall(index, rows, [turn(track[:1], rotation) for track in tracks], likeness.lines.possible),
        "peak_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


def _built(rows: Vectors) -> Index:
    if len(rows) < GRAPH_FROM:
        return ExactIndex(rows)
    graph = GraphIndex(rows.shape[1])
    for start in range(0, len(rows), _BLOCK):
        graph.add(np.arange(start, min(start + _BLOCK, len(rows))), rows[start : start + _BLOCK])
    return graph


def _near(rows: Vectors, rotation: Vectors, number: int) -> Vectors:
    """A track of somebody registered: its mean and its views, each at a distance that true views lie at."""
    rng = np.random.default_rng([7, number])
    steps = rng.standard_normal((VIEWS + 1, rows.shape[1]))
    steps *= rng.uniform(_NEAR, _FAR, (VIEWS + 1, 1)) / np.linalg.norm(steps, axis=1, keepdims=True)
    return np.asarray((rows[rng.integers(len(rows))] + steps) @ rotation, np.float32)


def _strangers(real: Vectors) -> NDArray[np.float32]:
    return distractors.draw(real, TRACKS * (VIEWS + 1), seed=2).reshape(TRACKS, VIEWS + 1, -1)


def _ask(likeness: Likeness, tracks: list[Vectors]) -> tuple[list[float], list[float]]:
    wall, cpu = [], []
    for track in tracks:
        began, used = time.perf_counter(), time.thread_time()
        likeness.compare(track[0], track[1:])
        cpu.append((time.thread_time() - used) * 1000)
        wall.append((time.perf_counter() - began) * 1000)
    return wall, cpu


def _recall(index: Index, rows: Vectors, queries: list[Vectors], within: float) -> dict[str, float | int]:
    """Share of the rows within the outer line, the `NEIGHBOURS` nearest at most, and of the nearest, handed on."""
    norms = np.einsum("ij,ij->i", rows, rows)
    wanted, found, nearest = 0, 0, 0
    for query in queries:
        # A query at a time: a million distances at once are enough to hold.
        squares = norms - 2 * (rows @ query[0]) + query[0] @ query[0]
        some = np.argpartition(squares, NEIGHBOURS)[:NEIGHBOURS] if len(rows) > NEIGHBOURS else np.arange(len(rows))
        close = {int(row) for row in some if squares[row] <= within**2}
        handed_on = set(index.near(query, within)[0].tolist())
        wanted += len(close)
        found += len(close & handed_on)
        nearest += int(some[squares[some].argmin()]) in handed_on
    return {
        "within_line": round(found / wanted, 4),
        "rows_within_line": wanted,
        "nearest": round(nearest / len(queries), 4),
        "queries": len(queries),
    }


def _at(values: list[float], percentile: float) -> float:
    return round(float(np.percentile(values, percentile)), 2)


def main() -> None:
    """Measure every size, write `results/identity_scale.json`, print it."""
    began = results.circumstances()
    faces = Faces.load(load_manifest(Settings().models))
    faceset = official_portraits.read_faces(faces, official_portraits.find_photographs(Path(sys.argv[1])))
    figures: dict[str, object] = {
        "command": "python benchmarks/identity_scale.py FOLDER",
        "tracks": 2 * TRACKS,
        "views_of_a_track": VIEWS,
    }
    lines: list[tuple[object, ...]] = [
        ("vectors", "index", "p95 ms", "p95 CPU ms", "recall", "nearest", "building CPU s")
    ]
    for size in SIZES:
        results.tell(f"{size} vectors")
        found: dict[str, dict[str, float]] = measure(faceset.vectors, faces.lines, size)  # type: ignore[assignment]
        figures[str(size)] = found
        recall, building = found["recall"], found["building_cpu_seconds"]
        times = found["match_ms"]["p95"], found["match_cpu_ms"]["p95"]
        lines.append((size, found["index"], *times, recall["within_line"], recall["nearest"], building))
    path = results.save("identity_scale", began, figures)
    results.print_table("A track against the registry", lines)
    print(f"\n{path}")


if __name__ == "__main__":
    main()
