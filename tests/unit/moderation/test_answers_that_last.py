"""What a reviewer's answer still settles once consent says otherwise, and of whom a false match speaks."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from detectors.base import FaceState
from moderation.answers import Answer, settle, still_answered
from moderation.decisions import Decision, Outcome, Reason
from moderation.facts import Candidate, Consent, FaceFact, FactRecord, PersonFact, PersonKind, SubmissionFacts

AT = datetime(2026, 6, 1, 12, tzinfo=UTC)
LATER = AT + timedelta(hours=1)
REVOKED, VIOLENT = Reason(code="consent_revoked", person="lea"), Reason(code="violence")
NAMED = Reason(code="public_figure_likeness")
LEA = PersonFact(kind=PersonKind.CAMEO, consent=Consent.UNDETERMINED, limits=("violent",))


def record(lea=LEA, *, near=("lea",), **said) -> FactRecord:
    candidates = tuple(Candidate(person=each, distance=0.5, state=FaceState.MATCHED) for each in near)
    face = FaceFact(track=1, start_ms=0, end_ms=1000, state=FaceState.MATCHED, candidates=candidates)
    return FactRecord(
        org="o",
        clip="c",
        judged_at=AT.isoformat(),
        duration_ms=1000,
        phase="public",
        submission=SubmissionFacts(creator="ana"),
        faces=(face,),
        people={"lea": lea},
        **said,
    )


def approval(*codes: str, lesser=(REVOKED, VIOLENT), facts=None) -> Answer:
    reasons = tuple(Reason(code=code) for code in codes)
    said = Decision(outcome=Outcome.ALLOW, facts_hash="", reasons=reasons, lesser=lesser, decided_by="ana")
    return Answer(decision=said, at=AT, facts=facts or record())


def judged(answer: Decision) -> Outcome:
    asks = Decision(outcome=Outcome.REVIEW, facts_hash="", reasons=(REVOKED,))
    return settle(asks, [answer]).outcome


def test_an_approval_answers_nothing_of_who_took_more_back_since():
    since = AT - timedelta(hours=1)
    assert judged(still_answered(approval(), record(), {})) is Outcome.ALLOW
    assert judged(still_answered(approval(), record(), {"lea": since})) is Outcome.ALLOW
    assert judged(still_answered(approval(), record(), {"noor": LATER})) is Outcome.ALLOW
    left = still_answered(approval(), record(), {"lea": LATER})
    assert (judged(left), left.lesser) == (Outcome.REVIEW, (VIOLENT,))


@pytest.mark.parametrize(
    "now",
    [
        replace(LEA, consent=Consent.LIMIT_VIOLATED),
        replace(LEA, limits=("audience",)),
        replace(LEA, voice=Consent.NOT_CONSENTED),
    ],
)
def test_an_approval_is_of_what_consent_said_when_its_case_was_opened(now):
    left = still_answered(approval(), record(now), {})
    assert (judged(left), left.lesser) == (Outcome.REVIEW, (VIOLENT,))
    same = replace(LEA, version=7, declared=True)
    assert judged(still_answered(approval(), record(same), {})) is Outcome.ALLOW


def test_an_approval_that_rests_on_no_judgement_settles_nobodys_likeness():
    unknown = replace(approval(), facts=None)
    assert still_answered(unknown, record(), {}).lesser == (VIOLENT,)


def test_an_approval_of_a_name_in_the_texts_is_of_those_who_were_named_and_not_asked():
    answer = approval(lesser=(NAMED, VIOLENT), facts=record(named={"who": "noor", "public_figures": 1}))
    assert still_answered(answer, record(named={"who": "noor", "public_figures": 1}), {}).lesser == (NAMED, VIOLENT)
    assert still_answered(answer, record(named={"who": "noor", "public_figures": 2}), {}).lesser == (VIOLENT,)


def test_that_somebody_is_not_them_stays_true():
    found = approval("false_match")
    now = record(replace(LEA, consent=Consent.REVOKED, limits=()))
    assert (found.refutes, still_answered(found, now, {"lea": LATER}).lesser) == ({"lea"}, (REVOKED, VIOLENT))


@pytest.mark.parametrize(
    ("lesser", "near", "refuted"),
    [
        ((REVOKED, Reason(code="unconsented_likeness", person="omar")), ("lea",), set()),
        ((REVOKED, Reason(code="unconsented_likeness", person="omar")), ("lea", "omar"), {"lea", "omar"}),
        ((REVOKED, Reason(code="takedown_copy")), ("lea",), set()),
        ((REVOKED, NAMED), ("lea",), set()),
    ],
    ids=["two people", "one face that may be two", "a copy of what was taken down", "a name in the texts"],
)
def test_a_false_match_refutes_nobody_where_it_may_be_of_somebody_else(lesser, near, refuted):
    found = approval("false_match", lesser=lesser, facts=record(near=near))
    assert found.refutes == refuted
    kept = still_answered(found, record(replace(LEA, consent=Consent.REVOKED), near=near), {"lea": LATER}).lesser
    assert (REVOKED in kept) == bool(refuted)
