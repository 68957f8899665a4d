"""What continuous integration fetches for the tests: a machine that lacks it is told, not passed over."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_a_machine_without_a_browser_and_without_apt_fails_before_the_browser_tests(tmp_path):
    bare = {"PATH": str(tmp_path), "CI": "true"}
    ended = subprocess.run(
        [sys.executable, ".ci/tools.py"], cwd=ROOT, env=bare, capture_output=True, text=True, check=False
    )
    assert (ended.returncode, "Chromium" in ended.stderr) == (1, True), ended.stderr
