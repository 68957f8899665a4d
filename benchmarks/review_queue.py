"""What reviewers wait for when a million cases wait: the list of queues, a claim, a case, by how many statements.

Long; never in CI. Milliseconds by the clock, and of the database's CPU on average, which other work lengthens less.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from statistics import median
from typing import TYPE_CHECKING, Any, Final, cast

import numpy as np
import results
from meters import Meter, database_meter
from states import passing_state

from moderation import review
from moderation.assembly import open_services
from moderation.db import Transaction
from moderation.decisions import Decision, Outcome, Reason
from moderation.review import dealing
from moderation.review.queues import fold_changes
from moderation.settings import Settings

if TYPE_CHECKING:
    from moderation.services import Services

ORG: Final = "default"
CASES: Final = 1_000_000
QUEUES: Final = ("explicit", "general", "likeness", "rights", "words")
REVIEWERS: Final = 200
REPEATS: Final = 100
TARGETS: Final = {"list_queues_p95_ms": 100.0, "list_queues_statements": 3, "read_case_p95_ms": 150.0}
SOMEONE: Final = review.Reviewer(principal="bench", specialist=True)

_CLIPS: Final = b"""
insert into moderation.clips (org_id, clip_id, status, created_at, updated_at)
select %(org)s, 'clip_' || n, 'in_review', %(now)s::timestamptz - n * interval '1 second', %(now)s
from generate_series(1, %(count)s) n"""
_DECISIONS: Final = b"""
insert into moderation.decisions (org_id, decision_id, clip_id, seq, outcome, body, actor_kind, actor, created_at)
select %(org)s, 'dec_' || n, 'clip_' || n, 1, 'review', %(body)s, 'rule', 'bench', %(now)s
from generate_series(1, %(count)s) n"""
#: Three in four are severe, and those come first: what a reviewer at cap has to be dealt past.
_CASES: Final = b"""
insert into moderation.cases (org_id, case_id, clip_id, queue, opened_by, severity, deadline, created_at)
select %(org)s, 'case_' || n, 'clip_' || n, (%(queues)s::text[])[1 + n %% %(kinds)s], 'dec_' || n,
  case when n <= %(count)s * 3 / 4 then 90 else n %% 80 end,
  %(now)s::timestamptz + n * interval '1 second',
  %(now)s::timestamptz - (n::bigint * 7919 %% 86400) * interval '1 second'
from generate_series(1, %(count)s) n"""


def fill(services: "Services") -> float:
    """Put the cases there, straight into the tables; returns the seconds it took."""
    began = time.monotonic()
    opened = Decision(outcome=Outcome.REVIEW, facts_hash="", reasons=(Reason(code="explicit_content"),))
    row = {"org": ORG, "now": services.clock.now(), "count": CASES, "body": opened.to_bytes().decode()}
    row |= {"queues": list(QUEUES), "kinds": len(QUEUES)}
    for statement in (_CLIPS, _DECISIONS, _CASES, b"analyze"):
        with services.database.system_transaction() as tx:
            tx.pg.execute(statement, row if statement != b"analyze" else None)
    return time.monotonic() - began


Act = Callable[[Transaction, datetime], object]


def timed(services: "Services", meter: Meter, acts: list[Act]) -> dict[str, float]:
    """Do each act in a transaction of its own."""
    used, values = meter.read(), []
    for act in acts:
        began = time.monotonic()
        with services.database.transaction(ORG) as tx:
            act(tx, services.clock.now())
        values.append((time.monotonic() - began) * 1000)
    database = (meter.read() - used).database / len(acts) * 1000
    spread = {"median_ms": round(median(values), 2), "p95_ms": round(float(np.percentile(values, 95)), 2)}
    return spread | {"database_cpu_ms": round(database, 2)}


def read_whole(tx: Transaction, case_id: str) -> review.Case:
    """What the case page and `GET /v1/cases/{id}` read of the queue's own."""
    case = review.read_case(tx, case_id)
    review.demand_access(tx, case.queue, SOMEONE)
    review.opening_decision(tx, case)
    review.history(tx, case, SOMEONE)
    review.opinions_to_show(tx, case, SOMEONE)
    return case


class Counting:
    """A connection that counts the statements it passes on."""

    def __init__(self, connection: object) -> None:
        self._connection = connection
        self.sent = 0

    def __getattr__(self, name: str) -> object:
        if name in {"execute", "cursor"}:
            self.sent += 1
        return getattr(self._connection, name)


def count_statements(services: "Services", act: Act) -> int:
    """How many statements an act sends, besides those that begin and end its transaction."""
    with services.database.transaction(ORG) as tx:
        counting = Counting(tx.pg)
        act(replace(tx, pg=cast("Any", counting)), services.clock.now())
    return counting.sent


def measure(services: "Services", meter: Meter) -> dict[str, object]:
    """Lists, claims of many reviewers, claims past severe cases, and cases as pages read them."""
    terms = review.terms_of(services.settings)

    def listed(tx: Transaction, now: datetime) -> object:
        return review.list_queues(tx, now, SOMEONE)

    def claimed(number: int) -> Act:
        reviewer = review.Reviewer(principal=f"reviewer-{number}")

        def act(tx: Transaction, now: datetime) -> object:
            return _demanded(review.claim(tx, terms, now, QUEUES[number % len(QUEUES)], reviewer))

        return act

    def past_severe(tx: Transaction, now: datetime) -> object:
        where = {"queue": "words", "clip": None, "now": now, "holder": "capped", "again": False}
        row = {**where, "severe_from": terms.caps.severe_from, "beside": ""}
        return _demanded(tx.pg.execute(dealing.SQL.next_case + dealing.BY_DEADLINE, row).fetchone())

    def read(number: int) -> Act:
        return lambda tx, _: read_whole(tx, f"case_{number * 9973 % CASES + 1}")

    lines = [line.waiting for line in _lines(services)]
    return {
        "cases": sum(lines),
        "claims_held_at_once": REVIEWERS,
        "claim": timed(services, meter, [claimed(number) for number in range(REVIEWERS)]),
        "list_queues": timed(services, meter, [listed] * REPEATS),
        "list_queues_statements": count_statements(services, listed),
        "claim_statements": count_statements(services, claimed(REVIEWERS)),
        "past_severe": timed(services, meter, [past_severe] * 20),
        "read_case": timed(services, meter, [read(number) for number in range(REPEATS)]),
    }


def _demanded(found: object) -> object:
    if found is None:
        raise RuntimeError("the queue gave out nothing")
    return found


def _lines(services: "Services") -> list[review.QueueLine]:
    with services.database.transaction(ORG) as tx:
        return review.list_queues(tx, services.clock.now(), SOMEONE)


def main() -> None:
    """Measure, write `results/review_queue.json`, print it."""
    began = results.circumstances()
    with passing_state() as state, open_services(Settings(env="development", state=state)) as services:
        results.tell(f"filling the queues with {CASES} cases")
        filling = fill(services)
        with services.database.system_transaction() as tx:
            fold_changes(tx)
        figures = {"targets": TARGETS, "filling_seconds": round(filling, 1), **measure(services, database_meter(state))}
    path = results.save("review_queue", began, figures)
    _print(figures)
    print(f"\n{path}")


def _print(figures: Mapping[str, object]) -> None:
    lines: list[tuple[object, ...]] = [("figure", "")]
    for name, value in figures.items():
        parts = value if isinstance(value, dict) else {"": value}
        lines += [(f"{name} {which}".rstrip(), figure) for which, figure in parts.items()]
    results.print_table("Review queue", lines)


if __name__ == "__main__":
    main()
