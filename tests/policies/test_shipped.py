"""The policies that ship: clean, tried by their cases, and deciding what the contract promises, all areas together."""

import re
import shutil
import time
from pathlib import Path

import pytest

from moderation.decisions import Decision, Outcome
from moderation.policy import source
from moderation.policy.cases import run_folder
from moderation.policy.engine import Ruleset, decide, required_failures
from moderation.policy.examination import Examination, examine_folder
from moderation.policy.fields import Fields
from moderation.policy.lint import lint
from moderation.policy.loader import load_ruleset
from moderation.policy.model import signals_of
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
            words = any(signal.startswith("words.") for signal in signals_of(rule.when))
            assert not words or rule.then.outcome is not Outcome.BLOCK


@pytest.fixture(scope="module")
def proven() -> tuple[Examination, float]:
    """The shipped policies examined once, and the CPU seconds that it took."""
    started = time.process_time()
    return examine_folder(FOLDER), time.process_time() - started


@pytest.fixture(scope="module")
def examination(proven) -> Examination:
    return proven[0]


def test_every_rule_may_act(examination):
    assert examination.faults() == []


def test_nearly_every_wrong_turn_of_a_rule_is_noticed(examination):
    assert examination.mutants >= 700
    assert examination.killed >= 0.98 * examination.mutants


def test_every_condition_is_seen_to_hold_and_to_fail(examination):
    assert [finding for proof in examination.proofs for finding in proof.coverage.findings(proof.path)] == []


def test_the_proof_takes_seconds(proven):
    assert proven[1] < 10


@pytest.fixture
def draft(tmp_path: Path) -> Path:
    """A copy of the policies, as the README tells one to make."""
    return Path(shutil.copytree(FOLDER, tmp_path / "draft"))


@pytest.fixture(scope="module")
def snippets() -> list[str]:
    return re.findall(r"```yaml\n(.*?)```", (FOLDER / "README.md").read_text(), flags=re.DOTALL)


def add(draft: Path, name: str, text: str) -> None:
    with (draft / "explicit" / name).open("a") as file:
        file.write(f"\n{text}")


def examine_alone(draft: Path, area: str) -> Examination:
    """What an area's own cases prove of its rules; the proof of a rule never leaves its area."""
    for other in draft.iterdir():
        if other.is_dir() and other.name != area:
            shutil.rmtree(other)
    return examine_folder(draft)


def test_the_readme_s_rule_and_cases_are_clean_and_may_act(draft, snippets):
    add(draft, "policy.yaml", snippets[0])
    assert {finding.code for finding in lint(draft)} == {"no-must-fire", "no-must-not-fire"}
    add(draft, "cases.yaml", snippets[1])
    assert lint(draft) == []
    examination = examine_alone(draft, "explicit")
    assert examination.faults() == []
    (proof,) = [proof for proof in examination.proofs if proof.name == "explicit.violent_and_explicit"]
    assert proof.score is not None
    assert proof.score.survivors == ()


def test_without_its_last_case_the_readme_s_rule_is_told_what_to_write(draft, snippets):
    add(draft, "policy.yaml", snippets[0])
    add(draft, "cases.yaml", snippets[1].rpartition("  - case:")[0])
    proofs = examine_alone(draft, "explicit").proofs
    (proof,) = [proof for proof in proofs if proof.name == "explicit.violent_and_explicit"]
    assert proof.score is not None
    assert "add one in which 3 hold among 6 and no 3 among 5" in {change.advice for change in proof.score.survivors}


def test_every_area_stands_in_the_readme():
    readme = (FOLDER / "README.md").read_text()
    areas = {path.parent.name for path in FOLDER.glob("*/policy.yaml")}
    assert {area for area in areas if f"`{area}`" not in readme} == set()
