"""Every mark of an unknown file: found where it is, claimed only where the content agrees, never assumed."""

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from watermark import invisible, looking
from watermark.credentials import Signer, Trust, sign
from watermark.fingerprint import Fingerprint, fingerprint
from watermark.frames import FrameMarker, Planes
from watermark.invisible import InvisibleMarker
from watermark.limits import VideoLimits
from watermark.manifest import ManifestSpec
from watermark.patience import Budget
from watermark.payload import Payload
from watermark.reader import luma
from watermark.reading import LayerState, MarksReading, check_visible, read_marks
from watermark.settling import settle
from watermark.visible import Drawing, VisibleMarker, VisibleSpec

WIDTH, HEIGHT = 1280, 720
Image = NDArray[np.uint8]
KEYS = {3: b"a key of thirty-two bytes, truly"}
PAYLOAD = Payload(mark_id=0x0123456789AB, key_version=3)
LIMITS = VideoLimits()
BUDGET = Budget(mark_seconds=60, search_seconds=60, content_seconds=60, layer_seconds=60, wall_seconds=600)


def mark(frames: list[Planes], *markers: FrameMarker) -> list[Planes]:
    for planes in frames:
        for marker in markers:
            marker.mark(planes)
    return frames


def hidden(payload: Payload = PAYLOAD) -> InvisibleMarker:
    return InvisibleMarker(payload, KEYS[payload.key_version], WIDTH, HEIGHT)


@pytest.fixture(scope="module")
def re_encode(encode: Callable[..., Path]) -> Callable[..., Path]:
    """A copy as others make it: decoded, perhaps turned, encoded anew without a manifest."""
    return partial(_re_encode, encode)


