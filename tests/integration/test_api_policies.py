"""Policies over HTTP: a bundle's way by two people, what is in force, break-glass, and who may not."""

import io
import time
import zipfile

import pytest
from rules import AREA, CASES

from moderation.policy.vocabulary import render
from moderation.settings import Policies

EMERGENCY = AREA.format(threshold=0.05).replace("rule: seen", "rule: doubtful")


def texts(threshold: float = 0.5) -> dict[str, str]:
    guidance = {f"area/guidance.{language}.md": "Look closely.\n" for language in ("en", "fr", "ar")}
    cases = CASES.format(above=threshold, below=round(threshold - 0.01, 2))
    rules = AREA.format(threshold=threshold)
    return {"vocabulary.yaml": render(), "area/policy.yaml": rules, "area/cases.yaml": cases, **guidance}


@pytest.fixture
def service(run_app, tmp_path):
    """A service whose rules are in the database, seeded from a folder of one rule."""
    for name, text in texts().items():
        (tmp_path / "policies" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "policies" / name).write_text(text)
    return run_app(policies=Policies(folder=tmp_path / "policies", mode="database"))


def finished(client, begun) -> dict:
    """A job once it is over."""
    assert begun.status_code == 202
    deadline = time.monotonic() + 60
    while (job := client.get(begun.headers["location"]).json())["state"] == "running":
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return job


def test_a_bundle_takes_two_people_and_is_in_force_at_once(service):
    ana, ben = (service.with_scopes("policy", principal=name, kind="person") for name in ("ana", "ben"))
    before = ana.get("/v1/policies").json()
    assert (before["mode"], before["faults"], before["candidate"]) == ("database", [], None)
    made = ana.post("/v1/policies/bundles", json={"texts": texts(0.6), "note": "less noise"})
    assert (made.status_code, made.json()["state"]) == (201, "draft")
    at = made.headers["location"]
    assert ana.get(f"{at}/texts").json()["texts"] == texts(0.6)
    assert ana.post(f"{at}/enforce", json={"percent": 10}).status_code == 409
    assert ana.post(f"{at}/propose").json()["state"] == "proposed"
    refused = ana.post(f"{at}/approve")
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    assert ben.post(f"{at}/approve", json={"why": "looked at"}).json()["approved_by"] == "ben"
    assert ben.post(f"{at}/shadow").json()["state"] == "shadow"
    assert ana.get("/v1/policies").json()["shadow"]["bundle"] == made.json()["id"]
    assert ana.post(f"{at}/enforce", json={"percent": 0}).status_code == 422
    unseen = ana.post(f"{at}/enforce", json={"percent": 25})
    assert (unseen.status_code, unseen.json()["code"]) == (409, "policies_not_checked")
    assert "/check" in unseen.json()["detail"]
    assert finished(ana, ana.post(f"{at}/check"))["body"] == {"findings": []}
    assert ana.post(f"{at}/enforce", json={"percent": 25}).json()["state"] == "enforcing"
    assert ana.get("/v1/policies").json()["candidate"]["percent"] == 25
    assert ana.get(f"{at}/comparison").json()["judged"] == 0
    assert ana.post(f"{at}/enforce", json={"percent": 100}).json()["state"] == "full"
    after = ana.get("/v1/policies").json()
    assert (after["acting"]["version"], after["judging"]) == (made.json()["version"],) * 2
    back = ana.post("/v1/policies/rollback", json={"why": "too strict"}).json()
    assert ana.get("/v1/policies").json()["judging"] == back["version"] == before["judging"]
    steps = ana.get(at).json()["steps"]
    assert [(step["step"], step["actor"], step["why"]) for step in steps][:3] == [
        ("drafted", "ana", "less noise"),
        ("proposed", "ana", ""),
        ("approved", "ben", "looked at"),
    ]
    listed = ana.get("/v1/policies/bundles", params={"limit": 1}).json()
    assert [item["id"] for item in listed["items"]] == [made.json()["id"]]
    rest = ana.get("/v1/policies/bundles", params={"cursor": listed["next_cursor"]}).json()
    assert ([item["author"] for item in rest["items"]], rest["next_cursor"]) == (["folder"], None)


def test_what_is_faulty_is_refused_with_its_places(service):
    client = service.with_scopes("policy")
    bad = {**texts(), "area/policy.yaml": AREA.format(threshold=0.5).replace("explicit.score", "explicit.scroe")}
    for path in ("/v1/policies/bundles", "/v1/policies/test"):
        refused = client.post(path, json={"texts": bad})
        assert (refused.status_code, refused.json()["code"]) == (422, "policies")
        (finding,) = refused.json()["findings"]
        assert (finding["path"], finding["line"], finding["code"]) == ("area/policy.yaml", 8, "unknown-signal")
    found = client.post("/v1/policies/lint", json={"texts": bad}).json()["findings"]
    assert [finding["code"] for finding in found] == ["unknown-signal"]
    report = client.post("/v1/policies/test", json={"texts": texts()}).json()
    assert (report["cases"], report["failed"]) == (2, 0)
    proven = client.post("/v1/policies/test", json={"texts": texts()}, params={"mutants": True}).json()
    assert proven["mutation"]["killed"] == proven["mutation"]["mutants"] > 0


