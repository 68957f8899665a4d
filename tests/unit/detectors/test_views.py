"""A view cut out of its frame reads as the frame would; looks agree with themselves and not with others."""

import cv2
import numpy as np
import pytest

from detectors.views import ALIKE, Patch, look_of
from detectors.yunet import Detection


def picture(height, width, seed=1):
    """Smooth colours, so that shrinking loses little."""
    coarse = np.random.default_rng(seed).integers(0, 256, (9, 16, 3), np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


def face_at(left, top, right, bottom):
    edges = np.array([left, top, right, bottom], np.float32)
    width, height = right - left, bottom - top
    places = np.array([[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.8], [0.65, 0.8]], np.float32)
    return Detection(edges=edges, points=edges[:2] + places * np.array([width, height], np.float32), score=0.9)


@pytest.mark.parametrize(
    "face",
    [face_at(200, 100, 280, 200), face_at(-20, -10, 60, 90), face_at(560, 260, 660, 380), face_at(0, 0, 640, 360)],
)
def test_a_patch_holds_the_face_with_room_and_the_frames_edges_stay_edges(face):
    frame = picture(360, 640)
    patch = Patch.cut(frame, face)
    height, width = patch.pixels.shape[:2]
    shift = face.edges[:2] - patch.edges[:2]
    assert np.array_equal(shift, face.points[0] - patch.points[0])
    left, top = (int(value) for value in shift)
    assert np.array_equal(patch.pixels, frame[top : top + height, left : left + width])
    room = 0.6 * max(face.edges[2:] - face.edges[:2])
    assert left == max(0, int(np.floor(face.edges[0] - room)))
    assert left + width == min(640, int(np.ceil(face.edges[2] + room)))


def test_a_patch_outlives_its_frame():
    frame = picture(360, 640)
    patch = Patch.cut(frame, face_at(200, 100, 280, 200))
    kept = patch.pixels.copy()
    frame[:] = 0
    assert np.array_equal(patch.pixels, kept)


def test_a_large_face_is_shrunk_before_ages_are_read_and_a_small_one_is_not():
    small = Patch.cut(picture(360, 640), face_at(200, 100, 280, 200))
    assert small.for_ages() is small
    large = Patch.cut(picture(1080, 1920), face_at(600, 200, 1000, 800)).for_ages()
    assert large.edges[3] - large.edges[1] == pytest.approx(200, abs=1)
    inside = (large.points - large.edges[:2]) / (large.edges[2:] - large.edges[:2])
    assert inside[2] == pytest.approx([0.5, 0.6], abs=0.01)


def test_looks_agree_in_another_light_and_not_between_pictures():
    chip = picture(150, 150)
    dimmed = (chip * 0.6 + 20).astype(np.uint8)
    moved = np.roll(chip, 1, axis=1)
    assert look_of(chip) @ look_of(dimmed) > 0.99
    assert look_of(chip) @ look_of(moved) > ALIKE
    assert look_of(chip) @ look_of(picture(150, 150, seed=2)) < 0.5
    assert np.isfinite(look_of(np.zeros((150, 150, 3), np.uint8))).all()
