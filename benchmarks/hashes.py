"""Hash lists at size: bytes a hash, how long a clip's look-up takes, what is found, how soon a new hash counts.

Random hashes stand for listed ones: what matters to the index is how they fall into its bands, and `crowding` tells
how far hashes of pictures differ from random in that.
"""

import argparse
import gc
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
import results
from meters import own_seconds
from numpy.typing import NDArray
from states import passing_state

from detectors.base import Frame
from moderation.assembly import open_services
from moderation.hashlists.formats import Entry, Kind
from moderation.hashlists.index import EXACT_REACH, HashIndex, _shuffled
from moderation.hashlists.lists import Category, add_entries, create_list
from moderation.hashlists.matching import compare_with_lists
from moderation.hashlists.mirror import ListMirror
from moderation.hashlists.prints import ClipPrint, PrintTaker, hash_picture
from moderation.samples.drawing import draw_pictures
from moderation.services import Services
from moderation.settings import Settings
from watermark.fingerprint import NEAR

ORG: Final = "default"
MILLION: Final = 1_000_000
#: Frames of a clip of ten seconds, and of a listed video; half of what is listed is single pictures.
QUERY, ITEM = 20, 20
CLIPS: Final = 100
TARGETS: Final = {"look_up_p95_ms": 50, "disk_bytes_a_hash": 200, "memory_bytes_at_10_million": 2 * 1024**3}
_CHUNK: Final = 200_000
_SIZE: Final = (
    b"select pg_total_relation_size('moderation.hash_entries'), pg_relation_size('moderation.hash_entries'), "
    b"pg_indexes_size('moderation.hash_entries')"
)


def measure(services: Services, count: int, *, clips: int = CLIPS) -> dict[str, object]:
    """Fill a list with `count` hashes and look clips up in it, in a database that holds no other list."""
    rng = np.random.default_rng(9)
    stored = rng.integers(0, 256, (count, 32), np.uint8)
    results.tell(f"importing {count} hashes")
    filling = fill(services, stored)
    mirror, began = ListMirror(), time.monotonic()
    mirror.refresh(services.database)
    loaded = time.monotonic() - began
    results.tell("looking clips up")
    return {
        "hashes": count,
        "import_seconds": round(filling, 1),
        "disk": disk(services, count),
        "memory_bytes_a_hash": round(mirror.nbytes / count, 1),
        "load_seconds": round(loaded, 2),
        "look_up": look_up(mirror, stored, rng, clips),
        "recall": recall(mirror, stored, rng),
        "added_hash_counts_after_ms": adding(services, mirror, rng),
    }


def fill(services: Services, stored: NDArray[np.uint8]) -> float:
    """Import hashes as an operator would; seconds."""
    began, now = time.monotonic(), services.clock.now()
    with services.database.transaction(ORG) as tx:
        create_list(tx, now, name="bench", category=Category.TAKEDOWN, source="random", by="bench")
        add_entries(tx, now, "bench", _entries(stored), by="bench")
    with services.database.system_transaction() as tx:
        tx.pg.execute(b"analyze moderation.hash_entries")
    return time.monotonic() - began


def _entries(stored: NDArray[np.uint8]) -> Iterator[Entry]:
    for number, hash_ in enumerate(stored):
        item = f"v{number // ITEM}" if number % (2 * ITEM) < ITEM else None
        yield Entry(kind=Kind.PDQ, hash=hash_.tobytes(), item=item)


def disk(services: Services, count: int) -> dict[str, float]:
    """Bytes a hash on disk: all, the rows, the indexes."""
    with services.database.system_transaction() as tx:
        sizes = tx.pg.execute(_SIZE).fetchone()
    assert sizes is not None
    names = ("bytes_a_hash", "of_rows", "of_indexes")
    return {name: round(size / count, 1) for name, size in zip(names, sizes, strict=True)}


