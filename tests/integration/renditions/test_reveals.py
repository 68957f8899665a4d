"""Reveals on a real database: what is counted, and every refusal, each beside what is let through."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from moderation import exposure, reveals
from moderation.db import Database, Transaction, queries
from moderation.errors import Conflict, Forbidden, NotFound
from moderation.exposure import Caps, Standing
from moderation.reveals import NotRunning, Reveal, Wish
from moderation.review import Reviewer

SQL = queries("exposure")
CAPS = Caps(
    day=timedelta(seconds=60),
    run=timedelta(seconds=30),
    cooling=timedelta(minutes=10),
    pause=timedelta(minutes=5),
    severe_from=80,
)
AMINA = Reviewer(principal="amina", specialist=True)
BILAL = Reviewer(principal="bilal")
HERE, ELSEWHERE = b"h" * 32, b"e" * 32


@dataclass(slots=True)
class Desk:
    """Amina's desk: cases she holds, and a clock. Each call is one transaction, as a request is."""

    database: Database
    now: datetime = datetime(2026, 11, 2, 9, tzinfo=UTC)

    def passes(self, **by: float) -> None:
        self.now += timedelta(**by)

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        with self.database.transaction() as tx:
            yield tx

    def run(self, statement: str, *values: object) -> list[tuple]:
        with self.transaction() as tx:
            found = tx.pg.execute(statement, values)
            return found.fetchall() if found.description else []

    def case(self, name: str, severity: int = 10, queue: str = "general", holder: str = "amina") -> str:
        """Open a case of a clip of its own, held with the token "token"."""
        self.run(
            "insert into moderation.clips (org_id, clip_id, status, created_at, updated_at) "
            "values ('default', %s, 'in_review', %s, %s)",
            f"clip_{name}",
            self.now,
            self.now,
        )
        self.run(
            "insert into moderation.decisions (org_id, decision_id, clip_id, seq, outcome, body, actor_kind, actor, "
            "created_at) values ('default', %s, %s, 1, 'review', '{}', 'rule', 'policy', %s)",
            f"dec_{name}",
            f"clip_{name}",
            self.now,
        )
        self.add_case(f"case_{name}", name, severity, queue, holder)
        return f"case_{name}"

    def add_case(self, case_id: str, name: str, severity: int, queue: str, holder: str, state: str = "open") -> None:
        self.run(
            "insert into moderation.cases (org_id, case_id, clip_id, queue, state, opened_by, severity, deadline, "
            "created_at, lease_token, lease_holder, lease_expires_at) "
            "values ('default', %s, %s, %s, %s, %s, %s, %s, %s, 'token', %s, %s)",
            case_id,
            f"clip_{name}",
            queue,
            state,
            f"dec_{name}",
            severity,
            self.now,
            self.now,
            holder,
            self.now + timedelta(hours=1),
        )

    def begin(self, case: str, who: Reviewer = AMINA, token: str = "token", **wish: object) -> Reveal:
        asked = Wish(**{"rendition": "revealed", "lease_token": token, "session": HERE, **wish})
        with self.transaction() as tx:
            return reveals.begin(tx, self.now, CAPS, case, asked, who)

    def beat(self, reveal: Reveal, session: bytes = HERE) -> Reveal:
        with self.transaction() as tx:
            return reveals.beat(tx, self.now, CAPS, reveal.reveal_id, AMINA, session)

    def end(self, reveal: Reveal, who: Reviewer = AMINA) -> int | None:
        with self.transaction() as tx:
            return reveals.end(tx, self.now, reveal.reveal_id, who)

    def reveal(self, case: str, seconds: float) -> int | None:
        reveal = self.begin(case)
        self.passes(seconds=seconds)
        return self.end(reveal)

    def shown(self, reveal: Reveal, kind: str = "revealed", case: str = "", **asked: object) -> Reveal:
        """Ask for a file as its route does. Raises what refuses it."""
        who, session = asked.get("who", AMINA), asked.get("session", HERE)
        with self.transaction() as tx:
            return reveals.demand_shown(tx, self.now, reveal.reveal_id, case or reveal.case_id, kind, who, session)

    def standing(self, case: str | None = None, principal: str = "amina") -> Standing:
        with self.transaction() as tx:
            return exposure.standing(tx, self.now, principal, CAPS, case)

    def ledger(self) -> list[tuple]:
        return self.run("select principal, rendition, ms, severity from moderation.exposures order by exposure_id")


@pytest.fixture
def desk(database: Database) -> Desk:
    return Desk(database)


