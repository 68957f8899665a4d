"""kill -9 of the worker and of the database in the middle of looks: each clip is looked at, counted once, none lost.

Real Postgres, real engine, real clips that real networks look at.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path

import cv2
import numpy as np
import pytest
from families import Row, write

from moderation.assembly import open_services
from moderation.enrolment import register_person
from moderation.errors import Outage
from moderation.lookbacks import asking
from moderation.lookbacks.progress import progress
from moderation.outcomes import database_away
from moderation.postgres import EmbeddedPostgres
from moderation.samples.footage import write_footage
from moderation.samples.portraits import portrait
from moderation.samples.stills import near
from moderation.settings import Settings

pytestmark = [pytest.mark.full, pytest.mark.timeout(600)]

WORKER = Path(__file__).resolve().parent.parent / "assets" / "looking_worker.py"
CLIPS, SHOWN = 8, 4
#: At which clip somebody is killed while it is looked at.
KILLED = {1: "worker", 3: "database", 5: "worker"}
SECONDS = 400.0


@pytest.fixture
def services(embedded_pack):
    with tempfile.TemporaryDirectory(prefix="cs-look-") as name:
        Path(name).chmod(0o755)
        with open_services(Settings(state=Path(name) / "state", env="development")) as opened:
            yield opened


class Worker:
    """One worker process, started again whenever it was killed."""

    def __init__(self, state: Path) -> None:
        self.state, self.deaths = state, 0
        self.log = (state.parent / "worker.log").open("ab")
        self.start()

    def start(self) -> None:
        command = [sys.executable, str(WORKER), str(self.state)]
        self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self.deaths += 1
        self.start()

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self.log.close()


def put_clips(services, folder) -> list[str]:
    """Clips of three seconds, every other of which shows the person; newest last."""
    shown, empty = folder / "shown.mp4", folder / "empty.mp4"
    picture = cv2.imread(str(portrait("collins", services.settings.models)))
    write_footage(shown, near(picture, 90, 720, 720), fps=30)
    write_footage(empty, iter([np.full((720, 720, 3), 90, np.uint8)] * 90), fps=30)
    stored = [services.store.put("default", "upload", path).sha256 for path in (shown, empty)]
    with services.database.transaction() as tx:
        clips = write(tx, [Row() for _ in range(CLIPS)])
        for number, clip in enumerate(clips):
            tx.pg.execute(
                "update moderation.clips set content_sha256 = %s, probe = %s, created_at = %s where clip_id = %s",
                (stored[number % 2], json.dumps({"duration_ms": 3000}), services.clock.now(), clip),
            )
    return clips


def asked_of(services, query, *args):
    """The first column of a query; None while the database is away."""
    try:
        services.watch_database()
        with services.database.system_transaction() as tx:
            return [row[0] for row in tx.pg.execute(query, args).fetchall()]
    except Outage:
        return None
    except Exception as error:
        if not database_away(error):
            raise
        return None


def test_each_clip_is_looked_at_and_counted_once_whoever_is_killed(services, tmp_path):
    clips = put_clips(services, tmp_path)
    picture = portrait("collins", services.settings.models)
    person = register_person(services, "default", name="Eileen Collins", kind="cameo", images=[picture], by="test")
    now = services.clock.now()
    window = asking.Window(since=now - timedelta(days=1), until=now + timedelta(days=1))
    with services.database.transaction() as tx:
        lookback = asking.ask(services, tx, person, window, by="test")
    server = services._server
    assert isinstance(server, EmbeddedPostgres)
    begun, killed, deadline = [], [], time.monotonic() + SECONDS
    worker = Worker(services.settings.state)
    try:
        while asked_of(services, "select state from moderation.lookbacks") != ["done"]:
            assert time.monotonic() < deadline, (begun, killed)
            in_hand = "select clip_id from moderation.lookback_clips where tries > 0 and unreadable is null"
            for clip in asked_of(services, in_hand) or ():
                if clip in begun:
                    continue
                begun.append(clip)
                # The try is noted, and the look is under way: a clip takes most of a second.
                time.sleep(0.3)
                match KILLED.get(len(begun)):
                    case "worker":
                        worker.kill()
                        killed.append("worker")
                    case "database" if (pid := server.pid()) is not None:
                        os.kill(pid, signal.SIGKILL)
                        killed.append("database")
            time.sleep(0.05)
    finally:
        worker.close()
    assert killed == list(KILLED.values())
    with services.database.transaction() as tx:
        done = progress(tx, person, lookback)
    assert (done.clips, done.known, done.left, done.moved_on) == (CLIPS, 0, 0, 0)
    assert (done.looked, done.matched, done.unreadable) == (CLIPS, SHOWN, 0)
    assert asked_of(services, "select count(*) from moderation.lookback_clips") == [0]
    found = asked_of(services, "select clip_id from moderation.appearances where person_id = %s order by 1", person)
    assert found == sorted(clips[::2])
    again = (
        "select body::json ->> 'subject' from moderation.audit_entries where body::json ->> 'action' = %s order by 1"
    )
    assert asked_of(services, again, "clip.judged_again") == sorted(clips[::2])
    assert asked_of(services, "select count(*) from moderation.events where type = 'lookback.completed'") == [1]