def test_a_folder_comes_as_an_archive_too(service):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, text in texts(0.7).items():
            archive.writestr(f"policies/{name}", text)
    headers = {"Content-Type": "application/zip"}
    client = service.with_scopes("policy")
    made = client.post("/v1/policies/bundles", content=packed.getvalue(), headers=headers, params={"note": "zipped"})
    assert (made.status_code, made.json()["note"]) == (201, "zipped")
    assert client.get(f"{made.headers['location']}/texts").json()["texts"] == texts(0.7)


def test_breaking_the_glass_over_http(service):
    ana, ben = (service.with_scopes("policy", principal=name, kind="person") for name in ("ana", "ben"))
    base = ana.get("/v1/policies").json()["judging"]
    loose = ana.post("/v1/policies/break-glass", json={"policy": f"exceptions: []\n{EMERGENCY}", "why": "now"})
    assert (loose.status_code, loose.json()["findings"][0]["code"]) == (422, "not-stricter")
    laid = ana.post("/v1/policies/break-glass", json={"policy": EMERGENCY, "why": "a wave"})
    assert (laid.status_code, laid.json()["state"]) == (201, "live")
    state = ben.get("/v1/policies").json()
    assert state["judging"] != base
    assert [each["id"] for each in state["emergencies"]] == [laid.json()["id"]]
    pending = ben.get("/v1/policies/break-glass", params={"pending": True}).json()["items"]
    assert [(each["id"], each["why"]) for each in pending] == [(laid.json()["id"], "a wave")]
    at = f"/v1/policies/break-glass/{laid.json()['id']}"
    assert ana.post(f"{at}/confirm").status_code == 403
    assert ben.post(f"{at}/confirm").json()["settled_by"] == "ben"
    assert ben.post(f"{at}/end").json()["state"] == "ended"
    assert ana.get("/v1/policies").json()["judging"] == base
    assert ana.post(f"{at}/end").status_code == 409


def test_policies_take_their_scope(service):
    other = service.with_scopes("read", "review", "admin")
    for method, path in (
        ("GET", "/v1/policies"),
        ("GET", "/v1/policies/bundles"),
        ("POST", "/v1/policies/bundles"),
        ("POST", "/v1/policies/lint"),
        ("POST", "/v1/policies/rollback"),
        ("POST", "/v1/policies/break-glass"),
    ):
        assert other.request(method, path, json={"texts": {}}).status_code == 403, path
    assert service.with_headers().get("/v1/policies").status_code == 401


def test_an_organisation_sees_its_own_policies_only(service):
    with service.services.database.system_transaction() as tx:
        tx.pg.execute("insert into moderation.organisations (org_id) values ('other')")
    mine = service.with_scopes("policy").post("/v1/policies/bundles", json={"texts": texts(0.6)})
    theirs = service.of_organisation("other")
    assert theirs.get(mine.headers["location"]).status_code == 404
    assert theirs.post(f"{mine.headers['location']}/propose").status_code == 404


def test_the_reason_of_what_is_not_used_stands_in_readyz_while_the_last_good_one_judges(run_app, tmp_path):
    folder = tmp_path / "policies"
    (folder / "area").mkdir(parents=True)
    for name, text in texts().items():
        (folder / name).write_text(text)
    service = run_app(policies=Policies(folder=folder))
    client = service.with_scopes("policy")
    good = client.get("/v1/policies").json()["judging"]

    def until(found) -> float:
        began = time.monotonic()
        while not found():
            assert time.monotonic() - began < 30, "waited in vain"
            time.sleep(0.05)
        return time.monotonic() - began

    def ready() -> tuple[int, str]:
        answer = service.client.get("/readyz")
        checks = answer.json()["checks"]
        assert checks["policies"]["ready"]
        return answer.status_code, checks["policies"].get("warning", "")

    assert ready() == (200, "")
    (folder / "area/policy.yaml").write_text(AREA.format(threshold=0.5).replace("at_least", "at_leats"))
    until(lambda: ready()[1])
    assert ready()[0] == 200
    assert "area/policy.yaml:8:" in ready()[1]
    assert client.get("/v1/policies").json()["judging"] == good
    (folder / "area/policy.yaml").write_text(AREA.format(threshold=0.6))
    seconds = until(lambda: client.get("/v1/policies").json()["judging"] != good)
    print(f"a changed folder was in force after {seconds:.2f} s")
    assert ready() == (200, "")
    refused = client.post("/v1/policies/rollback")
    assert (refused.status_code, refused.json()["code"]) == (409, "folder_is_the_truth")