def test_a_look_is_counted_to_the_millisecond_once_and_audited(desk):
    case = desk.case("one", severity=30)
    reveal = desk.begin(case, rendition="cartoon")
    desk.passes(milliseconds=2_345)
    assert desk.standing().day_ms == 2_345, "while it runs"
    assert desk.end(reveal, BILAL) is None, "nobody ends another's"
    assert desk.end(reveal) == 2_345
    assert desk.end(reveal) is None
    assert desk.ledger() == [("amina", "cartoon", 2_345, 30)]
    assert (desk.standing().day_ms, desk.standing(principal="bilal").day_ms) == (2_345, 0)
    entries = [json.loads(body) for (body,) in desk.run("select body from moderation.audit_entries")]
    told = {entry["action"]: (entry["subject"], entry["details"]) for entry in entries}
    assert told["reveal.begun"] == (case, {"rendition": "cartoon", "sound": False})
    assert told["reveal.ended"] == (case, {"ms": 2_345})


def test_a_look_that_is_never_ended_counts_to_its_limit(desk):
    class Serving:
        clock = type("Clock", (), {"now": lambda _: desk.now})()
        database = desk.database

    desk.begin(desk.case("one"))
    assert exposure.settle_overdue(Serving) == 0, "it still runs"
    desk.passes(minutes=2)
    assert desk.standing().day_ms == 15_000
    assert exposure.settle_overdue(Serving) == 1
    assert exposure.settle_overdue(Serving) == 0
    assert desk.ledger() == [("amina", "revealed", 15_000, 10)]
    assert desk.standing().day_ms == 15_000


def test_beats_prolong_it_and_silence_ends_it(desk):
    reveal = desk.begin(desk.case("one"))
    desk.passes(seconds=12)
    assert desk.beat(reveal).shown_until == desk.now + exposure.SLICE
    desk.passes(seconds=14)
    assert desk.shown(reveal)
    desk.passes(seconds=1)
    for refused in (desk.shown, desk.beat):
        with pytest.raises(NotRunning):
            refused(reveal)
    desk.passes(minutes=1)
    assert desk.end(reveal) == 27_000, "to the limit of the last beat"


def test_a_new_look_ends_the_one_before(desk):
    case = desk.case("one")
    first = desk.begin(case)
    desk.passes(seconds=4)
    second = desk.begin(case)
    assert desk.ledger() == [("amina", "revealed", 4_000, 10)]
    assert desk.shown(second)
    with pytest.raises(NotRunning):
        desk.shown(first)


def test_a_file_is_served_under_the_reveal_of_that_very_thing_only(desk):
    case, other = desk.case("one"), desk.case("two")
    reveal = desk.begin(case, rendition="revealed", sound=True)
    assert desk.shown(reveal, "revealed")
    assert desk.shown(reveal, "sound")
    for asked in ({"kind": "cartoon"}, {"case": other}, {"who": BILAL}, {"session": ELSEWHERE}):
        with pytest.raises(NotRunning):
            desk.shown(reveal, **asked)
    with pytest.raises(NotRunning):
        desk.beat(reveal, ELSEWHERE)
    silent = desk.begin(case, rendition="revealed")
    with pytest.raises(NotRunning):
        desk.shown(silent, "sound")
    alone = desk.begin(case, rendition="sound")
    assert desk.shown(alone, "sound")
    with pytest.raises(NotRunning):
        desk.shown(alone, "revealed")


def test_without_the_lease_nothing_is_unveiled(desk):
    case = desk.case("one")
    reveal = desk.begin(case)
    assert desk.shown(reveal)
    with pytest.raises(Conflict):
        desk.begin(case, token="another")
    with pytest.raises(Conflict):
        desk.begin(case, BILAL)
    for lost in (
        "lease_holder = 'bilal'",
        "lease_holder = 'amina', lease_expires_at = '2026-11-02 09:00:00+00'",
        "lease_expires_at = '2026-11-02 10:00:00+00', state = 'decided'",
        "lease_token = null, lease_holder = null, lease_expires_at = null, state = 'open'",
    ):
        desk.run(f"update moderation.cases set {lost}")
        for refused in (desk.shown, desk.beat):
            with pytest.raises(Conflict):
                refused(reveal)
        with pytest.raises(Conflict):
            desk.begin(case)


