"""The one pass: what goes in comes out, upright, marked, in time, with its sound, and the same bytes twice."""

import gc
import os
import resource
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from clips import (
    ClipPlan,
    EvenWatch,
    Sound,
    burst_times,
    draw_clip,
    draw_picture,
    patch_box,
    read_corners,
    read_number,
    trim_by_edit_list,
)

from watermark.frames import Planes
from watermark.limits import VideoLimits, VideoRefused
from watermark.orientation import UPRIGHT
from watermark.planes import Canvas
from watermark.probing import probe
from watermark.reader import luma, sample
from watermark.rewriting import Encoding, Picture, encode_frames, rewrite

LIMITS = VideoLimits()
FAST = Encoding(preset="veryfast", crf=18, threads=2)
VERYFAST = (("preset", "veryfast"), ("crf", "18"))
VP9 = {"codec": "libvpx-vp9", "options": (("deadline", "realtime"), ("cpu-used", "8"))}


class Square:
    """A mark that says what it saw: a white square of 16 samples in the top left corner."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, int, tuple[int, ...], tuple[int, ...]]] = []

    def mark(self, planes: Planes) -> None:
        self.seen.append((planes.index, planes.time_ms, planes.y.shape, planes.u.shape))
        planes.y[:16, :16] = 235
        planes.u[:8, :8] = planes.v[:8, :8] = 128


def unmarked(_described):
    return ()


def rewritten(source: Path, **options: object):
    target = source.with_name("out.mp4")
    report = rewrite(source, target, unmarked, encoding=FAST, limits=LIMITS, **options)
    return target, report


def frame_times(path: Path) -> list[float]:
    with av.open(str(path)) as clip:
        return [round(float(frame.time), 6) for frame in clip.decode(video=0)]


AWKWARD = {
    "landscape": ClipPlan(),
    "portrait": ClipPlan(width=216, height=384),
    "turned 90": ClipPlan(rotation=90),
    "turned 180": ClipPlan(rotation=180),
    "turned 270": ClipPlan(rotation=270),
    "mirrored": ClipPlan(mirrored=True),
    "stretched": ClipPlan(sar=Fraction(4, 3)),
    "variable": ClipPlan(times_ms=(0, 20, 100, 133, 400, 410, 900)),
    "60 fps": ClipPlan(fps=60, frames=60),
    "10 bit": ClipPlan(pix_fmt="yuv420p10le"),
    "4:2:2": ClipPlan(pix_fmt="yuv422p"),
    "4:4:4 odd": ClipPlan(pix_fmt="yuv444p", width=321, height=239),
    "odd and turned": ClipPlan(pix_fmt="yuv444p", width=321, height=239, rotation=90),
    "odd 4:2:0": ClipPlan(width=321, height=239, **VP9),
    "full range": ClipPlan(colour=(2, 1, 1, 1)),
    "hdr": ClipPlan(pix_fmt="yuv420p10le", colour=(1, 9, 18, 9)),
    "one frame": ClipPlan(frames=1),
    "400 ms": ClipPlan(frames=12),
    "late picture": ClipPlan(start_ms=500, sounds=(Sound(seconds=2),)),
    "long sound": ClipPlan(sounds=(Sound(seconds=2.5),)),
    "no B frames": ClipPlan(options=VERYFAST),
}


@pytest.mark.parametrize("name", AWKWARD)
def test_awkward_clips_look_the_same_and_keep_their_times(tmp_path, name):
    plan = AWKWARD[name]
    source = draw_clip(tmp_path / ("in.mkv" if "vpx" in plan.codec else "in.mp4"), plan)
    target, report = rewritten(source)
    before, after = probe(source, LIMITS), probe(target, LIMITS)
    assert frame_times(target) == frame_times(source)
    assert report.frames == before.frames == after.frames
    # The last frame's own duration is all that MP4 and the rounding of Matroska leave open.
    assert (before.duration_ms, after.duration_ms) == pytest.approx((report.duration_ms, report.duration_ms), abs=1)
    assert (after.video_codec, after.pix_fmt.replace("j", ""), after.orientation.upright) == ("h264", "yuv420p", True)
    assert (after.width, after.height) == (
        before.width + before.width % 2 * (before.sar == 1),
        before.height + before.height % 2,
    )
    assert (
        (report.width, report.height)
        == (after.coded_width, after.coded_height)
        == (before.plane_width, before.plane_height)
    )
    assert (after.sar, after.colour, after.start_ms) == (before.sar, before.colour, before.start_ms)
    for seen, drawn in zip(
        sample(target, EvenWatch(5), long_side=1280, limits=LIMITS),
        sample(source, EvenWatch(5), long_side=1280, limits=LIMITS),
        strict=True,
    ):
        assert read_corners(seen.pixels) == ("red", "green", "blue", "white")
        assert read_number(seen.pixels) == seen.index
        height, width = drawn.pixels.shape[:2]
        # Turned odd pictures get their spare row or column where the turn takes it.
        rows, columns = seen.pixels.shape[0] - height, seen.pixels.shape[1] - width
        near = min(
            np.abs(seen.pixels[y : y + height, x : x + width].astype(int) - drawn.pixels).mean()
            for y in range(rows + 1)
            for x in range(columns + 1)
        )
        assert near < 2


def test_an_odd_side_is_lengthened_not_cut(tmp_path):
    source = draw_clip(tmp_path / "in.mkv", ClipPlan(width=321, height=239, frames=3, **VP9))
    seen = []

    class Look:
        def mark(self, planes):
            seen.append((planes.y.copy(), planes.u.copy()))

    rewrite(source, tmp_path / "out.mp4", lambda _: (Look(),), encoding=FAST, limits=LIMITS)
    for (y, u), (_, original) in zip(seen, luma(source, limits=LIMITS), strict=True):
        assert (y.shape, u.shape) == ((240, 322), (120, 161))
        assert np.array_equal(y[:239, :321], original)
        assert np.array_equal(y[:, 321], y[:, 320])
        assert np.array_equal(y[239], y[238])


@pytest.mark.parametrize("rotation", [0, 90, 270])
def test_marks_are_written_upright(tmp_path, rotation):
    source = draw_clip(tmp_path / "in.mp4", ClipPlan(rotation=rotation))
    square = Square()
    rewrite(source, tmp_path / "out.mp4", lambda _: (square,), encoding=FAST, limits=LIMITS)
    assert [(index, time) for index, time, *_ in square.seen] == [(n, round(n * 1000 / 30)) for n in range(30)]
    assert {(luma_shape, chroma_shape) for _, _, luma_shape, chroma_shape in square.seen} == {((240, 320), (120, 160))}
    for _, plane in luma(tmp_path / "out.mp4", limits=LIMITS):
        assert plane[2:14, 2:14].mean() > 225


def test_a_mark_stays_out_of_the_frames_it_was_not_written_into(tmp_path):
    # The decoder builds later frames on the very memory of earlier ones.
    source = draw_clip(tmp_path / "in.mp4", ClipPlan(options=VERYFAST, texture=6))

    class Even:
        def mark(self, planes):
            if planes.index % 2 == 0:
                planes.y[100:] = 235

    rewrite(source, tmp_path / "out.mp4", lambda _: (Even(),), encoding=FAST, limits=LIMITS)
    means = [float(plane[150:].mean()) for _, plane in luma(tmp_path / "out.mp4", limits=LIMITS)]
    assert min(means[0::2]) > 225
    assert max(means[1::2]) < 170


def test_a_canvas_an_encoder_still_holds_is_not_drawn_over():
    # Unlike x264 this encoder copies nothing: its threads read later the frames they were given.
    encoder = av.CodecContext.create("mjpeg", "w")
    encoder.width, encoder.height, encoder.pix_fmt, encoder.time_base = 1920, 1080, "yuvj420p", Fraction(1, 30)
    encoder.thread_count, encoder.thread_type = 4, "FRAME"
    canvas, places = Canvas(1920, 1080, "yuvj420p", UPRIGHT), []
    # Enough, and large enough, that its threads are still at one of them whatever the machine does.
    for number in range(12):
        frame = canvas.draw(av.VideoFrame(1920, 1080, "yuvj420p"))
        frame.pts = number
        encoder.encode(frame)
        places.append(frame.planes[0].buffer_ptr)
    assert len(set(places)) > 1


def test_makers_of_marks_are_told_what_the_clip_is(tmp_path):
    source = draw_clip(tmp_path / "in.mp4", ClipPlan(rotation=90))
    told = []
    rewrite(source, tmp_path / "out.mp4", lambda described: told.append(described) or (), encoding=FAST, limits=LIMITS)
    assert told == [probe(source, LIMITS)]


def test_progress_is_told_frame_by_frame(tmp_path):
    done = []
    rewritten(draw_clip(tmp_path / "in.mp4", ClipPlan(frames=5)), on_frame=done.append)
    assert done == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("name", "codec", "fate"),
    [
        ("in.mp4", "aac", "kept"),
        ("in.mp4", "libmp3lame", "kept"),
        ("in.mkv", "libopus", "kept"),
        ("in.mov", "pcm_s16le", "transcoded"),
        ("in.mkv", "flac", "transcoded"),
        ("in.mkv", "ac3", "transcoded"),
    ],
)
def test_sound_is_kept_where_it_can_be_and_stays_in_time(tmp_path, name, codec, fate):
    source = draw_clip(tmp_path / name, ClipPlan(frames=60, options=VERYFAST, sounds=(Sound(seconds=2, codec=codec),)))
    target, report = rewritten(source)
    assert report.audio == fate
    assert probe(target, LIMITS).audio.codec == ("aac" if fate == "transcoded" else probe(source, LIMITS).audio.codec)
    assert burst_times(target) == pytest.approx(burst_times(source), abs=0.004)
    assert burst_times(target)[-1] == pytest.approx(1.0, abs=0.01)


def test_kept_sound_is_kept_bit_for_bit(tmp_path):
    source = draw_clip(tmp_path / "in.mp4", ClipPlan(frames=60, sounds=(Sound(seconds=2.5),)))
    target, _ = rewritten(source)

    def packets(path):
        with av.open(str(path)) as clip:
            return [(packet.pts, bytes(packet)) for packet in clip.demux(audio=0) if packet.size]

    assert packets(target) == packets(source)


def test_a_clip_without_sound_stays_silent(tmp_path):
    target, report = rewritten(draw_clip(tmp_path / "in.mp4", ClipPlan()))
    assert report.audio == "none"
    assert probe(target, LIMITS).audio is None


@pytest.mark.parametrize(
    ("name", "start_ms", "sound"),
    [
        ("in.mp4", 500, Sound(seconds=2.5)),
        ("in.mov", 500, Sound(seconds=2.5, codec="pcm_s16le")),
        ("in.mp4", 0, Sound(seconds=2, start_ms=400)),
        ("in.mkv", 1000, Sound(seconds=2, start_ms=1250)),
        ("in.mkv", 0, Sound(seconds=2, codec="flac", start_ms=250)),
    ],
)
def test_offsets_between_picture_and_sound_are_kept(tmp_path, name, start_ms, sound):
    source = draw_clip(tmp_path / name, ClipPlan(frames=60, start_ms=start_ms, options=VERYFAST, sounds=(sound,)))
    target, _ = rewritten(source)
    offsets = [[burst - frame_times(path)[0] for burst in burst_times(path)][-1] for path in (source, target)]
    assert offsets[0] == pytest.approx(offsets[1], abs=0.002)


def test_what_an_edit_list_cut_away_does_not_travel_on(tmp_path):
    plan = ClipPlan(frames=60, options=VERYFAST, sounds=(Sound(seconds=2),))
    source = draw_clip(tmp_path / "in.mp4", plan)
    trim_by_edit_list(source, 700)
    target, report = rewritten(source)
    assert [read_number(plane) for _, plane in luma(target, limits=LIMITS)] == list(range(21, 60))
    assert (report.frames, report.duration_ms) == (39, 1300)
    assert burst_times(target)[-1] == pytest.approx(0.3, abs=0.005)
    with av.open(str(target)) as clip:
        hidden = [packet for packet in clip.demux(audio=0) if packet.is_discard]
    assert len(hidden) <= 1


def test_names_places_and_devices_are_dropped(tmp_path):
    secret = (("title", "My holiday"), ("comment", "shot at home"), ("location", "+40.7-074.0/"), ("artist", "Jo Doe"))
    for name in ("in.mp4", "in.mkv"):
        source = draw_clip(tmp_path / name, ClipPlan(metadata=secret, sounds=(Sound(),)))
        content = rewritten(source)[0].read_bytes()
        assert not [value for _, value in secret if value.encode() in content]
        assert b"Lavf" not in content


def test_the_index_comes_first_and_the_frames_are_x264(tmp_path):
    content = rewritten(draw_clip(tmp_path / "in.mp4", ClipPlan()))[0].read_bytes()
    assert 0 < content.index(b"moov") < content.index(b"mdat")
    assert b"x264 - core" in content


REWRITE = (
    "import sys; from pathlib import Path; from watermark.rewriting import *; from watermark.limits import VideoLimits\n"
    "rewrite(Path(sys.argv[1]), Path(sys.argv[2]), lambda _: (), encoding=Encoding(), limits=VideoLimits())"
)


def test_the_same_bytes_whatever_memory_held(tmp_path):
    # 20 macroblocks in a row: with AVX-512 left on, x264 reads what lies beyond them.
    source = draw_clip(tmp_path / "in.mp4", ClipPlan(sounds=(Sound(codec="libmp3lame"),)))
    outputs = []
    for filler in ("85", "170"):
        target = tmp_path / f"{filler}.mp4"
        environment = os.environ | {"MALLOC_PERTURB_": filler}
        subprocess.run([sys.executable, "-c", REWRITE, str(source), str(target)], check=True, env=environment)
        outputs.append(target.read_bytes())
    assert outputs[0] == outputs[1]


def test_a_failure_leaves_no_file(tmp_path):
    source = draw_clip(tmp_path / "in.mp4", ClipPlan(frames=60, options=(("preset", "ultrafast"), ("g", "1"))))

    class Broken:
        def mark(self, planes):
            if planes.index == 20:
                raise RuntimeError("out of ink")

    with pytest.raises(RuntimeError, match="out of ink"):
        rewrite(source, tmp_path / "out.mp4", lambda _: (Broken(),), encoding=FAST, limits=LIMITS)
    assert not (tmp_path / "out.mp4").exists()
    noise = np.random.default_rng(0).integers(0, 256, 9000, dtype=np.uint8).tobytes()
    patch_box(source, b"mdat", 60_000, noise)
    with pytest.raises(VideoRefused) as caught:
        rewritten(source)
    assert caught.value.code == "decode_failed"
    assert not (tmp_path / "out.mp4").exists()


def test_a_damaged_sound_header_is_a_refusal(tmp_path):
    source = draw_clip(tmp_path / "in.mkv", ClipPlan(sounds=(Sound(codec="libopus"),)))
    content = bytearray(source.read_bytes())
    content[content.index(b"OpusHead") - 2] = 0
    source.write_bytes(content)
    with pytest.raises(VideoRefused) as caught:
        rewritten(source)
    assert caught.value.code == "decode_failed"
    assert not (tmp_path / "out.mp4").exists()


def test_limits_hold_while_decoding(tmp_path):
    source = draw_clip(tmp_path / "in.mp4", ClipPlan())
    with pytest.raises(VideoRefused) as caught:
        rewrite(source, tmp_path / "out.mp4", unmarked, encoding=FAST, limits=VideoLimits(max_frames=10))
    assert (caught.value.code, caught.value.limit) == ("too_many_frames", 10)
    assert not (tmp_path / "out.mp4").exists()


def test_stages_are_counted(tmp_path):
    _, report = rewritten(draw_clip(tmp_path / "in.mp4", ClipPlan(sounds=(Sound(),))))
    assert {"decode", "convert", "mark", "encode", "sound", "codec_threads"} <= report.cpu_seconds_by_stage.keys()
    assert sum(report.cpu_seconds_by_stage.values()) > 0


def generated(count: int, width: int = 320, height: int = 240, fps: int = 30):
    y = np.empty((height, width), np.uint8)
    u, v = (np.full((height // 2, width // 2), 128, np.uint8) for _ in range(2))
    for index in range(count):
        y[:] = draw_picture(width, height, index).mean(axis=2)
        yield Planes(index=index, time_ms=round(index * 1000 / fps), y=y, u=u, v=v)


def test_a_generator_can_hand_over_frames(tmp_path):
    target = tmp_path / "out.mp4"
    report = encode_frames(generated(30), Picture(width=320, height=240, fps=Fraction(30)), target, encoding=FAST)
    assert (report.frames, report.duration_ms, report.audio) == (30, 1000, "none")
    found = probe(target, LIMITS)
    assert (found.frames, found.duration_ms, found.variable_rate) == (30, 1000, False)
    assert frame_times(target) == [round(index / 30, 6) for index in range(30)]
    assert [read_number(plane) for _, plane in luma(target, limits=LIMITS)] == list(range(30))


def test_frames_of_another_size_are_refused(tmp_path):
    picture = Picture(width=322, height=240, fps=Fraction(30))
    with pytest.raises(ValueError, match="320x240"):
        encode_frames(generated(3), picture, tmp_path / "out.mp4", encoding=FAST)
    with pytest.raises(ValueError, match="no frame"):
        encode_frames(generated(0), picture, tmp_path / "out.mp4", encoding=FAST)
    assert not (tmp_path / "out.mp4").exists()


def peak_mebibytes(source: Path, target: Path) -> int:
    """The peak of the program itself: what `getrusage` says counts the process too that it was forked from."""
    program = REWRITE + '\nprint(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])'
    done = subprocess.run(
        [sys.executable, "-c", program, str(source), str(target)], check=True, capture_output=True, text=True
    )
    return int(done.stdout) // 1024


@pytest.mark.full
def test_memory_does_not_grow_with_the_length(tmp_path):
    ultrafast = (("preset", "ultrafast"), ("crf", "28"))
    peaks = [
        peak_mebibytes(
            draw_clip(tmp_path / f"{frames}.mp4", ClipPlan(width=640, height=360, frames=frames, options=ultrafast)),
            tmp_path / "out.mp4",
        )
        for frames in (60, 300)
    ]
    # 240 more frames of 640 x 360 would be 79 MiB.
    assert peaks[1] - peaks[0] < 12


def test_planes_are_not_kept_alive(tmp_path):
    source = draw_clip(tmp_path / "in.mp4", ClipPlan())
    gc.collect()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(5):
        rewritten(source)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024


@pytest.mark.full
def test_two_seconds_of_4k(tmp_path):
    plan = ClipPlan(width=3840, height=2160, frames=60, sounds=(Sound(seconds=2),))
    source = draw_clip(tmp_path / "in.mp4", plan)
    target, report = rewritten(source)
    assert (report.frames, report.duration_ms, report.width, report.height, report.audio) == (
        60,
        2000,
        3840,
        2160,
        "kept",
    )
    frames = list(sample(target, EvenWatch(2), long_side=1280, limits=LIMITS))
    assert [read_number(frame.pixels) for frame in frames] == [0, 15, 30, 45, 59]
    assert peak_mebibytes(source, target) < 1500
