"""The figures that leads read: operations, care without names, the machine; and the routes that give them."""

import json
from datetime import timedelta

import pytest
from psycopg.types.json import Jsonb

from moderation.ids import new_id
from moderation.quality.answers import read_quality
from moderation.quality.care import read_care, read_own
from moderation.quality.machine import read_machine
from moderation.quality.operations import read_operations

DAY = timedelta(days=1)


def test_operations_count_what_came_went_and_waits(desk, settle):
    settle("ana", "block")
    settle("ana", "allow")
    desk.open("likeness", deadline_s=60)
    desk.wait(minutes=5)
    with desk.transaction() as tx:
        found = read_operations(tx, desk.now)
    assert len(found.hours) == 24
    assert sum(hour.arrived for hour in found.hours) == 3
    assert sum(hour.decided for hour in found.hours) == 2
    load = next(each for each in found.queues if each.name == "likeness")
    assert (load.waiting, load.overdue, load.beyond) == (1, 1, 0)
    assert (found.to_decision.count, found.to_decision.p50) == (2, 0.0)
    assert (found.automatic.hits, found.automatic.of) == (0, 3)
    assert found.hours_needed > 0
    assert json.dumps(found.to_json())


def test_overturns_are_shares_of_what_people_decided(desk, settle):
    cases = [settle("ana", "block") for _ in range(4)]
    desk.overturn("ben", cases[0], "allow", "false_positive")
    with desk.transaction() as tx:
        found = read_quality(tx, desk.now - DAY, desk.now + DAY)
    by_class = {line.name: (line.share.hits, line.share.of) for line in found.overturns_by_class}
    assert by_class == {
        "false_positive": (1, 4),
        "false_negative": (0, 4),
        "wrong_policy": (0, 4),
        "technical": (0, 4),
    }
    (language,) = found.overturns_by_language
    assert (language.name, language.share.hits, language.share.of) == ("fr", 1, 4)
    assert language.share.low < 0.25 < language.share.high
    assert found.first_answer is not None
    assert json.dumps(found.to_json())


def expose(desk, principal: str, minutes: float, case: str) -> None:
    with desk.transaction() as tx:
        tx.pg.execute(
            "insert into moderation.exposures (org_id, principal, case_id, clip_id, rendition, ms, severity, started_at,"
            " ended_at) select 'default', %s, case_id, clip_id, 'revealed', %s, 50, %s, %s from moderation.cases"
            " where case_id = %s",
            (principal, int(minutes * 60_000), desk.now, desk.now, case),
        )


def care(desk):
    with desk.transaction() as tx:
        return read_care(tx, desk.now - DAY, desk.now + DAY)


def test_exposure_is_shown_of_five_people_and_of_nobody(desk):
    case = desk.open()
    for number in range(4):
        expose(desk, f"reviewer-{number}", 3 + 20 * number, case)
    few = care(desk)
    assert (few.exposure.shown, few.exposure.classes, few.caps_reached, few.breaks) == (False, (), None, None)
    expose(desk, "reviewer-4", 61, case)
    shown = care(desk)
    assert (shown.exposure.people, shown.caps_reached, shown.breaks) == (5, 2, 0)
    assert [each.count for each in shown.exposure.classes] == [0, 1, 0, 0, 1, 1, 0, 2]
    assert "reviewer" not in json.dumps(shown.to_json())
    with desk.transaction() as tx:
        (own,) = read_own(tx, "reviewer-1", desk.now - DAY, desk.now + DAY)
    assert (own.ms, own.reveals) == (23 * 60_000, 1)


def stage(desk, clip: str, state: str, seconds: float) -> None:
    with desk.transaction() as tx:
        tx.pg.execute(
            "insert into moderation.stages (org_id, clip_id, generation, stage, state, started_at, finished_at)"
            " values ('default', %s, 1, 'analyse', %s, %s, %s)",
            (clip, state, desk.now, desk.now + timedelta(seconds=seconds)),
        )


