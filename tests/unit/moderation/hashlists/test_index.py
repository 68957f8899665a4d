"""The index of hashes: nothing within 31 bits is ever missed, nothing farther is ever reported."""

import numpy as np
import pytest

from moderation.hashlists import index
from moderation.hashlists.index import EXACT_REACH, HashIndex

COUNT = 20_000


@pytest.fixture(scope="module")
def stored():
    return np.random.default_rng(3).integers(0, 256, (COUNT, 32), np.uint8)


@pytest.fixture(scope="module")
def filled(stored):
    made = HashIndex()
    made.add(stored)
    return made


def changed(hashes, bits, rng):
    """Each hash with so many of its bits turned, drawn anew for each."""
    flips = np.zeros((len(hashes), 256), np.uint8)
    for row in flips:
        row[rng.choice(256, bits, replace=False)] = 1
    return hashes ^ np.packbits(flips, axis=1)


def in_place(shuffled):
    """Bits as the index sorts them, as the bits of a hash."""
    bits = np.zeros(256, np.uint8)
    bits[index._SHUFFLE] = shuffled.ravel()
    return np.packbits(bits)


def pairs(near):
    return set(zip(near.query.tolist(), near.row.tolist(), near.distance.tolist(), strict=True))


def brute(queries, stored, reach):
    apart = np.bitwise_count(queries[:, None] ^ stored[None]).sum(axis=-1, dtype=np.int32)
    return {(q, r, apart[q, r]) for q, r in zip(*(axis.tolist() for axis in np.nonzero(apart <= reach)), strict=True)}


@pytest.mark.parametrize("bits", [0, 1, 15, 16, 24, 30, 31])
def test_whatever_the_bits_all_within_31_are_found(filled, stored, bits):
    rng = np.random.default_rng(bits)
    places = rng.integers(0, COUNT, 100)
    near = filled.near(changed(stored[places], bits, rng))
    assert {(q, r, bits) for q, r in enumerate(places)} <= pairs(near)
    assert near.distance.max() <= EXACT_REACH


def test_the_worst_spread_of_31_bits_is_found_and_of_32_may_be_missed(filled, stored):
    # Two bits of each band, in the order in which bands are cut.
    spread = np.zeros((16, 16), np.uint8)
    spread[:, :2] = 1
    farther = stored[:5] ^ in_place(spread)
    assert pairs(filled.near(farther, reach=60)) == set()
    spread[7, 1] = 0
    nearer = stored[:5] ^ in_place(spread)
    assert {(n, n, 31) for n in range(5)} <= pairs(filled.near(nearer))


def test_it_answers_as_comparing_with_every_hash_does(filled, stored):
    rng = np.random.default_rng(11)
    queries = np.concatenate([changed(stored[:30], bits, rng) for bits in (3, 20, 31, 33, 50)])
    assert pairs(filled.near(queries)) == brute(queries, stored, EXACT_REACH)


def test_hashes_added_one_by_one_are_found_at_once_and_after_sorting(monkeypatch, stored):
    monkeypatch.setattr(index, "LOOSE_ROWS", 50)
    monkeypatch.setattr(index, "PART_ROWS", 120)
    made = HashIndex()
    for number in range(300):
        assert made.add(stored[number : number + 1]) == number
        assert (0, number, 0) in pairs(made.near(stored[number : number + 1]))
    assert pairs(made.near(stored[:300])) >= {(n, n, 0) for n in range(300)}
    assert len(made) == 300


def test_a_crowded_band_costs_no_memory_and_loses_nothing(monkeypatch):
    monkeypatch.setattr(index, "_CANDIDATES", 1000)
    rng = np.random.default_rng(2)
    alike = changed(np.repeat(rng.integers(0, 256, (1, 32), np.uint8), 9000, axis=0), 9, rng)
    made = HashIndex()
    made.add(alike)
    queries = alike[:3]
    assert pairs(made.near(queries)) == brute(queries, alike, EXACT_REACH)


def test_an_empty_index_and_no_queries_find_nothing(filled, stored):
    assert len(HashIndex().near(stored[:3])) == 0
    assert len(filled.near(stored[:0])) == 0


def test_equal_hashes_are_found_and_near_ones_are_not(filled, stored):
    rng = np.random.default_rng(4)
    queries = np.concatenate([stored[100:200], changed(stored[:50], 1, rng)])
    assert pairs(filled.equal(queries)) == {(n, n + 100, 0) for n in range(100)}
