"""Where a tile begins: told by a mark at any start, and not told by what stands still."""

import numpy as np

from watermark.alignment import places
from watermark.spreading import polarities

KEY = bytes(range(32))
TIMES = np.arange(62, 4000, 125)
SEQUENCES = np.unique(polarities(KEY, np.arange(0, 60_000, 125)[:, None] + TIMES[None]), axis=0)


def maps(seed=0):
    return np.random.default_rng(seed).normal(size=(len(TIMES), 80, 80)).astype(np.float32)


def found(sync):
    return min(places(sync, polarities(KEY, TIMES), SEQUENCES), key=lambda place: place.chance)


def test_noise_tells_nothing():
    assert all(found(maps(seed)).chance > 1e-3 for seed in range(10))


def test_what_stands_still_is_no_witness():
    """A picture that looks a little like the sync does so in every window: 32 times the same is once."""
    still = 3 * np.random.default_rng(1).normal(size=(80, 80)).astype(np.float32)
    assert found(maps() + still).chance > 1e-3


def test_another_marks_turning_pattern_is_no_witness():
    turning = 3 * np.random.default_rng(1).normal(size=(80, 80)).astype(np.float32)
    assert found(maps() + turning * polarities(KEY, TIMES)[:, None, None]).chance > 1e-3


def test_a_weak_mark_is_found_at_its_shift_after_any_start():
    sync, signs = maps(), polarities(KEY, TIMES + 17_000)
    sync[:, 31, 7] += 3 * signs
    place = found(sync)
    assert (place.row, place.column) == (31, 7)
    assert place.chance < 1e-12
    assert abs(np.mean(np.sign(place.weights) * signs)) > 0.9


def test_strong_windows_count_more():
    sync, signs = maps(), polarities(KEY, TIMES)
    strength = np.where(np.arange(len(TIMES)) < 8, 9, 1)
    sync[:, 0, 0] += strength * signs
    weights = np.abs(found(sync).weights)
    assert weights[:8].mean() > 2 * weights[8:].mean()
