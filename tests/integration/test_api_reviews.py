"""The queue over HTTP: a case is claimed under a lease, decided once, and hidden from who may not see it."""

import pytest
from psycopg.types.json import Jsonb

from moderation import holding, screening
from moderation.db import queries

RECORDS = queries("records")


@pytest.fixture
def case(service, drawn) -> dict:
    """A clip before a person."""
    clip = service.client.post("/v1/clips", files={"file": drawn.read_bytes()}).json()["id"]
    holding.ask_a_person(service.services, "default", clip, 1, "processing_failed", "it broke")
    return {"clip": clip, "queue": service.client.get("/v1/queues").json()["items"][0]["name"]}


def claim(client, case: dict, **wish: str):
    return client.post(f"/v1/queues/{case['queue']}/claim", json=wish)


def answer(leased: dict, outcome: str = "block", **changes: object) -> dict:
    lease = {"lease_token": leased["lease"]["token"], "version": leased["version"]}
    return {"outcome": outcome, "reason": "processing_failed", **lease, **changes}


def test_a_case_is_claimed_decided_and_gone(service, case):
    client = service.client
    assert client.get("/v1/queues").json()["items"][0]["waiting"] == 1
    leased = claim(client, case).json()
    assert (leased["clip_id"], set(leased["lease"])) == (case["clip"], {"holder", "token", "expires_at"})
    path = f"/v1/cases/{leased['id']}"
    opened = client.get(path).json()["opened_by"]
    assert [reason["code"] for reason in opened["reasons"]] == ["processing_failed"]
    stale = client.post(f"{path}/decision", json=answer(leased, version=leased["version"] - 1))
    assert (stale.status_code, stale.json()["version"]) == (409, leased["version"])
    assert client.post(f"{path}/decision", json=answer(leased, outcome="review")).status_code == 422
    for outcome, reason in (
        ("allow", "hate"),
        ("block", "no_violation"),
        ("restrict", "consented"),
        ("block", "other"),
    ):
        unfitting = client.post(f"{path}/decision", json=answer(leased, outcome=outcome, reason=reason))
        assert (unfitting.status_code, unfitting.json()["code"]) == (422, "unprocessable")
    assert client.post(f"{path}/renew", json={"lease_token": leased["lease"]["token"]}).status_code == 200
    decided = client.post(f"{path}/decision", json=answer(leased, note="seen"))
    assert (decided.status_code, decided.json()["state"]) == (200, "decided")
    assert client.post(f"{path}/decision", json=answer(leased)).status_code == 409
    clip = client.get(f"/v1/clips/{case['clip']}").json()
    assert (clip["status"], clip["decision"]["decided_by"]) == ("withheld", "dev")
    assert claim(client, case).status_code == 204


def test_a_lease_is_its_holders_alone(service, case):
    leased = claim(service.client, case).json()
    colleague = service.with_scopes("review", principal="colleague")
    assert claim(colleague, case).status_code == 204
    seen = colleague.get(f"/v1/cases/{leased['id']}").json()
    assert (seen["lease"]["holder"], "token" in seen["lease"]) == ("dev", False)
    assert colleague.post(f"/v1/cases/{leased['id']}/decision", json=answer(leased)).status_code == 409
    wrong = {"lease_token": "x"}
    assert colleague.post(f"/v1/cases/{leased['id']}/return", json=wrong).status_code == 409
    assert service.with_scopes("read").get("/v1/queues").status_code == 403


def test_skipped_cases_go_to_colleagues_and_returned_ones_to_anybody(service, case):
    client, colleague = service.client, service.with_scopes("review", principal="colleague")
    leased = claim(client, case).json()
    lease = {"lease_token": leased["lease"]["token"]}
    assert client.post(f"/v1/cases/{leased['id']}/return", json=lease).status_code == 204
    leased = claim(client, case).json()
    lease = {"lease_token": leased["lease"]["token"]}
    assert client.post(f"/v1/cases/{leased['id']}/skip", json=lease).status_code == 204
    assert claim(client, case).status_code == 204
    theirs = claim(colleague, case).json()
    assert theirs["clip_id"] == case["clip"]
    lease = {"lease_token": theirs["lease"]["token"]}
    assert colleague.post(f"/v1/cases/{leased['id']}/return", json=lease).status_code == 204
    assert claim(client, case, clip_id=case["clip"]).json()["clip_id"] == case["clip"]


