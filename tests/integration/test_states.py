"""Every state a clip can reach, through the real pipeline: real weights, real marks, real Postgres."""

import dataclasses
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psycopg
import pytest

from detectors import packs
from detectors.rehearsal import RehearsalDetector
from moderation import canary, consent, heartbeat, holding, intake, judging, release, review, scoring
from moderation.api import health
from moderation.assembly import open_services
from moderation.checking import InlineSteps, check_file
from moderation.clips import Submission
from moderation.db.clips import read_clip
from moderation.decisions import Outcome
from moderation.errors import Conflict, Outage
from moderation.pipeline import process_clip
from moderation.replaying import replay_decisions
from moderation.samples.drawing import draw_clip, draw_pictures
from moderation.samples.footage import write_footage
from moderation.services import Services
from moderation.settings import Looking
from moderation.verdicts import read_verdict
from moderation.verification import verify_file

ORG = "default"
DEV = review.Reviewer(principal="dev", specialist=True)
FLAGGED = "a man stabs his neighbour to death"


@pytest.fixture(scope="session")
def drawn(tmp_path_factory) -> Path:
    """A drawn clip of a second."""
    path = tmp_path_factory.mktemp("drawn") / "drawn.mp4"
    draw_clip(path, seconds=1, width=320, height=180)
    return path


@pytest.fixture
def services(settings, loaded, lend_decoders) -> Iterator[Services]:
    """Services over the test's own database and state."""
    with open_services(settings) as opened, lend_decoders(opened):
        opened.__dict__["detectors"] = loaded
        yield opened


def check(services, path, **said):
    clip = check_file(services, ORG, "tester", path, Submission(**({"creator": "ana"} | said)))
    return read_verdict(services, ORG, clip.clip_id)


def scalar(services, query, *args):
    with services.database.system_transaction() as tx:
        row = tx.pg.execute(query, args).fetchone()
    return row[0] if row else None


def run_again(services, clip_id):
    """Carry the clip's latest run out here, as a worker would."""
    with services.database.transaction(ORG) as tx:
        generation = read_clip(tx, clip_id).generation
    process_clip(InlineSteps(services), ORG, clip_id, generation)
    return read_verdict(services, ORG, clip_id)


def decide(services, clip_id, outcome, reason="no_violation"):
    now, terms = services.clock.now(), review.terms_of(services.settings)
    with services.database.transaction(ORG) as tx:
        queue = tx.pg.execute("select queue from moderation.cases where clip_id = %s", (clip_id,)).fetchone()[0]
        case = review.claim(tx, terms, now, queue, DEV, clip_id)
    answer = review.Answer(
        outcome=Outcome(outcome), reason=reason, note="", lease_token=case.lease_token, version=case.version
    )
    with services.database.transaction(ORG) as tx:
        review.decide(tx, services.enqueuer, terms, now, case.case_id, answer, DEV)


def events(services, clip_id):
    with services.database.system_transaction() as tx:
        rows = tx.pg.execute(
            "select type from moderation.events where clip_id = %s order by seq", (clip_id,)
        ).fetchall()
    return [row[0] for row in rows]


def test_a_good_clip_is_released_proven_and_known_again(services, drawn, tmp_path):
    verdict = check(services, drawn)
    assert verdict["status"] == "released"
    assert {verdict["marks"][layer]["state"] for layer in ("visible", "invisible", "c2pa")} == {"found"}
    key, _, size = release.media(services, ORG, verdict["id"])
    copy = tmp_path / "copy.mp4"
    copy.write_bytes(b"".join(services.store.stream(key, 0, size)))
    known = verify_file(services, copy)
    assert (known["origin"], known["clip_id"]) == ("ours", verdict["id"])
    assert {known["layers"][layer]["state"] for layer in ("c2pa", "invisible", "visible", "fingerprint")} == {"found"}
    assert verify_file(services, drawn)["origin"] == "unknown"
    assert "score" not in known["layers"]["visible"]
    assert "geometry" not in known["layers"]["invisible"]
    assert "score" in verify_file(services, copy, staff_of=ORG)["layers"]["visible"]


