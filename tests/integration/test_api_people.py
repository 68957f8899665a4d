"""The likeness registry over HTTP: who may act for whom, what a grant says, and that a stranger learns nothing."""

import base64
import threading

import numpy as np
import psycopg

from moderation import consent

LEA = {"name": "Léa", "account": "lea-7", "age_band": "adult", "aliases": ["Lea Martin", "ليا"]}
ASK = {"on_behalf_of": "lea-7"}
TO_ANA = {**ASK, "grantee_kind": "creator", "grantee": "ana"}
UNKNOWN = "per_" + "0" * 32


def verified(service, person):
    with service.services.database.transaction() as tx:
        consent.set_state(tx, service.services.clock.now(), person, "verified", by="test")


def less_id(answer) -> tuple[int, dict]:
    """An answer without what names the request and the person asked for."""
    body = {name: value for name, value in answer.json().items() if name not in {"request_id", "instance"}}
    return answer.status_code, {name: str(value).replace(UNKNOWN, "PERSON") for name, value in body.items()}


def test_a_person_from_registration_to_erasure(service):
    keeper = service.with_scopes("likeness", principal="platform")
    made = keeper.post("/v1/people", json=LEA)
    person = made.json()["id"]
    at = made.headers["location"]
    assert (made.status_code, at, made.json()["state"]) == (201, f"/v1/people/{person}", "pending")
    assert keeper.post("/v1/people", json=LEA).status_code == 409
    assert keeper.post("/v1/people", json={"name": "nobody"}).status_code == 422
    assert keeper.post("/v1/people", json={"name": "x", "kind": "public_figure"}).status_code == 403
    verified(service, person)
    assert [alias["name"] for alias in keeper.get(at).json()["aliases"]] == LEA["aliases"]

    friends = keeper.post(f"{at}/lists", json={**ASK, "name": "friends", "creators": ["bo"]}).json()
    assert keeper.patch(f"{at}/lists/{friends['id']}", json={**ASK, "add": ["cy"], "remove": ["bo"]}).json()[
        "creators"
    ] == ["cy"]
    listed = {**ASK, "grantee_kind": "list", "grantee": friends["id"], "scope": "both", "mode": "ask_me"}
    limited = {"limits": ["violent"], "purposes": ["satire"], "expires_at": "2100-01-01T00:00:00Z", "remix": True}
    first = keeper.post(f"{at}/grants", json=listed | limited)
    assert first.status_code == 201, first.text
    assert first.json()["expires_at"] == "2100-01-01T00:00:00+00:00"
    second = keeper.post(f"{at}/grants", json={**TO_ANA, "replaces": first.json()["id"]}).json()
    old, new = keeper.get(f"{at}/grants").json()["items"]
    assert old["revoked_at"] is not None
    assert (new["id"], new["replaces"], new["revoked_at"]) == (second["id"], first.json()["id"], None)
    revoked = keeper.delete(f"{at}/grants/{second['id']}", params=ASK)
    assert (revoked.status_code, revoked.json()["reached"]["released"]) == (200, 0)
    assert keeper.delete(f"{at}/grants/{second['id']}", params=ASK).status_code == 404
    assert keeper.put(f"{at}/limits", json={**ASK, "contexts": ["sexual"]}).json() == {"contexts": ["sexual"]}
    assert keeper.get(at).json()["limits"] == ["sexual"]
    assert keeper.post(f"{at}/grants", json={**TO_ANA, "limits": ["unheard of"]}).status_code == 422

    assert keeper.put(f"{at}/state", json={"state": "suspended"}).status_code == 403
    assert service.client.put(f"{at}/state", json={"state": "suspended"}).json()["state"] == "suspended"
    assert keeper.put(f"{at}/guardian", json={**ASK, "age_band": "teen"}).json()["age_band"] == "teen"
    assert keeper.get(at).json()["limits"] == list(consent.CONTEXTS)
    assert keeper.put(f"{at}/guardian", json={**ASK, "age_band": "adult"}).status_code == 403

    assert keeper.delete(at, params=ASK).status_code == 204
    assert keeper.get(at).status_code == 404
    assert keeper.post("/v1/people", json=LEA).status_code == 201
    assert person not in [each["id"] for each in keeper.get("/v1/people").json()["items"]]