def test_long_looks_are_jobs(service):
    client = service.with_scopes("policy")
    made = client.post("/v1/policies/bundles", json={"texts": texts(0.6)}).json()

    def done(path: str, body: dict | None = None) -> dict:
        return finished(client, client.post(f"/v1/policies/bundles/{made['id']}/{path}", json=body))

    assert done("check")["body"] == {"findings": []}
    report = done("backtest", {"since": "7d"})
    assert (report["state"], report["kind"], report["started_by"]) == ("done", "backtest", "tester")
    assert report["body"]["judged"] == 0
    assert client.get("/v1/policies/jobs/job_none").status_code == 404
    shown = client.get(f"/v1/policies/bundles/{made['id']}").json()
    assert [(job["kind"], job["state"]) for job in shown["jobs"]] == [("backtest", "done"), ("check", "done")]


def test_a_job_whose_process_died_is_found_lost_and_asked_for_again(service):
    client = service.with_scopes("policy")
    made = client.post("/v1/policies/bundles", json={"texts": texts(0.6)}).json()
    at = f"/v1/policies/bundles/{made['id']}"
    begun = finished(client, client.post(f"{at}/check"))
    with service.services.database.system_transaction() as tx:
        tx.pg.execute("update moderation.policy_jobs set state = 'running'")
    under_way = client.post(f"{at}/check")
    assert under_way.json()["id"] == begun["id"], "one look at a time"
    with service.services.database.system_transaction() as tx:
        tx.pg.execute("update moderation.policy_jobs set seen_at = seen_at - interval '1 hour'")
    (lost,) = client.get(at).json()["jobs"]
    assert (lost["id"], lost["state"], lost["body"]["code"]) == (begun["id"], "lost", "job_lost")
    assert lost["body"]["detail"].endswith(f"POST {at}/check")
    again = finished(client, client.post(f"{at}/check"))
    assert (again["state"], again["id"] != begun["id"]) == ("done", True)


def test_one_person_with_two_keys_is_one_person_and_a_service_is_none(service):
    ana, hers = (service.with_scopes("policy", principal="ana", kind="person") for _ in range(2))
    pipeline = service.with_scopes("policy", principal="pipeline")
    handed = pipeline.post("/v1/policies/bundles", json={"texts": texts(0.6)}).headers["location"]
    refused = pipeline.post(f"{handed}/propose")
    assert (refused.status_code, "service" in refused.json()["detail"]) == (403, True)
    assert ana.post(f"{handed}/propose").json()["state"] == "proposed"
    for key in (hers, pipeline):
        assert key.post(f"{handed}/approve").status_code == 403
    laid = ana.post("/v1/policies/break-glass", json={"policy": EMERGENCY, "why": "now"}).json()
    for key in (hers, pipeline):
        assert key.post(f"/v1/policies/break-glass/{laid['id']}/confirm").status_code == 403


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b'{"texts": {"a\\ud800.md": "x"}}', "application/json"),
        (b'{"texts": {"vocabulary.yaml": "\\ud800"}}', "application/json"),
        (b'{"texts": {"x.yaml": "a", "x.yaml/policy.yaml": "b"}}', "application/json"),
        (b'{"texts": {"' + b"a" * 300 + b'/policy.yaml": "a"}}', "application/json"),
        (b'{"texts": {"vocabulary.yaml": "a"}, "note": "\\u0000"}', "application/json"),
        (b'{"texts": {"vocabulary.yaml": "a", "/tmp/outside.yaml": "b"}}', "application/json"),
        (b'{"texts": {"vocabulary.yaml": "a", "../outside.yaml": "b"}}', "application/json"),
        (b"[" * 100_000, "application/json"),
        (b"PK\x03\x04" + b"\xff" * 300, "application/zip"),
    ],
)
def test_hostile_bundles_are_refused_and_never_a_fault_of_ours(service, body, kind):
    client, headers = service.with_scopes("policy"), {"Content-Type": kind}
    for path in ("bundles", "lint", "test"):
        refused = client.post(f"/v1/policies/{path}", content=body, headers=headers)
        assert refused.status_code == 422, (path, refused.text)


def test_a_note_in_a_query_is_held_to_what_notes_are(service):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("vocabulary.yaml", "a")
    client, headers = service.with_scopes("policy"), {"Content-Type": "application/zip"}
    for note, refusal in (("\x00", (400, "bad_request")), ("x" * 2001, (422, "invalid_request"))):
        refused = client.post("/v1/policies/bundles", content=packed.getvalue(), headers=headers, params={"note": note})
        assert (refused.status_code, refused.json()["code"]) == refusal
