"""Short-lived templates of strangers: what is kept and what never is, what a look back makes of them, when they go."""

import wave
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import cv2
import numpy as np
import psycopg
import pytest
from families import NOW, Row, register, write

from detectors.base import Subject
from detectors.descriptions import VOICE, DescribedFace, DescribedSpeech, Description
from moderation import erasure, scoring, unmatched
from moderation.assembly import open_services
from moderation.clock import FixedClock
from moderation.consent import people
from moderation.db.clips import read_clip
from moderation.enrolment import register_person, register_voice
from moderation.ids import new_id
from moderation.likeness_settings import LikenessSettings, UnmatchedTemplates
from moderation.lookbacks import asking, driving
from moderation.lookbacks.looking import likeness_of, look_for
from moderation.lookbacks.progress import progress
from moderation.notices.figures import read_figures
from moderation.readings import Look
from moderation.revocations.driving import list_targets
from moderation.samples.footage import write_footage
from moderation.samples.portraits import portrait
from moderation.samples.speech import speak
from moderation.samples.stills import near, smooth
from moderation.scoring import Analysis
from moderation.services import Services
from watermark.sampling import Account

ORG = "default"
HOUR = timedelta(hours=1)
BASIS = "a law of our state on the protection of depicted persons"
OFF = LikenessSettings()
DAY_LONG = LikenessSettings(unmatched_templates=UnmatchedTemplates(legal_basis=BASIS, ttl_hours=24))
#: A face of a dozen years' reading more than the buffer, as the age networks say it.
GROWN = {"face.age": {"samples": [[0, 40.0, 0]]}, "minor.score": {"samples": [[0, 0.01, 0]]}}

#: Says which table loses a row, in the order in which rows are taken.
TOLD = """
create function pg_temp.told() returns trigger language plpgsql as $$ begin
  raise notice '%', tg_table_name; return old; end $$;
create trigger told before delete on moderation.unmatched_keys for each row execute function pg_temp.told();
create trigger told before delete on moderation.unmatched_templates for each row execute function pg_temp.told();
"""


def settle(services, likeness) -> None:
    services.settings = services.settings.model_copy(update={"likeness": likeness})


@pytest.fixture
def services(settings, loaded, monkeypatch) -> Iterator[Services]:
    monkeypatch.setattr(driving, "GIVE_WAY_SECONDS", 0.0)
    with open_services(settings, clock=FixedClock(NOW + HOUR)) as opened:
        opened.__dict__["detectors"] = loaded
        settle(opened, DAY_LONG)
        yield opened


def scalar(services, query, *args):
    with services.database.system_transaction() as tx:
        return tx.pg.execute(query, args).fetchone()[0]


def kept(services) -> set[str]:
    with services.database.system_transaction() as tx:
        sealed = {row[0] for row in tx.pg.execute("select clip_id from moderation.unmatched_templates").fetchall()}
        keys = {row[0] for row in tx.pg.execute("select clip_id from moderation.unmatched_keys").fetchall()}
    assert sealed == keys
    return sealed


def put(services, path=None, **said) -> str:
    """A released clip, whose upload is a file where one is named."""
    if path is not None:
        said |= {"content_sha256": services.store.put(ORG, "upload", path).sha256, "probe": '{"duration_ms": 3000}'}
    with services.database.transaction() as tx:
        (clip,) = write(tx, [Row()])
        for column, value in said.items():
            tx.pg.execute(f"update moderation.clips set {column} = %s where clip_id = %s", (value, clip))
    return clip


def look_at(services, clip) -> None:
    scoring.detect(services, ORG, clip, 1, unmatched.keep)


def stranger(services, number=0) -> tuple[Look, Analysis, DescribedFace]:
    """A look that read one face, of nobody who lives; and what was told of it."""
    vectors = np.random.default_rng(number).standard_normal((3, 128)).astype(np.float32)
    face = DescribedFace(number=0, views=vectors[1:], mean=vectors[0], distant=False, whole=True)
    (faces,) = (each for each in services.detectors if each.name == "faces")
    subject = Subject(duration_ms=1000, described=True)
    inspection = faces.open(subject)
    inspection.take_up([face])
    account = Account(frames=1, shots=(), unseen=(), unseen_frames=0)
    look = Look(subject=subject, found=[(inspection, inspection.finish())], seen_ms=(0,), account=account)
    return look, Analysis(signals=dict(GROWN), faces=[{"track": 0, "state": "unmatched"}], seen_ms=[0]), face


