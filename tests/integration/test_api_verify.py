"""Provenance without a key: what an unmarked copy and a payload answer, and how often one may ask."""

import psycopg

from moderation.api.verify import STAFF


def payload_of(dsn: str) -> str:
    with psycopg.connect(dsn) as connection:
        return connection.execute("select payload from moderation.mark_payloads").fetchone()[0]


def test_an_unmarked_copy_is_unknown(service, drawn):
    nobody = service.with_headers()
    answer = nobody.post("/v1/verify", files={"file": drawn.read_bytes()})
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert (body["origin"], body["clip_id"], body["confidence"]) == ("unknown", None, 0.0)
    assert set(body["layers"]) == {"c2pa", "invisible", "visible", "fingerprint"}
    assert "candidates" not in body
    assert (
        service.with_scopes(STAFF[0]).post("/v1/verify", files={"file": drawn.read_bytes()}).json()["candidates"] == []
    )
    assert nobody.post("/v1/verify", files={"file": b"no film"}).status_code in {200, 415}
    assert nobody.post("/v1/verify", json={"url": "http://10.0.0.1/"}).json()["code"] == "forbidden_destination"
    assert nobody.post("/v1/verify", json={"address": "x"}).json()["errors"][0]["pointer"] == "/url"
    assert (
        nobody.post("/v1/verify", files={"file": b"x"}, headers={"Authorization": "Bearer csk_no"}).status_code == 401
    )
    assert list(service.services.scratch().glob("upload-*")) == []


def test_a_payload_is_resolved_without_personal_data(service, drawn, dsn):
    files = {"file": drawn.read_bytes(), "metadata": (None, '{"creator": "ana-9", "title": "Shapes-9"}')}
    clip = service.client.post("/v1/clips", files=files).json()["id"]
    payload, nobody = payload_of(dsn), service.with_headers()
    mark = nobody.get(f"/v1/marks/{payload}")
    assert (mark.json()["clip_id"], mark.json()["payload"]) == (clip, payload)
    assert "ana-9" not in mark.text
    assert "Shapes-9" not in mark.text
    for bad in ("0" * 11, "G" * 12, payload.upper() + "0"):
        assert nobody.get(f"/v1/marks/{bad}").status_code == 404


def test_one_address_may_ask_only_so_often(service):
    nobody = service.with_headers()
    answers = [nobody.get("/v1/marks/000000000000") for _ in range(121)]
    assert [answer.status_code for answer in answers] == [404] * 120 + [429]
    assert (answers[-1].json()["code"], int(answers[-1].headers["retry-after"]) > 0) == ("rate_limited", True)
    assert service.client.get("/v1/marks/000000000000").status_code == 404
