"""From the commit of a revocation on: no media, no release, no publishing of what shows the person; nothing else."""

import pytest
from families import NOW, Row, register, write

from moderation import appearances, consent, descent, release, stops
from moderation.errors import Conflict
from moderation.verification import Named, consent_state

ORG = "default"
FACE, VOICE = "face", "voice"


@pytest.fixture
def inside(service):
    return service.services


@pytest.fixture
def person(inside) -> str:
    return register(inside.database, inside.vault)


@pytest.fixture
def put(inside):
    def write_one(**said) -> str:
        with inside.database.transaction() as tx:
            (clip,) = write(tx, [Row(**said)])
        return clip

    return write_one


def revoke(inside, person, grant_id=None):
    with inside.database.transaction() as tx:
        return consent.revoke(tx, NOW, person, by="test", grant_id=grant_id)


def is_stopped(inside, clip) -> bool:
    with inside.database.transaction() as tx:
        return stops.stopped(tx, clip)


def test_media_is_gone_from_the_commit_on_for_what_shows_the_person_alone(service, inside, person, put):
    ways = ((FACE, "matched"), (FACE, "possible"), (VOICE, "matched"), ("declared", "declared"), ("copy", "matched"))
    showing = [put(shows=[(person, how, state)]) for how, state in ways]
    inherits, other = put(shows=[(person, "inherited", "possible")]), put()
    for clip in (*showing, inherits, other):
        assert release.media(inside, ORG, clip)[1] == clip
    revoke(inside, person)
    for clip in showing:
        answer = service.client.get(f"/v1/clips/{clip}/media", headers={"If-None-Match": f'"{clip}"'})
        assert (answer.status_code, answer.json()["code"]) == (410, "gone")
        assert consent_state(inside, Named(org=ORG, clip_id=clip, fingerprint=None)) == "revoked"
    for clip in (inherits, other):
        assert release.media(inside, ORG, clip)[1] == clip


def test_a_clip_judged_since_is_no_longer_stopped(inside, person, put):
    clip = put(shows=[(person, FACE, "matched")])
    revoke(inside, person)
    assert is_stopped(inside, clip)
    with inside.database.transaction() as tx:
        tx.pg.execute(
            "update moderation.appearances set version = (select version from moderation.people "
            "where person_id = appearances.person_id)"
        )
    assert not is_stopped(inside, clip)
    revoke(inside, person)
    assert is_stopped(inside, clip)


def test_a_grants_revocation_stops_its_creators_and_its_scope_alone(inside, person, put):
    with inside.database.transaction() as tx:
        to_ana, to_ben = (
            consent.grant(tx, NOW, person, grantee=creator, scope=VOICE, by="test") for creator in ("ana", "ben")
        )
    seen, heard = put(shows=[(person, FACE, "matched")]), put(shows=[(person, VOICE, "matched")])
    revoke(inside, person, to_ben)
    assert not is_stopped(inside, heard)
    revoke(inside, person, to_ana)
    assert is_stopped(inside, heard)
    assert not is_stopped(inside, seen)


def test_a_draft_that_shows_them_is_not_published(service, inside, person, put):
    clip = put(visibility="draft", shows=[(person, FACE, "matched")])
    revoke(inside, person)
    assert service.client.post(f"/v1/clips/{clip}/publish").status_code == 409
    with pytest.raises(Conflict, match="took their consent back"):
        release.publish_draft(inside, ORG, clip, "tester")


def test_edges_and_declarations_are_written_as_a_clip_comes_in_and_join_clips_of_ours_alone(inside, person, put):
    first, second = put(), put()
    with inside.database.transaction() as tx:
        descent.join(tx, second, [first, second, "clip_unknown"], "declared", NOW)
        descent.join(tx, second, [first], "declared", NOW)
        assert descent.parents_of(tx, second) == [(first, "declared")]
        appearances.declare(tx, second, 1, [person, "per_unknown"], NOW)
        found = appearances.of_person(tx, person)
    assert [(each.clip_id, each.hows, each.matched, each.out) for each in found] == [
        (second, ["declared"], False, True)
    ]


def test_another_organisation_sees_no_appearance_and_no_edge(inside, person, put):
    clip = put(shows=[(person, FACE, "matched")])
    child = put(parent=clip)
    with inside.database.system_transaction() as tx:
        tx.pg.execute("insert into moderation.organisations (org_id) values ('other')")
    with inside.database.transaction("other") as tx:
        assert appearances.of_person(tx, person) == []
        assert descent.parents_of(tx, child) == []
