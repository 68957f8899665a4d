import dataclasses

import numpy as np
import pytest

from detectors.base import FaceState, Gallery
from detectors.index import GraphIndex
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


@pytest.mark.parametrize(("distance", "possible"), [(0.2, True), (0.49, True), (0.51, False), (0.59, False)])
def test_a_distant_face_is_possible_within_the_match_line_and_never_matched(distance, possible):
    (row,) = vectors(1)
    views = np.stack([at(row, distance, seed=seed) for seed in range(4)])
    comparison = Likeness(gallery(row[None]), LINES).compare(at(row, distance), views, distant=True)
    assert [match.state for match in comparison.matches] == [FaceState.POSSIBLE] * possible
    assert comparison.nearest == pytest.approx((distance,) * 4, abs=1e-3)


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


SIZES = Lines(match=0.50, possible=0.60, sizes=((100, 0.44, 0.48), (10_000, 0.38, 0.41)), largest=100)


@pytest.mark.parametrize(
    ("size", "match", "possible"),
    [(0, 0.5, 0.6), (1, 0.5, 0.6), (10, 0.47, 0.54), (100, 0.44, 0.48), (1000, 0.41, 0.445), (10_000, 0.38, 0.41)],
)
def test_lines_fall_with_the_size_of_the_gallery(size, match, possible):
    lines = SIZES.at(size)
    assert (lines.match, lines.possible) == (pytest.approx(match), pytest.approx(possible))


def test_beyond_the_last_size_lines_go_on_falling_and_never_vanish():
    assert SIZES.at(1_000_000).match == pytest.approx(0.32)
    assert SIZES.at(10**30).match == 0.2


def test_lines_come_out_of_a_manifest():
    assert Lines.of({"match": 0.5, "possible": 0.6, "min_face_px": 64}) == Lines()
    table = {"match": 0.5, "possible": 0.6, "match_at_100": 0.44, "possible_at_100": 0.48, "largest_gallery": 7}
    assert Lines.of(table) == Lines(sizes=((100, 0.44, 0.48),), largest=7)


def test_a_stranger_near_one_of_few_is_nobody_among_many():
    few, many = vectors(1), vectors(100)
    query = at(few[0], 0.49)
    assert conclude(Likeness(gallery(few), SIZES), [], query)[0].state is FaceState.MATCHED
    assert conclude(Likeness(gallery(np.concatenate([few, many[1:]])), SIZES), [], query) == ()


def test_in_too_large_a_gallery_nothing_is_matched_and_nothing_clear_either():
    rows = vectors(101)
    likeness = Likeness(gallery(rows), SIZES)
    (match,) = conclude(likeness, [at(rows[3], 0.2)] * 4, at(rows[3], 0.2))
    assert (match.person, match.state) == ("per_3", FaceState.POSSIBLE)
    assert "101" in likeness.note
    assert Likeness(gallery(rows[:100]), SIZES).note == ""


def test_a_graph_and_the_exact_comparison_conclude_the_same():
    rows, rotation = vectors(1500), make_rotation(b"secret", 128)
    plain = gallery(rows, rotation=rotation)
    graph = GraphIndex(128)
    graph.add(np.arange(1500), plain.vectors)
    turned = dataclasses.replace(plain, index=graph)
    for row in range(0, 1500, 50):
        views = [at(rows[row], 0.45, seed) for seed in range(3)]
        mean = at(rows[row], 0.3)
        assert conclude(Likeness(turned, LINES), views, mean) == conclude(Likeness(plain, LINES), views, mean)


def test_a_row_of_nobody_and_a_row_that_came_later_match_nobody():
    rows = vectors(6)
    graph = GraphIndex(128)
    graph.add(np.arange(6), rows)
    earlier = dataclasses.replace(gallery(rows[:5], ("a", "b", "", "d", "e")), index=graph)
    assert conclude(Likeness(earlier, LINES), [], rows[2]) == ()
    assert conclude(Likeness(earlier, LINES), [], rows[5]) == ()
    assert conclude(Likeness(earlier, LINES), [], rows[1])[0].person == "b"
