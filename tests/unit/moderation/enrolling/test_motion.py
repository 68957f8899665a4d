"""Turns and depth from five points: a solid that turns, and flat pictures that are moved in every plane way."""

import numpy as np
import pytest

from moderation.enrolling import motion

#: Right eye, left eye, nose, right and left mouth corner, in distances between the eyes; the nose stands out.
FACE = np.array(
    [[-0.5, 0, 0], [0.5, 0, 0], [0, 0.55, motion.NOSE_DEPTH], [-0.38, 1, 0.05], [0.38, 1, 0.05]], np.float64
)


def turned(angles, size=90.0, noise=0.3):
    """The points of a solid head turned by each angle, float32 [n, 5, 2]."""
    random = np.random.default_rng(3)
    rows = []
    for angle in np.radians(angles):
        across = FACE[:, 0] * np.cos(angle) + FACE[:, 2] * np.sin(angle)
        rows.append(np.stack([across, FACE[:, 1]], axis=1) * size + 300 + random.normal(0, noise, (5, 2)))
    return np.array(rows, np.float32)


def swing(sides, degrees=30.0):
    """Angles of a head that looks ahead, then turns to each side and back."""
    ahead = [0.0] * 8
    turns = [list(np.sin(np.linspace(0, np.pi, 12)) * degrees * side) + ahead for side in sides]
    return [*ahead, *(angle for part in turns for angle in part)]


def measured(points):
    shares = motion.level(motion.facing(points))
    return shares, np.arange(len(points), dtype=np.int64) * 125


def test_turns_come_in_the_order_in_which_they_were_made():
    shares, times = measured(turned(swing((1, 1, -1, 1))))
    found = motion.find_turns(shares, times)
    assert [each.turn for each in found] == ["left", "left", "right", "left"]
    assert [each.start_ms for each in found] == sorted(each.start_ms for each in found)
    assert all(each.farthest == pytest.approx(30, abs=3) for each in found)


def test_one_frame_of_wandering_points_is_no_turn():
    points = turned([0.0] * 40)
    points[20] = turned([35.0])[0]
    shares, times = measured(points)
    assert motion.find_turns(shares, times) == ()


def test_a_small_turn_is_none():
    shares, times = measured(turned(swing((1, -1), degrees=12)))
    assert motion.find_turns(shares, times) == ()


def test_no_affine_map_of_a_flat_picture_turns_it():
    random = np.random.default_rng(5)
    flat = turned([0.0], noise=0)[0]
    points = np.array(
        [(flat - 300) @ (np.eye(2) + random.normal(0, 0.35, (2, 2))).T + random.uniform(0, 500, 2) for _ in range(200)],
        np.float32,
    )
    shares = motion.facing(points)
    assert np.nanmax(np.abs(shares - np.nanmedian(shares))) < 0.01


def test_a_solid_head_has_depth_and_a_picture_in_perspective_has_none():
    shares, _ = measured(turned(swing((1, -1))))
    assert motion.depth(turned(swing((1, -1))), shares) > 0.15
    flat = np.hstack([turned([0.0], noise=0)[0] - 300, np.ones((5, 1))])
    planes = [np.array([[np.cos(a), 0, 0], [0, 1, 0], [np.sin(a) / 400, 0, 1]]) for a in np.radians(swing((1, -1)))]
    held = np.array([(p[:, :2] / p[:, 2:]) + 300 for p in (flat @ plane.T for plane in planes)], np.float32)
    # However far the picture is turned, the nose goes where eyes and mouth take it.
    assert motion.depth(held, shares) < 0.02


def test_a_head_that_never_turns_has_no_measured_depth():
    points = turned([0.0] * 30)
    shares, _ = measured(points)
    assert motion.depth(points, shares) is None


def test_a_loop_is_found_and_a_take_is_not():
    points = turned(swing((1, -1, 1)))
    _, times = measured(points)
    assert motion.repeats(points, times) is None
    looped = np.concatenate([points[:30], points[:30]])
    assert motion.repeats(looped, np.arange(60, dtype=np.int64) * 125) == pytest.approx(30 * 125, abs=130)


def test_a_still_picture_is_no_loop():
    points = np.repeat(turned([0.0]), 60, axis=0)
    assert motion.repeats(points, np.arange(60, dtype=np.int64) * 125) is None
