"""Enrolments through the whole service: real decoder, real networks, real Postgres; a relief of a head is the person."""

import itertools
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import cv2
import heads
import numpy as np
import pytest
from clips import ClipPlan, Sound, draw_clip

from detectors.minors import AgeState, TrackAge
from detectors.rehearsal import RehearsalSpeech
from detectors.speech import Utterance
from moderation import consent
from moderation.assembly import open_services
from moderation.clock import Clock
from moderation.consent.people import lock_person
from moderation.enrolling import attempts, challenges, showing
from moderation.enrolling.checking import Checker
from moderation.enrolling.checks import Check, CheckState, check_all
from moderation.enrolling.comparing import compare_people
from moderation.enrolling.recordings import Heard, Measured, measure
from moderation.enrolling.verdicts import NEEDED, Outcome, Verdict, conclude
from moderation.errors import Conflict, NotFound, RefusedAtTheDoor, TooLarge, Unprocessable
from moderation.likeness_settings import LikenessSettings
from moderation.samples.portraits import portrait
from moderation.services import Services
from moderation.settings import Settings

ORG = "default"
VOICE = "en+f4"
#: A recording of which nothing was read.
NOTHING = Measured(
    duration_ms=12_000,
    sights=(),
    thirds=(),
    views=np.empty((0, 128), np.float32),
    age=TrackAge(state=AgeState.UNREAD),
    heard=Heard(),
)


class Moved(Clock):
    """The time, moved by hand."""

    def __init__(self, start):
        self.at = start

    def now(self):
        return self.at


@pytest.fixture
def services(settings, loaded, lend_decoders) -> Iterator[Services]:
    likeness = LikenessSettings(challenge_s=600, attempts_per_hour=50, attempts_per_day=50)
    with open_services(settings.model_copy(update={"likeness": likeness})) as opened, lend_decoders(opened):
        opened.clock = Moved(opened.clock.now())
        opened.__dict__["detectors"] = loaded
        yield opened


@pytest.fixture
def person(services):
    with services.database.transaction(ORG) as tx:
        wanted = consent.NewPerson(name="Eileen", kind="cameo", state="pending", account="acc_1")
        return consent.register(tx, services.vault, services.clock.now(), wanted, by="platform")


@pytest.fixture
def plain(tmp_path):
    """A film without a face: what it holds is of no importance where only its handling is tested."""
    return draw_clip(tmp_path / "plain.mp4", ClipPlan(width=64, height=48, fps=10, frames=10, sounds=(Sound(),)))


def ask(services, person):
    return attempts.ask(services, ORG, person, by="platform")


def hand_in(services, person, asked, path):
    return attempts.receive(services, ORG, person, asked.enrolment_id, path, by="platform")


def read(services, asked):
    with services.database.transaction(ORG) as tx:
        return attempts.read(tx, asked.enrolment_id)


def state_of(services, person):
    with services.database.transaction(ORG) as tx:
        return consent.read_person(tx, services.vault, person).state


def templates(services):
    with services.database.transaction(ORG) as tx:
        return tx.pg.execute("select count(*) from moderation.gallery_vectors").fetchone()[0]


def blobs(services):
    return [key for key, _ in services.store.list(f"{ORG}/recording")]


def test_a_challenge_is_answered_once_in_time_and_by_its_person(services, person, plain):
    first, second = ask(services, person), ask(services, person)
    assert first.challenge != second.challenge
    with pytest.raises(attempts.ChallengeOver):
        hand_in(services, person, first, plain)
    with pytest.raises(NotFound):
        hand_in(services, f"per_{0:032x}", second, plain)
    services.clock.at += timedelta(seconds=601)
    with pytest.raises(attempts.ChallengeOver):
        hand_in(services, person, second, plain)
    third = ask(services, person)
    assert hand_in(services, person, third, plain).told == "checking"
    with pytest.raises(attempts.ChallengeOver):
        hand_in(services, person, third, plain)
    assert len(blobs(services)) == 1


