"""What one detector reads off a clip reaches the detectors of words before they end."""

import cv2
import pytest

from detectors.base import Frame, State, Subject, Text
from detectors.manifests import Manifest
from detectors.probes import drawn_waves
from detectors.rehearsal import RehearsalDetector
from detectors.screentext import ScreenText
from detectors.words import Words
from moderation.errors import ClipFault
from moderation.scoring import finish, gather

SUBJECT = Subject(duration_ms=1500)


@pytest.fixture
def words(shipped_words: Words) -> Words:
    return shipped_words


def captioned(text: str):
    drawn = drawn_waves(720, 1280) // 2
    cv2.putText(drawn, text, (60, 300), cv2.FONT_HERSHEY_DUPLEX, 1.6, (255, 255, 255), 3, cv2.LINE_AA)
    return drawn


def test_a_caption_is_judged_like_a_prompt_at_its_own_time(embedded_pack: Manifest, words: Words):
    screen = ScreenText.load(embedded_pack)
    # The words come first here: they end last all the same.
    work = [(detector, detector.open(SUBJECT)) for detector in (words, screen)]
    frames = [Frame(index=0, time_ms=0, pixels=drawn_waves(720, 1280) // 2)]
    frames.append(Frame(index=1, time_ms=500, pixels=captioned("double your bitcoin, send now")))
    for _, inspection in work:
        inspection.see(frames)
    analysis = gather(finish(work), [0, 500])
    scam = analysis.signals["words.scam"]
    assert scam["state"] == State.MEASURED
    assert [sample[0] for sample in scam["samples"]] == [500]
    assert scam["samples"][0][1] >= 0.5
    (text,) = analysis.texts
    assert (text["source"], text["time_ms"], text["text"]) == ("screen", 500, "double your bitcoin, send now")


def test_lines_of_one_instant_are_read_together_beside_the_prompt(words: Words):
    inspection = words.open(Subject(duration_ms=1500, texts={"prompt": "a quiet lake"}))
    inspection.take(
        [Text(source="screen", time_ms=700, text=line, confidence=0.9) for line in ("double your", "bitcoin, send now")]
    )
    (scam,) = [signal for signal in inspection.finish().signals if signal.name == "words.scam"]
    assert [(sample.time_ms, sample.value >= 0.5) for sample in scam.samples] == [(0, False), (700, True)]


def test_a_clip_on_which_nothing_is_written_or_said_is_not_measured(words: Words):
    inspection = words.open(SUBJECT)
    inspection.take([])
    assert {signal.state for signal in inspection.finish().signals} == {State.NOT_MEASURED}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_what_is_no_number_fails_the_clip_and_is_never_compared(value: float):
    detector = RehearsalDetector(name="odd", values={"explicit.score": value})
    inspection = detector.open(SUBJECT)
    inspection.see([Frame(index=0, time_ms=0, pixels=drawn_waves(36, 64))])
    with pytest.raises(ClipFault, match=r"odd: .* is no number") as fault:
        finish([(detector, inspection)])
    assert fault.value.reason == "detector_unavailable"


class Grabbing(RehearsalDetector):
    """Emits another detector's signal, which it never announced."""

    signals = ("extra.score",)


def test_no_detector_speaks_in_the_name_of_another():
    detector = Grabbing(name="grabs", values={"explicit.score": 0.0})
    with pytest.raises(ClipFault, match=r"grabs: it emits \['explicit\.score'\]"):
        finish([(detector, detector.open(SUBJECT))])


def test_without_a_frame_nothing_was_read_off_the_picture(embedded_pack: Manifest):
    screen = ScreenText.load(embedded_pack)
    (signal,) = screen.open(SUBJECT).finish().signals
    assert (signal.state, signal.samples) == (State.FAILED, ())