def portrait_clip(services, folder, name, change=lambda picture: picture, sound=None):
    path = folder / f"{name}.mp4"
    picture = change(cv2.imread(str(portrait("collins", services.settings.models))))
    write_footage(path, near(picture, 12 if sound is None else 40, 720, 720), fps=10, sound=sound)
    return path


def test_a_look_back_finds_the_same_from_templates_as_by_decoding(services, tmp_path):
    file = portrait("collins", services.settings.models)
    said = "the ferry leaves the harbour early on sunday and nobody waits for the late passengers on the pier"
    spoken = speak(said, "en+m3", services.settings.models)
    shown = put(services, portrait_clip(services, tmp_path, "shown", sound=spoken))
    empty = tmp_path / "empty.mp4"
    write_footage(empty, iter([np.full((240, 320, 3), 90, np.uint8)] * 4), fps=10)
    without = put(services, empty)
    # Nobody is registered: neither the voice nor anybody from afar would be read without the setting.
    look_at(services, shown)
    assert kept(services) == set(), "nothing before the audit trail says so"
    unmatched.tell(services)
    with services.database.system_transaction() as tx:
        tx.pg.execute("delete from moderation.analyses")
    services.readings.forget(ORG, shown)
    for clip in (shown, without):
        look_at(services, clip)
    assert kept(services) == {shown, without}
    person = register_person(services, ORG, name="Eileen Collins", kind="cameo", images=[file], by="test")
    longer = recording(tmp_path, speak(f"{said}. {said}", "en+m3", services.settings.models))
    register_voice(services, ORG, person, recordings=[longer], by="test")
    with services.database.transaction() as tx:
        likeness, clip = likeness_of(services, tx, person), read_clip(tx, shown)
    recalled = look_for(services, clip, person, likeness)
    settle(services, OFF)
    decoded = look_for(services, clip, person, likeness)
    assert (recalled.ways, recalled.partly) == (decoded.ways, decoded.partly)
    assert recalled.ways["face"] == "matched"
    assert "voice" in recalled.ways
    assert (recalled.from_templates, decoded.from_templates) == (True, False)
    settle(services, DAY_LONG)
    # Nothing is decoded: the files are gone.
    for key, _ in list(services.store.list(f"{ORG}/upload")):
        services.store.delete(key)
    with services.database.transaction() as tx:
        window = asking.Window(since=NOW - HOUR, until=NOW + HOUR)
        lookback = asking.ask(services, tx, person, window, by="test")
    driving.drive(services, ORG, lookback)
    with services.database.transaction() as tx:
        done = progress(tx, person, lookback)
    assert (done.state, done.looked, done.matched, done.unreadable, done.from_templates) == ("done", 2, 1, 0, 2)
    assert kept(services) == {without}, "who is recognised is no stranger any more"


def recording(folder, sound):
    path = folder / "voice.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, sound.rate, 0, "NONE", ""))
        file.writeframes(sound.samples.astype("<i2").tobytes())
    return path


def test_nothing_is_kept_of_a_face_that_may_be_a_childs_nor_of_who_is_registered(services, tmp_path):
    unmatched.tell(services)
    young = put(services, portrait_clip(services, tmp_path, "young", lambda picture: smooth(picture, 6)))
    look_at(services, young)
    assert scalar(services, "select json_array_length(body::json -> 'faces') from moderation.analyses") > 0
    assert kept(services) == set()
    file = portrait("collins", services.settings.models)
    register_person(services, ORG, name="Eileen Collins", kind="cameo", images=[file], by="test")
    known = put(services, portrait_clip(services, tmp_path, "known"))
    look_at(services, known)
    assert kept(services) == set()
    look, analysis, _ = stranger(services)
    clip = put(services)
    assert not unmatched.keep(services, ORG, clip, look, Analysis(signals={}, faces=analysis.faces, seen_ms=[0]))
    assert unmatched.keep(services, ORG, clip, look, analysis)


def case(tx, clip, queue) -> None:
    tx.pg.execute(
        "insert into moderation.cases (org_id, case_id, clip_id, queue, state, source, severity, deadline, opened_by, "
        "created_at) values ('default', %s, %s, %s, 'open', 'rule', 1, %s, %s, %s)",
        (new_id("case"), clip, queue, NOW, f"dec_{clip}", NOW),
    )


