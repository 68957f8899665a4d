"""What is written is what is read, whatever the id, the key, the size, the shape and the frame rate."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from watermark.frames import Planes
from watermark.invisible import InvisibleMarker, read
from watermark.payload import Payload, decode, encode

keys = st.binary(min_size=32, max_size=32)
payloads = st.builds(Payload, mark_id=st.integers(0, 2**48 - 1), key_version=st.integers(0, 15))
#: Long side over short side, from a square to wider than the cinema.
shapes = st.floats(1, 2.4)


@settings(max_examples=30, deadline=None)
@given(payloads, keys, st.floats(0, 0.7), st.integers(0, 2**32 - 1))
def test_any_payload_comes_back_through_noise(payload, key, noise, seed):
    soft = 2.0 * encode(payload, key) - 1 + np.random.default_rng(seed).normal(0, noise, 304)
    received = soft.astype(np.float32)
    assert decode(received, {payload.key_version: key}) == payload
    assert decode(received, {payload.key_version: key[::-1] + b"other"}) is None


def scene(width, height, frames, fps, seed):
    """A ground of soft clouds, on which a bar moves."""
    noise = np.random.default_rng(seed)
    across, down = np.linspace(0, 5, width, dtype=np.float32), np.linspace(0, 5, height, dtype=np.float32)
    ground = 125 + 30 * np.sin(across + noise.uniform(0, 6)) + 30 * np.cos(down + noise.uniform(0, 6))[:, None]
    for number in range(frames):
        luma = ground.astype(np.uint8)
        left = int(width * (0.2 + 0.3 * number / fps))
        luma[height // 4 : height // 2, left : left + width // 8] = 210
        yield number * 1000 // fps, luma


def survives(payload, key, size, fps, seed):
    marker, chroma = InvisibleMarker(payload, key, *size), np.full((size[1] // 2, size[0] // 2), 128, np.uint8)
    frames = list(scene(*size, -(-fps * 6 // 10), fps, seed))
    for index, (time_ms, luma) in enumerate(frames):
        marker.mark(Planes(index=index, time_ms=time_ms, y=luma, u=chroma, v=chroma))
    reading = read(frames, {payload.key_version: key})
    assert (reading.state, reading.payload) == ("found", payload)


def sized(short, shape, *, upright):
    long = round(short * shape)
    return (short, long) if upright else (long, short)


@settings(max_examples=6, deadline=None)
@given(
    payloads, keys, st.integers(240, 480), shapes, st.booleans(), st.sampled_from([12, 24, 30, 60]), st.integers(0, 99)
)
def test_any_size_shape_and_frame_rate_is_read(payload, key, short, shape, upright, fps, seed):
    survives(payload, key, sized(short, shape, upright=upright), fps, seed)


@pytest.mark.full
@settings(max_examples=12, deadline=None)
@given(payloads, keys, st.integers(480, 2160), shapes, st.booleans(), st.sampled_from([10, 15, 24]), st.integers(0, 99))
def test_any_large_size_is_read(payload, key, short, shape, upright, fps, seed):
    survives(payload, key, sized(short, shape, upright=upright), fps, seed)
