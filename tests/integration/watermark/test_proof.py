"""The release gate's proof: passes on the very file, and fails on everything else, errors included."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from watermark import invisible, reading
from watermark.authority import open_authority
from watermark.credentials import Signer, Trust, sign
from watermark.fingerprint import Fingerprint
from watermark.frames import FrameMarker, Planes
from watermark.invisible import InvisibleMarker
from watermark.limits import VideoLimits
from watermark.manifest import ManifestSpec
from watermark.payload import Payload
from watermark.reader import luma
from watermark.reading import Expectation, LayerState, Proof, check_visible, prove
from watermark.visible import VisibleMarker, VisibleSpec

KEYS = {3: b"a key of thirty-two bytes, truly", 4: b"the key after it, as many bytes."}
PAYLOAD = Payload(mark_id=0x0123456789AB, key_version=3)
VISIBLE = VisibleSpec(
    platform="Countersign", creator="alice", locale="en", mark_id=PAYLOAD.mark_id, key=KEYS[PAYLOAD.key_version]
)
EXPECTED = Expectation(
    clip_id="clip_0193b0",
    mark_id=PAYLOAD.mark_id,
    key_version=3,
    visible=VISIBLE,
    duration_ms=1600,
    frames=40,
    audio=False,
)


@dataclass
class Bench:
    """Makes delivered files with whatever marks a test wants, and proves them."""

    scene: Callable[[int], list[Planes]]
    encode: Callable[..., Path]
    spec: ManifestSpec
    signer: Signer
    trust: Trust
    folder: Path

    def deliver(self, *markers: FrameMarker, name: str = "delivered.mp4", **said: object) -> Path:
        frames = self.scene(1)
        for planes in frames:
            for marker in markers:
                marker.mark(planes)
        marked = self.encode(frames, self.folder / f"marked-{name}")
        sign(marked, self.folder / name, replace(self.spec, **said), self.signer)  # type: ignore[arg-type]
        return self.folder / name

    def prove(self, path: Path, **expected: object) -> Proof:
        expectation = replace(EXPECTED, **expected)  # type: ignore[arg-type]
        return prove(path, expectation, KEYS, self.trust, VideoLimits())


def shown(path: Path) -> list[tuple[int, np.ndarray]]:
    return [(time_ms, plane.copy()) for time_ms, plane in luma(path, limits=VideoLimits(), fps=2, long_side=640)]


def visible(spec: VisibleSpec = VISIBLE) -> VisibleMarker:
    return VisibleMarker(spec, 1280, 720)


def hidden(payload: Payload = PAYLOAD) -> InvisibleMarker:
    return InvisibleMarker(payload, KEYS[payload.key_version], 1280, 720)


@pytest.fixture(scope="module")
def bench(scene, encode, spec, authority, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    signer = Signer(sign=authority.sign, chain_pem=authority.chain_pem)
    trust = Trust(own_pem=authority.root_pem)
    folder = tmp_path_factory.mktemp("proof")
    return Bench(scene=scene, encode=encode, spec=spec, signer=signer, trust=trust, folder=folder)


@pytest.fixture(scope="module")
def delivered(bench: Bench) -> Path:
    return bench.deliver(visible(), hidden())


def test_the_very_file_passes(bench: Bench, delivered: Path):
    proof = bench.prove(delivered)
    assert proof.failures == ()
    assert proof.passed
    assert {name: layer.state.value for name, layer in proof.layers.items()} == dict.fromkeys(
        ("c2pa", "invisible", "visible", "media"), "found"
    )
    assert len(Fingerprint.from_bytes(proof.fingerprint)) == 4


def test_a_proof_crosses_as_json(bench: Bench, delivered: Path):
    proof = bench.prove(delivered)
    again = Proof.from_json(json.loads(json.dumps(proof.to_json())))
    assert again == proof
    assert again.passed


@pytest.mark.parametrize(
    ("expected", "failing"),
    [
        ({"clip_id": "clip_other"}, "c2pa"),
        ({"mark_id": 7}, "invisible"),
        ({"key_version": 4}, "invisible"),
        ({"visible": replace(VISIBLE, mark_id=7)}, "visible"),
        ({"visible": replace(VISIBLE, key=KEYS[4])}, "visible"),
        ({"frames": 41}, "media"),
        ({"duration_ms": 1700}, "media"),
        ({"audio": True}, "media"),
    ],
)
def test_anything_else_than_expected_fails(bench: Bench, delivered: Path, expected, failing: str):
    proof = bench.prove(delivered, **expected)
    assert not proof.passed
    assert failing in {failure.partition(":")[0] for failure in proof.failures}


def test_no_visible_mark_fails(bench: Bench):
    proof = bench.prove(bench.deliver(hidden(), name="no-visible.mp4"))
    assert not proof.passed
    assert [failure.partition(":")[0] for failure in proof.failures] == ["visible"]


def test_no_invisible_mark_fails(bench: Bench):
    proof = bench.prove(bench.deliver(visible(), name="no-invisible.mp4"))
    assert not proof.passed
    assert {failure.partition(":")[0] for failure in proof.failures} == {"invisible"}


def test_an_unsigned_file_fails(bench: Bench, delivered: Path):
    proof = bench.prove(delivered.with_name(f"marked-{delivered.name}"))
    assert not proof.passed
    assert proof.layers["c2pa"].state is LayerState.NOT_FOUND
    assert {failure.partition(":")[0] for failure in proof.failures} == {"c2pa"}


def test_a_manifest_of_another_authority_fails(bench: Bench, delivered: Path, tmp_path: Path):
    stranger = open_authority(tmp_path / "stranger", now=datetime.now(UTC))
    proof = replace(bench, trust=Trust(own_pem=stranger.root_pem)).prove(delivered)
    assert not proof.passed
    assert {failure.partition(":")[0] for failure in proof.failures} == {"c2pa"}


def test_another_authority_that_is_trusted_is_still_not_us(bench: Bench, delivered: Path, authority, tmp_path: Path):
    stranger = open_authority(tmp_path / "stranger", now=datetime.now(UTC))
    trust = Trust(own_pem=stranger.root_pem, others_pem=authority.root_pem)
    assert not replace(bench, trust=trust).prove(delivered).passed


def test_a_manifest_that_names_another_mark_fails(bench: Bench):
    proof = bench.prove(bench.deliver(visible(), hidden(), name="other-mark.mp4", mark_id=7))
    assert [failure.partition(":")[0] for failure in proof.failures] == ["c2pa"]


def test_one_flipped_bit_fails(bench: Bench, delivered: Path, tmp_path: Path):
    content = bytearray(delivered.read_bytes())
    content[content.index(b"mdat") + 5000] ^= 1
    (tmp_path / "flipped.mp4").write_bytes(content)
    proof = bench.prove(tmp_path / "flipped.mp4")
    assert not proof.passed
    assert proof.layers["c2pa"].state is LayerState.DAMAGED


@pytest.mark.parametrize("length", [0, 100, 20_000, -1000])
def test_a_cut_file_fails(bench: Bench, delivered: Path, tmp_path: Path, length: int):
    (tmp_path / "cut.mp4").write_bytes(delivered.read_bytes()[:length])
    assert not bench.prove(tmp_path / "cut.mp4").passed


def test_a_missing_file_fails(bench: Bench, tmp_path: Path):
    proof = bench.prove(tmp_path / "none.mp4")
    assert not proof.passed
    assert {layer.state for layer in proof.layers.values()} == {LayerState.NOT_CHECKED}


@pytest.mark.parametrize(
    ("part", "layer"),
    [
        ((invisible, "read"), "invisible"),
        ((reading, "presence"), "visible"),
        ((reading, "probe"), "media"),
        ((reading.credentials, "read"), "c2pa"),
    ],
)
def test_an_error_inside_a_layer_fails(bench: Bench, delivered: Path, monkeypatch: pytest.MonkeyPatch, part, layer):
    def fail(*_: object, **__: object) -> None:
        raise FloatingPointError("the arithmetic broke")

    monkeypatch.setattr(*part, fail)
    proof = bench.prove(delivered)
    assert not proof.passed
    assert proof.layers[layer].state is LayerState.NOT_CHECKED
    assert any(failure.startswith(f"{layer}: not_checked") and "arithmetic" in failure for failure in proof.failures)


def test_a_proof_without_a_layer_does_not_pass(bench: Bench, delivered: Path):
    proof = bench.prove(delivered)
    for name in proof.layers:
        rest = {other: layer for other, layer in proof.layers.items() if other != name}
        assert not replace(proof, layers=rest).passed
    assert not Proof(layers={}, failures=(), fingerprint=b"").passed


def test_the_visible_mark_of_a_known_clip_can_be_checked_alone(bench: Bench, delivered: Path):
    frames = shown(delivered)
    assert check_visible(frames, VISIBLE).state is LayerState.FOUND
    assert check_visible(frames, replace(VISIBLE, mark_id=7)).state is LayerState.NOT_FOUND
    assert check_visible([], VISIBLE).state is LayerState.NOT_CHECKED


def test_black_pictures_carry_no_visible_mark(bench: Bench):
    frames = [replace(planes, y=np.full_like(planes.y, 16)) for planes in bench.scene(1)]
    path = bench.encode(frames, bench.folder / "black.mp4")
    assert check_visible(shown(path), VISIBLE).state is LayerState.NOT_FOUND