def test_the_same_bytes_give_the_same_answer_bit_for_bit(services, drawn):
    first, second = (check(services, drawn, prompt="a quiet lake") for _ in range(2))
    for part in ("signals", "segments", "faces", "looks", "audience", "notes"):
        assert first[part] == second[part]
    unlike = {"id", "trace_url", "facts_hash"}
    assert {k: v for k, v in first["decision"].items() if k not in unlike} == {
        k: v for k, v in second["decision"].items() if k not in unlike
    }
    assert replay_decisions(services, ORG).different == []
    assert replay_decisions(services, ORG).equal == 2


def test_a_clip_that_changed_unseen_waits_for_a_person_and_says_where(services, tmp_path):
    pictures = (next(draw_pictures(1, 320, 180, 30, seed)) for seed in range(45))
    write_footage(tmp_path / "cuts.mp4", pictures, fps=30)
    verdict = check(services, tmp_path / "cuts.mp4")
    assert verdict["status"] == "in_review"
    assert [reason["code"] for reason in verdict["decision"]["reasons"]] == ["processing_failed"]
    assert verdict["decision"]["queue"] == "failures"
    looks = verdict["looks"]
    assert len(looks["shots"]) > 40
    assert looks["seen_ms"][0] == 0
    assert looks["unseen"]
    assert not any(at["start_ms"] <= seen <= at["end_ms"] for at in looks["unseen"] for seen in looks["seen_ms"])
    assert {segment["label"] for segment in verdict["segments"]} >= {"unseen"}


def test_a_flagged_clip_waits_for_a_person_and_an_approval_passes_the_gate(services, drawn):
    verdict = check(services, drawn, prompt=FLAGGED)
    assert verdict["status"] == "in_review"
    with pytest.raises(Conflict):
        release.media(services, ORG, verdict["id"])
    decide(services, verdict["id"], "allow")
    verdict = run_again(services, verdict["id"])
    assert verdict["status"] == "released"
    assert verdict["decision"]["decided_by"] == "dev"
    assert events(services, verdict["id"]) == ["clip.in_review", "clip.released"]
    assert replay_decisions(services, ORG).different == []


def test_a_persons_block_withholds_at_once(services, drawn):
    verdict = check(services, drawn, prompt=FLAGGED)
    decide(services, verdict["id"], "block", "violence")
    assert read_verdict(services, ORG, verdict["id"])["status"] == "withheld"
    assert events(services, verdict["id"]) == ["clip.in_review", "clip.withheld"]


def test_a_known_illegal_file_is_sealed_before_any_detector_looks(services, drawn, put_on_list):
    sha256 = services.store.put(ORG, "upload", drawn).sha256
    put_on_list(services, bytes.fromhex(sha256))
    verdict = check(services, drawn)
    assert verdict["status"] == "withheld"
    assert [reason["code"] for reason in verdict["decision"]["reasons"]] == ["known_illegal"]
    assert scalar(services, "select count(*) from moderation.analyses") == 0
    assert scalar(services, "select count(*) from moderation.renditions") == 0
    assert scalar(services, "select queue from moderation.cases") == "known_illegal"
    assert scalar(services, "select body::jsonb -> 'data' ->> 'reasons' from moderation.events") == "[]"
    assert [key for key, _ in services.store.list(f"{ORG}/upload")] == []
    assert len(list(services.store.list(f"{ORG}/sealed"))) == 1


def test_a_known_illegal_picture_is_found_in_a_reencoded_file(services, drawn, tmp_path, put_on_list):
    other = tmp_path / "again.mp4"
    draw_clip(other, seconds=1, width=640, height=360)
    seen = services.sandbox.fingerprint(drawn)
    telling = seen.hashes[seen.quality >= 50]
    if not len(telling):
        telling = seen.hashes[:1]
    put_on_list(services, np.ascontiguousarray(telling[0]).tobytes(), kind="pdq")
    near = services.sandbox.fingerprint(other)
    if (near.quality >= 50).any():
        assert check(services, other)["status"] == "withheld"
    else:
        pytest.fail("the drawn clip has no frame that PDQ can tell apart; draw a busier one")


