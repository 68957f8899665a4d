"""What a file that took its decoder over could do: nothing. The same acts succeed once confinement is switched off."""

import os
import socket
from pathlib import Path

import pytest

from moderation.errors import Outage
from moderation.sandbox import Sandbox
from moderation.settings import Limits

ASSETS = Path(__file__).resolve().parents[2] / "assets"

#: What each attempt ends with in a cage. Landlock says EACCES, the system-call filter EPERM.
CAGED = {
    "socket": "EPERM",
    "unix_socket": "EPERM",
    "connect": "EPERM",
    "fork": "EPERM",
    "execve": "EPERM",
    "spawn": "EPERM",
    "ptrace": "EPERM",
    "kill_parent": "EPERM",
    "fcntl_signal": "EPERM",
    "io_uring": "EPERM",
    "chmod": "EPERM",
    "read_secret": "EACCES",
    "write_secret": "EACCES",
    "read_parent_memory": "EACCES",
    "write_source": "EACCES",
}
#: What a decoder must be able to do.
NEEDED = {"read_source": "done", "write_target": "done", "thread": "done"}


def attempt(tmp_path: Path, *, confine: bool) -> dict[str, object]:
    source, secret = tmp_path / "clip", tmp_path / "secret"
    source.write_bytes(b"clip")
    secret.write_bytes(b"secret")
    with socket.create_server(("127.0.0.1", 0)) as server:
        arguments = {"port": server.getsockname()[1], "secret": str(secret)}
        with Sandbox(
            Limits(),
            folder=tmp_path / "airlocks",
            jobs="hostile_jobs",
            search_path=[ASSETS],
            confine=confine,
            require_confinement=confine,
        ) as sandbox:
            found = sandbox.ask("attempts", source, arguments, lambda said: said)
    assert isinstance(found, dict)
    return found


def test_a_confined_child_reaches_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("MODERATION_API_KEY", "secret")
    inherited = os.open("/dev/null", os.O_RDONLY)
    os.set_inheritable(inherited, True)
    found = attempt(tmp_path, confine=True)
    os.close(inherited)
    assert {name: found[name] for name in CAGED} == CAGED
    assert {name: found[name] for name in NEEDED} == NEEDED
    assert not [name for name in found["environment"] if "MODERATION" in name or name in {"HOME", "PATH", "USER"}]
    # Standard streams, two pipes, the frames' memory and the listing itself.
    assert len(found["descriptors"]) == 7
    assert found["working_directory"] == "/"
    assert (tmp_path / "secret").read_bytes() == b"secret"
    assert (tmp_path / "clip").read_bytes() == b"clip"


def test_without_confinement_the_same_acts_succeed(tmp_path):
    found = attempt(tmp_path, confine=False)
    assert not [name for name in CAGED if found[name] in {"EPERM", "EACCES"}]
    for name in ("socket", "unix_socket", "connect", "fork", "spawn", "kill_parent", "fcntl_signal", "read_secret"):
        assert found[name] == "done"
    assert (tmp_path / "secret").read_bytes() == b"secretx"
    assert (tmp_path / "clip").read_bytes() == b"clipx"


def test_a_child_proves_its_confinement_before_it_works(tmp_path):
    with Sandbox(Limits(), folder=tmp_path, jobs="hostile_jobs", search_path=[ASSETS]) as sandbox:
        proven = sandbox.confinement()
    assert proven.complete
    assert proven.notes == ()


def test_production_refuses_an_unconfined_child_and_development_is_told(tmp_path):
    options = {"folder": tmp_path, "jobs": "hostile_jobs", "search_path": [ASSETS], "confine": False}
    source = tmp_path / "clip"
    source.write_bytes(b"clip")
    with Sandbox(Limits(), require_confinement=True, **options) as sandbox:
        with pytest.raises(Outage) as refused:
            sandbox.ask("echo", source, {"value": 1}, lambda said: said)
        assert refused.value.cause == "decoder"
    with Sandbox(Limits(), require_confinement=False, **options) as sandbox:
        assert sandbox.ask("echo", source, {"value": 1}, lambda said: said) == 1
        found = sandbox.confinement()
        assert (found.network, found.processes, found.files) == (False, False, False)
