"""Sound through the confined child, and a registered voice through the whole pipeline, with real weights."""

import os
import signal
import wave
from collections.abc import Iterator

import numpy as np
import pytest
from clips import ClipPlan, Sound, draw_clip

from detectors.base import Findings, Subject
from detectors.rehearsal import RehearsalDetector, RehearsalSpeech
from detectors.speech import Utterance
from moderation import consent
from moderation.assembly import open_services
from moderation.checking import check_file
from moderation.clips import Submission
from moderation.enrolment import register_voice
from moderation.errors import ClipFault, NotFound, Unprocessable
from moderation.samples.drawing import draw_clip as draw_sample
from moderation.samples.speech import speak
from moderation.sandbox import Sandbox
from moderation.sandbox.shared import PIECE_SAMPLES
from moderation.scoring import look
from moderation.services import Services
from moderation.settings import Limits, Settings
from moderation.verdicts import read_verdict

ORG = "default"
SMALL = {"width": 64, "height": 48, "fps": 10, "frames": 10}
TEXT = "The ferry leaves the harbour at seven, and nobody has ever seen it come back empty."
OTHER_TEXT = "After a long winter the gardener found three new roses under the old apple tree."


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory) -> Iterator[Sandbox]:
    with Sandbox(Limits(), folder=tmp_path_factory.mktemp("airlocks"), require_confinement=False) as made:
        yield made


@pytest.fixture
def services(settings, embedded_pack) -> Iterator[Services]:
    with open_services(settings) as opened:
        yield opened


def long_clip(folder, seconds=100.0):
    sound = Sound(seconds=seconds, codec="pcm_s16le", rate=8_000, layout="mono")
    return draw_clip(folder / "long.mkv", ClipPlan(**SMALL, sounds=(sound,)))


def recording(folder, voice, *texts):
    """What a synthetic voice says, as a WAVE file."""
    spoken = [speak(text, voice, Settings().models) for text in texts]
    path = folder / f"{voice}.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, spoken[0].rate, 0, "NONE", ""))
        file.writeframes(np.concatenate([each.samples for each in spoken]).astype("<i2").tobytes())
    return path


def test_pieces_follow_one_another(sandbox, tmp_path):
    pieces = list(sandbox.sound(long_clip(tmp_path)))
    assert [piece.start_ms for piece in pieces] == [0, 30_000, 60_000, 90_000]
    assert [len(piece.samples) for piece in pieces[:-1]] == [PIECE_SAMPLES] * 3
    assert sum(len(piece.samples) for piece in pieces) == pytest.approx(100 * 16_000, abs=2_000)
    again = list(sandbox.sound(long_clip(tmp_path)))
    assert all(np.array_equal(a.samples, b.samples) for a, b in zip(pieces, again, strict=True))


def test_a_clip_without_sound_has_no_pieces(sandbox, tmp_path):
    assert list(sandbox.sound(draw_clip(tmp_path / "mute.mp4", ClipPlan(**SMALL)))) == []


def test_a_decoder_that_is_killed_costs_one_clip_one_attempt(sandbox, tmp_path):
    path = long_clip(tmp_path, 170.0)
    with sandbox._pool.lend() as child:
        pid = child.pid
    pieces = sandbox.sound(path)
    next(pieces)
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(ClipFault, match="stopped"):
        list(pieces)
    assert len(list(sandbox.sound(path))) == 6


def test_sound_that_cannot_be_decoded_is_a_fault_of_the_clip(sandbox, tmp_path):
    path = draw_clip(tmp_path / "clip.mkv", ClipPlan(**SMALL, sounds=(Sound(codec="flac"),)))
    data = bytearray(path.read_bytes())
    at = len(data) // 2
    data[at : at + 2_000] = b"\xff" * 2_000
    path.write_bytes(data)
    with pytest.raises(ClipFault):
        list(sandbox.sound(path))
    assert list(sandbox.sound(long_clip(tmp_path, 1.0)))


class Ear:
    """An inspection that keeps what it hears."""

    def __init__(self, heard):
        self.heard = heard

    def see(self, frames):
        pass

    def hear(self, sound):
        self.heard.append(sound)

    def finish(self):
        return Findings(signals=())


class Listener:
    """A detector that listens and says nothing."""

    name = "listener"
    signals = ()

    def __init__(self):
        self.heard = []

    def open(self, subject):
        return Ear(self.heard)

    def self_check(self):
        pass


def test_sound_is_decoded_only_when_somebody_listens(services, tmp_path, monkeypatch):
    path = draw_clip(tmp_path / "clip.mp4", ClipPlan(**SMALL, sounds=(Sound(),)))
    key = services.store.put(ORG, "upload", path).key
    asked, real = [], Sandbox.sound
    monkeypatch.setattr(Sandbox, "sound", lambda self, path: asked.append(path) or real(self, path))
    deaf, listener = RehearsalDetector(name="deaf", values={"explicit.score": 0.0}), Listener()
    services.__dict__["detectors"] = (deaf,)
    look(services, key, Subject(duration_ms=1_000))
    assert asked == []
    services.__dict__["detectors"] = (deaf, listener)
    look(services, key, Subject(duration_ms=1_000))
    assert len(asked) == 1
    assert sum(len(sound.samples) for sound in listener.heard) == pytest.approx(16_000, abs=1_000)