def test_a_detector_that_is_down_for_all_holds_clips_and_they_finish_by_themselves(services, drawn, tmp_path):
    models = tmp_path / "models"
    shutil.copytree(services.settings.models, models)
    finder = packs.model_path(models, "face_detection_yunet")
    whole = finder.read_bytes()
    finder.write_bytes(whole[:-1])
    broken = Services(
        services.settings.model_copy(update={"models": models, "retrying": services.settings.retrying}),
        services.database,
        services.enqueuer,
        server=services._server,
    )
    verdict = check(broken, drawn)
    assert verdict["status"] == "held"
    assert verdict["held"]["cause"].startswith("detector")
    assert "face_detection_yunet" in broken.detector_faults["faces"]
    canary.probe_failing(broken)
    assert broken.detector_faults
    assert scalar(services, "select count(*) from moderation.cases") == 0
    assert run_again(broken, verdict["id"])["status"] == "held"
    finder.write_bytes(whole)
    with services.database.system_transaction() as tx:
        tx.pg.execute("update moderation.clips set retry_at = now() - interval '1 second'")
    assert holding.resume_held(broken) == 1
    assert run_again(broken, verdict["id"])["status"] == "released"
    assert broken.detector_faults == {}
    assert scalar(services, "select count(*) from moderation.cases") == 0
    broken.sandbox.close()


def test_a_detector_whose_numbers_drifted_looks_at_no_clip_until_it_passes_its_probe_again(services, drawn):
    drifting = RehearsalDetector(name="drifts", values={})
    services.__dict__["detectors"] = (*services.detectors, drifting)
    assert canary.probe_detectors(services) == {}
    drifting.drifted = True
    assert canary.probe_detectors(services) == {"drifts": "drifts was told to be drifted"}
    verdict = check(services, drawn)
    assert (verdict["status"], verdict["held"]["cause"]) == ("held", "detector:drifts")
    drifting.drifted = False
    canary.probe_failing(services)
    with services.database.system_transaction() as tx:
        tx.pg.execute("update moderation.clips set retry_at = now() - interval '1 second'")
    assert holding.resume_held(services) == 1
    assert run_again(services, verdict["id"])["status"] == "released"
    assert scalar(services, "select count(*) from moderation.cases") == 0


def hurry(services, **looking):
    """Let deadlines come soon: of the clip's work, and of a probe."""
    limits = {"seconds_at_least": 60.0, "seconds_per_second": 0.001, "probe_seconds": 60.0} | looking
    services.settings.looking = Looking(**limits)


def due_now(services):
    with services.database.system_transaction() as tx:
        tx.pg.execute("update moderation.clips set retry_at = now() - interval '1 second'")
    return holding.resume_held(services)


def test_a_detector_that_hangs_holds_clips_and_they_finish_by_themselves(services, drawn):
    hanging = RehearsalDetector(name="hangs", values={}, slow=600)
    services.__dict__["detectors"] = (*services.detectors, hanging)
    services.probing = True
    hurry(services, seconds_at_least=12, probe_seconds=6)
    told = []
    services.on_faults = lambda: told.append(dict(services.detector_faults))
    verdict = check(services, drawn)
    assert (verdict["status"], verdict["held"]["cause"]) == ("held", "detector:hangs")
    assert list(services.detector_faults) == ["hangs"]
    assert scalar(services, "select count(*) from moderation.analyses") == 0
    # No other clip is looked at meanwhile, and none waits for the deadline again.
    began = time.monotonic()
    assert check(services, drawn)["status"] == "held"
    assert time.monotonic() - began < 12
    canary.probe_failing(services)
    assert list(services.detector_faults) == ["hangs"]
    assert services.left_behind.of("hangs") == 3
    # What follows looks for good, however busy the machine is.
    hurry(services)
    hanging.slow = 0
    hanging.hurried.set()
    canary.probe_failing(services)
    assert services.detector_faults == {}
    assert [list(faults) for faults in told] == [["hangs"], []]
    assert due_now(services) == 2
    assert run_again(services, verdict["id"])["status"] == "released"
    assert scalar(services, "select count(*) from moderation.cases") == 0


def test_without_the_deadline_a_hanging_detector_would_keep_the_clip(services, drawn):
    hanging = RehearsalDetector(name="hangs", values={}, slow=600)
    services.__dict__["detectors"] = (*services.detectors, hanging)
    hurry(services, seconds_at_least=600)
    checking = threading.Thread(target=check, args=(services, drawn), daemon=True)
    checking.start()
    checking.join(4)
    assert checking.is_alive()
    assert scalar(services, "select status from moderation.clips") == "processing"
    hanging.slow = 0
    hanging.hurried.set()
    checking.join(60)
    assert scalar(services, "select status from moderation.clips") == "released"


