"""The pointer moves while four worker processes judge: no verdict lost, none of two versions, none of an old one late."""

import itertools
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from psycopg.types.json import Jsonb

from moderation.assembly import open_services
from moderation.policy.model import LANGUAGE
from moderation.replaying import replay_decisions
from moderation.rulebook import emergencies, lifecycle
from moderation.rulebook.bundles import read_texts
from moderation.rulebook.lifecycle import Act
from moderation.services import Services
from moderation.settings import Policies

ORG = "default"
WORKERS = 4
WORKER = Path(__file__).parents[1] / "assets" / "judging_worker.py"
ANA, BEN = Act(by="ana"), Act(by="ben")
EMERGENCY = """\
language: 1
owner: on call
description: until morning
queue: explicit
requires: []
rules:
  - rule: doubtful
    when: {signal: explicit.score, at_least: 0.99}
    then: {outcome: block, reasons: [explicit_content]}
"""


@pytest.fixture
def services(settings, embedded_pack) -> Iterator[Services]:
    with open_services(settings.model_copy(update={"policies": Policies(mode="database")})) as opened:
        yield opened


@pytest.fixture
def second(services) -> lifecycle.Bundle:
    """Another version, approved and looked at."""
    texts = read_texts(services.settings.policies_dir())
    changed = texts["explicit/policy.yaml"].replace("at_least: 0.30", "at_least: 0.31")
    assert changed != texts["explicit/policy.yaml"]
    bundle = lifecycle.hand_in(services, ORG, {**texts, "explicit/policy.yaml": changed}, ANA)
    lifecycle.propose(services, ORG, bundle.bundle_id, ANA)
    lifecycle.approve(services, ORG, bundle.bundle_id, BEN)
    # As after a look at its cases, which is tested elsewhere and takes its time.
    checked = {"code": f"{services.version}/{LANGUAGE}", "findings": []}
    with services.database.transaction(ORG) as tx:
        tx.pg.execute(lifecycle.SQL.note_check, {"bundle": bundle.bundle_id, "checked": Jsonb(checked)})
    return bundle


class Crew:
    """Worker processes that judge, and what they noted."""

    def __init__(self, services: Services, folder: Path) -> None:
        self.folder = folder
        environment = {
            **os.environ,
            "MODERATION_ENV": "development",
            "MODERATION_STATE": str(services.settings.state),
            "MODERATION_DATABASE_URL": services.settings.database_url.get_secret_value(),
            "MODERATION_POLICIES__MODE": "database",
            "PYTHONPATH": str(Path(__file__).parents[2]),
        }
        self.processes = [
            subprocess.Popen(
                [sys.executable, WORKER, str(number), folder / "stop", self.notes(number)], env=environment
            )
            for number in range(WORKERS)
        ]

    def notes(self, number: int) -> Path:
        return self.folder / f"{number}.jsonl"

    def judgements(self) -> list[list[dict]]:
        texts = [path.read_text() if path.exists() else "" for path in map(self.notes, range(WORKERS))]
        return [[json.loads(line) for line in text.splitlines() if line.endswith("}")] for text in texts]

    def until(self, each: int, after: float = 0.0, seconds: float = 240.0) -> None:
        """Wait until each worker began and ended so many judgements after a moment."""
        deadline = time.monotonic() + seconds
        while min(sum(note["began"] > after for note in notes) for notes in self.judgements()) < each:
            assert all(process.poll() is None for process in self.processes), "a worker died"
            assert time.monotonic() < deadline, "the workers judge too slowly"
            time.sleep(0.1)

    def stop(self) -> None:
        (self.folder / "stop").touch()
        for process in self.processes:
            assert process.wait(60) == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A change of what judges: the version after it, when it was asked for and when that was answered."""

    version: str
    asked: float
    made: float


@pytest.mark.full
def test_no_verdict_is_lost_or_mixed_or_late_when_the_pointer_moves(services, second, tmp_path):
    first = services.ruleset.version
    crew = Crew(services, tmp_path)
    moves: list[Move] = []
    try:
        crew.until(5)
        lifecycle.shadow(services, ORG, second.bundle_id, ANA)
        crew.until(5, after=time.time())
        for act in (
            lambda: lifecycle.enforce(services, ORG, second.bundle_id, 100, ANA),
            lambda: lifecycle.roll_back(services, ORG, ANA),
            lambda: emergencies.break_glass(services, ORG, EMERGENCY, by="ana", why="a wave"),
        ):
            asked = time.time()
            act()
            made = time.time()
            crew.until(5, after=made)
            with services.database.transaction(ORG) as tx:
                version = services.rulebook.choose(tx, "clip", services.clock.now()).acting.version
            moves.append(Move(version=version, asked=asked, made=made))
    finally:
        crew.stop()
    judged = crew.judgements()
    with services.database.system_transaction() as tx:
        found = tx.pg.execute("select clip_id, policy_version from moderation.decisions").fetchall()
        shadows = tx.pg.execute("select count(*) from moderation.shadow_decisions").fetchone()
    versions = dict(found)
    assert len(found) == len(versions)
    assert set(versions) >= {note["clip"] for each in judged for note in each}, "a verdict was lost"
    order = [first, *(move.version for move in moves)]
    for each in judged:
        taken = [versions[note["clip"]] for note in each]
        assert [version for version, _ in itertools.groupby(taken)] == order, "a worker went back, or mixed"
    for move, following in itertools.zip_longest(moves, moves[1:]):
        until = following.asked if following else float("inf")
        # What was under way at the next move may be judged by either.
        since = [[note for note in each if move.made < note["began"] and note["ended"] < until] for each in judged]
        assert {versions[note["clip"]] for each in since for note in each} == {move.version}, "old rules, late"
        first_ends = [min(note["ended"] for note in each) - move.made for each in since]
        usual = statistics.median(note["ended"] - note["began"] for each in judged for note in each)
        told = ", ".join(f"{seconds:.2f}" for seconds in first_ends)
        print(
            f"move took {move.made - move.asked:.2f} s; first verdicts after {told} s; a judgement takes {usual:.2f} s"
        )
    assert shadows[0] > 0
    replayed = replay_decisions(services, ORG)
    assert (replayed.different, replayed.equal) == ([], len(versions))
