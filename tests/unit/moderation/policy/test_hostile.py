"""Policies from somebody who means harm, or mistypes badly: each is refused with its place, and nothing grows."""

import os

import pytest

from moderation.policy import staging
from moderation.policy.cases import parse_cases
from moderation.policy.loader import Folder, compile_folder, read_folder
from moderation.policy.vocabulary import FILE, render

HEAD = "language: 1\nowner: o\ndescription: d\nqueue: explicit\nrequires: []\n"
WHEN = "{signal: explicit.score, at_least: 0.5}"
THEN = "{outcome: review, reasons: [explicit_content]}"
RULE = f"rules:\n  - rule: r\n    when: {WHEN}\n    then: {THEN}\n"
EXCEPTION = "{{exception: e{}, owner: o, why: w, expires: 2030-01-01, when: {{fact: phase, equals: draft}}}}"
OVERLAY = "{{overlay: o{}, owner: o, why: w, markets: [FR], change: [{{rule: r, off: true}}]}}"


def many(text: str, count: int) -> str:
    return ", ".join(text.format(number) for number in range(count))


def nested(depth: int) -> str:
    return "{all: [" * depth + WHEN + "]}" * depth


def refusals(body: str, head: str = HEAD) -> list[str]:
    texts = {FILE: render(), "area/policy.yaml": head + body}
    ruleset, findings = compile_folder(Folder(root="", texts=texts))
    assert ruleset is None
    return [str(finding).removeprefix("area/policy.yaml:") for finding in findings]


@pytest.mark.parametrize(
    ("body", "refusal"),
    [
        # Depth and size.
        (RULE.replace(WHEN, nested(12)), "8:88 too-deep"),
        (RULE.replace(WHEN, "[" * 5_000), "8:33 too-deep"),
        (RULE.replace(WHEN, f"{{any: [{', '.join([WHEN] * 501)}]}}"), "8:20518 too-large"),
        (f"rules: [{many('{{rule: r{0}, when: ' + WHEN.replace('{', '{{').replace('}', '}}') + ', then: x}}', 1001)}]", "6:8 too-large"),
        (RULE + f"    exceptions: [{many(EXCEPTION, 51)}]\n", "10:17 too-large"),
        (RULE + f"overlays: [{many(OVERLAY, 101)}]\n", "10:11 too-large"),
        (f"lists: {{a: [{many('{}', 2001)}]}}\n" + RULE, "6:12 too-large"),
        (f"macros: {{{many('m{}: {{fact: phase, equals: draft}}', 201)}}}\n" + RULE, "6:7100 too-large"),
        (RULE.replace("explicit_content", "x" * 4_001), "9:39 too-large"),
        (f"lists: {{a: [{'x, ' * 50_001}]}}\n" + RULE, "6:149968 too-large"),
        # Shapes of YAML that policies never need.
        (RULE.replace("rule: r", "rule: &r r"), "7:11 alias"),
        (RULE.replace("rule: r", "rule: *r"), "7:11 alias"),
        (RULE.replace("rule: r", "rule: !!python/object/apply:os.system [x]"), "7:11 tag"),
        (RULE.replace("rule: r", "rule: r\n    rule: s"), "8:5 duplicate-key"),
        (RULE.replace("rule: r", "<<: {rule: r}\n    rule: r"), "7:5 unknown-key"),
        (RULE + "---\n" + RULE, "10:1 many-documents"),
        (RULE.replace("rule: r", "rule: \x00"), "7:11 unparsable"),
        (RULE.replace("rule: r", "? {a: b}\n    : r"), "7:7 wrong-type"),
        # Numbers, durations and dates that are none, or too great.
        (RULE.replace("0.5", "1e400"), "8:46 wrong-type"),
        (RULE.replace("0.5", "99999999999999999999"), "8:46 wrong-type"),
        (RULE.replace("0.5", "999999999999999"), "8:46 out-of-range"),
        (RULE.replace("0.5", ".nan"), "8:46 wrong-type"),
        (RULE.replace("0.5", "-.inf"), "8:46 wrong-type"),
        (RULE.replace("0.5", "true"), "8:46 wrong-type"),
        (RULE.replace("0.5", "0.5, for: 9999999s"), "8:56 wrong-value"),
        (RULE.replace("0.5", "0.5, in: 1000 of 1000"), "8:55 wrong-value"),
        (RULE.replace("0.5", "0.5, in: 5 of 3"), "8:55 wrong-value"),
        (RULE.replace("0.5", "0.5, share_of_clip: 0"), "8:66 out-of-range"),
        (RULE.replace("[explicit_content]", "[explicit_content], deadline: 99999999h"), "9:68 wrong-value"),
        (RULE.replace("[explicit_content]", "[explicit_content], priority: 101"), "9:68 out-of-range"),
        (RULE + f"    exceptions: [{EXCEPTION.format(0).replace('2030-01-01', '2030-02-30')}]\n", "10:61 wrong-value"),
        (RULE + f"    exceptions: [{EXCEPTION.format(0).replace('2030-01-01', '20300101')}]\n", "10:61 wrong-type"),
        (RULE + f"    exceptions: [{EXCEPTION.format(0).replace('why: w, ', '')}]\n", "10:18 missing-key"),
        # What is nothing where something is due.
        (RULE.replace(WHEN, "{}"), "8:11 wrong-type"),
        (RULE.replace(WHEN, "{all: []}"), "8:17 empty-list"),
        (RULE.replace(WHEN, "{not: {}}"), "8:17 wrong-type"),
        ("rules: []\n", "6:8 empty-list"),
        ("rules: {a: b}\n", "6:8 wrong-type"),
    ],
)  # fmt: skip
def test_a_hostile_text_is_refused_with_its_place(body, refusal):
    found = refusals(body)
    assert any(each.startswith(refusal) for each in found), [each[:120] for each in found[:5]]


