"""Taking consent back: what it reaches, what it does to each clip once, and when it has come to zero."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from families import Row, register, tree, write

from moderation import consent, outbox, release
from moderation.db.clips import read_clip
from moderation.revocations import beginning, driving, removing
from moderation.revocations.progress import progress
from moderation.revocations.reaching import find_reached, reach
from moderation.revocations.receipts import note_delivery, take_receipt
from moderation.webhooks import create_endpoint

ORG = "default"


@pytest.fixture
def inside(service):
    return service.services


@pytest.fixture
def person(inside) -> str:
    return register(inside.database, inside.vault)


def put(inside, *rows: Row) -> list[str]:
    with inside.database.transaction() as tx:
        return write(tx, rows)


def scalar(inside, query, *args):
    with inside.database.system_transaction() as tx:
        row = tx.pg.execute(query, args).fetchone()
    return row[0] if row else None


def statuses(inside, *clips):
    return [scalar(inside, "select status from moderation.clips where clip_id = %s", clip) for clip in clips]


def read(inside, revocation):
    with inside.database.transaction() as tx:
        return progress(tx, revocation)


def test_the_reach_follows_every_edge_to_any_depth_and_ends_in_circles(inside, person):
    shown = Row(shows=[(person, "face", "matched")])
    chain = [shown]
    for _ in range(60):
        chain.append(Row(parent=chain[-1].clip))
    possible = Row(shows=[(person, "voice", "possible")], status="in_review")
    declared = Row(shows=[(person, "declared", "declared")], status="held", visibility="draft")
    over = Row(shows=[(person, "face", "matched")], status="withdrawn")
    beyond = Row(parent=over.clip)
    copy = Row()
    put(inside, *chain, possible, declared, over, beyond, copy, Row())
    with inside.database.transaction() as tx:
        tx.pg.execute(
            "insert into moderation.lineage (org_id, child, parent, how, found_at) values "
            "('default', %s, %s, 'ingredient', now()), ('default', %s, %s, 'copy', now())",
            (shown.clip, chain[30].clip, copy.clip, shown.clip),
        )
        found = {each.clip_id: each.why for each in find_reached(tx, person)}
        numbers = reach(tx, person).to_json()
    assert found == {
        shown.clip: "shown",
        **{each.clip: "descendant" for each in chain[1:]},
        possible.clip: "possible",
        declared.clip: "declared",
        beyond.clip: "descendant",
        copy.clip: "copy",
    }
    assert numbers == {"released": 63, "in_review": 1, "processing": 1, "drafts": 1, "descendants": 61}


def test_what_shows_them_is_withdrawn_the_rest_is_judged_again_and_zero_is_the_platforms_word(inside, person):
    create_endpoint(inside, ORG, "https://platform.example/hook", by="test")
    draft = Row(visibility="draft", shows=[(person, "face", "matched")])
    copy = Row(shows=[(person, "copy", "matched")])
    waiting = Row(status="in_review", shows=[(person, "voice", "matched")])
    on_its_way = Row(status="processing", shows=[(person, "face", "matched")])
    unsure = Row(shows=[(person, "face", "possible")])
    remix = Row(parent=draft.clip)
    other = Row()
    put(inside, draft, copy, waiting, on_its_way, unsure, remix, other)
    begun = beginning.begin(inside, ORG, person, by="tester")
    revocation = begun["revocation_id"]
    assert begun["reached"] == {"released": 4, "in_review": 1, "processing": 1, "drafts": 1, "descendants": 1}
    assert read(inside, revocation).state == "driving"
    for _ in range(2):
        driving.drive(inside, ORG, revocation)
    withdrawn = (draft, copy, waiting)
    assert statuses(inside, *(row.clip for row in withdrawn)) == ["withdrawn"] * 3
    again = statuses(inside, on_its_way.clip, unsure.clip, remix.clip, other.clip)
    assert again == ["processing", "processing", "processing", "released"]
    told = {
        row.clip: json.loads(scalar(inside, "select body from moderation.events where clip_id = %s", row.clip))
        for row in withdrawn
    }
    assert {body["type"] for body in told.values()} == {"clip.withdrawn"}
    assert {body["data"]["sequence"] for body in told.values()} == {1}
    assert [told[row.clip]["data"]["purge"] for row in withdrawn] == [True, True, False]
    assert told[draft.clip]["data"]["revocation_id"] == revocation
    events = "select array_agg(type order by seq) from moderation.events where about = %s"
    assert scalar(inside, events, revocation) == ["revocation.started", "revocation.progressed"]
    assert scalar(inside, "select count(*) from moderation.events") == 5
    assert scalar(inside, "select count(*) from moderation.deliveries") == 5
    now = read(inside, revocation)
    assert (now.state, now.targets, now.pending, now.unpurged, now.time_to_zero_s) == (
        *("awaiting_receipts", 6, 0, 2),
        None,
    )
    assert driving.watch(inside) == 0
    with inside.database.transaction() as tx:
        assert take_receipt(tx, inside.clock.now(), revocation, [draft.clip, "clip_unknown"], by="platform") == 1
        assert take_receipt(tx, inside.clock.now(), revocation, [draft.clip], by="platform") == 0
    assert read(inside, revocation).state == "awaiting_receipts"
    with inside.database.transaction() as tx:
        assert take_receipt(tx, inside.clock.now(), revocation, None, by="platform") == 1
    # What was out and is judged again is waited for; it does not come out again, and its platform purges that too.
    judging = read(inside, revocation)
    assert (judging.state, judging.purged, judging.unsettled, driving.watch(inside)) == ("judging", 2, 2, 0)
    for row in (unsure, remix):
        release.withdraw(inside, ORG, row.clip, "tester", "test")
        said = json.loads(last_event(inside, row.clip))["data"]
        assert (said["purge"], said["revocation_id"], said["reason"]) == (True, revocation, "test")
    assert read(inside, revocation).state == "awaiting_receipts"
    with inside.database.transaction() as tx:
        assert take_receipt(tx, inside.clock.now(), revocation, None, by="platform") == 2
    done = read(inside, revocation)
    assert (done.state, done.purged) == ("completed", 4)
    assert done.time_to_zero_s >= done.time_to_withdrawn_s >= 0
    assert [driving.watch(inside) for _ in range(2)] == [1, 0]
    assert scalar(inside, events, revocation)[-1] == "revocation.completed"


def test_one_grant_taken_back_sends_its_clips_to_judgement_for_another_may_cover_them(inside, person):
    with inside.database.transaction() as tx:
        grant = consent.grant(tx, inside.clock.now(), person, grantee="ana", scope="face", by="test")
    (clip,) = put(inside, Row(shows=[(person, "face", "matched")]))
    begun = beginning.begin(inside, ORG, person, by="tester", grant_id=grant)
    driving.drive(inside, ORG, begun["revocation_id"])
    assert statuses(inside, clip) == ["processing"]


def last_event(inside, clip):
    return scalar(inside, "select body from moderation.events where clip_id = %s order by seq desc limit 1", clip)


def test_what_was_blocked_or_taken_back_by_another_before_its_turn_is_purged_for_both(inside, person):
    with inside.database.transaction() as tx:
        grant = consent.grant(tx, inside.clock.now(), person, grantee="ana", scope="face", by="test")
    blocked, waiting = put(inside, *(Row(shows=[(person, "face", "matched")]) for _ in range(2)))
    first = beginning.begin(inside, ORG, person, by="tester", grant_id=grant)["revocation_id"]
    driving.list_targets(inside, ORG, first)
    set_status = "update moderation.clips set status = %s where clip_id = %s returning 1"
    scalar(inside, set_status, "withheld", blocked)
    driving.drive(inside, ORG, first)
    said = json.loads(last_event(inside, blocked))
    assert (said["type"], said["data"]["purge"], said["data"]["revocation_id"]) == ("clip.withheld", True, first)
    scalar(inside, set_status, "in_review", waiting)
    assert (read(inside, first).unpurged, read(inside, first).unsettled) == (1, 1)
    second = beginning.begin(inside, ORG, person, by="tester")["revocation_id"]
    driving.drive(inside, ORG, second)
    with inside.database.transaction() as tx:
        (event,) = tx.pg.execute(
            "select distinct event_id from moderation.revocation_targets where clip_id = %s", (waiting,)
        ).fetchall()
        note_delivery(tx, event[0], inside.clock.now())
    # What the first asked for stays asked for, and its receipt is of both.
    assert (read(inside, first).unpurged, read(inside, first).unsettled) == (1, 0)
    assert (read(inside, second).unpurged, json.loads(last_event(inside, blocked))) == (1, said)
    with inside.database.transaction() as tx:
        assert take_receipt(tx, inside.clock.now(), second, None, by="platform") == 1
    assert {read(inside, each).state for each in (first, second)} == {"completed"}


WAITING = "select 1 from pg_locks l join pg_stat_activity a using (pid) where not l.granted and a.datname = current_database()"
TAKEN = "update moderation.deliveries set state = 'delivered' where event_id = %s"


def event_of(inside, clip):
    return scalar(inside, "select event_id from moderation.events where clip_id = %s order by seq desc limit 1", clip)


def test_who_comes_second_waits_for_the_purge_that_the_first_asked_for(inside, person):
    create_endpoint(inside, ORG, "https://platform.example/hook", by="test")
    early, late = put(inside, *(Row(shows=[(person, "face", "matched")]) for _ in range(2)))
    first, second = (beginning.begin(inside, ORG, person, by="tester")["revocation_id"] for _ in range(2))
    driving.list_targets(inside, ORG, second)
    driving.drive(inside, ORG, first)
    # Begun when nothing was out any more.
    third = beginning.begin(inside, ORG, person, by="tester")
    assert third["reached"]["released"] == 0
    every = (first, second, third["revocation_id"])
    for each in every[1:]:
        driving.drive(inside, ORG, each)
    assert [(read(inside, each).state, read(inside, each).unpurged) for each in every] == [("awaiting_receipts", 2)] * 3
    assert driving.watch(inside) == 0
    assert scalar(inside, "select count(*) from moderation.events where type = 'clip.withdrawn'") == 2
    with inside.database.transaction() as tx:
        assert take_receipt(tx, inside.clock.now(), first, [early], by="platform") == 1
    assert [read(inside, each).unpurged for each in every] == [1] * 3
    event = event_of(inside, late)
    with inside.database.transaction() as tx:
        tx.pg.execute(TAKEN.encode(), (event,))
        note_delivery(tx, event, inside.clock.now())
    assert driving.watch(inside) == 3
    fourth = beginning.begin(inside, ORG, person, by="tester")["revocation_id"]
    driving.drive(inside, ORG, fourth)
    assert (read(inside, fourth).state, read(inside, fourth).targets) == ("completed", 0)


def test_a_purge_that_somebody_else_asked_for_is_waited_for_until_it_is_taken(inside, person):
    create_endpoint(inside, ORG, "https://platform.example/hook", by="test")
    clip, gone = put(inside, *(Row(shows=[(person, "face", "matched")]) for _ in range(2)))
    revocation = beginning.begin(inside, ORG, person, by="tester")["revocation_id"]
    driving.list_targets(inside, ORG, revocation)
    for each in (clip, gone):
        removing.remove_clip(inside, ORG, person, each, by="tester")
    with inside.database.transaction() as tx:
        # The last that asks is a notice about the clip.
        asked = inside.clock.now(), {"purge": True}
        outbox.announce(tx, inside.enqueuer, read_clip(tx, clip), "notice.received", *asked)
    scalar(inside, TAKEN + " returning 1", event_of(inside, gone))
    with ThreadPoolExecutor(1) as threads, inside.database.transaction() as tx:
        # Its delivery is being noted: no revocation waits for it yet, and the drive must not miss that it was taken.
        event = event_of(inside, clip)
        tx.pg.execute(TAKEN.encode(), (event,))
        note_delivery(tx, event, inside.clock.now())
        drive = threads.submit(driving.drive, inside, ORG, revocation)
        while not drive.done() and not scalar(inside, WAITING):
            continue
        assert not drive.done()
        tx.pg.commit()
        drive.result()
    assert (read(inside, revocation).state, read(inside, revocation).targets) == ("completed", 2)
    late = put(inside, Row(shows=[(person, "face", "matched")]))[0]
    again = beginning.begin(inside, ORG, person, by="tester")["revocation_id"]
    driving.list_targets(inside, ORG, again)
    removing.remove_clip(inside, ORG, person, late, by="tester")
    driving.drive(inside, ORG, again)
    assert read(inside, again).state == "awaiting_receipts"


def test_a_revocation_that_nobody_drives_is_begun_by_the_sweep(inside, person):
    (clip,) = put(inside, Row(shows=[(person, "face", "matched")]))
    with inside.database.transaction() as tx:
        revocation = consent.revoke(tx, inside.clock.now(), person, by="test")["revocation_id"]
    driving.watch(inside)
    runs = "select count(*) from dbos.workflow_status where name = 'drive_revocation'"
    assert scalar(inside, runs) == 1
    driving.watch(inside)
    assert scalar(inside, runs) == 1
    assert statuses(inside, clip) == ["released"]
    driving.drive(inside, ORG, revocation)
    assert statuses(inside, clip) == ["withdrawn"]


def test_a_revocation_that_cannot_be_ended_keeps_no_other_from_its_end(inside, monkeypatch):
    for _ in range(2):
        revocation = beginning.begin(inside, ORG, register(inside.database, inside.vault), by="test")
        driving.drive(inside, ORG, revocation["revocation_id"])
    told = outbox.tell

    def fail_once(*what):
        monkeypatch.setattr(outbox, "tell", told)
        raise KeyError(what[2])

    monkeypatch.setattr(outbox, "tell", fail_once)
    assert [driving.watch(inside) for _ in range(3)] == [1, 1, 0]


def test_several_who_drive_at_once_handle_each_target_once(inside, person):
    clips = put(inside, *tree(person, 400, shown_every=2))
    revocation = beginning.begin(inside, ORG, person, by="tester")["revocation_id"]
    driving.list_targets(inside, ORG, revocation)
    with inside.database.transaction() as tx:
        tx.pg.execute("select 1 from moderation.clips where clip_id = %s for update", (clips[0],))
        assert driving.handle_some(inside, ORG, revocation) == "more"
        assert driving.handle_some(inside, ORG, revocation) == "more"
    assert statuses(inside, clips[0]) == ["released"]
    driving.drive(inside, ORG, revocation)
    assert scalar(inside, "select count(*) from moderation.clips where status = 'withdrawn'") == 201
    assert scalar(inside, "select count(*) from moderation.events where type = 'clip.withdrawn'") == 201
    assert scalar(inside, "select max(generation) from moderation.clips") == 2
    entries = "select count(*) from moderation.audit_entries where body like '%%clip.withdrawn%%'"
    assert scalar(inside, entries) == 201


def test_one_clip_is_taken_out_while_the_grants_stand(inside, person):
    sure, unsure, other = put(
        inside, Row(shows=[(person, "face", "matched")]), Row(shows=[(person, "face", "possible")]), Row()
    )
    assert removing.remove_clip(inside, ORG, person, sure, by="tester") == "withdrawn"
    assert removing.remove_clip(inside, ORG, person, sure, by="tester") == "withdrawn"
    assert removing.remove_clip(inside, ORG, person, unsure, by="tester") == "in_review"
    assert scalar(inside, "select source || ' ' || queue from moderation.cases") == "revocation likeness"
    with pytest.raises(removing.NotFound):
        removing.remove_clip(inside, ORG, person, other, by="tester")
    body = json.loads(scalar(inside, "select body from moderation.events where clip_id = %s", sure))
    assert body["data"]["purge"] is True
    assert scalar(inside, "select count(*) from moderation.revocations") == 0


def test_the_routes_say_what_is_reached_take_back_and_end_with_the_receipt(service, inside, person):
    clip, other = put(inside, Row(shows=[(person, "face", "matched")]), Row(shows=[(person, "declared", "declared")]))
    client, stranger = service.with_scopes("likeness", "admin"), service.with_scopes("read")
    platform = service.with_scopes("likeness")
    assert platform.post(f"/v1/people/{person}/revoke", json={"on_behalf_of": "somebody"}).status_code == 404
    assert platform.delete(f"/v1/people/{person}/appearances/{clip}").status_code == 404
    assert stranger.get(f"/v1/people/{person}/reach").status_code == 403
    assert client.get("/v1/people/per_0/reach").status_code == 404
    numbers = client.get(f"/v1/people/{person}/reach").json()["reached"]
    assert (numbers["released"], numbers["descendants"]) == (2, 0)
    first = client.get(f"/v1/people/{person}/appearances", params={"limit": 1}).json()
    assert [(each["clip_id"], each["hows"]) for each in first["items"]] == [(other, ["declared"])]
    rest = client.get(f"/v1/people/{person}/appearances", params={"cursor": first["next_cursor"]}).json()
    assert [(each["clip_id"], each["matched"]) for each in rest["items"]] == [(clip, True)]
    assert rest["next_cursor"] is None
    assert client.post(f"/v1/people/{person}/revoke", json={"grant_id": "grant_0"}).status_code == 404
    began = client.post(f"/v1/people/{person}/revoke")
    assert (began.status_code, began.json()["reached"]) == (202, numbers)
    place = began.headers["location"]
    assert service.client.get(f"/v1/clips/{clip}/media").status_code == 410
    driving.drive(inside, ORG, began.json()["revocation_id"])
    waiting = client.get(place).json()
    assert (waiting["state"], waiting["targets"]["awaiting_receipt"], waiting["time_to_zero_s"]) == (
        *("awaiting_receipts", 1),
        None,
    )
    done = client.post(f"{place}/receipts", json={"clips": [clip]}).json()
    assert (done["state"], done["targets"]["purged"], done["targets"]["awaiting_judgement"]) == ("judging", 1, 1)
    release.withdraw(inside, ORG, other, "tester", "test")
    done = client.post(f"{place}/receipts", json={"clips": [other]}).json()
    assert (done["state"], done["targets"]["purged"]) == ("completed", 2)
    assert client.post(f"{place}/receipts", json={"clips": ["nothing"]}).status_code == 422
    with inside.database.system_transaction() as tx:
        tx.pg.execute("insert into moderation.organisations (org_id) values ('other')")
    of_another = service.of_organisation("other")
    assert {of_another.get(place).status_code, of_another.get(f"/v1/people/{person}/appearances").status_code} == {404}
    assert client.delete(f"/v1/people/{person}/appearances/{clip}").json()["status"] == "withdrawn"
