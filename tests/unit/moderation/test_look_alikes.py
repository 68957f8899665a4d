"""A face that may be two people is never called one of them; a person's own lines move nobody else's."""

import numpy as np
import pytest

from detectors.base import FaceState, Gallery
from detectors.likeness import Likeness, Lines
from moderation.verdicts import _face


def track(state, *candidates):
    return {
        "track": 0,
        "start_ms": 0,
        "end_ms": 1000,
        "state": state,
        "person": candidates[0]["person"] if candidates else None,
        "distance": candidates[0]["distance"] if candidates else None,
        "candidates": list(candidates),
    }


ADA = {"person": "per_ada", "distance": 0.52, "state": "possible"}
TWIN = {"person": "per_twin", "distance": 0.53, "state": "possible"}


def test_two_who_resemble_a_face_stand_side_by_side():
    told = _face(track("possible", ADA, TWIN))
    assert told["candidates"] == [ADA, TWIN]
    assert "person" not in told
    assert "distance" not in told


def test_one_who_resembles_it_and_one_who_is_matched_are_named():
    assert _face(track("possible", ADA))["person"] == "per_ada"
    matched = _face(track("matched", ADA | {"state": "matched"}, TWIN))
    assert matched["person"] == "per_ada"
    assert len(matched["candidates"]) == 2
    assert "candidates" not in _face(track("unmatched"))


def gallery(**shifts):
    rows = np.zeros((2, 128), np.float32)
    rows[0, 0], rows[1, 1] = 1.4, 1.4
    return Gallery(model="m", version="1", people=("ada", "twin"), vectors=rows, shifts=shifts)


def at(far, toward):
    """A face so far from one of them."""
    found = np.zeros(128, np.float32)
    found[toward], found[5] = 1.4, far
    return found


@pytest.mark.parametrize(
    ("far", "shift", "state"),
    [
        (0.48, 0.0, FaceState.MATCHED),
        (0.48, -0.05, FaceState.POSSIBLE),
        (0.58, -0.05, None),
        (0.52, 0.05, FaceState.MATCHED),
        (0.64, 0.05, FaceState.POSSIBLE),
    ],
)
def test_the_lines_of_one_person_are_moved_and_no_other(far, shift, state):
    lines = Lines(match=0.5, possible=0.6)
    likeness = Likeness(gallery(ada=shift), lines)
    near = at(far, 0)
    assert [match.state for match in likeness.compare(near, near[None]).matches] == ([state] if state else [])
    other, plain = at(far, 1), Likeness(gallery(), lines)
    assert likeness.compare(other, other[None]) == plain.compare(other, other[None])
