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
    assert (code, text) == (0, "2 cases, 0 failed; 1 of 1 rules fired\n")
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
    (folder / "vocabulary.yaml").unlink()
    code, text = run("lint", str(folder), "--json")
    assert code == 1
    assert json.loads(text)["findings"][0]["code"] == "missing-file"