def analysis(desk, at, peak: float | None) -> None:
    signal = {"state": "failed" if peak is None else "measured", "samples": [] if peak is None else [[0, peak, None]]}
    body = json.dumps({"signals": {"explicit.score": signal}})
    with desk.transaction() as tx:
        tx.pg.execute(
            "insert into moderation.analyses (org_id, clip_id, detectors, gallery, body, created_at)"
            " values ('default', %s, %s, '1', %s, %s)",
            (desk.clips[0], new_id("job"), body, at),
        )


def machine(desk):
    with desk.transaction() as tx:
        return read_machine(tx, desk.now - DAY, desk.now + DAY)


def test_the_machine_is_timed_and_its_marks_are_counted(desk):
    for number in range(4):
        clip = desk.clip("released")
        stage(desk, clip, "failed" if number == 3 else "done", number)
        layers = {name: {"state": "found" if number else "damaged"} for name in ("invisible", "c2pa")}
        with desk.transaction() as tx:
            tx.pg.execute(
                "insert into moderation.proofs (org_id, clip_id, sha256, passed, body, created_at)"
                " values ('default', %s, 'x', true, %s, %s)",
                (clip, Jsonb({"layers": layers}), desk.now),
            )
    found = machine(desk)
    (line,) = found.stages
    assert (line.name, line.runs, line.failed.hits, line.times.count, line.times.p50) == ("analyse", 4, 1, 3, 1.0)
    assert (found.marks.hits, found.marks.of, found.signatures.hits) == (3, 4, 3)
    assert json.dumps(found.to_json())


@pytest.mark.parametrize(("moved", "drifted"), [(0.0, False), (0.4, True)])
def test_scores_that_lie_elsewhere_than_before_have_drifted(desk, moved, drifted):
    desk.clip()
    for number in range(60):
        analysis(desk, desk.now - 2 * DAY, number / 100)
        analysis(desk, desk.now, number / 100 + moved)
    analysis(desk, desk.now, None)
    (line,) = machine(desk).signals
    assert (line.name, line.failed.hits, line.failed.of) == ("explicit.score", 1, 61)
    assert line.drift.drifted is drifted


def test_figures_are_for_leads_and_ones_own_for_oneself(service):
    lead, reviewer = service.with_scopes("audit"), service.with_scopes("review")
    for path in ("quality", "quality/operations", "quality/care", "quality/machine"):
        assert lead.get(f"/v1/{path}").status_code == 200, path
        assert reviewer.get(f"/v1/{path}").status_code == 403
    assert reviewer.get("/v1/quality/mine").json() == {"items": []}
    for since in ("2026-01-01T00:00:00", "2099-01-01T00:00:00Z", "2001-01-01T00:00:00Z"):
        assert lead.get("/v1/quality", params={"since": since}).status_code == 422


def test_golden_answers_and_trends_over_http(service):
    lead = service.with_scopes("policy")
    assert lead.get("/v1/golden").json() == {"items": []}
    question = {"clip_id": f"clip_{'0' * 32}", "queue": "explicit", "outcome": "block", "why": "x"}
    assert lead.post("/v1/golden", json={**question, "reason": "explicit_content"}).status_code == 404
    assert lead.post("/v1/golden", json={**question, "reason": "no_violation"}).status_code == 422
    assert service.with_scopes("review").get("/v1/golden").status_code == 403
    client = service.client
    assert client.get("/v1/trends", params={"queue": "explicit"}).json() == {"lots": [], "trends": []}
    assert client.get("/v1/trends", params={"queue": "nowhere"}).status_code == 404
    lot = {"queue": "explicit", "kind": "rule", "key": "a.b"}
    assert client.post("/v1/trends", json=lot).status_code == 404
    assert client.post("/v1/trends", json={**lot, "queue": "minor_safety"}).status_code == 422
    assert client.post(f"/v1/trends/trend_{'0' * 32}/decision").status_code == 404
    assert client.get(f"/v1/cases/case_{'0' * 32}/similar").status_code == 404
