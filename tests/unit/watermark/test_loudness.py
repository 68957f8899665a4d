"""Loudness in tenths of a second, on the clip's own time axis."""

import numpy as np

from watermark.listening import RATE, Heard
from watermark.loudness import SILENCE_DB, loudness


def tone(seconds: float, peak: float) -> np.ndarray:
    return (peak * np.sin(2 * np.pi * 440 * np.arange(round(seconds * RATE)) / RATE)).astype(np.float32)


def test_a_clip_without_sound_has_no_numbers_and_silence_has_low_ones():
    assert loudness(None, 1000) == []
    assert loudness(Heard(start_ms=0, samples=np.zeros(RATE, np.float32)), 1000) == [SILENCE_DB] * 10


def test_a_tone_is_as_loud_as_it_is():
    heard = Heard(start_ms=0, samples=np.concatenate([tone(0.5, 1.0), tone(0.5, 0.1)]))
    assert loudness(heard, 1000) == [-3] * 5 + [-23] * 5


def test_sound_that_begins_late_early_or_ends_soon_keeps_its_place():
    assert loudness(Heard(start_ms=300, samples=tone(0.4, 1.0)), 1000) == [-60] * 3 + [-3] * 4 + [-60] * 3
    assert loudness(Heard(start_ms=-300, samples=tone(0.5, 1.0)), 1000) == [-3] * 2 + [-60] * 8
    assert loudness(Heard(start_ms=900, samples=tone(5, 1.0)), 950) == [-60] * 9 + [-3]
    assert loudness(Heard(start_ms=5_000, samples=tone(1, 1.0)), 1000) == [-60] * 10
