"""Notices and appeals over HTTP: without a key, limited by address, and nothing personal in any answer."""

import json

import pytest

from moderation import judging
from moderation.api.notices import PER_MINUTE
from moderation.checking import InlineSteps, check_file
from moderation.clips import Submission
from moderation.db.clips import next_generation, read_clip
from moderation.decisions import Decision, Outcome, Reason
from moderation.ids import new_id
from moderation.notices import stops
from moderation.pipeline import process_clip
from moderation.recording import insert_decision
from moderation.samples.drawing import draw_clip
from moderation.settings import Noticing

BODY = {
    "kind": "intimate_image",
    "explanation": "It shows me.",
    "good_faith": True,
    "name": "Zoe Zimmer",
    "contact": "zoe@example.org",
    "signature": "Zoe Zimmer",
    "language": "fr",
}


GUESS = {"decision_id": "dec_" + "0" * 32, "token": "guess"}


@pytest.fixture
def clip(service):
    """A withheld clip that is only a row; its mark's payload is 00…ab."""
    services, clip_id = service.services, new_id("clip")
    now = services.clock.now()
    with services.database.transaction("default") as tx:
        tx.pg.execute(
            "insert into moderation.clips (org_id, clip_id, status, created_at, updated_at) "
            "values ('default', %s, 'withheld', %s, %s)",
            (clip_id, now, now),
        )
        tx.pg.execute(
            "insert into moderation.mark_payloads (payload, org_id, clip_id, key_version, minted_at) "
            "values ('0000000000ab', 'default', %s, 1, %s)",
            (clip_id, now),
        )
        decision = Decision(outcome=Outcome.BLOCK, facts_hash="", reasons=(Reason(code="hate"),))
        insert_decision(tx, read_clip(tx, clip_id), decision, actor_kind="rule", actor="policy:test", now=now)
    return clip_id


def test_the_way_of_a_notice_and_an_appeal(service, clip):
    nobody = service.with_headers()
    said = service.client.get(f"/v1/statements/{clip}").json()
    proof = {"decision_id": said["decision_id"], "token": said["redress"]["token"]}
    appeal = nobody.post("/v1/appeals", json={"clip_id": clip, "explanation": "A parody.", **proof})
    assert appeal.status_code == 201, appeal.text
    assert nobody.post("/v1/appeals", json={"clip_id": clip, "explanation": "Again.", **proof}).status_code == 409
    token = {"X-Notice-Token": appeal.json()["token"]}
    assert nobody.get(appeal.json()["status_url"], headers=token).json()["state"] == "open"
    filed = nobody.post("/v1/notices", json={**BODY, "clip": "0000000000ab"})
    assert filed.status_code == 201, filed.text
    receipt = filed.json()
    assert not any(secret in filed.text for secret in ("Zoe", "zoe@", clip))
    token = {"X-Notice-Token": receipt["token"]}
    state = nobody.get(receipt["status_url"], headers=token, params={"lang": "en"})
    assert (state.json()["state"], state.json()["text"][:11]) == ("open", "Your notice")
    assert nobody.get(receipt["status_url"], headers={"X-Notice-Token": "guess"}).status_code == 404
    identity = f"{receipt['status_url']}/identity"
    assert service.with_scopes("review", "specialist", "read", "audit").get(identity).status_code == 403
    keeper = service.with_scopes("likeness")
    assert keeper.get(identity).json()["name"] == "Zoe Zimmer"
    assert (keeper.delete(identity).status_code, keeper.get(identity).status_code) == (204, 404)
    figures = service.with_scopes("audit").get("/v1/reports/transparency").json()
    assert [(line["kind"], line["filed"], line["open"]) for line in figures["notices"]] == [("intimate_image", 1, 1)]
    assert figures["appeals"] == [
        {"by": "creator", "filed": 1, "open": 1, "upheld": 0, "rejected": 0, "gone": 0, "median_seconds": None}
    ]
    assert 'countersign_notices_open{kind="intimate_image"} 1.0' in service.client.get("/metrics").text


