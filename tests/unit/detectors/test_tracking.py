"""Faces are followed within a shot; a face is read only where its look leaves doubt."""

import numpy as np
import pytest

from detectors.base import Box
from detectors.embedding import frontality
from detectors.tracking import MAX_MISSED, Sighting, Tracker
from detectors.views import AGE_VIEWS, ALIKE, DISTANT_VIEWS, STRETCHES, Album, View
from detectors.yunet import Detection, overlap

BOX = Box(x=0.1, y=0.1, width=0.1, height=0.1)
CHIP = np.zeros((150, 150, 3), np.uint8)


def person(seed):
    raw = np.random.default_rng(seed).standard_normal(128)
    return (raw / np.linalg.norm(raw)).astype(np.float32)


def look(seed):
    raw = np.random.default_rng(1000 + seed).standard_normal(1200)
    return (raw / np.linalg.norm(raw)).astype(np.float32)


def towards(one, other, agreement):
    """A look that agrees with `one` by so much."""
    rest = other - (one @ other) * one
    return (agreement * one + np.sqrt(1 - agreement**2) * rest / np.linalg.norm(rest)).astype(np.float32)


class Reader:
    """Reads the vectors that the views of a test were given, and counts."""

    def __init__(self):
        self.vectors = {}
        self.reads = 0

    def __call__(self, view):
        self.reads += 1
        return self.vectors[id(view)]


READER = Reader()


def seen(x, y, height=100, vector=None, quality=0.5, looks=None):
    """A sighting; one of a readable face when it has a vector. Faces of one vector look alike unless told otherwise."""
    edges = np.array([x, y, x + height * 0.8, y + height], np.float32)
    found = Detection(edges=edges, points=np.zeros((5, 2), np.float32), score=0.9)
    if vector is None:
        return Sighting(found=found, box=BOX, view=None)
    coarse = look(int(abs(vector[0]) * 1e6)) if looks is None else looks
    view = View(time_ms=0, box=BOX, quality=quality, chip=CHIP, look=coarse)
    READER.vectors[id(view)] = vector
    return Sighting(found=found, box=BOX, view=view)


def follow(*frames: list[Sighting]) -> list[list[int]]:
    """The track numbers of each frame's sightings."""
    tracker = Tracker(READER)
    return [[track.number for track in tracker.link(tuple(frame), 333 * i)] for i, frame in enumerate(frames)]


def reads_of(*frames: list[Sighting]) -> int:
    """How many faces are read to follow these."""
    before = READER.reads
    follow(*frames)
    return READER.reads - before


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
    tracker = Tracker(READER)
    base = person(1)
    poor, good = base.copy(), base.copy()
    poor[0] += 0.2
    good[0] += 0.1
    # None looks like another, so every one is read.
    (track,) = tracker.link((seen(100, 50, vector=poor, quality=0.1, looks=look(0)),), 0)
    tracker.link((seen(100, 50, vector=good, quality=0.3, looks=look(1)),), 333)
    assert track.mean()[0] - base[0] == pytest.approx((0.2 * 0.1 + 0.1 * 0.3) / 0.4, abs=1e-6)
    for i in range(20):
        tracker.link((seen(100, 50, vector=base, quality=0.9, looks=look(2 + i)),), 666 + i)
    assert np.allclose(track.mean(), base, atol=1e-6)


def test_a_face_that_looks_like_a_read_one_is_not_read_again():
    face = person(1)
    assert reads_of(*([seen(100 + i, 50, vector=face, looks=look(1))] for i in range(30))) == 1


def test_whoever_looks_different_is_read_and_told_apart():
    first, second = person(1), person(2)
    doubtful = towards(look(1), look(2), ALIKE - 0.02)
    frames = ([seen(100, 50, vector=first, looks=look(1))], [seen(100, 50, vector=second, looks=doubtful)])
    assert follow(*frames) == [[0], [1]]

    def same():
        return [seen(100, 50, vector=first, looks=look(1))], [seen(100, 50, vector=first, looks=doubtful)]

    assert (follow(*same()), reads_of(*same())) == ([[0], [0]], 2)


def test_looks_are_compared_with_read_views_only_so_that_nobody_drifts_into_another():
    steps = [towards(look(1), look(2), np.cos(angle)) for angle in np.linspace(0, np.pi / 2, 24)]
    people = [person(1)] * 12 + [person(2)] * 12
    frames = [[seen(100, 50, vector=who, looks=step)] for who, step in zip(people, steps, strict=True)]
    tracks = follow(*frames)
    assert tracks[:12] == [[0]] * 12
    # Each step looks like the one before; what counts is the last face that was read.
    assert tracks[-6:] == [[1]] * 6


def test_a_blurred_moment_does_not_carry_one_person_over_into_another():
    frames = ([seen(100, 50, vector=person(1))], [seen(100, 50)], [seen(100, 50, vector=person(2))])
    assert follow(*frames) == [[0], [0], [1]]


def test_reading_grows_with_faces_and_not_with_pairs_of_them():
    def crowd(count):
        first = [seen(130 * i, 50, vector=person(i), looks=look(i)) for i in range(count)]
        again = [seen(130 * i + 20, 50, vector=person(i), looks=look(500 + i)) for i in range(count)]
        return reads_of(first, again)

    assert [crowd(count) for count in (1, 8, 32)] == [2, 16, 64]


def test_a_cut_ends_every_track_and_each_is_handed_out_once():
    tracker, face = Tracker(READER), person(1)
    tracker.link((seen(100, 50, vector=face),), 0)
    tracker.cut()
    assert [track.number for track in tracker.take_ended()] == [0]
    assert tracker.link((seen(100, 50, vector=face),), 333)[0].number == 1
    assert tracker.take_ended() == []


def test_an_album_keeps_the_first_the_last_and_the_best_of_every_stretch():
    views = [View(time_ms=i, box=BOX, quality=0.1 + (i * 37 % 50) / 100, chip=CHIP, look=look(i)) for i in range(100)]
    album = Album()
    for view in views:
        album.add(view)
    chosen = album.for_identity()
    assert (chosen[0], chosen[-1]) == (views[0], views[-1])
    assert len(chosen) <= STRETCHES + 2
    assert max(views, key=lambda view: view.quality) in chosen
    gaps = np.diff([view.time_ms for view in chosen])
    assert gaps.max() <= 64
    ages = album.for_age()
    assert (ages[0], len(ages)) == (views[0], AGE_VIEWS)
    assert set(map(id, ages)) <= set(map(id, chosen))
    distant = album.for_distant()
    assert len(distant) == DISTANT_VIEWS
    assert max(views, key=lambda view: view.quality) in distant
    assert distant == sorted(distant, key=lambda view: view.time_ms)


def test_a_track_remembers_times_boxes_and_height():
    tracker = Tracker(READER)
    (track,) = tracker.link((seen(100, 50, 100),), 1000)
    tracker.link((seen(100, 50, 120),), 1333)
    tracker.link((seen(100, 50, 110),), 1666)
    assert (track.start_ms, track.end_ms, track.height_px) == (1000, 1666, 120)
    assert [time for time, _ in track.boxes] == [1000, 1333, 1666]


def test_an_unread_track_has_no_mean():
    tracker = Tracker(READER)
    (track,) = tracker.link((seen(100, 50),), 0)
    assert track.read == []
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
