"""How a person's answer and the rules' decision go together."""

import pytest

from moderation.answers import settle
from moderation.decisions import Audience, Decision, Outcome, Reason

LIKENESS = Reason(code="public_figure_likeness", person="per_1", track=0)
EXPLICIT = Reason(code="explicit_content")
REVOKED = Reason(code="consent_revoked", person="per_1")


def rules(outcome, *reasons, **more):
    return Decision(outcome=Outcome(outcome), facts_hash="f", reasons=reasons, policy_version="v", **more)


def person(outcome, *answered):
    limits = Audience(adults_only=outcome == "restrict", no_remix=outcome == "restrict")
    return Decision(
        outcome=Outcome(outcome),
        facts_hash="f",
        reasons=(Reason(code="false_match"),),
        lesser=answered,
        audience=limits,
        decided_by="reviewer",
    )


def test_without_a_person_the_rules_stand():
    assert settle(rules("review", LIKENESS), []) == rules("review", LIKENESS)


def test_an_approval_settles_what_it_answered():
    settled = settle(rules("review", LIKENESS), [person("allow", LIKENESS)])
    assert settled.outcome is Outcome.ALLOW
    assert settled.decided_by == "reviewer"
    assert settled.lesser == (LIKENESS,)


@pytest.mark.parametrize("new", [REVOKED, EXPLICIT, Reason(code="public_figure_likeness", person="per_2")])
def test_a_reason_nobody_answered_still_asks(new):
    assert settle(rules("review", LIKENESS, new), [person("allow", LIKENESS)]).outcome is Outcome.REVIEW


def test_a_new_block_is_not_undone_by_an_older_approval():
    assert settle(rules("block", REVOKED), [person("allow", LIKENESS)]).outcome is Outcome.BLOCK


def test_answers_add_up_over_cases():
    answers = [person("allow", LIKENESS), person("allow", EXPLICIT)]
    assert settle(rules("review", LIKENESS, EXPLICIT), answers).outcome is Outcome.ALLOW


def test_a_persons_block_stands_whatever_the_rules_say_now():
    for decision in (rules("allow"), rules("review", EXPLICIT), rules("restrict")):
        assert settle(decision, [person("block", LIKENESS)]).outcome is Outcome.BLOCK


def test_an_approval_never_loosens_what_the_rules_restrict():
    kept = settle(rules("restrict", EXPLICIT, audience=Audience(adults_only=True)), [person("allow", LIKENESS)])
    assert kept.outcome is Outcome.RESTRICT
    assert kept.audience.adults_only


def test_a_restriction_by_a_person_is_kept_when_the_rules_would_allow():
    kept = settle(rules("allow"), [person("restrict", LIKENESS)])
    assert kept.outcome is Outcome.RESTRICT
    assert kept.audience.no_remix
