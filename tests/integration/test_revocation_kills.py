"""kill -9 of workers and of the database at random moments of a revocation: each target once in effect, none left.

Real Postgres, real engine, real deliveries to a socket on loopback. Clips are rows. The seed fixes who dies when.
"""

import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from families import register, tree, write

from moderation.assembly import open_services
from moderation.errors import Outage
from moderation.outcomes import database_away
from moderation.postgres import EmbeddedPostgres
from moderation.revocations import beginning, driving
from moderation.revocations.progress import progress
from moderation.settings import Settings
from moderation.webhooks import create_endpoint

pytestmark = [pytest.mark.full, pytest.mark.timeout(900)]

WORKER = Path(__file__).resolve().parent.parent / "assets" / "revoking_worker.py"
DESCENDANTS, SHOWN = 1_500, 751
WORKERS, KILLS, DATABASE_KILLS = 2, 6, 2
SECONDS = 600.0


class Receiver(ThreadingHTTPServer):
    """The platform's receiver: which webhook ids came, how often; it takes every one."""

    daemon_threads = True

    def __init__(self) -> None:
        self.got: Counter[str] = Counter()
        super().__init__(("127.0.0.1", 0), Taking)
        self.url = f"http://127.0.0.1:{self.server_address[1]}/hook"


class Taking(BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.server.got[self.headers["webhook-id"]] += 1
        self.send_response(204)
        self.end_headers()

    def log_message(self, *args):
        pass


@pytest.fixture
def receiver():
    server = Receiver()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def services(embedded_pack):
    with tempfile.TemporaryDirectory(prefix="cs-revoke-") as name:
        Path(name).chmod(0o755)
        settings = Settings(state=Path(name) / "state", env="development", webhooks={"allow_loopback": True})
        with open_services(settings) as opened:
            yield opened


class Crew:
    """Worker processes, each started again whenever it was killed."""

    def __init__(self, state: Path) -> None:
        self.state, self.deaths = state, 0
        self.log = (state.parent / "workers.log").open("ab")
        self.running = [self.start() for _ in range(WORKERS)]

    def start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, str(WORKER), str(self.state)]
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=self.log)

    def kill(self, number: int) -> None:
        self.running[number].kill()
        self.running[number].wait()
        self.deaths += 1
        self.running[number] = self.start()

    def close(self) -> None:
        for process in self.running:
            process.kill()
            process.wait()
        self.log.close()


@contextmanager
def working(state: Path):
    crew = Crew(state)
    try:
        yield crew
    finally:
        crew.close()


def look(services, revocation):
    """How far it is; None while the database is away."""
    try:
        services.watch_database()
        with services.database.transaction() as tx:
            return progress(tx, revocation)
    except Outage:
        return None
    except Exception as error:
        if not database_away(error):
            raise
        return None


def column(services, query):
    with services.database.system_transaction() as tx:
        return [row[0] for row in tx.pg.execute(query).fetchall()]


def test_everything_reached_is_handled_once_whoever_is_killed(services, receiver):
    rng = random.Random(7)
    create_endpoint(services, "default", receiver.url, by="test")
    person = register(services.database, services.vault)
    with services.database.transaction() as tx:
        write(tx, tree(person, DESCENDANTS, shown_every=2))
    revocation = beginning.begin(services, "default", person, by="test")["revocation_id"]
    server = services._server
    assert isinstance(server, EmbeddedPostgres)
    deadline, kills, database_kills = time.monotonic() + SECONDS, 0, 0
    with working(services.settings.state) as crew:
        # What is judged again nobody judges here: it is all that is left.
        while (now := look(services, revocation)) is None or now.state != "judging":
            assert time.monotonic() < deadline, now
            time.sleep(rng.uniform(0.2, 1.5))
            begun = now is not None and now.listed_at is not None
            if begun and kills < KILLS:
                kills += 1
                crew.kill(rng.randrange(WORKERS))
            elif begun and database_kills < DATABASE_KILLS and (pid := server.pid()) is not None:
                database_kills += 1
                os.kill(pid, signal.SIGKILL)
    assert (kills, database_kills, crew.deaths) == (KILLS, DATABASE_KILLS, KILLS)
    assert (now.unsettled, driving.watch(services)) == (DESCENDANTS + 1 - SHOWN, 0)
    with services.database.system_transaction() as tx:
        tx.pg.execute("update moderation.revocation_targets set settled_at = now() where settled_at is null")
    assert driving.watch(services) == 1

    counted = "select count(*)::int from moderation."
    assert column(services, f"{counted}clips where status = 'withdrawn'") == [SHOWN]
    assert column(services, f"{counted}clips where status = 'processing' and generation = 2") == [
        DESCENDANTS + 1 - SHOWN
    ]
    once = "select clip_id from moderation.events where type = 'clip.withdrawn' group by clip_id having count(*) <> 1"
    assert column(services, once) == []
    assert column(services, f"{counted}events where type = 'clip.withdrawn'") == [SHOWN]
    entries = "audit_entries where body::json ->> 'action' = '{}'"
    assert column(services, counted + entries.format("clip.withdrawn")) == [SHOWN]
    assert column(services, counted + entries.format("clip.judged_again")) == [DESCENDANTS + 1 - SHOWN]
    runs = "select count(*)::int from dbos.workflow_status where name = 'process_clip'"
    assert column(services, runs) == [DESCENDANTS + 1 - SHOWN]
    assert column(services, f"{counted}revocation_targets where state = 'purged' and purge") == [SHOWN]
    told = column(services, "select type from moderation.events where about is not null order by seq")
    assert told == ["revocation.started", "revocation.progressed", "revocation.completed"]
    # A delivery that was cut off is made again with the same id: at least once, and never of another clip.
    assert set(column(services, "select event_id from moderation.events where clip_id is not null")) <= set(
        receiver.got
    )
