"""What a child answers is typed, finite and within the limits, or it is no answer."""

import base64
import copy
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction

import numpy as np
import pytest

from moderation.sandbox import answers
from moderation.sandbox.channel import Broken
from moderation.sandbox.orders import MarkOrder
from moderation.sandbox.wire import answer, order, plain
from moderation.settings import Limits
from watermark.fingerprint import fingerprint
from watermark.inheritance import Inheritance
from watermark.payload import Payload
from watermark.probing import AudioTrack, ColourTags, Probe
from watermark.reading import written
from watermark.sampling import MOST_SHOTS, MOST_STRETCHES, Account, ShotStart, Stretch
from watermark.visible import VisibleSpec
from watermark.writing import Encoding, PassReport

LIMITS = Limits()
PROBE = Probe(
    container="mp4",
    video_codec="h264",
    coded_width=1280,
    coded_height=720,
    plane_width=1280,
    plane_height=720,
    width=1280,
    height=720,
    sar=Fraction(4, 3),
    pix_fmt="yuv420p",
    bit_depth=8,
    colour=ColourTags(full_range=False, primaries=1, transfer=1, matrix=1),
    fps=29.97,
    variable_rate=False,
    frames=300,
    duration_ms=10_010,
    start_ms=0,
    origin=Fraction(0),
    time_base=Fraction(1, 15_360),
    audio=AudioTrack(codec="aac", channels=2, rate=48_000, start_ms=-21, duration_ms=10_000, origin=Fraction(-1, 48)),
    tracks=2,
)


def changed(path: str, value: object) -> object:
    said = copy.deepcopy(plain(PROBE))
    *holders, name = path.split(".")
    target = said
    for holder in holders:
        target = target[holder]
    target[name] = value
    return said


def test_a_probe_crosses_unchanged():
    assert answers.probe(plain(PROBE), LIMITS) == PROBE


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("width", 0),
        ("width", -1280),
        ("width", 2**40),
        ("width", "1280"),
        ("width", 1280.5),
        ("width", True),
        ("coded_width", 0),
        ("coded_width", 100_000),
        ("plane_height", 2**31),
        ("frames", 0),
        ("frames", LIMITS.max_frames + 1),
        ("duration_ms", -1),
        ("duration_ms", LIMITS.max_duration_ms + 1),
        ("fps", 0),
        ("fps", "nan"),
        ("fps", 1e300),
        ("sar", "0"),
        ("sar", "-1/3"),
        ("sar", "1/0"),
        ("time_base", "0"),
        ("tracks", 9),
        ("bit_depth", 0),
        ("start_ms", -1),
        ("container", "m" * 65),
        ("video_codec", "h264\x1b[2J"),
        ("audio", "aac"),
        ("audio.channels", 0),
        ("audio.rate", 2**40),
        ("audio.duration_ms", LIMITS.max_duration_ms + 1),
        ("audio.start_ms", -LIMITS.max_duration_ms - 1),
        ("colour", None),
        ("orientation", {"transpose": 1}),
    ],
)
def test_an_impossible_probe_is_refused(path, value):
    with pytest.raises(Broken):
        answers.probe(changed(path, value), LIMITS)


@pytest.mark.parametrize("said", [None, [], {}, "probe", 1, {"frames": 1}])
def test_what_is_no_probe_is_refused(said):
    with pytest.raises(Broken):
        answers.probe(said, LIMITS)


def test_a_report_is_held_to_the_limits():
    report = PassReport(
        frames=300,
        duration_ms=10_000,
        width=1280,
        height=720,
        audio="kept",
        encoder="libx264",
        cpu_seconds_by_stage={"encode": 1.5},
    )
    said = plain(report)
    assert answers.report(said, LIMITS) == report
    for change in (
        {"frames": 0},
        {"frames": LIMITS.max_frames + 1},
        {"width": 0},
        {"height": 2**31},
        {"audio": "lost"},
        {"encoder": "mpeg4"},
        {"cpu_seconds_by_stage": {str(n): 1.0 for n in range(33)}},
    ):
        with pytest.raises(Broken):
            answers.report(said | change, LIMITS)


def test_a_fingerprint_is_one_or_refused():
    noise = np.random.default_rng(3).integers(0, 256, (2, 96, 160), np.uint8)
    made = fingerprint((number * 500, luma) for number, luma in enumerate(noise))
    said = base64.b64encode(made.to_bytes()).decode()
    assert answers.fingerprint(said).to_bytes() == made.to_bytes()
    for bad in (None, "", "!!!!", said[:-4], base64.b64encode(b"PDQ1\xff\xff\xff\x7f").decode(), [said]):
        with pytest.raises(Broken):
            answers.fingerprint(bad)


