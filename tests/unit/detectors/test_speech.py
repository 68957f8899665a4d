"""A transcript is visible as a signal, and its absence is no silence."""

import numpy as np
import pytest

from detectors.base import Findings, Model, Signal, Sound, State, Subject, Text
from detectors.registry import DETECTORS
from detectors.rehearsal import RehearsalDetector, RehearsalSpeech
from detectors.speech import NO_SOUND, NOBODY, SIGNAL, Unwritten, Utterance, give_way, transcribed
from detectors.words import Words
from moderation.errors import ClipFault
from moderation.scoring import finish, gather, hear

SUBJECT = Subject(duration_ms=4_000)
SAID = (
    Utterance(start_ms=1_500, text="double your bitcoin, send now", confidence=0.91237),
    Utterance(start_ms=-200, text=" hello there ", confidence=0.8),
    Utterance(start_ms=3_000, text="  ", confidence=0.5),
)
SECOND = Sound(start_ms=0, samples=np.zeros(16_000, np.float32))


@pytest.fixture
def words(shipped_words: Words) -> Words:
    return shipped_words


def looked(*detectors, sound=SECOND):
    work = [(detector, detector.open(SUBJECT)) for detector in detectors]
    if sound is not None:
        hear(work, sound)
    return gather(finish(work), [])


def test_without_a_detector_of_speech_it_is_not_measured_and_says_why():
    assert isinstance(DETECTORS["speech_text"](None), Unwritten)
    signal = looked(Unwritten()).signals[SIGNAL]
    assert (signal["state"], signal["note"], signal["samples"]) == (State.NOT_MEASURED, NOBODY, [])


def test_a_detector_that_writes_down_speech_takes_its_place():
    other, speech = RehearsalDetector(name="other", values={}), RehearsalSpeech(utterances=SAID)
    assert give_way([other, Unwritten(), speech]) == (other, speech)
    assert [detector.name for detector in give_way([other, Unwritten()])] == ["other", "speech_text"]


def test_words_are_read_from_what_was_said_at_their_own_times(words):
    analysis = looked(words, RehearsalSpeech(utterances=SAID))
    assert analysis.signals[SIGNAL]["state"] == State.MEASURED
    assert analysis.signals[SIGNAL]["samples"] == [[0, 0.8, None], [1_500, 0.9124, None]]
    scam = analysis.signals["words.scam"]["samples"]
    assert [(at, value >= 0.5) for at, value, _ in scam] == [(0, False), (1_500, True)]
    assert [(text["source"], text["time_ms"]) for text in analysis.texts] == [("speech", 0), ("speech", 1_500)]


def test_a_clip_without_sound_was_not_measured_and_one_without_words_was():
    mute = looked(RehearsalSpeech(utterances=SAID), sound=None).signals[SIGNAL]
    assert (mute["state"], mute["note"]) == (State.NOT_MEASURED, NO_SOUND)
    silent = looked(RehearsalSpeech(utterances=())).signals[SIGNAL]
    assert (silent["state"], silent["samples"]) == (State.MEASURED, [])


def test_words_that_were_said_do_not_come_without_the_signal():
    text = Text(source="speech", time_ms=0, text="hello", confidence=1.0)

    class Secret(RehearsalDetector):
        def open(self, subject):
            return self

        def see(self, frames):
            pass

        def finish(self):
            return Findings(
                signals=(Signal(name="any", state=State.MEASURED, model=Model(id="m", version="1")),), texts=(text,)
            )

    with pytest.raises(ClipFault, match=SIGNAL):
        looked(Secret(name="secret", values={"any": 0.0}), sound=None)
    assert transcribed((), Model(id="m", version="1"), heard=True).texts == ()
