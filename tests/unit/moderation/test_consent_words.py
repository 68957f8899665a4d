"""What verify may say of consent: by the senses in which a clip has somebody, never by the face alone."""

import pytest

from detectors.base import FaceState, VoiceState
from moderation.consent import Standing
from moderation.facts import Candidate, FaceFact, FactRecord, SubmissionFacts, VoiceCandidate, VoiceFact
from moderation.verification import words_of

SEEN = FaceFact(
    track=1,
    start_ms=0,
    end_ms=1000,
    state=FaceState.MATCHED,
    candidates=(Candidate(person="lea", distance=0.5, state=FaceState.MATCHED),),
)
HEARD = VoiceFact(
    voice=1,
    state=VoiceState.MATCHED,
    candidates=(VoiceCandidate(person="lea", distance=0.5, state=VoiceState.MATCHED),),
)


@pytest.mark.parametrize(
    ("senses", "words"),
    [
        ({"faces": (SEEN,)}, {"consented"}),
        ({"voices": (HEARD,)}, {"revoked"}),
        ({"faces": (SEEN,), "voices": (HEARD,)}, {"consented", "revoked"}),
        ({}, {"consented"}),
    ],
)
def test_a_voice_is_weighed_by_what_was_said_of_the_voice(senses, words):
    said = {"org": "o", "clip": "c", "judged_at": "2026-01-01T00:00:00+00:00", "duration_ms": 1000, "phase": "public"}
    facts = FactRecord(**said, submission=SubmissionFacts(creator="ana"), **senses)
    standing = Standing(person="lea", kind="cameo", consent="consented", voice="revoked", declared=True, version=1)
    assert words_of(facts, {"lea": standing}) == words


def test_a_record_that_only_rules_for_another_says_nothing_of_a_sense_in_which_nobody_has_them():
    said = {"org": "o", "clip": "c", "judged_at": "2026-01-01T00:00:00+00:00", "duration_ms": 1000, "phase": "public"}
    facts = FactRecord(**said, submission=SubmissionFacts(creator="ana"), voices=(HEARD,))
    words = {"consent": "not_consented", "voice": "consented", "declared": False, "version": 1}
    standings = {
        "lea": Standing(person="lea", kind="public_figure", ruled_by="cameo", **words),
        "cameo": Standing(person="cameo", kind="cameo", **words),
    }
    assert words_of(facts, standings) == {"consented"}
