"""The door over a real database and real sockets: what comes in, once; what is refused, and how."""

import base64
import contextlib
import json
import re
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import httpx
import psycopg

from moderation import heartbeat, intake
from moderation.clips import SETTLED
from moderation.clock import FixedClock
from moderation.settings import Policies

PROBLEM = "application/problem+json"


def form(path: Path, **metadata: object) -> dict[str, object]:
    return {
        "metadata": (None, json.dumps({"creator": "ana", **metadata}), "application/json"),
        "file": ("clip.mp4", path.read_bytes(), "video/mp4"),
    }


def count(dsn: str, query: str = "select count(*) from moderation.clips") -> int:
    with psycopg.connect(dsn) as connection:
        return connection.execute(query).fetchone()[0]


def litter(service) -> list[Path]:
    return [*service.services.scratch().glob("upload-*"), *service.services.scratch().glob("job-*")]


def until(found, seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def test_a_clip_is_taken_in_read_and_listed(service, drawn, dsn):
    answer = service.client.post("/v1/clips", files=form(drawn, title="Shapes", prompt="a\nb"))
    assert answer.status_code == 202, answer.text
    body = answer.json()
    assert (body["status"], set(body)) == ("received", {"id", "status", "status_url"})
    assert answer.headers["location"] == body["status_url"] == f"/v1/clips/{body['id']}"
    clip = service.client.get(body["status_url"]).json()
    assert (clip["id"], clip["creator"], clip["duration_ms"]) == (body["id"], "ana", 1000)
    assert litter(service) == []
    ids = [body["id"]] + [service.client.post("/v1/clips", files=form(drawn)).json()["id"] for _ in range(2)]
    first = service.client.get("/v1/clips", params={"limit": 2}).json()
    second = service.client.get("/v1/clips", params={"limit": 2, "cursor": first["next_cursor"]}).json()
    assert [line["id"] for line in first["items"] + second["items"]] == ids[::-1]
    assert second["next_cursor"] is None
    assert service.client.get("/v1/clips", params={"creator": "ben"}).json()["items"] == []
    assert len(service.client.get("/v1/clips", params={"status": "received", "creator": "ana"}).json()["items"]) == 3
    for cursor in ("x", base64.urlsafe_b64encode(b"2026-01-01T00:00:00+00:00 clip_\0").decode()):
        assert service.client.get("/v1/clips", params={"cursor": cursor}).json()["code"] == "invalid_request"
    assert count(dsn, "select count(*) from dbos.workflow_status") == 3


def test_every_error_is_a_problem_document(service, drawn):
    client, nobody = service.client, service.with_headers()
    found = {
        401: nobody.get("/v1/clips"),
        404: client.get("/v1/nothing"),
        405: client.put("/v1/clips"),
        415: client.post("/v1/clips", content=b"x", headers={"Content-Type": "text/plain"}),
        422: client.get("/v1/clips", params={"limit": 0}),
        403: service.with_scopes("read").post("/v1/clips", files=form(drawn)),
        400: client.post("/v1/clips", content=b"nonsense", headers={"Content-Type": "multipart/form-data; boundary=x"}),
    }
    for status, answer in found.items():
        body = answer.json()
        assert answer.status_code == body["status"] == status
        assert answer.headers["content-type"] == PROBLEM
        assert body["type"] == f"/problems/{body['code']}"
        assert body["request_id"] == answer.headers["x-request-id"]
    assert found[401].headers["www-authenticate"] == "Bearer"
    assert client.get("/v1/clips/clip_x").json()["code"] == "not_found"
    assert client.get("/v1/nothing", headers={"X-Request-Id": "abc-1"}).json()["request_id"] == "abc-1"
    assert nobody.get("/v1/clips", headers={"Authorization": "Bearer csk_no"}).json()["code"] == "unauthorised"
    assert nobody.get("/v1/clips", headers={"Authorization": "Basic eDp5"}).status_code == 401


def test_an_unforeseen_failure_tells_nothing(service):
    with psycopg.connect(service.services.dsn, autocommit=True) as connection:
        connection.execute("alter table moderation.mark_payloads rename to hidden_payloads")
    clip = service.client.get("/v1/clips/clip_0193b0c2a6f17d0e8f4a6a1a2b3c4d5e")
    assert clip.status_code == 404
    answer = service.client.get("/v1/marks/0123456789ab")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert "hidden" not in answer.text
    assert "mark_payloads" not in answer.text


def test_metadata_is_strict_and_errors_point_at_the_place(service, drawn, dsn):
    refused = {
        "/metadata/colour": {"colour": "red"},
        "/metadata/title": {"title": "a\x00b"},
        "/metadata/prompt": {"prompt": "x" * 20_001},
        "/metadata/creator": {"creator": "ana\u202e"},
        "/metadata/visibility": {"visibility": "secret"},
        "/metadata/callback_url": {"callback_url": "ftp://example.org"},
        "/metadata/cameos/0": {"cameos": ["ana"]},
        "/metadata/parents/0": {"parents": ["clip_1"]},
        "/metadata/locale": {"locale": "../x"},
    }
    for pointer, metadata in refused.items():
        answer = service.client.post("/v1/clips", files=form(drawn, **metadata))
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
        assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
    files = {**form(drawn), "metadata": (None, '{"title": "\\ud800"}')}
    assert service.client.post("/v1/clips", files=files).status_code == 422
    assert service.client.post("/v1/clips", files={**files, "metadata": (None, "[]")}).status_code == 422
    assert service.client.post("/v1/clips", files=[("file", b"a"), ("file", b"b")]).json()["code"] == "malformed_body"
    assert service.client.post("/v1/clips", files={"film": b"a"}).json()["part"] == "film"
    assert service.client.post("/v1/clips", files={"metadata": (None, "{}")}).status_code == 400
    assert (count(dsn), litter(service)) == (0, [])


def test_unusable_files_are_refused_at_the_door(service, tmp_path, dsn):
    cases = {"empty_file": b"", "not_video": b"no film " * 100}
    for code, content in cases.items():
        answer = service.client.post("/v1/clips", files={"file": ("a.mp4", content)})
        assert (answer.status_code, answer.json()["code"]) == (415, code)
    assert (count(dsn), litter(service)) == (0, [])


def test_what_is_too_large_is_refused_while_it_arrives(run_app, settings, drawn, dsn):
    limits = settings.limits.model_copy(update={"max_bytes": 100_000, "max_metadata_bytes": 1000})
    service = run_app(limits=limits)
    answer = service.client.post("/v1/clips", files={"file": b"x" * 3_000_000})
    body = answer.json()
    assert (answer.status_code, body["limit"], body["value"]) == (413, "max_bytes", 100_000)

    def endless():
        yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        for _ in range(300):
            yield b"x" * 10_000

    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    answer = service.client.post("/v1/clips", content=endless(), headers=headers)
    assert (answer.status_code, answer.json()["limit"]) == (413, "max_bytes")
    answer = service.client.post("/v1/clips", files=form(drawn, prompt="x" * 2000))
    assert (answer.status_code, answer.json()["limit"]) == (413, "max_metadata_bytes")
    answer = service.client.post("/v1/clips", json={"source_url": "https://a.example/" + "x" * 2000})
    assert (answer.status_code, answer.json()["limit"]) == (413, "max_metadata_bytes")
    huge = service.client.post("/v1/webhooks", content=b" " * 2_000_000, headers={"Content-Type": "application/json"})
    assert (huge.status_code, huge.headers["content-type"]) == (413, PROBLEM)
    assert (count(dsn), litter(service)) == (0, [])


@contextlib.contextmanager
def begun(service, body: bytes, size: int):
    """A request with the Idempotency-Key `slow` and the beginning of its body."""
    host, port = service.url.removeprefix("http://").split(":")
    key = service.client.headers["authorization"]
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        head = f"POST /v1/clips HTTP/1.1\r\nHost: x\r\nAuthorization: {key}\r\nIdempotency-Key: slow\r\n"
        head += f"Content-Type: multipart/form-data; boundary=b\r\nContent-Length: {size}\r\n\r\n"
        connection.sendall(head.encode() + body)
        yield connection


@contextlib.contextmanager
def half_sent(service, body: bytes, size: int):
    """The same when the body has begun to arrive."""
    with begun(service, body, size) as connection:
        until(lambda: litter(service))
        yield connection


def test_a_key_in_flight_is_refused_and_taken_over_from_the_dead(service, drawn, dsn):
    head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
    body = head + drawn.read_bytes() + b"\r\n--b--\r\n"
    headers = {"Idempotency-Key": "slow"}
    with half_sent(service, body[:5000], len(body)) as connection:
        second = service.client.post("/v1/clips", files=form(drawn), headers=headers)
        assert (second.status_code, second.json()["code"], count(dsn)) == (409, "conflict", 0)
        now = service.services.clock.now()
        service.services.clock = FixedClock(now + intake.RECEIVER_GONE + timedelta(seconds=1))
        third = service.client.post("/v1/clips", files=form(drawn), headers=headers)
        assert third.status_code == 202
        # The first one was not dead after all; it must not make a second clip.
        connection.sendall(body[5000:])
        assert b" 409 " in connection.recv(64)
    assert count(dsn) == 1


def test_a_client_that_reads_last_still_learns_why(run_app, settings):
    service = run_app(limits=settings.limits.model_copy(update={"max_bytes": 100_000}))
    with begun(service, b"--b\r\n", 20_000_005) as connection:
        connection.sendall(b"x" * 20_000_000)
        assert b" 413 " in connection.recv(64)


def test_a_client_that_leaves_mid_upload_leaves_nothing(service, dsn):
    head = b'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\n'
    with half_sent(service, head + b"x" * 2_000_000, 5_000_000):
        until(lambda: litter(service))
        assert count(dsn, "select count(*) from moderation.idempotency_keys") == 1
    until(lambda: not litter(service))
    until(lambda: count(dsn, "select count(*) from moderation.idempotency_keys") == 0)
    assert count(dsn) == 0


def test_twenty_duplicates_at_once_make_one_clip(service, drawn, dsn):
    def send(_: int) -> str:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            answer = service.client.post("/v1/clips", files=form(drawn), headers={"Idempotency-Key": "once"})
            if answer.status_code != 409:
                assert answer.status_code == 202, answer.text
                return answer.json()["id"]
            time.sleep(0.2)
        raise AssertionError("always in flight")

    with ThreadPoolExecutor(20) as pool:
        ids = set(pool.map(send, range(20)))
    assert (len(ids), count(dsn)) == (1, 1)
    assert count(dsn, "select count(*) from dbos.workflow_status") == 1


def test_a_key_stands_for_one_request(service, drawn, tmp_path):
    headers = {"Idempotency-Key": '"k 1"'.replace(" ", "-")}
    first = service.client.post("/v1/clips", files=form(drawn), headers=headers).json()["id"]
    assert service.client.post("/v1/clips", files=form(drawn), headers=headers).json()["id"] == first
    other = service.client.post("/v1/clips", files=form(drawn, title="b"), headers=headers)
    assert (other.status_code, other.json()["code"]) == (422, "unprocessable")
    file = tmp_path / "b.mp4"
    file.write_bytes(drawn.read_bytes() + b"\0\0\0\x08free")
    assert service.client.post("/v1/clips", files=form(file), headers=headers).status_code == 422
    # Another principal's keys are its own, and a refused request frees its key.
    assert service.with_scopes("submit").post("/v1/clips", files=form(drawn), headers=headers).json()["id"] != first
    bad = {"Idempotency-Key": "bad"}
    assert service.client.post("/v1/clips", files={"file": b"no"}, headers=bad).status_code == 415
    assert service.client.post("/v1/clips", files=form(drawn), headers=bad).status_code == 202
    assert service.client.post("/v1/clips", files=form(drawn), headers={"Idempotency-Key": "a b"}).status_code == 422


def test_waiting_gives_the_verdict_when_it_comes_in_time(service, drawn):
    client = service.client
    late = client.post("/v1/clips", files=form(drawn), headers={"Prefer": "respond-async, wait=1"})
    assert (late.status_code, late.headers["preference-applied"]) == (202, "wait=1")
    seen: list[str] = []

    def withdraw() -> None:
        until(lambda: len(client.get("/v1/clips").json()["items"]) == 2)
        seen.append(client.get("/v1/clips").json()["items"][0]["id"])
        client.post(f"/v1/clips/{seen[0]}/withdraw")

    thread = threading.Thread(target=withdraw)
    thread.start()
    begun = time.monotonic()
    answer = client.post("/v1/clips", files=form(drawn), headers={"Prefer": "wait=500"})
    thread.join()
    assert time.monotonic() - begun < 5
    assert (answer.status_code, answer.headers["preference-applied"]) == (200, "wait=120")
    assert answer.json()["id"] == seen[0]
    assert answer.json()["status"] in SETTLED


def test_withdraw_and_delete(service, drawn):
    client = service.client
    clip = client.post("/v1/clips", files=form(drawn)).json()["id"]
    assert client.get(f"/v1/clips/{clip}/media").json()["code"] == "conflict"
    assert client.post(f"/v1/clips/{clip}/publish").status_code == 409
    assert client.post(f"/v1/clips/{clip}/withdraw", json={"reason": "mistake"}).json()["status"] == "withdrawn"
    assert client.get(f"/v1/clips/{clip}/media").status_code == 410
    assert client.delete(f"/v1/clips/{clip}").status_code == 204
    assert client.get(f"/v1/clips/{clip}").json()["creator"] is None
    assert client.get(f"/v1/clips/{clip}/timeline").json()["segments"] == []
    assert client.get(f"/v1/clips/{clip}/decision").json()["decision"] is None


def test_events_come_in_order_and_from_where_the_reader_was(service, drawn):
    client = service.client
    clip = client.post("/v1/clips", files=form(drawn)).json()["id"]
    lines: list[str] = []
    with client.stream("GET", f"/v1/clips/{clip}/events") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        withdrawing = threading.Timer(0.5, lambda: client.post(f"/v1/clips/{clip}/withdraw"))
        withdrawing.start()
        for line in stream.iter_lines():
            lines.append(line)
            if line.startswith("id: "):
                break
        withdrawing.join()
    assert "event: clip.withdrawn" in lines
    assert json.loads(next(line for line in lines if line.startswith("data: "))[6:])["data"]["clip_id"] == clip
    with client.stream("GET", f"/v1/clips/{clip}/events", headers={"Last-Event-ID": "1"}, timeout=1) as stream:
        seen = []
        with contextlib.suppress(httpx.ReadTimeout):
            seen.extend(stream.iter_lines())
    assert not any(line.startswith("event: ") for line in seen)
    assert client.get("/v1/clips/clip_x/events").status_code == 404


def test_ready_and_alive_and_measured(service, drawn):
    assert httpx.get(f"{service.url}/livez").json() == {"status": "alive"}
    ready = httpx.get(f"{service.url}/readyz")
    assert (ready.status_code, ready.json()["ready"]) == (200, True), ready.json()
    service.client.post("/v1/clips", files=form(drawn))
    assert httpx.get(f"{service.url}/metrics").status_code == 401
    metrics = service.client.get("/metrics").text
    assert "countersign_certificate_days 3" in metrics
    assert 'countersign_clips{status="received"} 1.0' in metrics


def test_ready_follows_the_probes_of_the_workers_that_look_at_clips(service):
    services = service.services

    def ready() -> tuple[int, str]:
        answer = httpx.get(f"{service.url}/readyz")
        check = answer.json()["checks"]["detectors"]
        return answer.status_code, check.get("problem") or check.get("warning", "")

    assert ready() == (200, "no worker that looks at clips has been heard of lately: clips wait")
    heartbeat.beat(services, "renders", ["render"])
    assert "no worker" in ready()[1]
    heartbeat.beat(services, "fine", ["detect", "render"])
    assert ready() == (200, "")
    services.detector_faults = {"faces": "a path that is nobody's business"}
    heartbeat.beat(services, "drifted", ["detect"])
    assert ready() == (200, "failed their probe at some workers: faces")
    heartbeat.leave(services, "fine")
    assert ready() == (503, "failed their probe at every worker that looks at clips: faces")
    services.detector_faults = {}
    heartbeat.beat(services, "drifted", ["detect"])
    assert ready() == (200, "")


def test_not_ready_without_policies(run_app, tmp_path):
    (tmp_path / "empty").mkdir()
    service = run_app(policies=Policies(folder=tmp_path / "empty"))
    ready = httpx.get(f"{service.url}/readyz")
    assert (ready.status_code, ready.json()["checks"]["policies"]["ready"]) == (503, False)
    assert ready.json()["checks"]["database"] == {"ready": True}


def test_the_openapi_document_names_the_key_and_every_route(service):
    document = httpx.get(f"{service.url}/openapi.json").json()
    assert document["components"]["securitySchemes"]["key"]["scheme"] == "bearer"
    for path in ("/v1/clips", "/v1/clips/{clip_id}/media", "/v1/cases/{case_id}/decision", "/v1/verify", "/readyz"):
        assert path in document["paths"]
    operations = [operation for methods in document["paths"].values() for operation in methods.values()]
    assert len({operation["operationId"] for operation in operations}) == len(operations)
    assert all(PROBLEM in operation["responses"]["default"]["content"] for operation in operations)
    assert all(operation["tags"] and operation["description"] for operation in operations)
    body = document["paths"]["/v1/clips"]["post"]["requestBody"]["content"]
    assert set(body) == {"multipart/form-data", "application/json"}
    references = set(re.findall(r"#/components/schemas/(\w+)", json.dumps(document)))
    assert references <= set(document["components"]["schemas"])


def test_an_outage_of_the_database_is_said_and_passes(service, drawn, dsn):
    client, name = service.client, dsn.split("?")[0].rsplit("/", 1)[1]
    clip = client.post("/v1/clips", files=form(drawn)).json()["id"]
    with psycopg.connect(dsn.replace(f"/{name}?", "/postgres?"), autocommit=True) as admin:
        admin.execute(f"alter database {name} allow_connections false")
        admin.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", [name])
        answer = client.get(f"/v1/clips/{clip}")
        assert (answer.status_code, answer.json()["code"], answer.json()["cause"]) == (503, "outage", "database")
        assert int(answer.headers["retry-after"]) > 0
        assert httpx.get(f"{service.url}/livez").status_code == 200
        ready = httpx.get(f"{service.url}/readyz")
        assert (ready.status_code, ready.json()["checks"]["database"]["ready"]) == (503, False)
        admin.execute(f"alter database {name} allow_connections true")
    assert client.get(f"/v1/clips/{clip}").status_code == 200
    assert httpx.get(f"{service.url}/readyz").status_code == 200
    # Whoever waits is woken again too: the listener came back.
    withdrawing = threading.Timer(3, lambda: client.post(f"/v1/clips/{clip}/withdraw"))
    withdrawing.start()
    with client.stream("GET", f"/v1/clips/{clip}/events") as stream:
        assert any(line == "event: clip.withdrawn" for line in stream.iter_lines())
    # Its answer may come after the event: the client is closed once it is there.
    withdrawing.join()
