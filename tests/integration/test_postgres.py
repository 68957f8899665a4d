"""The embedded server's life: shared, killed, moved, copied; as root and as an ordinary user."""

import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from moderation.cluster import SYSTEM_STATE, Place
from moderation.errors import Outage
from moderation.postgres import EmbeddedPostgres, ExternalPostgres, server_for
from moderation.settings import Settings

#: An ordinary user's number, for when the tests run as root; initdb insists on one that the system knows.
ORDINARY = pwd.getpwnam("daemon").pw_uid

HOLD = """
import os, sys
from pathlib import Path
from moderation.postgres import EmbeddedPostgres
user = int(sys.argv[2])
if user != os.geteuid():
    # Only now: the interpreter itself may lie where that user cannot read.
    os.setgroups([])
    os.setgid(user)
    os.setuid(user)
with EmbeddedPostgres(Path(sys.argv[1]), fsync=False) as server:
    print(server.pid(), flush=True)
    sys.stdin.read()
"""

FORK = """
import os, signal, sys, time
from pathlib import Path
from moderation.postgres import EmbeddedPostgres
server = EmbeddedPostgres(Path(sys.argv[1]), fsync=False)
server.acquire()
child = os.fork()
if child == 0:
    time.sleep(60)
    os._exit(0)
server.release()
print(server.pid())
os.kill(child, signal.SIGKILL)
"""