def test_what_is_no_video_or_too_large_uses_nothing_up(services, person, plain, tmp_path):
    asked = ask(services, person)
    text = tmp_path / "text.mp4"
    text.write_text("no film")
    with pytest.raises(RefusedAtTheDoor):
        hand_in(services, person, asked, text)
    services.settings = services.settings.model_copy(update={"likeness": LikenessSettings(recording_bytes=100)})
    with pytest.raises(TooLarge):
        hand_in(services, person, asked, plain)
    assert (read(services, asked).state, blobs(services)) == ("asked", [])


def test_challenges_are_counted(services, person):
    services.settings = services.settings.model_copy(update={"likeness": LikenessSettings(attempts_per_hour=2)})
    ask(services, person), ask(services, person)
    with pytest.raises(attempts.TooMany):
        ask(services, person)
    services.clock.at += timedelta(hours=1, seconds=1)
    assert ask(services, person).state == "asked"


def test_a_recording_is_sealed_and_deleted_after_the_answer(services, person, plain):
    asked = ask(services, person)
    received = hand_in(services, person, asked, plain)
    with services.store.open(received.recording) as path:
        assert plain.read_bytes()[:64] not in path.read_bytes()
    kept = attempts.Templates(faces=np.ones((1, services.face_dimensions), np.float32), voice=None)
    waits = Check(name="digits", state=CheckState.NOT_MEASURED)
    attempts.settle(services, received, [waits], Verdict(outcome=Outcome.UNCERTAIN), kept)
    found = read(services, asked)
    assert (found.told, state_of(services, person), templates(services)) == ("pending", "pending", 0)
    assert (blobs(services), found.case_id is not None) == ([received.recording], True)
    assert kept.faces.tobytes() not in bytes(found.templates)
    pictures = showing.show(services, ORG, asked.enrolment_id, "pictures", to="staff")
    sound = showing.show(services, ORG, asked.enrolment_id, "sound", to="staff")
    assert (pictures[4:8], sound[4:8], len(pictures) > 1_000) == (b"ftyp", b"ftyp", True)
    with pytest.raises(Conflict):
        attempts.answer(services, ORG, asked.enrolment_id, "verify", reason="seen", by="platform")
    answered = attempts.answer(services, ORG, asked.enrolment_id, "verify", reason="seen", by="staff")
    assert (answered.state, answered.recording, answered.templates) == ("verified", None, None)
    assert (blobs(services), state_of(services, person), templates(services)) == ([], "verified", 1)
    with pytest.raises(Conflict):
        attempts.answer(services, ORG, asked.enrolment_id, "refuse", reason="late", by="staff")


def test_who_was_suspended_meanwhile_stays_so(services, person, plain):
    received = hand_in(services, person, ask(services, person), plain)
    with services.database.transaction(ORG) as tx:
        consent.set_state(tx, services.clock.now(), person, "suspended", by="staff")
    kept = attempts.Templates(faces=np.ones((1, services.face_dimensions), np.float32), voice=None)
    attempts.settle(services, received, [], Verdict(outcome=Outcome.VERIFIED), kept)
    assert (state_of(services, person), templates(services)) == ("suspended", 1)


def another(services, account: str) -> str:
    with services.database.transaction(ORG) as tx:
        said = consent.NewPerson(name=account, kind="cameo", account=account, age_band="adult")
        return consent.register(tx, services.vault, services.clock.now(), said, by="platform")


def one_face(services) -> attempts.Templates:
    return attempts.Templates(faces=np.ones((1, services.face_dimensions), np.float32), voice=None)


def met_by(found) -> list[str]:
    """Whom the checks of an enrolment name as near."""
    (check,) = (check for check in found.checks if check["name"] == "nobody_else")
    return [each["person"] for each in check["evidence"]["candidates"]]


