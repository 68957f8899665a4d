"""The main job once, by the commands a person would type: samples in, verdicts out, every released file known as ours."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from moderation.samples.copies import encode_again

RELEASED = ("shapes-english", "shapes-french", "shapes-arabic")


@contextmanager
def fresh_environment() -> Iterator[dict[str, str]]:
    """A state that another user may enter, for Postgres does not run as root; weights from the user's cache."""
    state = Path(tempfile.mkdtemp(prefix="cs-demo-"))
    state.chmod(0o755)
    yield {**os.environ, "MODERATION_STATE": str(state), "MODERATION_ENV": "development"}
    shutil.rmtree(state)


@pytest.fixture(scope="module")
def environment() -> Iterator[dict[str, str]]:
    with fresh_environment() as environment:
        yield environment


def moderation(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "moderation", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=900, check=False)


@pytest.fixture(scope="module")
def demo(environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return moderation(environment, "demo")


def rows(output: str) -> dict[str, list[str]]:
    """The tables' lines by their first cell; cells are two spaces apart."""
    cells = ([cell.strip() for cell in line.split("  ") if cell.strip()] for line in output.splitlines())
    return {line[0]: line for line in cells if len(line) > 3}


@pytest.mark.timeout(1200)
@pytest.mark.full
def test_every_sample_ends_as_it_is_meant_to(demo: subprocess.CompletedProcess[str]):
    assert demo.returncode == 0, demo.stdout + demo.stderr
    table = rows(demo.stdout)
    for name in RELEASED:
        assert table[name][1:6] == ["released", "-", "found", "found", "found"]
    assert table["public-figure"][1:3] == ["in_review", "public_figure_likeness"]
    assert table["young-looking"][1:3] == ["in_review", "minor_safety"]
    assert table["text"][1:3] == ["refused at the door", "not_video"]
    assert table["cut-off"][1:3] == ["refused at the door", "truncated"]


@pytest.mark.timeout(300)
@pytest.mark.full
def test_released_file_and_its_copy_are_known_as_ours(
    demo: subprocess.CompletedProcess[str], environment: dict[str, str], tmp_path: Path
):
    assert demo.returncode == 0
    released = Path(environment["MODERATION_STATE"]) / "demo" / "shapes-arabic.mp4"
    answer = moderation(environment, "verify", str(released), "--json")
    assert answer.returncode == 0, answer.stderr
    document = json.loads(answer.stdout)
    assert document["origin"] == "ours"
    assert {document["layers"][name]["state"] for name in ("visible", "invisible", "c2pa")} == {"found"}

    copy = encode_again(released, tmp_path / "copy.mp4", crf=30)
    answer = moderation(environment, "verify", str(copy), "--json")
    assert answer.returncode == 0, answer.stderr
    of_copy = json.loads(answer.stdout)
    assert (of_copy["origin"], of_copy["clip_id"]) == ("ours", document["clip_id"])
    assert of_copy["layers"]["invisible"]["state"] == "found"
    assert of_copy["layers"]["c2pa"]["state"] == "not_found"


class Service:
    """`moderation up --samples` on a state and a port of its own; what it says goes to a file."""

    def __init__(self, environment: dict[str, str], said: Path) -> None:
        self.state = Path(environment["MODERATION_STATE"])
        self.said = said
        with said.open("w") as log:
            command = [sys.executable, "-m", "moderation", "up", "--samples"]
            self.process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)

    def wait(self, found: Callable[[], bool], seconds: float = 400) -> None:
        until = time.monotonic() + seconds
        while not found():
            assert self.process.poll() is None, self.said.read_text()
            assert time.monotonic() < until, self.said.read_text()
            time.sleep(0.2)

    def client(self) -> httpx.Client:
        known = json.loads((self.state / "dev.json").read_text())
        return httpx.Client(base_url=known["url"], headers={"Authorization": f"Bearer {known['api_key']}"}, timeout=30)

    def interrupt(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(60)


@pytest.mark.full
@pytest.mark.timeout(1200)
def test_first_start_fills_the_queues_once_even_when_it_is_cut_short(tmp_path: Path):
    with fresh_environment() as environment:
        cut_a_first_start_short(environment | {"MODERATION_PORT": free_port()}, tmp_path)


def free_port() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return str(free.getsockname()[1])


def cut_a_first_start_short(environment: dict[str, str], tmp_path: Path) -> None:
    state = Path(environment["MODERATION_STATE"])
    marker = state / "samples-1.done"

    first = Service(environment, tmp_path / "first.log")
    first.wait(lambda: "sample shapes-french: " in first.said.read_text())
    assert first.interrupt() == 0
    assert not marker.exists()

    second = Service(environment, tmp_path / "second.log")
    second.wait(marker.exists)
    with second.client() as client:
        found = {line["creator"]: line["status"] for line in client.get("/v1/clips").json()["items"]}
        assert len(client.get("/v1/clips").json()["items"]) == 5
        waiting = {queue["name"]: queue["waiting"] for queue in client.get("/v1/queues").json()["items"]}
    assert found["noor"] == found["sami"] == "in_review"
    assert list(found.values()).count("released") == 3
    assert waiting == {"likeness": 1, "minor_safety": 1}
    assert second.interrupt() == 0

    third = Service(environment, tmp_path / "third.log")
    third.wait((state / "dev.json").exists)
    assert third.interrupt() == 0
    assert "sample " not in third.said.read_text()
