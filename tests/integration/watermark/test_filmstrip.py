"""What is made for reviewers beside the veil: strip and stills, the drawing, the sound alone, and codes over all."""

import av
import cv2
import numpy as np
import pytest
from clips import ClipPlan, Sound, draw_clip

from watermark.cartoon import cartoon, draw
from watermark.filmstrip import COLUMNS, ROWS, survey
from watermark.frames import Planes
from watermark.limits import VideoLimits, VideoRefused
from watermark.sound import write_sound
from watermark.tracing import TraceMarker, trace, trace_still

LIMITS = VideoLimits()
TEXT = "0A1B2C3D 7KQ2M9"


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """Two seconds, displayed upright at 180 x 320 and coded lying down, with sound."""
    plan = ClipPlan(width=180, height=320, frames=48, fps=24, rotation=90, sounds=(Sound(),))
    return draw_clip(tmp_path_factory.mktemp("shown") / "clip.mp4", plan)


def picture(data: bytes) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)


def frames_of(path) -> list[np.ndarray]:
    with av.open(str(path)) as opened:
        return [frame.to_ndarray(format="rgb24") for frame in opened.decode(video=0)]


def sharpness(grey: np.ndarray) -> int:
    return int(np.abs(np.diff(grey.astype(int), axis=1)).max())


def test_strip_and_stills_are_upright_grey_and_soft(clip):
    found = survey(clip, [1_900, 0, 99_999], LIMITS)
    strip, (late, first, past) = picture(found.strip), map(picture, found.stills)
    assert strip.ndim == late.ndim == 2, "grey"
    assert strip.shape == (160 * ROWS, 90 * COLUMNS)
    assert late.shape == (240, 135)
    assert max(map(sharpness, (strip[:160, :90], first))) < 30
    assert np.array_equal(past, picture(survey(clip, [1_990], LIMITS).stills[0])), "past the end the last frame"
    assert not np.array_equal(first, late)
    assert found.times_ms[0] == 50
    assert found.times_ms[-1] == 1_950
    assert (found.flashes, found.flashing_from_ms) == (0, None)


def test_the_drawing_keeps_shapes_times_and_little_colour(clip, tmp_path):
    report = cartoon(clip, tmp_path / "drawn.mp4", LIMITS)
    drawn, original = frames_of(tmp_path / "drawn.mp4"), frames_of(clip)
    assert report.audio == "none"
    assert len(drawn) == 24, "twelve a second"
    assert drawn[0].shape[:2] == (320, 180)

    def colour(frames):
        return float(np.ptp(frames[0].astype(int), axis=2).mean())

    assert colour(drawn) < 0.7 * colour(original)


def test_flat_colour_stays_flat_and_edges_get_an_outline():
    scene = np.full((60, 60, 3), 200, np.uint8)
    scene[20:40, 20:40] = (30, 60, 180)
    drawn = draw(scene)
    assert len(np.unique(drawn[2:10, 2:10].reshape(-1, 3), axis=0)) == 1
    assert drawn[15:45, 15:45].min() < drawn[30, 30].min(), "an outline darker than what it surrounds"


def test_the_sound_alone_has_no_picture(clip, tmp_path):
    assert write_sound(clip, tmp_path / "sound.m4a", LIMITS)
    with av.open(str(tmp_path / "sound.m4a")) as heard:
        assert [stream.type for stream in heard.streams] == ["audio"]
        assert sum(frame.samples for frame in heard.decode(audio=0)) > 0
    silent = draw_clip(tmp_path / "silent.mp4", ClipPlan(frames=3))
    assert not write_sound(silent, tmp_path / "none.m4a", LIMITS)
    assert not (tmp_path / "none.m4a").exists()


def test_codes_change_their_place_and_nothing_else(tmp_path):
    clip = draw_clip(tmp_path / "clip.mp4", ClipPlan(width=180, height=320, frames=48, fps=24, sounds=(Sound(),)))
    report = trace(clip, tmp_path / "traced.mp4", TEXT, LIMITS)
    assert (report.audio, report.frames) == ("none", 48)
    original, traced = frames_of(clip), frames_of(tmp_path / "traced.mp4")
    marker = TraceMarker(TEXT, 180, 320)
    x, y = marker.place(0)
    changed = np.abs(original[0].astype(int) - traced[0].astype(int)).mean(axis=2)
    width = min(180, 120)
    assert changed[y : y + 16, x : x + width].mean() > 30
    changed[y : y + 16] = 0
    assert changed.mean() < 6
    assert len({marker.place(at) for at in range(0, 20_000, 500)}) == 8, "all around the edge"


def test_codes_stay_within_small_frames_and_strides():
    for width, height in ((16, 16), (64, 36), (426, 240)):
        marker = TraceMarker(TEXT, width, height)
        planes = Planes(
            index=0,
            time_ms=0,
            y=np.full((height, width), 90, np.uint8),
            u=np.full((height // 2, width // 2), 60, np.uint8),
            v=np.full((height // 2, width // 2), 60, np.uint8),
        )
        marker.mark(planes)
        assert (planes.y != 90).any()
        assert (planes.u == 128).any()


def test_a_still_bears_its_codes_and_what_is_no_picture_is_refused(clip, tmp_path):
    (tmp_path / "still.jpg").write_bytes(survey(clip, [0], LIMITS).stills[0])
    plain, traced = (
        picture((tmp_path / "still.jpg").read_bytes()),
        picture(trace_still(tmp_path / "still.jpg", TEXT, LIMITS)),
    )
    changed = np.abs(plain.astype(int) - traced[:, :, 0].astype(int))
    assert changed[-14:].mean() > 20
    assert changed[:-20].mean() < 2
    for name, content in (("empty", b""), ("text", b"no picture at all")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(VideoRefused):
            trace_still(tmp_path / name, TEXT, LIMITS)
