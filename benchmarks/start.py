"""How long it takes to be ready and how much room it takes: starts cold and warm, installed size, the pack's build.

Downloads are timed apart from work. Leaves nothing behind but its result.
"""

import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

import httpx
import results
from states import passing_state

from detectors import packs

ROOT: Final = Path(__file__).resolve().parent.parent
WARM_STARTS: Final = 3
READY_SECONDS: Final = 240.0
STOP_SECONDS: Final = 60.0
MEGABYTE: Final = 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """One start of the service: until it was ready, and what it used until it had stopped again."""

    seconds: float
    cpu_seconds: float


def main() -> None:
    """Measure all three and write `results/start.json`."""
    began = results.circumstances()
    with tempfile.TemporaryDirectory(prefix="bench-start-") as scratch, passing_state() as state:
        folder = Path(scratch)
        results.tell("starting cold, then warm")
        starts = measure_starts(state)
        results.tell("building the pack of weights")
        pack = measure_pack(folder / "models")
        results.tell("installing into a fresh environment")
        installation = measure_installation(folder / "venv")
    figures = {"starts": starts, "pack": pack, "installation": installation}
    path = results.save("start", began, figures)
    _print(starts, pack, installation)
    print(f"\n{path}")


def measure_starts(state: Path) -> dict[str, object]:
    """Start `moderation up` on an empty state, then on the same state again; seconds until `/readyz` says 200.

    The pack of weights and the environment are there already. `cpu_seconds` of all processes, their stop included,
    say what is left of a start when nothing else runs. Raises RuntimeError when it never gets ready.
    """
    cold = _start(state)
    warm = [_start(state) for _ in range(WARM_STARTS)]
    return {
        "cold_seconds": cold.seconds,
        "cold_cpu_seconds": cold.cpu_seconds,
        "warm_seconds": median(start.seconds for start in warm),
        "warm_cpu_seconds": median(start.cpu_seconds for start in warm),
        "warm_runs": [start.seconds for start in warm],
        "load_average": round(os.getloadavg()[0], 2),
    }


def measure_pack(root: Path) -> dict[str, object]:
    """Build the embedded pack from nothing. `making_seconds` is all that was not waiting for the downloads."""
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


def measure_installation(venv: Path) -> dict[str, object]:
    """Install `requirements.lock` into a new environment; sizes of what it holds, pip among it, ours not.

    pip does not tell its downloads apart; whether its cache was warm decides `seconds`.
    """
    began = time.monotonic()
    subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
    quiet = ["--disable-pip-version-check", "--no-input", "--quiet"]
    lock = ["--require-hashes", "--requirement", str(ROOT / "requirements.lock")]
    subprocess.run([str(venv / "bin" / "python"), "-m", "pip", "install", *quiet, *lock], check=True)
    seconds = time.monotonic() - began
    (packages,) = venv.glob("lib/python3*/site-packages")
    parts = {place.name: _size(place) / MEGABYTE for place in packages.iterdir()}
    largest = sorted(parts.items(), key=lambda part: -part[1])[:10]
    return {
        "seconds": round(seconds, 1),
        "environment_mb": round(_size(venv) / MEGABYTE, 1),
        "largest_mb": {name: round(size, 1) for name, size in largest},
    }


def _start(state: Path) -> Start:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "MODERATION_STATE": str(state), "MODERATION_PORT": str(port)}
    used, began = _children_seconds(), time.monotonic()
    with _service(environment) as service:
        while not _ready(port):
            if time.monotonic() - began > READY_SECONDS or service.poll() is not None:
                raise RuntimeError("the service did not become ready")
            time.sleep(0.05)
        seconds = time.monotonic() - began
    return Start(seconds=round(seconds, 2), cpu_seconds=round(_children_seconds() - used, 2))


def _children_seconds() -> float:
    """CPU seconds of every child that has ended, and of theirs."""
    gone = resource.getrusage(resource.RUSAGE_CHILDREN)
    return gone.ru_utime + gone.ru_stime


@contextmanager
def _service(environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    service = subprocess.Popen(
        [sys.executable, "-m", "moderation", "up"], cwd=ROOT, env=environment, stderr=subprocess.DEVNULL
    )
    try:
        yield service
    finally:
        service.send_signal(signal.SIGINT)
        service.wait(STOP_SECONDS)


def _ready(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=2).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False


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


def _print(starts: dict[str, object], pack: dict[str, object], installation: dict[str, object]) -> None:
    lines: list[tuple[object, ...]] = [("start and size", "figure", "unit")]
    lines += [
        ("cold start to /readyz, empty state", starts["cold_seconds"], "s"),
        ("cold start and stop, all processes", starts["cold_cpu_seconds"], "CPU s"),
        (f"warm start to /readyz, median of {WARM_STARTS}", starts["warm_seconds"], "s"),
        ("warm start and stop, all processes", starts["warm_cpu_seconds"], "CPU s"),
        ("pack of weights: download", pack["download_seconds"], "s"),
        ("pack of weights: extract, convert, check", pack["making_seconds"], "s"),
        ("pack of weights: size", pack["pack_mb"], "MB"),
        ("fresh install of the lock file", installation["seconds"], "s"),
        ("environment without development tools", installation["environment_mb"], "MB"),
    ]
    results.print_table("Start and size", lines)


if __name__ == "__main__":
    main()
