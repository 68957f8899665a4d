"""How long `moderation up` takes to be ready, on an empty state and on one that was used. Leaves only its result."""

import os
import resource
import socket
import subprocess
import sys
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

ROOT: Final = Path(__file__).resolve().parent.parent
WARM_STARTS: Final = 3
READY_SECONDS: Final = 240.0
STOP_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """One start of the service: until it was ready, and what it used until it had stopped again."""

    seconds: float
    cpu_seconds: float


def main() -> None:
    """Measure and write `results/start.json`."""
    began = results.circumstances()
    with passing_state() as state:
        figures = measure_starts(state)
    path = results.save("start", began, figures)
    _print(figures)
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
        service.terminate()
        service.wait(STOP_SECONDS)


def _ready(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=2).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False


def _print(starts: dict[str, object]) -> None:
    lines: list[tuple[object, ...]] = [("start of every role on one machine", "", "unit")]
    lines += [
        ("cold start to /readyz, empty state", starts["cold_seconds"], "s"),
        ("cold start and stop, all processes", starts["cold_cpu_seconds"], "CPU s"),
        (f"warm start to /readyz, median of {WARM_STARTS}", starts["warm_seconds"], "s"),
        ("warm start and stop, all processes", starts["warm_cpu_seconds"], "CPU s"),
    ]
    results.print_table("Start", lines)


if __name__ == "__main__":
    main()