def test_whoever_was_registered_since_the_checks_is_seen_before_a_yes(services, person, plain):
    taken = {who: hand_in(services, who, ask(services, who), plain) for who in (person, another(services, "twin"))}
    first, second = taken.values()
    for each in taken.values():
        attempts.settle(services, each, [], Verdict(outcome=Outcome.UNCERTAIN), one_face(services))
    attempts.answer(services, ORG, first.enrolment_id, "verify", reason="seen", by="staff")
    waits = read(services, second)
    with pytest.raises(attempts.MetMeanwhile):
        attempts.answer(services, ORG, second.enrolment_id, "verify", reason="seen", by="staff", version=waits.version)
    met = read(services, second)
    assert (met.state, met.version, met_by(met)) == ("uncertain", waits.version + 1, [person])
    assert templates(services) == 1
    # Who has seen it answers; of whom they saw they are not told again.
    seen = attempts.answer(
        services, ORG, second.enrolment_id, "verify", reason="twins", by="staff", version=met.version
    )
    assert (seen.state, templates(services)) == ("verified", 2)
    # Another recording of the same person, looked at before anything of them was kept, shows another face.
    other = attempts.Templates(faces=-one_face(services).faces, voice=None)
    late = hand_in(services, person, ask(services, person), plain)
    attempts.settle(services, late, [], Verdict(outcome=Outcome.UNCERTAIN), other)
    with pytest.raises(attempts.MetMeanwhile):
        attempts.answer(services, ORG, late.enrolment_id, "verify", reason="seen", by="staff")
    assert {check["name"]: check["state"] for check in read(services, late).checks}["own"] == "failed"


def test_of_two_recordings_of_one_face_at_once_a_machine_takes_one(services, person, plain):
    taken = [hand_in(services, who, ask(services, who), plain) for who in (person, another(services, "twin"))]
    with services.database.transaction(ORG) as tx:
        # Drawn before: two who drew it would wait for each other here already.
        consent.rotation_of(tx, services.vault, services.face_dimensions)
    with ThreadPoolExecutor(2) as pool:
        with services.database.transaction(ORG) as tx:
            consent.touch_gallery(tx, person)
            verdict, kept = Verdict(outcome=Outcome.VERIFIED), one_face(services)
            settling = [pool.submit(attempts.settle, services, each, [], verdict, kept) for each in taken]
            while how_many_wait(services) < 2 and not any(each.done() for each in settling):
                time.sleep(0.01)
        for each in settling:
            each.result()
    verified, waits = sorted((read(services, each) for each in taken), key=lambda each: each.state != "verified")
    assert (verified.state, waits.state, met_by(waits)) == ("verified", "uncertain", [verified.person_id])
    assert (templates(services), state_of(services, waits.person_id)) == (1, "pending")


def test_templates_of_other_weights_are_no_yes_and_a_change_of_weights_ends_an_enrolment(services, person, plain):
    model, face = services.face_model, np.ones((1, services.face_dimensions), np.float32)
    with services.database.transaction(ORG) as tx:
        now, vault = services.clock.now(), services.vault
        old = {"model": f"{model.partition('@')[0]}@of_before", "source": "test", "by": "test"}
        consent.add_template(tx, vault, now, person, vector=-face[0], **old)
        consent.set_state(tx, now, person, "verified", by="test")
    measured = replace(NOTHING, views=face)
    own, others = compare_people(services, ORG, person, measured)
    assert (own.state, own.evidence["not_compared"], others.state) == ("not_measured", ["face"], "passed")
    passed = [Check(name=name, state=CheckState.PASSED) for name in NEEDED if name not in {"own", "nobody_else"}]
    assert conclude([*passed, own, others]).outcome is Outcome.UNCERTAIN
    received = hand_in(services, person, ask(services, person), plain)
    attempts.settle(services, received, [own, others], Verdict(outcome=Outcome.UNCERTAIN), one_face(services))
    services.__dict__["face_model"] = f"{model}-next"
    with pytest.raises(Unprocessable, match="weights"):
        attempts.answer(services, ORG, received.enrolment_id, "verify", reason="seen", by="staff")
    services.__dict__["face_model"] = model
    attempts.answer(services, ORG, received.enrolment_id, "verify", reason="seen", by="staff")
    with services.database.transaction(ORG) as tx:
        new = {"model": model, "source": "test", "by": "test"}
        consent.add_template(tx, services.vault, services.clock.now(), person, vector=face[0], **new)
    assert compare_people(services, ORG, person, measured)[0].state is CheckState.PASSED