def appear(tx, clip, person, state) -> None:
    tx.pg.execute(
        "insert into moderation.appearances (org_id, clip_id, person_id, how, state, version, generation, judged_at) "
        "values ('default', %s, %s, 'face', %s, 1, 1, %s)",
        (clip, person, state, NOW),
    )


def test_they_go_with_what_happens_to_their_clip(services):
    unmatched.tell(services)
    person = register(services.database, services.vault)
    clips = [put(services) for _ in range(8)]
    look, analysis, _ = stranger(services)
    for clip in clips:
        assert unmatched.keep(services, ORG, clip, look, analysis)
    status = "update moderation.clips set status = %s where clip_id = %s"
    with services.database.transaction() as tx:
        for clip, become in zip(clips, ("withheld", "withdrawn", "refused", "in_review", "processing"), strict=False):
            tx.pg.execute(status, (become, clip))
        case(tx, clips[3], "likeness")
        case(tx, clips[5], "minor_safety")
        appear(tx, clips[4], person, "possible")
        appear(tx, clips[6], person, "matched")
        tx.pg.execute("update moderation.clips set erased_at = %s where clip_id = %s", (NOW, clips[7]))
    assert kept(services) == {clips[3], clips[4]}
    for clip in (clips[0], clips[1], clips[5], clips[7]):
        assert not unmatched.keep(services, ORG, clip, look, analysis), "nor are they kept anew"
    # No other organisation has them, and the setting cannot be outlived by a row.
    with services.database.transaction("elsewhere") as tx:
        assert tx.pg.execute("select count(*) from moderation.unmatched_templates").fetchone() == (0,)
        assert tx.pg.execute("select count(*) from moderation.unmatched_keys").fetchone() == (0,)
    with pytest.raises(psycopg.errors.CheckViolation), services.database.transaction() as tx:
        tx.pg.execute("update moderation.unmatched_templates set expires_at = kept_at + interval '31 days'")


def test_who_is_erased_is_not_kept_anew_as_a_stranger(services):
    unmatched.tell(services)
    person = register(services.database, services.vault)
    shown, perhaps, other = put(services), put(services), put(services)
    look, analysis, _ = stranger(services)
    with services.database.transaction() as tx:
        appear(tx, shown, person, "matched")
        appear(tx, perhaps, person, "possible")
    for clip in (perhaps, other):
        assert unmatched.keep(services, ORG, clip, look, analysis)
    with services.database.transaction() as tx:
        revocation = erasure.forget_person(tx, services, NOW + HOUR, person, by="test")
    assert kept(services) == {other}
    # No gallery knows them any more: to the next look they are a stranger.
    for clip in (shown, perhaps):
        assert not unmatched.keep(services, ORG, clip, look, analysis), "before the clips are listed"
    assert list_targets(services, ORG, revocation) == 2
    with services.database.transaction() as tx:
        tx.pg.execute("delete from moderation.appearances")
    for clip in (shown, perhaps):
        assert not unmatched.keep(services, ORG, clip, look, analysis), "after they were judged without them"
    assert unmatched.keep(services, ORG, other, look, analysis)


def test_nothing_is_kept_beside_a_face_that_nothing_could_be_read_of(services):
    _, analysis, grown = stranger(services)
    unread = replace(grown, number=1, views=grown.views[:0], whole=False)
    spoken = [DescribedSpeech(start=0, end=16_000, windows=np.ones((1, VOICE), np.float32))]
    both = Description(faces=[grown], speech=spoken, pieces=spoken)
    assert unmatched.worth_keeping(both, analysis)
    assert not unmatched.worth_keeping(replace(both, faces=[grown, unread]), analysis)
    assert not unmatched.worth_keeping(replace(both, faces=[unread]), Analysis(signals={}, faces=[], seen_ms=[0]))


def test_a_look_and_an_erasure_take_the_key_before_the_template_as_the_sweep_does(services):
    unmatched.tell(services)
    person, clip = register(services.database, services.vault), put(services)
    with services.database.transaction() as tx:
        appear(tx, clip, person, "possible")
    assert unmatched.keep(services, ORG, clip, *stranger(services)[:2])
    for statement in (unmatched.SQL.forget, people.SQL.forget_unmatched_of):
        with services.database.system_transaction() as tx, tx.pg.transaction(force_rollback=True):
            tx.pg.execute(TOLD)
            tx.pg.add_notice_handler(lambda said, told=(told := []): told.append(said.message_primary))
            tx.pg.execute(statement, {"clip": clip, "person": person})
        assert told == ["unmatched_keys", "unmatched_templates"]


