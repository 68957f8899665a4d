"""Where a field begins: told by a mark at any start and speed, and not told by what stands still."""

import numpy as np
import pytest

from watermark.alignment import listen, places, places_near, sequences
from watermark.spreading import FINE, chip_plan, polarities

KEY = bytes(range(32))
PLAN = chip_plan(KEY, FINE)
TIMES = np.arange(62, 4000, 125)
N = FINE.field_px


def waves(row=0, column=0):
    """The field's waves drawn at two pixels a chip, begun at a shift."""
    down = (np.arange(N) + 0.5 - row) / N
    across = (np.arange(N) + 0.5 - column) / N
    field = np.zeros((N, N))
    for (y, x), phase in zip(PLAN.waves, PLAN.phases, strict=True):
        field += np.real(phase * np.exp(2j * np.pi * (y * down[:, None] + x * across[None])))
    return field


def heard(strength=0.0, row=0, column=0, signs=1, still=None, seed=0):
    """What is heard in every window of white noise with the waves in it."""
    noise = np.random.default_rng(seed).normal(size=(len(TIMES), N, N)).astype(np.float32)
    fields = noise + strength * np.multiply.outer(np.broadcast_to(signs, len(TIMES)), waves(row, column))
    if still is not None:
        fields += still
    return np.stack([listen(field.astype(np.float32), PLAN) for field in fields])


def best(windows, choices=None):
    choices = sequences(TIMES) if choices is None else choices
    return min(places(windows, choices, PLAN), key=lambda place: place.chance, default=None)


@pytest.mark.parametrize("seed", range(4))
def test_noise_tells_nothing(seed):
    place = best(heard(seed=seed))
    assert place is None or place.chance > 1e-3


def test_what_stands_still_is_no_witness():
    """A picture that looks like the waves does so in every window: 32 times the same is once."""
    place = best(heard(still=0.3 * np.random.default_rng(1).normal(size=(N, N))))
    assert place is None or place.chance > 1e-3


def test_a_still_picture_with_the_very_waves_in_it_is_silenced():
    loud, silenced = (
        best(heard(still=0.01 * waves()), choices) for choices in (np.ones((1, 32), int), sequences(TIMES))
    )
    assert loud.chance < 1e-6
    assert silenced is None or silenced.chance > 1e-3


@pytest.mark.parametrize(("start", "speed"), [(0, 1), (17_400, 1), (900, 0.8), (300, 1.25)])
def test_a_weak_mark_is_found_at_its_shift_at_any_start_and_speed(start, speed):
    signs = polarities((start + speed * TIMES).astype(int))
    place = best(heard(0.01, 31, 7, signs))
    assert (place.row, place.column) == (31, 7)
    assert place.chance < 1e-9
    assert abs(np.mean(np.sign(place.weights) * signs)) > 0.8


def test_a_shift_about_known_is_corrected_by_pixels():
    place = min(
        places_near(heard(0.01, 2, N - 1, polarities(TIMES)), sequences(TIMES), PLAN, 1000), key=lambda p: p.chance
    )
    assert (place.row, place.column) == (2, N - 1)
    assert place.chance < 1e-9


def test_chance_counts_what_was_looked_at():
    windows = heard(0.006, signs=polarities(TIMES))
    few, many = (min(p.chance for p in places_near(windows, sequences(TIMES), PLAN, n)) for n in (1, 1000))
    assert many == pytest.approx(1000 * few)


def test_strong_windows_count_more():
    strength = np.where(np.arange(len(TIMES)) < 8, 9, 1)
    weights = np.abs(best(heard(0.002, signs=strength * polarities(TIMES))).weights)
    assert weights[:8].mean() > 2 * weights[8:].mean()


def test_a_mirrored_sheet_is_heard_as_such():
    sheet = np.random.default_rng(0).normal(size=(N, 300)).astype(np.float32)
    field, mirrored = np.zeros((2, N, N), np.float32)
    field[:, :300], mirrored[:, :300] = sheet, sheet[:, ::-1]
    assert np.allclose(listen(field, PLAN, 300), listen(mirrored, PLAN), atol=1e-2)
