"""The tile: keyed, the same in every release, and of the same size relative to every frame."""

import hashlib

import cv2
import numpy as np
import pytest

from watermark.alignment import listen
from watermark.payload import CODED_BITS, Payload, encode
from watermark.spreading import (
    CHIP_PX,
    COARSE,
    FIELD_TILES,
    FINE,
    GRADES,
    MEDIUM,
    PERIOD_MS,
    WAVES,
    chip_plan,
    grade_for,
    pattern,
    polarities,
    shape,
    tile_chips,
)
from watermark.whitening import fold

KEY = bytes(range(32))
CODED = encode(Payload(mark_id=0x0123456789AB, key_version=5), KEY)


def alike(one, other):
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1])


@pytest.mark.parametrize(
    ("grade", "digest"), [(FINE, "8ac68e48e0b53ea2"), (MEDIUM, "491725e07ac4e869"), (COARSE, "9a50361d866dd3e8")]
)
def test_chips_and_waves_are_those_of_every_release(grade, digest):
    """Written down once: if these change, every clip marked before becomes unreadable."""
    plan = chip_plan(KEY, grade)
    turns = np.rint(np.angle(plan.phases) * 1000)
    laid = [tile_chips(plan, CODED).astype(np.int8), plan.waves.astype("<i4"), turns.astype("<i4")]
    assert hashlib.sha256(b"".join(each.tobytes() for each in laid)).hexdigest().startswith(digest)


@pytest.mark.parametrize("grade", GRADES)
def test_every_coded_bit_has_its_share_of_chips(grade):
    plan = chip_plan(KEY, grade)
    shares = np.bincount(plan.bit, minlength=CODED_BITS)
    assert len(shares) == CODED_BITS
    assert 0 < shares.min() <= shares.max() <= shares.min() + 1


@pytest.mark.parametrize("grade", GRADES)
@pytest.mark.parametrize("key", [bytes([n]) * 32 for n in range(8)])
def test_waves_stand_clear_of_the_chips_of_the_axes_and_of_each_other(grade, key):
    waves = chip_plan(key, grade).waves
    assert waves.shape == (WAVES, 2)
    assert (waves % FIELD_TILES != 0).all()
    assert (np.abs(waves) >= 5).all()
    apart = np.hypot(*np.moveaxis(waves[:, None] - waves[None], -1, 0)) + 99 * np.eye(WAVES)
    assert apart.min() >= 5


@pytest.mark.parametrize("grade", GRADES)
def test_a_field_is_as_wide_as_a_frame(grade):
    assert grade.field >= 16 / 9 - 1e-9


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
    # The waves have 27 % of the power: what is left of a perfect match is the root of 0.73.
    assert alike(seen[:rows, :columns], tile[:rows, :columns]) > 0.8


def test_chips_are_silent_where_waves_are():
    plan = chip_plan(KEY, FINE)
    whole = cv2.resize(pattern(plan, CODED, 1280, 1280), (180, 180), interpolation=cv2.INTER_AREA)
    tiled = np.tile(shape(tile_chips(plan, CODED), CHIP_PX), (FIELD_TILES, FIELD_TILES))
    assert np.abs(listen(tiled, plan)).max() < 1e-2
    assert np.abs(listen(fold(whole, plan.grade.field_px), plan)[:, 0]).min() > 100


def test_the_polarity_alternates():
    signs = polarities(np.arange(0, 200 * PERIOD_MS, PERIOD_MS))
    assert (signs[::2] == 1).all()
    assert (signs[1::2] == -1).all()
    assert polarities(np.array([PERIOD_MS - 1, PERIOD_MS])).tolist() == [1, -1]