def test_a_teen_without_a_guardian_waits_for_one_also_where_nothing_else_is_amiss(services, person, plain):
    received = hand_in(services, person, ask(services, person), plain)
    with services.database.transaction(ORG) as tx:
        consent.set_guardian(tx, services.clock.now(), person, by="test", age_band="teen")
    attempts.settle(services, received, [], Verdict(outcome=Outcome.VERIFIED), one_face(services))
    assert (read(services, received).state, state_of(services, person)) == ("guardian_needed", "pending")


def test_what_fails_unforeseen_or_ends_its_worker_comes_before_a_person(services, person, plain, tmp_path):
    broken, deadly = (
        hand_in(services, who, ask(services, who), plain) for who in (person, another(services, "unlucky"))
    )
    (tmp_path / "junk").write_bytes(b"not what was sealed")
    junk = services.store.put(ORG, "recording", tmp_path / "junk").key
    change = "update moderation.enrolments set recording = %s, attempts = %s where enrolment_id = %s"
    with services.database.system_transaction() as tx:
        tx.pg.execute(change, (junk, 0, broken.enrolment_id))
        tx.pg.execute(change, (junk, 3, deadly.enrolment_id))
    checker = Checker(services)
    for _ in range(3):
        assert read(services, broken).state == "received"
        while checker.check_one():
            pass
        services.clock.at += timedelta(seconds=31)
    for each, why in ((broken, "InvalidTag"), (deadly, "whoever checked it did not come back")):
        found = read(services, each)
        assert (found.state, found.checks[0]["evidence"]) == ("uncertain", {"why": why})
        with pytest.raises(Unprocessable, match="nothing could be read"):
            attempts.answer(services, ORG, each.enrolment_id, "verify", reason="x", by="staff")


def test_nobody_waits_longer_than_a_week(services, person, plain):
    asked = ask(services, person)
    received = hand_in(services, person, asked, plain)
    attempts.settle(services, received, [], Verdict(outcome=Outcome.UNCERTAIN), None)
    services.clock.at += timedelta(days=7, seconds=1)
    assert attempts.forget_spent(services) == 1
    assert (read(services, asked).state, blobs(services), state_of(services, person)) == ("expired", [], "pending")


def test_nothing_of_an_enrolment_outlives_its_person(services, person, plain):
    asked = ask(services, person)
    received = hand_in(services, person, asked, plain)
    with services.database.transaction(ORG) as tx:
        consent.erase_person(tx, services.clock.now(), person, by="platform")
    with pytest.raises(NotFound):
        attempts.unseal(services, received, plain)
    attempts.forget_spent(services)
    found = read(services, asked)
    assert (found.state, found.checks, found.templates, blobs(services)) == ("expired", None, None, [])


