"""What an installation takes: the pack of weights built from nothing, the lock file in a fresh environment.

Downloads are timed apart from work where the builder tells them. Leaves nothing behind but its result.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

import results

from detectors import packs

ROOT: Final = Path(__file__).resolve().parent.parent
MEGABYTE: Final = 1e6


def main() -> None:
    """Measure both and write `results/installation.json`."""
    began = results.circumstances()
    with tempfile.TemporaryDirectory(prefix="bench-install-") as scratch:
        results.tell("building the pack of weights")
        pack = measure_pack(Path(scratch) / "models")
        results.tell("installing into a fresh environment")
        environment = measure_environment(Path(scratch) / "venv")
    path = results.save("installation", began, {"pack": pack, "environment": environment})
    _print(pack, environment)
    print(f"\n{path}")


def measure_pack(root: Path) -> dict[str, object]:
    """Build the embedded pack under an empty `root`. `making_seconds` is all that was not waiting for the downloads."""
    said: list[str] = []
    began = time.monotonic()
    manifest = packs.build(root, progress=said.append)
    elapsed = time.monotonic() - began
    downloads = sum(float(line.split(" in ")[1].split(" s")[0]) for line in said if "SHA-256 as pinned" in line)
    return {
        "seconds": round(elapsed, 2),
        "download_seconds": round(downloads, 2),
        "making_seconds": round(elapsed - downloads, 2),
        "downloaded_mb": round(_downloaded(said), 1),
        "pack_mb": round(_size(manifest.folder) / MEGABYTE, 1),
        "said": said,
    }


def measure_environment(venv: Path) -> dict[str, object]:
    """Install `requirements.lock` into a new environment as `make install` does; sizes of all in it, pip too, ours not.

    pip does not tell its downloads apart; whether its cache was warm decides `seconds`.
    """
    began = time.monotonic()
    subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
    quiet = ["--disable-pip-version-check", "--no-input", "--quiet", "--no-compile"]
    lock = ["--require-hashes", "--requirement", str(ROOT / "requirements.lock")]
    python = str(venv / "bin" / "python")
    subprocess.run([python, "-m", "pip", "install", *quiet, *lock], check=True)
    subprocess.run(
        [python, str(ROOT / ".ci" / "first_import.py")], check=True, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    seconds = time.monotonic() - began
    (packages,) = venv.glob("lib/python3*/site-packages")
    parts = {place.name: _size(place) / MEGABYTE for place in packages.iterdir()}
    bytecode = sum(_size(place) for place in packages.rglob("__pycache__")) / MEGABYTE
    largest = sorted(parts.items(), key=lambda part: -part[1])[:10]
    return {
        "seconds": round(seconds, 1),
        "environment_mb": round(_size(venv) / MEGABYTE, 1),
        "of_it_bytecode_mb": round(bytecode, 1),
        "largest_mb": {name: round(size, 1) for name, size in largest},
    }


def _downloaded(said: list[str]) -> float:
    """The megabytes of the pack's last line, which sums up what was downloaded."""
    return float(said[-1].split("downloaded ")[1].split(" MB")[0])


def _size(place: Path) -> int:
    """Bytes on disk, as `du` counts them: whole blocks, a file with two names once."""
    blocks: dict[tuple[int, int], int] = {}
    for path in (place, *place.rglob("*")):
        known = path.lstat()
        blocks[known.st_dev, known.st_ino] = known.st_blocks * 512
    return sum(blocks.values())


def _print(pack: dict[str, object], environment: dict[str, object]) -> None:
    lines: list[tuple[object, ...]] = [("figure", "", "unit")]
    lines += [
        ("pack of weights: download", pack["download_seconds"], "s"),
        ("pack of weights: extract, convert, check", pack["making_seconds"], "s"),
        ("pack of weights: size", pack["pack_mb"], "MB"),
        ("fresh install of the lock file", environment["seconds"], "s"),
        ("environment without development tools", environment["environment_mb"], "MB"),
        ("of it compiled bytecode", environment["of_it_bytecode_mb"], "MB"),
    ]
    results.print_table("Installation", lines)


if __name__ == "__main__":
    main()
