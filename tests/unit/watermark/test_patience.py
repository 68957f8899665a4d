"""A look ends when its budget is spent, however many keys there are and whatever a copy was made to look like."""

import time
from dataclasses import replace

import cv2
import numpy as np
import pytest

from watermark import lattice
from watermark.despreading import AlignedTier
from watermark.invisible import read
from watermark.lattice import LatticeTier
from watermark.layers import read as read_layer
from watermark.limits import VideoLimits
from watermark.looking import look_at
from watermark.patience import Budget, OutOfTime, Patience
from watermark.payload import CODED_BITS
from watermark.spreading import GRADES, chip_plan, pattern, polarities

KEYS = {version: bytes([version]) * 32 for version in range(16)}
BUDGET = Budget(mark_seconds=60, search_seconds=60, content_seconds=60, layer_seconds=60, wall_seconds=600)
#: CPU seconds of the longest step that nothing interrupts, on a machine with much else to do.
STEP = 0.6


def hostile():
    """Two seconds under the waves of all keys at once, so that every key's map is worth following to its end."""
    noise = np.random.default_rng(5)
    drawn = sum(pattern(chip_plan(key, GRADES[1]), noise.integers(0, 2, CODED_BITS), 426, 320) for key in KEYS.values())
    for time_ms in range(0, 2000, 125):
        luma = 128 + 2.0 * drawn * polarities(np.array([time_ms])) + noise.normal(0, 1, drawn.shape)
        # A quarter cut off on two sides: nothing for the first tier.
        yield time_ms, np.ascontiguousarray(luma.clip(0, 255).astype(np.uint8)[40:300, 50:400])


@pytest.mark.parametrize("seconds", [0.2, 0.8])
def test_a_search_ends_when_its_cpu_time_is_spent_however_many_keys_there_are(seconds):
    frames = list(hostile())
    read(frames[:1], {0: KEYS[0]})  # What is made once for all looks does not count.
    for key in KEYS.values():
        for grade in GRADES:
            chip_plan(key, grade)
    patience = Patience(BUDGET)
    began = time.process_time()
    read(frames, KEYS, (LatticeTier,), lambda: patience.over(seconds))
    assert patience.ended
    assert time.process_time() - began < seconds + STEP


def test_nothing_more_is_asked_of_a_tier_once_it_is_over(monkeypatch):
    """By count, not by clock: after the word no key is looked for any more, the newest was looked for first."""
    asked = []
    monkeypatch.setattr(lattice, "chip_plan", lambda key, grade: asked.append(key) or chip_plan(key, grade))
    assert read(list(hostile())[:1], KEYS, (LatticeTier,), lambda: bool(asked)).state == "not_found"
    assert asked == [KEYS[15]]


def test_the_first_tier_asks_too():
    asked = []

    def over():
        asked.append(1)
        return len(asked) > 3

    tier = AlignedTier(KEYS)
    for time_ms, luma in hostile():
        tier.watch(time_ms, luma)
    assert list(tier.candidates(over)) == []
    assert len(asked) == 4


@pytest.mark.parametrize("bound", [{"search_seconds": 0.1}, {"wall_seconds": 0.1}])
def test_a_picture_cut_short_among_many_keys_is_not_called_unmarked(bound, tmp_path):
    path = tmp_path / "noise.png"
    cv2.imwrite(str(path), np.random.default_rng(1).integers(0, 255, (360, 640), np.uint8))
    look = look_at(path, KEYS, VideoLimits(), replace(BUDGET, **bound), keep_ms=800)
    assert look.reading is not None
    assert (look.reading.state, look.cut, look.still) == ("not_found", True, True)


def test_a_layer_is_not_read_beyond_its_time():
    class Layer:
        name, bits = "slow", 32
        heard = 0

        def listen(self, pictures):
            self.heard += 1
            return np.zeros((len(pictures), 32), np.float32)

    layer, word = Layer(), np.ones(32, np.int8)
    batches = [np.zeros((1, 32, 32, 3), np.uint8)] * 6
    with pytest.raises(OutOfTime):
        read_layer(layer, batches, word, mirrored=True, over=lambda: layer.heard == 2)
    assert layer.heard == 2


def test_patience_counts_what_its_clock_counts(monkeypatch):
    spent = [5.0]
    patience = Patience(BUDGET, clock=lambda: spent[0])
    assert not patience.over(2.0)
    spent[0] = 7.5
    assert patience.over(2.0)
    assert not patience.over(2.0, since=1.0)
    monkeypatch.setattr(time, "monotonic", lambda: 1e9)
    assert patience.over(100.0)
    assert patience.wall_left < 0


def test_a_budget_has_no_figures_of_its_own():
    with pytest.raises(TypeError):
        Budget(mark_seconds=1.0)