def test_no_reveal_passes_a_cap_and_a_pause_makes_room(desk):
    case = desk.case("one")
    assert [desk.reveal(case, 12), desk.reveal(case, 12)] == [12_000, 12_000]
    last = desk.begin(case)
    assert last.shown_until == desk.now + timedelta(seconds=6), "what is left of the run"
    desk.passes(seconds=5)
    assert desk.beat(last).shown_until == desk.now + timedelta(seconds=1)
    desk.passes(seconds=1)
    with pytest.raises(NotRunning):
        desk.shown(last)
    assert desk.end(last) == 6_000
    with pytest.raises(exposure.Capped) as capped:
        desk.begin(case)
    assert capped.value.params["rested_at"] == (desk.now + CAPS.pause).isoformat()
    assert not desk.standing().severe_allowed(desk.now)
    desk.passes(minutes=5)
    assert desk.standing().severe_allowed(desk.now)
    assert [desk.reveal(case, 15), desk.reveal(case, 20)] == [15_000, 15_000]
    desk.passes(minutes=5)
    with pytest.raises(exposure.Capped):
        desk.begin(case)
    assert desk.standing().day_ms == 60_000
    desk.passes(hours=16)
    assert desk.standing().day_ms == 0


def test_after_a_severe_case_the_next_one_waits_but_not_the_one_in_hand(desk):
    severe, next_ = desk.case("severe", severity=80), desk.case("next", severity=80)
    desk.reveal(severe, 1)
    assert desk.reveal(severe, 1), "the case in hand may be looked at again"
    assert not desk.standing().severe_allowed(desk.now)
    with pytest.raises(exposure.Cooling):
        desk.begin(next_)
    desk.passes(minutes=10)
    assert desk.standing().severe_allowed(desk.now)
    assert desk.begin(next_)


def test_a_break_ends_the_look_and_unveils_nothing(desk):
    case = desk.case("one")
    reveal = desk.begin(case)
    desk.passes(seconds=3)
    with desk.transaction() as tx:
        began = exposure.begin_break(tx, desk.now, "amina")
    assert desk.ledger() == [("amina", "revealed", 3_000, 10)]
    with pytest.raises(NotRunning):
        desk.shown(reveal)
    with pytest.raises(exposure.OnBreak):
        desk.begin(case)
    desk.passes(minutes=2)
    with desk.transaction() as tx:
        assert exposure.begin_break(tx, desk.now, "amina") == began, "begun twice it is one"
    assert desk.standing().break_since == began
    with desk.transaction() as tx:
        assert exposure.end_break(tx, desk.now, "amina") == timedelta(minutes=2)
        assert exposure.end_break(tx, desk.now, "amina") == timedelta(0)
    assert (desk.standing().break_since, desk.standing().run_ms) == (None, 3_000), "too short for a pause"
    assert desk.begin(case)


def test_specialists_material_is_never_unveiled_to_anybody(desk):
    case = desk.case("one")
    assert desk.begin(case)
    minors = desk.case("minors", queue="minor_safety")
    for rendition in ("revealed", "cartoon", "sound"):
        for who in (AMINA, Reviewer(principal="amina")):
            with pytest.raises(Forbidden):
                desk.begin(minors, who, rendition=rendition)


def test_the_strictest_queue_of_a_clip_counts_and_takes_a_look_away(desk):
    case = desk.case("one")
    reveal = desk.begin(case)
    assert desk.shown(reveal)
    desk.add_case("case_again", "one", 90, "minor_safety", "bilal", state="decided")
    with pytest.raises(Forbidden, match="stays veiled"):
        desk.shown(reveal)
    with pytest.raises(Forbidden, match="stays veiled"):
        desk.begin(case)
    desk.add_case("case_sealed", "one", 100, "known_illegal", "bilal", state="decided")
    with pytest.raises(NotFound):
        desk.shown(reveal)
    with pytest.raises(NotFound):
        desk.begin(case)


def test_two_pages_of_one_person_share_one_cap(desk, dsn):
    case = desk.case("one")
    with desk.transaction() as tx, psycopg.connect(dsn) as other:
        exposure.lock_person(tx, "amina")
        other.execute("set lock_timeout = '50ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            other.execute(SQL.lock_person, {"org": "default", "principal": "amina"})
    assert desk.begin(case)


def test_the_ledger_is_append_only(desk):
    desk.now = datetime.now(UTC)
    desk.reveal(desk.case("one"), 1)
    for statement in ("update moderation.exposures set ms = 0", "delete from moderation.exposures"):
        with pytest.raises(psycopg.Error, match="append-only"), desk.database.system_transaction() as tx:
            tx.pg.execute(statement)