def test_what_is_kept_is_said_to_auditors_reports_and_in_each_answer(service):
    services = service.services
    person = register(services.database, services.vault, model=services.face_model)
    now = services.clock.now()
    window = {"from": (now - HOUR).isoformat(), "to": now.isoformat()}
    made = service.client.post(f"/v1/people/{person}/lookbacks", json=window)
    assert made.json()["unmatched_templates"] is None
    assert service.client.get("/v1/reports/transparency").json()["unmatched_templates"] is None
    settle(services, DAY_LONG)
    for _ in range(2):
        unmatched.tell(services)
    said = service.client.get(made.headers["location"]).json()["unmatched_templates"]
    assert (said["legal_basis"], said["ttl_hours"]) == (BASIS, 24.0)
    assert read_figures(services, ORG)["unmatched_templates"] == said | {"clips": 0, "oldest": None}
    settle(services, OFF)
    for _ in range(2):
        unmatched.tell(services)
    assert service.client.get(made.headers["location"]).json()["unmatched_templates"] is None
    entries = (
        "select array_agg(body::json ->> 'action' order by seq) from moderation.audit_entries "
        "where body::json ->> 'action' like 'unmatched%%'"
    )
    assert scalar(services, entries) == ["unmatched_templates.on", "unmatched_templates.off"]
    basis = "select body::json -> 'details' ->> 'legal_basis' from moderation.audit_entries where body like %s"
    assert scalar(services, basis, "%unmatched_templates.on%") == BASIS


def files_of(services) -> bytes:
    """The files of this database, as they are on the disk."""
    with psycopg.connect(services.dsn, autocommit=True) as connection:
        connection.execute("analyze")
        connection.execute("checkpoint")
        (folder,) = connection.execute("show data_directory").fetchone()
        (oid,) = connection.execute("select oid from pg_database where datname = current_database()").fetchone()
    return b"".join(path.read_bytes() for path in (Path(folder) / "base" / str(oid)).iterdir() if path.is_file())


def test_after_their_time_no_byte_of_them_is_left(services):
    unmatched.tell(services)
    clip, later, gone = put(services), put(services), put(services)
    look, analysis, face = stranger(services)
    for each in (clip, gone):
        unmatched.keep(services, ORG, each, look, analysis)
    sealed = "select encode(sealed, 'hex') from moderation.unmatched_templates where clip_id = %s"
    wrapped = "select encode(wrapped, 'hex') from moderation.unmatched_keys where clip_id = %s"
    # As much as lies in one piece: longer values are cut up.
    marks = {bytes.fromhex(scalar(services, query, each))[:400] for query in (sealed, wrapped) for each in (clip, gone)}
    raw = {face.mean.tobytes()[:400], *[view.tobytes()[:400] for view in face.views]}
    files = files_of(services)
    assert all(mark in files for mark in marks)
    assert not any(mark in files for mark in raw), "never but sealed"
    services.clock.at += timedelta(hours=20)
    unmatched.keep(services, ORG, later, *stranger(services, 1)[:2])
    with services.database.transaction() as tx:
        tx.pg.execute("update moderation.clips set status = 'withdrawn' where clip_id = %s", (gone,))
    assert unmatched.sweep(services) == 0
    services.clock.at += timedelta(hours=5)
    with services.database.transaction() as tx:
        assert unmatched.recall(services, tx, clip) is None, "over before the sweep comes"
        assert unmatched.recall(services, tx, later) is not None
    assert any(mark in files_of(services) for mark in marks), "a deleted row is still in its file"
    assert unmatched.sweep(services) == 1
    assert kept(services) == {later}
    files = files_of(services)
    assert not any(mark in files for mark in marks)
    shorter = UnmatchedTemplates(legal_basis=BASIS, ttl_hours=1)
    settle(services, LikenessSettings(unmatched_templates=shorter))
    assert unmatched.sweep(services) == 1, "a shorter time holds for what was kept before"
    settle(services, DAY_LONG)
    unmatched.keep(services, ORG, later, *stranger(services, 2)[:2])
    settle(services, OFF)
    assert unmatched.sweep(services) == 1
    assert kept(services) == set()
    assert set(unmatched.TABLES).isdisjoint(erasure.TABLES)
