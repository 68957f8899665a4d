"""`moderation policy lint`, `test`, `schema` and `new`: what they print and how they exit."""

import json

import pytest
from typer.testing import CliRunner

from moderation.cli.policy import app
from moderation.errors import Unprocessable
from moderation.policy.beginning import UNWRITTEN, begin_area


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


def test_writing_the_vocabulary_keeps_the_grounds_of_the_team(folder):
    path = folder / "vocabulary.yaml"
    text = path.read_text()
    ours = text.replace('clause: "no nudity or sexual content"', 'clause: "our terms, 4.2"', 1)
    assert ours != text
    path.write_text(ours)
    assert run("vocabulary", str(folder)) == (0, "")
    path.write_text(ours.replace("range: [0, 1]", "range: [0, 2]", 1))
    assert run("vocabulary", str(folder))[0] == 1
    assert run("vocabulary", str(folder), "--write")[0] == 0
    assert path.read_text() == ours
    path.write_text("signals: [")
    code, said = run("vocabulary", str(folder), "--write")
    assert (code, "unparsable" in said, path.read_text()) == (1, True, "signals: [")


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


def plant(folder):
    path = folder / "area" / "policy.yaml"
    path.write_text(path.read_text().replace("explicit.score, at", "explict.score, at"))


def test_lint_prints_what_code_hosts_read(folder):
    plant(folder)
    code, text = run("lint", str(folder), "--sarif")
    log = json.loads(text)
    assert code == 1
    assert [found["ruleId"] for found in log["runs"][0]["results"]] == ["unknown-signal"]
    code, text = run("lint", str(folder), "--github")
    assert code == 1
    assert text.startswith(f"::error file={folder}/area/policy.yaml,line=8,col=20,title=unknown-signal::")
    assert run("lint", str(folder), "--github", "--json")[0] == 2


def test_lint_asks_the_clock_only_here_and_takes_another_day(folder):
    path = folder / "area" / "policy.yaml"
    path.write_text(path.read_text().replace("any_frame\n", "any_frame\n    mode: shadow\n    since: 2020-05-01\n"))
    assert (
        run("lint", str(folder))[1]
        .splitlines()[0]
        .endswith("for more than 30 days (instead: let it act (mode: enforce), or remove it)")
    )
    assert run("lint", str(folder), "--today", "2020-05-02") == (0, "")


def test_schemas_are_written_and_checked(folder):
    assert run("schema", str(folder))[0] == 1
    code, text = run("schema", str(folder), "--write")
    assert (code, len(text.splitlines())) == (0, 4)
    assert run("schema", str(folder)) == (0, "")
    assert run("lint", str(folder)) == (0, "")
    (folder / "schema" / "policy.json").write_text("{}")
    assert run("schema", str(folder))[0] == 1


def test_a_new_area_wants_nothing_but_its_guidance(folder):
    code, text = run("new", "fresh", str(folder))
    assert (code, len(text.splitlines())) == (0, 5)
    code, text = run("lint", str(folder))
    assert [line.split()[1] for line in text.splitlines()] == ["no-guidance"] * 3
    for path in (folder / "fresh").glob("guidance.*.md"):
        path.write_text(path.read_text().replace(UNWRITTEN, "text"))
    assert run("lint", str(folder)) == (0, "")
    assert run("test", str(folder))[0] == 0


@pytest.mark.parametrize("name", ["area", "../out", "Upper", ""])
def test_a_new_area_overwrites_nothing_and_stays_inside(folder, name):
    before = sorted(folder.parent.rglob("*"))
    with pytest.raises(Unprocessable):
        begin_area(folder, name)
    assert sorted(folder.parent.rglob("*")) == before


def test_everything_a_policy_lead_needs_is_a_command():
    said = run("--help")[1]
    assert all(f" {name} " in said for name in ("lint", "test", "backtest", "diff", "new", "schema", "vocabulary"))