def test_an_outage_met_over_a_clip_is_told_at_once_until_a_probe_passes(services, drawn):
    broken = RehearsalDetector(name="breaks", values={})
    services.__dict__["detectors"] = (*services.detectors, broken)
    services.probing = True
    services.on_faults = lambda: heartbeat.beat(services, "worker", ["detect"])
    services.on_faults()
    assert health._detectors(services) is None
    broken.broken = True
    assert check(services, drawn)["status"] == "held"
    with pytest.raises(Outage, match="breaks"):
        health._detectors(services)
    broken.broken = False
    canary.probe_failing(services)
    assert health._detectors(services) is None


def test_a_clip_that_one_detector_chokes_on_goes_before_a_person_after_three_tries(services, drawn):
    services.__dict__["detectors"] = (*services.detectors, RehearsalDetector(name="chokes", values={}, choking=True))
    verdict = check(services, drawn)
    assert verdict["status"] == "in_review"
    assert [reason["code"] for reason in verdict["decision"]["reasons"]] == ["detector_unavailable"]
    assert scalar(services, "select queue from moderation.cases") == "failures"
    decide(services, verdict["id"], "allow")
    assert run_again(services, verdict["id"])["status"] == "in_review"


def test_a_time_stamp_service_that_is_down_holds_clips(settings, loaded, drawn):
    marking = settings.marking.model_copy(update={"timestamp_url": "http://127.0.0.1:9/"})
    with open_services(settings.model_copy(update={"marking": marking})) as services:
        services.__dict__["detectors"] = loaded
        verdict = check(services, drawn)
        assert (verdict["status"], verdict["held"]["cause"]) == ("held", "timestamp")
        assert scalar(services, "select count(*) from moderation.cases") == 0


def test_withdrawn_clips_give_no_media_and_stay_withdrawn(services, drawn):
    verdict = check(services, drawn)
    release.withdraw(services, ORG, verdict["id"], "tester", "asked by the creator")
    release.withdraw(services, ORG, verdict["id"], "tester", "twice")
    with pytest.raises(release.Gone):
        release.media(services, ORG, verdict["id"])
    assert events(services, verdict["id"]) == ["clip.released", "clip.withdrawn"]


def test_a_legal_hold_beats_deletion(services, drawn):
    verdict = check(services, drawn, prompt="a quiet lake")
    with services.database.transaction(ORG) as tx:
        tx.pg.execute(
            "insert into moderation.legal_holds (org_id, clip_id, reason, placed_by, placed_at) "
            "values ('default', %s, 'court order', 'counsel', now())",
            (verdict["id"],),
        )
    kept = "select count(*) from moderation.fingerprints where sketches is not null"
    proofs = "select count(*) from moderation.proofs where body ?| array['fingerprint', 'sketches']"
    with pytest.raises(Conflict):
        release.delete(services, ORG, verdict["id"], "tester")
    assert (scalar(services, kept), scalar(services, proofs)) == (1, 1)
    with services.database.transaction(ORG) as tx:
        tx.pg.execute("update moderation.legal_holds set lifted_at = now()")
    release.delete(services, ORG, verdict["id"], "tester")
    assert (scalar(services, kept), scalar(services, proofs)) == (0, 0)
    assert scalar(services, "select prompt from moderation.clips") is None
    assert scalar(services, "select count(*) from moderation.facts") == 0
    assert [key for key, _ in services.store.list(ORG)] == []


def test_a_draft_is_judged_again_when_it_is_to_be_public(services, drawn):
    verdict = check(services, drawn, visibility="draft")
    assert verdict["status"] == "released"
    release.publish_draft(services, ORG, verdict["id"], "tester")
    with pytest.raises(Conflict):
        release.media(services, ORG, verdict["id"])
    verdict = run_again(services, verdict["id"])
    assert (verdict["status"], verdict["visibility"]) == ("released", "public")


