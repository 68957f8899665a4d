"""Speech found, voices told apart and matched, with the real networks on synthetic voices; templates never leave."""

import dataclasses
import json
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from detectors import registry
from detectors.base import SOUND_RATE, DetectorUnavailable, Gallery, Listening, Sound, State, Subject, VoiceState
from detectors.hearing import END, MIN_SPEECH, STEP, Stretch, drawn_vowel, stretches
from detectors.likeness import Lines, make_rotation, turn
from detectors.speakers import CENTRE, WINDOW, Utterance, group, log_mels, mean_vector
from detectors.voices import DISTANCE, SPEECH, Voices, _Heard, conclude
from moderation.samples.speech import speak
from moderation.settings import Settings

GOLDEN = json.loads((Path(__file__).parent / "golden_voices.json").read_text())
LINES = Lines(match=0.8, possible=0.9)
FERRY = "The ferry leaves the harbour at seven, and nobody has ever seen it come back empty."
ROSES = "After a long winter the gardener found three new roses under the old apple tree."


@pytest.fixture(scope="session")
def voices(embedded_pack) -> Voices:
    return Voices.load(embedded_pack)


@pytest.fixture(scope="session")
def said():
    """What a synthetic voice says, mono 16 kHz, by voice and text."""
    known = {}

    def say(voice: str, text: str) -> np.ndarray:
        if (voice, text) not in known:
            spoken = speak(text, voice, Settings().models)
            frame = av.AudioFrame.from_ndarray(spoken.samples[None], format="s16", layout="mono")
            frame.sample_rate = spoken.rate
            resampler = av.AudioResampler(format="flt", layout="mono", rate=SOUND_RATE)
            frames = [*resampler.resample(frame), *resampler.resample(None)]
            known[voice, text] = np.concatenate([each.to_ndarray().reshape(-1) for each in frames])
        return known[voice, text]

    return say


@pytest.fixture(scope="session")
def registered(voices, said):
    """A gallery of one voice, turned as an organisation's is."""
    template = voices.voice_template(np.concatenate([said("en+m3", FERRY), said("en+m3", ROSES)]))
    return gallery(template.vector)


def gallery(*vectors: np.ndarray) -> Gallery:
    rotation = make_rotation(b"a secret", 256)
    people = tuple(f"per_{number}" for number in range(len(vectors)))
    rows = np.stack(vectors) if vectors else np.empty((0, 256), np.float32)
    return Gallery(model="dvector_lite", version="1", people=people, vectors=turn(rows, rotation), rotation=rotation)


def hear(voices, *sounds, gallery=None, duration_ms=10_000):
    inspection = voices.open(Subject(duration_ms=duration_ms, voices=gallery))
    assert isinstance(inspection, Listening)
    inspection.see([])
    for sound in sounds:
        inspection.hear(sound)
    findings = inspection.finish()
    return {signal.name: signal for signal in findings.signals}, findings.voices


def test_features_are_those_the_network_was_trained_on():
    features = log_mels(drawn_vowel(1.5))
    assert features.shape == (GOLDEN["frames"], 40)
    for frame, expected in GOLDEN["features"].items():
        np.testing.assert_allclose(features[int(frame)], expected, rtol=0, atol=2e-4)


def test_vectors_are_those_of_the_network_s_own_package(voices, monkeypatch):
    monkeypatch.setattr("detectors.speakers.CENTRE", np.zeros_like(CENTRE))
    features = log_mels(drawn_vowel(1.5))
    # The package takes 80 frames every 40, as enrolment does, and does not change the level.
    windows = [features[start : start + 80] for start in range(0, len(features) - 79, 40)]
    vector = mean_vector(voices.encoder.encode(windows))
    assert float(vector @ np.array(GOLDEN["vector"], np.float32)) > 0.999


