"""The models commands say what they found, by exit code as by word."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from detectors.manifests import Manifest
from moderation.cli.models import app

runner = CliRunner()


def test_verify_and_list_of_the_built_pack(embedded_pack: Manifest):
    verified = runner.invoke(app, ["verify"])
    assert (verified.exit_code, verified.stdout) == (0, "every file is as pinned\n")
    lines = runner.invoke(app, ["list"]).stdout.splitlines()
    assert lines[0].split() == ["pack", "model", "version", "licence", "from", "MB", "state"]
    assert [line.split()[0] for line in lines[1:6]] == [entry.id for entry in embedded_pack.models]


def test_build_of_the_built_pack_is_one_document(embedded_pack: Manifest):
    done = runner.invoke(app, ["build", "--json"])
    assert done.exit_code == 0
    assert json.loads(done.stdout)["digest"] == embedded_pack.digest


def test_verify_and_list_where_nothing_was_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MODERATION_MODELS", str(tmp_path))
    verified = runner.invoke(app, ["verify", "--json"])
    assert verified.exit_code == 1
    (problem,) = json.loads(verified.stdout)["problems"]
    assert "moderation models build" in problem["message"]
    listed = runner.invoke(app, ["list", "--json"])
    assert {model["state"] for model in json.loads(listed.stdout)["models"]} == {"absent"}


def test_a_build_that_cannot_be_done_says_why_and_ends_with_three(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MODERATION_MODELS", str(tmp_path / "file"))
    done = runner.invoke(app, ["build"])
    assert done.exit_code == 3
    assert "cannot be written" in done.stderr