@pytest.mark.full
def test_a_registered_voice_needs_a_grant_of_the_voice(services, tmp_path):
    with services.database.transaction(ORG) as tx:
        person = consent.add_person(
            tx,
            services.vault,
            services.clock.now(),
            name="Marcus",
            kind="cameo",
            vectors=np.full((1, services.face_dimensions), 9.0, np.float32),
            model=services.face_model,
            sources=["a test"],
            by="tester",
        )
    seconds = register_voice(
        services, ORG, person, recordings=[recording(tmp_path, "en+m3", TEXT, OTHER_TEXT)], by="tester"
    )
    assert seconds > 5
    theirs, other = tmp_path / "theirs.mp4", tmp_path / "other.mp4"
    said = "Please put the blue box on the second shelf, next to the window that does not close."
    for path, voice in ((theirs, "en+m3"), (other, "en+f4")):
        draw_sample(path, seconds=1, width=320, height=180, audio=speak(said, voice, Settings().models))

    asked = verdict(services, theirs)
    assert asked["status"] == "in_review"
    (reason,) = asked["decision"]["reasons"]
    assert (reason["code"], reason["person"]) == ("voice_likeness", person)
    assert (asked["voices"][0]["state"], asked["voices"][0]["person"]) == ("matched", person)
    assert {segment["label"] for segment in asked["segments"]} == {"voice_likeness"}
    assert verdict(services, other)["status"] == "released"

    with services.database.transaction(ORG) as tx:
        consent.grant(tx, services.clock.now(), person, grantee="ana", scope="voice", by="tester")
    assert verdict(services, theirs)["status"] == "released"
    with services.database.transaction(ORG) as tx:
        revoked = consent.revoke(tx, services.clock.now(), person, by="tester")
    # The other shows the very same pictures with another voice: nothing of this person is in it, so it is not reached.
    assert revoked["reached"]["released"] == 1
    erased_with_the_person(services, person)


def erased_with_the_person(services, person):
    with services.database.transaction(ORG) as tx:
        consent.erase_person(tx, services.clock.now(), person, by="tester")
        left = tx.pg.execute("select count(*) from moderation.gallery_vectors").fetchone()
        assert left == (0,)
        assert tx.pg.execute("select count(*) from moderation.templates").fetchone() == (0,)


def verdict(services, path):
    clip = check_file(services, ORG, "tester", path, Submission(creator="ana"))
    return read_verdict(services, ORG, clip.clip_id)


def test_what_does_not_serve_to_register_a_voice(services, tmp_path):
    short = recording(tmp_path, "en+f1", "Only a moment.")
    with pytest.raises(Unprocessable, match="seconds of speech"):
        register_voice(services, ORG, "per_nobody", recordings=[short], by="tester")
    nothing = tmp_path / "nothing.wav"
    nothing.write_bytes(b"not a recording")
    with pytest.raises(Unprocessable, match="no recording"):
        register_voice(services, ORG, "per_nobody", recordings=[nothing], by="tester")
    with pytest.raises(NotFound):
        register_voice(services, ORG, "per_nobody", recordings=[recording(tmp_path, "en+m3", TEXT, OTHER_TEXT)], by="x")


def test_templates_are_sealed_and_turned(services, tmp_path):
    with services.database.transaction(ORG) as tx:
        person = consent.add_person(
            tx,
            services.vault,
            services.clock.now(),
            name="Ines",
            kind="cameo",
            vectors=np.empty((0, services.face_dimensions), np.float32),
            model=services.face_model,
            sources=[],
            by="tester",
        )
        vector = np.zeros(services.voice_dimensions, np.float32)
        vector[0] = 1.0
        now = services.clock.now()
        consent.add_voice(
            tx, services.vault, now, person, vector=vector, model=services.voice_model, source="x", by="t"
        )
        sealed, stored_vector = tx.pg.execute(
            "select t.sealed, v.vector from moderation.templates t join moderation.gallery_vectors v using (template_id)"
        ).fetchone()
        assert vector.astype("<f4").tobytes() not in bytes(sealed)
        turned = np.frombuffer(bytes(stored_vector), "<f4")
        assert abs(float(turned[0])) < 0.9
        gallery = services.galleries.current(tx, services.vault, services.voice_model, services.voice_dimensions)
    assert np.linalg.norm(turned) == pytest.approx(1, abs=1e-5)
    assert gallery.people == (person,)


@pytest.mark.full
def test_what_is_said_is_read_like_a_prompt_where_a_transcript_is_made(services, loaded, tmp_path):
    path = tmp_path / "speaks.mp4"
    draw_sample(path, seconds=2, width=320, height=180, audio=speak(TEXT, "en+m3", Settings().models))
    services.__dict__["detectors"] = loaded
    said = verdict(services, path)
    assert said["status"] == "released"
    assert said["signals"]["speech.text"]["state"] == "not_measured"
    scam = Utterance(start_ms=1_000, text="double your bitcoin, send now", confidence=0.9)
    others = [detector for detector in loaded if "speech.text" not in detector.signals]
    services.__dict__["detectors"] = (*others, RehearsalSpeech(utterances=(scam,)))
    said = verdict(services, path)
    assert said["signals"]["speech.text"]["state"] == "measured"
    assert said["status"] == "in_review"
    assert [reason["code"] for reason in said["decision"]["reasons"]] == ["prompt_text"]
