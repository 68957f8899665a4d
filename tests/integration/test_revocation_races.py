"""A revocation among fifty clips that show the person and lie between detect and release: none is released after it.

The judgement and the gate are the real ones, on rows; the schedule is drawn, and so is the moment of the revocation.
"""

import base64
import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from families import register
from judging_worker import SIGNAL, add_clip

from moderation import judging, release
from moderation.assembly import open_services
from moderation.ids import new_id
from moderation.revocations import beginning, driving
from moderation.scoring import Analysis
from moderation.services import Services

ORG, CLIPS, THREADS = "default", 50, 4


@pytest.fixture
def services(settings) -> Iterator[Services]:
    with open_services(settings) as opened:
        yield opened


def showing(services, person) -> Analysis:
    """What the detectors would have found: this person, sure."""
    near = {"person": person, "distance": 0.5, "state": "matched"}
    face = {"track": 1, "start_ms": 0, "end_ms": 1000, "state": "matched", "person": person, "distance": 0.5}
    signals = {name: {**SIGNAL, "samples": [[0, 0.0, None]]} for name in services.ruleset.required}
    return Analysis(signals=signals, faces=[{**face, "candidates": [near]}], seen_ms=[0, 500])


def prove(services, clip) -> None:
    """Write down what the gate's look at the marked bytes would have said."""
    body = f'{{"fingerprint": "{base64.b64encode(b"print").decode()}"}}'
    with services.database.transaction(ORG) as tx:
        tx.pg.execute("update moderation.clips set creator = 'ana' where clip_id = %s", (clip,))
        tx.pg.execute(
            "insert into moderation.mark_payloads (payload, org_id, clip_id, key_version, minted_at) "
            "values (right(%(clip)s, 12), 'default', %(clip)s, 0, now())",
            {"clip": clip},
        )
        tx.pg.execute(
            "insert into moderation.renditions (org_id, clip_id, kind, sha256, blob_key, bytes, report, created_at) "
            "values ('default', %(clip)s, 'marked', %(clip)s, %(clip)s, 1, '{}', now())",
            {"clip": clip},
        )
        tx.pg.execute(
            "insert into moderation.proofs (org_id, clip_id, sha256, passed, body, created_at) "
            "values ('default', %(clip)s, %(clip)s, true, %(body)s, now())",
            {"clip": clip, "body": body},
        )


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
