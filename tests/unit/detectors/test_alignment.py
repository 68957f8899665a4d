import cv2
import numpy as np
import pytest

from detectors.alignment import align_face, similarity, template


def dotted(points, side, radius):
    """A grey picture with a white disc on each point."""
    picture = np.full((side, side, 3), 90, np.uint8)
    for x, y in points:
        centre = (round(float(x) * 16), round(float(y) * 16))
        cv2.circle(picture, centre, radius * 16, (255, 255, 255), -1, cv2.LINE_AA, 4)
    return picture


def moved(points, scale, degrees, shift):
    angle = np.radians(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return ((points - points.mean(axis=0)) * scale) @ turn.T + np.asarray(shift, float)


def centre_of_light(chip, near, reach):
    x, y = (round(float(value)) for value in near)
    patch = chip[y - reach : y + reach + 1, x - reach : x + reach + 1, 0].astype(float) - 90
    rows, columns = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    return np.array([x + (patch * columns).sum() / patch.sum(), y + (patch * rows).sum() / patch.sum()])


@pytest.mark.parametrize("scale", [0.6, 1.0, 1.7, 4.0, 9.3])
@pytest.mark.parametrize("degrees", [0, 23, -140])
def test_points_land_on_the_template_at_every_scale_and_turn(scale, degrees):
    goal = template(150, 0.25)
    points = moved(goal, scale, degrees, (1000, 900))
    chip = align_face(dotted(points, 2000, max(2, round(4 * scale))), points.astype(np.float32), 150, 0.25)
    for spot in goal:
        assert np.abs(centre_of_light(chip, spot, 8) - spot).max() < 0.75


def test_a_large_face_is_filtered_before_it_is_sampled():
    # One-pixel stripes average to mid-grey; sampled without a filter they would leave full black and white.
    picture = np.zeros((1600, 1600, 3), np.uint8)
    picture[:, ::2] = 255
    points = moved(template(150, 0.25), 6.3, 0, (800, 800)).astype(np.float32)
    chip = align_face(picture, points, 150, 0.25)[20:130, 20:130]
    assert chip.min() >= 118
    assert chip.max() <= 138


def test_the_template_rescales_with_size_and_padding():
    assert np.allclose(template(150, 0.25)[0], (46.0, 45.3))
    assert np.allclose(template(300, 0.25), 2 * template(150, 0.25))
    # Less padding around the same face: the points move away from the centre.
    assert template(150, 0.0)[0][0] < template(150, 0.25)[0][0]


def test_outside_the_picture_is_black():
    points = template(150, 0.25).astype(np.float32)
    chip = align_face(np.full((60, 60, 3), 200, np.uint8), points, 150, 0.25)
    assert chip[:50, :50].min() > 190
    assert chip[100:].max() == 0


def test_colour_order_is_kept():
    picture = np.zeros((200, 200, 3), np.uint8)
    picture[..., 0] = 250
    chip = align_face(picture, template(150, 0.25).astype(np.float32), 150, 0.25)
    assert chip[75, 75].tolist() == [250, 0, 0]


def test_coinciding_points_are_refused():
    with pytest.raises(ValueError, match="coincide"):
        align_face(np.zeros((50, 50, 3), np.uint8), np.full((5, 2), 20, np.float32), 150, 0.25)


def test_similarity_never_mirrors():
    points = template(150, 0.25)
    matrix = similarity(points * [-1, 1], points)
    assert np.linalg.det(matrix[:, :2]) > 0