def test_speech_is_heard_and_noise_is_not(voices, said):
    noise = np.random.default_rng(5).standard_normal(3 * SOUND_RATE).astype(np.float32) * 0.05
    tone = np.sin(np.arange(3 * SOUND_RATE) * 0.2).astype(np.float32) * 0.3
    for silent in (noise, tone, np.zeros(3 * SOUND_RATE, np.float32)):
        assert stretches(voices.finder.likelihoods(silent)) == ()
    speech = stretches(voices.finder.likelihoods(said("en+f2", FERRY)))
    assert sum(stretch.length for stretch in speech) > 0.7 * len(said("en+f2", FERRY))


def test_likelihoods_do_not_depend_on_how_many_steps_a_run_takes(voices, said, monkeypatch):
    whole = voices.finder.likelihoods(said("en+f2", FERRY))
    monkeypatch.setattr("detectors.hearing._BLOCK", 7)
    assert np.array_equal(voices.finder.likelihoods(said("en+f2", FERRY)), whole)


@pytest.mark.parametrize(
    ("likelihoods", "found"),
    [
        ([0.9] * MIN_SPEECH, [(0, MIN_SPEECH)]),
        ([0.9] * (MIN_SPEECH - 1), []),
        ([0.0, *[0.9] * 10, 0.1, 0.1, 0.1, *[0.9] * 5], [(1, 19)]),
        ([*[0.9] * 10, *[0.1] * 4, *[0.9] * 10], [(0, 10), (14, 24)]),
        ([0.9, *[END + 0.01] * 9], [(0, 10)]),
        ([], []),
    ],
)
def test_short_pauses_are_bridged_and_clicks_left_out(likelihoods, found):
    expected = tuple(Stretch(start=a * STEP, end=b * STEP) for a, b in found)
    assert stretches(np.array(likelihoods, np.float32)) == expected


def test_a_registered_voice_is_matched_where_it_speaks_and_another_is_not(voices, said, registered):
    theirs, other = (
        said("en+m3", "Please put the blue box on the second shelf, next to the window."),
        said("en+f4", "My brother sold his bicycle on Thursday and walked home in the rain, singing."),
    )
    pause = np.zeros(SOUND_RATE, np.float32)
    signals, found = hear(
        voices, Sound(start_ms=500, samples=np.concatenate([other, pause, theirs])), gallery=registered
    )
    matched = [voice for voice in found if voice.state is VoiceState.MATCHED]
    begins = 500 + (len(other) + len(pause)) * 1000 // SOUND_RATE
    assert [voice.matches[0].person for voice in matched] == ["per_0"]
    assert begins - 150 <= matched[0].segments[0][0] <= begins + 300
    assert all(voice.state is VoiceState.UNMATCHED for voice in found if voice not in matched)
    near = [sample.time_ms for sample in signals[DISTANCE].samples if sample.value < LINES.match]
    assert near
    assert min(near) >= begins - 150
    assert signals[DISTANCE].state is State.MEASURED


def test_loudness_does_not_decide_who_speaks(voices, said, registered):
    sound = said("en+m3", "Please put the blue box on the second shelf, next to the window.")
    for gain in (1.0, 0.1):
        _, found = hear(voices, Sound(start_ms=0, samples=sound * np.float32(gain)), gallery=registered)
        assert found[0].state is VoiceState.MATCHED


