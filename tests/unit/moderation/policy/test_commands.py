"""`moderation policy lint` and `test`: what they print and how they exit."""

import json

from typer.testing import CliRunner

from moderation.cli.policy import app


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, arguments)
    return result.exit_code, result.stdout


def test_the_commands_exit_with_the_answer(folder):
    assert run("lint", str(folder)) == (0, "")
    code, text = run("test", str(folder))
    assert (code, text.splitlines()[-1]) == (0, "2 cases, 0 failed; 1 of 1 rules fired")
    assert run("test", str(folder), "--strict")[0] == 1
    assert "mutation score" in text
    assert "mutation score" not in run("test", str(folder), "--no-mutants")[1]
    path = folder / "area" / "policy.yaml"
    path.write_text(path.read_text().replace("explicit.score, at", "explict.score, at"))
    code, text = run("lint", str(folder))
    assert code == 1
    assert text.splitlines()[0] == (
        f"{folder}/area/policy.yaml:8:20 unknown-signal signal `explict.score` is not known"
        " - did you mean `explicit.score`?"
    )
    assert run("test", str(folder))[0] == 1


def test_the_commands_print_one_json_document(folder):
    assert json.loads(run("lint", str(folder), "--json")[1]) == {"findings": []}
    report = json.loads(run("test", str(folder), "--json")[1])
    assert report["cases"] == 2
    assert report["mutation"]["killed"] < report["mutation"]["mutants"]
    assert report["proofs"][0]["mutation"]["survivors"][0]["advice"]
    (folder / "vocabulary.yaml").unlink()
    code, text = run("lint", str(folder), "--json")
    assert code == 1
    assert json.loads(text)["findings"][0]["code"] == "missing-file"


def test_the_vocabulary_is_checked_and_written(folder):
    assert run("vocabulary", str(folder)) == (0, "")
    path = folder / "vocabulary.yaml"
    text = path.read_text()
    path.write_text(text.replace("range: [0, 1]", "range: [0, 2]", 1))
    code, said = run("vocabulary", str(folder))
    assert code == 1
    assert said.startswith(f"{path}:1:1 vocabulary-differs")
    assert run("vocabulary", str(folder), "--write")[0] == 0
    assert path.read_text() == text


def test_a_failing_case_stands_first_with_what_its_rule_came_to(folder):
    path = folder / "area" / "policy.yaml"
    path.write_text(path.read_text().replace("0.3}", "0.31}"))
    code, text = run("test", str(folder))
    assert code == 1
    assert text.splitlines()[:3] == [
        f"{folder}/area/cases.yaml:2:5 case-failed one frame: `any_frame` must fire and did not",
        "    any_frame:",
        "      false: {signal: explicit.score, at_least: 0.31} - highest 0.3 at 1750 ms",
    ]
    report = json.loads(run("test", str(folder), "--json")[1])
    assert report["failures"][0]["traces"]["any_frame"] == [text.splitlines()[2].strip()]
