"""The fact record keeps one canonical form, whatever order and precision it was built in."""

import json

import pytest

from detectors.base import FaceState, State
from moderation.canonical import canonical
from moderation.facts import (
    Candidate,
    Consent,
    FaceFact,
    FactRecord,
    FactsError,
    PersonFact,
    PersonKind,
    Sample,
    SignalFact,
    SubmissionFacts,
)


def record(**changes: object) -> FactRecord:
    near = Candidate(person="per_a", distance=0.41236, state=FaceState.MATCHED)
    parts: dict[str, object] = {
        "org": "default",
        "clip": "clip_1",
        "judged_at": "2026-11-21T00:00:00+00:00",
        "duration_ms": 1000,
        "phase": "public",
        "submission": SubmissionFacts(creator="c", prompt="ciel été سماء", cameos=("per_a",)),
        "signals": {
            "explicit.score": SignalFact(
                state=State.MEASURED,
                model="open_nsfw",
                samples=(Sample(333, 0.123449), Sample(0, 1.0)),
            ),
            "words.hate": SignalFact(state=State.NOT_MEASURED, note="no text was given"),
        },
        "faces": (
            FaceFact(track=2, start_ms=0, end_ms=900, state=FaceState.UNREAD),
            FaceFact(track=1, start_ms=0, end_ms=900, state=FaceState.MATCHED, person="per_a", candidates=(near,)),
        ),
        "people": {"per_a": PersonFact(kind=PersonKind.CAMEO, consent=Consent.REVOKED, declared=True)},
        "account": {"released_clips": 3},
    }
    return FactRecord(**(parts | changes))


def test_samples_and_faces_are_put_in_order_and_quantised():
    facts = record()
    assert facts.signals["explicit.score"].samples == (Sample(0, 1.0), Sample(333, 0.1234))
    assert [face.track for face in facts.faces] == [1, 2]
    assert facts.faces[0].candidates[0].distance == 0.4124
    assert FaceFact(track=0, start_ms=0, end_ms=1, state=FaceState.POSSIBLE, distance=0.55559).distance == 0.5556


def test_the_digest_does_not_depend_on_the_order_things_were_found_in():
    other = record(faces=tuple(reversed(record().faces)), signals=dict(reversed(record().signals.items())))
    assert other.digest() == record().digest()
    assert other.to_bytes() == record().to_bytes()


@pytest.mark.parametrize("form", [lambda f: f.to_bytes(), lambda f: f.to_json(), lambda f: f.to_bytes().decode()])
def test_a_stored_record_reads_back_to_the_same_bytes(form):
    facts = record()
    again = FactRecord.from_json(form(facts))
    assert again == facts
    assert again.to_bytes() == facts.to_bytes()


def test_the_stored_form_is_canonical_json():
    raw = record().to_bytes()
    assert canonical(json.loads(raw)) == raw


@pytest.mark.parametrize(
    "change",
    [
        {"extra": 1},
        {"facts_version": 2},
        {"duration_ms": "1000"},
        {"duration_ms": -1},
        {"phase": "secret"},
        {"faces": [{"track": 1}]},
        {"known_illegal": 0},
        {"signals": {"explicit.score": {"state": "fine", "samples": []}}},
        {"people": {"per_a": {"kind": "cameo", "consent": "maybe", "declared": False}}},
    ],
)
def test_what_is_no_record_of_this_version_is_refused(change):
    with pytest.raises(FactsError):
        FactRecord.from_json(record().to_json() | change)


def test_a_refusal_says_where_but_never_what_the_clip_says():
    with pytest.raises(FactsError) as refusal:
        FactRecord.from_json(record().to_json() | {"submission": {"creator": "c", "prompt": ["my secret"]}})
    assert "submission.prompt" in str(refusal.value)
    assert "secret" not in str(refusal.value)


def test_a_number_that_json_cannot_hold_is_refused():
    raw = record().to_bytes().replace(b"0.1234", b"NaN")
    with pytest.raises(FactsError):
        FactRecord.from_json(raw)
