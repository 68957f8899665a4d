"""Contract, section 5: each kind of bad or awkward file is refused by name or handled; nothing dies, nothing leaks."""

import json
import re
from pathlib import Path

import bad_files
import pytest
from clips import ClipPlan, draw_clip, read_number

from detectors.base import Frame
from moderation.errors import ClipFault, ModerationError, RefusedAtTheDoor, TooLarge
from moderation.media import Probe, describe, examine
from moderation.sandbox import MarkOrder, Sandbox
from moderation.sandbox.refusals import CODES
from moderation.settings import Limits
from watermark.payload import Payload
from watermark.sampling import SamplingRules
from watermark.visible import VisibleSpec
from watermark.writing import Encoding

MUTATIONS = 50


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("bad input")


@pytest.fixture(scope="module")
def sandbox(folder):
    with Sandbox(Limits(decode_seconds=60), folder=folder / "airlocks") as made:
        yield made


@pytest.fixture(scope="module")
def plain(folder):
    path = folder / "plain.mp4"
    bad_files.AWKWARD["plain.mp4"](path)
    return path


def pid(sandbox: Sandbox) -> int:
    with sandbox._pool.lend() as child:
        return child.pid


def look(sandbox: Sandbox, path: Path, fps: float = 240.0, long_side: int = 320) -> list[Frame]:
    """Every sampled frame, copied out of the shared memory."""
    return [
        Frame(index=frame.index, time_ms=frame.time_ms, pixels=frame.pixels.copy())
        for batch in sandbox.frames(path, SamplingRules(floor_fps=fps), long_side)
        for frame in batch
    ]


@pytest.mark.parametrize("name", bad_files.BAD)
def test_a_bad_file_is_refused_by_name_and_costs_nobody_a_decoder(sandbox, folder, plain, name):
    before = pid(sandbox)
    code, make = bad_files.BAD[name]
    make(folder / name)
    with pytest.raises((RefusedAtTheDoor, TooLarge)) as refused:
        examine(sandbox, folder / name)
    assert re.fullmatch(code, refused.value.code)
    assert refused.value.message.endswith(".")
    if limit := refused.value.params.get("limit"):
        assert refused.value.params["value"] == getattr(sandbox.limits, limit)
        assert str(refused.value.params["value"]) in refused.value.message
    assert pid(sandbox) == before
    assert examine(sandbox, plain).frames == 30


@pytest.mark.parametrize(
    ("limit", "value", "code", "status"),
    [
        ("max_bytes", 10_000, "too_large", 413),
        ("max_duration_ms", 500, "too_long", 413),
        ("max_frames", 29, "too_many_frames", 413),
        ("min_frames", 31, "too_few_frames", 415),
        ("max_pixels", 160 * 96 - 1, "too_many_pixels", 413),
        ("min_side", 97, "too_small", 415),
        ("max_fps", 24, "fps_too_high", 413),
        ("max_tracks", 1, "too_many_tracks", 413),
        ("max_metadata_bytes", 10, "too_much_metadata", 413),
    ],
)
def test_every_limit_is_held_and_named(folder, plain, limit, value, code, status):
    limits = Limits(decode_seconds=60, **{limit: value})
    with Sandbox(limits, folder=folder / "airlocks") as strict, pytest.raises(ModerationError) as refused:
        examine(strict, plain)
    assert (refused.value.code, refused.value.status) == (code, status)
    assert refused.value.params == {"limit": limit, "value": value}


