"""Closed hash services: the contract any adapter can be tried by, and the HTTP form against a service on loopback."""

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from pydantic import SecretStr, ValidationError

from moderation.hashlists import providers
from moderation.hashlists.conformance import NotConforming, demand_conformance, demand_failure_told
from moderation.hashlists.lists import Category
from moderation.hashlists.providers import HttpHashService, QueryFrame, ServiceMatch, ServiceUnavailable, load_services
from moderation.settings import HashServiceSettings

KNOWN = QueryFrame(time_ms=500, pdq=b"\x11" * 32, quality=90)
UNKNOWN = QueryFrame(time_ms=1000, pdq=b"\x22" * 32, quality=90)


class Outside(BaseHTTPRequestHandler):
    """A service that knows one hash; the path asks for a way to fail."""

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append((self.headers["Authorization"], asked))
        if self.path == "/slow":
            time.sleep(1.0)
        frames = [frame for frame in asked["frames"] if frame.get("hash") == KNOWN.pdq.hex()]
        found = [{"time_ms": each["time_ms"], "category": "takedown", "list": "beach"} for each in frames]
        strange = {
            "/nonsense": b"<html>",
            "/bare": b"[]",
            "/category": b'{"matches": [{"time_ms": 500, "category": "dull", "list": "x"}]}',
            "/others": b'{"matches": [{"time_ms": 7, "category": "takedown", "list": "x"}]}',
            "/huge": b" " * (providers._LARGEST_ANSWER + 1),
        }
        body = strange.get(self.path, json.dumps({"matches": found, "more": 1}).encode())
        self.send_response(500 if self.path == "/broken" else 302 if self.path == "/moved" else 200)
        self.send_header("Location", "/")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def outside() -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Outside)
    server.asked = []
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def service(server, path="/", **more):
    url = f"http://127.0.0.1:{server.server_port}{path}"
    return HttpHashService(HashServiceSettings(name="outside", url=url, **({"timeout_seconds": 0.3} | more)))


def test_the_http_form_keeps_the_contract_and_tells_no_more_than_hashes(outside):
    asking = service(outside, token=SecretStr("secret"), timeout_seconds=30)
    demand_conformance(asking, known=KNOWN, unknown=UNKNOWN)
    key, asked = outside.asked[-1]
    assert key == "Bearer secret"
    assert asked == {
        "version": 1,
        "frames": [{"time_ms": 500, "algorithm": "pdq", "hash": KNOWN.pdq.hex(), "quality": 90}],
    }
    asking.match([QueryFrame(time_ms=1, jpeg=b"jpeg")])
    assert outside.asked[-1][1]["frames"] == [{"time_ms": 1, "jpeg": "anBlZw=="}]


@pytest.mark.parametrize("path", ["/slow", "/nonsense", "/bare", "/category", "/others", "/huge", "/broken", "/moved"])
def test_every_failure_is_told_and_none_is_an_answer(outside, path):
    demand_failure_told(service(outside, path), KNOWN)


def test_a_service_nobody_serves_is_told(outside):
    outside.shutdown()
    outside.server_close()
    demand_failure_told(service(outside), KNOWN)


class Adapter:
    """An adapter somebody wrote; `flaw` makes it a bad one."""

    name, wants = "adapter", "hashes"

    def __init__(self, flaw=""):
        self.flaw, self.calls = flaw, 0

    def match(self, frames):
        self.calls += 1
        if self.flaw == "raises":
            raise KeyError("x")
        known = [frame for frame in frames if frame.pdq == KNOWN.pdq or self.flaw == "matches all"]
        if self.flaw == "deaf" or (self.flaw == "forgets" and self.calls > 3):
            known = []
        if self.flaw == "first only":
            known = known if frames and frames[0].pdq == KNOWN.pdq else []
        source = "" if self.flaw == "nameless" else "list"
        return [ServiceMatch(time_ms=each.time_ms, category=Category.TAKEDOWN, list=source) for each in known]


def test_a_good_adapter_passes():
    demand_conformance(Adapter(), known=KNOWN, unknown=UNKNOWN)


@pytest.mark.parametrize("flaw", ["matches all", "deaf", "forgets", "first only", "nameless"])
def test_a_bad_adapter_does_not(flaw):
    with pytest.raises(NotConforming):
        demand_conformance(Adapter(flaw), known=KNOWN, unknown=UNKNOWN)


@pytest.mark.parametrize("flaw", ["raises", ""])
def test_an_adapter_that_hides_a_failure_does_not(flaw):
    with pytest.raises(NotConforming):
        demand_failure_told(Adapter(flaw), KNOWN)


def test_services_are_loaded_by_name_and_never_twice():
    first, second = (HashServiceSettings(name=name, url="http://127.0.0.1/") for name in ("b", "a"))
    assert [each.name for each in load_services([first, second])] == ["a", "b"]
    with pytest.raises(ValueError, match="share a name"):
        load_services([first, first])
    with pytest.raises(ValidationError):
        HashServiceSettings(name="file", url="file:///etc/passwd")


def test_a_plug_in_that_cannot_be_loaded_stops_the_start(monkeypatch):
    class Point:
        def load(self):
            raise ImportError("gone")

    monkeypatch.setattr(providers, "entry_points", lambda group: [Point()])
    with pytest.raises(ImportError):
        load_services([])
    assert issubclass(ServiceUnavailable, Exception)