# Shells have background jobs ignore SIGINT, and what they start inherits that.
OPEN = """
import signal, sys, time
from pathlib import Path
signal.signal(signal.SIGINT, signal.default_int_handler)
from moderation.assembly import open_services
from moderation.settings import Settings
with open_services(Settings(state=Path(sys.argv[1]), env="development")) as services:
    try:
        print("open", flush=True)
        time.sleep(60)
    finally:
        print("leaving", flush=True)
        for _ in range(int(sys.argv[2])):
            time.sleep(0.1)
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short folder that anybody may walk through."""
    folder = Path(tempfile.mkdtemp(prefix="cs-tests-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def state(folder: Path) -> Path:
    return folder / "state"


def hold(state: Path, user: int | None = None) -> subprocess.Popen[str]:
    """Start a process that holds the server of `state` until its input ends."""
    command = [sys.executable, "-c", HOLD, str(state), str(os.geteuid() if user is None else user)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline().strip().isdigit()
    return process


def let_go(process: subprocess.Popen[str]) -> None:
    process.communicate("", timeout=60)
    assert process.returncode == 0


def kill(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def count(server: EmbeddedPostgres, amount: int = 0) -> int:
    """Add that many committed rows and return how many there are."""
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        connection.execute("create table if not exists kept (n int)")
        for n in range(amount):
            connection.execute("insert into kept values (%s)", [n])
        return connection.execute("select count(*) from kept").fetchone()[0]


def settings_of(server: EmbeddedPostgres, *names: str) -> list[str]:
    with psycopg.connect(server.dsn()) as connection:
        return [connection.execute("select current_setting(%s)", [name]).fetchone()[0] for name in names]


def test_the_first_starts_it_and_the_last_stops_it(state: Path):
    first, second = EmbeddedPostgres(state, fsync=False), EmbeddedPostgres(state, fsync=False)
    first.acquire()
    pid = first.pid()
    second.acquire()
    assert second.pid() == pid
    first.release()
    assert count(second, 1) == 1
    second.release()
    assert second.pid() is None


def test_a_killed_holder_does_not_keep_the_server_alive(state: Path):
    with EmbeddedPostgres(state, fsync=False) as server:
        kill(hold(state))
    assert server.pid() is None


def test_a_server_whose_holders_were_all_killed_is_taken_over(state: Path):
    starter = hold(state)
    kill(starter)
    server = EmbeddedPostgres(state, fsync=False)
    orphan = server.pid()
    with server:
        assert orphan is not None
        assert server.pid() == orphan
    assert server.pid() is None


def test_a_forked_child_does_not_keep_the_server_alive(state: Path):
    told = subprocess.run([sys.executable, "-c", FORK, str(state)], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "None"


def test_nothing_committed_is_lost_when_the_server_is_killed(state: Path):
    with EmbeddedPostgres(state) as server:
        assert settings_of(server, "fsync", "synchronous_commit", "full_page_writes") == ["on", "on", "on"]
        dsn, pid = server.dsn(), server.pid()
        assert not server.watch()
        for round_ in range(1, 3):
            assert count(server, 50) == 50 * round_
            os.kill(server.pid(), signal.SIGKILL)
            assert server.watch()
        assert count(server) == 100
        assert server.dsn() == dsn
        assert server.pid() != pid


def test_a_zombie_is_not_taken_for_a_running_server(state: Path):
    # The holder is the server's parent and never waits for it.
    holder = hold(state)
    with EmbeddedPostgres(state, fsync=False) as server:
        victim = server.pid()
        os.kill(victim, signal.SIGKILL)
        time.sleep(0.2)
        assert Path(f"/proc/{victim}/stat").read_text().split()[2] == "Z"
        assert server.watch()
        assert count(server, 1) == 1
        let_go(holder)


def test_a_stranger_with_the_old_process_number_does_not_prevent_a_start(state: Path):
    with EmbeddedPostgres(state, fsync=False) as server:
        note = server.data / "postmaster.pid"
        _, _, rest = note.read_text().partition("\n")
        os.kill(server.pid(), signal.SIGKILL)
    note.write_text(f"{os.getpid()}\n{rest}")
    with EmbeddedPostgres(state, fsync=False) as server:
        assert count(server, 1) == 1


def test_a_path_of_150_characters_with_spaces(folder: Path):
    state = folder / ("a path with spaces " * 10)[: 150 - len(str(folder)) - 1].rstrip().ljust(
        149 - len(str(folder)), "x"
    )
    assert len(str(state)) >= 149
    with EmbeddedPostgres(state, fsync=False) as server:
        assert count(server, 1) == 1
        assert len(str(Place.read(server.folder).socket)) < 80


def test_strangers_stay_outside(state: Path):
    with EmbeddedPostgres(state, fsync=False) as server:
        place = Place.read(server.folder)
        assert stat.S_IMODE(place.socket.stat().st_mode) == 0o700
        assert stat.S_IMODE((server.folder / "secret").stat().st_mode) == 0o600
        assert settings_of(server, "listen_addresses") == [""]
        rules = (place.data / "pg_hba.conf").read_text().splitlines()
        methods = {rule.split()[-1] for rule in rules if rule and not rule.startswith("#")}
        assert methods == {"scram-sha-256"}
        secret = (server.folder / "secret").read_text()
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(server.dsn().replace(secret, "guess"))


def test_below_a_closed_folder(folder: Path):
    folder.chmod(0o700)
    with EmbeddedPostgres(folder / "state", fsync=False) as server:
        assert count(server, 1) == 1
        elsewhere = server.data.parent
        if os.geteuid() == 0:
            assert elsewhere.parent == SYSTEM_STATE
        else:
            assert elsewhere == server.folder
    try:
        with EmbeddedPostgres(folder / "state", fsync=False) as server:
            assert count(server) == 1
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        shutil.rmtree(folder / "state")
        with EmbeddedPostgres(folder / "state", fsync=False) as server:
            assert count(server) == 0, "a fresh state must not find an old database"
    finally:
        for left in elsewhere.parent.glob(f"{elsewhere.name}*") if os.geteuid() == 0 else ():
            shutil.rmtree(left)


def test_an_ordinary_user_needs_nothing_special(folder: Path):
    if os.geteuid() == 0:
        os.chown(folder, ORDINARY, ORDINARY)
        holder = hold(folder / "state", user=ORDINARY)
    else:
        holder = hold(folder / "state")
    try:
        server = EmbeddedPostgres(folder / "state", fsync=False)
        assert server.data == server.folder / "data"
        assert server.data.stat().st_uid == folder.stat().st_uid
        assert stat.S_IMODE(server.folder.stat().st_mode) == 0o700
        assert count(server, 1) == 1
    finally:
        let_go(holder)
    # Root may use it too, and leaves it usable for its owner.
    with EmbeddedPostgres(folder / "state", fsync=False) as server:
        assert count(server) == 1


def test_a_moved_state_keeps_its_database_and_a_copy_does_not_share_it(state: Path, folder: Path):
    with EmbeddedPostgres(state, fsync=False) as server:
        count(server, 1)
    state.rename(folder / "moved")
    with EmbeddedPostgres(folder / "moved", fsync=False) as server:
        assert count(server, 1) == 2
        owner = server.data.stat()
    shutil.copytree(folder / "moved", folder / "copy")
    for path in (folder / "copy" / "postgres" / "data").rglob("*"):
        os.chown(path, owner.st_uid, owner.st_gid)
    os.chown(folder / "copy" / "postgres" / "data", owner.st_uid, owner.st_gid)
    with (
        EmbeddedPostgres(folder / "moved", fsync=False) as server,
        EmbeddedPostgres(folder / "copy", fsync=False) as copy,
    ):
        count(server, 1)
        assert count(copy) == 2
        assert copy.pid() != server.pid()


def test_a_server_that_cannot_start_says_why(state: Path):
    with EmbeddedPostgres(state, fsync=False) as server:
        settings = server.data / "postgresql.conf"
    settings.write_text("nonsense = 'yes'\n")
    with pytest.raises(Outage, match="nonsense"), EmbeddedPostgres(state, fsync=False):
        pass


def open_services(state: Path, leaves_for: int = 0) -> subprocess.Popen[str]:
    """Start a process inside `open_services`, which takes so many tenths of a second to leave."""
    command = [sys.executable, "-c", OPEN, str(state), str(leaves_for)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def left_behind(state: Path) -> int | None:
    """The process number of a state's server that still runs, None when there is none."""
    return EmbeddedPostgres(state).pid()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("times", [1, 2])
def test_a_process_that_is_told_to_end_stops_its_server(state: Path, number: signal.Signals, times: int):
    process = open_services(state, leaves_for=20 if times > 1 else 0)
    assert process.stdout.readline() == "open\n"
    assert left_behind(state) is not None
    process.send_signal(number)
    for _ in range(times - 1):
        assert process.stdout.readline() == "leaving\n"
        process.send_signal(number)
    _, said = process.communicate(timeout=30)
    assert process.returncode != 0
    assert said.rstrip().endswith("KeyboardInterrupt")
    assert left_behind(state) is None


def test_a_process_that_is_told_to_end_while_its_server_starts_or_stops(state: Path):
    """Signals without a pause, from before the server is there until the process has ended."""
    process = open_services(state)
    server = EmbeddedPostgres(state)
    while not (server.folder / "place.json").exists():
        time.sleep(0.01)
    seen = set()
    while process.poll() is None:
        process.send_signal(signal.SIGTERM)
        seen.add(server.pid())
        time.sleep(0.02)
    process.communicate()
    assert len(seen) == 2, "it ended before there was a server"
    assert server.pid() is None


def test_who_handles_signals_alone_goes_on_doing_so(state: Path):
    met = []
    before = signal.signal(signal.SIGTERM, lambda number, _: met.append(number))
    # The server of the other tests may be open in this process and have taken it.
    interrupt = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with EmbeddedPostgres(state, fsync=False):
            os.kill(os.getpid(), signal.SIGTERM)
            assert signal.getsignal(signal.SIGINT) is not signal.default_int_handler
        assert met == [signal.SIGTERM]
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGTERM, before)
        signal.signal(signal.SIGINT, interrupt)


def test_an_external_database_is_only_named(state: Path):
    url = "postgresql://somebody@db.example/clips"
    server = server_for(Settings(state=state, database_url=url))
    assert isinstance(server, ExternalPostgres)
    with server:
        assert server.dsn() == url
        assert not server.watch()
    assert not state.exists()
    assert isinstance(server_for(Settings(state=state)), EmbeddedPostgres)
