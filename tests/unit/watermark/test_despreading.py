"""Bits out of a folded tile: of unit deviation, at any shift, and whether or not the encoder kept high frequencies."""

import numpy as np
import pytest

from watermark.despreading import soft_bits
from watermark.payload import CODED_BITS, Payload, encode
from watermark.spreading import CHIP_PX, FINE, chip_plan, shape, tile_chips

KEY = bytes(range(32))
PLAN = chip_plan(KEY, FINE)
CODED = encode(Payload(mark_id=0x0123456789AB, key_version=5), KEY)
N = FINE.tile_px


def tile(fade=0.0, noise=0.0, row=0, column=0):
    """The payload's tile, its high frequencies faded, under white noise."""
    drawn = shape(tile_chips(PLAN, CODED), CHIP_PX)
    radius = np.hypot(np.fft.fftfreq(N)[:, None], np.fft.fftfreq(N)[None]) * 2 * CHIP_PX
    faded = np.fft.ifft2(np.fft.fft2(drawn) * np.exp(-fade * radius**2)).real
    grain = np.random.default_rng(3).normal(size=(N, N))
    return np.roll(faded + noise * grain, (row, column), (0, 1)).astype(np.float32)


def clearness(llr):
    """How clearly each reading says what was written: the mean of its bits times the written ones."""
    return (llr * (2 * CODED - 1)).mean(axis=-1)


def test_all_bits_are_read_from_a_clean_tile_at_any_shift():
    llr = soft_bits(tile(row=31, column=7), PLAN, 31, 7)
    assert llr.shape == (2, CODED_BITS)
    assert llr.std(axis=1) == pytest.approx(1, abs=1e-3)
    assert ((llr > 0) == (CODED > 0)).all()


def test_one_reading_is_best_where_all_came_through_and_the_other_where_only_the_low_did():
    alike, low = clearness(soft_bits(tile(noise=1.0), PLAN, 0, 0))
    assert alike > low
    alike, low = clearness(soft_bits(tile(fade=3.0, noise=1.0), PLAN, 0, 0))
    assert low > alike + 0.02
