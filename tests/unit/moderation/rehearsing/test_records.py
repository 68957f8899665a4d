"""The fast reader gives what the checking one gives, for every record that we write; all else goes the long way."""

import json
from dataclasses import fields
from functools import cache
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.base import FaceState, State, VoiceState
from moderation.canonical import canonical
from moderation.facts import (
    Candidate,
    Consent,
    FaceFact,
    FactRecord,
    FactsError,
    Manifests,
    PersonFact,
    PersonKind,
    Sample,
    Segment,
    ShotStart,
    SignalFact,
    SubmissionFacts,
    VoiceCandidate,
    VoiceFact,
)
from moderation.policy.engine import decide
from moderation.policy.loader import load_ruleset
from moderation.rehearsing.records import KeptRecord, read_record
from moderation.settings import Settings

times = st.integers(0, 4000)
numbers = st.floats(0, 120, allow_nan=False)
signals = st.builds(
    SignalFact,
    state=st.sampled_from(State),
    model=st.sampled_from([None, "m"]),
    version=st.sampled_from([None, "1.0"]),
    samples=st.lists(st.builds(Sample, times, numbers, st.sampled_from([None, 0, 1])), max_size=6).map(tuple),
    note=st.sampled_from(["", "never calibrated"]),
)
faces = st.builds(
    FaceFact,
    track=st.integers(0, 1),
    start_ms=st.just(0),
    end_ms=times,
    state=st.sampled_from(FaceState),
    person=st.sampled_from([None, "per_a"]),
    distance=st.none() | numbers,
    candidates=st.lists(
        st.builds(Candidate, person=st.just("per_a"), distance=numbers, state=st.sampled_from(FaceState)), max_size=2
    ).map(tuple),
)
voices = st.builds(
    VoiceFact,
    voice=st.integers(0, 3),
    state=st.sampled_from(VoiceState),
    segments=st.lists(st.builds(Segment, times, times), max_size=2).map(tuple),
    candidates=st.lists(
        st.builds(VoiceCandidate, person=st.just("per_a"), distance=numbers, state=st.sampled_from(VoiceState)),
        max_size=2,
    ).map(tuple),
)
people = st.builds(
    PersonFact,
    kind=st.sampled_from(PersonKind),
    consent=st.sampled_from(Consent),
    declared=st.booleans(),
    version=st.integers(0, 9),
    voice=st.none() | st.sampled_from(Consent),
)
scalars = st.one_of(st.none(), st.booleans(), st.integers(0, 9), numbers, st.text(max_size=3))
records = st.builds(
    FactRecord,
    org=st.just("default"),
    clip=st.just("clip_1"),
    judged_at=st.just("2026-01-01T00:00:00+00:00"),
    duration_ms=times,
    phase=st.sampled_from(["public", "draft"]),
    submission=st.builds(
        SubmissionFacts,
        creator=st.text(max_size=4),
        prompt=st.text(max_size=9),
        cameos=st.lists(st.just("per_a"), max_size=2).map(tuple),
        parents=st.lists(st.just("clip_0"), max_size=2).map(tuple),
    ),
    signals=st.dictionaries(
        st.sampled_from(["explicit.score", "face.age", "face.detection", "words.hate", "face.match_distance"]), signals
    ),
    faces=st.lists(faces, max_size=2, unique_by=lambda face: face.track).map(tuple),
    voices=st.lists(voices, max_size=1).map(tuple),
    people=st.dictionaries(st.sampled_from(["per_a", "per_b"]), people),
    manifests=st.builds(Manifests, detectors=st.sampled_from([None, "d"])),
    lineage=st.dictionaries(st.sampled_from(["depth"]), scalars),
    account=st.dictionaries(st.sampled_from(["released_clips"]), scalars),
    fingerprint=st.dictionaries(st.sampled_from(["frames"]), scalars),
    shots=st.lists(st.builds(ShotStart, times, st.integers(0, 3)), max_size=2).map(tuple),
    known_illegal=st.booleans(),
)


@cache
def shipped():
    return load_ruleset(Settings().policies_dir())


@settings(max_examples=120, deadline=None)
@given(facts=records)
def test_both_readers_read_the_same(facts):
    body = facts.to_bytes().decode()
    kept, checked = read_record(body, facts.digest()), FactRecord.from_json(body)
    assert isinstance(kept, KeptRecord)
    assert kept.to_bytes() == checked.to_bytes()
    assert kept.digest() == checked.digest()
    assert decide(kept, shipped()).to_bytes() == decide(checked, shipped()).to_bytes()


@settings(max_examples=30, deadline=None)
@given(facts=records)
def test_every_part_has_the_type_that_it_has_when_checked(facts):
    body = facts.to_bytes().decode()
    kept, checked = read_record(body, facts.digest()), FactRecord.from_json(body)
    for field in fields(FactRecord):
        if field.name != "signals":
            assert getattr(kept, field.name) == getattr(checked, field.name), field.name
    for name, signal in checked.signals.items():
        assert kept.signals[name].samples == signal.samples
        assert all(type(sample) is Sample for sample in kept.signals[name].samples)
        assert kept.signals[name].state is signal.state


PLAIN = FactRecord(
    org="default",
    clip="clip_1",
    judged_at="2026-01-01T00:00:00+00:00",
    duration_ms=1000,
    phase="public",
    submission=SubmissionFacts(creator="ana"),
    signals={"explicit.score": SignalFact(state=State.MEASURED, samples=(Sample(0, 0.5),))},
)


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data | {"facts_version": 2},
        lambda data: data | {"more": 1},
        lambda data: {name: value for name, value in data.items() if name != "people"},
        lambda data: data | {"signals": {"explicit.score": {"state": "measured"}}},
        lambda data: data | {"signals": {"explicit.score": data["signals"]["explicit.score"] | {"state": "sure"}}},
        lambda data: data | {"faces": [{"track": 0}]},
        lambda data: data | {"submission": {"creator": "ana", "mood": "good"}},
        lambda data: data | {"signals": {"explicit.score": data["signals"]["explicit.score"] | {"samples": "0"}}},
        lambda data: (
            data | {"signals": {"explicit.score": data["signals"]["explicit.score"] | {"samples": [["0", 1, 0]]}}}
        ),
        lambda data: data | {"duration_ms": "long"},
        lambda data: data | {"phase": "secret"},
        lambda data: data | {"known_illegal": 0},
        lambda data: [data],
    ],
)
def test_what_was_changed_goes_the_long_way(change):
    body = json.dumps(change(PLAIN.to_json()))
    try:
        checked = FactRecord.from_json(body)
    except FactsError:
        with pytest.raises(FactsError):
            read_record(body, PLAIN.digest())
    else:
        assert read_record(body, PLAIN.digest()) == checked


def test_a_record_of_another_release_goes_the_long_way_though_it_is_intact():
    body = canonical(PLAIN.to_json() | {"more": 1})
    with pytest.raises(FactsError):
        read_record(body.decode(), sha256(body).hexdigest())


def test_no_json_is_refused():
    with pytest.raises(FactsError):
        read_record("{", PLAIN.digest())