def test_a_known_illegal_hit_is_told_to_specialists_only(service, drawn, put_on_list):
    clip = service.client.post("/v1/clips", files={"file": drawn.read_bytes()}).json()["id"]
    sha256 = service.client.get(f"/v1/clips/{clip}").json()["sha256"]
    put_on_list(service.services, bytes.fromhex(sha256))
    with service.services.database.transaction() as tx:
        tx.pg.execute("update moderation.clips set status = 'processing'")
    assert screening.screen(service.services, "default", clip, 1) == "known_illegal"
    reader, specialist = service.with_scopes("read", "review"), service.with_scopes("read", "specialist")
    for path in (f"/v1/clips/{clip}", f"/v1/clips/{clip}/decision", "/v1/clips"):
        assert "known_illegal" not in reader.get(path).text
    plain = reader.get(f"/v1/clips/{clip}").json()
    assert (plain["status"], plain["decision"]["reasons"], plain["case_id"]) == ("withheld", [], None)
    assert reader.get("/v1/queues").json()["items"] == []
    assert reader.post("/v1/queues/known_illegal/claim").status_code == 403
    told = specialist.get(f"/v1/clips/{clip}").json()
    assert told["decision"]["reasons"][0]["code"] == "known_illegal"
    assert [line["name"] for line in specialist.get("/v1/queues").json()["items"]] == ["known_illegal"]
    assert reader.get(f"/v1/cases/{told['case_id']}").status_code == 403


def test_the_veiled_file_is_shown_to_who_holds_the_case(service, case, drawn):
    leased = claim(service.client, case).json()
    path = f"/v1/cases/{leased['id']}/renditions/veiled"
    assert service.client.get(path).status_code == 404
    blob = service.services.store.put("default", "marked", drawn)
    row = {"org": "default", "clip": case["clip"], "kind": "marked", "sha256": blob.sha256, "blob_key": blob.key}
    with service.services.database.transaction() as tx:
        more = {"bytes": blob.size, "report": Jsonb({}), "now": service.services.clock.now()}
        tx.pg.execute(RECORDS.insert_rendition, {**row, **more})
    whole = service.client.get(path)
    assert (whole.status_code, whole.headers["content-type"]) == (200, "video/mp4")
    assert whole.content not in {b"", drawn.read_bytes()}
    assert service.client.get(path, headers={"Range": "bytes=0-9"}).content == whole.content[:10]
    assert service.with_scopes("review", principal="colleague").get(path).status_code == 403


def released(service, drawn) -> str:
    """A clip whose rows say that it was released; its file is the drawn one."""
    clip = service.client.post("/v1/clips", files={"file": drawn.read_bytes()}).json()["id"]
    blob = service.services.store.put("default", "marked", drawn)
    now = service.services.clock.now()
    row = {"org": "default", "clip": clip, "sha256": blob.sha256, "blob_key": blob.key, "bytes": blob.size, "now": now}
    decision = {"decision": "dec_1", "outcome": "allow", "body": "{}", "actor_kind": "rule", "actor": "policy"}
    nothing = {"facts_hash": None, "policy_version": None, "run": None}
    with service.services.database.transaction() as tx:
        tx.pg.execute(RECORDS.insert_rendition, {**row, "kind": "marked", "report": Jsonb({})})
        tx.pg.execute(RECORDS.insert_proof, {**row, "passed": True, "body": Jsonb({})})
        tx.pg.execute(RECORDS.insert_decision, {**row, **decision, **nothing})
        tx.pg.execute(RECORDS.insert_release, {**row, "decision": "dec_1"})
        tx.pg.execute("update moderation.clips set status = 'released'")
    return clip


def test_the_released_file_is_served_whole_and_in_ranges(service, drawn):
    content, path = drawn.read_bytes(), f"/v1/clips/{released(service, drawn)}/media"
    client, size = service.client, len(drawn.read_bytes())
    whole = client.get(path)
    assert (whole.status_code, whole.content, whole.headers["content-type"]) == (200, content, "video/mp4")
    tag = whole.headers["etag"]
    assert whole.headers["accept-ranges"] == "bytes"
    assert whole.headers["cache-control"] == "private, no-cache"
    head = client.head(path)
    assert (head.status_code, head.headers["content-length"], head.content) == (200, str(size), b"")
    assert client.get(path, headers={"If-None-Match": f'"x", {tag}'}).status_code == 304
    ranges = {"bytes=0-99": (0, 100), "bytes=100-": (100, size), "bytes=-50": (size - 50, size), "bytes=5-5": (5, 6)}
    for said, (start, end) in ranges.items():
        part = client.get(path, headers={"Range": said, "If-Range": tag})
        assert (part.status_code, part.content) == (206, content[start:end]), said
        assert part.headers["content-range"] == f"bytes {start}-{end - 1}/{size}"
    for said in ("bytes=0-1,5-6", "bytes=9-2", "chapters=1-2"):
        assert client.get(path, headers={"Range": said}).status_code == 200, said
    assert client.get(path, headers={"Range": "bytes=0-1", "If-Range": '"old"'}).content == content
    none = client.get(path, headers={"Range": f"bytes={size}-"})
    assert (none.status_code, none.headers["content-range"]) == (416, f"bytes */{size}")
    assert none.json()["code"] == "range_not_satisfiable"
    assert service.with_headers().get(path).status_code == 401
