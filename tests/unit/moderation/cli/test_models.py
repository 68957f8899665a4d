"""The models commands say what they found, by exit code as by word."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from detectors.gpu.pins import read_gpu_pins
from detectors.manifests import Manifest
from moderation.cli.models import app

runner = CliRunner()


def test_verify_and_list_of_the_built_pack(embedded_pack: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MODERATION_GPU__LOCK", str(tmp_path / "gpu.lock.json"))
    verified = runner.invoke(app, ["verify"])
    assert (verified.exit_code, verified.stdout) == (0, "every file is as pinned\n")
    lines = runner.invoke(app, ["list"]).stdout.splitlines()
    assert lines[0].split() == ["pack", "model", "version", "licence", "from", "MB", "state"]
    embedded = [entry.id for entry in embedded_pack.models]
    assert [line.split()[:2] for line in lines[1:]] == [
        *(["embedded", name] for name in embedded),
        *(["gpu", model.id] for model in read_gpu_pins().models),
    ]
    assert all(line.endswith("not pinned") for line in lines[1 + len(embedded) :])


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


def test_the_gpu_pack_is_brought_only_when_an_operator_pinned_it(
    embedded_pack: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("MODERATION_GPU__LOCK", str(tmp_path / "gpu.lock.json"))
    done = runner.invoke(app, ["build", "--pack", "gpu"])
    assert done.exit_code == 3
    assert "moderation models pin" in done.stderr
    branch = runner.invoke(app, ["pin", "auraface", "--revision", "main", "--from", str(tmp_path)])
    assert branch.exit_code == 3
    assert "may change its content" in branch.stderr
    (tmp_path / "gpu.lock.json").write_text("{}")
    assert runner.invoke(app, ["list"]).exit_code == 3
    assert runner.invoke(app, ["verify", "--pack", "gpu"]).exit_code == 1
