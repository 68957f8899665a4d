"""`moderation up`: every role on one machine as supervised children, one Ctrl-C for all. Processes no clip itself."""

import ctypes
import errno
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path

import httpx

from moderation.errors import Outage, Unprocessable
from moderation.settings import Settings

#: A child that dies again and again is restarted ever more slowly, up to this many seconds.
LONGEST_PAUSE = 10.0
#: One that lived so long begins anew with the shortest.
HEALTHY_SECONDS = 60.0
#: A service killed a moment ago may still be letting go of its port.
PORT_SECONDS = 15.0
STOP_SECONDS = 15.0
PR_SET_PDEATHSIG = 1
#: Tells a child which process keeps it.
SUPERVISOR = "COUNTERSIGN_SUPERVISOR"


@dataclass(slots=True)
class Child:
    """One supervised process."""

    name: str
    command: list[str]
    environment: Mapping[str, str]
    process: subprocess.Popen[bytes] | None = None
    deaths: int = 0
    started_at: float = 0.0
    start_at: float = 0.0

    def tend(self) -> None:
        """Start the process when it does not run and its pause is over."""
        if self.process is not None and self.process.poll() is None:
            return
        now = time.monotonic()
        if self.process is not None:
            self.process = None
            self.deaths = 1 if now - self.started_at > HEALTHY_SECONDS else min(self.deaths + 1, 10)
            self.start_at = now + min(0.5 * 2**self.deaths, LONGEST_PAUSE)
        if now >= self.start_at:
            self.started_at = now
            self.process = subprocess.Popen(
                self.command, env=dict(self.environment), process_group=0, stdin=subprocess.DEVNULL
            )

    def stop(self) -> None:
        """Ask the process to end; it finishes what it may not leave half done."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()

    def wait(self, until: float) -> None:
        """Wait for the end, and make it one when it takes too long: every step survives that."""
        if self.process is None:
            return
        try:
            self.process.wait(max(0.1, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def follow_supervisor() -> None:
    """In a child: ask the kernel to end it when its supervisor dies. Does nothing for a process started by hand."""
    supervisor = os.environ.get(SUPERVISOR)
    if supervisor is None:
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if str(os.getppid()) != supervisor:
        sys.exit("the supervisor is gone")


@dataclass(slots=True)
class Supervisor:
    """The children of one `up`, kept alive until asked to stop."""

    settings: Settings
    #: Looks after the database, once this process has opened it.
    watch: Callable[[], None] = lambda: None
    children: list[Child] = field(default_factory=list)
    stopping: bool = False

    def add(self, name: str, *arguments: str) -> None:
        """Add a role: the same command line a machine of its own would run."""
        environment = {**os.environ, **environment_of(self.settings), SUPERVISOR: str(os.getpid())}
        command = [sys.executable, "-m", "moderation", *arguments]
        self.children.append(Child(name=name, command=command, environment=environment))

    def tend(self) -> None:
        """One round: the database first, then whoever died."""
        try:
            self.watch()
        except Outage as outage:
            sys.stderr.write(f"database: {outage}\n")
        for child in self.children:
            child.tend()

    def run(self) -> None:
        """Tend the children until a signal says stop."""
        while not self.stopping:
            self.tend()
            time.sleep(0.25)

    def stop(self) -> None:
        """End every child, all at once, and wait for them."""
        self.stopping = True
        for child in self.children:
            child.stop()
        until = time.monotonic() + STOP_SECONDS
        for child in self.children:
            child.wait(until)


def environment_of(settings: Settings) -> dict[str, str]:
    """What the children must know: resolved once here, so that all of them mean the same state."""
    known = {
        "MODERATION_ENV": settings.env,
        "MODERATION_STATE": str(settings.state.resolve()),
        "MODERATION_MODELS": str(settings.models.resolve()),
        "MODERATION_HOST": settings.host,
        "MODERATION_PORT": str(settings.port),
    }
    if settings.policies.folder is not None:
        known["MODERATION_POLICIES__FOLDER"] = str(settings.policies.folder.resolve())
    return known


def demand_loopback(settings: Settings) -> None:
    """Refuse to bind a development service to anything but loopback: its key opens everything."""
    host = "127.0.0.1" if settings.host == "localhost" else settings.host
    if settings.development and not ip_address(host).is_loopback:
        raise Unprocessable(f"development mode binds to loopback only, not to {settings.host}; set MODERATION_ENV")


def demand_port(settings: Settings) -> None:
    """Wait a little for the service's port to be free. Raises Unprocessable when somebody else keeps it."""
    until = time.monotonic() + PORT_SECONDS
    while True:
        with socket.socket(socket.AF_INET6 if ":" in settings.host else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((settings.host, settings.port))
            except OSError as error:
                if error.errno != errno.EADDRINUSE or time.monotonic() > until:
                    where = f"{settings.host}:{settings.port}"
                    raise Unprocessable(f"cannot listen at {where} ({error.strerror}); set MODERATION_PORT") from error
            else:
                return
        time.sleep(0.2)


@contextmanager
def development_file(settings: Settings, api_key: str, login_url: str) -> Iterator[Path]:
    """Write `dev.json` (mode 600) while the block lasts: where the service is and how to get in."""
    path = settings.state / "dev.json"
    fresh = path.with_name(f".dev.{secrets.token_hex(4)}.json")
    content = {"url": url_of(settings), "api_key": api_key, "reviewer_login_url": login_url}
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(content, file)
    fresh.replace(path)
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def url_of(settings: Settings) -> str:
    """Where the service of these settings answers."""
    return settings.url or f"http://{settings.host}:{settings.port}"


def wait_until_ready(supervisor: Supervisor, seconds: float) -> bool:
    """Tend the children until `/readyz` says 200, at most so long; False when it never did."""
    until = time.monotonic() + seconds
    # One client: to make one reads the machine's certificates, which costs what the children start with.
    with httpx.Client(timeout=2) as client:
        while time.monotonic() < until and not supervisor.stopping:
            supervisor.tend()
            try:
                if client.get(f"{url_of(supervisor.settings)}/readyz").status_code == httpx.codes.OK:
                    return True
            except httpx.HTTPError:
                pass
            time.sleep(0.1)
    return False
