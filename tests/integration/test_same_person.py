"""A public figure with a cameo of their own: imported, linked by staff, released by the cameo's grant, stopped with it.

Judgement, gate and revocation are the real ones, on rows.
"""

import json

import numpy as np
import pytest
from families import NOW, register
from judging_worker import ORG, add_clip, prove, showing

from moderation import appearances, asking, consent, descent, judging, registered, release, stops
from moderation.db.clips import next_generation, read_clip
from moderation.errors import NotFound
from moderation.ids import new_id
from moderation.renditions import owned
from moderation.revocations import beginning, driving, removing
from moderation.scoring import Analysis


@pytest.fixture
def inside(service):
    return service.services


@pytest.fixture
def cameo(inside) -> str:
    """Somebody who enrolled and allowed everybody."""
    return register(inside.database, inside.vault)


@pytest.fixture
def figure(inside) -> str:
    """The same human as an operator's list has them."""
    said = {"name": "Noor", "kind": "public_figure", "model": "m", "sources": ["a list"], "by": "test"}
    with inside.database.transaction() as tx:
        return consent.add_person(tx, inside.vault, NOW, vectors=np.full((1, 128), 8.0, np.float32), **said)


def upload(inside, *people: str) -> str:
    """A clip with one face, within the match line of each of these."""
    found = showing(inside, people[0])
    near = [{"person": person, "distance": 0.4, "state": "matched"} for person in people]
    faces = [found.faces[0] | {"candidates": near}]
    clip = new_id("clip")
    add_clip(inside, Analysis(signals=found.signals, faces=faces, seen_ms=found.seen_ms), clip)
    prove(inside, clip)
    return clip


def judge(inside, clip) -> str:
    with inside.database.transaction(ORG) as tx:
        generation = read_clip(tx, clip).generation
    return judging.judge(inside, ORG, clip, generation, f"{generation}.0")


def go_on(inside, clip) -> str:
    """Judge a clip and lead it through the gate; how it ends."""
    verdict = judge(inside, clip)
    return release.release(inside, ORG, clip, 1) if verdict == "publishable" else verdict


def read(inside, query, *args):
    with inside.database.system_transaction() as tx:
        return tx.pg.execute(query, args).fetchall()


def reasons(inside, clip) -> list[tuple[str, str]]:
    """Code and person of what the latest decision rests on."""
    query = "select body from moderation.decisions where clip_id = %s order by seq desc limit 1"
    ((body,),) = read(inside, query, clip)
    return [(reason["code"], reason["person"]) for reason in json.loads(body)["reasons"]]


def test_a_figure_is_released_by_the_grant_of_their_own_cameo_and_stopped_by_its_end(service, inside, figure, cameo):
    before = upload(inside, figure)
    assert (go_on(inside, before), reasons(inside, before)) == ("in_review", [("public_figure_likeness", figure)])
    at, said = f"/v1/people/{figure}/same", {"same_as": cameo}
    assert service.with_scopes("likeness").put(at, json=said).status_code == 403
    assert service.client.put(at, json={"same_as": "per_unknown"}).status_code == 404
    assert service.client.put(at, json=said).json()["same_as"] == cameo

    alone, both, on_its_way = upload(inside, figure), upload(inside, figure, cameo), upload(inside, figure)
    for clip in (alone, both):
        assert go_on(inside, clip) == "released"
        shown = read(inside, "select person_id, how, state from moderation.appearances where clip_id = %s", clip)
        assert sorted(shown) == sorted([(figure, "face", "matched"), (cameo, "face", "matched")])
    with inside.database.transaction() as tx:
        places = registered.places_of(tx, cameo, after=None, limit=10)
    assert {place.clip_id: place.sure for place in places} == {alone: True, both: True}
    assert judge(inside, on_its_way) == "publishable"

    begun = beginning.begin(inside, ORG, cameo, by="test")
    assert begun["reached"]["released"] == 2
    with inside.database.transaction() as tx:
        assert stops.stopped(tx, alone)
        lessened = stops.lessened(tx, alone)
    # An approval of the figure's likeness from before it does not outlast it.
    assert lessened[figure] == lessened[cameo]
    assert release.release(inside, ORG, on_its_way, 1) == "facts_changed"
    driving.drive(inside, ORG, str(begun["revocation_id"]))
    assert [status_of(inside, clip) for clip in (alone, both)] == ["withdrawn", "withdrawn"]
    after = upload(inside, figure)
    assert (go_on(inside, after), reasons(inside, after)) == ("in_review", [("consent_revoked", figure)])

    assert service.client.put(at, json={"same_as": None}).json()["same_as"] is None
    unlinked = upload(inside, figure)
    assert (go_on(inside, unlinked), reasons(inside, unlinked)) == ("in_review", [("public_figure_likeness", figure)])


