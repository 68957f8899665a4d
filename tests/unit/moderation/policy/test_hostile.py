"""Policies from somebody who means harm, or mistypes badly: each is refused with its place, and nothing grows."""

import pytest

from moderation.policy.loader import Folder, compile_folder
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
