"""The API over a real database and real sockets: the door, its limits, idempotency, lists, keys, problems."""

import json
from pathlib import Path

import httpx
import psycopg

FORM = {"metadata": (None, json.dumps({"creator": "ana", "title": "a"}), "application/json")}


def files(path: Path, **metadata: object) -> dict[str, object]:
    return {
        "metadata": (None, json.dumps({"creator": "ana", **metadata}), "application/json"),
        "file": ("clip.mp4", path.read_bytes(), "video/mp4"),
    }


def count(dsn: str, query: str = "select count(*) from moderation.clips") -> int:
    with psycopg.connect(dsn) as connection:
        return connection.execute(query).fetchone()[0]


def scratch(service) -> list[Path]:
    return list(service.services.scratch().glob("upload-*"))


def test_a_clip_is_taken_in_and_can_be_read(service, drawn):
    answer = service.client.post("/v1/clips", files=files(drawn, title="Shapes"))
    assert answer.status_code == 202
    body = answer.json()
    assert body["status"] == "received"
    assert answer.headers["location"] == body["status_url"] == f"/v1/clips/{body['id']}"
    clip = service.client.get(body["status_url"]).json()
    assert (clip["id"], clip["creator"], clip["duration_ms"]) == (body["id"], "ana", 1000)
    assert service.services.store.free_bytes() > 0
    assert scratch(service) == []


def test_ready_and_alive_and_measured(service):
    assert httpx.get(f"{service.url}/livez").json() == {"status": "alive"}
    ready = httpx.get(f"{service.url}/readyz")
    assert (ready.status_code, ready.json()["ready"]) == (200, True), ready.json()
    assert httpx.get(f"{service.url}/metrics").status_code == 401
    metrics = service.client.get("/metrics").text
    assert "countersign_certificate_days 3" in metrics
