"""Faces are cleared as adults only where everything that could clear them was measured and says so."""

import pytest

from detectors.base import FaceState, State
from moderation.facts import FaceFact, FactRecord, Sample, SignalFact, SubmissionFacts
from moderation.policy.clearance import clearance_facts
from moderation.policy.exhibits import Exhibits
from moderation.policy.registry import VOCABULARY

ADULT = {"face.age": 40.0, "minor.score": 0.01}


def record(
    *faces: dict[str, float], explicit: tuple[tuple[int, float], ...] = (), states: dict[str, State] | None = None
) -> FactRecord:
    """Face n lasts from n to n + 1 seconds; an empty one was not read."""
    samples: dict[str, list[Sample]] = {name: [] for name in ("face.age", "minor.score", "face.drawn")}
    for track, values in enumerate(faces):
        for name, value in values.items():
            samples[name].append(Sample(track * 1000, value, track))
    signals = {name: SignalFact(state=State.MEASURED, samples=tuple(found)) for name, found in samples.items()}
    for name in ("face.detection", "drawn.score"):
        signals[name] = SignalFact(state=State.MEASURED, samples=(Sample(0, 0.0),))
    signals["explicit.score"] = SignalFact(state=State.MEASURED, samples=tuple(Sample(*pair) for pair in explicit))
    for name, state in (states or {}).items():
        signals[name] = SignalFact(state=state)
    return FactRecord(
        org="default",
        clip="clip_case",
        judged_at="2026-01-01T00:00:00+00:00",
        duration_ms=1000 * max(len(faces), 1),
        phase="public",
        submission=SubmissionFacts(creator="somebody"),
        signals=signals,
        faces=tuple(
            FaceFact(
                track=track,
                start_ms=track * 1000,
                end_ms=track * 1000 + 1000,
                state=FaceState.UNMATCHED if values else FaceState.UNREAD,
            )
            for track, values in enumerate(faces)
        ),
    )


@pytest.mark.parametrize(
    ("face", "uncleared"),
    [
        (ADULT, 0),
        ({"face.age": 25.0, "minor.score": 0.4999}, 0),
        ({"face.age": 24.9999, "minor.score": 0.01}, 1),
        ({"face.age": 40.0, "minor.score": 0.5}, 1),
        ({"face.age": 40.0}, 1),
        ({"minor.score": 0.01}, 1),
        ({"face.drawn": 1.0}, 1),
        ({**ADULT, "face.drawn": 1.0}, 1),
        ({}, 1),
    ],
)
def test_what_clears_a_face(face: dict[str, float], uncleared: int):
    facts = clearance_facts(record(face, ADULT))
    assert facts["uncleared_faces"] == uncleared
    assert facts["unchecked"] is False


@pytest.mark.parametrize("state", [State.NOT_MEASURED, State.FAILED])
def test_an_adult_whom_nobody_checked_for_being_drawn_is_not_cleared(state: State):
    facts = clearance_facts(record(ADULT, {}, states={"drawn.score": state}))
    assert (facts["uncleared_faces"], facts["unchecked"]) == (2, True)


@pytest.mark.parametrize("state", [State.NOT_MEASURED, State.FAILED])
def test_ages_that_were_not_measured_clear_nobody(state: State):
    assert clearance_facts(record(ADULT, states={"face.age": state}))["uncleared_faces"] == 1


def test_explicit_scores_count_while_the_face_is_in_sight():
    explicit = ((0, 0.9), (1000, 0.3), (1999, 0.4), (2000, 0.8))
    facts = clearance_facts(record(ADULT, {}, ADULT, explicit=explicit))
    assert facts["explicit_beside"] == 0.4
    assert clearance_facts(record(ADULT, explicit=explicit))["explicit_beside"] == 0


def test_what_cannot_be_known_is_not_a_zero():
    nobody_looked = clearance_facts(record(ADULT, states={"face.detection": State.FAILED}))
    assert set(nobody_looked.values()) == {None}
    assert clearance_facts(record({}, states={"explicit.score": State.FAILED}))["explicit_beside"] is None


def test_rules_can_name_every_fact_and_ask_for_it():
    exhibits = Exhibits(record({}), VOCABULARY)
    asked = {name: exhibits.fact(name) for name in VOCABULARY.facts if name.startswith("minors.")}
    assert asked == {"minors.uncleared_faces": 1, "minors.unchecked": False, "minors.explicit_beside": 0.0}


def test_a_drawn_face_without_age_leaves_no_gap_and_another_one_does():
    assert Exhibits(record({"face.drawn": 1.0}), VOCABULARY).gaps("face.age") == ()
    (gap,) = Exhibits(record({"face.drawn": 1.0}, {"minor.score": 0.1}), VOCABULARY).gaps("face.age")
    assert gap.state == "silent on track 1"
