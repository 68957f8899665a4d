import numpy as np
import pytest

from detectors.base import FaceState, Gallery
from detectors.likeness import Likeness, Lines, make_rotation, turn

LINES = Lines(match=0.50, possible=0.60)


def vectors(count, seed=1, length=1.4):
    raw = np.random.default_rng(seed).standard_normal((count, 128)).astype(np.float32)
    return raw / np.linalg.norm(raw, axis=1, keepdims=True) * length


def at(vector, distance, seed=7):
    """A vector at this distance."""
    step = np.random.default_rng(seed).standard_normal(128)
    return (vector + step / np.linalg.norm(step) * distance).astype(np.float32)


def gallery(rows, people=None, rotation=None):
    people = people or tuple(f"per_{i}" for i in range(len(rows)))
    return Gallery(model="m", version="1", people=people, vectors=turn(rows, rotation), rotation=rotation)


def conclude(likeness, faces, mean):
    return likeness.compare(mean, np.stack(faces) if faces else mean[None]).matches


def nearest(likeness, vector):
    """The distance of one view to the nearest person."""
    return likeness.compare(vector, vector[None]).nearest[0]


@pytest.mark.parametrize(
    ("distance", "state"),
    [(0.0, "matched"), (0.4999, "matched"), (0.5001, "possible"), (0.5999, "possible"), (0.6001, None), (0.9, None)],
)
def test_the_two_lines(distance, state):
    rows = vectors(5)
    mean = at(rows[3], distance)
    matches = conclude(Likeness(gallery(rows), LINES), [], mean)
    assert [(match.person, match.state) for match in matches] == ([("per_3", state)] if state else [])
    assert all(match.distance == pytest.approx(distance, abs=1e-4) for match in matches)


def test_three_single_faces_make_a_match_that_the_mean_misses():
    rows = vectors(2)
    likeness = Likeness(gallery(rows), LINES)
    far = at(rows[0], 0.8)
    near = [at(rows[0], d, seed) for seed, d in enumerate((0.45, 0.42, 0.48))]
    assert conclude(likeness, near, far)[0].state is FaceState.MATCHED
    assert conclude(likeness, near, far)[0].distance == pytest.approx(0.42, abs=1e-4)
    assert conclude(likeness, near[:2], far)[0].state is FaceState.POSSIBLE
    assert conclude(likeness, [at(rows[0], 0.55)] * 5, far) == ()


def test_one_near_face_is_never_clear():
    rows = vectors(2)
    (match,) = conclude(Likeness(gallery(rows), LINES), [at(rows[1], 0.3)], at(rows[1], 0.7))
    assert (match.person, match.state) == ("per_1", FaceState.POSSIBLE)


def test_nearest_first_and_each_person_once():
    base = vectors(1)[0]
    rows = np.stack([at(base, 0.45, 1), at(base, 0.35, 2), at(base, 0.55, 3), at(base, 0.30, 4)])
    matches = conclude(Likeness(gallery(rows, ("anna", "ben", "cleo", "anna")), LINES), [], base)
    assert [(match.person, match.distance) for match in matches] == [
        ("anna", pytest.approx(0.30, abs=1e-4)),
        ("ben", pytest.approx(0.35, abs=1e-4)),
        ("cleo", pytest.approx(0.55, abs=1e-4)),
    ]
    assert [match.state for match in matches] == [FaceState.MATCHED, FaceState.MATCHED, FaceState.POSSIBLE]


def test_a_single_face_reports_the_nearest_person_even_far_away():
    rows = vectors(3)
    assert nearest(Likeness(gallery(rows), LINES), at(rows[2], 1.0)) == pytest.approx(1.0, abs=1e-4)


@pytest.mark.parametrize("nobody", [None, gallery(vectors(1)[:0])])
def test_an_empty_gallery_gives_no_distance(nobody):
    likeness = Likeness(nobody, LINES)
    assert likeness.empty
    assert nearest(likeness, vectors(1)[0]) is None
    assert conclude(likeness, [], vectors(1)[0]) == ()


def test_a_turned_gallery_gives_the_same_answers_and_hides_the_vectors():
    rows = vectors(40)
    rotation = make_rotation(b"secret of this organisation", 128)
    plain, turned = Likeness(gallery(rows), LINES), Likeness(gallery(rows, rotation=rotation), LINES)
    for row, distance in ((3, 0.2), (17, 0.49), (30, 0.58)):
        query = at(rows[row], distance)
        assert conclude(plain, [query], query) == conclude(turned, [query], query)
    # Without the query being turned as well nobody is near.
    stolen = Likeness(Gallery(model="m", version="1", people=("a",) * 40, vectors=turn(rows, rotation)), LINES)
    assert conclude(stolen, [rows[3]], rows[3]) == ()


def test_the_rotation_is_orthogonal_repeatable_and_secret():
    rotation = make_rotation(b"one", 128)
    assert rotation.dtype == np.float32
    assert np.allclose(rotation @ rotation.T, np.eye(128), atol=1e-5)
    assert np.array_equal(rotation, make_rotation(b"one", 128))
    assert np.abs(rotation - make_rotation(b"two", 128)).max() > 0.1
    # The stored index depends on these numbers for as long as it lives.
    assert rotation[0, :3].tolist() == pytest.approx([0.17194809, -0.04562227, -0.08010709], abs=1e-6)


def test_turning_keeps_distances():
    rows = vectors(20)
    turned = turn(rows, make_rotation(b"x", 128))
    before = np.linalg.norm(rows[:, None] - rows[None], axis=2)
    after = np.linalg.norm(turned[:, None] - turned[None], axis=2)
    assert np.abs(before - after).max() < 1e-6
    assert turn(rows[0], make_rotation(b"x", 128)).tolist() == turned[0].tolist()


def test_the_answer_does_not_depend_on_who_else_is_registered():
    rows = vectors(3000)
    query = at(rows[0], 0.499996)
    alone = conclude(Likeness(gallery(rows[:1]), LINES), [query], query)
    assert conclude(Likeness(gallery(rows), LINES), [query], query) == alone


@pytest.mark.parametrize("broken", ["names", "numbers", "shape"])
def test_a_gallery_whose_parts_do_not_fit_is_refused(broken):
    rows = vectors(3)
    if broken == "numbers":
        rows[1, 5] = np.nan
    people = ("a", "b") if broken == "names" else ("a", "b", "c")
    rows = rows[0] if broken == "shape" else rows
    with pytest.raises(ValueError, match="gallery"):
        Likeness(Gallery(model="m", version="1", people=people, vectors=rows), LINES)
