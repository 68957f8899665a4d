"""What a reviewer approved of a likeness is asked anew once consent says otherwise: judgement and gate are the real ones.

Each clip shows people who forbid violence, which nothing here measures, so that a reviewer is asked.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from families import NOW
from gated_clips import decide, give, go_on, nobody, take_back, upload, wait
from judging_worker import ORG, showing

from moderation import appeals, appearances, asking, consent, erasure, release
from moderation.assembly import open_services
from moderation.clock import FixedClock
from moderation.db.clips import read_clip
from moderation.decisions import Outcome
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


def status(services, clip) -> str:
    with services.database.transaction(ORG) as tx:
        return read_clip(tx, clip).status


def appeal(services, clip, decision: str) -> None:
    with services.database.transaction(ORG) as tx:
        appeals._open(tx, services.clock.now(), read_clip(tx, clip, lock=True), decision)


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


def with_voice(services, person: str) -> Analysis:
    """Somebody's face, and a voice that is theirs as surely."""
    near = {"person": person, "distance": 0.5, "state": "matched"}
    voice = {"voice": 1, "state": "matched", "segments": [[0, 1000]], "candidates": [near]}
    return replace(showing(services, person), voices=[voice])


def test_that_a_voice_is_somebody_elses_says_nothing_of_a_face_whose_person_is_asked(services):
    person = enter(services, "Noor")
    allow(services, person, mode="ask_me", scope="face")
    clip = upload(services, with_voice(services, person))
    assert go_on(services, clip) == "in_review"
    decide(services, clip, "false_match")
    assert go_on(services, clip) == "in_review"
    with services.database.transaction(ORG) as tx:
        assert [question.answer for question in asking.questions_of(tx, person)] == [None]


@pytest.mark.parametrize("voice", [True, False], ids=["a voice", "another face"])
def test_who_is_certain_elsewhere_in_a_clip_is_not_refuted_with_what_is_doubtful(services, voice):
    person, double = enter(services, "Noor"), enter(services, "Lea", at=7.0)
    for each in (person, double):
        allow(services, each, limits=("violent",), scope="face")
    seen = with_voice(services, person) if voice else both(services, person, person)
    if not voice:
        (near,) = seen.faces[0]["candidates"]
        seen.faces[0] |= {"state": "possible", "candidates": [near, near | {"person": double}]}
    clip = upload(services, seen)
    assert go_on(services, clip) == "in_review"
    decide(services, clip, "false_match")
    assert go_on(services, clip) == "released"
    revocation = str(beginning.begin(services, ORG, person, by="test")["revocation_id"])
    driving.drive(services, ORG, revocation)
    assert status(services, clip) == "withdrawn"


@pytest.mark.parametrize("code", ["unconsented_likeness", "public_figure_likeness"])
def test_a_double_found_on_appeal_is_nobody_whatever_the_block_was_for(services, code):
    person = enter(services, "Noor")
    allow(services, person, limits=("violent",))
    clip = upload(services, showing(services, person))
    assert go_on(services, clip) == "in_review"
    appeal(services, clip, decide(services, clip, code, Outcome.BLOCK))
    decide(services, clip, "false_match")
    assert go_on(services, clip) == "released"
    with services.database.transaction(ORG) as tx:
        assert appearances.in_clip(tx, clip, person) == [("face", "possible")]


def test_a_block_that_was_overruled_before_its_grant_ended_is_derived_anew_as_it_was(services):
    person, end = enter(services, "Noor"), services.clock.now() + timedelta(hours=1)
    allow(services, person, limits=("violent",), expires_at=end)
    clip = upload(services, showing(services, person))
    assert go_on(services, clip) == "in_review"
    appeal(services, clip, decide(services, clip, "unconsented_likeness", Outcome.BLOCK))
    decide(services, clip, "consented")
    assert go_on(services, clip) == "released"
    services.clock.at = end + timedelta(minutes=1)
    assert rejudging.judge_outlived(services) == 1
    assert go_on(services, clip) == "in_review"
    assert replay_decisions(services, ORG).faultless


def test_a_draft_without_any_yes_is_asked_about_anew_when_it_is_to_be_public(services):
    clip = upload(services, showing(services, enter(services, "Noor")))
    in_draft(services, clip)
    assert go_on(services, clip) == "in_review"
    decide(services, clip, "context_allowed")
    assert go_on(services, clip) == "released"
    release.publish_draft(services, ORG, clip, "platform")
    assert go_on(services, clip) == "in_review"
