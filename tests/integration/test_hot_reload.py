"""The pointer moves while four worker processes judge: no verdict lost, none of two versions, none of an old one late."""

import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
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
#: The requirement: in force on all workers within a second.
IN_FORCE_SECONDS = 1.0
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
    """Another version that judged every clip before the first one was brought back."""
    texts = read_texts(services.settings.policies_dir())
    changed = texts["explicit/policy.yaml"].replace("at_least: 0.30", "at_least: 0.31")
    assert changed != texts["explicit/policy.yaml"]
    bundle = lifecycle.hand_in(services, ORG, {**texts, "explicit/policy.yaml": changed}, ANA)
    lifecycle.propose(services, ORG, bundle.bundle_id, ANA)
    lifecycle.approve(services, ORG, bundle.bundle_id, BEN)
    lifecycle.shadow(services, ORG, bundle.bundle_id, ANA)
    # As after a look at its cases, which is tested elsewhere and takes its time.
    checked = {"code": f"{services.version}/{LANGUAGE}", "findings": []}
    with services.database.transaction(ORG) as tx:
        tx.pg.execute(lifecycle.SQL.note_check, {"bundle": bundle.bundle_id, "checked": Jsonb(checked)})
    lifecycle.enforce(services, ORG, bundle.bundle_id, 100, ANA)
    lifecycle.roll_back(services, ORG, ANA)
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


@pytest.mark.full
def test_no_verdict_is_lost_or_mixed_or_late_when_the_pointer_moves(services, second, tmp_path):
    first = services.ruleset.version
    crew = Crew(services, tmp_path)
    try:
        crew.until(5)
        before = time.time()
        lifecycle.roll_back(services, ORG, ANA, second.bundle_id)
        moved = time.time()
        crew.until(5, after=moved)
        emergencies.break_glass(services, ORG, EMERGENCY, by="ana", why="a wave")
        laid = time.time()
        with services.database.transaction(ORG) as tx:
            strict = services.rulebook.choose(tx, "clip", services.clock.now()).acting.version
        crew.until(5, after=laid)
    finally:
        crew.stop()
    judged = crew.judgements()
    with services.database.system_transaction() as tx:
        found = tx.pg.execute("select clip_id, policy_version from moderation.decisions").fetchall()
    versions = dict(found)
    notes = [note for each in judged for note in each]
    assert len(found) == len(versions)
    assert set(versions) >= {note["clip"] for note in notes}, "a verdict was lost"
    order = {first: 0, second.version: 1, strict: 2}
    for each in judged:
        ranks = [order[versions[note["clip"]]] for note in each]
        assert ranks == sorted(ranks), "a worker went back to older rules"
        assert set(ranks) == {0, 1, 2}
    late = [note for note in notes if moved < note["began"] and versions[note["clip"]] == first]
    assert late == []
    unsafe = [note for note in notes if laid < note["began"] and versions[note["clip"]] != strict]
    assert unsafe == []
    waits = [
        min(note["ended"] for note in each if versions[note["clip"]] == second.version) - before for each in judged
    ]
    print(f"{len(notes)} judgements; first verdict by the new rules after {[round(wait, 3) for wait in waits]} s")
    longest = max(note["ended"] - note["began"] for note in notes)
    assert max(waits) <= IN_FORCE_SECONDS + longest
    replayed = replay_decisions(services, ORG)
    assert (replayed.different, replayed.equal) == ([], len(versions))
    assert list(itertools.chain.from_iterable(judged)) == notes
