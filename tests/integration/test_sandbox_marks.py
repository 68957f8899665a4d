"""The three marks through the border: put on, signed, proven by a child of their own, read from a copy."""

from datetime import UTC, datetime
from pathlib import Path

import cv2
import numpy as np
import pytest
from clips import ClipPlan, Sound, draw_clip

from moderation.errors import RefusedAtTheDoor
from moderation.media import examine
from moderation.sandbox import MarkOrder, Sandbox
from moderation.settings import Limits, Verifying
from watermark.authority import open_authority
from watermark.credentials import Signer, Trust, sign
from watermark.manifest import ManifestSpec
from watermark.payload import Payload
from watermark.reading import Expectation, LayerState, check_visible
from watermark.visible import VisibleSpec
from watermark.writing import Encoding

KEY = bytes(range(32))
KEYS = {1: KEY}
MARK = 0xABCDEF012345
CLIP = "clip_0193b0"
BUDGET = Verifying().budget()
VISIBLE = VisibleSpec(platform="Countersign", creator="zoë", locale="en", mark_id=MARK, key=KEY)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("marks")


@pytest.fixture(scope="module")
def sandbox(folder):
    with Sandbox(Limits(), folder=folder / "airlocks") as made:
        yield made


@pytest.fixture(scope="module")
def authority(folder):
    return open_authority(folder / "authority", now=datetime.now(UTC))


@pytest.fixture(scope="module")
def trust(authority):
    return Trust(own_pem=authority.root_pem)


@pytest.fixture(scope="module")
def upload(folder):
    plan = ClipPlan(width=640, height=360, frames=120, fps=30, texture=6.0, sounds=(Sound(seconds=4.0),))
    return draw_clip(folder / "upload.mp4", plan)


@pytest.fixture(scope="module")
def marked(sandbox, folder, upload):
    order = MarkOrder(payload=Payload(mark_id=MARK, key_version=1), key=KEY, visible=VISIBLE, encoding=Encoding())
    report = sandbox.mark(upload, folder / "marked.mp4", order)
    assert (report["frames"], report["audio"]) == (120, "kept")
    return folder / "marked.mp4"


@pytest.fixture(scope="module")
def signed(folder, marked, authority):
    spec = ManifestSpec(
        clip_id=CLIP,
        mark_id=MARK,
        soft_binding="org.countersign.tss.1",
        provider="P",
        system="S",
        version="1",
        created_at=datetime.now(UTC),
    )
    signer = Signer(sign=authority.sign, chain_pem=authority.chain_pem)
    sign(marked, folder / "signed.mp4", spec, signer)
    return folder / "signed.mp4"


def expect(clip: str = CLIP, mark: int = MARK) -> Expectation:
    return Expectation(
        clip_id=clip, mark_id=mark, key_version=1, visible=VISIBLE, duration_ms=4000, frames=120, audio=True
    )


def test_delivered_bytes_are_proven_in_a_child_that_opens_no_upload(sandbox, signed, trust):
    proof = sandbox.prove(signed, expect(), KEYS, trust)
    assert proof.failures == ()
    assert proof.passed
    with sandbox._proofs.lend() as proving, sandbox._pool.lend() as decoding:
        assert proving.pid != decoding.pid


@pytest.mark.parametrize("what", ["another clip", "another mark", "unsigned", "unmarked"])
def test_a_proof_fails_for_what_is_not_this_clip(sandbox, signed, marked, upload, trust, what):
    cases = {
        "another clip": (signed, expect(clip="clip_other")),
        "another mark": (signed, expect(mark=MARK + 1)),
        "unsigned": (marked, expect()),
        "unmarked": (upload, expect()),
    }
    proof = sandbox.prove(*cases[what], KEYS, trust)
    assert not proof.passed
    assert proof.failures


def test_a_copy_is_read_behind_the_border(sandbox, signed, trust, folder):
    kept = []
    reading = sandbox.read_marks(signed, KEYS, trust, BUDGET, kept.append)
    assert reading.layers["c2pa"].state is LayerState.FOUND
    assert reading.layers["invisible"].state is LayerState.FOUND
    assert reading.mark is not None
    assert reading.mark.mark_id == MARK
    assert check_visible(kept, VISIBLE).state is LayerState.FOUND
    assert {luma.shape for _, luma in kept} == {(360, 640)}


def test_the_key_of_another_deployment_reads_nothing(sandbox, signed, trust):
    reading = sandbox.read_marks(signed, {1: bytes(32)}, trust, BUDGET)
    assert reading.mark is None
    assert reading.layers["invisible"].state is not LayerState.FOUND


def test_the_fingerprint_is_the_proofs(sandbox, signed, trust):
    proof = sandbox.prove(signed, expect(), KEYS, trust)
    assert sandbox.fingerprint(signed).to_bytes() == proof.fingerprint


def test_a_veil_and_stills_are_made_behind_the_border(sandbox, signed, folder):
    report = sandbox.veil(signed, folder / "veiled.mp4")
    seen = examine(sandbox, folder / "veiled.mp4")
    assert (max(seen.width, seen.height), seen.audio, report["audio"]) == (240, None, "none")
    made = sandbox.stills(signed, [2000, 0, 9999], long_side=160, blur=0.0)
    pictures = [cv2.imdecode(np.frombuffer(still, np.uint8), cv2.IMREAD_COLOR) for still in made]
    assert [picture.shape for picture in pictures] == [(90, 160, 3)] * 3
    assert not np.array_equal(pictures[0], pictures[1])
    with pytest.raises(ValueError, match="pixels"):
        sandbox.stills(signed, range(100), long_side=1280, blur=0.0)


def test_what_is_no_video_is_refused_and_part_of_one_is_read(sandbox, folder, signed, trust):
    letter = Path(folder / "letter.mp4")
    letter.write_text("a letter")
    with pytest.raises(RefusedAtTheDoor) as refused:
        sandbox.read_marks(letter, KEYS, trust, BUDGET)
    assert refused.value.code == "not_video"
    part = folder / "part.mp4"
    part.write_bytes(signed.read_bytes()[:-2000])
    reading = sandbox.read_marks(part, KEYS, trust, BUDGET)
    assert reading.layers["c2pa"].state is LayerState.DAMAGED
