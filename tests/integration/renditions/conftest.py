"""A case whose clip has a marked rendition, and a clock that the test moves."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from clips import ClipPlan, Sound, draw_clip
from psycopg.types.json import Jsonb

from moderation import holding
from moderation.clock import FixedClock
from moderation.db import queries

RECORDS = queries("records")
ORG = "default"


@pytest.fixture
def change(service) -> Callable[..., str]:
    """Run one statement; returns the first value it gives."""

    def run(query: str, *values: object) -> str:
        with service.services.database.transaction(ORG) as tx:
            found = tx.pg.execute(query, values)
            return found.fetchone()[0] if found.description else ""

    return run


@pytest.fixture
def case(service, drawn, change) -> str:
    """A case of a clip that was never marked."""
    clip = service.client.post("/v1/clips", files={"file": drawn.read_bytes()}).json()["id"]
    holding.ask_a_person(service.services, ORG, clip, 1, "processing_failed", "it broke")
    return change("select case_id from moderation.cases")


@pytest.fixture
def marked(service, case, change, tmp_path) -> Path:
    """The same case with a marked rendition that differs from the upload in its shape."""
    path = draw_clip(tmp_path / "marked.mp4", ClipPlan(width=480, height=640, sounds=(Sound(),)))
    put_marked(service, change("select clip_id from moderation.cases"), path)
    return path


def put_marked(service, clip: str, path: Path) -> None:
    """Give a clip this file as its marked rendition."""
    blob = service.services.store.put(ORG, "marked", path)
    row = {"org": ORG, "clip": clip, "sha256": blob.sha256, "blob_key": blob.key, "bytes": blob.size}
    with service.services.database.transaction(ORG) as tx:
        now = service.services.clock.now()
        tx.pg.execute(RECORDS.insert_rendition, {**row, "kind": "marked", "report": Jsonb({}), "now": now})


@pytest.fixture
def passes(service, case) -> Callable[..., datetime]:
    """Stop the service's clock; calling moves it on."""
    service.services.clock = clock = FixedClock(datetime.now(UTC))

    def move(**by: float) -> datetime:
        clock.at += timedelta(**by)
        return clock.at

    return move


@pytest.fixture
def held(service, case, marked, passes) -> dict:
    """The case, claimed by `service.client`, its lease as the API gave it."""
    queue = service.client.get("/v1/queues").json()["items"][0]["name"]
    return service.client.post(f"/v1/queues/{queue}/claim", json={}).json()