def test_rules_that_are_small_together_and_many_are_bounded_in_all():
    wide = f"{{any: [{', '.join([WHEN] * 499)}]}}"
    macros = f"macros: {{m: {wide}}}\n"
    body = (
        macros
        + "rules:\n"
        + "".join(f"  - {{rule: r{number}, when: {{macro: m}}, then: {THEN}}}\n" for number in range(60))
    )
    found = refusals(body)
    assert found[0].startswith("48:23 too-large")
    assert len(found) == 20


def test_the_variants_of_a_rule_count_for_what_they_ask():
    wide = f"{{any: [{', '.join([WHEN] * 499)}]}}"
    rules = "".join(f"  - {{rule: r{number}, when: {{macro: m}}, then: {THEN}}}\n" for number in range(20))
    changes = ", ".join(f"{{rule: r{number}, then: {{priority: 60}}}}" for number in range(20))
    overlays = "".join(
        f"  - {{overlay: o{number}, owner: o, why: w, markets: [FR], change: [{changes}]}}\n" for number in range(5)
    )
    (found,) = refusals(f"macros: {{m: {wide}}}\nrules:\n{rules}overlays:\n{overlays}")
    assert found.startswith("33:61 too-large with `r0`"), found


def test_expressions_count_for_the_loops_they_may_hold():
    expression = "{expr: 'explicit.score.exists(s, s.value > 0.5)'}"
    rules = f"  - {{rule: r, when: {{any: [{', '.join([expression] * 400)}]}}, then: {THEN}}}\n"
    (found,) = refusals("rules:\n" + rules + rules.replace("rule: r,", "rule: s,"))
    assert found.startswith("8:5 too-large with `s`")


def test_a_file_full_of_faults_is_answered_at_once_and_in_short():
    words = ", ".join(f"explicit_contend{number}" for number in range(5_000))
    found = refusals(RULE.replace("[explicit_content]", f"[{words}]"))
    assert len(found) == 501
    assert "did you mean" in found[0]
    assert "did you mean" not in found[200]
    assert "too-large more than 500 faults" in found[500]


@pytest.mark.parametrize(
    ("old", "new", "refusal"),
    [
        ("rule: r\n", "rule: r # \u202e nothing\n", "7:15 hidden-character U+202E"),
        ("rule: r\n", "rule: r\n    description: 'a\u2066b'\n", "8:20 hidden-character U+2066"),
        ("rule: r\n", "rule: r # nothing \u2028    mode: shadow\n", "7:23 hidden-character U+2028"),
        ("owner: o\n", "owner: o\u200b\n", "2:9 hidden-character U+200B"),
        ("rule: r\n", "rule: r\ud800\n", "7:12 hidden-character U+D800"),
        ("[explicit_content]", '[{code: explicit_content, params: {a: "x\\0y"}}]', "9:76 hidden-character U+0000"),
        ("[explicit_content]", '[{code: explicit_content, params: {a: "x\\ey"}}]', "9:76 hidden-character U+001B"),
    ],
)
def test_what_people_cannot_see_is_refused_with_its_place(old, new, refusal):
    found = refusals(RULE.replace(old, new), HEAD.replace(old, new))
    assert found[0].startswith(refusal), found


def test_a_byte_order_mark_and_the_joiners_of_arabic_are_no_fault():
    text = HEAD.replace("description: d", "description: 'می\u200cخواهم \u200f1'") + RULE
    texts = {FILE: render(), "area/policy.yaml": "\ufeff" + text}
    assert compile_folder(Folder(root="", texts=texts))[1] == []


def test_parameters_that_every_decision_would_carry_are_few():
    params = ", ".join(f"p{number}: 1" for number in range(21))
    (found,) = refusals(RULE.replace("[explicit_content]", f"[{{code: explicit_content, params: {{{params}}}}}]"))
    assert found.startswith("9:223 too-large"), found


CASE = '  - {{case: c{0}, given: {{signals: {{explicit.score: "{1}"}}}}, must_fire: [r]}}\n'


@pytest.mark.parametrize(
    ("cases", "refusal"),
    [
        ("".join(CASE.format(number, "0.5") for number in range(1001)), "1002:5 too-large more than 1000 cases"),
        ("".join(CASE.format(number, "0.5x9999") for number in range(3)), "4:50 too-large the cases of this file"),
    ],
)
def test_cases_that_would_take_hours_are_refused_with_their_place(cases, refusal, monkeypatch):
    monkeypatch.setattr(staging, "MAX_FILE_INSTANTS", 20_000)
    ruleset, _ = compile_folder(Folder(root="", texts={FILE: render(), "area/policy.yaml": HEAD + RULE}))
    assert ruleset is not None
    _, findings = parse_cases("cases:\n" + cases, "cases.yaml", ruleset, "area")
    assert [str(finding).removeprefix("cases.yaml:")[: len(refusal)] for finding in findings] == [refusal]


def test_a_pipe_in_the_place_of_a_file_holds_nobody_up(tmp_path):
    (tmp_path / "area").mkdir()
    (tmp_path / FILE).write_text(render())
    os.mkfifo(tmp_path / "area" / "policy.yaml")
    assert [finding.code for finding in read_folder(tmp_path).findings] == ["missing-file"]