def test_a_check_that_died_ends_before_a_person_and_a_living_one_is_left_alone(services, drawn):
    clip = intake.accept_file(services, ORG, "tester", drawn, Submission(creator="ana"), runner="check")
    with psycopg.connect(services.dsn, autocommit=True) as living:
        living.execute("select pg_advisory_lock(hashtextextended(%s, 0))", (holding.check_lock(clip.clip_id),))
        assert holding.end_abandoned_checks(services) == 0
        backend = living.info.backend_pid
    # The lock goes when the server has noticed, a moment after this end hung up.
    while scalar(services, "select count(*) from pg_stat_activity where pid = %s", backend):
        time.sleep(0.01)
    assert holding.end_abandoned_checks(services) == 1
    verdict = read_verdict(services, ORG, clip.clip_id)
    assert verdict["status"] == "in_review"
    assert [reason["code"] for reason in verdict["decision"]["reasons"]] == ["processing_failed"]


def test_a_dead_check_that_nothing_can_end_keeps_no_other_from_its_end(services, drawn, monkeypatch):
    said = Submission(creator="ana")
    first, second = (intake.accept_file(services, ORG, "tester", drawn, said, runner="check") for _ in range(2))
    ended = holding.open_failed

    def fail_once(tx, services, clip, *why):
        monkeypatch.setattr(holding, "open_failed", ended)
        raise KeyError(clip.clip_id)

    monkeypatch.setattr(holding, "open_failed", fail_once)
    assert [holding.end_abandoned_checks(services) for _ in range(3)] == [1, 1, 0]
    assert {read_verdict(services, ORG, each.clip_id)["status"] for each in (first, second)} == {"in_review"}


class TestConsentAtTheGate:
    """A revocation committed before the release always wins."""

    @pytest.fixture
    def person(self, services) -> str:
        with services.database.transaction(ORG) as tx:
            person = consent.add_person(
                tx,
                services.vault,
                services.clock.now(),
                name="Ana",
                kind="cameo",
                vectors=np.eye(1, 128, dtype=np.float32),
                model=services.face_model,
                sources=["test"],
                by="test",
            )
            consent.grant(tx, services.clock.now(), person, grantee="ana", scope="face", by="test")
        return person

    def publishable(self, services, drawn, person) -> str:
        """Take a clip that declares the person up to the gate, proven."""
        said = Submission(creator="ana", cameos=(person,))
        clip = intake.accept_file(services, ORG, "tester", drawn, said, runner="check").clip_id
        steps = InlineSteps(services)
        for step in ("begin", "screen", "detect", "mark"):
            steps.run(step, ORG, clip, 1)
        assert judging.judge(services, ORG, clip, 1, "1.0") == "publishable"
        assert release.prove(services, ORG, clip, 1) == "proven"
        return clip

    def revoke(self, services, person):
        with services.database.transaction(ORG) as tx:
            consent.revoke(tx, services.clock.now(), person, by="test")

    def test_standing_consent_releases(self, services, drawn, person):
        assert release.release(services, ORG, self.publishable(services, drawn, person), 1) == "released"

    def test_a_revocation_in_between_stops_it(self, services, drawn, person):
        clip = self.publishable(services, drawn, person)
        self.revoke(services, person)
        assert release.release(services, ORG, clip, 1) == "facts_changed"
        assert scalar(services, "select count(*) from moderation.releases") == 0

    def test_without_both_checks_it_would_have_been_released(self, services, drawn, person, monkeypatch):
        clip = self.publishable(services, drawn, person)
        self.revoke(services, person)
        monkeypatch.setattr(release, "still_true", lambda *_: True)
        assert release.release(services, ORG, clip, 1) == "facts_changed"
        monkeypatch.setattr(release.stops, "stopped", lambda *_, **__: False)
        assert release.release(services, ORG, clip, 1) == "released"

    def add(self, services):
        with services.database.transaction(ORG) as tx:
            consent.add_person(
                tx,
                services.vault,
                services.clock.now(),
                name="Bo",
                kind="protected_person",
                vectors=np.eye(1, 128, dtype=np.float32),
                model=services.face_model,
                sources=["test"],
                by="test",
            )

    def test_a_person_added_in_between_is_looked_for_first(self, services, drawn, person):
        clip = self.publishable(services, drawn, person)
        self.add(services)
        services.readings.forget(ORG, clip)
        assert release.release(services, ORG, clip, 1) == "facts_changed"
        assert judging.judge(services, ORG, clip, 1, "1.1") == "gallery_changed"

    def test_what_was_read_is_compared_with_a_person_added_in_between_without_another_look(
        self, services, drawn, person, monkeypatch
    ):
        clip = self.publishable(services, drawn, person)
        self.add(services)
        monkeypatch.setattr(scoring, "look", None)
        assert judging.judge(services, ORG, clip, 1, "1.1") == "publishable"
        self.add(services)
        assert release.release(services, ORG, clip, 1) == "released"
        # One row for each registry the clip was compared with.
        assert scalar(services, "select count(*) from moderation.analyses where clip_id = %s", clip) == 3
        assert services.readings.find(ORG, clip) is None

    def test_a_person_added_in_between_who_is_in_the_clip_stops_it(self, services, drawn, person, monkeypatch):
        clip = self.publishable(services, drawn, person)
        self.add(services)
        seen = scoring.told

        def with_bo(look, findings):
            found = seen(look, findings)
            return dataclasses.replace(found, faces=[{"track": 0, "person": "per_bo"}])

        monkeypatch.setattr(scoring, "told", with_bo)
        assert release.release(services, ORG, clip, 1) == "facts_changed"


