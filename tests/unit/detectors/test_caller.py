"""A platform's own word: repeated under its own names, never in the place of what we look at ourselves."""

import pytest

from detectors.base import DetectorError, State, Subject
from detectors.caller import CLAIMS, CallerClaims
from moderation.policy.registry import SIGNALS


def said(**claims: float):
    inspection = CallerClaims().open(Subject(duration_ms=1, claims={f"platform.{k}": v for k, v in claims.items()}))
    inspection.see([])
    return {signal.name: signal for signal in inspection.finish().signals}


def test_a_claim_is_one_number_at_the_start_by_the_caller():
    signal = said(nsfw=0.81239)["platform.nsfw"]
    assert signal.state is State.MEASURED
    assert signal.model.id == "caller"
    assert [(sample.time_ms, sample.value) for sample in signal.samples] == [(0, 0.8124)]


def test_what_was_not_said_is_absent():
    assert said() == {}
    assert set(said(risk=0.0)) == {"platform.risk"}


@pytest.mark.parametrize("name", ["explicit.score", "platform.other", "nsfw", ""])
def test_nothing_but_a_platforms_own_names_is_repeated(name):
    with pytest.raises(DetectorError, match="nothing that a platform may say"):
        CallerClaims().open(Subject(duration_ms=1, claims={name: 0.0}))


@pytest.mark.parametrize("value", [-0.01, 1.01, float("nan"), float("inf"), True])
def test_a_claim_is_a_number_between_0_and_1(value):
    with pytest.raises(DetectorError, match="between 0 and 1"):
        CallerClaims().open(Subject(duration_ms=1, claims={"platform.nsfw": value}))


def test_rules_know_every_claim_and_may_not_block_on_one():
    assert set(CLAIMS) == {name for name in SIGNALS if name.startswith("platform.")}
    assert not any(SIGNALS[name].may_block for name in CLAIMS)