def test_what_is_wrong_with_a_notice_is_said_field_by_field_and_too_many_are_refused(service, clip):
    nobody = service.with_headers()
    unknown, theirs = (
        nobody.post("/v1/notices", json={**BODY, "kind": "counter_notice", "clip": each, "statement": GUESS})
        for each in ("clip_" + "0" * 32, clip)
    )
    # Who proves nothing learns nothing of which clips there are.
    assert (unknown.status_code, unknown.json()["code"]) == (404, "not_found")
    assert {**unknown.json(), "request_id": ""} == {**theirs.json(), "request_id": ""}
    answers = [
        nobody.post("/v1/notices", json=body)
        for body in (
            {**BODY, "clip": clip, "signature": "", "good_faith": False},
            {**BODY, "clip": "clip_none"},
            {**BODY, "clip": clip, "kind": "counter_notice"},
            {**BODY, "clip": clip, "kind": "other"},
        )
    ]
    assert [answer.status_code for answer in answers] == [422] * 4
    codes = ["notice_incomplete", "clip_not_identified", "unprocessable", "invalid_request"]
    assert [answer.json()["code"] for answer in answers] == codes
    assert answers[0].json()["fields"] == {"signature": "missing", "good_faith": "no_good_faith"}
    with service.services.database.system_transaction() as tx:
        tx.pg.execute("insert into moderation.organisations values ('rival')")
    rival = service.of_organisation("rival").post("/v1/notices", json={**BODY, "clip": clip})
    assert rival.json()["code"] == "clip_not_identified"
    rest = [nobody.post("/v1/notices", json={}).status_code for _ in range(PER_MINUTE - 5)]
    assert (set(rest[:-1]), rest[-1]) == ({422}, 429)


@pytest.mark.full
def test_a_copy_names_its_clip_and_the_way_back_goes_through_judgement_and_gate(
    run_app, embedded_pack, tmp_path, monkeypatch
):
    """From a real release over a notice with a copy to the approval that lets it out again; a stop at the gate holds."""
    shares = Noticing(share_urls=("https://clips.example/v/{clip}",))
    service = run_app(notices=shares)
    services = service.services
    draw_clip(tmp_path / "clip.mp4", seconds=1, width=320, height=180)
    clip = check_file(services, "default", "tester", tmp_path / "clip.mp4", Submission(creator="ana")).clip_id
    copy = service.client.get(f"/v1/clips/{clip}/media").content
    nobody = service.with_headers()
    filed = nobody.post("/v1/notices", files={"file": copy, "metadata": (None, json.dumps(BODY))})
    assert (filed.status_code, filed.json()["hidden"]) == (201, True), filed.text
    assert service.client.get(f"/v1/clips/{clip}/media").status_code == 451
    unmarked = (tmp_path / "clip.mp4").read_bytes()
    refused = nobody.post("/v1/notices", files={"file": unmarked, "metadata": (None, json.dumps(BODY))})
    assert refused.json()["code"] == "clip_not_identified"
    by_address = {**BODY, "kind": "rights_holder", "clip": f"https://clips.example/v/{clip}?t=3"}
    assert nobody.post("/v1/notices", json=by_address).status_code == 201
    leased = service.client.post("/v1/queues/takedown/claim", json={}).json()
    said = {"lease_token": leased["lease"]["token"], "version": leased["version"]}
    answer = {"outcome": "allow", "reason": "no_violation", **said}
    decided = service.client.post(f"/v1/cases/{leased['id']}/decision", json=answer)
    assert decided.status_code == 200, decided.text
    # Another notice comes before the clip is judged again: the approval did not answer this one.
    nobody.post("/v1/notices", json={**BODY, "clip": clip, "contact": "yan@example.org"})
    assert go_on(services, clip) == "in_review"
    again = service.with_scopes("review", principal="eve").post("/v1/queues/takedown/claim", json={}).json()
    assert again["clip_id"] == clip
    with monkeypatch.context() as off:
        # Were it not stopped when it is judged, the gate would still hold it; without any stop it is out.
        off.setattr(judging, "bring_stopped", lambda *_: False)
        assert go_on(services, clip, begin=True) == "held"
        off.setattr(stops, "stands", lambda *_: False)
        assert go_on(services, clip, begin=True) == "released"
    other = {**BODY, "clip": check_file(services, "default", "tester", tmp_path / "clip.mp4", Submission()).clip_id}
    differs = nobody.post("/v1/notices", files={"file": copy, "metadata": (None, json.dumps(other))})
    assert (differs.status_code, differs.json()["code"]) == (422, "copy_of_another_clip")
    by_number = nobody.post("/v1/notices", files={"file": unmarked, "metadata": (None, json.dumps(other))})
    assert (by_number.status_code, by_number.json()["hidden"]) == (201, True)


def go_on(services, clip, *, begin=False):
    """Take a clip to its end as a worker would, beginning another run when asked; returns its status."""
    with services.database.transaction("default") as tx:
        found = read_clip(tx, clip, lock=True)
        generation = next_generation(tx, found, services.clock.now()) if begin else found.generation
    process_clip(InlineSteps(services), "default", clip, generation)
    with services.database.transaction("default") as tx:
        return read_clip(tx, clip).status
