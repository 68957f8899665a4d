"""Fingerprints: the same content through re-encoding, trims and mirrors; other content and flat frames never."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from watermark.fingerprint import NEAR, QUERY_STEP_MS, Fingerprint, Verdict, distance, fingerprint, same_content

Image = NDArray[np.uint8]
WIDTH, HEIGHT, FPS = 320, 180, 12


def scene(seed: int, frames: int = 60) -> list[Image]:
    """A camera over a textured picture: smooth and rough parts, moving; luma uint8 [180, 320] at 12 fps."""
    noise = np.random.default_rng(seed)
    wide = sum(
        cv2.resize(noise.normal(0, 1, (size, size * 2)).astype(np.float32), (640, 360), interpolation=cv2.INTER_CUBIC)
        * 60
        / level
        for level, size in enumerate((3, 6, 12, 40), start=1)
    )
    picture = np.clip(np.asarray(wide) + 128, 0, 255).astype(np.uint8)
    return [picture[f : f + HEIGHT, 3 * f : 3 * f + WIDTH] for f in range(frames)]


def at_times(images: list[Image], start: int = 0) -> Iterator[tuple[int, Image]]:
    for index, image in enumerate(images):
        yield start + round(index * 1000 / FPS), image


def of(images: list[Image]) -> Fingerprint:
    return fingerprint(at_times(images))


def encoded(images: list[Image], path: Path, crf: int, scale: float = 1) -> list[Image]:
    """What is left of the images after an H.264 encode at that quality and size."""
    width, height = int(WIDTH * scale) // 2 * 2, int(HEIGHT * scale) // 2 * 2
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS, options={"preset": "ultrafast", "crf": str(crf)})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for image in images:
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="gray")
            container.mux(stream.encode(frame.reformat(width=width, height=height, format="yuv420p")))
        container.mux(stream.encode(None))
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="gray") for frame in container.decode(video=0)]


@pytest.fixture(scope="module")
def stored() -> Fingerprint:
    return of(scene(1))


def test_two_frames_a_second_are_hashed(stored: Fingerprint):
    assert stored.times.tolist() == [0, 500, 1000, 1500, 2000, 2500, 3000, 3500, 4000, 4500]
    assert (stored.hashes.shape, stored.hashes.dtype) == ((10, 32), np.uint8)
    assert stored.quality.max() == 100


def test_frames_that_come_a_little_early_still_count():
    images = scene(1, 3)
    assert fingerprint(zip((0, 499, 998), images, strict=True)).times.tolist() == [0, 499, 998]


@pytest.mark.parametrize(("crf", "scale"), [(28, 1.0), (36, 1.0), (30, 0.5)])
def test_a_re_encode_is_the_same_content(stored: Fingerprint, tmp_path: Path, crf: int, scale: float):
    match = same_content(of(encoded(scene(1), tmp_path / "x.mp4", crf, scale)), stored)
    assert match.verdict is Verdict.SAME
    assert match.agreed
    assert (match.share, match.mirrored) == (1.0, False)
    assert match.offset_ms is not None
    assert abs(match.offset_ms) <= 300


def test_a_mirrored_copy_is_found_as_such(stored: Fingerprint, tmp_path: Path):
    flipped = encoded([image[:, ::-1] for image in scene(1)], tmp_path / "x.mp4", 30)
    match = same_content(of(flipped), stored)
    assert (match.agreed, match.mirrored, match.share) == (True, True, 1.0)


def test_a_trim_is_found_at_its_place(stored: Fingerprint):
    match = same_content(of(scene(1)[24:]), stored)
    assert match.agreed
    assert match.offset_ms is not None
    assert abs(match.offset_ms - 2000) <= 300


@pytest.mark.parametrize("seed", range(2, 8))
def test_another_scene_is_different(stored: Fingerprint, seed: int):
    match = same_content(of(scene(seed)), stored)
    assert (match.verdict, match.agreed) == (Verdict.DIFFERENT, False)
    assert match.nearest is not None
    assert match.nearest > NEAR


def test_a_few_seconds_of_ours_do_not_make_a_long_file_ours(stored: Fingerprint):
    film = scene(9, 120) + scene(1)[:24] + scene(8, 120)
    match = same_content(of(film), stored)
    assert not match.agreed
    assert match.frames >= 3, "the excerpt is seen, and is not enough"


def test_frames_out_of_order_are_not_the_clip(stored: Fingerprint):
    images = scene(1)
    shuffled = [images[index] for index in (54, 6, 42, 18, 30)]
    frames = fingerprint(zip(range(0, 15000, 3000), shuffled, strict=True))
    assert not same_content(frames, stored).agreed


def test_flat_frames_are_left_out():
    flat = [np.full((HEIGHT, WIDTH), level, np.uint8) for level in (0, 16, 128, 255)] * 6
    assert len(of(flat)) == 0
    assert of(flat + scene(1)).times.tolist()[0] == 2000


def gradient(seed: int, detail: int = 2) -> Image:
    noise = np.random.default_rng(seed).normal(0, 40, (detail, 2 * detail)).astype(np.float32)
    return np.clip(cv2.resize(noise, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC) + 128, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("seed", range(5))
def test_plain_gradients_are_left_out_as_no_hash_of_theirs_survives(seed: int):
    assert len(of([gradient(seed)] * 24)) == 0


def drawn(shift: int) -> Image:
    image = np.full((HEIGHT, WIDTH), 150, np.uint8)
    cv2.circle(image, (80 + shift, 90), 30, 40, -1)
    cv2.rectangle(image, (200, 30 + shift), (260, 90 + shift), 90, -1)
    return image


def test_drawn_shapes_on_a_flat_ground_can_be_compared(tmp_path: Path):
    images = [drawn(at) for at in range(48)]
    original = of(images)
    assert len(original) == 8
    assert same_content(of(encoded(images, tmp_path / "x.mp4", 32)), original).agreed
    assert same_content(of([image[::-1] for image in images]), original).verdict is Verdict.DIFFERENT


def test_nothing_to_compare_is_its_own_answer(stored: Fingerprint):
    black = of([np.zeros((HEIGHT, WIDTH), np.uint8)] * 24)
    for match in (same_content(black, stored), same_content(stored, black), same_content(black, black)):
        assert (match.verdict, match.agreed) == (Verdict.INCOMPARABLE, False)


def test_a_crop_cannot_be_told_from_other_content(stored: Fingerprint):
    cropped = of([image[:, 110:210] for image in scene(1)])
    assert same_content(cropped, stored).verdict is Verdict.INCOMPARABLE


def test_a_stretched_copy_is_the_same_content(stored: Fingerprint):
    stretched = of([cv2.resize(image, (240, 180), interpolation=cv2.INTER_AREA) for image in scene(1)])
    assert same_content(stretched, stored).agreed


def test_a_short_clip_must_be_the_same_picture(tmp_path: Path):
    short = of(scene(1, 6))
    assert len(short) == 1
    assert same_content(of(encoded(scene(1, 6), tmp_path / "x.mp4", 30)), short).agreed
    assert not same_content(of(scene(2, 6)), short).agreed
    almost = replace(short, hashes=short.hashes.copy())
    almost.hashes[0, :5] ^= 0xFF
    assert distance(almost.hashes, short.hashes).tolist() == [40]
    assert not same_content(almost, short).agreed, "40 bits apart is near, but one near frame is chance"


def test_distance_counts_bits():
    a = np.zeros((2, 32), np.uint8)
    b = a.copy()
    b[1] = 0xFF
    b[0, 3] = 0b101
    assert distance(a, b).tolist() == [2, 256]
    assert distance(a[:, None], b[None]).tolist() == [[2, 256], [2, 256]]


def test_bytes_go_out_and_come_back(stored: Fingerprint):
    again = Fingerprint.from_bytes(stored.to_bytes())
    assert again.aspect == stored.aspect == WIDTH / HEIGHT
    for name in ("times", "hashes", "mirrored", "quality"):
        kept, original = getattr(again, name), getattr(stored, name)
        assert kept.dtype == original.dtype
        assert kept.tolist() == original.tolist()
    assert same_content(again, stored).share == 1.0
    assert len(Fingerprint.from_bytes(of([]).to_bytes())) == 0


@pytest.mark.parametrize("aspect", [0.0, -1.0, float("nan"), float("inf")])
def test_a_shape_no_picture_has_is_refused(stored: Fingerprint, aspect: float):
    with pytest.raises(ValueError, match="aspect"):
        Fingerprint.from_bytes(replace(stored, aspect=aspect).to_bytes())


@given(st.binary(max_size=200), st.booleans())
def test_bytes_of_anything_else_are_refused(content: bytes, marked: bool):  # noqa: FBT001
    with pytest.raises(ValueError, match="fingerprint"):
        Fingerprint.from_bytes((b"PDQ1" if marked else b"") + content + b"!" * 19)


@pytest.mark.parametrize("late", [1, 2, 3, 4, 5])
def test_a_copy_need_not_start_on_our_grid(stored: Fingerprint, late: int):
    query = fingerprint(at_times(scene(1)[late:]), step_ms=QUERY_STEP_MS)
    match = same_content(query, stored)
    assert match.agreed
    assert match.share >= 0.8


def test_the_dense_query_is_what_finds_it(stored: Fingerprint):
    assert not same_content(fingerprint(at_times(scene(1)[3:])), stored).agreed


@pytest.mark.parametrize("seed", range(2, 8))
def test_a_dense_query_of_another_scene_is_different(stored: Fingerprint, seed: int):
    assert not same_content(fingerprint(at_times(scene(seed)), step_ms=QUERY_STEP_MS), stored).agreed


def test_one_stray_frame_of_ours_does_not_speak_for_the_file(stored: Fingerprint):
    frames = dict(zip(range(0, 5000, 500), scene(9)[::6], strict=True)) | {740: scene(1)[0]}
    query = fingerprint(sorted(frames.items()), step_ms=QUERY_STEP_MS)
    assert len(query) == 11
    match = same_content(query, stored)
    assert not match.agreed
