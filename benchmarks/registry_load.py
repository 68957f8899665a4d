"""What a large registry costs whoever judges: loading it at the start, seeing an edit, and the faces of one clip.

    python benchmarks/registry_load.py [--people 1000000]

Long (ten minutes and more for a million); never in CI. A registry of people who do not exist lies in an embedded
Postgres; it is read, searched and edited by the code that workers run. Vectors are random: what is measured is work.
"""

import argparse
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TypeVar

import numpy as np
import results
from meters import Meter, database_meter
from numpy.typing import NDArray
from states import passing_state

from detectors.likeness import Likeness, Lines, turn
from moderation import consent
from moderation.assembly import open_services
from moderation.consent.templates import rotation_of
from moderation.galleries import Galleries
from moderation.naming import Names
from moderation.services import Services
from moderation.settings import Settings

ORG: Final = "default"
NOW: Final = datetime.now(UTC)
DIM: Final = 128
#: Faces of a clip of five seconds, and what is read of each: its mean and six views.
FACES: Final = 2
VIEWS: Final = 6
EDITS: Final = 30
CLIPS: Final = 200
_BLOCK: Final = 10_000
_SEED: Final = 23

#: Directions in which the network's vectors really differ, by the growth of pairs' distances (likeness_lines.py).
_FREE: Final = 30

Vectors = NDArray[np.float32]
T = TypeVar("T")


def faces(count: int, seed: int) -> Vectors:
    """Vectors of nobody, float32 [count, DIM], as long as the network's and as far from each other."""
    wide = np.random.default_rng(_SEED).standard_normal((_FREE + 1, DIM))
    drawn = np.random.default_rng([_SEED, seed]).standard_normal((count, _FREE)) @ wide[1:]
    drawn *= 0.55 / np.linalg.norm(drawn, axis=1, keepdims=True)
    return np.asarray(drawn + wide[0] / np.linalg.norm(wide[0]) * 1.3, np.float32)


def fill(services: Services, people: int) -> None:
    """Write a registry down in bulk: a sealed name, a key, a template and an index row for each person."""
    with services.database.transaction(ORG) as tx:
        rotation = rotation_of(tx, services.vault, DIM)
    for start in range(0, people, _BLOCK):
        results.tell(f"written: {start} of {people}")
        count = min(_BLOCK, people - start)
        ids = [f"{start + number:026d}" for number in range(count)]
        rows = turn(faces(count, start), rotation).astype("<f4")
        with services.database.system_transaction() as tx:
            for table, lines in _tables(services, ids, rows):
                with tx.pg.cursor().copy(f"copy moderation.{table} from stdin") as copy:
                    for line in lines:
                        copy.write_row(line)
    with services.database.system_transaction() as tx:
        tx.pg.execute("analyze")


def _tables(services: Services, ids: list[str], rows: Vectors) -> Iterator[tuple[str, Iterator[tuple[object, ...]]]]:
    """The rows of a block of people by table, in the order of their references."""
    keys = [services.vault.new_person_key(f"per_{one}") for one in ids]
    model = services.face_model
    yield (
        "people (org_id, person_id, kind, name, state, verification, created_at)",
        (
            (ORG, f"per_{one}", "cameo", _named(services, one, key), "verified", "bench", NOW)
            for one, key in zip(ids, keys, strict=True)
        ),
    )
    yield (
        "person_keys (org_id, person_id, wrapped)",
        ((ORG, f"per_{one}", key) for one, key in zip(ids, keys, strict=True)),
    )
    yield (
        "templates (org_id, template_id, person_id, model, sealed, source, created_at)",
        ((ORG, f"enr_{one}", f"per_{one}", model, b"never opened here", "bench", NOW) for one in ids),
    )
    yield (
        "gallery_vectors (org_id, template_id, person_id, model, vector)",
        ((ORG, f"enr_{one}", f"per_{one}", model, row.tobytes()) for one, row in zip(ids, rows, strict=True)),
    )


def _named(services: Services, one: str, key: bytes) -> bytes:
    """A name of two words that nobody else has."""
    number = int(one)
    name = f"{_word(number // 1000)} {_word(number % 1000)}"
    return services.vault.seal_for(f"per_{one}", key, name.encode(), "name")


def _word(number: int) -> str:
    syllables = ["ba", "do", "ki", "lu", "me", "no", "pa", "ri", "su", "te"]
    return "".join(syllables[int(digit)] for digit in f"{number:04d}").capitalize()


def timed(act: Callable[[], T], meter: Meter) -> tuple[T, dict[str, float]]:
    """What an act answers, and its cost in seconds: wall clock, this process's processors, the database's."""
    before, began = meter.read(), time.monotonic()
    answer = act()
    used = meter.read() - before
    return answer, {
        "wall_s": round(time.monotonic() - began, 3),
        "cpu_s": round(used.service, 3),
        "database_cpu_s": round(used.database, 3),
    }


