"""The policies that ship: clean, tried by their cases, and deciding what the contract promises, all areas together."""

import re
from pathlib import Path

import pytest

from moderation.decisions import Decision, Outcome
from moderation.policy import source
from moderation.policy.cases import run_folder
from moderation.policy.engine import Ruleset, decide, required_failures
from moderation.policy.fields import Fields
from moderation.policy.lint import lint
from moderation.policy.loader import load_ruleset
from moderation.policy.registry import VOCABULARY
from moderation.policy.staging import stage_facts
from moderation.policy.vocabulary import render

FOLDER = Path(__file__).parents[2] / "policies"


@pytest.fixture(scope="module")
def ruleset() -> Ruleset:
    return load_ruleset(FOLDER)


@pytest.fixture(scope="module")
def judged(ruleset):
    def judge(given: str) -> Decision:
        fields = Fields("given")
        facts = stage_facts(fields, source.parse(given, "given"), VOCABULARY)
        assert not fields.findings, fields.findings
        return decide(facts, ruleset)

    return judge


def codes(decision: Decision) -> set[str]:
    return {reason.code for reason in decision.reasons}


def test_lint_is_clean():
    assert lint(FOLDER) == []


def test_every_case_holds_and_every_rule_is_tried():
    report = run_folder(FOLDER)
    assert report.findings == ()
    assert report.cases >= 50
    assert report.fired == report.rules


def test_the_vocabulary_is_the_registry():
    assert (FOLDER / "vocabulary.yaml").read_text() == render()


def test_what_the_contract_requires_is_required(ruleset):
    assert ruleset.required == {
        "explicit.score",
        "face.detection",
        "face.match_distance",
        "face.age",
        "sampling.unseen",
    }


def test_a_clip_with_nothing_in_it_is_allowed_to_everybody(judged):
    decision = judged("{}")
    assert decision.outcome is Outcome.ALLOW
    assert decision.audience.teens
    assert decision.reasons == ()
    assert decision.trace == ()


@pytest.mark.parametrize("state", ["failed", "not_measured"])
@pytest.mark.parametrize("signal", ["explicit.score", "face.detection", "face.match_distance", "face.age"])
def test_a_required_signal_that_is_not_there_never_allows(judged, signal, state):
    decision = judged(f"signals: {{{signal}: {state}}}")
    assert decision.outcome is Outcome.REVIEW
    assert codes(decision) == {"detector_unavailable"}


def test_a_required_outage_is_told_before_judging(ruleset):
    fields = Fields("given")
    facts = stage_facts(fields, source.parse("signals: {face.age: failed}", "given"), VOCABULARY)
    assert required_failures(facts, ruleset) == ["face.age"]


@pytest.mark.parametrize("kind", ["cameo", "public_figure", "rights_holder", "protected_person"])
@pytest.mark.parametrize("face", ["matched", "possible"])
@pytest.mark.parametrize("consent", ["consented", "not_consented", "limit_violated", "revoked", "undetermined"])
def test_people_and_consent(judged, kind, face, consent):
    given = f"{{people: {{p: {{kind: {kind}, consent: {consent}}}}}, faces: [{{state: {face}, person: p}}]}}"
    outcome = judged(given).outcome
    if kind == "protected_person":
        assert outcome is (Outcome.BLOCK if face == "matched" else Outcome.REVIEW)
    else:
        assert outcome is (Outcome.ALLOW if consent == "consented" else Outcome.REVIEW)


def test_a_young_public_figure_in_a_sexual_picture_goes_to_specialists(judged):
    decision = judged("""
people: {p: {kind: public_figure, consent: not_consented}}
faces: [{state: matched, person: p, signals: {face.age: "22x8"}}]
signals: {explicit.score: "0.35x8"}
""")
    assert (decision.outcome, decision.queue, decision.priority) == (Outcome.REVIEW, "minor_safety", 100)
    assert codes(decision) == {"minor_sexualised", "explicit_content", "public_figure_likeness"}


def test_a_blocked_clip_keeps_its_suspicion_for_specialists(judged):
    decision = judged("""
faces: [{state: unmatched, signals: {face.age: "19x8"}}]
signals: {explicit.score: "0.95x8"}
""")
    assert (decision.outcome, decision.queue) == (Outcome.BLOCK, "minor_safety")
    assert codes(decision) == {"explicit_content"}
    assert "minor_sexualised" in {reason.code for reason in decision.lesser}


def test_a_young_face_with_a_flagged_word_goes_to_a_person(judged):
    decision = judged("""
faces: [{state: unmatched, signals: {face.age: "23x8"}}]
signals: {words.minors: "1"}
""")
    assert (decision.outcome, decision.queue) == (Outcome.REVIEW, "minor_safety")
    assert codes(decision) == {"minor_safety"}


def test_no_words_block(ruleset):
    for policy in ruleset.policies:
        for rule in policy.rules:
            assert policy.area != "words" or rule.then.outcome is not Outcome.BLOCK


NUMBER = re.compile(r"(?:at_least|below): (?P<number>[0-9.]+)|for: (?P<ms>[0-9]+)ms|in: (?P<hits>[0-9]+) of")


def mutants() -> list[tuple[str, str, str]]:
    """Each number of each rule moved a little to either side: the area, the line with the move, the changed text.

    Words are left out: their signals are 0 or 1, and any line between is the same line.
    """
    found = []
    for path in sorted(FOLDER.glob("*/policy.yaml")):
        text = path.read_text()
        for match in NUMBER.finditer(text):
            line = text[text.rindex("\n", 0, match.start()) : text.index("\n", match.end())]
            if "words." in line:
                continue
            old = match[match.lastgroup or 0]
            for step in {"number": (-0.06, 0.06), "ms": (-251, 251), "hits": (-1, 1)}[match.lastgroup or ""]:
                new = f"{float(old) + step:g}"
                start = match.start(match.lastgroup or 0)
                moved = f"{text[:start]}{new}{text[start + len(old) :]}"
                place = f"{path.parent.name}:{text.count(chr(10), 0, start) + 1} {old} to {new}"
                found.append((path.parent.name, place, moved))
    return found


@pytest.mark.parametrize(("area", "place", "text"), mutants(), ids=lambda value: value if len(value) < 40 else "")
def test_a_moved_number_is_noticed_by_a_case(tmp_path, area, place, text):
    (tmp_path / area).mkdir()
    (tmp_path / "vocabulary.yaml").write_text(render())
    (tmp_path / area / "cases.yaml").write_text((FOLDER / area / "cases.yaml").read_text())
    (tmp_path / area / "policy.yaml").write_text(text)
    assert run_folder(tmp_path).failed, place


def test_the_readme_example_works_as_told(tmp_path):
    readme = (FOLDER / "README.md").read_text()
    rule, cases = re.findall(r"```yaml\n(.*?)```", readme, flags=re.DOTALL)[:2]
    area = tmp_path / "explicit"
    area.mkdir()
    (tmp_path / "vocabulary.yaml").write_text(render())
    for name in ("guidance.en.md", "guidance.fr.md", "guidance.ar.md"):
        (area / name).write_text("text")
    (area / "policy.yaml").write_text((FOLDER / "explicit" / "policy.yaml").read_text() + "\n" + rule)
    (area / "cases.yaml").write_text((FOLDER / "explicit" / "cases.yaml").read_text() + "\n" + cases)
    assert lint(tmp_path) == []
    report = run_folder(tmp_path)
    assert report.findings == ()
    assert report.fired == report.rules
