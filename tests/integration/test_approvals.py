"""What a reviewer approved of a likeness is asked anew once consent says otherwise: judgement and gate are the real ones.

Each clip shows people who forbid violence, which nothing here measures, so that a reviewer is asked.
"""

from collections.abc import Iterator
from datetime import timedelta

import numpy as np
import pytest
from families import NOW
from gated_clips import decide, give, go_on, nobody, take_back, upload, wait
from judging_worker import ORG, showing

from moderation import appearances, consent, erasure, release
from moderation.assembly import open_services
from moderation.clock import FixedClock
from moderation.replaying import replay_decisions
from moderation.revocations import beginning, driving, rejudging
from moderation.scoring import Analysis
from moderation.services import Services

CHANGES = ("suspended", "teen", "off the list", "more forbidden", "the grant ends")


@pytest.fixture
def services(settings) -> Iterator[Services]:
    with open_services(settings) as opened:
        opened.clock = FixedClock(opened.clock.now())
        yield opened


def enter(services, name: str, kind: str = "cameo", at: float = 9.0) -> str:
    """Somebody who allowed nothing yet; a face `at` a place of its own."""
    with services.database.transaction(ORG) as tx:
        vectors = np.full((1, 128), at, np.float32)
        said = {"name": name, "kind": kind, "vectors": vectors, "model": "m", "sources": ["a test"], "by": "test"}
        return consent.add_person(tx, services.vault, NOW, **said)


def allow(services, person: str, **terms) -> str:
    return give(services, person, terms=consent.Terms(**{"grantee_kind": "creator", "grantee": "ana"} | terms))


def look_again(services, clip) -> None:
    """What another look under a gallery that was edited says: the same."""
    edited = "(select version::text from moderation.galleries where org_id = 'default')"
    with services.database.transaction(ORG) as tx:
        tx.pg.execute(f"update moderation.analyses set gallery = {edited} where clip_id = %s", (clip,))


def both(services, one: str, other: str) -> Analysis:
    first, second = showing(services, one), showing(services, other)
    return Analysis(
        signals=first.signals, faces=[first.faces[0], second.faces[0] | {"track": 2}], seen_ms=first.seen_ms
    )


def in_draft(services, clip) -> None:
    with services.database.transaction(ORG) as tx:
        tx.pg.execute("update moderation.clips set visibility = 'draft' where clip_id = %s", (clip,))


@pytest.mark.parametrize("copy", [False, True], ids=["recognised", "in the pictures"])
def test_an_approved_clip_comes_before_a_person_once_its_grant_ended(services, copy):
    person = enter(services, "Noor")
    end = services.clock.now() + timedelta(hours=1)
    allow(services, person, limits=("violent",), expires_at=end)
    first = upload(services, showing(services, person))
    clip = upload(services, nobody(services), copies=first) if copy else first
    assert [go_on(services, each) for each in dict.fromkeys((first, clip))][-1] == "in_review"
    decide(services, clip, "consented")
    assert (go_on(services, clip), rejudging.judge_outlived(services)) == ("released", 0)
    services.clock.at = end + timedelta(minutes=1)
    assert rejudging.judge_outlived(services) >= 1
    assert go_on(services, clip) == "in_review"
    decide(services, clip, "context_allowed")
    assert go_on(services, clip) == "released"
    assert replay_decisions(services, ORG).faultless


def test_an_approval_under_a_cameos_grant_ends_with_the_cameo(services):
    figure, cameo = enter(services, "Noor", "public_figure", 8.0), enter(services, "Noor")
    allow(services, cameo, limits=("violent",))
    with services.database.transaction(ORG) as tx:
        consent.link(tx, services.clock.now(), figure, cameo, by="test")
    wait(services)
    seen = showing(services, figure)
    seen.faces[0]["state"] = seen.faces[0]["candidates"][0]["state"] = "possible"
    clip = upload(services, seen)
    assert go_on(services, clip) == "in_review"
    decide(services, clip, "consented")
    assert go_on(services, clip) == "released"
    with services.database.transaction(ORG) as tx:
        revocation = erasure.forget_person(tx, services, services.clock.now(), cameo, by="test")
    with pytest.raises(release.Gone):
        release.media(services, ORG, clip)
    driving.drive(services, ORG, revocation)
    look_again(services, clip)
    assert go_on(services, clip) == "in_review"


@pytest.mark.parametrize("audience", ["draft", "public"])
def test_an_approved_draft_becomes_public_only_where_its_person_allows_that(services, audience):
    person = enter(services, "Noor")
    allow(services, person, limits=("violent",), audience=audience)
    clip = upload(services, showing(services, person))
    in_draft(services, clip)
    assert go_on(services, clip) == "in_review"
    decide(services, clip, "consented")
    assert go_on(services, clip) == "released"
    release.publish_draft(services, ORG, clip, "platform")
    assert go_on(services, clip) == ("in_review" if audience == "draft" else "released")


def lessen(services, person: str, friends: str, end, how: str) -> None:
    now = services.clock.now()
    with services.database.transaction(ORG) as tx:
        match how:
            case "suspended":
                consent.set_state(tx, now, person, "suspended", by="test")
            case "teen":
                consent.set_guardian(tx, now, person, by="test", age_band="teen", guardian="parent")
            case "off the list":
                consent.change_list(tx, services.vault, now, person, friends, by="test", remove=("ana",))
            case "more forbidden":
                consent.forbid(tx, now, person, ["sexual", "political", "commercial"], by="test")
            case _:
                services.clock.at = end + timedelta(minutes=1)


@pytest.mark.parametrize("how", CHANGES)
def test_what_is_approved_on_words_that_changed_meanwhile_is_asked_once_more(services, how):
    person, end = enter(services, "Noor"), services.clock.now() + timedelta(hours=1)
    with services.database.transaction(ORG) as tx:
        friends = consent.make_list(tx, services.vault, NOW, person, "friends", by="test", creators=("ana",))
    allow(services, person, grantee_kind="list", grantee=friends, limits=("violent",), expires_at=end)
    clip = upload(services, showing(services, person))
    assert go_on(services, clip) == "in_review"
    wait(services)
    lessen(services, person, friends, end, how)
    wait(services)
    decide(services, clip, "consented")
    look_again(services, clip)
    assert go_on(services, clip) == "in_review"
    decide(services, clip, "context_allowed")
    assert go_on(services, clip) == "released"


@pytest.mark.parametrize("everything", [True, False], ids=["everything", "one grant"])
def test_that_one_of_two_is_somebody_else_says_nothing_of_the_other(services, everything):
    one, other = enter(services, "Noor"), enter(services, "Lea", at=7.0)
    grant = allow(services, one, limits=("violent",))
    clip = upload(services, both(services, one, other))
    assert go_on(services, clip) == "in_review"
    decide(services, clip, "false_match")
    assert go_on(services, clip) == "released"
    with services.database.transaction(ORG) as tx:
        assert appearances.in_clip(tx, clip, one) == [("face", "matched")]
    if not everything:
        take_back(services, one, grant)
        assert go_on(services, clip) == "in_review"
        return
    revocation = str(beginning.begin(services, ORG, one, by="test")["revocation_id"])
    driving.drive(services, ORG, revocation)
    with pytest.raises(release.Gone):
        release.media(services, ORG, clip)
    with services.database.transaction(ORG) as tx:
        assert tx.pg.execute("select status from moderation.clips where clip_id = %s", (clip,)).fetchone() == (
            "withdrawn",
        )
