"""kill -9 of a worker at every step boundary and inside every step: each accepted clip still ends once, marked.

Real Postgres, real weights, real marks. Every kill is one order to one worker process (tests/assets/mortal_worker.py).
"""

import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from moderation import intake
from moderation.assembly import open_services
from moderation.clips import Submission
from moderation.samples.drawing import draw_clip
from moderation.settings import Settings

WORKER = Path(__file__).resolve().parent.parent / "assets" / "mortal_worker.py"
STEPS = ("begin", "screen", "detect", "mark", "judge", "prove", "release", "deliver")
MOMENTS = ("before", "inside", "after")
SETTLED = {"released", "in_review", "withheld", "refused", "withdrawn"}
SECONDS = 120.0

pytestmark = [pytest.mark.full, pytest.mark.timeout(2400)]


class Receiver:
    """The platform's own webhook receiver: keeps (clip, webhook-id) of whatever arrives."""

    def __init__(self) -> None:
        self.got: list[tuple[bytes, str]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                receiver.got.append((body, self.headers["webhook-id"]))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/hook"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def ids_of(self, clip_id: str) -> set[str]:
        return {identity for body, identity in list(self.got) if clip_id.encode() in body}


class Deployment:
    """One state, its services in this process, and a worker process that is started again whenever it dies."""

    def __init__(self, folder: Path, services, receiver: Receiver, *, guarded: bool) -> None:
        self.folder, self.services, self.receiver, self.guarded = folder, services, receiver, guarded
        self.orders, self.done = folder / "orders", folder / "done"
        self.orders.mkdir()
        self.done.mkdir()
        self.source = folder / "clip.mp4"
        draw_clip(self.source, seconds=1, width=320, height=180)
        self.log = (folder / "worker.log").open("ab")
        self.worker: subprocess.Popen[bytes] | None = None
        self.deaths = 0
        self.replace = True

    def tend(self) -> None:
        """Start the worker when there is none, or when it died."""
        if self.worker is not None and self.worker.poll() is not None:
            assert self.worker.returncode == -9, f"the worker ended by itself: {self.worker.returncode}"
            self.deaths += 1
            self.worker = None
        if self.worker is None and self.replace:
            command = [sys.executable, str(WORKER), str(self.services.settings.state), str(self.orders)]
            self.worker = subprocess.Popen(
                command + ([] if self.guarded else ["unguarded"]),
                stdout=subprocess.DEVNULL,
                stderr=self.log,
            )

    def submit(self) -> str:
        submission = Submission(creator="tester", callback_url=self.receiver.url)
        return intake.accept_file(self.services, "default", "tester", self.source, submission).clip_id

    def status(self, clip_id: str) -> str:
        return str(self.scalar("select status from moderation.clips where clip_id = %s", clip_id))

    def scalar(self, query: str, *args: object) -> object:
        with self.services.database.system_transaction() as tx:
            row = tx.pg.execute(query, args).fetchone()
        return row[0] if row else None

    def until(self, found, seconds: float = SECONDS) -> bool:
        deadline = time.monotonic() + seconds
        while not found():
            self.tend()
            if time.monotonic() > deadline:
                return False
            time.sleep(0.1)
        return True

    def close(self) -> None:
        if self.worker is not None:
            self.worker.kill()
            self.worker.wait()
        self.log.close()
        self.receiver.server.shutdown()
        self.receiver.server.server_close()


@pytest.fixture
def deploy(embedded_pack) -> Iterator:
    """Make a deployment on a state of its own, ended after the test."""
    with tempfile.TemporaryDirectory(prefix="cs-kills-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        settings = Settings(
            state=folder / "state",
            env="development",
            webhooks={"allow_loopback": True},
            retrying={"held_first_seconds": 1.0, "held_max_seconds": 2.0},
        )
        made = []
        with open_services(settings) as services:

            def make(*, guarded: bool = True) -> Deployment:
                made.append(Deployment(folder, services, Receiver(), guarded=guarded))
                return made[-1]

            yield make
            for deployment in made:
                deployment.close()


def ended_once(deployment: Deployment, clip_id: str) -> None:
    """One final state, one released file with proven marks, one event, one webhook id."""
    assert deployment.status(clip_id) == "released"
    assert deployment.scalar("select count(*) from moderation.releases where clip_id = %s", clip_id) == 1
    assert (
        deployment.scalar(
            "select count(*) from moderation.releases r join moderation.proofs p using (clip_id, sha256) "
            "join moderation.renditions m using (clip_id, sha256) where clip_id = %s and p.passed",
            clip_id,
        )
        == 1
    )
    assert deployment.scalar("select count(*) from moderation.events where clip_id = %s", clip_id) == 1
    assert deployment.until(lambda: deployment.receiver.ids_of(clip_id)), "no webhook arrived"
    assert len(deployment.receiver.ids_of(clip_id)) == 1


def killed_once(deployment: Deployment, step: str, moment: str) -> str:
    """Submit a clip whose worker dies at one moment of one step; return it once it is settled."""
    (deployment.orders / f"{step}.{moment}").touch()
    died = deployment.deaths
    clip = deployment.submit()
    assert deployment.until(lambda: deployment.status(clip) in SETTLED), (step, moment, deployment.status(clip))
    assert deployment.until(lambda: deployment.deaths > died), f"nobody died {moment} {step}"
    print(f"killed {moment} {step}: {clip} is {deployment.status(clip)}")
    return clip


def test_a_kill_at_every_boundary_and_inside_every_step_ends_every_clip_once(deploy) -> None:
    deployment = deploy()
    clips = []
    kills = [(step, moment) for step in STEPS for moment in MOMENTS]
    # The longest steps die inside more than once: there is more of them to die in.
    kills += [(step, "inside") for step in ("detect", "mark", "prove")] * 2
    assert len(kills) >= 30
    for step, moment in kills:
        clips.append(killed_once(deployment, step, moment))
    for clip in clips:
        ended_once(deployment, clip)
    assert deployment.deaths == len(kills)
    carried_out = Counter(path.name.rsplit(".", 1)[0] for path in deployment.done.iterdir())
    assert sum(carried_out.values()) == len(kills)


def test_without_the_guard_the_work_of_a_dead_worker_is_stranded(deploy) -> None:
    deployment = deploy(guarded=False)
    (deployment.orders / "judge.inside").touch()
    clip = deployment.submit()
    assert deployment.until(lambda: deployment.deaths == 1)
    assert not deployment.until(lambda: deployment.status(clip) in SETTLED, seconds=15)
