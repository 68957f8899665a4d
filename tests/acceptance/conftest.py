"""One `moderation up` on a state and a port of its own, seen from outside: commands, HTTP and the process table."""

import contextlib
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
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

#: Generous: the machine may have much else to do.
READY_SECONDS = 240.0
COMMAND_SECONDS = 600.0
LIVEZ_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """A process as anybody sees it; `named` is its command line and environment."""

    parent: int
    command: list[str]
    named: str


class Deployment:
    """A state folder, and the service that runs on it now and then."""

    def __init__(self, settings: dict[str, str]) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="cs-up-"))
        # Root's server process runs as another user, who must be able to reach the state.
        self.folder.chmod(0o755)
        self.state = self.folder / "state"
        self.port = free_port()
        mine = {"MODERATION_STATE": str(self.state), "MODERATION_PORT": str(self.port)}
        kept = {name: value for name, value in os.environ.items() if not name.startswith("MODERATION_")}
        models = {name: os.environ[name] for name in ("MODERATION_MODELS",) if name in os.environ}
        # A crash of native code must say where.
        self.environment = {**kept, **models, **settings, **mine, "PYTHONFAULTHANDLER": "1"}
        self.log = self.folder / "up.log"
        self.process: subprocess.Popen[bytes] | None = None
        self.starts = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def start(self) -> float:
        """Start `moderation up`, wait until it is ready and says how to get in; tells and returns the seconds."""
        assert not self.running
        before = self._development_file()
        began = time.monotonic()
        with self.log.open("ab") as log:
            command = [sys.executable, "-m", "moderation", "up"]
            self.process = subprocess.Popen(command, env=self.environment, stdin=subprocess.DEVNULL, stderr=log)
        self.until(self.ready, READY_SECONDS, "/readyz never said 200")
        seconds = time.monotonic() - began
        sys.stdout.write(f"\n{'next' if self.starts else 'first'} start to /readyz: {seconds:.1f} s\n")
        self.starts += 1
        self.until(lambda: self._development_file() not in (None, before), READY_SECONDS, "no dev.json")
        return seconds

    def ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/readyz", timeout=LIVEZ_SECONDS).status_code == httpx.codes.OK
        except httpx.HTTPError:
            return False

    def until(self, found: Callable[[], object], seconds: float, otherwise: str) -> None:
        """Wait until `found` answers something true."""
        deadline = time.monotonic() + seconds
        while not found():
            assert time.monotonic() < deadline, f"{otherwise}\n{self.told()}"
            assert self.running, f"`moderation up` ended by itself ({self.process.returncode}):\n{self.told()}"
            time.sleep(0.1)

    def told(self) -> str:
        """The end of what the service and its database wrote, and what still runs."""
        logs = [self.log, self.state / "postgres" / "server.log"]
        told = [log.read_text(errors="replace")[-4000:] for log in logs if log.exists()]
        return "\n".join([*told, *(f"{pid}: {' '.join(seen.command)}" for pid, seen in self.processes().items())])

    def _development_file(self) -> str | None:
        try:
            return (self.state / "dev.json").read_text()
        except FileNotFoundError:
            return None

    def development(self) -> dict[str, str]:
        return json.loads((self.state / "dev.json").read_text())

    def client(self) -> httpx.Client:
        """HTTP with the development key."""
        headers = {"Authorization": f"Bearer {self.development()['api_key']}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=180)

    def moderation(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        """Run one command on this state."""
        command = [sys.executable, "-m", "moderation", *map(str, arguments)]
        return subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=COMMAND_SECONDS, check=False
        )

    def answer(self, *arguments: object, code: int = 0) -> dict:
        """The JSON document of a command that must end with `code`."""
        done = self.moderation(*arguments, "--json")
        assert done.returncode == code, done.stdout + done.stderr
        return json.loads(done.stdout)

    def interrupt(self) -> int:
        """What Ctrl-C does; the exit status."""
        assert self.process is not None
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(60)

    def kill(self) -> None:
        """End the whole of `up` by kill -9, as a power cut would end its parent."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def processes(self) -> dict[int, Process]:
        """Every process of this deployment by pid: those that name its folder or its database, and all below them."""
        folders = [str(self.folder), *self._database_folders()]
        every = {int(entry.name): _look(entry) for entry in Path("/proc").iterdir() if entry.name.isdigit()}
        living = {pid: seen for pid, seen in every.items() if seen is not None}
        mine = {pid for pid, seen in living.items() if any(folder in seen.named for folder in folders)}
        while more := {pid for pid, seen in living.items() if seen.parent in mine} - mine:
            mine |= more
        return {pid: living[pid] for pid in mine}

    def _database_folders(self) -> list[str]:
        """Where the cluster lies: for root elsewhere, and its server may outlive the process that started it."""
        try:
            return [json.loads((self.state / "postgres" / "place.json").read_text())["data"]]
        except FileNotFoundError:
            return []

    def close(self) -> None:
        if self.running:
            self.interrupt()
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for folder in self._database_folders():
            shutil.rmtree(Path(folder).parent, ignore_errors=True)
        shutil.rmtree(self.folder)


def _look(entry: Path) -> Process | None:
    """One entry of /proc; None for a process that is gone, or only waits for its parent to notice."""
    try:
        command = (entry / "cmdline").read_bytes()
        state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
    except (FileNotFoundError, ProcessLookupError):
        return None
    try:
        environment = (entry / "environ").read_bytes()
    except OSError:
        # Another user's, whose command line must do.
        environment = b""
    words = command.decode(errors="replace").split("\0")
    named = (command + environment).decode(errors="replace")
    return None if state == "Z" else Process(parent=int(parent), command=words, named=named)


def free_port() -> int:
    """A port of loopback that nobody uses now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.fixture(scope="module")
def deploy() -> Iterator[Callable[..., Deployment]]:
    """Make deployments, ended and removed after the module."""
    made: list[Deployment] = []

    def make(**settings: str) -> Deployment:
        made.append(Deployment(settings))
        return made[-1]

    yield make
    for deployment in made:
        deployment.close()
