"""Files are counted, not believed; claims are refused before anything is allocated for them."""

import dataclasses
import pickle
import resource
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from clips import (
    ClipPlan,
    Sound,
    claim_samples,
    claim_size,
    draw_clip,
    draw_sound,
    patch_box,
    trim_by_edit_list,
    truncate,
)

from moderation.settings import Limits
from watermark.containers import inspect
from watermark.orientation import Orientation, orientation_of
from watermark.probing import VideoLimits, VideoRefused, probe
from watermark.sources import open_source

LIMITS = VideoLimits()
VERYFAST = (("preset", "veryfast"), ("crf", "20"))


def refusal(path: Path, limits: VideoLimits = LIMITS) -> VideoRefused:
    with pytest.raises(VideoRefused) as caught:
        probe(path, limits)
    return caught.value


def test_a_plain_clip_is_described(tmp_path):
    found = probe(draw_clip(tmp_path / "a.mp4", ClipPlan(sounds=(Sound(),))), LIMITS)
    assert (found.container, found.video_codec, found.pix_fmt, found.bit_depth) == ("mp4", "h264", "yuv420p", 8)
    assert (found.width, found.height, found.plane_width, found.plane_height) == (320, 240, 320, 240)
    assert (found.frames, found.duration_ms, found.fps, found.variable_rate) == (30, 1000, 30.0, False)
    assert (found.audio.codec, found.audio.channels, found.audio.rate, found.audio.start_ms) == ("aac", 2, 48_000, 0)
    assert (found.start_ms, found.tracks) == (0, 2)


@pytest.mark.parametrize("name", ["a.webm", "a.mkv", "a.avi", "a.mov"])
def test_every_accepted_container_is_counted(tmp_path, name):
    codec, options = {
        "a.webm": ("libvpx-vp9", (("deadline", "realtime"), ("cpu-used", "8"))),
        "a.avi": ("mpeg4", ()),
    }.get(name, ("libx264", VERYFAST))
    found = probe(draw_clip(tmp_path / name, ClipPlan(codec=codec, options=options)), LIMITS)
    assert (found.frames, found.width, found.height) == (30, 320, 240)
    assert abs(found.duration_ms - 1000) <= 34


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_rotation_is_read_and_sizes_are_those_displayed(tmp_path, rotation):
    found = probe(draw_clip(tmp_path / "a.mp4", ClipPlan(rotation=rotation)), LIMITS)
    assert (found.orientation.rotation, found.orientation.mirrored) == (rotation, False)
    assert (found.width, found.height, found.plane_width, found.plane_height) == (320, 240, 320, 240)
    assert (found.coded_width, found.coded_height) == ((240, 320) if rotation != 180 else (320, 240))


def test_a_mirroring_matrix_is_read(tmp_path):
    assert probe(draw_clip(tmp_path / "a.mp4", ClipPlan(mirrored=True)), LIMITS).orientation == Orientation(mirror=True)


