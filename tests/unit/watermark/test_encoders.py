"""Which encoder writes a clip: the one that was asked for, or a refusal; never another in silence."""

from fractions import Fraction

import av
import numpy as np
import pytest

from watermark.encoders import PRESETS, EncoderMissing, choose, options_for
from watermark.pictures import planes_of
from watermark.writing import Encoding, Picture, encode_frames

PICTURE = Picture(width=320, height=240, fps=Fraction(30))


def works_here() -> bool:
    try:
        choose("h264_nvenc")
    except EncoderMissing:
        return False
    return True


def pictures(count: int = 5):
    return (np.full((240, 320, 3), 40 * number, np.uint8) for number in range(count))


def test_a_card_that_is_not_there_is_a_refusal_and_leaves_no_file(tmp_path):
    target, encoding = tmp_path / "out.mp4", Encoding(encoder="h264_nvenc", preset="p4")
    if works_here():
        assert encode_frames(planes_of(pictures(), PICTURE), PICTURE, target, encoding=encoding).encoder == "h264_nvenc"
        return
    with pytest.raises(EncoderMissing, match="libx264 does"):
        encode_frames(planes_of(pictures(), PICTURE), PICTURE, target, encoding=encoding)
    assert not target.exists()


@pytest.mark.parametrize("preset", ["ultrafast", "p4"])
def test_auto_says_which_it_was(tmp_path, preset):
    target = tmp_path / "out.mp4"
    encoding = Encoding(encoder="auto", preset=preset)
    report = encode_frames(planes_of(pictures(), PICTURE), PICTURE, target, encoding=encoding)
    assert report.encoder == ("h264_nvenc" if works_here() else "libx264")
    with av.open(str(target)) as clip:
        assert len(list(clip.decode(video=0))) == report.frames == 5


@pytest.mark.parametrize(
    "wrong", [{"preset": "p4"}, {"preset": "veryfats"}, {"encoder": "h264_nvenc"}, {"encoder": "x"}, {"crf": 52}]
)
def test_what_no_encoder_knows_is_refused_before_any_frame(wrong):
    with pytest.raises(ValueError, match=r"preset|encoder|factor"):
        Encoding(**wrong)


@pytest.mark.parametrize("encoder", PRESETS)
def test_neither_encoder_passes_on_captions_of_the_input(encoder):
    assert options_for(encoder, "medium", 23, 1280)["a53cc"] == "0"


@pytest.mark.parametrize("wrong", [(241, 320, 3), (240, 320), (240, 320, 4)])
def test_pictures_of_another_shape_are_refused(wrong):
    with pytest.raises(ValueError, match="in a clip of 320x240"):
        list(planes_of([np.zeros(wrong, np.uint8)], PICTURE))
    with pytest.raises(ValueError, match="even"):
        list(planes_of(pictures(), Picture(width=321, height=240, fps=Fraction(30))))


def test_colours_and_times_are_those_of_the_pictures():
    shown = {"black": (0, 0, 0), "white": (255, 255, 255), "red": (255, 0, 0)}
    wanted = {"black": (16, 128, 128), "white": (235, 128, 128), "red": (63, 102, 240)}
    made = planes_of((np.full((240, 320, 3), colour, np.uint8) for colour in shown.values()), PICTURE)
    for number, (name, planes) in enumerate(zip(shown, made, strict=True)):
        means = [plane.mean() for plane in (planes.y, planes.u, planes.v)]
        assert means == pytest.approx(wanted[name], abs=1)
        assert (planes.index, planes.time_ms, planes.ticks) == (number, round(number * 1000 / 30), number * 3000)