def test_callers_learn_a_word_and_staff_the_evidence(service, plain):
    inside = service.services
    with inside.database.transaction(ORG) as tx:
        wanted = consent.NewPerson(name="Eileen", kind="cameo", state="pending", account="acc_1")
        person = consent.register(tx, inside.vault, inside.clock.now(), wanted, by="platform")
    platform, staff = service.with_scopes("likeness"), service.with_scopes("likeness", "review", principal="staff")
    asked = platform.post(f"/v1/people/{person}/enrolments?on_behalf_of=acc_1")
    assert (asked.status_code, asked.json()["state"], len(asked.json()["challenge"]["digits"])) == (201, "asked", 4)
    assert platform.post(f"/v1/people/{person}/enrolments?on_behalf_of=acc_2").status_code == 404
    place = asked.headers["location"]
    assert platform.get(place).status_code == 404
    # Longer than the bound on bodies that are no uploads.
    padded = plain.read_bytes() + (2_000_000).to_bytes(4) + b"free" + bytes(1_999_992)
    sent = platform.post(f"{place}/recording?on_behalf_of=acc_1", files={"file": ("take.mp4", padded)})
    assert (sent.status_code, sent.json()["state"], sent.json()["challenge"]) == (202, "checking", None)
    late = platform.post(f"{place}/recording?on_behalf_of=acc_1", files={"file": ("take.mp4", padded)})
    assert (late.status_code, late.json()["code"]) == (409, "challenge_over")
    with inside.database.transaction(ORG) as tx:
        found = attempts.read(tx, asked.json()["id"])
    likeness = Check(name="nobody_else", state=CheckState.UNCERTAIN, evidence={"candidates": [{"person": "per_x"}]})
    attempts.settle(inside, found, [likeness], Verdict(outcome=Outcome.UNCERTAIN), None)
    told = platform.get(f"{place}?on_behalf_of=acc_1").json()
    assert told == {"id": found.enrolment_id, "person": person, "state": "pending", "challenge": None, "hints": []}
    for path in ("", f"/{found.enrolment_id}", f"/{found.enrolment_id}/pictures"):
        assert platform.get(f"/v1/enrolments{path}").status_code == 403
    pictures = f"/v1/enrolments/{found.enrolment_id}/pictures"
    with ThreadPoolExecutor(1) as pool, inside.database.transaction(ORG) as tx:
        lock_person(tx, person)
        asking = pool.submit(platform.get, f"{place}?on_behalf_of=acc_1")
        while not (asking.done() or waits_for(inside, tx.pg.info.backend_pid)):
            time.sleep(0.01)
        assert asking.done(), "who reads waits for nobody"
    whole = staff.get(pictures)
    assert (whole.status_code, whole.headers["accept-ranges"]) == (200, "bytes")
    tag, size = whole.headers["etag"], len(whole.content)
    begun, piece, past, other = (
        staff.get(pictures, headers={"Range": f"bytes={said}", "If-Range": which})
        for said, which in (("0-", tag), ("10-29", tag), (f"{size}-", tag), ("10-29", '"another"'))
    )
    assert (begun.status_code, begun.content, other.status_code, past.status_code) == (206, whole.content, 200, 416)
    assert (piece.status_code, piece.content) == (206, whole.content[10:30])
    assert piece.headers["content-range"] == f"bytes 10-29/{size}"
    assert (staff.head(pictures).headers["content-length"], staff.head(pictures).content) == (str(size), b"")
    others = service.with_scopes("likeness", "review", principal="another").get(pictures, headers={"Range": "bytes=9-"})
    assert (others.status_code, others.headers["etag"] == tag) == (206, False), "each viewer sees their own code"
    with inside.database.transaction(ORG) as tx:
        looks = tx.pg.execute("select actor from moderation.audit_entries where action = 'enrolment.shown'").fetchall()
    assert sorted(who for (who,) in looks) == ["another", *["staff"] * 4], "a further piece is no further look"
    (waits,) = staff.get("/v1/enrolments").json()["items"]
    assert waits["checks"][0]["evidence"]["candidates"] == [{"person": "per_x"}]
    assert service.with_scopes("review", principal="other").get("/v1/enrolments").status_code == 403
    answer = {"outcome": "refuse", "reason": "somebody else", "version": waits["version"]}
    assert staff.post(f"/v1/enrolments/{found.enrolment_id}/answer", json=answer).json()["state"] == "refused"
    assert platform.get(f"{place}?on_behalf_of=acc_1").json()["state"] == "refused"
    assert staff.get(f"/v1/enrolments/{found.enrolment_id}/sound").status_code == 404
    assert staff.get(pictures, headers={"Range": "bytes=10-29"}).status_code == 404


def how_many_wait(services) -> int:
    """How many connections wait for another."""
    with services.database.system_transaction() as tx:
        waiting = "select count(*) from pg_stat_activity where cardinality(pg_blocking_pids(pid)) > 0"
        return tx.pg.execute(waiting).fetchone()[0]


