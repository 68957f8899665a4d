"""A folder is loaded whole or refused whole, and its version is its content."""

import json
import shutil
from pathlib import Path

import pytest

from moderation.policy.loader import UnusablePolicies, load_bundle, load_ruleset
from moderation.policy.source import MAX_BYTES
from moderation.policy.vocabulary import render

POLICY = """\
language: 1
owner: somebody
description: for a test
queue: explicit
requires: [explicit.score]
rules:
  - rule: any_frame
    when: {signal: explicit.score, at_least: 0.3}
    then: {outcome: review, reasons: [explicit_content]}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "vocabulary.yaml").write_text(render())
    (tmp_path / "area").mkdir()
    (tmp_path / "area" / "policy.yaml").write_text(POLICY)
    return tmp_path


def refusals(folder: Path) -> list[str]:
    with pytest.raises(UnusablePolicies) as refusal:
        load_ruleset(folder)
    return [str(finding).removeprefix(f"{folder}/") for finding in refusal.value.findings]


def test_the_version_is_the_content_not_the_writing(folder):
    first = load_ruleset(folder)
    path = folder / "area" / "policy.yaml"
    path.write_text(
        "# a comment\n"
        + POLICY.replace(
            "{signal: explicit.score, at_least: 0.3}", "\n      at_least: 0.30\n      signal: explicit.score"
        )
    )
    assert load_ruleset(folder).version == first.version
    path.write_text(POLICY.replace("0.3", "0.31"))
    assert load_ruleset(folder).version != first.version


def test_a_vocabulary_with_fewer_names_is_another_version_and_refuses_them(folder):
    path = folder / "vocabulary.yaml"
    first = load_ruleset(folder)
    path.write_text("".join(line for line in render().splitlines(keepends=True) if "weapons_in_text" not in line))
    assert load_ruleset(folder).version != first.version
    path.write_text("".join(line for line in render().splitlines(keepends=True) if "explicit.score:" not in line))
    assert any("unknown-signal" in refusal for refusal in refusals(folder))


def test_cases_and_guidance_are_no_part_of_the_version(folder):
    first = load_ruleset(folder)
    (folder / "area" / "cases.yaml").write_text("cases: nonsense")
    (folder / "area" / "guidance.en.md").write_text("text")
    assert load_ruleset(folder).version == first.version


def test_a_bundle_gives_the_same_ruleset_back(folder):
    ruleset = load_ruleset(folder)
    shutil.rmtree(folder / "area")
    again = load_bundle(ruleset.to_bytes().decode())
    assert again.version == ruleset.version
    assert again.policies == ruleset.policies


def test_a_damaged_bundle_is_refused(folder):
    bundle = json.loads(load_ruleset(folder).bundle)
    bundle["area/policy.yaml"] = bundle["area/policy.yaml"].replace("at_least", "atleast")
    with pytest.raises(UnusablePolicies):
        load_bundle(json.dumps(bundle))


@pytest.mark.parametrize(
    ("old", "new", "refusal"),
    [
        (
            "explicit.score, at",
            "explict.score, at",
            "8:20 unknown-signal signal `explict.score` is not known - did you mean `explicit.score`?",
        ),
        (
            "at_least: 0.3",
            "atleast: 0.3",
            "8:36 unknown-key a signal condition has no key `atleast` - did you mean `at_least`?",
        ),
        ("at_least: 0.3", "at_least: 30", "8:46 out-of-range `at_least` of explicit.score is 30, outside 0 to 1"),
        ("at_least: 0.3", "at_least: '0.3'", "8:46 wrong-type `at_least` of explicit.score must be a number"),
        ("at_least: 0.3", "at_least: true", "8:46 wrong-type"),
        ("at_least: 0.3", "at_least: .nan", "8:46 wrong-type"),
        (", at_least: 0.3", "", "8:11 no-comparator"),
        ("at_least: 0.3", "at_least: 0.3, below: 1", "8:11 several"),
        ("at_least: 0.3", "at_least: 0.3, for: 1s, in: 1 of 2", "8:11 several"),
        ("at_least: 0.3", "at_least: 0.3, for: 400", "8:56 wrong-type"),
        ("at_least: 0.3", "at_least: 0.3, for: 0ms", "8:56 wrong-value"),
        ("at_least: 0.3", "at_least: 0.3, for: 4 weeks", "8:56 wrong-value"),
        ("at_least: 0.3", "at_least: 0.3, in: 5 of 3", "8:55 wrong-value"),
        ("at_least: 0.3", "at_least: 0.3, in: 0 of 3", "8:55 wrong-value"),
        ("at_least: 0.3", "at_least: 0.3, share_of_clip: 2", "8:66 out-of-range"),
        ("at_least: 0.3", "at_least: 0.3, anywhere: false", "8:61 wrong-value"),
        ("{signal: explicit.score, at_least: 0.3}", "{all: []}", "8:17 empty-list"),
        ("{signal: explicit.score, at_least: 0.3}", "{}", "8:11 wrong-type"),
        ("{signal: explicit.score, at_least: 0.3}", "[]", "8:11 wrong-type"),
        ("{signal: explicit.score, at_least: 0.3}", "{person: undetermined}", "8:20 wrong-value"),
        ("{signal: explicit.score, at_least: 0.3}", "{person.kind: celebrity}", "8:25 wrong-value"),
        (
            "{signal: explicit.score, at_least: 0.3}",
            "{face: machted}",
            "8:18 wrong-value `face` `machted` is not known - did you mean `matched`?",
        ),
        ("{signal: explicit.score, at_least: 0.3}", "{fact: submission.marke, equals: FR}", "8:18 unknown-fact"),
        ("{signal: explicit.score, at_least: 0.3}", "{fact: phase, equals: publik}", "8:33 wrong-value"),
        ("{signal: explicit.score, at_least: 0.3}", "{fact: phase, above: 1}", "8:32 wrong-type"),
        ("{signal: explicit.score, at_least: 0.3}", "{fact: known_illegal, equals: 1}", "8:41 wrong-type"),
        ("{signal: explicit.score, at_least: 0.3}", "{fact: phase}", "8:11 no-comparator"),
        ("outcome: review, ", "", "9:11 missing-key `then` lacks `outcome`"),
        ("review", "revue", "9:21 wrong-value outcome `revue` is not known - did you mean `review`?"),
        ("[explicit_content]", "[explicit]", "9:39 unknown-reason"),
        ("[explicit_content]", "[false_match]", "9:39 unknown-reason"),
        (", reasons: [explicit_content]", "", "9:11 no-reason"),
        ("review, reasons", "allow, reasons", "9:11 action-misfit"),
        ("review, reasons: [explicit_content]", "allow", "9:11 no-effect"),
        ("review, reasons", "restrict, reasons", "9:11 action-misfit"),
        ("review, reasons", "review, queue: explict, reasons", "9:36 unknown-queue"),
        ("review, reasons", "review, priority: 101, reasons", "9:39 out-of-range"),
        ("review, reasons", "review, audience: [kids], reasons", "9:40 wrong-value"),
        ("review, reasons", "review, on_undetermined: block, reasons", "9:29 unknown-key"),
        ("    then:", "    on_undetermined: allow\n    then:", "9:22 looser-than-default"),
        ("rules:", "on_undetermined: restrict\nrules:", "6:18 looser-than-default"),
        ("queue: explicit", "queue: nowhere", "4:8 unknown-queue"),
        ("[explicit.score]", "[explicit.scroe]", "5:12 unknown-signal"),
        ("owner: somebody\n", "", "1:1 no-owner a policy lacks `owner`"),
        ("owner: somebody", "owner: ''", "2:8 wrong-value"),
        ("language: 1", "language: 2", "1:11 out-of-range"),
        ("any_frame", "Any frame", "7:11 wrong-value"),
        ("any_frame", "requires", "7:5 duplicate-rule"),
        ("{signal: explicit.score, at_least: 0.3}", "&a {signal: explicit.score, at_least: 0.3}", "8:11 alias"),
        ("owner: somebody", "owner: !!python/name:os.system x", "2:8 tag"),
        ("owner: somebody", "owner: somebody\nowner: other", "3:1 duplicate-key"),
    ],
)
def test_each_fault_has_its_place_and_its_code(folder, old, new, refusal):
    assert old in POLICY
    (folder / "area" / "policy.yaml").write_text(POLICY.replace(old, new))
    assert any(found.startswith(f"area/policy.yaml:{refusal}") for found in refusals(folder)), refusals(folder)


def test_words_never_block(folder):
    text = POLICY.replace("signal: explicit.score, at", "signal: words.hate, at").replace("review", "block")
    (folder / "area" / "policy.yaml").write_text(text)
    assert refusals(folder)[0].startswith("area/policy.yaml:9:11 uncalibrated-block words.hate")


def test_all_faults_of_all_files_are_told_at_once(folder):
    (folder / "area" / "policy.yaml").write_text(POLICY.replace("0.3", "3").replace("review", "revue"))
    (folder / "more").mkdir()
    (folder / "more" / "policy.yaml").write_text("language: 1\n")
    found = refusals(folder)
    assert sum(line.startswith("area/") for line in found) == 2
    assert sum(line.startswith("more/") for line in found) == 5


def test_a_misspelt_file_does_not_switch_a_policy_off(folder):
    (folder / "area" / "policy.yaml").rename(folder / "area" / "polcy.yaml")
    codes = [line.split()[1] for line in refusals(folder)]
    assert codes == ["missing-file", "unknown-file"]


def test_files_that_cannot_be_read_are_findings(folder):
    path = folder / "area" / "policy.yaml"
    path.write_bytes(b"a: \xff\n")
    assert refusals(folder)[0].startswith("area/policy.yaml:1:1 unparsable")
    path.write_bytes(b"#" * (MAX_BYTES + 1))
    assert refusals(folder)[0].startswith("area/policy.yaml:1:1 too-large")


def test_an_empty_folder_is_refused(tmp_path):
    assert "no-policies" in refusals(tmp_path)[0]
    assert "no-policies" in refusals(tmp_path / "nowhere")[0]


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("  words.scam:", "  words.scams:", "not-in-registry"),
        ('per: "frame"', 'per: "text"', "vocabulary-differs"),
        ("[0, 1], blocks: false", "[0, 1], blocks: true", "vocabulary-differs"),
        ("range: [0, 120]", "range: [0, 200]", "vocabulary-differs"),
        ("language: 1", "language: 1\nsurprise: 1", "unknown-key"),
        ("specialists: true", "specialists: false", "vocabulary-differs"),
    ],
)
def test_a_vocabulary_cannot_promise_what_the_code_does_not_know(folder, old, new, code):
    assert old in render()
    (folder / "vocabulary.yaml").write_text(render().replace(old, new, 1))
    assert refusals(folder)[0].split()[1] == code


def test_the_order_of_queues_is_the_order_of_precedence(folder):
    lines = render().splitlines(keepends=True)
    at = next(number for number, line in enumerate(lines) if line.startswith("  known_illegal: {specialists"))
    lines[at], lines[at + 1] = lines[at + 1], lines[at]
    (folder / "vocabulary.yaml").write_text("".join(lines))
    assert refusals(folder)[0].split()[1] == "queue-order"


def test_the_meaning_in_words_may_be_put_better(folder):
    (folder / "vocabulary.yaml").write_text(render().replace("texts sound like a scam", "fraud"))
    assert load_ruleset(folder)
