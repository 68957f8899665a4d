"""The JSON Schemas: current, valid themselves, content with every shipped file, and not with planted faults."""

import json
from pathlib import Path

import pytest
from jsonschema import Draft7Validator

from moderation.policy import source
from moderation.policy.catalogue import catalogue, example_folder
from moderation.policy.loader import CASES, POLICY, SCHEMAS
from moderation.policy.registry import VOCABULARY
from moderation.policy.schema import schemas
from moderation.policy.shorthand import SHARED
from moderation.policy.vocabulary import FILE, render

POLICIES = Path(__file__).parents[4] / "policies"
SCHEMA_OF = {POLICY: "policy.json", CASES: "cases.json", FILE: "vocabulary.json", SHARED: "shared.json"}
SHIPPED = sorted(path for path in POLICIES.rglob("*.yaml") if path.name in SCHEMA_OF)
#: Faults that a schema cannot see, for it knows one file and no meaning. Everything else the reader refuses, it refuses.
UNSEEN = {
    # The text itself.
    "unparsable", "many-documents", "alias", "tag", "duplicate-key", "too-deep", "hidden-character",
    # Names of one's own, and what several parts say together.
    "unknown-rule", "unknown-person", "unknown-list", "unknown-macro", "unknown-name", "bad-expression", "cycle", "unused-name", "duplicate-name",
    "duplicate-rule", "duplicate-value", "expression-within", "no-one-leaf", "protected-rule", "severity-mismatch", "no-effect",
    "uncalibrated-block", "not-available", "vocabulary-differs", "unreachable-rule", "always-fires", "outside-calibration",
    "duplicate-condition", "shadowed-rule", "overlap", "no-owner", "expired-exception", "far-expiry", "stale-shadow", "no-guidance",
    "no-ground", "no-must-fire", "no-must-not-fire", "unknown-file",
}  # fmt: skip


@pytest.fixture(scope="module")
def validators() -> dict[str, Draft7Validator]:
    return {name: Draft7Validator(json.loads(text)) for name, text in schemas().items()}


def faults(validator: Draft7Validator, text: str) -> list[str]:
    return [error.message for error in validator.iter_errors(source.plain(source.parse(text, "file")))]


def test_the_schemas_beside_the_policies_are_current():
    assert {path.name: path.read_text() for path in (POLICIES / SCHEMAS).iterdir()} == dict(schemas())


@pytest.mark.parametrize("name", SCHEMA_OF.values())
def test_a_schema_is_one_itself(name):
    Draft7Validator.check_schema(json.loads(schemas()[name]))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_every_shipped_file_names_its_schema_and_meets_it(path, validators):
    text = path.read_text()
    where = "" if path.parent == POLICIES else "../"
    assert text.startswith(f"# yaml-language-server: $schema={where}{SCHEMAS}/{SCHEMA_OF[path.name]}\n")
    assert faults(validators[SCHEMA_OF[path.name]], text) == []


SEEN = [code for code, entry in catalogue().items() if entry.bad != entry.at and code not in UNSEEN]


@pytest.mark.parametrize("code", SEEN)
def test_a_planted_fault_is_refused_and_its_repair_is_not(code, validators):
    entry = catalogue()[code]
    text = {**example_folder(), FILE: render()}[entry.file]
    validator = validators[SCHEMA_OF[Path(entry.file).name]]
    assert faults(validator, text.replace(entry.at, entry.bad, 1)), entry.bad
    assert faults(validator, text.replace(entry.at, entry.good, 1)) == []


def test_what_lint_has_nothing_against_no_schema_refuses(validators):
    for code in UNSEEN & set(catalogue()):
        entry = catalogue()[code]
        if not entry.file.endswith(".yaml") or entry.file.endswith("case.yaml"):
            continue
        text = {**example_folder(), FILE: render()}[entry.file].replace(entry.at, entry.good, 1)
        assert faults(validators[SCHEMA_OF[Path(entry.file).name]], text) == [], code


@pytest.mark.parametrize(
    "condition",
    [
        "{person: not_consented, person.kind: [cameo, public_figure], face: matched}",
        "{person.declared: true, face: absent}",
        "{voice: matched, person: {list: states}}",
        "{fact: submission.market, one_of: [FR, BE]}",
        "{fact: submission.market, one_of: {list: homes}}",
        "{fact: lineage.depth, above: 2}",
        "{fact: known_illegal, equals: true}",
        "{fact: phase, known: false}",
        "{signal: face.age, below: 25, for: 400ms}",
        "{all: [{signal: explicit.score, at_least: 0.3, in: 3 of 5}, {macro: hint}], within: same_person}",
        "{not: {any: [{expr: 'size(faces) > 2'}, {signal: explicit.score, above: 0.2, share_of_clip: 0.5}]}}",
    ],
)
def test_conditions_that_are_right(condition, validators):
    text = example_folder()["area/policy.yaml"].replace("{signal: explicit.score, at_least: 0.3}", condition)
    assert faults(validators["policy.json"], text) == []


@pytest.mark.parametrize(
    "condition",
    [
        "{}",
        "{signal: face.age, below: 125}",
        "{signal: explicit.score, below: 0.1, above: 0.5}",
        "{fact: phase, equals: hidden}",
        "{fact: submission.market, above: 2}",
        "{fact: known_illegal, equals: yes}",
        "{face: matched, voice: matched}",
        "{all: []}",
        "{all: [{face: matched}], any: [{face: matched}]}",
        "{signal: explicit.score, at_least: 0.3, for: 400}",
        "{signal: explicit.score, at_least: 0.3, in: 3/5}",
        "{person: undetermined}",
    ],
)
def test_conditions_that_are_wrong(condition, validators):
    text = example_folder()["area/policy.yaml"].replace("{signal: explicit.score, at_least: 0.3}", condition)
    assert faults(validators["policy.json"], text)


def test_an_editor_is_offered_every_signal_with_what_it_means():
    signals = json.loads(schemas()["policy.json"])["definitions"]["signal"]
    assert dict(zip(signals["enum"], signals["enumDescriptions"], strict=True)) == {
        name: entry.means for name, entry in VOCABULARY.signals.items()
    }
