"""What an additional layer's word is worth, and what it adds to frames."""

import itertools
from dataclasses import dataclass

import cv2
import numpy as np
import pytest

from watermark.frames import Planes
from watermark.layers import FOUND, LayerUnavailable, chance_of, demand_form, read, word_of
from watermark.payload import Payload
from watermark.probing import ColourTags
from watermark.residuals import ResidualMarker, packed, stored, yuv_of_bgr
from watermark.rivagan import RivaGan

KEY = bytes(range(32))
PAYLOAD = Payload(mark_id=0x0123456789AB, key_version=3)
BT709 = ColourTags(full_range=False, primaries=1, transfer=1, matrix=1)


@dataclass
class Shades:
    """A layer that says nothing of networks: each bit is a cell of the picture, lighter or darker in green."""

    name: str = "shades"
    version: str = "1"
    bits: int = 64
    side: int = 64
    every: int = 4
    strength: float = 6.0

    def draw(self, pictures, word):
        cells = word.reshape(8, 8).repeat(8, 0).repeat(8, 1).astype(np.float32) * self.strength
        drawn = np.zeros(pictures.shape, np.float32)
        drawn[..., 1] = cells
        return drawn

    def listen(self, pictures):
        green = pictures[..., 1].astype(np.float32).reshape(-1, 8, 8, 8, 8).mean((2, 4))
        return (green - green.mean((1, 2), keepdims=True)).reshape(-1, 64)


def pictures(count=3, side=64):
    return np.random.default_rng(1).integers(100, 104, (count, side, side, 3), np.uint8)


def test_the_word_is_a_keyed_tag_of_the_payload():
    layer = Shades()
    word = word_of(layer, PAYLOAD, KEY)
    assert set(word.tolist()) == {-1, 1}
    assert np.array_equal(word, word_of(layer, PAYLOAD, KEY))
    others = [
        word_of(layer, Payload(mark_id=PAYLOAD.mark_id ^ 1, key_version=3), KEY),
        word_of(layer, Payload(mark_id=PAYLOAD.mark_id, key_version=2), KEY),
        word_of(layer, PAYLOAD, KEY[::-1]),
        word_of(Shades(name="hues"), PAYLOAD, KEY),
    ]
    assert all(16 < np.count_nonzero(other != word) < 48 for other in others)


def test_the_chance_is_that_of_all_words_counted_one_by_one():
    soft = np.array([3.0, -1.0, 0.5, 2.0, -2.5, 0.1, 1.0, -0.7])
    word = np.array([1, -1, 1, -1, -1, 1, 1, 1], np.int8)
    agreement = float((soft * word).sum())
    words = [float((soft * signs).sum()) for signs in itertools.product((-1, 1), repeat=8)]
    assert chance_of(soft, word) == pytest.approx(np.mean([other >= agreement - 1e-9 for other in words]))
    assert chance_of(np.ones(32), np.ones(32, np.int8)) == pytest.approx(2.0**-32)
    assert chance_of(np.zeros(32), np.ones(32, np.int8)) == 1.0


def test_words_of_other_clips_are_found_as_seldom_as_the_chance_says():
    soft = np.random.default_rng(5).normal(0.3, 1, 32)
    rng = np.random.default_rng(6)
    chances = [chance_of(soft, (2 * rng.integers(0, 2, 32) - 1).astype(np.int8)) for _ in range(2000)]
    assert 0.06 < np.mean([chance <= 0.1 for chance in chances]) < 0.14
    assert min(chances) > FOUND


def test_a_word_is_read_upright_and_mirrored_and_nothing_is_read_where_there_is_none():
    layer, word = Shades(), word_of(Shades(), PAYLOAD, KEY)
    marked = np.clip(pictures() + layer.draw(pictures(), word), 0, 255).astype(np.uint8)
    found = read(layer, [marked], word, mirrored=False)
    assert (found.state, found.agreeing, found.pictures) == ("found", 64, 3)
    turned = marked[:, :, ::-1]
    assert read(layer, [turned], word, mirrored=False).state == "not_found"
    assert read(layer, [turned[:2], turned[2:]], word, mirrored=True).state == "found"
    assert read(layer, [pictures()], word, mirrored=True).state == "not_found"
    assert read(layer, [], word, mirrored=True) is None


def test_an_answer_of_another_form_is_no_reading():
    layer, word = Shades(), word_of(Shades(), PAYLOAD, KEY)
    for answer in (np.zeros((3, 63)), np.full((3, 64), np.nan)):
        layer.listen = lambda _, answer=answer: answer
        with pytest.raises(ValueError, match="soft bits"):
            read(layer, [pictures()], word, mirrored=False)


@pytest.mark.parametrize(
    "wrong", [{"name": "c2pa"}, {"name": "No"}, {"bits": 8}, {"side": 4}, {"every": 0}, {"name": "other"}]
)
def test_impossible_figures_are_refused(wrong):
    name = "shades" if wrong.get("name") == "other" else wrong.get("name", "shades")
    with pytest.raises(LayerUnavailable):
        demand_form(Shades(**wrong), name)


