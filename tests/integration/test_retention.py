"""Retention: what outlived its class goes, what is on hold stays, and nothing else is touched."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from moderation import retention
from moderation.assembly import open_services
from moderation.clock import FixedClock
from moderation.services import Services
from moderation.settings import Settings

ORG = "default"
MADE = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def services(settings: Settings) -> Iterator[Services]:
    """Services whose clock the test moves."""
    with open_services(settings, clock=FixedClock(MADE)) as opened:
        yield opened


def store(services: Services, tmp_path: Path, content: bytes, prefix: str = "upload") -> str:
    path = tmp_path / "file"
    path.write_bytes(content)
    return services.store.put(ORG, prefix, path).sha256


def add_clip(services: Services, clip: str, sha256: str, status: str = "released") -> None:
    with services.database.transaction(ORG) as tx:
        tx.pg.execute(
            "insert into moderation.clips (org_id, clip_id, status, content_sha256, created_at, updated_at) "
            "values ('default', %s, %s, %s, %s, %s)",
            (clip, status, sha256, MADE, MADE),
        )
        tx.pg.execute(
            "insert into moderation.stages (org_id, clip_id, generation, stage, state, started_at) "
            "values ('default', %s, 1, 'mark', 'done', %s)",
            (clip, MADE),
        )


def after(services: Services, **passed: float) -> dict[str, int]:
    services.clock.at = MADE + timedelta(**passed)
    return retention.sweep(services)


def kept(services: Services, prefix: str = "upload") -> int:
    return len(list(services.store.list(f"{ORG}/{prefix}")))


def test_uploads_and_stages_of_settled_clips_go_after_their_time(services, tmp_path):
    add_clip(services, "clip_1", store(services, tmp_path, b"one"))
    assert after(services, days=29)["blob:upload"] == 0
    assert kept(services) == 1
    removed = after(services, days=31)
    assert (removed["blob:upload"], removed["stages"]) == (1, 1)
    assert kept(services) == 0


@pytest.mark.parametrize("status", ["processing", "in_review"])
def test_what_is_still_worked_on_stays(services, tmp_path, status):
    add_clip(services, "clip_1", store(services, tmp_path, b"one"), status)
    removed = after(services, days=400)
    assert (removed["blob:upload"], removed["stages"]) == (0, 0)
    assert kept(services) == 1


def test_bytes_that_another_clip_still_needs_stay(services, tmp_path):
    sha256 = store(services, tmp_path, b"shared")
    add_clip(services, "clip_1", sha256)
    add_clip(services, "clip_2", sha256, "in_review")
    assert after(services, days=31)["blob:upload"] == 0


def test_a_legal_hold_beats_every_class(services, tmp_path):
    add_clip(services, "clip_1", store(services, tmp_path, b"one"))
    with services.database.transaction(ORG) as tx:
        tx.pg.execute(
            "insert into moderation.legal_holds (org_id, clip_id, reason, placed_by, placed_at) "
            "values ('default', 'clip_1', 'court order', 'counsel', %s)",
            (MADE,),
        )
    assert after(services, days=400)["blob:upload"] == 0
    with services.database.transaction(ORG) as tx:
        tx.pg.execute("update moderation.legal_holds set lifted_at = %s", (MADE,))
    assert after(services, days=400)["blob:upload"] == 1


def test_sealed_evidence_is_kept_for_its_year(services, tmp_path):
    store(services, tmp_path, b"sealed", "sealed")
    services.clock.at = datetime.now(UTC) + timedelta(days=360)
    assert retention.sweep(services)["blob:sealed"] == 0
    services.clock.at = datetime.now(UTC) + timedelta(days=370)
    assert retention.sweep(services)["blob:sealed"] == 1
    assert kept(services, "sealed") == 0


def test_decisions_events_and_the_audit_log_are_never_swept(services, tmp_path):
    add_clip(services, "clip_1", store(services, tmp_path, b"one"))
    with services.database.transaction(ORG) as tx:
        tx.pg.execute(
            "insert into moderation.events (org_id, event_id, clip_id, seq, type, body, created_at) "
            "values ('default', 'evt_1', 'clip_1', 1, 'clip.released', '{}', %s)",
            (MADE,),
        )
    after(services, days=4000)
    with services.database.transaction(ORG) as tx:
        assert tx.pg.execute("select count(*) from moderation.events").fetchone() == (1,)


def test_what_staff_looked_at_goes_after_half_a_year_unless_its_clip_is_held(services, tmp_path):
    for clip in ("clip_old", "clip_held"):
        add_clip(services, clip, store(services, tmp_path, clip.encode()))
    with services.database.transaction(ORG) as tx:
        for clip in ("clip_old", "clip_held"):
            tx.pg.execute(
                "insert into moderation.decisions (org_id, decision_id, clip_id, seq, outcome, body, actor_kind, actor, "
                "created_at) values ('default', %s, %s, 1, 'review', '{}', 'rule', 'policy', %s)",
                (f"dec_{clip}", clip, MADE),
            )
            tx.pg.execute(
                "insert into moderation.cases (org_id, case_id, clip_id, queue, state, opened_by, deadline, created_at) "
                "values ('default', %s, %s, 'general', 'open', %s, %s, %s)",
                (f"case_{clip}", clip, f"dec_{clip}", MADE, MADE),
            )
            tx.pg.execute(
                "insert into moderation.exposures (org_id, principal, case_id, clip_id, rendition, ms, severity, "
                "started_at, ended_at) values ('default', 'ana', %s, %s, 'revealed', 1000, 10, %s, %s)",
                (f"case_{clip}", clip, MADE, MADE),
            )
        tx.pg.execute(
            "insert into moderation.breaks (org_id, principal, started_at, ended_at) values ('default', 'ana', %s, %s)",
            (MADE, MADE),
        )
        tx.pg.execute(
            "insert into moderation.legal_holds (org_id, clip_id, reason, placed_by, placed_at) "
            "values ('default', 'clip_held', 'court order', 'counsel', %s)",
            (MADE,),
        )
    before = after(services, days=179)
    assert (before["exposures"], before["breaks"]) == (0, 0)
    gone = after(services, days=181)
    assert (gone["exposures"], gone["breaks"]) == (1, 1)