def test_the_same_sound_gives_the_same_findings_in_any_pieces(voices, said, registered):
    sound = np.concatenate([said("en+m3", FERRY), said("en+f4", ROSES)])
    whole = hear(voices, Sound(start_ms=-200, samples=sound), gallery=registered)
    cuts = [0, 16_000, 48_000, len(sound)]
    pieces = [Sound(start_ms=-200 + start // 16, samples=sound[start:end]) for start, end in pairwise(cuts)]
    # Somebody else's clip in between must not matter.
    hear(voices, Sound(start_ms=0, samples=said("en+f2", FERRY)), gallery=registered)
    assert hear(voices, *pieces, gallery=registered) == whole


def test_a_clip_without_sound_was_not_measured(voices, registered):
    signals, found = hear(voices, gallery=registered)
    assert {signal.state for signal in signals.values()} == {State.NOT_MEASURED}
    assert all("no sound" in signal.note for signal in signals.values())
    assert found == ()


def test_a_missing_piece_is_a_fault(voices):
    inspection = voices.open(Subject(duration_ms=10_000))
    inspection.hear(Sound(start_ms=0, samples=np.zeros(16_000, np.float32)))
    with pytest.raises(Exception, match="missing"):
        inspection.hear(Sound(start_ms=2_000, samples=np.zeros(16_000, np.float32)))


def test_nobody_is_described_while_no_voice_is_registered(voices, said, monkeypatch):
    def refuse(*_):
        raise AssertionError("a voice was read although there is nobody to compare it with")

    monkeypatch.setattr(voices.encoder, "encode", refuse)
    for nobody in (None, gallery()):
        signals, found = hear(voices, Sound(start_ms=0, samples=said("en+m3", FERRY)), gallery=nobody)
        assert found == ()
        assert signals[DISTANCE].samples == ()
        assert signals[SPEECH].state is State.MEASURED


def test_sound_that_begins_late_and_ends_early_is_silent_around(voices, said):
    sound = said("en+m3", FERRY)
    signals, _ = hear(voices, Sound(start_ms=1_500, samples=sound), duration_ms=20_000)
    samples = signals[SPEECH].samples
    assert (samples[0].time_ms, samples[0].value) == (0, 0.0)
    assert samples[1].time_ms == 1_500
    assert (samples[-1].time_ms, samples[-1].value) == (1_500 + len(sound) * 1000 // SOUND_RATE, 0.0)


def test_sound_before_the_first_frame_is_heard_at_its_start(voices, said, registered):
    signals, found = hear(voices, Sound(start_ms=-2_000, samples=said("en+m3", ROSES)), gallery=registered)
    assert found[0].segments[0][0] == 0
    assert min(sample.time_ms for sample in signals[SPEECH].samples) == 0


def test_an_unread_voice_is_told(voices, registered):
    sound = np.concatenate([drawn_vowel(0.4), np.zeros(16_000, np.float32)])
    inspection = voices.open(Subject(duration_ms=2_000, voices=registered))
    short = [Stretch(start=0, end=6_400)]
    heard = _Heard(shares=(), speech=tuple(short), utterances=inspection._utterances(sound, short))
    _, found = inspection._compare(heard, inspection.likeness)
    assert [voice.state for voice in found] == [VoiceState.UNREAD]


def test_two_voices_are_told_apart(voices, said):
    sound = np.concatenate([said("en+m3", FERRY), np.zeros(8_000, np.float32), said("en+f4", ROSES)])
    utterances = voices.encoder.utterances(sound, stretches(voices.finder.likelihoods(sound)))
    numbers = group(utterances)
    border = len(said("en+m3", FERRY))
    first = {n for n, u in zip(numbers, utterances, strict=True) if u.stretch.end <= border + 4_000}
    second = {n for n, u in zip(numbers, utterances, strict=True) if u.stretch.start >= border}
    assert first
    assert second
    assert not first & second


def test_speakers_are_bounded_and_every_piece_has_one():
    generator = np.random.default_rng(3)
    scattered = [
        Utterance(stretch=Stretch(start=i, end=i + 1), windows=generator.standard_normal((1, 256)).astype(np.float32))
        for i in range(60)
    ]
    numbers = group(scattered)
    assert len(numbers) == 60
    assert len(set(numbers)) <= 16
    assert group([]) == ()


def test_windows_cover_all_speech_and_leave_no_track(voices, said):
    sound = said("en+m3", FERRY)
    for stretch in (Stretch(start=0, end=len(sound)), Stretch(start=len(sound) - 9_000, end=len(sound))):
        utterances = voices.encoder.utterances(sound, [stretch])
        assert utterances[0].stretch.start == stretch.start
        assert utterances[-1].stretch.end == stretch.end
        assert sum(len(u.windows) for u in utterances) >= stretch.length // WINDOW
        assert all(np.isfinite(u.windows).all() for u in utterances)


@pytest.mark.parametrize(
    ("whole", "pieces", "clear", "fit", "state"),
    [
        (0.5, [], True, True, VoiceState.MATCHED),
        (0.5, [], False, True, VoiceState.POSSIBLE),
        (0.5, [], True, False, VoiceState.POSSIBLE),
        (0.85, [], True, True, VoiceState.POSSIBLE),
        (1.2, [0.7], True, True, VoiceState.POSSIBLE),
        (1.2, [0.85], True, True, None),
        (0.9, [], True, True, None),
    ],
)
def test_the_two_lines(whole, pieces, clear, fit, state):
    lines = dataclasses.replace(LINES, fit=fit)
    matches = conclude({"per_a": whole}, [{"per_a": piece} for piece in pieces], lines, clear=clear)
    assert [match.state for match in matches] == ([] if state is None else [state])


def test_registering_takes_five_seconds_of_speech(voices, said):
    assert voices.voice_template(said("en+m3", FERRY)[: 3 * SOUND_RATE]) is None
    assert voices.voice_template(np.zeros(10 * SOUND_RATE, np.float32)) is None
    template = voices.voice_template(np.concatenate([said("en+m3", FERRY), said("en+m3", ROSES)]))
    assert template.seconds >= 5
    assert np.linalg.norm(template.vector) == pytest.approx(1, abs=1e-5)


def test_a_gallery_of_another_model_is_refused(voices, registered):
    other = dataclasses.replace(registered, model="another")
    with pytest.raises(DetectorUnavailable, match="another"):
        voices.open(Subject(duration_ms=1, voices=other))


def test_the_self_check_notices_other_weights(voices, monkeypatch):
    voices.self_check()
    monkeypatch.setattr("detectors.speakers.LEVEL", 0.01)
    with pytest.raises(DetectorUnavailable, match="another vector"):
        voices.self_check()


def test_what_can_change_a_number_changes_the_manifest_hash(embedded_pack, monkeypatch):
    lexicon = type("Lexicon", (), {"version": "1"})()
    before = registry.manifest_hash(embedded_pack, lexicon, {})
    for name, value in (("hearing.BEGIN", 0.6), ("speakers.LEVEL", 0.2), ("speakers.SAME_SPEAKER", 1.1)):
        with monkeypatch.context() as patch:
            patch.setattr(f"detectors.{name}", value)
            assert registry.manifest_hash(embedded_pack, lexicon, {}) != before


def test_another_gallery_is_compared_as_if_the_sound_were_heard_again(voices, said, registered):
    subject = Subject(duration_ms=5000, voices=registered)
    heard = voices.open(subject)
    heard.hear(Sound(start_ms=0, samples=said("en+m3", FERRY)))
    before = heard.finish()
    stranger = gallery(*np.random.default_rng(3).standard_normal((2, 256)).astype(np.float32))
    for other in (stranger, gallery(), registered):
        again = voices.open(Subject(duration_ms=5000, voices=other))
        again.hear(Sound(start_ms=0, samples=said("en+m3", FERRY)))
        assert heard.again(Subject(duration_ms=5000, voices=other)) == again.finish()
    assert heard.again(Subject(duration_ms=5000, voices=stranger)) != before


def test_speech_that_nobody_compared_takes_another_look(voices, said, registered):
    heard = voices.open(Subject(duration_ms=5000))
    heard.hear(Sound(start_ms=0, samples=said("en+m3", FERRY)))
    heard.finish()
    assert heard.again(Subject(duration_ms=5000, voices=registered)) is None