def measure(services: Services, people: int, meter: Meter) -> dict[str, object]:
    """Load, judge, edit, as one worker does."""
    galleries, names = Galleries(), Names()

    def gallery() -> object:
        with services.database.transaction(ORG) as tx:
            return galleries.current(tx, services.vault, services.face_model, DIM)

    def named() -> object:
        with services.database.transaction(ORG) as tx:
            return names.find(tx, services.vault, {"prompt": "a walk along the river"})

    before = _resident()
    results.tell("loading")
    _, loading = timed(gallery, meter)
    faces_mb = _resident() - before
    results.tell("names")
    _, opening = timed(named, meter)
    names_mb = _resident() - before - faces_mb
    return {
        "loading_faces": loading,
        "loading_names": opening,
        "memory_faces_mb": faces_mb,
        "memory_names_mb": names_mb,
        "unchanged": _both([_spent(gallery) for _ in range(CLIPS)]),
        "clip": clips(services, galleries),
        "edits": edits(services, gallery, named),
        "people": people,
    }


def clips(services: Services, galleries: Galleries) -> dict[str, object]:
    """The comparing that a clip of five seconds takes: making the gallery ready, and each of its faces."""
    with services.database.transaction(ORG) as tx:
        gallery = galleries.current(tx, services.vault, services.face_model, DIM)
    lines = Lines()
    making, comparing, used = [], [], []
    for number in range(CLIPS):
        tracks = faces(FACES * (VIEWS + 1), 10**9 + number).reshape(FACES, VIEWS + 1, DIM)
        began, cpu = time.perf_counter(), time.thread_time()
        likeness = Likeness(gallery, lines)
        making.append((time.perf_counter() - began) * 1000)
        for track in tracks:
            likeness.compare(track[0], track[1:])
        comparing.append((time.perf_counter() - began) * 1000)
        used.append((time.thread_time() - cpu) * 1000)
    return {
        "faces": FACES,
        "ready_ms": _spread(making),
        "all_ms": _spread(comparing),
        "all_cpu_ms": _spread(used),
    }


def edits(services: Services, gallery: Callable[[], object], named: Callable[[], object]) -> dict[str, object]:
    """From the commit of an enrolment, or of an erasure, to a worker whose next question sees it."""
    added, erased, names = [], [], []
    people = []
    for number in range(EDITS):
        with services.database.transaction(ORG) as tx:
            people.append(
                consent.add_person(
                    tx,
                    services.vault,
                    NOW,
                    name=f"Edit {number}",
                    kind="cameo",
                    vectors=faces(3, 10**10 + number),
                    model=services.face_model,
                    sources=["bench"] * 3,
                    by="bench",
                )
            )
        added.append(_spent(gallery))
        names.append(_spent(named))
    for person in people:
        with services.database.transaction(ORG) as tx:
            consent.erase_person(tx, NOW, person, by="bench")
        erased.append(_spent(gallery))
    return {"enrolled": _both(added), "names": _both(names), "erased": _both(erased)}


def waiting(services: Services, meter: Meter) -> dict[str, object]:
    """An enrolment that is committed while another process begins to load everything."""
    started = threading.Event()
    galleries = Galleries()

    def load() -> None:
        with services.database.transaction(ORG) as tx:
            started.set()
            galleries.current(tx, services.vault, services.face_model, DIM)

    thread = threading.Thread(target=load)
    thread.start()
    started.wait()
    time.sleep(1)

    def enrol() -> None:
        with services.database.transaction(ORG) as tx:
            consent.add_person(
                tx,
                services.vault,
                NOW,
                name="Meanwhile",
                kind="cameo",
                vectors=faces(1, 10**11),
                model=services.face_model,
                sources=["bench"],
                by="bench",
            )

    _, cost = timed(enrol, meter)
    loading = thread.is_alive()
    thread.join()
    return {"enrolled_while_loading_s": cost["wall_s"], "was_loading": loading}


def _spent(act: Callable[[], object]) -> tuple[float, float]:
    """Milliseconds that an act took, and those of them that this thread used a processor."""
    began, used = time.perf_counter(), time.thread_time()
    act()
    return (time.perf_counter() - began) * 1000, (time.thread_time() - used) * 1000


def _both(spent: list[tuple[float, float]]) -> dict[str, dict[str, float]]:
    return {"ms": _spread([wall for wall, _ in spent]), "cpu_ms": _spread([cpu for _, cpu in spent])}


def _spread(values: list[float]) -> dict[str, float]:
    return {
        name: round(float(np.percentile(values, at)), 2) for name, at in (("median", 50), ("p95", 95), ("most", 100))
    }


def _resident() -> int:
    """This process's resident memory in MiB."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) // 1024


def main() -> None:
    """Measure, write `results/registry_load.json`, print it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--people", type=int, default=1_000_000)
    people = parser.parse_args().people
    began = results.circumstances()
    with (
        passing_state() as state,
        open_services(Settings(env="development", state=state)) as services,
    ):
        meter = database_meter(state)
        _, filling = timed(lambda: fill(services, people), meter)
        figures = {"writing": filling, **measure(services, people, meter), **waiting(services, meter)}
    path = results.save("registry_load", began, figures)
    results.print_table("A large registry", [("part", "figures"), *figures.items()])
    print(f"\n{path}")


if __name__ == "__main__":
    main()
