"""The sound track on the clip's time axis: late, early, longer, many channels, odd rates, holes, damage."""

import wave
from fractions import Fraction

import av
import numpy as np
import pytest
from clips import ClipPlan, Sound, draw_clip, draw_sound

from watermark.limits import VideoLimits, VideoRefused
from watermark.listening import RATE, listen, listen_to_recording

LIMITS = VideoLimits()
SMALL = {"width": 64, "height": 48, "fps": 10}


def onset(heard) -> int:
    """When the drawn burst of 2 kHz begins, in milliseconds on the clip's axis."""
    windows = np.lib.stride_tricks.sliding_window_view(heard.samples, 160)[::16]
    strength = np.abs(np.fft.rfft(windows, axis=1))[:, 20]
    return heard.start_ms + int(np.argmax(strength > strength.max() / 2))


def drawn(folder, *sounds, suffix="mp4", **plan):
    return draw_clip(folder / f"clip.{suffix}", ClipPlan(**({**SMALL, "frames": 10} | plan), sounds=sounds))


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
@pytest.mark.parametrize(
    "sound",
    [
        Sound(seconds=1.0),
        Sound(seconds=1.0, rate=8_000, layout="mono"),
        Sound(seconds=1.0, rate=44_100, layout="stereo"),
        Sound(seconds=1.0, layout="5.1"),
        Sound(seconds=1.0, codec="flac", layout="5.1"),
    ],
    ids=["stereo-48", "mono-8", "stereo-44.1", "5.1-aac", "5.1-flac"],
)
def test_every_layout_and_rate_becomes_one_channel_of_16_khz(tmp_path, sound, suffix):
    heard = listen(drawn(tmp_path, sound, suffix=suffix), limits=LIMITS)
    assert heard.samples.dtype == np.float32
    assert heard.samples.ndim == 1
    assert len(heard.samples) / RATE == pytest.approx(1.0, abs=0.14)
    assert 0.2 < np.abs(heard.samples).max() <= 1.0
    assert onset(heard) == pytest.approx(0, abs=30)


def test_a_clip_without_sound_has_none(tmp_path):
    assert listen(drawn(tmp_path), limits=LIMITS) is None


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
@pytest.mark.parametrize("start_ms", [0, 400, 700])
def test_sound_that_starts_late_stays_late(tmp_path, start_ms, suffix):
    heard = listen(drawn(tmp_path, Sound(seconds=0.5, start_ms=start_ms), suffix=suffix), limits=LIMITS)
    assert onset(heard) == pytest.approx(start_ms, abs=30)


def test_sound_before_the_first_frame_has_negative_times(tmp_path):
    heard = listen(drawn(tmp_path, Sound(seconds=1.0), suffix="mkv", start_ms=500), limits=LIMITS)
    assert heard.start_ms == pytest.approx(-500, abs=2)
    assert onset(heard) == pytest.approx(-500, abs=30)


def test_sound_longer_than_the_pictures_is_heard_to_its_end(tmp_path):
    heard = listen(drawn(tmp_path, Sound(seconds=3.0)), limits=LIMITS)
    assert len(heard.samples) / RATE == pytest.approx(3.0, abs=0.05)


def test_only_the_first_track_that_players_play_is_heard(tmp_path):
    sounds = (Sound(seconds=0.5, start_ms=300), Sound(seconds=1.0))
    assert onset(listen(drawn(tmp_path, *sounds), limits=LIMITS)) == pytest.approx(300, abs=30)


def test_a_hole_in_the_track_is_silence(tmp_path):
    path = tmp_path / "clip.mkv"
    with av.open(str(path), "w") as output:
        video = output.add_stream("libx264", rate=10, width=64, height=48, pix_fmt="yuv420p")
        audio = output.add_stream("pcm_s16le", rate=16_000, layout="mono")
        picture = av.VideoFrame(64, 48, "yuv420p")
        for number in range(20):
            picture.pts, picture.time_base = number, Fraction(1, 10)
            output.mux(video.encode(picture))
        output.mux(video.encode(None))
        for start in (0, 16_000):
            loud = np.full((1, 4_000), 12_000, np.int16)
            frame = av.AudioFrame.from_ndarray(loud, "s16", "mono")
            frame.sample_rate, frame.pts, frame.time_base = 16_000, start, Fraction(1, 16_000)
            output.mux(audio.encode(frame))
        output.mux(audio.encode(None))
    heard = listen(path, limits=LIMITS).samples
    assert len(heard) == pytest.approx(20_000, abs=200)
    assert np.abs(heard[6_000:14_000]).max() == 0
    assert np.abs(heard[17_000:19_000]).min() > 0.3


def test_more_sound_than_a_clip_may_last_is_refused_before_it_is_held(tmp_path):
    path = drawn(tmp_path, Sound(seconds=5.0))
    with pytest.raises(VideoRefused) as refused:
        listen(path, limits=VideoLimits(max_duration_ms=1_000))
    assert refused.value.code == "too_long"


def test_damaged_sound_is_a_fault_and_no_silence(tmp_path):
    path = drawn(tmp_path, Sound(seconds=1.0, codec="flac"), suffix="mkv")
    data = bytearray(path.read_bytes())
    with av.open(str(path)) as clip:
        places = [packet.pos for packet in clip.demux(audio=0) if packet.size][3:8]
    for place in places:
        data[place + 30 : place + 130] = b"\xff" * 100
    path.write_bytes(data)
    with pytest.raises(VideoRefused) as refused:
        listen(path, limits=LIMITS)
    assert refused.value.code == "decode_failed"


def test_the_same_bytes_give_the_same_samples(tmp_path):
    path = drawn(tmp_path, Sound(seconds=1.0))
    assert np.array_equal(listen(path, limits=LIMITS).samples, listen(path, limits=LIMITS).samples)


def test_a_recording_needs_no_pictures(tmp_path):
    path = tmp_path / "recording"
    with wave.open(str(path), "wb") as file:
        file.setparams((2, 2, 44_100, 0, "NONE", ""))
        file.writeframes((np.sin(np.arange(88_200) * 0.05) * 9_000).astype("<i2").repeat(2).tobytes())
    heard = listen_to_recording(path, limits=LIMITS)
    assert len(heard.samples) / RATE == pytest.approx(2.0, abs=0.01)
    assert listen_to_recording(draw_sound(tmp_path / "sound.m4a", Sound(seconds=1.0)), limits=LIMITS).start_ms == 0


@pytest.mark.parametrize("content", [b"", b"no sound at all", b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1/x.mp3\n"])
def test_what_is_no_recording_is_refused(tmp_path, content):
    path = tmp_path / "recording"
    path.write_bytes(content)
    with pytest.raises(VideoRefused) as refused:
        listen_to_recording(path, limits=LIMITS)
    assert refused.value.code == "not_video"