#: Width, height, frames, milliseconds; all as displayed.
EXPECTED = {
    "plain.mp4": (160, 96, 30, 1000),
    "silent.mp4": (160, 96, 30, 1000),
    "odd.mp4": (161, 97, 30, 1000),
    "ten_bit.mp4": (160, 96, 30, 1000),
    "hdr.mp4": (160, 96, 30, 1000),
    "four_two_two.mp4": (160, 96, 30, 1000),
    "sixty.mp4": (160, 96, 60, 1000),
    "varying.mp4": (160, 96, 8, 966),
    "turned.mp4": (160, 96, 30, 1000),
    "stretched.mp4": (213, 96, 30, 1000),
    "several_tracks.mp4": (160, 96, 30, 1000),
    "one_frame.mp4": (160, 96, 1, 33),
    "named.mp4": (160, 96, 30, 1000),
    "matroska.mkv": (160, 96, 30, 1000),
    "web.webm": (160, 96, 30, 1000),
    # A square frame in a 5:3 picture: the container's claim stretches the samples.
    "large_claimed.mp4": (267, 96, 30, 1000),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_an_awkward_file_is_seen_as_a_player_shows_it(sandbox, folder, name):
    path = folder / name
    bad_files.AWKWARD[name](path)
    probe = examine(sandbox, path)
    assert (probe.width, probe.height, probe.frames, probe.duration_ms) == EXPECTED[name]
    frames = look(sandbox, path)
    assert [frame.index for frame in frames] == [read_number(frame.pixels) for frame in frames]
    assert {frame.index for frame in frames} == set(range(probe.frames))
    assert {frame.pixels.shape for frame in frames} == {(probe.height, probe.width, 3)}
    assert frames[-1].time_ms < probe.duration_ms + 2


def test_nothing_of_a_files_own_words_comes_in(sandbox, folder):
    path = folder / "named.mp4"
    bad_files.AWKWARD["named.mp4"](path)
    assert b"DROP TABLE" in path.read_bytes()
    told = json.dumps(describe(examine(sandbox, path)), ensure_ascii=False)
    assert not [word for word in ("passwd", "script", "DROP", "\u202e", "\x1b") if word in told]


def test_a_decompression_bomb_stays_within_memory(sandbox, folder):
    path = folder / "sheet.avi"
    bad_files.AWKWARD["sheet.avi"](path)
    assert path.stat().st_size < 100_000
    with sandbox._pool.lend() as child:
        status = Path(f"/proc/{child.pid}/status")
    probe = examine(sandbox, path)
    decoded = probe.coded_width * probe.coded_height * 3 // 2 * probe.frames
    assert len(look(sandbox, path, fps=3)) == 7
    peak = next(int(line.split()[1]) * 1024 for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    assert peak < 400_000_000 < decoded


@pytest.mark.parametrize("name", bad_files.LATE)
def test_a_file_that_breaks_off_behind_the_door_is_that_clips_fault(sandbox, folder, plain, name):
    path = folder / name
    bad_files.LATE[name](path)
    assert examine(sandbox, path).frames == 11
    with pytest.raises(ClipFault):
        look(sandbox, path)
    assert len(look(sandbox, plain)) == 30


def test_damaged_files_are_refused_or_read_and_never_kill_a_worker(sandbox, folder, plain):
    """Fifty mutations, the same each time; whatever is accepted must also yield its frames or fail as a clip."""
    outcomes: dict[str, int] = {}
    path = folder / "mutant.mp4"
    for content in bad_files.mutations(plain.read_bytes(), MUTATIONS):
        path.write_bytes(content)
        outcome = examine_and_look(sandbox, path)
        outcomes[outcome] = outcomes.get(outcome, 0) + 1
    assert sum(outcomes.values()) == MUTATIONS
    assert set(outcomes) <= CODES | {"read", "fault"}
    assert len(outcomes) > 2
    assert len(look(sandbox, plain)) == 30


def examine_and_look(sandbox: Sandbox, path: Path) -> str:
    try:
        probe = examine(sandbox, path)
    except (RefusedAtTheDoor, TooLarge) as refused:
        return refused.code
    assert isinstance(probe, Probe)
    try:
        look(sandbox, path, fps=3)
    except ClipFault:
        return "fault"
    return "read"


@pytest.mark.full
def test_many_more_mutations(sandbox, folder, plain):
    path = folder / "mutant.mp4"
    for seed in range(8):
        for content in bad_files.mutations(plain.read_bytes(), MUTATIONS, seed):
            path.write_bytes(content)
            examine_and_look(sandbox, path)
    assert len(look(sandbox, plain)) == 30


def test_the_same_file_gives_the_same_frames(sandbox, folder):
    path = draw_clip(folder / "again.mp4", ClipPlan(width=320, height=180, frames=40, texture=6.0))
    first, second = look(sandbox, path, fps=5), look(sandbox, path, fps=5)
    assert [(frame.index, frame.time_ms) for frame in first] == [(frame.index, frame.time_ms) for frame in second]
    assert all((one.pixels == two.pixels).all() for one, two in zip(first, second, strict=True))


def order(creator: str = "zoë", locale: str = "fr") -> MarkOrder:
    key = bytes(range(32))
    return MarkOrder(
        payload=Payload(mark_id=0xABCDEF012345, key_version=1),
        key=key,
        visible=VisibleSpec(platform="Countersign", creator=creator, locale=locale, mark_id=0xABCDEF012345, key=key),
        encoding=Encoding(preset="ultrafast"),
    )


MARKABLE = [
    "odd.mp4",
    "ten_bit.mp4",
    "hdr.mp4",
    "four_two_two.mp4",
    "sixty.mp4",
    "varying.mp4",
    "turned.mp4",
    "web.webm",
]


@pytest.mark.parametrize("name", MARKABLE)
def test_an_awkward_file_is_marked_behind_the_border(sandbox, folder, name):
    source, target = folder / name, folder / "marked.mp4"
    bad_files.AWKWARD[name](source)
    before = examine(sandbox, source)
    report = sandbox.mark(source, target, order())
    after = examine(sandbox, target)
    assert (after.container, after.video_codec, after.bit_depth) == ("mp4", "h264", 8)
    assert (report["frames"], after.frames) == (before.frames, before.frames)
    assert (after.width, after.height) == (before.plane_width, before.plane_height)
    assert abs(after.duration_ms - before.duration_ms) <= 40
    assert (after.audio is None) == (before.audio is None)
    assert after.orientation.upright


def test_hostile_names_are_drawn_or_left_out_and_never_executed(sandbox, folder, plain):
    target = folder / "named-out.mp4"
    sandbox.mark(plain, target, order(creator=bad_files.HOSTILE_TEXT + "\ud7ff\U0001f600" * 50, locale="../../ar"))
    assert examine(sandbox, target).frames == 30


def test_a_failed_pass_leaves_no_target(sandbox, folder):
    source, target = folder / "growing.avi", folder / "never.mp4"
    bad_files.LATE["growing.avi"](source)
    with pytest.raises(ClipFault):
        sandbox.mark(source, target, order())
    assert not target.exists()
    assert not [left for left in folder.iterdir() if left.name.endswith(".part")]


@pytest.mark.full
def test_two_seconds_of_4k(folder):
    """Probed, sampled and marked within the memory of a child that has 3 GiB of address space."""
    path = draw_clip(folder / "4k.mp4", ClipPlan(width=3840, height=2160, frames=60))
    with Sandbox(Limits(decode_memory_bytes=3 * 1024**3), folder=folder / "airlocks") as own:
        with own._pool.lend() as child:
            status = Path(f"/proc/{child.pid}/status")
        assert examine(own, path).frames == 60
        assert {frame.pixels.shape for frame in look(own, path, fps=3, long_side=1280)} == {(720, 1280, 3)}
        assert own.mark(path, folder / "4k-marked.mp4", order())["frames"] == 60
        peak = next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        assert (examine(own, folder / "4k-marked.mp4").width, peak < 1_000_000) == (3840, True), peak
