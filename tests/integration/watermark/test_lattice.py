"""Copies whose picture was moved: every kind of map is found and reported, and nothing is found where nothing is."""

import io
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest

from watermark.frames import Planes
from watermark.invisible import InvisibleMarker, read
from watermark.lattice import LatticeTier
from watermark.payload import Payload

KEY = bytes(range(32))
PAYLOAD = Payload(mark_id=0x0123456789AB, key_version=3)
FPS = 12
WIDTH, HEIGHT, FRAMES = 1280, 720, 20


def pictures():
    """Clouds that drift behind a turning box: 1.7 s."""
    noise = np.random.default_rng(4)
    clouds = sum(
        cv2.resize(noise.normal(0, 40 / level, (size, size)), (2 * WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
        for level, size in enumerate((4, 9, 30), start=1)
    )
    for number in range(FRAMES):
        luma = (125 + clouds[:, 9 * number : 9 * number + WIDTH]).clip(16, 235).astype(np.uint8)
        box = cv2.boxPoints(((500 + 8 * number, 360), (260, 180), 5 * number)).astype(int)
        cv2.fillPoly(luma, [box], 60, cv2.LINE_AA)
        yield number * 1000 // FPS, luma


def marked():
    marker = InvisibleMarker(PAYLOAD, KEY, WIDTH, HEIGHT)
    chroma = np.full((HEIGHT // 2, WIDTH // 2), 128, np.uint8)
    for time_ms, luma in pictures():
        marker.mark(Planes(index=0, time_ms=time_ms, y=luma, u=chroma, v=chroma))
        yield time_ms, luma


def encoded(frames, crf):
    target, stream = io.BytesIO(), None
    with av.open(target, "w", format="mp4") as container:
        for time_ms, luma in frames:
            if stream is None:
                options = {"preset": "veryfast", "crf": str(crf), "x264-params": "log-level=error:threads=1"}
                stream = container.add_stream("libx264", rate=FPS, options=options)
                stream.height, stream.width = luma.shape
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(luma), format="gray8")
            frame = frame.reformat(format="yuv420p", src_color_range=1, dst_color_range=1)
            frame.pts, frame.time_base = time_ms, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    shown = []
    with av.open(io.BytesIO(target.getvalue())) as container:
        for frame in container.decode(video=0):
            plane = frame.planes[0]
            luma = np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)[:, : plane.width]
            shown.append((round(frame.time * 1000), luma.copy()))
    return shown


@pytest.fixture(scope="module")
def published():
    return encoded(marked(), 21)


def changed(frames, change, crf=26):
    return encoded([(time_ms, change(luma)) for time_ms, luma in frames], crf)


def sized(luma, width, height):
    return cv2.resize(luma, (width, height), interpolation=cv2.INTER_AREA)


def turned(luma, degrees):
    return cv2.warpAffine(luma, cv2.getRotationMatrix2D((WIDTH / 2, HEIGHT / 2), degrees, 1), (WIDTH, HEIGHT))


def in_canvas(luma):
    return cv2.copyMakeBorder(sized(luma, 720, 405), 400, 475, 0, 0, cv2.BORDER_CONSTANT, value=235)


def seen_askew(luma):
    corners = np.float32([[0, 0], [WIDTH, 0], [0, HEIGHT], [WIDTH, HEIGHT]])
    moved = np.float32([[30, 15], [WIDTH - 10, 0], [0, HEIGHT - 10], [WIDTH - 40, HEIGHT - 25]])
    return cv2.warpPerspective(luma, cv2.getPerspectiveTransform(corners, moved), (WIDTH, HEIGHT))


#: Each change, and where the copy's top left and bottom right corners lie in the original (in its short sides).
CHANGES = {
    "cropped": (lambda y: y[36:576, 230:1190], (230 / 720, 0.05), (1190 / 720, 0.8)),
    "a quarter of the area": (lambda y: y[200:560, 400:1040], (400 / 720, 200 / 720), (1040 / 720, 560 / 720)),
    "cropped and made smaller": (lambda y: sized(y[36:576, 230:1190], 640, 360), (230 / 720, 0.05), (1190 / 720, 0.8)),
    "cropped and mirrored": (lambda y: y[36:576, 230:1190][:, ::-1], (1190 / 720, 0.05), (230 / 720, 0.8)),
    "stretched": (lambda y: sized(y, 640, 640), (0, 0), (1280 / 720, 1)),
    "squeezed two to one": (lambda y: sized(y, 640, 720), (0, 0), (1280 / 720, 1)),
    "in a tall canvas": (in_canvas, (0, -400 / 405), (1280 / 720, 880 / 405)),
    "letterboxed": (lambda y: cv2.copyMakeBorder(y, 120, 120, 0, 0, cv2.BORDER_CONSTANT), (0, -1 / 6), (16 / 9, 7 / 6)),
}


#: One of each class in every run, the others in the full one.
ALWAYS = {"a quarter of the area", "cropped and mirrored", "squeezed two to one", "in a tall canvas"}


@pytest.mark.parametrize("name", [pytest.param(n, marks=() if n in ALWAYS else pytest.mark.full) for n in CHANGES])
def test_a_moved_picture_is_read_and_its_place_is_told(published, name):
    change, *corners = CHANGES[name]
    copy = changed(published, change)
    height, width = copy[0][1].shape
    reading = read(copy, {3: KEY})
    assert reading.payload == PAYLOAD
    found = reading.geometry.to_array() @ np.array([[0, width], [0, height], [1, 1]])
    assert np.abs(found.T - corners).max() < 0.02


@pytest.mark.parametrize("degrees", [-5, pytest.param(2, marks=pytest.mark.full)])
def test_a_slight_turn_is_read_and_told(published, degrees):
    reading = read(changed(published, lambda luma: turned(luma, degrees)), {3: KEY})
    assert reading.payload == PAYLOAD
    (a, b, _), _ = reading.geometry.matrix
    assert np.degrees(np.arctan2(b, a)) == pytest.approx(-degrees, abs=0.4)


@pytest.mark.full
def test_a_slightly_askew_view_is_read(published):
    assert read(changed(published, seen_askew), {3: KEY}).payload == PAYLOAD


@pytest.mark.parametrize("speed", [pytest.param(0.8, marks=pytest.mark.full), 1.25])
def test_another_speed_of_a_cropped_copy_is_read(published, speed):
    copy = changed(published, lambda luma: luma[36:576, 230:1190])
    assert read([(round(t / speed), y) for t, y in copy], {3: KEY}).payload == PAYLOAD


@pytest.mark.full
def test_a_cut_beginning_of_a_cropped_copy_is_read(published):
    copy = changed(published, lambda luma: luma[36:576, 230:1190])
    assert read([(t - 750, y) for t, y in copy if t >= 750], {3: KEY}).payload == PAYLOAD


def test_a_single_picture_is_read(published):
    ((_, luma),) = published[:1]
    assert read([(0, luma[36:576, 230:1190])], {3: KEY}).payload == PAYLOAD


#: Every way of laying a picture that the first tier cannot read, and where its first corner lies in the original.
LAID = {
    "on its left side": (lambda y: y.T[::-1], (16 / 9, 0)),
    "on its right side": (lambda y: y[::-1].T, (0, 1)),
    "upside down": (lambda y: y[::-1, ::-1], (16 / 9, 1)),
    "upside down and mirrored": (lambda y: y[::-1], (0, 1)),
    "transposed": (lambda y: y.T, (0, 0)),
    "transposed the other way": (lambda y: y[::-1, ::-1].T, (16 / 9, 1)),
}


@pytest.mark.parametrize("name", LAID)
def test_a_picture_on_any_side_is_read_and_told(published, name):
    change, corner = LAID[name]
    reading = read([(0, np.ascontiguousarray(change(published[0][1])))], {3: KEY})
    assert reading.payload == PAYLOAD
    assert np.abs(reading.geometry.to_array() @ (0, 0, 1) - corner).max() < 0.02


def test_a_picture_without_a_mark_shows_none():
    reading = read(changed(list(pictures()), lambda luma: luma[36:576, 230:1190]), {3: KEY})
    assert (reading.state, reading.confidence, reading.geometry) == ("not_found", 0.0, None)


def test_another_key_sees_nothing(published):
    copy = changed(published, lambda luma: luma[36:576, 230:1190])
    assert read(copy, {3: b"other" * 8}).state == "not_found"


def test_what_is_kept_does_not_grow_with_length():
    tier = LatticeTier({3: KEY})
    flat = np.full((36, 64), 120, np.uint8)
    for time_ms in range(0, 17_000, 250):
        tier.watch(time_ms, flat)
    assert len(tier._windows) == 64


def test_a_change_of_size_starts_anew():
    tier = LatticeTier({3: KEY})
    for number in range(40):
        tier.watch(number * 125, np.full((36 + 2 * (number // 20), 64), 120, np.uint8))
    tier.close()
    assert list(tier.candidates()) == []
