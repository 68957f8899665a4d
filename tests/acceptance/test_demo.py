"""The main job once, by the commands a person would type: samples in, verdicts out, every released file known as ours."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from moderation.samples.copies import encode_again

RELEASED = ("shapes-english", "shapes-french", "shapes-arabic")


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A state of this module's own; weights and samples from the user's cache."""
    state = tmp_path_factory.mktemp("state")
    return {**os.environ, "MODERATION_STATE": str(state), "MODERATION_ENV": "development"}


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