def test_an_inheritance_is_held_to_what_was_asked_for():
    whole = Inheritance(state="valid", manifest_id="urn:c2pa:1", generations=2, validation="{}", store=b"jumb" * 25)
    said = written(whole)
    assert answers.inheritance(said, 100) == whole
    assert answers.inheritance(None, 100) is None
    cut = whole.without_store("unreadable")
    assert answers.inheritance(written(cut), 100) == cut
    for change in (
        {"state": "ours"},
        {"cut": "because"},
        {"cut": "size"},
        {"store": ""},
        {"store": "!"},
        {"generations": -1},
        {"generations": 66},
        {"manifest_id": None},
        {"manifest_id": "u" * 201},
        {"validation": "[]"},
        {"validation": "{" * 9},
        {"validation": '{"a": "' + "x" * 600_000 + '"}'},
    ):
        with pytest.raises(Broken):
            answers.inheritance(said | change, 100)
    with pytest.raises(Broken):
        answers.inheritance(said, 99)


def test_stills_are_as_many_jpegs_as_were_asked_for():
    still = b"\xff\xd8\xff picture \xff\xd9"
    said = base64.b64encode(still).decode()
    assert answers.stills([said, said], 2) == [still, still]
    page = base64.b64encode(b"<html><script>").decode()
    for bad in (None, said, [], [said], [said, page], [said, "!"], [said, 1]):
        with pytest.raises(Broken):
            answers.stills(bad, 2)


def test_a_survey_is_pictures_and_possible_numbers():
    still = base64.b64encode(b"\xff\xd8\xff picture \xff\xd9").decode()
    page = base64.b64encode(b"<html><script>").decode()
    said = {
        "strip": still,
        "stills": [still],
        "times_ms": list(range(20)),
        "flashes": 2,
        "flashing_from_ms": 40,
        "loudness_db": [-60, 0],
    }
    assert answers.survey(said, 1, LIMITS).flashes == 2
    assert answers.survey(said | {"flashing_from_ms": None, "loudness_db": []}, 1, LIMITS).loudness_db == []
    for change in (
        {"strip": page},
        {"stills": []},
        {"stills": [page]},
        {"times_ms": [0]},
        {"times_ms": [-1] * 20},
        {"times_ms": [LIMITS.max_duration_ms + 1] * 20},
        {"flashes": -1},
        {"flashes": LIMITS.max_frames + 1},
        {"flashes": 1.5},
        {"flashing_from_ms": -1},
        {"loudness_db": [1]},
        {"loudness_db": [-61]},
        {"loudness_db": [0] * 2_000},
    ):
        with pytest.raises(Broken):
            answers.survey(said | change, 1, LIMITS)


ACCOUNT = Account(
    frames=300,
    shots=(ShotStart(start_ms=0, shot=0), ShotStart(start_ms=700, shot=1)),
    unseen=(Stretch(first_ms=800, last_ms=833),),
    unseen_frames=2,
)


def test_an_account_of_frames_is_within_the_limits():
    told = plain(ACCOUNT)
    assert answers.account(told, LIMITS) == ACCOUNT
    for bad in (
        {"frames": 0},
        {"frames": LIMITS.max_frames + 1},
        {"unseen_frames": 301},
        {"unseen_frames": 0},
        {"unseen": []},
        {"shots": []},
        {"shots": [{"start_ms": -1, "shot": 0}]},
        {"shots": [{"start_ms": 0, "shot": -1}]},
        {"shots": [{"start_ms": 0, "shot": 0}] * (MOST_SHOTS + 1)},
        {"unseen": [{"first_ms": 5, "last_ms": 4}]},
        {"unseen": [{"first_ms": 0, "last_ms": LIMITS.max_duration_ms + 1}]},
        {"unseen": [{"first_ms": 0, "last_ms": 0}] * (MOST_STRETCHES + 1)},
    ):
        with pytest.raises(Broken):
            answers.account(told | bad, LIMITS)
    with pytest.raises(Broken):
        answers.account(None, LIMITS)


def test_an_order_crosses_with_its_keys():
    wanted = MarkOrder(
        payload=Payload(mark_id=2**47 + 5, key_version=3),
        key=bytes(range(256)),
        visible=VisibleSpec(platform="P", creator='{"$bytes": "00"}', locale="ar", mark_id=1, key=b"\xff\x00"),
        encoding=Encoding(crf=22),
    )
    assert order(MarkOrder, plain(wanted)) == wanted
    assert order(dict[int, bytes], plain({1: b"\x80", 2: b""})) == {1: b"\x80", 2: b""}
    assert repr(bytes(range(256))) not in repr(wanted)


class Kind(StrEnum):
    ONE = "one"


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    kind: Kind
    share: float
    names: tuple[str, ...]


def test_answers_are_read_strictly():
    said = Said(kind=Kind.ONE, share=0.5, names=("a", "b"))
    assert answer(Said, plain(said)) == said
    for bad in ({"kind": "two"}, {"share": "0.5"}, {"share": float("nan")}, {"names": "ab"}, {"names": [1]}):
        with pytest.raises(Broken):
            answer(Said, plain(said) | bad)


def test_only_plain_data_crosses():
    with pytest.raises(TypeError):
        plain(object())
