"""A checkout nobody has used, in a long path with blanks: `make run` comes up, stops at Ctrl-C, comes up again at once;
`make test` passes.

As root and as an ordinary user, each with an empty home; only downloads are shared.
"""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from detectors.manifests import Manifest
from moderation.settings import Settings

pytestmark = [pytest.mark.full, pytest.mark.timeout(1500)]

AS_ROOT = os.geteuid() == 0
USERS = ["root", "nobody"] if AS_ROOT else [pwd.getpwuid(os.geteuid()).pw_name]
#: Cold, with whatever else the machine does.
FIRST_SECONDS, LATER_SECONDS = 600, 120
#: What a path, a user or an empty home could break: files in wheels, sockets, confinement, downloads, browsers' pages.
TESTS = "test_packs or test_sandbox or test_postgres or test_commands or test_review_pages"


class Checkout:
    """One checkout of one user, and the `make` in it."""

    def __init__(self, folder: Path, user: str) -> None:
        self.user = pwd.getpwnam(user)
        self.place = folder / "a folder with blanks" / ("long" * 30) / "count er sign"
        self.port = _free_port()
        home = folder / "home"
        strange = ("MODERATION_", "MAKE", "VENV", "VIRTUAL_ENV", "PYTHON", "CI")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(strange)}
        self.environment = {
            **kept,
            "HOME": str(home),
            "MODERATION_MODELS": str(home / "models"),
            "MODERATION_PORT": str(self.port),
        }
        self.models = home / "models"

    def make(self, target: str, **settings: str) -> subprocess.Popen[str]:
        """Start `make target` as this user, in a process group of its own, as a terminal would."""
        identity = {"user": self.user.pw_uid, "group": self.user.pw_gid, "extra_groups": []} if AS_ROOT else {}
        return subprocess.Popen(
            ["make", "--no-print-directory", target],
            cwd=self.place,
            env={**self.environment, **settings},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            **identity,
        )

    def run_and_stop(self, seconds: float) -> tuple[float, str]:
        """`make run` until it is ready, then Ctrl-C: how long it took, and all it said."""
        begun = time.monotonic()
        process = self.make("run")
        try:
            while not self.ready():
                assert process.poll() is None, process.communicate()[0]
                assert time.monotonic() - begun < seconds, "never ready"
                time.sleep(0.1)
            took = time.monotonic() - begun
            os.killpg(process.pid, signal.SIGINT)
            said, _ = process.communicate(timeout=60)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
                process.wait(30)
        return took, said

    def ready(self) -> bool:
        """Whether the service says that it is ready, and has said how to get in."""
        try:
            answer = httpx.get(f"http://127.0.0.1:{self.port}/readyz", timeout=5)
        except httpx.HTTPError:
            return False
        return answer.status_code == 200 and (self.place / "var" / "dev.json").is_file()


def remove(folder: Path) -> None:
    """Remove a folder in which a download of the samples' voice may end a moment after the service did."""
    for _ in range(20):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        time.sleep(1)
    raise AssertionError(f"somebody still writes to {folder}: {list(folder.rglob('*'))[:5]}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(params=USERS)
def checkout(
    request: pytest.FixtureRequest, root: Path, tracked: list[Path], embedded_pack: Manifest
) -> Iterator[Checkout]:
    """The tracked files as they are now, owned by the user; the weights copied, so that a cold start is not a download."""
    folder = Path(tempfile.mkdtemp(prefix="cs-fresh-"))
    folder.chmod(0o755)
    checkout = Checkout(folder, request.param)
    assert len(str(checkout.place)) >= 150
    for path in tracked:
        copy = checkout.place / path.relative_to(root)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, copy)
    shutil.copytree(Settings().models / embedded_pack.folder.name, checkout.models / embedded_pack.folder.name)
    if AS_ROOT:
        for path in (folder, *folder.rglob("*")):
            os.chown(path, checkout.user.pw_uid, checkout.user.pw_gid)
    yield checkout
    remove(folder)


def test_make_run_comes_up_from_nothing_and_again_at_once_and_make_test_passes(checkout: Checkout) -> None:
    cold, said = checkout.run_and_stop(FIRST_SECONDS)
    assert "making .venv" in said
    assert "stopped" in said
    assert not (checkout.place / "var" / "dev.json").exists(), "the way in outlived the service"
    warm, said = checkout.run_and_stop(LATER_SECONDS)
    print(f"{checkout.user.pw_name}: ready after {cold:.1f} s with an installation, {warm:.1f} s without")
    assert "install" not in said
    assert "downloading" not in said
    # In the same checkout: another installation would take minutes and say nothing new.
    if checkout.user.pw_name == USERS[-1]:
        demand_passing_tests(checkout)


def demand_passing_tests(checkout: Checkout) -> None:
    """The tests that look at the machine, for an ordinary user; what they find is the same for the rest of the suite."""
    process = checkout.make("test", PYTEST_ADDOPTS=f"-k '{TESTS}'")
    try:
        said, _ = process.communicate(timeout=FIRST_SECONDS)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(30)
    assert process.returncode == 0, said[-4000:]
    assert said.count(" passed") == 2, said[-4000:]
