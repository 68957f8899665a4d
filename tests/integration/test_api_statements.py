"""Statements of reasons and the trace behind them: what creators are told, and what only insiders see."""

import json

import pytest

from moderation.api.disclosure import PUBLIC
from moderation.db.clips import read_clip
from moderation.ids import new_id
from moderation.policy import source
from moderation.policy.engine import decide
from moderation.policy.fields import Fields
from moderation.policy.registry import VOCABULARY
from moderation.policy.staging import stage_facts
from moderation.recording import insert_decision

SHOWN = 'signals: {explicit.score: "0.01x4 0.95x4 0.01x2", words.hate: "0.1"}'
NOT_LOOKED_AT = "signals: {explicit.score: failed}"


@pytest.fixture
def decided(service):
    """A clip that the shipped rules decided on facts as a case writes them."""

    def decided(given: str, *, locale: str = "en") -> str:
        services, clip_id = service.services, new_id("clip")
        now = services.clock.now()
        decision = decide(stage_facts(Fields("given"), source.parse(given, "given"), VOCABULARY), services.ruleset)
        with services.database.transaction("default") as tx:
            tx.pg.execute(
                "insert into moderation.clips (org_id, clip_id, status, locale, created_at, updated_at) "
                "values ('default', %s, 'processing', %s, %s, %s)",
                (clip_id, locale, now, now),
            )
            insert_decision(tx, read_clip(tx, clip_id), decision, actor_kind="rule", actor="policy:test", now=now)
        return clip_id

    return decided


def test_a_creator_is_told_what_was_restricted_why_where_and_what_to_do(service, decided):
    clip = decided(SHOWN)
    reader = service.with_scopes("read")
    said = reader.get(f"/v1/statements/{clip}").json()
    assert said["restrictions"] == [{"code": "withheld", "text": "The video is not published."}]
    (fact,) = [fact for fact in said["facts"] if fact["code"] == "explicit_content"]
    assert fact["seconds"] == {"start_ms": 1000, "end_ms": 2000, "text": "From 0:01.0 to 0:02.0."}
    assert said["measured"] == ["explicit content"]
    assert said["automated"]["detection"] is said["automated"]["decision"] is True
    (ground,) = said["grounds"]
    assert (ground["reason"], ground["basis"]) == ("explicit_content", "terms")
    assert ground["clause"] in ground["text"]
    assert said["redress"]["token"]
    # No threshold, no score, no model, no id of anybody.
    everything = json.dumps(said)
    for secret in ("0.8", "0.95", "at_least", "per_", "model"):
        assert secret not in everything, secret


@pytest.mark.parametrize(
    ("language", "withheld"),
    [("fr", "La vidéo n’est pas publiée."), ("ar", "لم يُنشر الفيديو."), ("pt", "The video is not published.")],
)
def test_it_speaks_the_creators_language(service, decided, language, withheld):
    clip = decided(SHOWN, locale=language)
    of_clip = service.client.get(f"/v1/statements/{clip}").json()
    asked = service.client.get(f"/v1/statements/{decided(SHOWN)}", params={"lang": language}).json()
    for said in (of_clip, asked):
        assert said["restrictions"][0]["text"] == withheld
    if language != "pt":
        assert (
            of_clip["redress"]["text"] != service.client.get(f"/v1/statements/{clip}?lang=en").json()["redress"]["text"]
        )


def test_what_a_person_still_decides_is_said_to_be_so(service, decided):
    said = service.client.get(f"/v1/statements/{decided(NOT_LOOKED_AT)}").json()
    assert said["restrictions"][0]["code"] == "in_review"
    assert said["automated"]["decision"] is False


def test_where_nothing_is_restricted_there_is_nothing_to_state(service, decided):
    clip = decided('signals: {explicit.score: "0.01x8"}')
    assert service.client.get(f"/v1/statements/{clip}").status_code == 404
    assert service.client.get("/v1/statements/clip_none").status_code == 404
    assert service.with_scopes("submit").get(f"/v1/statements/{clip}").status_code == 403


def test_what_a_hash_list_knew_is_nobodys_to_be_told(service, decided):
    said = service.with_scopes("read").get(f"/v1/statements/{decided('known_illegal: true')}").json()
    assert (said["restrictions"][0]["code"], said["facts"]) == ("withheld", [])
    assert [(ground["basis"], ground["clause"]) for ground in said["grounds"]] == [("terms", None)]
    assert "illegal" not in json.dumps(said)


def test_the_trace_is_for_insiders_and_says_value_against_threshold(service, decided):
    clip = decided(SHOWN)
    body = service.with_scopes("read", "audit").get(f"/v1/clips/{clip}/decision").json()["decision"]
    (entry,) = [entry for entry in body["trace"] if entry["rule"] == "sustained"]
    (leaf,) = entry["leaves"]
    assert (leaf["name"], leaf["comparator"], leaf["against"]) == ("explicit.score", "at_least", [0.8])
    assert [(span["start_ms"], span["end_ms"], span["peak"]) for span in leaf["spans"]] == [(1000, 2000, 0.95)]
    seen = service.with_scopes("read").get(f"/v1/clips/{clip}/decision").json()["decision"]
    assert {"trace", "lesser", "facts_hash"}.isdisjoint(seen)
    assert {name: seen[name] for name in PUBLIC} == {name: body[name] for name in PUBLIC}


def test_the_trace_says_what_was_not_known_and_why(service, decided):
    clip = decided(NOT_LOOKED_AT)
    body = service.client.get(f"/v1/clips/{clip}/decision").json()["decision"]
    open_ones = [leaf for entry in body["trace"] for leaf in entry["leaves"] if leaf["truth"] == "undetermined"]
    assert {"kind": "signal", "name": "explicit.score", "state": "failed"} in [
        cause for leaf in open_ones for cause in leaf["causes"]
    ]
