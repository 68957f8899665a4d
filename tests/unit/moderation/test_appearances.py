"""Who appears in a clip, from the record of its judgement; and which earlier clips it surely copies."""

from datetime import UTC, datetime

import numpy as np

from detectors.base import FaceState, VoiceState
from moderation.answers import Answer, refuted_people
from moderation.appearances import seen
from moderation.consent import Standing
from moderation.decisions import Decision, Outcome, Reason
from moderation.facts import (
    Candidate,
    Consent,
    FaceFact,
    FactRecord,
    PersonFact,
    PersonKind,
    SubmissionFacts,
    VoiceCandidate,
    VoiceFact,
)
from moderation.hashlists.matching import copied_clips
from moderation.hashlists.mirror import OwnHits
from moderation.judging import unasked

AT = datetime(2026, 6, 1, 12, tzinfo=UTC)


def face(track, *near):
    candidates = tuple(Candidate(person=p, distance=0.5, state=FaceState(state)) for p, state in near)
    return FaceFact(track=track, start_ms=0, end_ms=1000, state=FaceState(near[0][1]), candidates=candidates)


def record(*, faces=(), voices=(), people=(), declared=()):
    facts = {
        name: PersonFact(kind=PersonKind.CAMEO, consent=Consent.CONSENTED, declared=name in declared, version=3)
        for name in people
    }
    said = {"org": "o", "clip": "c", "judged_at": "2026-01-01T00:00:00+00:00", "duration_ms": 1000, "phase": "public"}
    return FactRecord(**said, submission=SubmissionFacts(creator="ana"), faces=faces, voices=voices, people=facts)


def test_the_surest_of_several_faces_counts_and_each_way_by_itself():
    heard = VoiceFact(
        voice=1,
        state=VoiceState.POSSIBLE,
        candidates=(VoiceCandidate(person="lea", distance=1.0, state=VoiceState.POSSIBLE),),
    )
    faces = (
        face(1, ("lea", "possible")),
        face(2, ("lea", "matched"), ("omar", "possible")),
        face(3, ("lea", "possible")),
    )
    facts = record(faces=faces, voices=(heard,), people=("lea", "omar", "noor"), declared=("noor", "lea"))
    assert seen(facts) == {
        ("lea", "face"): "matched",
        ("lea", "voice"): "possible",
        ("omar", "face"): "possible",
        ("noor", "declared"): "declared",
        ("lea", "declared"): "declared",
    }


def test_whom_the_registry_does_not_know_any_more_is_left_out():
    assert seen(record(faces=(face(1, ("gone", "matched")),))) == {}


def test_whom_a_person_did_not_recognise_stays_possible():
    facts = record(faces=(face(1, ("lea", "matched")), face(2, ("omar", "matched"))), people=("lea", "omar"))
    asked = (Reason(code="unconsented_likeness", person="lea"), Reason(code="violence"))
    wrong = Decision(outcome=Outcome.ALLOW, facts_hash="", reasons=(Reason(code="false_match"),), lesser=asked)
    right = Decision(
        outcome=Outcome.ALLOW,
        facts_hash="",
        reasons=(Reason(code="consented"),),
        lesser=(Reason(code="unconsented_likeness", person="omar"),),
    )
    refuted = refuted_people([Answer(decision=said, at=AT) for said in (wrong, right)])
    assert refuted == {"lea"}
    assert seen(facts, refuted) == {("lea", "face"): "possible", ("omar", "face"): "matched"}


def voice(number, *near):
    candidates = tuple(VoiceCandidate(person=p, distance=0.5, state=VoiceState(state)) for p, state in near)
    return VoiceFact(voice=number, state=VoiceState(near[0][1]), candidates=candidates)


def asked(facts, *, refuted=frozenset()):
    """Whom a judgement would ask, of people who all want to be asked."""
    words = {"kind": "cameo", "consent": "undetermined", "voice": "undetermined", "declared": False, "version": 3}
    standings = {person: Standing(person=person, asks=frozenset({"face"}), **words) for person in facts.people}
    return unasked(facts, standings, refuted)


def test_a_likeness_within_the_match_line_of_two_people_is_surely_neither_s():
    twins = (("lea", "matched"), ("omar", "matched"), ("noor", "possible"))
    people = ("lea", "omar", "noor")
    facts = record(faces=(face(1, *twins),), voices=(voice(1, *twins),), people=people)
    assert set(seen(facts).values()) == {"possible"}
    assert asked(facts) == set(), "whoever is asked is shown the clip, and it may be a stranger's"
    # Another face of the clip is one of them alone; and so is this one once somebody saw that it is not the other.
    alone = record(faces=(face(1, *twins), face(2, ("lea", "matched"), ("omar", "possible"))), people=people)
    assert {person: state for (person, _), state in seen(alone).items()} == {
        "lea": "matched",
        "omar": "possible",
        "noor": "possible",
    }
    assert asked(alone) == {("lea", "face")}
    assert seen(facts, frozenset({"omar"}))["lea", "face"] == "matched"
    assert asked(facts, refuted=frozenset({"omar"})) == {("lea", "face")}
    # Of one who is in the registry no more nothing is known, and nobody is mixed up with them.
    assert seen(record(faces=(face(1, *twins),), people=("lea", "noor")))["lea", "face"] == "matched"


def test_two_records_of_one_human_are_no_two_people_and_appear_together():
    one = {"figure": "lea"}
    facts = record(faces=(face(1, ("figure", "matched"), ("lea", "matched")),), people=("figure", "lea", "omar"))
    assert set(seen(facts).values()) == {"possible"}
    both = {("figure", "face"): "matched", ("lea", "face"): "matched"}
    assert seen(facts, humans=one) == both
    assert seen(facts, frozenset({"figure"}), one) == dict.fromkeys(both, "possible")
    alone = record(faces=(face(1, ("figure", "matched")),), people=("figure", "lea"))
    assert seen(alone, humans=one) == both
    doubles = (face(1, ("figure", "matched"), ("lea", "possible"), ("omar", "matched")),)
    assert set(seen(record(faces=doubles, people=("figure", "lea", "omar")), humans=one).values()) == {"possible"}


def hits(clip, frames):
    count = np.arange(frames)
    return OwnHits(clip=clip, frames=20, query=count, row=count, distance=np.zeros(frames, np.int32))


def test_a_sure_copy_shows_nearly_every_frame_of_an_earlier_clip():
    near = [hits("clip_1", 9), hits("clip_2", 8), hits("clip_9", 10), hits("clip_5", 10), hits("clip_1", 9)]
    assert copied_clips("clip_5", near, 10) == ("clip_1",)
    assert copied_clips("clip_5", [hits("clip_1", 2)], 2) == ()
