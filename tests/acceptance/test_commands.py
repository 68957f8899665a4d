"""Commands with odd input: each says what is wrong, with the exit code that contract section 2 gives it."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

SECONDS = 240


@pytest.fixture
def moderation(tmp_path: Path):
    """Run one command on a state that is not there yet."""

    def run(*arguments: object, **settings: str) -> subprocess.CompletedProcess[str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("MODERATION_")}
        environment = {**kept, "MODERATION_STATE": str(tmp_path / "state"), **settings}
        command = [sys.executable, "-m", "moderation", *map(str, arguments)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False)
        assert "Traceback" not in done.stderr, done.stderr
        return done

    return run


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "ünï cödé 视频.mp4"
    path.write_bytes(b"bytes")
    return path


def refused_with(done: subprocess.CompletedProcess[str]) -> dict:
    """The problem document of a command that could not be done."""
    assert done.returncode == 3, done.stdout + done.stderr
    return json.loads(done.stdout)


def test_submit_without_a_service_names_the_next_step(moderation, file):
    document = refused_with(moderation("submit", file, "--json"))
    assert document["code"] == "outage"
    assert "`moderation up`" in document["detail"]
    said = moderation("submit", file)
    assert (said.returncode, said.stdout) == (3, "")
    assert said.stderr == f"moderation: {document['detail']}\n"


def test_submit_to_a_port_where_nobody_listens(moderation, file):
    document = refused_with(
        moderation("submit", file, "--json", MODERATION_URL="http://127.0.0.1:1", MODERATION_API_KEY="csk_x")
    )
    assert "http://127.0.0.1:1 does not answer" in document["detail"]


@pytest.mark.parametrize("command", ["submit", "check", "verify"])
def test_a_missing_file_and_a_folder_are_usage_errors(moderation, tmp_path, command):
    assert moderation(command, tmp_path / "nothing.mp4", "--json").returncode == 2
    assert moderation(command, tmp_path, "--json").returncode == 2


def test_a_target_that_cannot_be_written_is_refused_before_the_work(moderation, file, tmp_path):
    done = moderation("check", file, "--out", tmp_path / "nowhere" / "out.mp4")
    assert done.returncode == 2
    assert not (tmp_path / "state").exists()


def test_a_setting_that_cannot_be_used_is_named(moderation):
    document = refused_with(moderation("doctor", "--json", MODERATION_PORT="eighty"))
    assert "MODERATION_PORT" in document["detail"]
    assert "eighty" not in document["detail"]


def test_development_binds_to_loopback_only(moderation):
    done = moderation("up", MODERATION_HOST="0.0.0.0")
    assert done.returncode == 3
    assert "loopback" in done.stderr


@pytest.mark.full
def test_a_taken_port_is_named(moderation):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = moderation("up", MODERATION_PORT=str(taken.getsockname()[1]))
    assert done.returncode == 3
    assert "MODERATION_PORT" in done.stderr


def test_an_unknown_command_or_queue_is_a_usage_error(moderation):
    assert moderation("nonsense").returncode == 2
    assert moderation("worker", "--queues", "nope").returncode == 2


def test_a_plug_in_that_cannot_be_imported_stops_a_worker_by_name(moderation, tmp_path: Path):
    (tmp_path / "faulty_plug_in.py").write_text("import nothing_that_is_there\n")
    info = tmp_path / "faulty_plug_in-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: faulty_plug_in\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[countersign.detectors]\nextra = faulty_plug_in:build\n")
    said = moderation("worker", "--queues", "detect", PYTHONPATH=str(tmp_path))
    assert said.returncode == 3
    assert "the detector plug-in extra (faulty_plug_in:build) cannot be imported" in said.stderr
