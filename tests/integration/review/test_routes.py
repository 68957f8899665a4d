"""The queue's routes beyond claiming and deciding: escalation, undo, overturn, and who is dealt what."""

from moderation import holding
from moderation.settings import Reviewing

PRODUCTION = Reviewing(undo_s=30, own_clips_again=False)


def claimed(client) -> dict:
    return client.post("/v1/queues/failures/claim").json()


def answer(case: dict, outcome: str = "block", **said: object) -> dict:
    reason = "no_violation" if outcome == "allow" else "processing_failed"
    lease = {"lease_token": case["lease"]["token"], "version": case["version"]}
    return {"outcome": outcome, "reason": reason, **lease, **said}


def before_a_person(service, drawn) -> str:
    clip = service.client.post("/v1/clips", files={"file": drawn.read_bytes()}).json()["id"]
    holding.ask_a_person(service.services, "default", clip, 1, "processing_failed", "it broke")
    return clip


def test_an_answer_is_undone_sent_twice_escalated_and_overturned(run_app, drawn):
    service = run_app(review=PRODUCTION)
    clip = before_a_person(service, drawn)
    ana, ben = (service.with_scopes("review", "read", principal=who) for who in ("ana", "ben"))
    case = claimed(ana)
    path = f"/v1/cases/{case['id']}"
    first = ana.post(f"{path}/decision", json=answer(case, key="form-1")).json()
    assert (first["state"], first["next_view"], bool(first["undo_until"])) == ("decided", None, True)
    assert ana.post(f"{path}/decision", json=answer(case, key="form-1")).json()["opinion_id"] == first["opinion_id"]
    assert ana.post(f"{path}/decision", json=answer(case)).status_code == 409
    assert ana.get(f"/v1/clips/{clip}").json()["status"] == "in_review"
    assert ben.post(f"{path}/undo").status_code == 409
    again = ana.post(f"{path}/undo").json()
    assert (again["state"], again["lease"]["holder"]) == ("open", "ana")
    asked = ana.post(f"{path}/escalate", json=answer(again, question="is it broken?")).json()
    assert (asked["decision_id"], asked["next_view"], asked["state"]) == (None, "second", "open")
    assert ana.post("/v1/queues/failures/claim").status_code == 204
    second = claimed(ben)
    seen = ben.get(path).json()
    told = [act for act in seen["history"] if act["action"] == "escalated"]
    assert ([act.get("outcome") for act in told], [act["question"] for act in told]) == ([None], ["is it broken?"])
    assert seen["opinions"] == []
    assert "source" not in seen
    decided = ben.post(f"{path}/decision", json=answer(second)).json()
    assert decided["decision_id"]
    wish = {"outcome": "allow", "reason": "false_match", "error_class": "false_positive", "version": decided["version"]}
    cem = service.with_scopes("review", principal="cem")
    assert cem.post(f"{path}/overturn", json=wish).status_code == 409, "it can still be undone"
    with service.services.database.transaction() as tx:
        tx.pg.execute("update moderation.cases set undo_until = now() - interval '1 second'")
    from moderation.review.following import follow_due  # noqa: PLC0415

    assert follow_due(service.services) == 1
    assert ana.get(f"/v1/clips/{clip}").json()["status"] == "withheld"
    assert ana.post(f"{path}/overturn", json=wish).status_code == 403
    assert cem.post(f"{path}/overturn", json={**wish, "error_class": "false_negative"}).status_code == 422
    assert cem.post(f"{path}/overturn", json=wish).status_code == 200
    assert ana.get(f"/v1/clips/{clip}").json()["status"] == "processing"


def test_operators_say_who_is_dealt_what_and_nobody_else_does(run_app, drawn):
    service = run_app(review=PRODUCTION)
    before_a_person(service, drawn)
    ana, admin = service.with_scopes("review", principal="ana"), service.with_scopes("admin", principal="boss")
    assert ana.post("/v1/queues/nowhere/claim").status_code == 404
    assert admin.put("/v1/reviewers/ana", json={"queues": ["words"]}).status_code == 404
    assert ana.post("/v1/queues/words/claim").status_code == 204
    assert ana.get("/v1/reviewers").status_code == 403
    assert ana.put("/v1/reviewers/ana", json={"queues": None}).status_code == 403
    assert [line["name"] for line in ana.get("/v1/queues").json()["items"]] == ["failures"]
    assert len(ana.get("/v1/queues", params={"empty": True}).json()["items"]) > 5
    assert admin.put("/v1/reviewers/ana", json={"queues": ["nowhere"]}).status_code == 422
    changed = admin.put("/v1/reviewers/ana", json={"queues": ["words"]}).json()
    assert (changed["queues"], len(changed["code_name"]) > 3) == (["words"], True)
    assert [each["principal"] for each in admin.get("/v1/reviewers").json()["items"]] == ["ana"]
    assert ana.post("/v1/queues/failures/claim").status_code == 403
    assert admin.patch("/v1/queues/words", json={"patience_s": 3600}).json()["patience_s"] == 3600
    assert admin.patch("/v1/queues/words", json={"patience_s": None}).status_code == 422
    assert admin.patch("/v1/queues/failures", json={"retired": True}).status_code == 409
    assert admin.patch("/v1/queues/words", json={"retired": True}).json()["retired"] is True
    assert ana.post("/v1/queues/words/claim").status_code == 404