def test_lists_come_in_pages_and_the_stale_are_named(service):
    keeper = service.with_scopes("likeness")
    people = [keeper.post("/v1/people", json={"name": str(i), "account": str(i)}).json()["id"] for i in range(3)]
    page = keeper.get("/v1/people", params={"limit": 2}).json()
    rest = keeper.get("/v1/people", params={"limit": 2, "cursor": page["next_cursor"]}).json()
    assert [each["id"] for each in page["items"] + rest["items"]] == people
    assert rest["next_cursor"] is None
    for hostile in ("nonsense", base64.urlsafe_b64encode(b"2026-01-01T00:00:00+00:00 per_\0").decode()):
        assert keeper.get("/v1/people", params={"cursor": hostile}).status_code == 422
    services, model = service.services, service.services.face_model
    vector = np.ones(128, np.float32)
    with services.database.transaction() as tx:
        now = services.clock.now()
        for person, made_by in zip(people, (model, "dlib_face_recognition@of_before", model), strict=True):
            consent.add_template(
                tx, services.vault, now, person, vector=vector, model=made_by, source="test", by="test"
            )
        # Of a new enrolment the old templates say nothing any more.
        old = "dlib_face_recognition@of_before"
        consent.add_template(tx, services.vault, now, people[2], vector=vector, model=old, source="test", by="test")
    found = keeper.get("/v1/people/stale").json()
    assert [(each["id"], each["models"]) for each in found["items"]] == [(people[1], [old])]
    assert model in found["current"]


def attempts(person, account):
    """Everything a caller may try with a person's id: method, path, and what is sent along."""
    named = {} if account is None else {"on_behalf_of": account}
    at = f"/v1/people/{person}"
    return [
        ("POST", f"{at}/grants", {"json": {**named, "grantee_kind": "everyone"}}),
        ("DELETE", f"{at}/grants/grant_{'0' * 32}", {"params": named}),
        ("PUT", f"{at}/limits", {"json": {**named, "contexts": []}}),
        ("POST", f"{at}/lists", {"json": {**named, "name": "x"}}),
        ("PATCH", f"{at}/lists/glist_{'0' * 32}", {"json": {**named, "add": ["me"]}}),
        ("POST", f"{at}/aliases", {"json": {**named, "name": "x"}}),
        ("PUT", f"{at}/guardian", {"json": {**named, "guardian": "me"}}),
        ("DELETE", at, {"params": named}),
    ]


def test_who_acts_for_somebody_else_learns_not_even_that_they_exist(service):
    keeper = service.with_scopes("likeness")
    person = keeper.post("/v1/people", json=LEA).json()["id"]
    figure = service.client.post("/v1/people", json={"name": "A Figure", "kind": "public_figure"}).json()["id"]
    with service.services.database.system_transaction() as tx:
        tx.pg.execute("insert into moderation.organisations (org_id) values ('other')")
    elsewhere = service.of_organisation("other")
    for known, account in ((person, "somebody-else"), (person, None), (figure, "lea-7"), (figure, None)):
        for (method, path, sent), (_, nowhere, _) in zip(
            attempts(known, account), attempts(UNKNOWN, account), strict=True
        ):
            told = keeper.request(method, path, **sent)
            status, body = less_id(told)
            assert status == 404, (path, told.text)
            body = {name: value.replace(known, "PERSON") for name, value in body.items()}
            assert (status, body) == less_id(keeper.request(method, nowhere, **sent))
    for path in ("", "/grants", "/lists"):
        told, nobody = elsewhere.get(f"/v1/people/{person}{path}"), elsewhere.get(f"/v1/people/{UNKNOWN}{path}")
        assert told.status_code == 404
        assert (
            told.text.replace(person, "").split("request_id")[0]
            == (nobody.text.replace(UNKNOWN, "").split("request_id")[0])
        )
    assert service.with_scopes("read", "submit", "review").get("/v1/people").status_code == 403


def test_people_are_found_by_no_name(service):
    keeper = service.client
    keeper.post("/v1/people", json=LEA)
    assert keeper.get("/v1/people", params={"name": "somebody"}).json() == keeper.get("/v1/people").json()


def test_an_unknown_person_and_anothers_are_asked_the_same_of_the_database(service, monkeypatch):
    """The same statements in the same order, whatever the caller tries: nothing is left to be told by the time."""
    keeper = service.with_scopes("likeness")
    person = keeper.post("/v1/people", json=LEA).json()["id"]
    execute, said = psycopg.Connection.execute, []

    def listen(connection, query, *rest, **more):
        # What is asked for this request alone: the rules and the lists are read anew by threads of their own.
        if threading.current_thread().name.startswith("AnyIO"):
            said.append(str(query))
        return execute(connection, query, *rest, **more)

    for account in ("somebody-else", None):
        heard: dict[str, list[list[str]]] = {}
        for known in (person, UNKNOWN):
            for method, path, sent in attempts(known, account):
                monkeypatch.setattr(psycopg.Connection, "execute", listen)
                said.clear()
                status, _ = less_id(keeper.request(method, path, **sent))
                monkeypatch.setattr(psycopg.Connection, "execute", execute)
                assert status == 404
                heard.setdefault(known, []).append(list(said))
        assert all(len(each) > 2 for each in heard[person])
        assert heard[person] == heard[UNKNOWN]