def look_up(mirror: ListMirror, stored: NDArray[np.uint8], rng: np.random.Generator, clips: int) -> dict[str, object]:
    """Milliseconds a clip of 20 hashes: of the first look alone, and of a clip that needs the second, turned one."""
    lists = mirror.lists(ORG, Category.TAKEDOWN)
    copies = [turned_bits(stored[rng.integers(0, len(stored), QUERY)], 20, rng) for _ in range(clips)]
    strangers = [_print_of(rng) for _ in range(clips)]
    first = [_timed(lambda query=query: mirror.near(query, lists, NEAR)) for query in copies]
    both = [_timed(lambda seen=seen: compare_with_lists(mirror, seen, ORG, Category.TAKEDOWN)) for seen in strangers]
    return {"first_look_ms": _spread(first), "with_second_look_ms": _spread(both), "clips": clips, "hashes": QUERY}


def _timed(act: object) -> tuple[float, float]:
    assert callable(act)
    spent: list[float] = []
    began = time.perf_counter()
    with own_seconds(spent.append):
        act()
    return (time.perf_counter() - began) * 1000, spent[0] * 1000


def _spread(values: list[tuple[float, float]]) -> dict[str, float]:
    wall, cpu = np.array(values).T
    return {
        "median": round(float(np.median(wall)), 1),
        "p95": round(float(np.percentile(wall, 95)), 1),
        "cpu_median": round(float(np.median(cpu)), 1),
        "cpu_p95": round(float(np.percentile(cpu, 95)), 1),
    }


def _print_of(rng: np.random.Generator) -> ClipPrint:
    return ClipPrint(
        times=np.arange(QUERY, dtype=np.int32) * 500,
        quality=np.full(QUERY, 100, np.uint8),
        hashes=rng.integers(0, 256, (QUERY, 8, 32), np.uint8),
        plain=0,
    )


