"""Every sort of file goes through the pass with both marks on, and is read again afterwards."""

import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import pytest
from clips import ClipPlan, Sound, draw_clip

from watermark.invisible import InvisibleMarker, read
from watermark.limits import VideoLimits
from watermark.payload import Payload
from watermark.probing import probe
from watermark.reader import luma
from watermark.rewriting import Encoding, rewrite
from watermark.sighting import VisibleState, presence
from watermark.visible import VisibleMarker, VisibleSpec

LIMITS = VideoLimits()
KEY, PAYLOAD = bytes(range(32)), Payload(mark_id=0xABCDEF012345, key_version=2)
SPEC = VisibleSpec(platform="Example", creator="maya", locale="fr", mark_id=PAYLOAD.mark_id, key=KEY)
FORMATS = {
    "vertical": ClipPlan(width=720, height=1280, frames=14),
    "10 bit": ClipPlan(width=640, height=360, frames=18, pix_fmt="yuv420p10le"),
    "4:2:2 of 10 bit": ClipPlan(width=640, height=360, frames=18, pix_fmt="yuv422p10le"),
    "variable rate": ClipPlan(width=640, height=360, times_ms=(0, 20, 53, 100, 240, 280, 320, 353, 500, 560, 600, 933)),
    "odd and turned": ClipPlan(width=641, height=361, frames=18, pix_fmt="yuv444p", rotation=90),
    "stretched": ClipPlan(width=480, height=360, frames=18, sar=Fraction(4, 3)),
    "full range": ClipPlan(width=640, height=360, frames=18, colour=(2, 1, 1, 1)),
    "60 a second": ClipPlan(width=640, height=360, frames=36, fps=60),
    "tall and large": pytest.param(ClipPlan(width=1080, height=1920, frames=14), marks=pytest.mark.full),
    "4K": pytest.param(ClipPlan(width=3840, height=2160, frames=14), marks=pytest.mark.full),
}


def markers(described):
    size = described.plane_width, described.plane_height
    return VisibleMarker(SPEC, *size), InvisibleMarker(PAYLOAD, KEY, *size)


@pytest.mark.parametrize("plan", FORMATS.values(), ids=FORMATS.keys())
def test_both_marks_are_read_from_every_format(tmp_path, plan):
    source, target = draw_clip(tmp_path / "in.mp4", plan), tmp_path / "out.mp4"
    report = rewrite(source, target, markers, encoding=Encoding(), limits=LIMITS)
    before, after = probe(source, LIMITS), probe(target, LIMITS)
    assert (report.frames, after.frames) == (before.frames, before.frames)
    assert (after.sar, after.colour, after.variable_rate) == (before.sar, before.colour, before.variable_rate)
    reading = read(luma(target, limits=LIMITS), {2: KEY})
    assert (reading.state, reading.payload) == ("found", PAYLOAD)
    assert presence(luma(target, limits=LIMITS), SPEC).state is VisibleState.FOUND


PEAK = """
import sys
from pathlib import Path
from watermark.invisible import InvisibleMarker
from watermark.limits import VideoLimits
from watermark.payload import Payload
from watermark.rewriting import Encoding, rewrite
from watermark.visible import VisibleMarker, VisibleSpec

def markers(described):
    size, key = (described.plane_width, described.plane_height), bytes(32)
    spec = VisibleSpec(platform="Example", creator="maya", locale="en", mark_id=5, key=key)
    return VisibleMarker(spec, *size), InvisibleMarker(Payload(mark_id=5, key_version=1), key, *size)

rewrite(Path(sys.argv[1]), Path(sys.argv[2]), markers, encoding=Encoding(), limits=VideoLimits())
print(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])
"""


def peak_mebibytes(source: Path) -> int:
    """The peak of the program itself: what `getrusage` says counts the process too that it was forked from."""
    command = [sys.executable, "-c", PEAK, str(source), str(source.with_suffix(".out.mp4"))]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout) // 1024


@pytest.mark.full
def test_a_minute_takes_no_more_memory_than_ten_seconds(tmp_path):
    peaks = []
    for seconds in (10, 60):
        source = tmp_path / f"{seconds}.mp4"
        options = (("preset", "ultrafast"), ("crf", "28"))
        sounds = (Sound(seconds=seconds),)
        draw_clip(source, ClipPlan(frames=10 * seconds, fps=10, options=options, sounds=sounds))
        peaks.append(peak_mebibytes(source))
    # 500 more frames would be 55 MiB, and 50 s of sound 18. The index of a file is kept until its end.
    assert peaks[1] - peaks[0] < 8


@pytest.mark.full
def test_a_clip_of_720_lines_takes_less_than_450_mebibytes(tmp_path):
    plan = ClipPlan(width=1280, height=720, frames=60, texture=4)
    assert peak_mebibytes(draw_clip(tmp_path / "in.mp4", plan)) < 450
