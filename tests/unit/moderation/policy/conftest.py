"""Policies and facts from text, as policy teams write them."""

from collections.abc import Callable
from pathlib import Path

import pytest

from moderation.facts import FactRecord
from moderation.policy import source
from moderation.policy.engine import Ruleset
from moderation.policy.exhibits import Exhibits
from moderation.policy.fields import Fields
from moderation.policy.lint import LANGUAGES
from moderation.policy.loader import Folder, UnusablePolicies, compile_folder
from moderation.policy.registry import VOCABULARY
from moderation.policy.staging import stage_facts
from moderation.policy.vocabulary import FILE, render

HEAD = """\
language: 1
owner: somebody
description: for a test
queue: explicit
requires: [{requires}]
rules:
"""


def stage_text(text: str) -> FactRecord:
    fields = Fields("given")
    facts = stage_facts(fields, source.parse(text, "given"), VOCABULARY)
    assert not fields.findings, fields.findings
    return facts


def ruleset_text(*rules: str, requires: str = "", head: str = HEAD) -> Ruleset:
    body = "".join(f"  - rule: rule_{number}\n    {rule}\n" for number, rule in enumerate(rules))
    texts = {FILE: render(), "area/policy.yaml": head.format(requires=requires) + body}
    ruleset, findings = compile_folder(Folder(root="", texts=texts))
    if ruleset is None:
        raise UnusablePolicies(findings)
    return ruleset


@pytest.fixture(scope="session")
def stage() -> Callable[[str], FactRecord]:
    """Facts from the `given` of a case."""
    return stage_text


@pytest.fixture(scope="session")
def rules() -> Callable[..., Ruleset]:
    """A ruleset of one area from the bodies of its rules, each one a flow mapping's inside."""
    return ruleset_text


@pytest.fixture(scope="session")
def truths(stage, rules) -> Callable[[str, str], str]:
    """What a condition (flow YAML) says of a `given`: true, false or undetermined."""

    def ask(condition: str, given: str) -> str:
        ruleset = rules(f"when: {condition}\n    then: {{outcome: review, reasons: [explicit_content]}}")
        return ruleset.judges[0].condition.ask(Exhibits(stage(given), VOCABULARY)).word

    return ask


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
CASES = """\
cases:
  - case: one frame
    given: {signals: {explicit.score: "0x7 0.3"}}
    must_fire: [any_frame]
  - case: no frame
    given: {signals: {explicit.score: "0.2999x8"}}
    must_not_fire: [any_frame]
    expect: {outcome: allow}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    area = tmp_path / "area"
    area.mkdir()
    (tmp_path / "vocabulary.yaml").write_text(render())
    (area / "policy.yaml").write_text(POLICY)
    (area / "cases.yaml").write_text(CASES)
    for language in LANGUAGES:
        (area / f"guidance.{language}.md").write_text("text")
    return tmp_path
