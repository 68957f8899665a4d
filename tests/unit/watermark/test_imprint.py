"""The fast imprint against one that says in plain numpy what is meant: equal bit for bit."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from watermark.imprint import DETAIL_UNIT, Imprint, Strength, busyness

GAINS = np.rint(32 * np.interp(np.arange(256) / DETAIL_UNIT, (0, 1, 3, 11), (0.6, 1.5, 3.0, 3.97))).astype(np.int8)
TELLS = np.rint(40 / (1 + np.arange(256) / DETAIL_UNIT)).astype(np.uint8)
#: Low enough that some frames of `frame` are over them, and some are not.
MOST, ENOUGH, LEAST = 32 * 2.5, 20.0, 0.6
STRENGTH = Strength(gains=GAINS, tells=TELLS, enough=ENOUGH, least=LEAST, most=MOST)


def halved(picture):
    rows, columns = (side // 2 for side in picture.shape)
    return (picture.reshape(rows, 2, columns, 2).sum(axis=(1, 3)) + 2) // 4


def shrunk(picture, step):
    rows, columns = (side // step for side in picture.shape)
    sums = picture.reshape(rows, step, columns, step).sum(axis=(1, 3))
    return (sums + 2) // 4 if step == 2 else np.rint(sums.astype(np.float32) * np.float32(1 / step**2)).astype(int)


def windows(padded, size):
    return np.lib.stride_tricks.sliding_window_view(padded, (size, size))


def plain_busyness(luma):
    step = max(round(min(luma.shape) / 360), 1)
    rows, columns = (side // (4 * step) * 4 * step for side in luma.shape)
    small = shrunk(luma[:rows, :columns].astype(int), step)
    mean = (windows(np.pad(small, 2, mode="reflect"), 5).sum(axis=(2, 3)) + 12) // 25
    cells = halved(halved(np.minimum(8 * np.abs(small - mean), 255)))
    return windows(np.pad(cells, 1, constant_values=255), 3).min(axis=(2, 3))


def plain_imprint(luma, drawn, sign):
    pattern = np.clip(np.rint(drawn * 32), -127, 127).astype(int)
    busy = plain_busyness(luma)
    grid = GAINS[busy].astype(int)
    told = max(np.sqrt((TELLS[busy].astype(float) ** 2).mean()), 1e-9)
    share = min(1, max(ENOUGH / told, LEAST), MOST / np.sqrt((grid**2).mean()))
    grid = sign * np.rint(grid * share).astype(int)
    side = 4 * max(round(min(luma.shape) / 360), 1)
    row, column = (np.minimum(np.arange(n) // side, cells - 1) for n, cells in zip(luma.shape, grid.shape, strict=True))
    change = np.rint(pattern * grid[np.ix_(row, column)] / 1024).astype(int)
    return np.clip(luma + change, 0, 255)


def frame(rng, height, width):
    """Noise, flat ground, black and white: all that can saturate, in patches of every busyness."""
    luma = rng.integers(0, 256, (height, width))
    strength = np.kron(rng.choice([0, 0.02, 0.1, 1], (8, 8)), np.ones((-(-height // 8), -(-width // 8))))
    ground = np.kron(rng.choice([0, 20, 128, 235, 255], (8, 8)), np.ones((-(-height // 8), -(-width // 8))))
    return np.clip(ground[:height, :width] + (luma - 128) * strength[:height, :width], 0, 255).astype(np.uint8)


def check(rng, height, width, *, strided=False):
    luma = frame(rng, height, width)
    memory = np.full((height, width + 37), 7, np.uint8)
    mine = memory[:, :width] if strided else luma.copy()
    mine[...] = luma
    drawn = rng.normal(0, 1.5, luma.shape).astype(np.float32)
    sign = int(rng.choice([-1, 1]))
    Imprint(drawn, STRENGTH).add(mine, sign)
    assert np.array_equal(busyness(luma), plain_busyness(luma))
    assert np.array_equal(mine, plain_imprint(luma, drawn, sign))
    assert (memory[:, width:] == 7).all()


@settings(max_examples=60, deadline=None)
@given(st.integers(4, 700), st.integers(4, 700), st.integers(0, 2**32 - 1), st.booleans())
def test_any_frame_of_any_size_comes_out_as_meant(height, width, seed, strided):
    check(np.random.default_rng(seed), height, width, strided=strided)


@pytest.mark.parametrize("size", [(240, 426), (720, 1280), (1280, 720), (1081, 1921), (1440, 2561)])
def test_the_usual_sizes_come_out_as_meant(size):
    check(np.random.default_rng(1), *size)


@pytest.mark.full
@pytest.mark.parametrize("size", [(2160, 3840), (3839, 2159), (2880, 2881)])
def test_the_largest_sizes_come_out_as_meant(size):
    check(np.random.default_rng(2), *size)


def test_the_same_imprint_serves_frame_after_frame():
    rng = np.random.default_rng(3)
    drawn = rng.normal(0, 1, (200, 300)).astype(np.float32)
    imprint = Imprint(drawn, STRENGTH)
    for _ in range(3):
        luma = frame(rng, 200, 300)
        wanted = plain_imprint(luma, drawn, -1)
        imprint.add(luma, -1)
        assert np.array_equal(luma, wanted)


def test_no_frame_is_changed_more_than_was_asked():
    rng = np.random.default_rng(4)
    luma = rng.integers(60, 190, (480, 640)).astype(np.uint8)
    drawn = rng.normal(0, 1, luma.shape).astype(np.float32)
    for most in (1.0, 2.0):
        marked = luma.copy()
        Imprint(drawn, replace(STRENGTH, gains=np.full(256, 120, np.int8), least=1.0, most=32 * most)).add(marked, 1)
        assert np.sqrt(np.square(marked.astype(float) - luma).mean()) == pytest.approx(most, rel=0.05)


@pytest.mark.parametrize(("shape", "gain"), [((3, 100), 32), ((100, 100), 128), ((100, 100), -1)])
def test_what_would_overflow_is_refused(shape, gain):
    with pytest.raises(ValueError, match="no imprint"):
        Imprint(np.zeros(shape, np.float32), replace(STRENGTH, gains=np.full(256, gain)))


def test_a_frame_that_tells_enough_is_marked_less_down_to_a_share():
    rng = np.random.default_rng(5)
    drawn = rng.normal(0, 1, (480, 640)).astype(np.float32)
    change = {}
    for enough in (1000.0, 30.0, 1.0):
        luma = np.full((480, 640), 128, np.uint8)
        Imprint(drawn, replace(STRENGTH, enough=enough)).add(luma, 1)
        change[enough] = np.sqrt(np.square(luma.astype(float) - 128).mean())
    assert change[30.0] / change[1000.0] == pytest.approx(30 / TELLS[0], abs=0.1)
    assert change[1.0] / change[1000.0] == pytest.approx(LEAST, abs=0.1)
