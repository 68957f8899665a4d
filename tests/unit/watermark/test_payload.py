"""The payload's bits: what noise they survive, and that nobody without the key can write them."""

import hashlib

import numpy as np
import pytest

from watermark import convolution
from watermark.payload import BITS, CODED_BITS, Payload, decode, encode

KEY, OTHER = bytes(range(32)), b"other" * 8
PAYLOAD = Payload(mark_id=0x0123456789AB, key_version=5)


def soft(coded, noise=0.0, seed=0):
    return (2.0 * coded - 1 + np.random.default_rng(seed).normal(0, noise, len(coded))).astype(np.float32)


def test_what_is_written_is_that_of_every_release():
    """Written down once: if this changes, every clip marked before becomes unreadable."""
    coded = encode(PAYLOAD, KEY)
    assert coded.dtype == np.int8
    assert len(coded) == CODED_BITS == 304
    assert hashlib.sha256(coded.tobytes()).hexdigest().startswith("b2a1b11d9a97bb52")


@pytest.mark.parametrize("mark_id", [0, 1, 2**48 - 1, 0xABCDEF012345])
@pytest.mark.parametrize("version", [0, 9, 15])
def test_every_payload_comes_back(mark_id, version):
    payload = Payload(mark_id=mark_id, key_version=version)
    assert decode(soft(encode(payload, KEY)), {version: KEY, (version + 1) % 16: OTHER}) == payload


def test_a_fifth_of_the_coded_bits_may_be_wrong():
    coded = encode(PAYLOAD, KEY)
    received = [soft(coded, 1.15, seed) for seed in range(20)]
    assert np.mean([(llr > 0) != (coded > 0) for llr in received]) > 0.18
    assert sum(decode(llr, {5: KEY}) == PAYLOAD for llr in received) >= 17


def test_the_code_bites_its_tail():
    """Turning the bits turns the coded bits alike: there is no start that is protected less."""
    bits = np.random.default_rng(1).integers(0, 2, BITS).astype(np.int8)
    turned = np.roll(convolution.encode(bits), 7 * convolution.RATE)
    assert np.array_equal(convolution.encode(np.roll(bits, 7)), turned)
    assert np.array_equal(convolution.decode(soft(turned)), np.roll(bits, 7))


def test_the_version_inside_selects_the_key():
    received = soft(encode(PAYLOAD, KEY))
    assert decode(received, {4: KEY}) is None
    assert decode(received, {4: KEY, 5: OTHER}) is None
    assert decode(received, {4: OTHER, 5: KEY}) == PAYLOAD


def test_without_the_key_no_payload_passes():
    assert decode(soft(encode(PAYLOAD, OTHER)), {5: KEY}) is None


def test_noise_is_no_payload():
    noise = np.random.default_rng(2)
    keys = dict.fromkeys(range(16), KEY)
    assert not any(decode(noise.normal(size=CODED_BITS).astype(np.float32), keys) for _ in range(100))


@pytest.mark.parametrize("change", [{"mark_id": 2**48}, {"mark_id": -1}, {"key_version": 16}, {"key_version": -1}])
def test_what_does_not_fit_is_refused(change):
    with pytest.raises(ValueError):
        Payload(**({"mark_id": 1, "key_version": 1} | change))


def test_it_is_published_as_twelve_hex_digits():
    assert str(Payload(mark_id=0xAB, key_version=1)) == "0000000000ab"