class TestGate:
    """What lacks a mark is never released; with the gate off it would be."""

    @pytest.fixture
    def unmarked(self, services, drawn, monkeypatch) -> None:
        """The marked file is swapped for a signed one without pixel marks."""
        from moderation import marking  # noqa: PLC0415

        monkeypatch.setattr(type(services.sandbox), "mark", lambda _self, source, target, *_: _copy(source, target))
        assert marking.mark

    def test_a_clip_without_marks_is_held_when_nobodys_passes(self, services, drawn, unmarked):
        verdict = check(services, drawn)
        assert (verdict["status"], verdict["held"]["cause"]) == ("held", "marks")
        assert scalar(services, "select count(*) from moderation.releases") == 0

    def test_a_clip_that_alone_lacks_its_marks_goes_before_a_person(self, services, drawn, unmarked, monkeypatch):
        monkeypatch.setattr(canary, "demand_marks", lambda _services: None)
        verdict = check(services, drawn)
        assert verdict["status"] == "in_review"
        assert [reason["code"] for reason in verdict["decision"]["reasons"]] == ["processing_failed"]

    def test_with_the_gate_off_it_would_be_released(self, services, drawn, unmarked, monkeypatch):
        from watermark.reading import Proof  # noqa: PLC0415

        monkeypatch.setattr(Proof, "passed", property(lambda _self: True))
        assert check(services, drawn)["status"] == "released"


def _copy(source, target):
    shutil.copyfile(source, target)
    return {
        "frames": 30,
        "duration_ms": 1000,
        "width": 320,
        "height": 180,
        "audio": "none",
        "cpu_seconds_by_stage": {"encode": 0.0},
    }


def test_a_healthy_canary_blames_nobody(services):
    canary.demand_marks(services)


def test_a_canary_that_fails_too_is_an_outage(services, monkeypatch):
    monkeypatch.setattr(type(services.sandbox), "mark", lambda _self, source, target, *_: _copy(source, target))
    with pytest.raises(Outage):
        canary.demand_marks(services)


def test_a_canary_that_nobody_foresaw_to_fail_is_an_outage_too(services):
    services.__dict__["mark_keys"] = {}
    with pytest.raises(Outage) as outage:
        canary.demand_marks(services)
    assert outage.value.cause == "marks"


def test_a_sealed_clip_is_no_longer_its_platforms_to_touch(services, drawn, put_on_list):
    sha256 = services.store.put(ORG, "upload", drawn).sha256
    put_on_list(services, bytes.fromhex(sha256))
    clip = check(services, drawn, visibility="draft")["id"]
    for act in (release.delete, release.publish_draft):
        with pytest.raises(Conflict):
            act(services, ORG, clip, "tester")
    with pytest.raises(Conflict):
        release.withdraw(services, ORG, clip, "tester", "never mind")
    assert scalar(services, "select state from moderation.cases") == "open"
    assert len(list(services.store.list(f"{ORG}/sealed"))) == 1