def waits_for(services, pid: int) -> bool:
    """Whether some connection waits for this one."""
    with services.database.system_transaction() as tx:
        return bool(
            tx.pg.execute("select 1 from pg_stat_activity where %s = any(pg_blocking_pids(pid))", (pid,)).fetchall()
        )


def enrol_over_http(service, plain, account: str) -> tuple[str, str]:
    """Register somebody and hand in a recording that shows who is not surely an adult; returns both places."""
    inside, platform, acting = service.services, service.with_scopes("likeness"), {"on_behalf_of": account}
    made = platform.post("/v1/people", json={"name": "Eileen", "account": account}).headers["location"]
    return made, take_young(inside, platform, plain, made, acting)


def take_young(inside, platform, plain, made, acting) -> str:
    """A recording that shows somebody who is not surely an adult; each account has a face of its own."""
    place = platform.post(f"{made}/enrolments", params=acting).headers["location"]
    sent = {"file": ("take.mp4", plain.read_bytes())}
    assert platform.post(f"{place}/recording", params=acting, files=sent).status_code == 202
    with inside.database.transaction(ORG) as tx:
        received = attempts.read(tx, place.rpartition("/")[2])
    face = np.eye(1, inside.face_dimensions, sum(acting["on_behalf_of"].encode()) % 100, dtype=np.float32)
    kept = attempts.Templates(faces=face, voice=None)
    young = Check(name="adult", state=CheckState.UNCERTAIN)
    attempts.settle(inside, received, [young], Verdict(outcome=Outcome.GUARDIAN_NEEDED), kept)
    return place


def verify(staff, place: str):
    """Say yes to an enrolment as it stands."""
    at = f"/v1/enrolments/{place.rpartition('/')[2]}"
    yes = {"outcome": "verify", "reason": "seen", "version": staff.get(at).json()["version"]}
    return staff.post(f"{at}/answer", json=yes)


def test_an_enrolment_that_needs_a_guardian_goes_on_once_one_is_named(service, plain):
    inside = service.services
    platform, staff = service.with_scopes("likeness"), service.with_scopes("likeness", "review", principal="staff")
    acting = {"on_behalf_of": "acc_1"}
    made, place = enrol_over_http(service, plain, "acc_1")
    person = made.rpartition("/")[2]
    assert platform.get(place, params=acting).json()["state"] == "guardian_needed"
    named = platform.put(f"{made}/guardian", json={**acting, "age_band": "teen"})
    assert (named.status_code, platform.get(place, params=acting).json()["state"]) == (200, "guardian_needed")
    (waits,) = staff.get("/v1/enrolments").json()["items"]
    yes = {"outcome": "verify", "reason": "seen", "version": waits["version"]}
    assert staff.post(f"/v1/enrolments/{waits['id']}/answer", json=yes).status_code == 422
    assert platform.put(f"{made}/guardian", json={**acting, "guardian": "mum"}).status_code == 200
    assert platform.get(place, params=acting).json()["state"] == "pending"
    assert staff.post(f"/v1/enrolments/{waits['id']}/answer", json=yes).status_code == 409, "it changed meanwhile"
    (waits,) = staff.get("/v1/enrolments").json()["items"]
    assert (waits["state"], waits["recording"], state_of(inside, person)) == ("uncertain", True, "pending")
    assert verify(staff, place).json()["state"] == "verified"
    assert (state_of(inside, person), templates(inside)) == ("verified", 1)
    again = take_young(inside, platform, plain, made, acting)
    assert platform.get(again, params=acting).json()["state"] == "pending", "a guardian who is named is not asked for"


