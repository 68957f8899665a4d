"""kill -9 at random while clips come in: every accepted clip ends released, once, marked, and told of once.

Everything from outside: HTTP, webhooks, commands, the process table. The seed is printed and may be given again by
`CHAOS_SEED`; it fixes who dies in which order after which pause, not what the machine does in between.
"""

import json
import os
import random
import signal
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from standardwebhooks.webhooks import Webhook

from moderation.samples.drawing import draw_clip

pytestmark = [pytest.mark.full, pytest.mark.timeout(3000)]

CLIPS = 8
#: A clip whose decoder dies three times is a person's to decide; two deaths no clip may notice.
KILLS = {"api": 3, "worker": 4, "postgres": 3, "decoder": 2, "up": 1}
PAUSE_SECONDS = (1.0, 8.0)
VICTIM_SECONDS = 300.0
SETTLED_SECONDS = 1200.0
#: Answers that a client tries again on: the key was still held by a request that died, or the key to the service
#: itself changed with its restart, or a part of it is away.
TRY_AGAIN = {401, 409, 500, 502, 503, 504}
MARKS = ("visible", "invisible", "c2pa")


class Receiver:
    """The platform's own webhook receiver: keeps every message whose signature is right."""

    def __init__(self) -> None:
        self.messages: list[tuple[bytes, dict[str, str]]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                receiver.messages.append((body, {name.lower(): value for name, value in self.headers.items()}))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/hook"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def told(self, secret: str) -> dict[str, set[tuple[str, str]]]:
        """Clip -> the (webhook id, type) of what was said of it."""
        told = defaultdict(set)
        for body, headers in list(self.messages):
            event = json.loads(body)
            # As the receiver's own library checks it; only the age of the message is left out.
            sent = Webhook(secret).sign(headers["webhook-id"], _when(headers), body.decode())
            assert sent in headers["webhook-signature"].split()
            told[event["data"]["clip_id"]].add((headers["webhook-id"], event["type"]))
        return told


def _when(headers: dict[str, str]) -> datetime:
    return datetime.fromtimestamp(int(headers["webhook-timestamp"]), UTC)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.server.shutdown()
    receiver.server.server_close()


@pytest.fixture
def rng() -> random.Random:
    seed = int(os.environ.get("CHAOS_SEED") or random.SystemRandom().randrange(10**6))
    sys.stdout.write(f"\nCHAOS_SEED={seed}\n")
    return random.Random(seed)


class Platform:
    """Hands clips in under an Idempotency-Key each and tries again until each is taken, whatever happens meanwhile."""

    def __init__(self, up, files: list[Path]) -> None:
        self.up = up
        self.files = files
        self.clips: dict[str, str] = {}
        self.attempts = 0
        self.surprise: str | None = None
        self.turns = threading.Semaphore(0)
        self.thread = threading.Thread(target=self._hand_in_all, daemon=True)
        self.thread.start()

    def _hand_in_all(self) -> None:
        for number, file in enumerate(self.files):
            self.turns.acquire()
            try:
                self.clips[f"chaos-{number}"] = self.hand_in(f"chaos-{number}", file)
            except Exception as error:
                self.surprise = repr(error)
                raise

    def hand_in(self, key: str, file: Path) -> str:
        """Send one clip until it is accepted; its id."""
        while True:
            self.attempts += 1
            try:
                with self.up.client() as client, file.open("rb") as content:
                    answer = client.post(
                        "/v1/clips",
                        headers={"Idempotency-Key": key},
                        files={"metadata": (None, '{"creator": "ann"}'), "file": ("clip.mp4", content, "video/mp4")},
                    )
            except (httpx.HTTPError, FileNotFoundError):
                time.sleep(0.5)
                continue
            if answer.status_code in TRY_AGAIN:
                time.sleep(0.5)
                continue
            assert answer.status_code == 202, answer.text
            return answer.json()["id"]

    def statuses(self) -> dict[str, str] | None:
        """What each clip is now; None while the service cannot say."""
        try:
            with self.up.client() as client:
                answers = [client.get(f"/v1/clips/{clip}") for clip in self.clips.values()]
        except (httpx.HTTPError, FileNotFoundError):
            return None
        if any(answer.is_error for answer in answers):
            return None
        return {answer.json()["id"]: answer.json()["status"] for answer in answers}

    def all_settled(self) -> bool:
        assert self.surprise is None, self.surprise
        found = self.statuses() if len(self.clips) == len(self.files) else None
        return found is not None and not set(found.values()) & {"received", "processing", "held"}


def living(up, kind: str) -> list[int]:
    """The processes of one kind that could be killed now."""
    processes = up.processes()
    roles = {
        role: [pid for pid, process in processes.items() if process.command[1:4] == ["-m", "moderation", role]]
        for role in ("api", "worker")
    }
    return {
        **roles,
        "postgres": [pid for pid, process in processes.items() if process.command[0].endswith("/postgres")],
        "decoder": [
            pid
            for pid, process in processes.items()
            if "moderation.sandbox.child" in process.command and process.parent in roles["worker"]
        ],
    }[kind]


def kill_one(up, kind: str, rng: random.Random) -> None:
    """kill -9 one process of a kind, waiting for one to be there; after that of `up`, start it again."""
    if kind == "up":
        up.kill()
        up.start()
        return
    up.until(lambda: living(up, kind), VICTIM_SECONDS, f"no {kind} came back")
    os.kill(rng.choice(sorted(living(up, kind))), signal.SIGKILL)


def test_every_accepted_clip_ends_once_whoever_is_killed(deploy, receiver, rng, tmp_path):
    up = deploy(
        MODERATION_WEBHOOKS__ALLOW_LOOPBACK="true",
        MODERATION_RETRYING__HELD_FIRST_SECONDS="1",
        MODERATION_RETRYING__HELD_MAX_SECONDS="3",
    )
    files = [tmp_path / f"{number}.mp4" for number in range(CLIPS)]
    for number, file in enumerate(files):
        draw_clip(file, seconds=1, width=320, height=180, seed=number)
    up.start()
    with up.client() as client:
        secret = client.post("/v1/webhooks", json={"url": receiver.url}).raise_for_status().json()["secret"]

    platform = Platform(up, files)
    order = [kind for kind, times in KILLS.items() if kind != "decoder" for _ in range(times)]
    rng.shuffle(order)
    for _ in range(KILLS["decoder"]):
        # A worker starts its decoders with its first clip: only while clips come in is there one to kill.
        order.insert(rng.randrange(CLIPS - 1), "decoder")
    assert len(order) >= 12
    # One clip comes in ahead of each kill, so that there always is work to lose.
    platform.turns.release()
    for kind in order:
        platform.turns.release()
        time.sleep(rng.uniform(*PAUSE_SECONDS))
        kill_one(up, kind, rng)
        sys.stdout.write(f"killed {kind}: {len(platform.clips)} clips taken\n")
    up.until(platform.all_settled, SETTLED_SECONDS, "not every clip came to an end")
    sys.stdout.write(f"{platform.attempts} requests for {CLIPS} clips\n")

    assert set(platform.statuses().values()) == {"released"}, platform.statuses()
    clips = set(platform.clips.values())
    assert len(clips) == CLIPS
    every_key_stays_with_its_clip(platform)
    every_file_carries_its_marks(up, clips)
    every_clip_was_told_of_once(up, receiver, secret, clips)

    replayed = up.answer("replay", "--all")
    assert replayed["different"] == []
    assert replayed["equal"] >= CLIPS
    assert up.answer("audit", "verify") == {"whole": True, "breaks": []}
    assert up.interrupt() == 0, up.told()
    assert up.processes() == {}


def every_key_stays_with_its_clip(platform: Platform) -> None:
    for (key, clip), file in zip(platform.clips.items(), platform.files, strict=True):
        assert platform.hand_in(key, file) == clip
    with pytest.raises(AssertionError, match="unprocessable"):
        platform.hand_in("chaos-0", platform.files[1])


def every_file_carries_its_marks(up, clips: set[str]) -> None:
    with up.client() as client:
        for clip in sorted(clips):
            media = client.get(f"/v1/clips/{clip}/media").raise_for_status().content
            answer = client.post("/v1/verify", files={"file": ("clip.mp4", media, "video/mp4")}).json()
            assert (answer["origin"], answer["clip_id"]) == ("ours", clip)
            assert {name: answer["layers"][name]["state"] for name in MARKS} == dict.fromkeys(MARKS, "found")


def every_clip_was_told_of_once(up, receiver: Receiver, secret: str, clips: set[str]) -> None:
    """At least once each, and however often, always the same message."""

    def nothing_is_due() -> bool:
        with up.client() as client:
            return not client.get("/v1/webhooks/deliveries", params={"state": "pending"}).json()["items"]

    up.until(nothing_is_due, VICTIM_SECONDS, "deliveries stay due")
    told = receiver.told(secret)
    assert set(told) == clips
    assert {clip: len(messages) for clip, messages in told.items()} == dict.fromkeys(clips, 1)
    assert {kind for messages in told.values() for _, kind in messages} == {"clip.released"}
