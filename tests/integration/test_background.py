"""What a reviewer is told beside a clip, over a real database: figures, grants, ancestors; never a name."""

from dataclasses import asdict
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from moderation import consent
from moderation.background import read_background
from moderation.db.clips import read_clip

NOW = datetime(2026, 6, 1, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def add(service):
    """Write a clip down as it might stand."""

    def write(clip, *, status="released", creator="ana", parents=(), org="default"):
        row = {"org": org, "clip": clip, "status": status, "creator": creator, "parents": list(parents), "at": NOW}
        with service.services.database.system_transaction() as tx:
            tx.pg.execute(
                "insert into moderation.clips (org_id, clip_id, status, creator, creator_age_band, parents, created_at, "
                "updated_at) values (%(org)s, %(clip)s, %(status)s, %(creator)s, 'adult', %(parents)s, %(at)s, %(at)s)",
                row,
            )

    return write


def background(service, clip, people=()):
    with service.services.database.transaction("default") as tx:
        return read_background(tx, NOW, read_clip(tx, clip), people)


def register(service, kind="cameo") -> str:
    with service.services.database.transaction("default") as tx:
        vector = np.eye(1, 128, dtype=np.float32)
        return consent.add_person(
            tx, service.services.vault, NOW, name="Noor", kind=kind, vectors=vector, model="m", sources=["a"], by="t"
        )


def test_a_creator_is_told_in_figures_and_never_by_name(service, add):
    add("clip_before", status="withheld")
    add("clip_of_ben", creator="ben")
    add("clip_now", status="in_review")
    found = background(service, "clip_now")
    assert (found.creator.known, found.creator.age_band, found.creator.clips) == (True, "adult", 1)
    assert (found.creator.blocked, found.creator.released) == (1, 0)
    assert "ana" not in repr(asdict(found))
    add("clip_of_nobody", creator=None)
    assert background(service, "clip_of_nobody").creator.known is False


def test_ancestors_come_nearest_first_with_what_became_of_them(service, add):
    add("clip_first", parents=["clip_now"])
    add("clip_second", parents=["clip_first", "clip_strange"], status="withdrawn")
    add("clip_now", parents=["clip_second"], status="in_review")
    found = background(service, "clip_now").ancestors
    assert [(a.clip_id, a.generation, a.status) for a in found] == [
        ("clip_second", 1, "withdrawn"),
        ("clip_first", 2, "released"),
        ("clip_strange", 2, None),
    ]


def test_grants_are_those_for_this_creator_or_everybody_and_say_whether_they_stand(service, add):
    add("clip_now", status="in_review")
    person, other = register(service), register(service)
    with service.services.database.transaction("default") as tx:
        for grantee, until, given in (("ana", None, NOW), ("ben", None, NOW), (None, NOW - DAY, NOW - 2 * DAY)):
            consent.grant(tx, given, person, grantee=grantee, scope="face", by="t", expires_at=until)
        consent.grant(tx, NOW, other, grantee="ana", scope="both", by="t")
    found = background(service, "clip_now", [person]).permissions
    assert sorted((p.personal, p.stands(NOW)) for p in found) == [(False, False), (True, True)]
    with service.services.database.transaction("default") as tx:
        consent.revoke(tx, NOW, person, by="t")
    assert not any(p.stands(NOW) for p in background(service, "clip_now", [person]).permissions)
    assert "Noor" not in repr(found)


def stand(service, person) -> str:
    """What consent says of the person's face in a clip of ana's."""
    with service.services.database.transaction("default") as tx:
        use = consent.Use(creator="ana")
        return consent.stand(tx, NOW, seen=frozenset({person}), declared=frozenset(), use=use)[person].consent


def permitted(service, *people) -> list[tuple[str, str]]:
    """Whose grants, and of which scope, stand beside ana's clip; the word of consent agrees with them."""
    found = background(service, "clip_now", people).permissions
    standing = {each.person for each in found if each.stands(NOW)}
    assert {person for person in people if stand(service, person) == "consented"} == standing
    return [(each.person, each.scope) for each in found]


@pytest.mark.parametrize("state", ["pending", "suspended"])
def test_a_grant_of_who_is_not_verified_stands_beside_no_clip(service, add, state):
    add("clip_now", status="in_review")
    person = register(service)
    with service.services.database.transaction("default") as tx:
        consent.grant(tx, NOW, person, grantee="ana", scope="face", by="t")
    assert permitted(service, person) == [(person, "face")]
    with service.services.database.transaction("default") as tx:
        tx.pg.execute("update moderation.people set state = %s where person_id = %s", (state, person))
    assert permitted(service, person) == []


def test_what_a_teen_opened_to_everyone_stands_beside_no_clip(service, add):
    add("clip_now", status="in_review")
    person = register(service)
    with service.services.database.transaction("default") as tx:
        consent.grant(tx, NOW, person, scope="face", by="t")
    assert permitted(service, person) == [(person, "face")]
    with service.services.database.transaction("default") as tx:
        consent.set_guardian(tx, NOW, person, by="t", age_band="teen", guardian="a parent")
        consent.grant(tx, NOW, person, grantee="ana", scope="both", by="t")
    found = background(service, "clip_now", [person]).permissions
    assert [(each.scope, each.personal) for each in found] == [("both", True)]


def test_of_a_linked_figure_the_grants_of_the_cameo_stand_beside_the_clip(service, add):
    add("clip_now", status="in_review")
    figure, cameo = register(service, "public_figure"), register(service)
    with service.services.database.transaction("default") as tx:
        consent.grant(tx, NOW, figure, grantee="ana", scope="face", by="t")
        consent.link(tx, NOW, figure, cameo, by="t")
    assert permitted(service, figure) == []
    with service.services.database.transaction("default") as tx:
        consent.grant(tx, NOW, cameo, grantee="ana", scope="both", by="t")
    assert permitted(service, figure) == [(figure, "both")]
    assert sorted(permitted(service, figure, cameo)) == sorted([(figure, "both"), (cameo, "both")])
    with service.services.database.transaction("default") as tx:
        consent.set_state(tx, NOW, figure, "suspended", by="t")
    assert permitted(service, figure, cameo) == [(cameo, "both")]