def planes_of(index, picture):
    yuv = cv2.cvtColor(picture, cv2.COLOR_BGR2YUV_I420)
    height, width = picture.shape[:2]
    flat = yuv.reshape(-1)
    luma, chroma = height * width, height * width // 4
    u, v = flat[luma : luma + chroma], flat[luma + chroma :]
    shape = height // 2, width // 2
    return Planes(
        index=index,
        time_ms=index * 40,
        y=flat[:luma].reshape(height, width).copy(),
        u=u.reshape(shape).copy(),
        v=v.reshape(shape).copy(),
    )


@pytest.mark.parametrize(("matrix", "size"), [(6, (96, 64)), (2, (96, 64)), (1, (64, 96))])
def test_a_residual_moves_colours_as_it_says(matrix, size):
    width, height = size
    residual = np.full((1, 32, 32, 3), (6.0, -4.0, 3.0), np.float32)
    grey = Planes(
        index=0,
        time_ms=0,
        y=np.full((height, width), 120, np.uint8),
        u=np.full((height // 2, width // 2), 128, np.uint8),
        v=np.full((height // 2, width // 2), 128, np.uint8),
    )
    colour = ColourTags(full_range=False, primaries=matrix, transfer=matrix, matrix=matrix)
    ResidualMarker(lambda _: packed(residual)[0], 4, colour, width, height).mark(grey)
    red, blue = (0.2126, 0.0722) if matrix == 1 else (0.299, 0.114)
    dy, du, dv = (float(plane.mean()) - base for plane, base in ((grey.y, 120), (grey.u, 128), (grey.v, 128)))
    moved_red = dy * 255 / 219 + 2 * (1 - red) * dv * 255 / 224
    moved_blue = dy * 255 / 219 + 2 * (1 - blue) * du * 255 / 224
    assert moved_blue == pytest.approx(6, abs=1.2)
    assert moved_red == pytest.approx(3, abs=1.2)
    assert yuv_of_bgr(colour, width, height)[0].sum() == pytest.approx(219 / 255)


def test_residuals_are_kept_on_between_pictures_and_missing_ones_are_an_error(tmp_path):
    layer, kept = Shades(), tmp_path / "kept"
    word = word_of(layer, PAYLOAD, KEY)
    kept.write_bytes(packed(layer.draw(pictures(2), word)).tobytes())
    marker = ResidualMarker(stored(kept, side=64, every=4), 4, BT709, 128, 96)
    frames = [planes_of(index, np.full((96, 128, 3), 120, np.uint8)) for index in range(9)]
    for planes in frames[:8]:
        before = planes.y.copy()
        marker.mark(planes)
        assert np.abs(planes.y.astype(int) - before).max() > 1
    with pytest.raises(ValueError, match="frame 8"):
        marker.mark(frames[8])
    kept.write_bytes(b"123")
    with pytest.raises(ValueError, match="not whole"):
        stored(kept, side=64, every=4)
    with pytest.raises(ValueError, match="finite"):
        packed(np.full((1, 2, 2, 3), np.nan, np.float32))


def test_a_layer_survives_the_way_through_planes(tmp_path):
    layer, word = Shades(), word_of(Shades(), PAYLOAD, KEY)
    kept = tmp_path / "kept"
    source = np.random.default_rng(4).integers(90, 130, (12, 16, 3), np.uint8).repeat(8, 0).repeat(8, 1)
    small = cv2.resize(source, (64, 64), interpolation=cv2.INTER_AREA)[None]
    kept.write_bytes(packed(layer.draw(small, word)).tobytes())
    planes = planes_of(0, source)
    ResidualMarker(
        stored(kept, side=64, every=4), 4, ColourTags(full_range=False, primaries=6, transfer=6, matrix=6), 128, 96
    ).mark(planes)
    packed_planes = np.concatenate([planes.y.ravel(), planes.u.ravel(), planes.v.ravel()]).reshape(144, 128)
    seen = cv2.resize(cv2.cvtColor(packed_planes, cv2.COLOR_YUV2BGR_I420), (64, 64), interpolation=cv2.INTER_AREA)[None]
    moved = layer.listen(seen) - layer.listen(small)
    assert (moved * word > 0).mean() > 0.95


def test_rivagan_speaks_to_its_networks_in_their_values():
    asked = []

    def encoder(inputs):
        asked.append(inputs)
        return inputs["frame"] + 1 / 127.5

    def decoder(inputs):
        return np.full((len(inputs["frame"]), 32), 0.75, np.float32)

    layer = RivaGan(encoder, decoder, version="1")
    shown = np.zeros((2, 256, 256, 3), np.uint8)
    shown[..., 0] = 255
    word = word_of(layer, PAYLOAD, KEY)
    drawn = layer.draw(shown, word)
    frame = asked[0]["frame"]
    assert frame.shape == (2, 3, 1, 256, 256)
    assert (frame[:, 0].min(), frame[:, 1].max()) == (1, -1)
    assert np.array_equal(asked[0]["data"][1], word > 0)
    # What lies beyond white is cut off before it is a residual.
    assert np.allclose(drawn[..., 0], 0)
    assert np.allclose(drawn[..., 1:], 1, atol=1e-4)
    assert np.allclose(layer.listen(shown), 0.25)
