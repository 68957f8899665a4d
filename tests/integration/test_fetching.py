"""Clips by `source_url` from a real server on loopback: fetched once, refused for good, or held while unreachable."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from moderation import fetching, holding
from moderation.errors import Outage
from moderation.settings import Webhooks
from moderation.steps import begin


class Source:
    """Serves bytes under /clip, and answers other paths with the status they name."""

    def __init__(self, content: bytes) -> None:
        self.asked = 0
        source = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                source.asked += 1
                status = 200 if self.path == "/clip" else int(self.path[1:])
                self.send_response(status)
                self.send_header("Location", "/clip")
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def source(drawn) -> Iterator[Source]:
    source = Source(drawn.read_bytes())
    yield source
    source.close()


@pytest.fixture
def service(run_app):
    return run_app(webhooks=Webhooks(allow_loopback=True))


def submitted(service, url: str) -> str:
    answer = service.client.post("/v1/clips", json={"source_url": url, "creator": "ana"})
    assert answer.status_code == 202, answer.text
    clip = answer.json()["id"]
    assert begin(service.services, "default", clip, 1) == "fetch"
    return clip


def fetch(service, clip: str, generation: int = 1) -> str:
    return fetching.fetch(service.services, "default", clip, generation)


def read(service, clip: str) -> dict:
    return service.client.get(f"/v1/clips/{clip}").json()


def test_a_clip_is_fetched_once(service, source):
    clip = submitted(service, f"{source.url}/clip")
    assert fetch(service, clip) == "fetched"
    assert (read(service, clip)["duration_ms"], read(service, clip)["creator"]) == (1000, "ana")
    assert (fetch(service, clip), source.asked) == ("fetched", 1)
    assert fetch(service, clip, generation=2) == "refused"
    assert read(service, clip)["status"] == "processing"


def test_an_unusable_source_refuses_the_clip_at_once(run_app, settings, service, source):
    for path in ("/404", "/302"):
        clip = submitted(service, source.url + path)
        assert fetch(service, clip) == "refused"
        assert (read(service, clip)["status"], read(service, clip)["problem"]["code"]) == ("refused", "bad_source")
    private = submitted(service, "http://10.0.0.1/clip")
    assert fetch(service, private) == "refused"
    assert read(service, private)["problem"]["type"] == "/problems/forbidden_destination"
    small = run_app(webhooks=Webhooks(allow_loopback=True), limits=settings.limits.model_copy(update={"max_bytes": 99}))
    large = submitted(small, f"{source.url}/clip")
    assert fetch(small, large) == "refused"
    assert (read(small, large)["problem"]["limit"], read(small, large)["problem"]["value"]) == ("max_bytes", 99)
    with service.services.database.transaction() as tx:
        told = tx.pg.execute("select count(*) from moderation.events where type = 'clip.refused'").fetchone()
    assert told == (4,)


def test_what_is_no_video_is_refused_as_at_the_door(service, source, tmp_path):
    other = Source(b"no film " * 100)
    clip = submitted(service, f"{other.url}/clip")
    assert fetch(service, clip) == "refused"
    assert read(service, clip)["problem"]["code"] == "not_video"
    other.close()


def test_an_unreachable_source_holds_the_clip_and_at_last_refuses_it(service, source):
    clip = submitted(service, f"{source.url}/503")
    for generation in range(1, fetching.TRIES):
        with pytest.raises(Outage) as outage:
            fetch(service, clip, generation)
        assert outage.value.cause == "source"
        holding.hold(service.services, "default", clip, generation, outage.value.cause)
        assert read(service, clip)["held"]["cause"] == "source"
        with service.services.database.transaction() as tx:
            tx.pg.execute("update moderation.clips set retry_at = now() - interval '1 second'")
        assert holding.resume_held(service.services) == 1
    assert fetch(service, clip, fetching.TRIES) == "refused"
    assert (read(service, clip)["status"], read(service, clip)["problem"]["code"]) == ("refused", "unreachable_source")
    assert source.asked == fetching.TRIES


def test_loopback_is_refused_unless_allowed(run_app, source):
    service = run_app()
    clip = submitted(service, f"{source.url}/clip")
    assert (fetch(service, clip), source.asked) == ("refused", 0)
