"""PDQ gives what its reference code gives: the answers below were taken from that, for pictures drawn by arithmetic."""

import numpy as np
import pytest

from watermark.pdq import orientations, pdq

#: By seed: the hash in hexadecimal, and the quality.
ANSWERS = {
    1: ("73ff954a5a91409508ee94aa20184a95edff52bd050a0affabf700af11aa4bfd", 0),
    2: ("d29368358349924b582d159700a4216f2a6b9b7f24b749b5073d4b7f8b6975f5", 1),
    3: ("23929993630d224dd20427c789138cf7193d9647726922df8cb24ddd847ef5f7", 3),
    4: ("08a881570c11c2bdaaae044545acb8e7872bc4f5808f227d4fbd15dfaebd5777", 7),
}


def drawn(seed: int) -> np.ndarray:
    y, x = np.mgrid[0:64, 0:64].astype(np.int64)
    return ((x * x * (seed + 3) + y * y * (seed + 7) + x * y * seed) // 512 % 256).astype(np.uint8)


@pytest.mark.parametrize("seed", ANSWERS)
def test_hash_and_quality_are_the_references(seed: int) -> None:
    bits, quality = pdq(drawn(seed))
    assert (np.packbits(bits).tobytes().hex(), quality) == ANSWERS[seed]


def test_a_larger_picture_is_filtered_first() -> None:
    large = np.kron(drawn(4), np.ones((8, 8), np.uint8))
    assert (pdq(large)[0] != pdq(drawn(4))[0]).sum() <= 16


def test_half_of_the_bits_are_set_whatever_the_picture() -> None:
    assert int(pdq(drawn(2))[0].sum()) == 128


def test_the_eight_orientations_are_the_hashes_of_the_turned_pictures() -> None:
    points = np.asarray(np.random.default_rng(5).integers(0, 256, (64, 64)), np.uint8)
    found, quality = orientations(points)
    turned = [
        each
        for picture in (points, points.T)
        for each in (picture, picture[:, ::-1], picture[::-1], picture[::-1, ::-1])
    ]
    for hash_, picture in zip(found, turned, strict=True):
        assert int((hash_ != pdq(np.ascontiguousarray(picture))[0]).sum()) <= 2
    assert quality == pdq(points)[1]