def turned_bits(hashes: NDArray[np.uint8], bits: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Each hash with `bits` of its bits turned, drawn anew for each."""
    order = np.argsort(rng.random((len(hashes), 256)), axis=1)
    return np.asarray(hashes ^ np.packbits(order < bits, axis=1), np.uint8)


def recall(mirror: ListMirror, stored: NDArray[np.uint8], rng: np.random.Generator) -> dict[str, float]:
    """Share of copies that are found, by how many bits they differ; up to 31 it is 1 by construction."""
    lists = mirror.lists(ORG, Category.TAKEDOWN)
    found = {}
    for bits in (0, 8, 16, 24, 28, EXACT_REACH, 36, 40, 45, 50, 60):
        places = rng.choice(len(stored), 400, replace=False)
        hits = mirror.near(turned_bits(stored[places], bits, rng), lists, NEAR)
        rows = _rows(mirror, stored[places])
        found[str(bits)] = round(len(set(zip(hits.query, hits.row, strict=True)) & set(enumerate(rows))) / 400, 4)
    return found


def _rows(mirror: ListMirror, hashes: NDArray[np.uint8]) -> list[int]:
    """The mirror's rows of stored hashes: an import sorts them."""
    hits = mirror.near(hashes, mirror.lists(ORG, Category.TAKEDOWN), 0)
    rows = np.empty(len(hashes), np.int64)
    rows[hits.query] = hits.row
    return [int(row) for row in rows]


def adding(services: Services, mirror: ListMirror, rng: np.random.Generator) -> float:
    """Milliseconds from the commit of a new hash to a look-up that finds it, in a copy of another process's kind."""
    hash_ = rng.integers(0, 256, (1, 32), np.uint8)
    with services.database.transaction(ORG) as tx:
        entry = Entry(kind=Kind.PDQ, hash=hash_.tobytes())
        add_entries(tx, services.clock.now(), "bench", [entry], by="bench")
    began = time.perf_counter()
    mirror.refresh(services.database)
    if len(mirror.near(hash_, mirror.lists(ORG, Category.TAKEDOWN), 0)) != 1:
        raise RuntimeError("the new hash is not found")
    return round((time.perf_counter() - began) * 1000, 1)


def ten_million() -> dict[str, object]:
    """The index alone with ten million hashes: memory, and a clip's look-up."""
    rng, made = np.random.default_rng(10), HashIndex()
    sample = rng.integers(0, 256, (QUERY, 32), np.uint8)
    began = time.monotonic()
    for start in range(0, 10 * MILLION, _CHUNK):
        block = rng.integers(0, 256, (_CHUNK, 32), np.uint8)
        if not start:
            block[:QUERY] = sample
        made.add(block)
    built = time.monotonic() - began
    gc.collect()
    queries = [turned_bits(sample, EXACT_REACH, rng) for _ in range(30)]
    times = [_timed(lambda query=query: made.near(query)) for query in queries]
    found = sum(len(set(range(QUERY)) & set(made.near(query).row.tolist())) for query in queries[:5])
    #: The mirror's list, item and state beside the index: 13 bytes a hash.
    return {
        "hashes": len(made),
        "memory_bytes": made.nbytes + 13 * len(made),
        "build_seconds": round(built, 1),
        "first_look_ms": _spread(times),
        "copies_31_bits_apart_found": f"{found} of {5 * QUERY}",
    }


def print_cost() -> dict[str, float]:
    """CPU seconds to hash a clip of ten seconds at 720p, from 60 frames as detectors get them; beyond decoding."""
    frames = [
        Frame(index=number, time_ms=number * 167, pixels=pixels)
        for number, pixels in enumerate(draw_pictures(12, 1280, 720, 6, seed=1))
    ]
    taker = PrintTaker()
    spent: list[float] = []
    with own_seconds(spent.append):
        for _ in range(5):
            taker.see(frames)
    return {"frames": 60.0, "cpu_seconds": round(spent[0], 3)}


def crowding(pictures: int = 4000) -> dict[str, float]:
    """How many more candidates a query meets than with random hashes, among hashes of drawn pictures' parts."""
    rng = np.random.default_rng(3)
    sheets = list(draw_pictures(40, 1280, 720, 2, seed=2)) + list(draw_pictures(40, 1280, 720, 2, seed=7))
    hashes = np.stack([hash_picture(_part(sheets[n % len(sheets)], rng))[0][0] for n in range(pictures)])
    bands = _shuffled(hashes).view("<u2").astype(np.int64)
    flips = np.concatenate([[0], 1 << np.arange(16)])
    met = np.zeros(pictures)
    for band in bands.T:
        counts = np.bincount(band, minlength=1 << 16)
        met += counts[band[:, None] ^ flips].sum(axis=1) - 1
    expected = 272 * pictures / (1 << 16)
    shares = {"mean": met.mean(), "p95": np.percentile(met, 95)}
    return {name: round(float(value / expected), 2) for name, value in shares.items()}


def _part(sheet: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    height = int(rng.integers(200, 700))
    top, left = int(rng.integers(0, 720 - height)), int(rng.integers(0, 1280 - height))
    return np.ascontiguousarray(sheet[top : top + height, left : left + height])


def main() -> None:
    """Measure all, write `results/hashes.json`, print it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hashes", type=int, default=MILLION)
    parser.add_argument("--ten-million", action="store_true", help="also the index with ten million: 1.2 GB, minutes")
    chosen = parser.parse_args()
    began = results.circumstances()
    with passing_state() as state, open_services(Settings(env="development", state=state)) as services:
        figures: dict[str, object] = {"lists": measure(services, chosen.hashes)}
    figures |= {"print": print_cost(), "candidates_against_random": crowding(), "targets": TARGETS}
    if chosen.ten_million:
        results.tell("filling the index with ten million")
        figures["ten_million"] = ten_million()
    path: Path = results.save("hashes", began, figures)
    results.print_table("Hash lists", [("figure", ""), *_lines(figures)])
    print(f"\n{path}")


def _lines(figures: object, name: str = "") -> Iterator[tuple[str, object]]:
    if not isinstance(figures, dict):
        yield name, figures
        return
    for key, value in figures.items():
        yield from _lines(value, f"{name} {key}".strip())


if __name__ == "__main__":
    main()
