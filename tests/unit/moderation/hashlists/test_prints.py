"""Prints of clips: hashes of the frames that tell something, new pictures always, and back from their bytes."""

import numpy as np
import pytest

from detectors.base import Frame
from moderation.hashlists.prints import ClipPrint, PrintTaker, hash_picture
from watermark.fingerprint import distance


def picture(seed, side=(180, 320)):
    """A picture of blocks, different for each seed."""
    blocks = np.random.default_rng(seed).integers(0, 256, (9, 16, 3), np.uint8)
    return np.ascontiguousarray(np.kron(blocks, np.ones((side[0] // 9, side[1] // 16, 1), np.uint8)))


def taken(*shown):
    taker = PrintTaker()
    for number, (time, pixels) in enumerate(shown):
        taker.see([Frame(index=number, time_ms=time, pixels=pixels)])
    return taker.finish()


def test_frames_are_kept_twice_a_second_and_whenever_the_picture_is_another():
    still, other = picture(1), picture(2)
    found = taken((0, still), (250, still), (500, still), (533, other), (566, still), (600, still))
    assert found.times.tolist() == [0, 500, 533, 566]
    assert distance(found.hashes[0, 0], found.hashes[2, 0]) > 60


def test_plain_frames_are_counted_and_left_out():
    found = taken((0, np.full((90, 160, 3), 128, np.uint8)), (500, picture(3)))
    assert (len(found), found.plain, found.times.tolist()) == (1, 1, [500])


def test_the_size_of_the_picture_hardly_matters():
    small, large = hash_picture(picture(4))[0][0], hash_picture(picture(4, (720, 1280)))[0][0]
    assert distance(small, large) <= 10


def test_a_print_comes_back_from_its_bytes():
    found = taken((0, picture(5)), (500, picture(6)))
    again = ClipPrint.from_bytes(found.to_bytes())
    assert again.times.tolist() == [0, 500]
    assert (again.hashes == found.hashes).all()
    assert (again.quality == found.quality).all()
    assert len(ClipPrint.from_bytes(taken().to_bytes())) == 0
    for spoilt in (found.to_bytes()[:-1], b"PDQ1" + found.to_bytes()[4:], b""):
        with pytest.raises(ValueError, match="print"):
            ClipPrint.from_bytes(spoilt)
