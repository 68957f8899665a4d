"""Two hundred reviewers in processes that die: no case decided twice, none lost, leases back in time."""

import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from moderation.clock import SystemClock
from moderation.decisions import Decision, Outcome, Reason
from moderation.review.following import follow_due

CROWD = Path(__file__).parents[2] / "assets" / "crowd.py"
PROCESSES, REVIEWERS, CASES, KILLS = 4, 200, 300, 3
LEASE_S, UNDO_S = 1.5, 0.3

FILL = """
insert into moderation.clips (org_id, clip_id, status, created_at, updated_at)
select 'default', 'clip_' || n, 'in_review', %(now)s, %(now)s from generate_series(1, %(count)s) n;
insert into moderation.decisions (org_id, decision_id, clip_id, seq, outcome, body, actor_kind, actor, created_at)
select 'default', 'dec_' || n, 'clip_' || n, 1, 'review', %(body)s, 'rule', 'policy', %(now)s
from generate_series(1, %(count)s) n;
insert into moderation.cases (org_id, case_id, clip_id, queue, opened_by, severity, deadline, created_at)
select 'default', 'case_' || n, 'clip_' || n, (array['explicit', 'likeness', 'words'])[1 + n %% 3], 'dec_' || n, n %% 90,
  %(now)s::timestamptz + n %% 50 * interval '1 minute', %(now)s
from generate_series(1, %(count)s) n;
"""


class Crowds:
    """The processes, killed and replaced at will."""

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn
        self.share = REVIEWERS // PROCESSES
        self.running = [self.start(number) for number in range(PROCESSES)]
        assert [process.stdout.readline() for process in self.running] == ["working\n"] * PROCESSES

    def start(self, number: int) -> subprocess.Popen[str]:
        first = str(number * self.share)
        command = [sys.executable, str(CROWD), self.dsn, first, str(self.share), str(LEASE_S), str(UNDO_S)]
        environment = {**os.environ, "PYTHONPATH": str(CROWD.parents[2])}
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        return subprocess.Popen(command, text=True, env=environment, **pipes)

    def kill(self, number: int) -> list[tuple[str, datetime, datetime]]:
        """Kill a process whose reviewers hold cases, start another; those cases, the end of each lease, the moment."""
        killed_at = datetime.now(UTC)
        # Stopped, they cannot decide what they hold before they are killed.
        self.running[number].send_signal(signal.SIGSTOP)
        if not self.held(number, killed_at):
            self.running[number].send_signal(signal.SIGCONT)
            return []
        self.running[number].send_signal(signal.SIGKILL)
        self.running[number].wait()
        self.running[number].stdin.close()
        self.running[number].stdout.close()
        held = self.held(number, killed_at)
        self.running[number] = self.start(number)
        return [(case, ends, killed_at) for case, ends in held]

    def held(self, number: int, at: datetime) -> list[tuple[str, datetime]]:
        names = [f"reviewer-{name}" for name in range(number * self.share, (number + 1) * self.share)]
        with psycopg.connect(self.dsn) as connection:
            return connection.execute(
                "select case_id, lease_expires_at from moderation.cases "
                "where state = 'open' and lease_holder = any(%s) and lease_expires_at > %s",
                (names, at),
            ).fetchall()

    def stop(self) -> None:
        for process in self.running:
            if process.poll() is None:
                process.stdin.write("\n")
                process.stdin.close()
        for process in self.running:
            process.wait(40)
            process.stdout.close()


@pytest.fixture
def crowds(dsn):
    with psycopg.connect(dsn, autocommit=True) as connection:
        body = Decision(outcome=Outcome.REVIEW, facts_hash="", reasons=(Reason(code="explicit_content"),))
        row = {"now": datetime.now(UTC), "count": CASES, "body": body.to_bytes().decode()}
        for statement in FILL.strip().split(";\n"):
            connection.execute(statement.rstrip(";"), row)
    made = Crowds(dsn)
    yield made
    made.stop()


class Worker:
    """As much of the services as the sweep needs."""

    def __init__(self, desk) -> None:
        self.database, self.enqueuer, self.clock = desk.database, desk.enqueuer, SystemClock()


@contextmanager
def sweeping(worker: Worker):
    """A worker's sweep beside the block."""
    over = threading.Event()

    def sweep() -> None:
        while not over.wait(0.1):
            follow_due(worker)

    thread = threading.Thread(target=sweep)
    thread.start()
    yield
    over.set()
    thread.join()


@pytest.mark.full
def test_two_hundred_reviewers_whose_processes_die_decide_every_case_once(desk, crowds):
    lost: list[tuple[str, datetime, datetime]] = []
    turns = itertools.cycle(range(PROCESSES))
    deadline, kill_at = time.monotonic() + 180, [CASES * (KILLS - kill) // (KILLS + 1) for kill in range(KILLS)]
    with sweeping(Worker(desk)):
        while left := desk.scalar("select count(*) from moderation.cases where state = 'open' or followed_at is null"):
            assert time.monotonic() < deadline, f"{left} cases were never decided"
            assert all(process.poll() is None for process in crowds.running), "a reviewer met what nobody foresaw"
            # Not by how far the sweep came: it may lag behind reviewers who have nothing left to hold.
            undecided = desk.scalar("select count(*) from moderation.cases where state = 'open'")
            if kill_at and undecided <= kill_at[0] and (held := crowds.kill(next(turns))):
                kill_at.pop(0)
                lost += held
            time.sleep(0.05)
    assert kill_at == []

    twice = "select case_id from moderation.opinions o where decision_id is not null and {} group by case_id having count(*) <> 1"
    standing = "not exists (select 1 from moderation.undone_opinions u where u.opinion_id = o.opinion_id)"
    assert desk.column(twice.format(standing)) == []
    assert desk.scalar("select count(*) from moderation.cases where decided_by is null") == 0
    own = f"select clip_id from moderation.opinions o where {standing} group by clip_id, reviewer having count(*) > 1"
    assert desk.column(own) == []
    alone = (
        "select c.case_id from moderation.cases c join moderation.decisions d on d.decision_id = c.decided_by "
        "where c.queue = 'words' and d.outcome <> 'block' and (select count(*) from moderation.opinions o "
        f"where o.case_id = c.case_id and {standing}) < 2"
    )
    assert desk.column(alone) == []
    assert desk.scalar("select coalesce(sum(change), 0)::int from moderation.queue_changes") == 0
    runs = "select count(*)::int from dbos.workflow_status where name = 'process_clip'"
    let_out = (
        "select count(*)::int from moderation.cases c join moderation.decisions d on d.decision_id = c.decided_by "
        "where d.outcome <> 'block'"
    )
    assert desk.scalar(runs) == desk.scalar(let_out)
    again = "select min(at) from moderation.case_actions where case_id = %s and action = 'claimed' and at > %s"
    late = [(desk.scalar(again, case, killed) - ends).total_seconds() for case, ends, killed in lost]
    # Dealt again soon after; how soon depends on what else the machine does.
    assert max(late) <= 10.0, sorted(late)