@pytest.mark.parametrize("transpose", [False, True])
@pytest.mark.parametrize("mirror", [False, True])
@pytest.mark.parametrize("flip", [False, True])
def test_orientation_moves_samples_where_the_matrix_says(transpose, mirror, flip):
    one = 1 << 16
    across, up = (0, 0) if transpose else (-one if mirror else one, -one if flip else one)
    back, down = (-one if mirror else one, -one if flip else one) if transpose else (0, 0)
    matrix = np.array([across, down, 0, back, up, 0, 0, 0, 1 << 30], np.int32)
    turn = orientation_of(matrix.tobytes())
    picture = np.arange(6, dtype=np.uint8).reshape(2, 3)
    turned = np.rot90(picture[:, ::-1] if turn.mirrored else picture, turn.rotation // 90)
    assert np.array_equal(turn.turn(picture), turned)
    # ISO/IEC 14496-12: a sample at (x, y) is shown at (across x + back y, down x + up y), shifted into view.
    places = {int(picture[y, x]): (across * x + back * y, down * x + up * y) for y in range(2) for x in range(3)}
    left, top = min(x for x, _ in places.values()), min(y for _, y in places.values())
    for value, (x, y) in places.items():
        assert turn.turn(picture)[(y - top) // one, (x - left) // one] == value


def test_stretched_samples_widen_the_displayed_size(tmp_path):
    found = probe(draw_clip(tmp_path / "a.mp4", ClipPlan(sar=Fraction(4, 3))), LIMITS)
    assert (found.sar, found.width, found.height, found.plane_width) == (Fraction(4, 3), 427, 240, 320)
    assert refusal(draw_clip(tmp_path / "b.mp4", ClipPlan(sar=Fraction(100)))).code == "unsupported_picture"


def test_odd_sizes_get_even_planes(tmp_path):
    found = probe(draw_clip(tmp_path / "a.mp4", ClipPlan(width=641, height=359, pix_fmt="yuv444p")), LIMITS)
    assert (found.width, found.height, found.plane_width, found.plane_height) == (641, 359, 642, 360)


def test_depth_and_colour_are_read(tmp_path):
    plan = ClipPlan(pix_fmt="yuv420p10le", colour=(1, 9, 16, 9))
    found = probe(draw_clip(tmp_path / "a.mp4", plan), LIMITS)
    assert (found.bit_depth, found.colour.primaries, found.colour.transfer, found.colour.matrix) == (10, 9, 16, 9)
    assert found.colour.hdr
    assert not found.colour.full_range
    assert probe(draw_clip(tmp_path / "b.mp4", ClipPlan(colour=(2, 1, 1, 1))), LIMITS).colour.full_range


def test_a_variable_rate_is_noticed(tmp_path):
    found = probe(draw_clip(tmp_path / "a.mp4", ClipPlan(times_ms=(0, 20, 100, 133, 400, 410, 900))), LIMITS)
    assert found.variable_rate
    assert (found.frames, found.duration_ms) == (7, 933)
    # Matroska rounds a constant rate to milliseconds: not a variable one.
    assert not probe(draw_clip(tmp_path / "b.mkv", ClipPlan()), LIMITS).variable_rate


def test_start_offset_and_late_sound_are_on_one_axis(tmp_path):
    found = probe(draw_clip(tmp_path / "a.mp4", ClipPlan(start_ms=500, sounds=(Sound(seconds=2),))), LIMITS)
    assert (found.start_ms, found.audio.start_ms, found.duration_ms) == (500, -500, 1000)
    found = probe(draw_clip(tmp_path / "b.mkv", ClipPlan(sounds=(Sound(codec="flac", start_ms=250),))), LIMITS)
    assert (found.start_ms, found.audio.start_ms) == (0, 250)


def test_what_an_edit_list_hides_is_not_counted(tmp_path):
    path = draw_clip(tmp_path / "a.mp4", ClipPlan(frames=60, options=VERYFAST, sounds=(Sound(seconds=2),)))
    trim_by_edit_list(path, 300)
    found = probe(path, LIMITS)
    assert (found.frames, found.duration_ms, found.start_ms, found.audio.start_ms) == (51, 1700, 0, 0)


def test_clips_of_one_frame_and_of_400_ms(tmp_path):
    one = probe(draw_clip(tmp_path / "a.mp4", ClipPlan(frames=1)), LIMITS)
    assert (one.frames, one.duration_ms) == (1, 33)
    short = probe(draw_clip(tmp_path / "b.mp4", ClipPlan(frames=12)), LIMITS)
    assert (short.frames, short.duration_ms) == (12, 400)


@pytest.mark.parametrize("share", [0.3, 0.6, 0.97])
@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_a_file_cut_short_is_truncated(tmp_path, name, share):
    whole = draw_clip(tmp_path / name, ClipPlan(sounds=(Sound(),)))
    assert refusal(truncate(whole, tmp_path / f"cut{whole.suffix}", share)).code == "truncated"


def test_files_that_are_no_video(tmp_path):
    contents = {
        "empty_file": b"",
        "not_video": b"Good morning, this is a letter.\n" * 20,
        "unsupported_container": (b"\x47" + bytes(187)) * 20,
    }
    for code, content in contents.items():
        path = tmp_path / f"{code}.mp4"
        path.write_bytes(content)
        assert refusal(path).code == code


def test_playlists_open_nothing(tmp_path):
    inside = draw_clip(tmp_path / "secret.mp4", ClipPlan())
    for name, text in (
        ("a.mp4", f"ffconcat version 1.0\nfile {inside}\n"),
        ("b.mp4", f"#EXTM3U\n#EXTINF:1,\n{inside}\n"),
    ):
        (tmp_path / name).write_text(text)
        assert refusal(tmp_path / name).code == "not_video"


def test_sound_alone_is_no_video(tmp_path):
    assert refusal(draw_sound(tmp_path / "a.m4a", Sound())).code == "no_video_track"


def test_damaged_frames_are_a_failed_decode(tmp_path):
    path = draw_clip(tmp_path / "a.mp4", ClipPlan())
    noise = np.random.default_rng(0).integers(0, 256, 8000, dtype=np.uint8).tobytes()
    patch_box(path, b"mdat", 0, noise)
    assert refusal(path).code == "decode_failed"


def test_codecs_and_pictures_outside_the_list(tmp_path):
    plan = ClipPlan(codec="qtrle", pix_fmt="rgb24", options=())
    assert refusal(draw_clip(tmp_path / "a.mov", plan)).code == "unsupported_codec"
    sound = ClipPlan(sounds=(Sound(codec="mp2"),))
    assert refusal(draw_clip(tmp_path / "a.mkv", sound)).code == "unsupported_codec"


def test_a_codec_nobody_knows_is_refused(tmp_path):
    path = draw_clip(tmp_path / "a.mp4", ClipPlan())
    path.write_bytes(path.read_bytes().replace(b"avc1", b"zzzz"))
    assert refusal(path).code == "unsupported_codec"


@pytest.mark.parametrize(
    ("code", "limits", "limit"),
    [
        ("too_many_frames", VideoLimits(max_frames=20), 20),
        ("too_few_frames", VideoLimits(min_frames=31), 31),
        ("too_long", VideoLimits(max_duration_ms=900), 900),
        ("too_many_pixels", VideoLimits(max_pixels=70_000), 70_000),
        ("too_small", VideoLimits(min_side=241), 241),
        ("fps_too_high", VideoLimits(max_fps=20), 20),
        ("too_many_tracks", VideoLimits(max_tracks=1), 1),
        ("too_large", VideoLimits(max_bytes=1000), 1000),
        ("too_much_metadata", VideoLimits(max_metadata_bytes=100), 100),
    ],
)
def test_each_limit_is_named(tmp_path, code, limits, limit):
    plan = ClipPlan(sounds=(Sound(),), metadata=(("comment", "x" * 200),))
    refused = refusal(draw_clip(tmp_path / "a.mp4", plan), limits)
    assert (refused.code, refused.limit) == (code, limit)


def test_sound_may_not_outlast_the_limit_either(tmp_path):
    path = draw_clip(tmp_path / "a.mp4", ClipPlan(sounds=(Sound(seconds=3),)))
    assert probe(path, LIMITS).audio.duration_ms == 3000
    assert refusal(path, VideoLimits(max_duration_ms=2000)).code == "too_long"


def test_a_gap_between_frames_counts_as_length(tmp_path):
    assert refusal(draw_clip(tmp_path / "a.mp4", ClipPlan(times_ms=(0, 33, 3_600_000)))).code == "too_long"


def peak_memory_of(statement: str) -> int:
    """Mebibytes a fresh process needs for `statement` beyond what it needs to get there."""
    # The peak is reset first: a process inherits the peak of the one it was forked from.
    program = (
        "import sys; from pathlib import Path; from watermark.probing import *; from watermark.sources import *\n"
        "def used(): return int(Path('/proc/self/status').read_text().split('VmHWM:')[1].split()[0])\n"
        "Path('/proc/self/clear_refs').write_text('5')\n"
        f"before = used()\ntry: {statement}\nexcept VideoRefused as refused: print(refused.code, file=sys.stderr)\n"
        "print((used() - before) // 1024)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return int(done.stdout)


def test_millions_of_claimed_samples_cost_nothing(tmp_path):
    path = draw_clip(tmp_path / "a.mp4", ClipPlan())
    claim_samples(path, 4_000_000)
    assert path.stat().st_size < 50_000
    assert refusal(path).code == "too_many_frames"
    assert peak_memory_of(f"probe(Path({str(path)!r}), VideoLimits())") < 32
    # The demuxer itself would have believed them.
    assert peak_memory_of(f"import av; av.open({str(path)!r})") > 64


def test_claims_are_found_wherever_they_are_nested(tmp_path):
    path = draw_clip(tmp_path / "a.mp4", ClipPlan())
    claim_samples(path, 5_000_000)
    content = path.read_bytes()
    at = content.index(b"stbl") - 4
    moved = content[:at] + (len(content) - at).to_bytes(4, "big") + b"udta" + content[at:]
    (tmp_path / "b.mp4").write_bytes(moved)
    with pytest.raises(VideoRefused) as caught:
        inspect(tmp_path / "b.mp4", LIMITS)
    assert caught.value.code in {"too_many_frames", "truncated"}
    header = content[content.index(b"moov") - 4 :]
    wrapped = (len(header) + 8).to_bytes(4, "big") + b"meta" + header
    (tmp_path / "c.mp4").write_bytes(content[: content.index(b"moov") - 4] + wrapped + header)
    with pytest.raises(VideoRefused) as caught:
        inspect(tmp_path / "c.mp4", LIMITS)
    assert caught.value.code == "too_many_frames"


def test_long_uncompressed_sound_is_no_bomb(tmp_path):
    plan = ClipPlan(frames=10, fps=5, sounds=(Sound(seconds=2, codec="pcm_s16le"),))
    path = draw_clip(tmp_path / "a.mov", plan)
    # 96,000 samples of sound against 200 permitted index records.
    assert probe(path, VideoLimits(max_frames=10)).audio.codec == "pcm_s16le"


def test_a_header_that_lies_about_the_size_is_found_out(tmp_path):
    path = draw_clip(tmp_path / "a.mp4", ClipPlan(width=640, height=480, frames=2))
    claim_size(path, 64, 48)
    assert refusal(path, VideoLimits(max_pixels=100_000)).code == "too_many_pixels"


def test_the_decoder_itself_refuses_larger_frames(tmp_path, monkeypatch):
    path = draw_clip(tmp_path / "a.mp4", ClipPlan(width=640, height=480, frames=2))
    monkeypatch.setattr("watermark.sources.check_picture", lambda *_: None)
    monkeypatch.setattr("watermark.probing.check_picture", lambda *_: None)
    assert refusal(path, VideoLimits(max_pixels=100_000)).code == "decode_failed"


def test_metadata_that_is_no_text_is_borne(tmp_path):
    path = draw_clip(tmp_path / "a.mkv", ClipPlan(metadata=(("comment", "abcdefgh"),)))
    path.write_bytes(path.read_bytes().replace(b"abcdefgh", b"\xff\xfe\x80\x81\xc3\x28\xa0\xa1"))
    assert probe(path, LIMITS).frames == 30


def test_a_refusal_crosses_between_processes():
    refused = pickle.loads(pickle.dumps(VideoRefused("too_long", "the clip is too long", 7)))
    assert (refused.code, refused.message, refused.limit) == ("too_long", "the clip is too long", 7)


def test_limits_are_those_of_the_settings():
    settings = Limits()
    for field in dataclasses.fields(VideoLimits):
        assert getattr(settings, field.name) == getattr(LIMITS, field.name)


def test_no_file_is_left_open(tmp_path):
    path = draw_clip(tmp_path / "a.mp4", ClipPlan())
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 128), hard))
    try:
        for _ in range(150):
            with open_source(path, LIMITS, threads=1):
                pass
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
