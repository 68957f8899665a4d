"""What a reviewer's approval still answers once somebody in the clip consents to less."""

from datetime import UTC, datetime, timedelta

from moderation.decisions import Decision, Outcome, Reason
from moderation.judging import settle, still_answered

AT = datetime(2026, 6, 1, 12, tzinfo=UTC)
LATER = AT + timedelta(hours=1)
REVOKED, VIOLENT = Reason(code="consent_revoked", person="lea"), Reason(code="violence")


def approval(*codes: str) -> Decision:
    reasons = tuple(Reason(code=code) for code in codes)
    return Decision(outcome=Outcome.ALLOW, facts_hash="", reasons=reasons, lesser=(REVOKED, VIOLENT), decided_by="ana")


def judged(answer: Decision) -> Outcome:
    asks = Decision(outcome=Outcome.REVIEW, facts_hash="", reasons=(REVOKED,))
    return settle(asks, [answer]).outcome


def test_an_approval_answers_nothing_of_who_took_more_back_since():
    assert judged(still_answered(approval(), AT, {})) is Outcome.ALLOW
    assert judged(still_answered(approval(), LATER, {"lea": AT})) is Outcome.ALLOW
    assert judged(still_answered(approval(), AT, {"noor": LATER})) is Outcome.ALLOW
    left = still_answered(approval(), AT, {"lea": LATER})
    assert (judged(left), left.lesser) == (Outcome.REVIEW, (VIOLENT,))


def test_that_somebody_is_not_them_stays_true():
    assert still_answered(approval("false_match"), AT, {"lea": LATER}).lesser == (REVOKED, VIOLENT)
