"""What grows with the deployment: dealing cases out of a long queue, and comparing fingerprints with many stored ones.

Long; never in CI. 100 000 cases and lists of a million hashes so far; people are still to come.
"""

import time
from collections.abc import Callable, Mapping
from datetime import datetime
from statistics import median
from typing import Final

import hashes
import numpy as np
import results
from meters import Meter, database_meter, own_seconds
from states import passing_state

from moderation import review, verification
from moderation.assembly import open_services
from moderation.db import Transaction, queries
from moderation.services import Services
from moderation.settings import Settings
from watermark.fingerprint import Fingerprint
from watermark.reading import MarksReading

ORG: Final = "default"
CASES: Final = 100_000
HASHES: Final = 1_000_000
#: Two a second of a clip of ten seconds.
HASHES_PER_CLIP: Final = 20
CLAIMS: Final = 200
REPEATS: Final = 10
QUEUES: Final = ("general", "likeness", "minor_safety", "explicit", "words")

_CLIPS: Final = b"""
insert into moderation.clips (org_id, clip_id, status, created_at, updated_at)
select %(org)s, 'clip_' || n, 'in_review', %(now)s::timestamptz - n * interval '1 second', %(now)s
from generate_series(1, %(count)s) n"""
_DECISIONS: Final = b"""
insert into moderation.decisions (org_id, decision_id, clip_id, seq, outcome, body, actor_kind, actor, created_at)
select %(org)s, 'dec_' || n, 'clip_' || n, 1, 'review', '{}', 'rule', 'bench', %(now)s
from generate_series(1, %(count)s) n"""
_CASES: Final = b"""
insert into moderation.cases (org_id, case_id, clip_id, queue, opened_by, severity, deadline, created_at)
select %(org)s, 'case_' || n, 'clip_' || n, (%(queues)s::text[])[1 + n %% %(kinds)s], 'dec_' || n, n %% 4,
  %(now)s::timestamptz + (n %% 86400) * interval '1 second', %(now)s
from generate_series(1, %(count)s) n"""


def fill_queues(services: Services) -> float:
    """Put the cases there, straight into the tables; returns the seconds it took."""
    now, began = services.clock.now(), time.monotonic()
    row = {"org": ORG, "now": now, "count": CASES, "queues": list(QUEUES), "kinds": len(QUEUES)}
    with services.database.system_transaction() as tx:
        for statement in (_CLIPS, _DECISIONS, _CASES):
            tx.pg.execute(statement, row)
    with services.database.system_transaction() as tx:
        tx.pg.execute("analyze")
    return time.monotonic() - began


def deal(services: Services, meter: Meter) -> dict[str, object]:
    """Time what reviewers wait for: the list of queues, a page of one, and claims by as many reviewers as claims.

    Milliseconds of waiting, and of the database's CPU on average, which other work on the machine lengthens less.
    """
    someone = review.Reviewer(principal="bench", specialist=True)
    terms = review.terms_of(services.settings)

    def act(do: Callable[[Transaction, datetime], object]) -> float:
        began = time.monotonic()
        with services.database.transaction(ORG) as tx:
            do(tx, services.clock.now())
        return (time.monotonic() - began) * 1000

    def times(acts: list[Callable[[Transaction, datetime], object]]) -> dict[str, float]:
        used = meter.read()
        values = [act(do) for do in acts]
        database = (meter.read() - used).database / len(acts) * 1000
        return spread(values) | {"database_cpu": round(database, 2)}

    def claim(number: int) -> Callable[[Transaction, datetime], object]:
        reviewer = review.Reviewer(principal=f"reviewer-{number}")

        def taken(tx: Transaction, now: datetime) -> object:
            case = review.claim(tx, terms, now, "general", reviewer)
            if case is None:
                raise RuntimeError("the queue gave out nothing")
            return case

        return taken

    return {
        "list_queues_ms": times([lambda tx, now: review.list_queues(tx, now, someone)] * REPEATS),
        "list_cases_ms": times([lambda tx, _: review.list_cases(tx, "general", someone)] * REPEATS),
        "claim_ms": times([claim(number) for number in range(CLAIMS)]),
        "cases": CASES,
        "claims_held_at_once": CLAIMS,
    }


def find_candidates(services: Services) -> dict[str, object]:
    """Time what `verify` does for staff with a copy that has lost its marks: the newest released clips, one by one."""
    rng = np.random.default_rng(6)
    prints = [_print_of(rng) for _ in range(verification.CANDIDATES)]
    now, insert = services.clock.now(), queries("records").insert_fingerprint
    with services.database.transaction(ORG) as tx:
        for number, print_ in enumerate(prints, start=1):
            tx.pg.execute(insert, {"org": ORG, "clip": f"clip_{number}", "body": print_.to_bytes(), "now": now})
    reading = MarksReading(layers={}, fingerprint=prints[-1].to_bytes())
    spent: list[float] = []
    with own_seconds(spent.append):
        found = verification.candidates(services, ORG, reading)
    names = [candidate["clip_id"] for candidate in found]
    return {
        "clips": len(prints),
        "cpu_seconds": round(spent[0], 3),
        "found": names == [f"clip_{len(prints)}"],
    }


def _print_of(rng: np.random.Generator) -> Fingerprint:
    return Fingerprint(
        aspect=16 / 9,
        times=np.arange(HASHES_PER_CLIP, dtype=np.int32) * 500,
        hashes=rng.integers(0, 256, (HASHES_PER_CLIP, 32), np.uint8),
        mirrored=rng.integers(0, 256, (HASHES_PER_CLIP, 32), np.uint8),
        quality=np.full(HASHES_PER_CLIP, 100, np.uint8),
    )


def spread(values: list[float]) -> dict[str, float]:
    """Median and 95th percentile."""
    return {"median": round(median(values), 2), "p95": round(float(np.percentile(values, 95)), 2)}


def main() -> None:
    """Measure all three, write `results/scale.json`, print it."""
    began = results.circumstances()
    with passing_state() as state, open_services(Settings(env="development", state=state)) as services:
        results.tell(f"filling the queues with {CASES} cases")
        filling = fill_queues(services)
        queue = {"filling_seconds": round(filling, 1), **deal(services, database_meter(state))}
        results.tell("comparing fingerprints")
        fingerprints = {"lists": hashes.measure(services, HASHES), "candidates_of_verify": find_candidates(services)}
    figures = {"queue": queue, "fingerprints": fingerprints}
    path = results.save("scale", began, figures)
    _print({"queue": queue, **fingerprints})
    print(f"\n{path}")


def _print(found: Mapping[str, Mapping[str, object]]) -> None:
    lines = []
    for part, figures in found.items():
        for name, value in figures.items():
            parts = value if isinstance(value, dict) else {"": value}
            lines += [(f"{part}: {name} {which}".rstrip(), figure) for which, figure in parts.items()]
    results.print_table("Scale", [("figure", ""), *lines])


if __name__ == "__main__":
    main()
