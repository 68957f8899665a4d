"""Writing in the picture, with the real networks: read where it stands, at its time; no letters in a picture without."""

import cv2
import numpy as np
import pytest

from detectors.base import DetectorError, DetectorUnavailable, Frame, State, Subject
from detectors.manifests import Manifest
from detectors.probes import drawn_letters, drawn_waves
from detectors.screentext import READER_MODEL, ScreenText

SUBJECT = Subject(duration_ms=6000)
SHORT = Subject(duration_ms=1500)


@pytest.fixture(scope="module")
def detector(embedded_pack: Manifest) -> ScreenText:
    return ScreenText.load(embedded_pack)


def picture(text: str, at: tuple[int, int] = (120, 300), size: float = 1.6) -> np.ndarray:
    drawn = drawn_waves(720, 1280) // 2
    cv2.putText(drawn, text, at, cv2.FONT_HERSHEY_DUPLEX, size, (255, 255, 255), 3, cv2.LINE_AA)
    return drawn


def look(detector: ScreenText, *pictures: np.ndarray, subject: Subject = SUBJECT):
    inspection = detector.open(subject)
    inspection.see([Frame(index=i, time_ms=500 * i, pixels=pixels) for i, pixels in enumerate(pictures)])
    return inspection.finish()


def test_a_caption_is_read_where_and_when_it_stands(detector: ScreenText):
    empty = drawn_waves(720, 1280) // 2
    found = look(detector, empty, picture("BUY NOW, 500% RETURN"), empty, subject=SHORT)
    (signal,) = found.signals
    assert (signal.name, signal.state) == ("text.detection", State.MEASURED)
    (text,) = found.texts
    assert (text.source, text.time_ms, text.text) == ("screen", 500, "BUY NOW, 500% RETURN")
    assert text.confidence > 0.9
    assert 0.05 < text.box.x < 0.15
    assert 0.3 < text.box.y < 0.42


def test_a_picture_without_writing_gives_no_letters(detector: ScreenText):
    found = look(detector, drawn_waves(720, 1280))
    assert found.texts == ()
    assert [sample.value for sample in found.signals[0].samples] == [0.0]


def test_an_accent_and_a_line_on_a_slope_are_read(detector: ScreenText):
    level = drawn_letters("slope 42")
    turn = cv2.getRotationMatrix2D((320, 90), 12, 1)
    tilted = cv2.warpAffine(level, turn, (640, 180), borderValue=(40, 40, 40))
    assert [reading.text for _, reading in detector.read(tilted)] == ["slope 42"]


def test_at_most_two_frames_are_read_however_many_are_written_on(detector: ScreenText):
    found = look(detector, *[picture(f"page number {i}") for i in range(12)])
    assert len({text.time_ms for text in found.texts}) == 2
    assert len(found.signals[0].samples) == 5


def test_the_same_frames_in_other_batches_give_the_same(detector: ScreenText):
    pictures = [picture("one two three"), drawn_waves(720, 1280), picture("four five six")]
    parts = detector.open(SUBJECT)
    for i, pixels in enumerate(pictures):
        parts.see([Frame(index=i, time_ms=500 * i, pixels=pixels)])
    assert parts.finish() == look(detector, *pictures)


def test_a_short_shot_is_looked_at_and_a_clip_of_cuts_stays_within_the_budget(detector: ScreenText):
    inspection = detector.open(SUBJECT)
    inspection.see(
        [
            Frame(index=i, time_ms=30 * i, shot=i, pixels=picture("a short shot") if i == 3 else drawn_waves(90, 160))
            for i in range(30)
        ]
    )
    found = inspection.finish()
    assert [text.time_ms for text in found.texts] == [90]
    assert len(found.signals[0].samples) == 8


def test_self_check_notices_a_reader_of_other_letters(detector: ScreenText, embedded_pack: Manifest):
    detector.self_check()
    other = ScreenText.load(embedded_pack)
    other.reader._letters = (other.reader._letters[0], *reversed(other.reader._letters[1:]))
    with pytest.raises(DetectorUnavailable, match=READER_MODEL):
        other.self_check()


def test_a_network_with_other_classes_is_refused(detector: ScreenText, embedded_pack: Manifest):
    other = ScreenText.load(embedded_pack)
    other.reader._letters = other.reader._letters[:-1]
    with pytest.raises(DetectorError, match="no letters"):
        other.read(drawn_letters("abc"))