def faceless(inside, *, copies: str = "", cameos: tuple[str, ...] = ()) -> str:
    """A clip in which no face was recognised."""
    found = showing(inside, "nobody")
    clip = new_id("clip")
    add_clip(inside, Analysis(signals=found.signals, faces=[], seen_ms=found.seen_ms), clip)
    prove(inside, clip)
    with inside.database.transaction(ORG) as tx:
        descent.join(tx, clip, [copies] if copies else [], "copy", NOW)
        tx.pg.execute("update moderation.clips set cameos = %s where clip_id = %s", (list(cameos), clip))
    return clip


def same(inside, figure: str, cameo: str | None) -> None:
    with inside.database.transaction(ORG) as tx:
        if cameo is None:
            consent.unlink(tx, NOW, figure, by="test")
        else:
            consent.link(tx, NOW, figure, cameo, by="test")


def test_copies_of_clips_from_before_the_link_are_stopped_by_the_cameo(inside, figure, cameo):
    first, erased = upload(inside, figure), upload(inside, figure)
    assert (go_on(inside, first), go_on(inside, erased)) == ("in_review", "in_review")
    kept = faceless(inside, copies=erased)
    assert judge(inside, kept) == "in_review"
    release.delete(inside, ORG, erased, "test")
    same(inside, figure, cameo)
    # A face alone is theirs to allow here: no voice of the figure was heard in the first.
    with inside.database.transaction(ORG) as tx:
        consent.revoke(tx, NOW, cameo, by="test", grant_id=consent.read_grants(tx, [cameo])[0].grant_id)
        consent.grant(tx, NOW, cameo, by="test", scope="face")
    (out, on_its_way), declaring = (
        (faceless(inside, copies=first) for _ in range(2)),
        faceless(inside, cameos=(figure,)),
    )
    assert [go_on(inside, each) for each in (out, declaring)] == ["released", "released"]
    assert judge(inside, on_its_way) == "publishable"
    with inside.database.transaction(ORG) as tx:
        next_generation(tx, read_clip(tx, kept, lock=True), NOW)
    judge(inside, kept)
    rows = "select how, state from moderation.appearances where person_id = %s and clip_id = %s"
    assert [read(inside, rows, cameo, each) for each in (out, kept)] == [[("copy", "matched")]] * 2

    begun = beginning.begin(inside, ORG, cameo, by="test")
    with inside.database.transaction(ORG) as tx:
        assert [stops.revoked(tx, each) for each in (out, declaring)] == [True, True]
    assert release.release(inside, ORG, on_its_way, 1) == "facts_changed"
    driving.drive(inside, ORG, str(begun["revocation_id"]))
    assert status_of(inside, out) == "withdrawn"
    assert status_of(inside, declaring) != "released"


def test_a_wrong_link_leaves_the_cameo_sure_of_nothing(inside, figure, cameo):
    same(inside, figure, cameo)
    with inside.database.transaction(ORG) as tx:
        consent.set_state(tx, NOW, figure, "suspended", by="test")
    clip, own = upload(inside, figure), upload(inside, cameo)
    assert (go_on(inside, clip), go_on(inside, own)) == ("in_review", "released")
    copy = faceless(inside, copies=clip)
    assert go_on(inside, copy) == "in_review"
    same(inside, figure, None)
    with inside.database.transaction() as tx:
        places = registered.places_of(tx, cameo, after=None, limit=10)
        assert ("face", "matched") in appearances.in_clip(tx, clip, figure)
    assert {place.clip_id: place.sure for place in places} == {clip: False, own: True, copy: False}
    with pytest.raises(NotFound):
        owned.still_for(inside, ORG, cameo, clip)
    assert [removing.remove_clip(inside, ORG, cameo, each, by="test") for each in (clip, copy)] == ["in_review"] * 2


def test_a_cameo_is_asked_no_more_once_a_wrong_link_is_taken_back(inside, figure, cameo):
    with inside.database.transaction(ORG) as tx:
        consent.revoke(tx, NOW, cameo, by="test", grant_id=consent.read_grants(tx, [cameo])[0].grant_id)
        consent.grant(tx, NOW, cameo, by="test", scope="face", mode="ask_me")
    same(inside, figure, cameo)
    clip = upload(inside, figure)
    assert judge(inside, clip) == "in_review"
    with inside.database.transaction(ORG) as tx:
        (question,) = asking.questions_of(tx, cameo)
    same(inside, figure, None)
    with pytest.raises(NotFound):
        owned.asked_about(inside, ORG, cameo, question.question_id)
    with inside.database.transaction(ORG) as tx:
        next_generation(tx, read_clip(tx, clip, lock=True), NOW)
    assert judge(inside, clip) == "in_review"
    with inside.database.transaction(ORG) as tx:
        assert asking.questions_of(tx, cameo) == []
        assert not asking.words_about(tx, clip).overrule(inside.clock.now())


def status_of(inside, clip) -> str:
    ((status,),) = read(inside, "select status from moderation.clips where clip_id = %s", clip)
    return status
