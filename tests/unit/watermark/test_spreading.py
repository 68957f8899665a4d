"""The tile: keyed, the same in every release, and of the same size relative to every frame."""

import hashlib

import cv2
import numpy as np
import pytest

from watermark.payload import CODED_BITS, Payload, encode
from watermark.spreading import (
    CHIP_PX,
    COARSE,
    FINE,
    GRADES,
    MEDIUM,
    PERIOD_MS,
    chip_plan,
    grade_for,
    pattern,
    polarities,
    shape,
    tile_chips,
)

KEY = bytes(range(32))
CODED = encode(Payload(mark_id=0x0123456789AB, key_version=5), KEY)


def alike(one, other):
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1])


@pytest.mark.parametrize(
    ("grade", "digest"), [(FINE, "de897d49396046c1"), (MEDIUM, "990b0913bcd42949"), (COARSE, "cead137b9fb3d0db")]
)
def test_chips_are_those_of_every_release(grade, digest):
    """Written down once: if these change, every clip marked before becomes unreadable."""
    chips = tile_chips(chip_plan(KEY, grade), CODED).astype(np.int8)
    assert hashlib.sha256(chips.tobytes()).hexdigest().startswith(digest)


@pytest.mark.parametrize("grade", GRADES)
def test_every_coded_bit_has_its_share_of_chips(grade):
    plan = chip_plan(KEY, grade)
    shares = np.bincount(plan.data_bit, minlength=CODED_BITS)
    assert len(shares) == CODED_BITS
    assert 0 < shares.min() <= shares.max() <= shares.min() + 1
    assert sorted([*plan.sync_at, *plan.data_at]) == list(range(grade.chips**2))


def test_another_key_lays_other_chips():
    one, other = (tile_chips(chip_plan(key, GRADES[0]), CODED) for key in (KEY, b"x" * 32))
    assert abs(alike(one, other)) < 0.1


@pytest.mark.parametrize("size", [(1280, 720), (720, 1280), (855, 481)])
def test_the_pattern_of_half_the_frame_is_half_the_pattern(size):
    width, height = size
    plan = chip_plan(KEY, grade_for(width, height))
    full = pattern(plan, CODED, width, height)
    half = pattern(plan, CODED, width // 2, height // 2)
    assert full.shape == (height, width)
    assert full.std() == pytest.approx(1, abs=0.1)
    assert alike(cv2.resize(full, (width // 2, height // 2), interpolation=cv2.INTER_AREA), half) > 0.97


@pytest.mark.parametrize("size", [(256, 144), (640, 360), (1920, 1080)])
def test_a_detector_finds_the_chips_at_its_own_pixels(size):
    width, height = size
    grade = grade_for(width, height)
    plan = chip_plan(KEY, grade)
    short = grade.per_short_side * CHIP_PX
    seen = cv2.resize(pattern(plan, CODED, width, height), (round(short * width / height), short))
    tile = shape(tile_chips(plan, CODED), CHIP_PX)
    rows, columns = min(len(tile), seen.shape[0]), min(len(tile), seen.shape[1])
    assert alike(seen[:rows, :columns], tile[:rows, :columns]) > 0.95


def test_the_polarity_is_keyed_and_cancels_over_every_pair():
    signs = polarities(KEY, np.arange(0, 200 * PERIOD_MS, PERIOD_MS))
    assert np.array_equal(signs[:12], [1, -1, -1, 1, 1, -1, 1, -1, -1, 1, -1, 1])
    assert (signs[::2] + signs[1::2] == 0).all()
    assert (signs != polarities(b"x" * 32, np.arange(0, 200 * PERIOD_MS, PERIOD_MS))).any()
    assert polarities(KEY, np.array([PERIOD_MS - 1, PERIOD_MS])).tolist() == [1, -1]
