"""The benchmark of the pack runs from end to end, and where there is no card it says so and claims nothing."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def run(*arguments: str) -> str:
    command = [sys.executable, "benchmarks/gpu.py", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_without_a_card_nothing_is_measured(torch):
    if torch.cuda.is_available():
        assert "matrix product" in run("--tiny", "--clips", "2")
    else:
        assert run().startswith("nothing was measured: device `cuda` was asked for")


def test_the_whole_of_it_runs_on_a_processor():
    shown = run("--device", "cpu", "--tiny", "--threads", "2", "--clips", "2")
    assert "clips_per_second" in shown
    assert "tiny" in shown
    assert "nothing was written" in shown
