"""Runs the short benchmarks one after the other, each in a process of its own, and fails when one does.

Each writes its own file below `results/`; figures are comparable within one run on one machine, not between machines.
"""

import subprocess
import sys
from pathlib import Path
from typing import Final

PARTS: Final = ("clip_cost", "sampling", "attacks", "start", "installation")


def main() -> None:
    """Run every part. Exits 1 after the last when one failed."""
    folder = Path(__file__).resolve().parent
    failed = [
        part for part in PARTS if subprocess.run([sys.executable, str(folder / f"{part}.py")], check=False).returncode
    ]
    if failed:
        sys.exit(f"these benchmarks failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
