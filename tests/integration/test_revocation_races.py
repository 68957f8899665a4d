"""A revocation among fifty clips that show the person and lie between detect and release: none is released after it.

The judgement and the gate are the real ones, on rows; the schedule is drawn, and so is the moment of the revocation.
"""

import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from families import register
from judging_worker import ORG, add_clip, prove, showing

from moderation import consent, judging, release
from moderation.assembly import open_services
from moderation.db.clips import read_clip
from moderation.ids import new_id
from moderation.revocations import beginning, driving, rejudging
from moderation.services import Services

CLIPS, THREADS, ROUNDS = 50, 4, 12


@pytest.fixture
def services(settings) -> Iterator[Services]:
    with open_services(settings) as opened:
        yield opened


def go_on(services, clip, rng, go: threading.Event) -> str:
    """Judge a clip and lead it through the gate as the pipeline does, with pauses in between; how it ends."""
    for judgement in range(5):
        go.wait(rng.random() * 0.05)
        verdict = judging.judge(services, ORG, clip, 1, f"1.{judgement}")
        if verdict != "publishable":
            return verdict
        go.wait(rng.random() * 0.05)
        if release.release(services, ORG, clip, 1) == "released":
            return "released"
    return "held"


def released(services) -> set[str]:
    with services.database.system_transaction() as tx:
        return {clip for (clip,) in tx.pg.execute("select clip_id from moderation.releases").fetchall()}


def race(services, seed: int) -> tuple[set[str], set[str], dict[str, str]]:
    """Released at the revocation's commit, released at the end, and how each clip ended."""
    rng = random.Random(seed)
    person = register(services.database, services.vault)
    analysis, clips = showing(services, person), [new_id("clip") for _ in range(CLIPS)]
    for clip in clips:
        add_clip(services, analysis, clip)
        prove(services, clip)
    never, turn, before = threading.Event(), threading.Semaphore(0), rng.randrange(10, CLIPS - 10)

    def lead(clip: str, own: random.Random) -> str:
        end = go_on(services, clip, own, never)
        turn.release()
        return end

    with ThreadPoolExecutor(THREADS) as threads:
        ends = [threads.submit(lead, clip, random.Random(rng.random())) for clip in clips]
        for _ in range(before):
            turn.acquire()
        revocation = beginning.begin(services, ORG, person, by="test")["revocation_id"]
        at_commit = released(services)
        assert all(_refused(services, clip) for clip in at_commit)
        ended = dict(zip(clips, [end.result() for end in ends], strict=True))
    driving.drive(services, ORG, str(revocation))
    return at_commit & set(clips), released(services) & set(clips), ended


def _refused(services, clip) -> bool:
    with pytest.raises(release.Gone):
        release.media(services, ORG, clip)
    return True


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.full), pytest.param(3, marks=pytest.mark.full)])
def test_no_clip_is_released_after_the_commit_of_a_revocation(services, seed):
    at_commit, at_last, ended = race(services, seed)
    assert at_last == at_commit
    assert {clip for clip, end in ended.items() if end == "released"} == at_commit
    # Some were out by then, and some were stopped at the gate and put before a person.
    assert set(ended.values()) == {"released", "in_review"}
    with services.database.system_transaction() as tx:
        left = tx.pg.execute("select count(*) from moderation.clips where status = 'released'").fetchone()
    assert left == (0,)


def test_limits_and_judgements_at_once_end_neither(services):
    """Clips before people, everywhere: of two who lock them the other way round the database ends one."""
    person = register(services.database, services.vault)
    clips = [new_id("clip") for _ in range(THREADS)]
    for clip in clips:
        add_clip(services, showing(services, person), clip)
        prove(services, clip)

    def lead(clip: str) -> None:
        for judgement in range(ROUNDS):
            with services.database.transaction(ORG) as tx:
                generation = read_clip(tx, clip).generation
            if judging.judge(services, ORG, clip, generation, f"{generation}.{judgement}") == "publishable":
                release.release(services, ORG, clip, generation)
            rejudging.judge_released(services, ORG, person)

    def say_less(done: threading.Event) -> int:
        said = 0
        while not done.is_set():
            with services.database.transaction(ORG) as tx:
                consent.forbid(tx, services.clock.now(), person, [["sexual"], ["violent"]][said % 2], by="test")
                rejudging.judge_clips_of(tx, services.enqueuer, person)
            said += 1
        return said

    done = threading.Event()
    with ThreadPoolExecutor(THREADS + 1) as threads:
        saying = threads.submit(say_less, done)
        try:
            list(threads.map(lead, clips))
        finally:
            done.set()
        assert saying.result() > 0


def test_without_the_checks_at_the_gate_clips_would_be_released_after_it(services, monkeypatch):
    monkeypatch.setattr(release, "still_true", lambda *_: True)
    monkeypatch.setattr(release.stops, "stopped", lambda *_, **__: False)
    person = register(services.database, services.vault)
    clip = new_id("clip")
    add_clip(services, showing(services, person), clip)
    prove(services, clip)
    assert judging.judge(services, ORG, clip, 1, "1.0") == "publishable"
    beginning.begin(services, ORG, person, by="test")
    assert release.release(services, ORG, clip, 1) == "released"
