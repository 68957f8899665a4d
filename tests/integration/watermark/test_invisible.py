"""The invisible mark through real encoders: found where it is, silent where it is not."""

import io
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest

from watermark.despreading import AlignedTier
from watermark.frames import Planes
from watermark.invisible import InvisibleMarker, read
from watermark.payload import CODED_BITS, Payload
from watermark.spreading import chip_plan, grade_for, pattern

KEY, OTHER = bytes(range(32)), b"other" * 8
PAYLOAD = Payload(mark_id=0x0123456789AB, key_version=3)
KEYS = {3: KEY}
FPS = 20


def drawn(width, height, frames, fps=FPS):
    """A flat ground with a moving disc, a moving box and a resting gradient: what drawn samples are like."""
    short = min(width, height)
    for number in range(frames):
        at = number / fps
        luma = np.full((height, width), 150, np.uint8)
        luma[: height // 3] = np.linspace(60, 200, width).astype(np.uint8)
        centre = (int(width * (0.5 + 0.3 * np.sin(1.3 * at))), int(height * (0.5 + 0.25 * np.cos(at))))
        cv2.circle(luma, centre, short // 6, 40, -1, cv2.LINE_AA)
        left = int(short * 0.1 * (1 + at))
        cv2.rectangle(luma, (left, int(height * 0.6)), (left + short // 4, int(height * 0.85)), 210, -1)
        yield number * 1000 // fps, luma


def textured(width, height, frames, fps=FPS, seed=4):
    """A camera moving over a rough picture with grain."""
    noise = np.random.default_rng(seed)
    rough = sum(
        cv2.resize(noise.normal(0, 60 / level, (size, size)), (width * 2, height * 2), interpolation=cv2.INTER_CUBIC)
        for level, size in enumerate((5, 12, 40, 120), start=1)
    )
    for number in range(frames):
        left, top = 2 * number % width, number % height
        part = 125 + rough[top : top + height, left : left + width] + noise.normal(0, 1.5, (height, width))
        yield number * 1000 // fps, part.clip(16, 235).astype(np.uint8)


def mark(frames, marker=None):
    for time_ms, picture in frames:
        luma = picture.copy()
        marker = marker or InvisibleMarker(PAYLOAD, KEY, luma.shape[1], luma.shape[0])
        chroma = np.full(((luma.shape[0] + 1) // 2, (luma.shape[1] + 1) // 2), 128, np.uint8)
        marker.mark(Planes(index=0, time_ms=time_ms, y=luma, u=chroma, v=chroma))
        yield time_ms, luma


def encoded(frames, crf):
    """Through x264 and back; odd sizes need 4:4:4."""
    target, stream = io.BytesIO(), None
    with av.open(target, "w", format="mp4") as container:
        for time_ms, luma in frames:
            height, width = luma.shape
            even = width % 2 == 0 and height % 2 == 0
            if stream is None:
                options = {"preset": "veryfast", "crf": str(crf), "x264-params": "log-level=error"}
                stream = container.add_stream("libx264", rate=FPS, options=options)
                stream.width, stream.height = width, height
                stream.pix_fmt = "yuv420p" if even else "yuv444p"
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(luma), format="gray8")
            frame = frame.reformat(format=stream.pix_fmt, src_color_range=1, dst_color_range=1)
            frame.pts, frame.time_base = time_ms, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return decoded(target.getvalue())


def decoded(data):
    shown = []
    with av.open(io.BytesIO(data)) as container:
        for frame in container.decode(video=0):
            plane = frame.planes[0]
            luma = np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)[:, : plane.width]
            shown.append((round(frame.time * 1000), luma.copy()))
    return shown


def resized(frames, width, height):
    return [(t, cv2.resize(y, (width, height), interpolation=cv2.INTER_AREA)) for t, y in frames]


@pytest.fixture(scope="module")
def published():
    """One marked clip of each kind as it would be delivered: 720 lines, 1.5 seconds, CRF 21."""
    return {kind.__name__: encoded(mark(kind(1280, 720, 30)), 21) for kind in (drawn, textured)}


@pytest.mark.parametrize("kind", ["drawn", "textured"])
def test_it_is_read_blind_from_what_is_published(published, kind):
    reading = read(published[kind], KEYS)
    assert (reading.state, reading.payload) == ("found", PAYLOAD)
    assert reading.confidence > 1 - 1e-6


@pytest.mark.parametrize("kind", ["drawn", "textured"])
def test_it_survives_an_ordinary_encode(published, kind):
    assert read(encoded(published[kind], 28), KEYS).payload == PAYLOAD


@pytest.mark.parametrize("kind", ["drawn", "textured"])
def test_it_survives_half_the_size_and_an_encode(published, kind):
    assert read(encoded(resized(published[kind], 640, 360), 28), KEYS).payload == PAYLOAD


def test_it_survives_a_mirror(published):
    mirrored = [(t, y[:, ::-1]) for t, y in published["textured"]]
    reading = read(encoded(mirrored, 26), KEYS)
    assert reading.payload == PAYLOAD
    assert "mirrored" in reading.view


@pytest.mark.parametrize("columns", [slice(300, 1041), slice(437, 841)], ids=["shorter", "portrait"])
def test_it_survives_a_crop_across(published, columns):
    cut = [(t, y[:, columns]) for t, y in published["textured"]]
    assert read(encoded(cut, 23), KEYS).payload == PAYLOAD


def test_it_survives_a_cut_beginning_and_another_frame_rate(published):
    late = [(t - 650, y) for t, y in published["textured"] if t >= 650][::2]
    assert read(late, KEYS).payload == PAYLOAD


@pytest.mark.parametrize(
    "size",
    [
        (256, 144),
        (144, 256),
        (359, 481),
        (640, 360),
        (855, 481),
        (1080, 1080),
        pytest.param((2160, 3840), marks=pytest.mark.full),
    ],
)
def test_every_size_is_read_from_half_a_second(size):
    reading = read(encoded(mark(drawn(*size, frames=10)), 21), KEYS)
    assert (reading.state, reading.payload) == ("found", PAYLOAD)


def test_reading_stops_as_soon_as_it_is_sure(published):
    frames = iter(published["drawn"] * 10)
    assert read(frames, KEYS).state == "found"
    assert len(list(frames)) > 10 * 30 - 15


@pytest.mark.parametrize("kind", [drawn, textured])
def test_an_unmarked_clip_has_none(kind):
    reading = read(encoded(kind(640, 360, 24), 23), KEYS | {2: OTHER})
    assert (reading.state, reading.payload, reading.confidence) == ("not_found", None, 0.0)


@pytest.mark.parametrize("kind", ["drawn", "textured"])
def test_another_deployments_mark_says_nothing(published, kind):
    assert read(published[kind][:16], {3: OTHER}).state == "not_found"


def test_any_key_in_use_reads_and_the_wrong_version_does_not(published):
    frames = published["drawn"]
    assert read(frames, {7: OTHER, 3: KEY}).payload == PAYLOAD
    assert read(frames[:10], {7: KEY}).state == "damaged"


def test_a_mark_that_cannot_be_decoded_is_damaged_not_absent():
    """The sync stands, and what lies around it is no code word."""
    marker = InvisibleMarker(PAYLOAD, KEY, 640, 360)
    noise = np.random.default_rng(0).integers(0, 2, CODED_BITS).astype(np.int8)
    marker._imprint.pattern = (32 * pattern(chip_plan(KEY, grade_for(640, 360)), noise, 640, 360)).astype(np.int8)
    reading = read(mark(drawn(640, 360, 10), marker), KEYS)
    assert (reading.state, reading.payload) == ("damaged", None)
    assert reading.confidence > 1 - 1e-6


@pytest.mark.parametrize("frames", [[], [(0, np.zeros((1, 1), np.uint8))], [(0, np.zeros((16, 4000), np.uint8))]])
def test_frames_that_hold_nothing_are_no_mark(frames):
    assert read(frames, KEYS).state == "not_found"


def test_no_keys_read_nothing(published):
    assert read(published["drawn"], {}).state == "not_found"


def test_a_change_of_size_within_a_stream_is_survived(published):
    frames = published["textured"]
    assert read([*resized(frames[:2], 640, 360), *frames[2:]], KEYS).payload == PAYLOAD


def test_memory_does_not_grow_with_length():
    tier = AlignedTier(KEYS)
    flat = np.full((36, 64), 120, np.uint8)
    for time_ms in range(0, 17_000, 125):
        tier.watch(time_ms, flat)
    assert time_ms // 125 > 128
    assert len(tier._windows) == 128


@pytest.mark.parametrize("kind", [drawn, textured])
def test_it_stays_above_42_decibels(kind):
    clean = list(kind(1280, 720, 6))
    errors = [np.mean((a.astype(float) - b) ** 2) for (_, a), (_, b) in zip(clean, mark(clean), strict=True)]
    assert 10 * np.log10(255**2 / np.mean(errors)) > 42


def test_flat_areas_are_marked_more_gently_than_busy_ones():
    luma = np.full((720, 1280), 128, np.uint8)
    luma[:, 640:] = np.random.default_rng(0).integers(60, 200, (720, 640))
    ((_, marked),) = mark([(0, luma)])
    change = np.abs(marked.astype(int) - luma)
    assert change[:, :600].mean() * 2 < change[:, 680:].mean()


@pytest.mark.parametrize("level", [0, 255])
def test_marking_never_wraps_around(level):
    ((_, marked),) = mark([(0, np.full((360, 640), level, np.uint8))])
    assert np.abs(marked.astype(int) - level).max() < 10


def test_a_turned_view_of_a_frame_can_be_marked():
    """Rotated files hand over views whose rows are columns in memory."""
    memory = np.full((640, 360), 120, np.uint8)
    straight = np.full((360, 640), 120, np.uint8)
    for luma in (memory.T, straight):
        InvisibleMarker(PAYLOAD, KEY, 640, 360).mark(Planes(index=0, time_ms=0, y=luma, u=luma, v=luma))
    assert np.array_equal(memory.T, straight)
    assert straight.std() > 0.5


def test_nothing_is_found_without_a_tier(published):
    assert read(published["drawn"], KEYS, tiers=()).state == "not_found"
