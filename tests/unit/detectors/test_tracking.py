import numpy as np
import pytest

from detectors.base import Box
from detectors.embedding import Reading, frontality
from detectors.tracking import MAX_MISSED, Sighting, Tracker
from detectors.yunet import Detection, overlap

BOX = Box(x=0.1, y=0.1, width=0.1, height=0.1)


def person(seed):
    raw = np.random.default_rng(seed).standard_normal(128)
    return (raw / np.linalg.norm(raw)).astype(np.float32)


def seen(x, y, height=100, vector=None, quality=0.5):
    edges = np.array([x, y, x + height * 0.8, y + height], np.float32)
    found = Detection(edges=edges, points=np.zeros((5, 2), np.float32), score=0.9)
    return Sighting(found=found, box=BOX, reading=None if vector is None else Reading(vector=vector, quality=quality))


def follow(*frames: list[Sighting]) -> list[list[int]]:
    """The track numbers of each frame's sightings."""
    tracker = Tracker()
    return [[track.number for track in tracker.link(tuple(frame), 333 * i)] for i, frame in enumerate(frames)]


def test_a_moving_face_is_one_track():
    assert follow(*([seen(100 + 40 * i, 50, vector=person(1))] for i in range(6))) == [[0]] * 6


def test_two_faces_that_pass_each_other_keep_their_tracks():
    left_to_right = [seen(100 + 60 * i, 50, vector=person(1)) for i in range(6)]
    right_to_left = [seen(400 - 60 * i, 50, vector=person(2)) for i in range(6)]
    assert follow(*zip(left_to_right, right_to_left, strict=True)) == [[0, 1]] * 6


def test_a_cut_to_somebody_else_in_the_same_place_is_a_new_track():
    assert follow([seen(100, 50, vector=person(1))], [seen(102, 50, vector=person(2))]) == [[0], [1]]


def test_a_big_jump_is_a_new_track_even_of_the_same_face():
    assert follow([seen(100, 50, vector=person(1))], [seen(500, 50, vector=person(1))]) == [[0], [1]]
    assert follow([seen(100, 50, 100, person(1))], [seen(60, 0, 200, person(1))]) == [[0], [1]]


def test_unread_faces_are_linked_by_place_alone():
    assert follow([seen(100, 50)], [seen(120, 50)]) == [[0], [0]]
    assert follow([seen(100, 50)], [seen(170, 50)]) == [[0], [1]]


@pytest.mark.parametrize(("missing", "number"), [(MAX_MISSED, 0), (MAX_MISSED + 1, 1)])
def test_a_track_survives_a_short_absence_only(missing, number):
    face = seen(100, 50, vector=person(1))
    assert follow([face], *([[]] * missing), [face])[-1] == [number]


def test_each_track_takes_one_face_and_the_better_fit_wins():
    before = seen(100, 50, vector=person(1))
    near, nearer = seen(130, 50, vector=person(1)), seen(105, 50, vector=person(1))
    assert follow([before], [near, nearer]) == [[0], [1, 0]]


def test_the_mean_is_of_the_best_views_weighted_by_quality():
    tracker = Tracker()
    base = person(1)
    poor, good = base.copy(), base.copy()
    poor[0] += 0.2
    good[0] += 0.1
    (track,) = tracker.link((seen(100, 50, vector=poor, quality=0.1),), 0)
    tracker.link((seen(100, 50, vector=good, quality=0.3),), 333)
    assert track.mean()[0] - base[0] == pytest.approx((0.2 * 0.1 + 0.1 * 0.3) / 0.4, abs=1e-6)
    for i in range(20):
        tracker.link((seen(100, 50, vector=base, quality=0.9),), 666 + i)
    assert len(track.views) == 8
    assert np.allclose(track.mean(), base, atol=1e-6)


def test_a_track_remembers_times_boxes_and_height():
    tracker = Tracker()
    (track,) = tracker.link((seen(100, 50, 100),), 1000)
    tracker.link((seen(100, 50, 120),), 1333)
    tracker.link((seen(100, 50, 110),), 1666)
    assert (track.start_ms, track.end_ms, track.height_px) == (1000, 1666, 120)
    assert [time for time, _ in track.boxes] == [1000, 1333, 1666]


def test_an_unread_track_has_no_mean():
    tracker = Tracker()
    (track,) = tracker.link((seen(100, 50),), 0)
    assert not track.read
    with pytest.raises(ValueError, match="unread"):
        track.mean()


def test_overlap_of_boxes():
    def edges(*values: float):
        return np.array(values, np.float32)

    assert overlap(edges(0, 0, 10, 10), edges(0, 0, 10, 10)) == 1
    assert overlap(edges(0, 0, 10, 10), edges(5, 0, 15, 10)) == pytest.approx(1 / 3)
    assert overlap(edges(0, 0, 10, 10), edges(20, 20, 30, 30)) == 0
    assert overlap(edges(0, 0, 0, 0), edges(0, 0, 0, 0)) == 0


@pytest.mark.parametrize(("nose", "value"), [(50, 1.0), (25, 0.5), (0, 0.0), (-20, 0.0), (120, 0.0)])
def test_frontality_falls_as_the_nose_leaves_the_middle(nose, value):
    points = np.array([[0, 0], [100, 0], [nose, 40], [10, 80], [90, 80]], np.float32)
    assert frontality(points) == pytest.approx(value)
    assert frontality(np.zeros((5, 2), np.float32)) == 0
