"""Findings as code hosts read them, checked against what SARIF 2.1.0 and workflow commands ask for."""

import json
from pathlib import Path

import pytest
from jsonschema import Draft7Validator

from moderation.policy.model import Finding
from moderation.policy.reports import severity, to_annotations, to_json, to_sarif

FOUND = Finding(
    path="policies/a b/policy.yaml",
    line=3,
    column=7,
    code="unknown-signal",
    message="100 % wrong:\nsignal, `x`",
    suggestion="explicit.score",
)
LIGHT = Finding(path="policies/area/policy.yaml", line=1, column=1, code="stale-shadow", message="old")
STRANGE = Finding(path="policies/area/policy.yaml", line=1, column=1, code="not-in-the-table", message="?")
#: What code hosts need of a log, from the SARIF 2.1.0 standard (sections 3.13, 3.14, 3.19, 3.27, 3.28, 3.30).
NEEDED = {
    "type": "object",
    "required": ["version", "$schema", "runs"],
    "properties": {
        "version": {"const": "2.1.0"},
        "runs": {
            "minItems": 1,
            "items": {
                "required": ["tool", "results"],
                "properties": {
                    "tool": {
                        "required": ["driver"],
                        "properties": {
                            "driver": {
                                "required": ["name", "rules"],
                                "properties": {
                                    "rules": {
                                        "items": {
                                            "required": ["id", "shortDescription", "help"],
                                            "properties": {
                                                "shortDescription": {"required": ["text"]},
                                                "help": {"required": ["text"]},
                                                "defaultConfiguration": {
                                                    "properties": {"level": {"enum": ["error", "warning", "note"]}}
                                                },
                                            },
                                        }
                                    }
                                },
                            }
                        },
                    },
                    "results": {
                        "items": {
                            "required": ["ruleId", "level", "message", "locations"],
                            "properties": {
                                "level": {"enum": ["error", "warning", "note"]},
                                "message": {"required": ["text"]},
                                "locations": {
                                    "minItems": 1,
                                    "items": {
                                        "required": ["physicalLocation"],
                                        "properties": {
                                            "physicalLocation": {
                                                "required": ["artifactLocation", "region"],
                                                "properties": {
                                                    "artifactLocation": {
                                                        "properties": {"uri": {"pattern": "^[^ \\\\]+$"}}
                                                    },
                                                    "region": {
                                                        "required": ["startLine", "startColumn"],
                                                        "properties": {
                                                            "startLine": {"minimum": 1},
                                                            "startColumn": {"minimum": 1},
                                                        },
                                                    },
                                                },
                                            }
                                        },
                                    },
                                },
                            },
                        }
                    },
                },
            },
        },
    },
}


def test_a_log_has_what_code_hosts_need():
    log = json.loads(json.dumps(to_sarif([FOUND, LIGHT, STRANGE], Path.cwd())))
    assert list(Draft7Validator(NEEDED).iter_errors(log)) == []
    (run,) = log["runs"]
    first, second, third = run["results"]
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == [
        "not-in-the-table",
        "stale-shadow",
        "unknown-signal",
    ]
    assert (first["ruleId"], first["level"], first["ruleIndex"]) == ("unknown-signal", "error", 2)
    assert (second["level"], third["level"]) == ("warning", "error")
    place = first["locations"][0]["physicalLocation"]
    assert place == {
        "artifactLocation": {"uri": "policies/a%20b/policy.yaml"},
        "region": {"startLine": 3, "startColumn": 7},
    }
    assert first["message"]["text"] == f"{FOUND.message}\nInstead: explicit.score"
    assert first["properties"]["suggestion"] == "explicit.score"


def test_a_clean_folder_has_a_log_without_results():
    log = to_sarif([], Path.cwd())
    assert list(Draft7Validator(NEEDED).iter_errors(log)) == []
    assert json.loads(json.dumps(log))["runs"][0]["results"] == []


@pytest.mark.parametrize("root", [Path("/somewhere/else"), Path("policies")])
def test_a_path_outside_the_root_stays_whole(root):
    path = str(Path.cwd() / "elsewhere.yaml")
    log = json.loads(json.dumps(to_sarif([Finding(path=path, line=1, column=1, code="alias", message="m")], root)))
    uri = log["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert uri == f"file://{path}".replace(" ", "%20")


def test_annotations_escape_what_would_end_them():
    (line, light) = to_annotations([FOUND, LIGHT], Path.cwd())
    assert line == (
        "::error file=policies/a b/policy.yaml,line=3,col=7,title=unknown-signal"
        "::100 %25 wrong:%0Asignal, `x`%0AInstead: explicit.score"
    )
    assert light.startswith("::warning ")
    nasty = Finding(path="a,b:c%.yaml", line=1, column=1, code="alias", message="x\r\n::error::y")
    (line,) = to_annotations([nasty], Path.cwd())
    assert line == "::error file=a%2Cb%3Ac%25.yaml,line=1,col=1,title=alias::x%0D%0A::error::y"
    assert "\n" not in line


def test_the_plain_document_says_how_grave_each_is():
    document = json.loads(json.dumps(to_json([FOUND, LIGHT])))
    assert [found["severity"] for found in document["findings"]] == ["error", "warning"]
    assert document["findings"][0]["suggestion"] == "explicit.score"


def test_an_unknown_code_is_taken_seriously():
    assert severity(STRANGE) == "error"
