"""What follows from checks: nothing is verified on silence, and what is told teaches no attack."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from detectors.minors import AgeState, TrackAge
from detectors.voices import SpokenBy
from moderation.enrolling import challenges
from moderation.enrolling.checks import (
    Candidate,
    Check,
    CheckState,
    check_adult,
    check_digits,
    check_nobody_else,
    check_one_voice,
    check_own,
    check_source,
    digits_in,
)
from moderation.enrolling.recordings import Heard, Measured
from moderation.enrolling.verdicts import NEEDED, Outcome, conclude

NOW = datetime(2026, 11, 22, tzinfo=UTC)
CHALLENGE = challenges.Challenge(
    digits=("4170", "2903", "5581", "3614"),
    turns=("left", "left", "right", "left"),
    expires_at=NOW + timedelta(minutes=2),
)
MEASURED = Measured(
    duration_ms=12_000,
    sights=(),
    thirds=(),
    views=np.empty((0, 128), np.float32),
    age=TrackAge(state=AgeState.UNREAD),
    heard=Heard(),
)
UNMARKED = {"invisible": "not_found", "visible": "not_checked", "c2pa": "not_found"}


def passed(**states):
    return [Check(name=name, state=CheckState(states.get(name, "passed"))) for name in NEEDED]


def test_all_passed_is_verified():
    assert conclude(passed()).outcome is Outcome.VERIFIED


@pytest.mark.parametrize("name", NEEDED)
@pytest.mark.parametrize("state", ["uncertain", "not_measured"])
def test_nothing_is_verified_while_a_check_is_silent(name, state):
    assert conclude(passed(**{name: state})).outcome in {Outcome.UNCERTAIN, Outcome.GUARDIAN_NEEDED}


@pytest.mark.parametrize("name", NEEDED)
def test_a_check_that_is_missing_is_no_yes(name):
    assert conclude([check for check in passed() if check.name != name]).outcome is not Outcome.VERIFIED


@pytest.mark.parametrize("name", sorted(set(NEEDED) - {"adult", "nobody_else", "mouth"}))
def test_what_failed_is_refused_without_a_word_of_why(name):
    verdict = conclude(passed(**{name: "failed"}))
    assert (verdict.outcome, verdict.hints) == (Outcome.REFUSED, ())


def test_hints_are_given_where_nothing_but_quality_failed():
    poor = Check(name="quality", state=CheckState.FAILED, hint="nearer,lighter")
    checks = [poor if check.name == "quality" else check for check in passed()]
    assert conclude(checks).hints == ("nearer", "lighter")
    checks = [replace(c, state=CheckState.FAILED) if c.name == "turns" else c for c in checks]
    assert conclude(checks).hints == ()


def test_who_looks_young_is_never_refused_for_it():
    assert conclude(passed(adult="uncertain")).outcome is Outcome.GUARDIAN_NEEDED
    assert conclude(passed(adult="failed")).outcome is Outcome.GUARDIAN_NEEDED


@pytest.mark.parametrize(
    ("state", "says"),
    [(AgeState.ADULT, "passed"), (AgeState.UNCERTAIN, "uncertain"), (AgeState.DRAWN, "uncertain")],
)
def test_only_a_cleared_face_is_an_adults(state, says):
    assert check_adult(replace(MEASURED, age=TrackAge(state=state, age=30.0))).state == says
    assert check_adult(MEASURED).state is CheckState.NOT_MEASURED


def test_a_likeness_of_somebody_else_waits_for_a_person():
    other = Candidate(person="per_x", kind="public_figure", how="face", state="possible", distance=0.55)
    check = check_nobody_else([other], [])
    assert check.state is CheckState.UNCERTAIN
    assert conclude([check if each.name == "nobody_else" else each for each in passed()]).outcome is Outcome.UNCERTAIN
    assert check_nobody_else([], []).state is CheckState.PASSED


def test_who_was_registered_before_must_be_the_same():
    lines = {"face": 0.6, "voice": 0.9}
    assert check_own({"face": 0.3, "voice": None}, lines).state is CheckState.PASSED
    assert check_own({"face": 0.3, "voice": 1.2}, lines).state is CheckState.FAILED
    assert check_own({"face": None, "voice": None}, lines).state is CheckState.PASSED
    stale = check_own({"face": 0.3, "voice": None}, lines, registered={"face", "voice"})
    assert (stale.state, stale.evidence["not_compared"]) == (CheckState.NOT_MEASURED, ["voice"])
    assert check_own({"face": 0.9, "voice": None}, lines, registered={"voice"}).state is CheckState.FAILED


@pytest.mark.parametrize(
    ("layers", "told"),
    [
        ({}, {}),
        ({"invisible": "found"}, {}),
        ({"invisible": "transplanted"}, {}),
        ({"c2pa_ours": "found"}, {}),
        ({}, {"generative": True}),
        ({}, {"copies": 0.5}),
        ({}, {"resembled": 1}),
    ],
)
def test_clips_of_ours_and_generated_ones_are_no_recordings(layers, told):
    check = check_source(UNMARKED | layers, **({"generative": False, "copies": 0.0, "resembled": 0} | told))
    assert check.state is (CheckState.FAILED if layers or told else CheckState.PASSED)


def test_marks_that_nobody_looked_for_are_not_absent():
    unread = UNMARKED | {"invisible": "not_checked"}
    assert check_source(unread, generative=False, copies=0.0, resembled=0).state is CheckState.UNCERTAIN


@pytest.mark.parametrize(
    "words",
    ["four one seven oh two nine zero three", "4170, 2903", "quatre un sept zéro deux neuf zéro trois", "٤١٧٠ ٢٩٠٣"],
)
def test_digits_are_read_as_words_and_as_figures(words):
    assert digits_in(words) == "41702903"


def test_digits_that_nobody_wrote_down_are_not_measured():
    assert check_digits(MEASURED, CHALLENGE).state is CheckState.NOT_MEASURED
    for words, state in (("4170 2903 5581 3614", "passed"), ("4170 2903 5581 3615", "failed"), ("", "failed")):
        assert check_digits(replace(MEASURED, heard=Heard(words=words)), CHALLENGE).state == state


def test_one_voice_is_one_speaker():
    one, two = SpokenBy(0, 900, 0), SpokenBy(1_000, 1_900, 1)
    assert check_one_voice(replace(MEASURED, heard=Heard(speech=(one, one)))).state is CheckState.PASSED
    assert check_one_voice(replace(MEASURED, heard=Heard(speech=(one, two)))).state is CheckState.FAILED
    assert check_one_voice(MEASURED).state is CheckState.NOT_MEASURED


def test_challenges_differ_and_expire():
    drawn = [challenges.draw(NOW, 120) for _ in range(50)]
    assert len({each.digits for each in drawn}) == 50
    assert len({each.turns for each in drawn}) > 3
    assert all(set(each.turns) == {"left", "right"} for each in drawn)
    assert all(each.expires_at == NOW + timedelta(minutes=2) for each in drawn)
