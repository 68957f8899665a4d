"""The graph finds whom the exact comparison finds, forgets whom it is told to, and adds nobody of its own."""

import numpy as np
import pytest

from detectors.index import NEIGHBOURS, ExactIndex, GraphIndex

WITHIN = 0.45


def vectors(count, seed=1):
    """Rows of the length of face vectors, spread like them: most of the variance in a third of the directions."""
    rng = np.random.default_rng(seed)
    raw = rng.standard_normal((count, 128)) * np.exp(-np.arange(128) / 40)
    return (raw / np.linalg.norm(raw, axis=1, keepdims=True) * 1.4).astype(np.float32)


def at(rows, distance, seed=7):
    step = np.random.default_rng(seed).standard_normal(rows.shape)
    return (rows + step / np.linalg.norm(step, axis=1, keepdims=True) * distance).astype(np.float32)


def graph(rows):
    made = GraphIndex(128)
    made.add(np.arange(len(rows)), rows)
    return made


@pytest.fixture(scope="module")
def both():
    rows = vectors(3000)
    return rows, ExactIndex(rows), graph(rows)


def test_the_graph_finds_whom_the_exact_comparison_finds(both):
    rows, exact, hnsw = both
    queries = at(rows[::20], 0.4)
    for expected, found in zip(exact.near(queries, WITHIN), hnsw.near(queries, WITHIN), strict=True):
        assert set(found) == set(expected)


def test_the_nearest_row_is_told_however_far(both):
    _, exact, hnsw = both
    strangers = vectors(50, seed=9)
    agree = [a[0] == b[0] for a, b in zip(exact.near(strangers, 0.0), hnsw.near(strangers, 0.0), strict=True)]
    assert all(len(found) == 1 for found in hnsw.near(strangers, 0.0))
    assert np.mean(agree) >= 0.98


def test_a_row_on_the_line_is_handed_on_by_both(both):
    rows, exact, hnsw = both
    query = at(rows[5:6], WITHIN)
    assert 5 in exact.near(query, WITHIN)[0]
    assert 5 in hnsw.near(query, WITHIN)[0]


def test_what_is_removed_is_found_no_more_and_what_is_added_at_once():
    rows = vectors(500)
    made = graph(rows[:400])
    made.remove(np.array([7], np.int64))
    made.add(np.arange(400, 500), rows[400:])
    assert len(made) == 499
    assert 7 not in made.near(rows[7:8], WITHIN)[0]
    assert made.near(rows[450:451], WITHIN)[0][0] == 450


def test_the_same_calls_give_the_same_answers():
    rows, queries = vectors(800), vectors(40, seed=3)
    one, other = graph(rows), graph(rows)
    assert [list(a) for a in one.near(queries, 0.9)] == [list(b) for b in other.near(queries, 0.9)]


def test_a_graph_hands_on_so_many_neighbours_at_most():
    rows = np.repeat(vectors(1), 100, axis=0) + np.random.default_rng(1).normal(0, 1e-3, (100, 128))
    assert len(graph(rows.astype(np.float32)).near(vectors(1), WITHIN)[0]) == NEIGHBOURS


@pytest.mark.parametrize("index", [ExactIndex(np.empty((0, 128), np.float32)), GraphIndex(128)])
def test_nobody_is_near_in_an_empty_index(index):
    assert [list(found) for found in index.near(vectors(2), WITHIN)] == [[], []]


def test_what_is_no_number_is_refused():
    broken = vectors(2)
    broken[1, 5] = np.nan
    with pytest.raises(ValueError, match="gallery"):
        ExactIndex(broken)
    with pytest.raises(ValueError, match="gallery"):
        GraphIndex(128).add(np.arange(2), broken)
