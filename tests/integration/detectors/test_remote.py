"""A detector at the other end of a connection: a real server on the loopback, and everything it may do wrong."""

import base64
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import cv2
import numpy as np
import pytest

from detectors.base import DetectorError, DetectorUnavailable, Frame, State, Subject
from detectors.remote import Remote, RemoteDetector, digest_of, read_remotes
from moderation.errors import ClipFault, Outage
from moderation.scoring import guarded

MODEL = {"id": "vendor", "version": "7"}


class Server(ThreadingHTTPServer):
    """Answers with the mean brightness of each JPEG, unless it was told to misbehave."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.questions: list[dict] = []
        self.tokens: list[str | None] = []
        self.statuses: list[int] = []
        self.change = lambda answer: answer
        self.pause_s = 0.0
        self.trickle_s = 0.0
        self.headers_trickle = False
        self.said = b""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/look"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.questions.append(question)
        self.server.tokens.append(self.headers["Authorization"])
        time.sleep(self.server.pause_s)
        status = self.server.statuses.pop(0) if self.server.statuses else 200
        frames = [{"time_ms": f["time_ms"], "scores": {"nsfw": brightness(f["jpeg"])}} for f in question["frames"]]
        answer = self.server.said or json.dumps(self.server.change({"model": dict(MODEL), "frames": frames})).encode()
        if self.server.headers_trickle:
            self.trickle_headers()
        self.send_response(status)
        if status == 302:
            self.send_header("Location", self.server.url)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        for start in range(0, len(answer), 20 if self.server.trickle_s else len(answer)):
            time.sleep(self.server.trickle_s)
            self.wfile.write(answer[start : start + 20] if self.server.trickle_s else answer)
            self.wfile.flush()

    def trickle_headers(self) -> None:
        """Begin an answer that never gets to its body; each byte comes well within any time limit of a read."""
        self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
        while self.server.headers_trickle:
            time.sleep(0.02)
            self.wfile.write(b"x")
            self.wfile.flush()

    def log_message(self, *args) -> None:
        pass


def brightness(jpeg: str) -> float:
    return round(
        float(cv2.imdecode(np.frombuffer(base64.b64decode(jpeg), np.uint8), cv2.IMREAD_GRAYSCALE).mean()) / 255, 4
    )


@pytest.fixture
def server():
    with Server() as made:
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield made
        made.change = lambda answer: answer
        made.headers_trickle = False
        made.shutdown()
        thread.join()


@pytest.fixture
def detector(server):
    made = []

    def make(**more) -> RemoteDetector:
        agreed = {"frames_per_call": 4, "seconds_per_call": 5, "signals": {"remote.explicit": "nsfw"}, **more}
        made.append(RemoteDetector(Remote(name="vendor", url=server.url, model="vendor", version="7", **agreed)))
        return made[-1]

    yield make
    for one in made:
        one.close()


def frames(count: int) -> list[Frame]:
    return [Frame(index=i, time_ms=100 * i, pixels=np.full((90, 160, 3), 20 * i, np.uint8)) for i in range(count)]


def look(detector: RemoteDetector, count: int = 10, subject: Subject | None = None):
    inspection = detector.open(subject or Subject(duration_ms=1000))
    for frame in frames(count):
        inspection.see([frame])
    (signal,) = inspection.finish().signals
    return signal


def test_every_frame_gets_its_score(detector, server):
    signal = look(detector())
    assert signal.state is State.MEASURED
    assert (signal.model.id, signal.model.version) == ("vendor", "7")
    assert [sample.time_ms for sample in signal.samples] == list(range(0, 1000, 100))
    np.testing.assert_allclose(
        [sample.value for sample in signal.samples], [20 * i / 255 for i in range(10)], atol=0.01
    )
    assert [len(question["frames"]) for question in server.questions] == [4, 4, 2]


def test_texts_are_sent_only_where_that_was_agreed(detector, server):
    subject = Subject(duration_ms=1000, texts={"prompt": "a cat"})
    look(detector(), 1, subject)
    look(detector(texts=True), 1, subject)
    assert [question["texts"] for question in server.questions] == [{}, {"prompt": "a cat"}]


def test_the_token_comes_from_the_environment(detector, server, monkeypatch):
    with pytest.raises(DetectorUnavailable, match="has no VENDOR_TOKEN"):
        detector(token_env="VENDOR_TOKEN")
    monkeypatch.setenv("VENDOR_TOKEN", "s3cret")
    look(detector(token_env="VENDOR_TOKEN"), 1)
    assert server.tokens == ["Bearer s3cret"]


def test_no_frame_is_no_measurement(detector):
    assert look(detector(), 0).state is State.FAILED


def first_score(value):
    def change(answer):
        answer["frames"][0]["scores"]["nsfw"] = value
        return answer

    return change


@pytest.mark.parametrize(
    "change",
    [
        first_score(1.2),
        first_score(float("nan")),
        first_score("0.1"),
        first_score(True),
        first_score(None),
        lambda answer: {**answer, "frames": answer["frames"][:-1]},
        lambda answer: {**answer, "frames": answer["frames"][::-1]},
        lambda answer: {**answer, "frames": [{**f, "scores": {}} for f in answer["frames"]]},
        lambda answer: {**answer, "model": {"id": "vendor", "version": "8"}},
        lambda answer: {**answer, "padding": "x" * (2 << 20)},
        lambda answer: {**answer, "frames": [*answer["frames"], answer["frames"][-1]]},
        lambda answer: [],
        lambda answer: "fine",
    ],
)
def test_an_answer_that_is_not_whole_is_no_answer(detector, server, change):
    server.change = change
    with pytest.raises(DetectorUnavailable):
        look(detector(), 3)


@pytest.mark.parametrize("status", [302, 401, 403, 404, 500, 501])
def test_a_server_that_refuses_everybody_is_unavailable(detector, server, status):
    server.statuses = [status]
    with pytest.raises(DetectorUnavailable, match=str(status)):
        look(detector(), 1)
    assert len(server.questions) == 1


@pytest.mark.parametrize("status", [400, 413, 415, 422])
def test_frames_that_a_server_refuses_are_the_clips_fault(detector, server, status):
    server.statuses = [status]
    with pytest.raises(DetectorError) as refused:
        look(detector(), 1)
    assert not isinstance(refused.value, DetectorUnavailable)


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_for_now_is_tried_once_more(detector, server, status):
    server.statuses = [status]
    assert look(detector(), 1).state is State.MEASURED
    server.statuses = [status, status]
    with pytest.raises(DetectorUnavailable, match=str(status)):
        look(detector(), 1)


def test_slowness_has_an_end(detector, server):
    server.pause_s = 1.0
    started = time.monotonic()
    with pytest.raises(DetectorUnavailable):
        look(detector(seconds_per_call=0.2), 1)
    assert time.monotonic() - started < 0.9


def test_an_answer_that_trickles_has_an_end(detector, server):
    server.trickle_s = 0.1
    started = time.monotonic()
    with pytest.raises(DetectorUnavailable):
        look(detector(seconds_per_call=0.25), 4)
    assert time.monotonic() - started < 1.0


def test_headers_that_trickle_have_an_end_and_what_is_left_behind_is_bounded(detector, server):
    server.headers_trickle = True
    slow = detector(seconds_per_call=0.3, calls_at_once=1)
    started = time.monotonic()
    with pytest.raises(DetectorUnavailable, match="did not answer in"):
        look(slow, 1)
    with pytest.raises(DetectorUnavailable, match="none ends"):
        look(slow, 1)
    assert time.monotonic() - started < 2.0
    assert len(server.questions) == 1
    server.headers_trickle = False
    assert look(detector(calls_at_once=1), 1).state is State.MEASURED


def test_an_answer_nested_without_end_is_no_answer(detector, server):
    server.said = b"[" * 100_000 + b"]" * 100_000
    with pytest.raises(DetectorUnavailable, match="cannot be used"):
        look(detector(), 1)


def test_nobody_there_is_unavailable(server):
    gone = RemoteDetector(
        Remote(name="gone", url="http://127.0.0.1:9/", model="m", version="1", signals={"remote.explicit": "nsfw"})
    )
    with pytest.raises(DetectorUnavailable, match="cannot be reached"):
        look(gone, 1)
    gone.close()


def test_the_probe_must_answer_as_agreed(detector, server):
    detector(probe={"nsfw": 0.35}, probe_tolerance=0.3).self_check()
    server.change = first_score(0.99)
    detector().self_check()
    with pytest.raises(DetectorUnavailable, match="scores its probe"):
        detector(probe={"nsfw": 0.2}).self_check()
    server.statuses = [422]
    with pytest.raises(DetectorUnavailable, match="cannot look at its probe"):
        detector().self_check()


AGREED = {
    "name": "vendor",
    "url": "https://vendor.example/",
    "model": "m",
    "version": "1",
    "signals": {"remote.x": "x"},
}


@pytest.mark.parametrize(
    "change",
    [
        {"url": "http://vendor.example/"},
        {"url": "ftp://vendor.example/"},
        {"signals": {"explicit.score": "nsfw"}},
        {"signals": {}},
        {"name": "Vendor 1"},
        {"seconds_per_call": 1000},
        {"frames_per_call": 0},
        {"long_side": 1},
        {"probe": {"nsfw": 0.2}, "probe_tolerance": float("nan")},
        {"probe": {"nsfw": 0.2}, "probe_tolerance": 1},
        {"probe": {"nsfw": float("nan")}},
        {"probe": {"nsfw": 0.03}, "probe_tolerance": 0.05},
    ],
)
def test_what_cannot_be_meant_is_refused(change):
    with pytest.raises(ValueError):
        Remote(**{**AGREED, **change})


def test_a_file_of_remotes(tmp_path):
    path = tmp_path / "remote.toml"
    path.write_text(
        '[[detectors]]\nname = "vendor"\nurl = "https://vendor.example/look"\nmodel = "m"\nversion = "1"\n'
        '[detectors.signals]\n"remote.explicit" = "nsfw"\n'
    )
    (remote,) = read_remotes(path)
    assert remote.signals == {"remote.explicit": "nsfw"}
    path.write_text(path.read_text().replace('version = "1"', 'version = "2"'))
    assert digest_of(read_remotes(path)) != digest_of([remote])
    path.write_text(path.read_text() + "surprise = 1\n[[detectors]]\nsurprise = 1\n")
    with pytest.raises(DetectorUnavailable, match="cannot be used"):
        read_remotes(path)


def test_a_server_that_dies_holds_clips_and_one_that_refuses_a_clip_does_not(detector, server):
    one = detector()
    server.statuses = [422]
    with pytest.raises(ClipFault, match="422"):
        guarded(one, one.open(Subject(duration_ms=1)).see, frames(4))
    server.statuses = [500, 500]
    with pytest.raises(Outage) as held:
        guarded(one, one.open(Subject(duration_ms=1)).see, frames(4))
    assert held.value.cause == "detector:vendor"