def test_nobody_of_no_known_age_is_verified_until_somebody_answers_for_it(service, plain):
    inside = service.services
    platform, staff = service.with_scopes("likeness"), service.with_scopes("likeness", "review", principal="staff")
    ageless, place = enrol_over_http(service, plain, "acc_2")
    person, acting, older = ageless.rpartition("/")[2], {"on_behalf_of": "acc_2"}, {"age_band": "adult"}
    assert verify(staff, place).status_code == 422
    assert (platform.get(place, params=acting).json()["state"], state_of(inside, person)) == (
        "guardian_needed",
        "pending",
    )
    assert platform.put(f"{ageless}/guardian", json=acting | older).status_code == 403
    # Who has a guardian is taken for young until staff say otherwise.
    assert platform.put(f"{ageless}/guardian", json={**acting, "guardian": "dad"}).status_code == 200
    assert verify(staff, place).json()["state"] == "verified"
    assert platform.get(ageless).json()["age_band"] == "teen"
    assert platform.post(f"{ageless}/grants", json={**acting, "grantee_kind": "everyone"}).status_code == 422
    assert platform.put(f"{ageless}/guardian", json=acting | older).status_code == 403
    adult, place = enrol_over_http(service, plain, "acc_3")
    acting = {"on_behalf_of": "acc_3"}
    assert service.client.put(f"{adult}/guardian", json=acting | older).status_code == 200
    assert platform.put(f"{adult}/guardian", json=acting | older).status_code == 200, "which changes nothing"
    assert verify(staff, place).json()["state"] == "verified"


@pytest.mark.full
def test_a_film_without_a_face_is_refused_and_nothing_is_learnt(services, person, plain):
    asked = ask(services, person)
    hand_in(services, person, asked, plain)
    assert Checker(services).check_one()
    found = read(services, asked)
    assert (found.told, found.hints, blobs(services), templates(services)) == ("refused", [], [], 0)


@pytest.fixture(scope="module")
def head(loaded) -> heads.Head:
    (reader,) = (detector for detector in loaded if detector.name == "faces")
    picture = cv2.imread(str(portrait("collins", Settings().models)))
    return heads.cut_head(picture, reader.finder.find(picture)[0].points)


def act(head, asked, path: Path, voices=(VOICE,)) -> Path:
    score = heads.rehearse(asked.asked().digits, asked.asked().turns, voices, Settings().models)
    return heads.record(path, heads.act(head, score), score.sound)


def writing(services, text):
    """Let the deployment have a detector of speech, which wrote down `text`."""
    heard = Utterance(start_ms=0, text=text, confidence=0.9)
    others = tuple(each for each in services.detectors if "speech.text" not in each.signals)
    services.__dict__["detectors"] = (*others, RehearsalSpeech(utterances=(heard,)))


@pytest.mark.full
def test_a_take_verifies_once_and_is_nothing_under_another_challenge(services, person, head, tmp_path, monkeypatch):
    with monkeypatch.context() as drawn:
        # Digits that a computed voice is long over: how much speech there is must not hang on the draw.
        spoken = itertools.cycle((7, 0, 9, 7, 6, 0, 7, 9))
        drawn.setattr("secrets.randbelow", lambda _: next(spoken))
        drawn.setattr("secrets.choice", lambda orders: orders[0])
        asked = ask(services, person)
    path = act(head, asked, tmp_path / "take.mp4")
    measured = measure(services, path, 12_000)
    # Nobody writes speech down here, so nobody heard the digits: a person must.
    silent = [check.name for check in check_all(measured, asked.asked()) if check.state is not CheckState.PASSED]
    assert silent == ["digits"]

    writing(services, "".join(asked.asked().digits))
    hand_in(services, person, asked, path)
    assert Checker(services).check_one()
    found = read(services, asked)
    assert {check["name"]: check["state"] for check in found.checks} == dict.fromkeys(NEEDED, "passed")
    assert (found.state, found.recording, state_of(services, person)) == ("verified", None, "verified")
    assert (templates(services), blobs(services)) == (4, [])

    for _ in range(50):
        other = challenges.draw(services.clock.now(), 120)
        heard = replace(measured.heard, words="".join(other.digits if other.turns != asked.asked().turns else "1"))
        checks = check_all(replace(measured, heard=heard), other)
        assert conclude(checks).outcome is Outcome.REFUSED