def _re_encode(encode, source: Path, target: Path, turn: Callable[[Image], Image] = lambda y: y) -> Path:
    copies = []
    with av.open(str(source)) as container:
        for index, frame in enumerate(container.decode(video=0)):
            y = np.ascontiguousarray(turn(frame.to_ndarray(format="gray")))
            grey = np.full((y.shape[0] // 2, y.shape[1] // 2), 128, np.uint8)
            copies.append(Planes(index=index, time_ms=index * 40, y=y, u=grey, v=grey))
    written: Path = encode(copies, target, crf=28)
    return written


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("reading")


@pytest.fixture(scope="module")
def bare(scene, encode, folder: Path) -> Path:
    return encode(scene(1), folder / "bare.mp4")


@pytest.fixture(scope="module")
def marked(scene, encode, folder: Path) -> Path:
    return encode(mark(scene(1), hidden()), folder / "marked.mp4")


@pytest.fixture
def delivered(marked: Path, spec: ManifestSpec, signer: Signer, tmp_path: Path) -> Path:
    sign(marked, tmp_path / "delivered.mp4", spec, signer)
    return tmp_path / "delivered.mp4"


@pytest.fixture(scope="module")
def stored(marked: Path) -> Fingerprint:
    return fingerprint(luma(marked, limits=LIMITS, long_side=256))


@pytest.fixture
def read(trust: Trust) -> Callable[[Path], MarksReading]:
    return lambda path: read_marks(path, keys=KEYS, trust=trust, limits=LIMITS, budget=BUDGET)


@pytest.fixture
def read_keeping(trust: Trust) -> Callable[[Path], tuple[MarksReading, list[looking.Frame]]]:
    """The reading, and the frames that it kept."""

    def look(path: Path) -> tuple[MarksReading, list[looking.Frame]]:
        kept: list[looking.Frame] = []
        found = read_marks(path, keys=KEYS, trust=trust, limits=LIMITS, budget=BUDGET, keep=kept.append)
        return found, kept

    return look


def states(reading: MarksReading) -> dict[str, str]:
    return {name: layer.state.value for name, layer in reading.layers.items()}


def test_a_delivered_file_shows_all_its_marks(delivered: Path, read, stored: Fingerprint):
    reading = read(delivered)
    assert reading.mark is not None
    assert (reading.mark.mark_id, reading.mark.key_version) == (PAYLOAD.mark_id, 3)
    assert reading.mark.confidence > 0.999
    assert reading.credentials is not None
    assert (reading.credentials.ours, reading.credentials.clip_id) == (True, "clip_0193b0")
    assert states(reading) == {
        "c2pa": "found",
        "invisible": "found",
        "fingerprint": "not_checked",
        "visible": "not_checked",
    }
    assert states(settle(reading, stored))["fingerprint"] == "found"


def test_a_stripped_re_encode_is_found_by_its_invisible_mark(delivered: Path, read, stored, re_encode, tmp_path):
    reading = settle(read(re_encode(delivered, tmp_path / "copy.mp4")), stored)
    assert states(reading)["c2pa"] == "not_found"
    assert states(reading)["invisible"] == "found"
    assert states(reading)["fingerprint"] == "found"
    assert reading.mark is not None
    assert reading.mark.mark_id == PAYLOAD.mark_id


def test_only_bound_bytes_are_compared_by_their_beginning(delivered, marked, read, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(looking, "BEGINNING_MS", 800)
    content = delivered.read_bytes()
    ends = {}
    for name, path in (("intact", delivered), ("stripped", marked)):
        ends[name] = Fingerprint.from_bytes(read(path).fingerprint).times.max()
    # A manifest that does not hold binds nothing.
    delivered.write_bytes(content.replace(b"Example Platform", b"Exemple Platform"))
    ends["broken"] = Fingerprint.from_bytes(read(delivered).fingerprint).times.max()
    assert ends["intact"] <= 800
    assert min(ends["stripped"], ends["broken"]) >= 1400


def test_a_mirrored_copy_is_ours_as_well(delivered: Path, read, stored, re_encode, tmp_path):
    reading = settle(read(re_encode(delivered, tmp_path / "copy.mp4", lambda y: y[:, ::-1])), stored)
    assert states(reading)["invisible"] == "found"
    assert reading.layers["fingerprint"].state is LayerState.FOUND
    assert reading.layers["fingerprint"].details["mirrored"] is True


def test_the_visible_mark_of_a_mirrored_part_is_found_where_the_invisible_one_says(
    scene, encode, read_keeping, tmp_path: Path
):
    spec = VisibleSpec(
        platform="P", creator="", locale="en", mark_id=PAYLOAD.mark_id, key=KEYS[3], size=(WIDTH, HEIGHT)
    )
    x, y = Drawing(spec, WIDTH, HEIGHT).places.at(0)
    left, top = min(x, 240), min(y, 135)
    frames = mark(scene(1), VisibleMarker(spec, WIDTH, HEIGHT), hidden())
    parts = [f.y[top : top + 585, left : left + 1040][:, ::-1] for f in frames]
    large = [cv2.resize(part, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA) for part in parts]
    copies = [replace(f, y=np.asarray(y, np.uint8)) for f, y in zip(frames, large, strict=True)]
    path = encode(copies, tmp_path / "part.mp4", crf=26)
    reading, kept = read_keeping(path)
    assert reading.mark is not None
    assert reading.geometry is not None
    again = MarksReading.from_json(json.loads(json.dumps(reading.to_json())))
    assert check_visible(kept, spec, again.geometry).state is LayerState.FOUND
    assert check_visible(kept, replace(spec, mark_id=7), again.geometry).state is not LayerState.FOUND
    assert check_visible(kept, spec).state is not LayerState.FOUND


def test_a_mark_on_other_content_is_transplanted(scene, encode, read, stored, tmp_path: Path):
    forged = encode(mark(scene(2), hidden()), tmp_path / "forged.mp4")
    reading = settle(read(forged), stored)
    assert reading.mark is not None
    assert reading.mark.mark_id == PAYLOAD.mark_id
    assert states(reading)["invisible"] == "transplanted"
    assert states(reading)["fingerprint"] == "not_found"


def test_a_mark_on_nothing_to_see_stays_a_claim(delivered: Path, read, stored: Fingerprint):
    reading = read(delivered)
    settled = settle(replace(reading, fingerprint=None), stored)
    assert states(settled)["fingerprint"] == "not_checked"
    blank = np.full((HEIGHT, WIDTH), 128, np.uint8)
    nothing = fingerprint((time, blank) for time in range(0, 3000, 500))
    assert states(settle(reading, nothing))["fingerprint"] == "not_checked"
    assert states(settle(reading, nothing))["invisible"] == "found"


def test_an_unmarked_clip_has_no_marks(bare: Path, read):
    reading = read(bare)
    assert (states(reading)["c2pa"], states(reading)["invisible"]) == ("not_found", "not_found")
    assert reading.mark is None
    assert reading.refusal is None


def test_another_deployment_s_mark_says_nothing(delivered: Path, trust: Trust):
    reading = read_marks(
        delivered, keys={3: b"some other key of thirty-two byte"}, trust=trust, limits=LIMITS, budget=BUDGET
    )
    assert reading.mark is None
    assert states(reading)["invisible"] != "found"


def test_an_edited_file_has_damaged_credentials_and_keeps_its_mark(delivered: Path, read):
    content = bytearray(delivered.read_bytes())
    content[content.index(b"Example Platform")] ^= 1
    delivered.write_bytes(content)
    assert (states(read(delivered))["c2pa"], states(read(delivered))["invisible"]) == ("damaged", "found")


@pytest.mark.parametrize("content", [b"", b"no video at all", b"\x00\x00\x00\x18ftypisom" + bytes(12)])
def test_what_is_no_video_was_not_checked(content: bytes, read, tmp_path: Path):
    (tmp_path / "x.mp4").write_bytes(content)
    reading = read(tmp_path / "x.mp4")
    assert states(reading)["c2pa"] in {"not_checked", "not_found"}
    assert states(reading)["invisible"] == states(reading)["fingerprint"] == "not_checked"
    assert reading.refusal
    assert reading.layers["invisible"].error


def test_a_file_that_breaks_off_is_never_called_unmarked(bare: Path, read, tmp_path: Path):
    content = bare.read_bytes()
    (tmp_path / "cut.mp4").write_bytes(content[: len(content) // 2])
    assert states(read(tmp_path / "cut.mp4"))["invisible"] == "not_checked"


def test_a_missing_file_was_not_checked(read, tmp_path: Path):
    reading = read(tmp_path / "none.mp4")
    assert set(states(reading).values()) == {"not_checked"}
    assert reading.layers["c2pa"].error


def test_a_reader_that_fails_is_not_an_unmarked_clip(delivered: Path, read, monkeypatch: pytest.MonkeyPatch):
    def fail(*_: object) -> None:
        raise FloatingPointError("the arithmetic broke")

    monkeypatch.setattr(invisible, "read", fail)
    layer = read(delivered).layers["invisible"]
    assert layer.state is LayerState.NOT_CHECKED
    assert "the arithmetic broke" in (layer.error or "")


def test_a_reading_crosses_as_json(delivered: Path, bare: Path, read):
    for path in (delivered, bare):
        reading = read(path)
        assert MarksReading.from_json(json.loads(json.dumps(reading.to_json()))) == reading


@pytest.mark.parametrize("wrong", [None, {}, {"layers": {"c2pa": {"state": "fine"}}}, {"layers": 3}])
def test_json_of_another_shape_is_refused(wrong: object):
    with pytest.raises(ValueError, match="validation error"):
        MarksReading.from_json(wrong)
