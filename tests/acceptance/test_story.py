"""The story of a likeness as its user tells it: every scene as it is meant to be, and "no" where one is not."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from moderation.settings import CHECKOUT

pytestmark = [pytest.mark.full, pytest.mark.timeout(900)]

#: What each scene must end with, in order.
TOLD = [
    ("she is registered from her portrait", "verified"),
    ("she lends her face to maya, remixes included", "face to maya, remixes"),
    ("maya posts a clip of her", "released"),
    ("a stranger posts one too, without her leave", "in_review"),
    ("maya's remix of her clip still shows her", "released"),
    ("another remix of it shows drawn shapes alone", "released"),
    ("anybody asks verify about a copy of maya's clip", "ours, consent in_force"),
    ("what taking everything back would reach, in numbers", "3 released, 1 in_review; 1 of them without her"),
    ("she takes it all back; maya's clip is asked for at once", "refused"),
    ("all that is reached is taken through, one by one", "done"),
    ("maya's clip", "withdrawn"),
    ("the remix that shows her", "withdrawn"),
    ("the stranger's clip, which waited for a person", "withdrawn"),
    ("the remix without her, judged anew on its own", "released"),
    ("anybody asks verify about the same copy", "ours, consent revoked"),
    ("the platform says that its copies are gone", "awaiting_receipts, then completed"),
    ("maya tries again with a new clip of her", "in_review"),
]


def tell(folder: Path, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command in an empty folder of its own."""
    command = [sys.executable, "-m", "moderation", "people", "demo", *options]
    own = {**os.environ, "MODERATION_STATE": str(folder / "state"), "PYTHONPATH": str(CHECKOUT), **environment}
    return subprocess.run(command, cwd=folder, env=own, capture_output=True, text=True, timeout=800, check=False)


def test_every_scene_ends_as_it_is_told_and_nothing_of_it_stays(tmp_path):
    told = tell(tmp_path)
    assert told.returncode == 0, told.stdout + told.stderr
    lines = told.stdout.split("\n\n")[1].splitlines()
    assert len(lines) == len(TOLD)
    for number, (line, (scene, found)) in enumerate(zip(lines, TOLD, strict=True), start=1):
        assert line.split(maxsplit=1)[0] == str(number)
        assert (line[4:62].rstrip(), line[62:]) == (scene, found)
    assert f"{len(TOLD)} of {len(TOLD)} scenes went as told" in told.stdout
    assert told.stderr == ""
    assert list(tmp_path.iterdir()) == []


def test_where_a_scene_does_not_hold_the_command_says_so_and_which(tmp_path):
    """Without the rules on cameos nobody holds the stranger's clip, nor maya's last one."""
    rules = shutil.copytree(CHECKOUT / "policies", tmp_path / "rules", ignore=shutil.ignore_patterns("cameos"))
    told = tell(tmp_path, "--json", MODERATION_POLICIES__FOLDER=str(rules))
    assert told.returncode == 1, told.stdout + told.stderr
    scenes = {scene["told"]: scene for scene in json.loads(told.stdout)}
    assert [name for name, _ in TOLD] == list(scenes)
    held = scenes["a stranger posts one too, without her leave"]
    assert (held["expected"], held["found"], held["true"]) == ("in_review", "released", False)
    assert scenes["maya posts a clip of her"]["true"]
    assert "   DIFFERS: in_review was to be\n" in told.stderr
