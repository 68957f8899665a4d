"""The truth table of the minors' rules: who is seen, how explicit the picture is, what the texts say.

Everything is a number or a placeholder; nothing here describes anybody.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from moderation.decisions import Decision, Outcome
from moderation.policy import source
from moderation.policy.engine import decide
from moderation.policy.fields import Fields
from moderation.policy.loader import load_ruleset
from moderation.policy.registry import VOCABULARY
from moderation.policy.staging import stage_facts

FOLDER = Path(__file__).parents[2] / "policies"
#: Who is seen, as a face of a case. Only the last is cleared.
FACES = {
    "young by the first net": '{state: unmatched, signals: {face.age: "24.9x6"}}',
    "likely minor": '{state: unmatched, signals: {face.age: "26x6", minor.score: "0.5x6"}}',
    "unread": "{state: unread}",
    "drawn": '{state: unmatched, unaged: true, signals: {face.drawn: "1"}}',
    "adult": '{state: unmatched, signals: {face.age: "40x6"}}',
}
UNCLEARED = [name for name in FACES if name != "adult"]
NOTES = {
    "young by the first net": "young_looking",
    "likely minor": "young_looking",
    "unread": "unread_face",
    "drawn": "drawn_face",
}

Judge = Callable[..., Decision]


@pytest.fixture(scope="module")
def judged() -> Judge:
    ruleset = load_ruleset(FOLDER)

    def judge(face: str | None, explicit: str = "0", minors: str = "0", sexual: str = "0", **more: str) -> Decision:
        signals = {
            "explicit.score": f'"{explicit}x8"',
            "words.minors": f'"{minors}"',
            "words.sexual": f'"{sexual}"',
            **{name.replace("_", ".", 1): value for name, value in more.items()},
        }
        told = ", ".join(f"{name}: {value}" for name, value in signals.items())
        given = f"faces: [{FACES[face]}]\nsignals: {{{told}}}" if face else f"signals: {{{told}}}"
        fields = Fields("given")
        facts = stage_facts(fields, source.parse(given, "given"), VOCABULARY)
        assert not fields.findings, fields.findings
        return decide(facts, ruleset)

    return judge


def codes(decision: Decision) -> set[str]:
    return {reason.code for reason in (*decision.reasons, *decision.lesser)}


def specialists(decision: Decision) -> bool:
    return decision.outcome is Outcome.REVIEW and decision.queue == "minor_safety" and not decision.audience.teens


@pytest.mark.parametrize("face", UNCLEARED)
@pytest.mark.parametrize("explicit", ["0", "0.1999"])
def test_alone_it_passes_with_a_note_and_not_for_teens(judged: Judge, face: str, explicit: str):
    decision = judged(face, explicit)
    assert decision.outcome is Outcome.ALLOW
    assert not decision.audience.teens
    assert NOTES[face] in {note.code for note in decision.notes}


@pytest.mark.parametrize("face", UNCLEARED)
@pytest.mark.parametrize("explicit", ["0.2", "0.5", "1"])
@pytest.mark.parametrize("minors", ["0", "1"])
def test_beside_an_explicit_score_specialists_see_it(judged: Judge, face: str, explicit: str, minors: str):
    decision = judged(face, explicit, minors)
    if decision.outcome is Outcome.BLOCK:
        # Sustained explicit content is blocked whoever is seen; specialists get the case all the same.
        assert decision.queue == "minor_safety"
    else:
        assert specialists(decision)
    assert "minor_sexualised" in codes(decision)


@pytest.mark.parametrize("face", UNCLEARED)
def test_beside_words_of_minors_specialists_see_it(judged: Judge, face: str):
    decision = judged(face, minors="1")
    assert specialists(decision)
    assert codes(decision) == {"minor_safety"}


@pytest.mark.parametrize("face", UNCLEARED)
def test_beside_sexual_words_specialists_see_it(judged: Judge, face: str):
    decision = judged(face, sexual="1")
    assert specialists(decision)
    assert "minor_sexualised" in codes(decision)


@pytest.mark.parametrize("explicit", ["0", "0.2"])
@pytest.mark.parametrize("minors", ["0", "1"])
@pytest.mark.parametrize("sexual", ["0", "1"])
def test_a_cleared_face_is_the_words_and_pictures_own_matter(judged: Judge, explicit: str, minors: str, sexual: str):
    decision = judged("adult", explicit, minors, sexual)
    beside_words = minors == "1" and (sexual == "1" or explicit == "0.2")
    assert specialists(decision) is beside_words
    assert ("minor_sexualised" in codes(decision)) is beside_words
    if explicit == sexual == "0":
        assert decision.outcome is Outcome.ALLOW
        assert decision.audience.teens


@pytest.mark.parametrize("silent", ["not_measured", "failed"])
def test_a_face_nobody_checked_for_being_drawn_is_not_cleared(judged: Judge, silent: str):
    alone = judged("adult", drawn_score=silent)
    explicit = judged("adult", "0.2", drawn_score=silent)
    words = judged("adult", minors="1", drawn_score=silent)
    assert explicit.outcome is words.outcome is Outcome.REVIEW
    assert "detector_unavailable" in codes(explicit) & codes(words)
    assert alone.outcome is Outcome.ALLOW


@pytest.mark.parametrize(
    ("drawn", "explicit", "seen"), [("0.3", "0.2", True), ("0.29", "0.2", False), ("1", "0.1999", False)]
)
def test_a_drawn_picture_with_no_face_found_counts_as_well(judged: Judge, drawn: str, explicit: str, *, seen: bool):
    assert specialists(judged(None, explicit, drawn_score=f'"{drawn}x8"')) is seen
