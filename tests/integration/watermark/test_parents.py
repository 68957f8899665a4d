"""Remixes: the manifests of what a clip was made from are kept inside its own, with what they were worth."""

import itertools
import random
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from watermark.ancestry import inherit
from watermark.authority import open_authority
from watermark.credentials import CredentialsReading, Signer, SigningFailed, Trust, read, report, sign
from watermark.inheritance import TOO_LARGE, TOO_OLD, UNREADABLE, Inheritance, bounded
from watermark.jumbf import MANIFEST_BOX, active_only, find_store
from watermark.manifest import Parent

MOST = 1 << 20


def parent_of(path: Path, trust: Trust, title: str = "clip_parent") -> Parent:
    return Parent(title=title, inherited=inherit(path, trust, most=MOST))


@pytest.fixture
def remix(clip, spec, signer, trust, tmp_path):
    """Sign a remix of some parents; gives its reading and the active manifest of the library's report."""

    def make(*parents: Parent) -> tuple[CredentialsReading, dict]:
        sign(clip, tmp_path / "remix.mp4", replace(spec, clip_id="clip_remix", parents=parents), signer)
        store = report(tmp_path / "remix.mp4", trust)
        return read(tmp_path / "remix.mp4", trust), store["manifests"][store["active_manifest"]]

    return make


def failures(ingredient: dict) -> set[str]:
    return {found["code"] for found in ingredient["validation_results"]["activeManifest"]["failure"]}


def test_a_remix_keeps_the_manifests_of_its_parents(remix, spec, signer, trust, signed, new_clip, tmp_path):
    second = tmp_path / "second.mp4"
    sign(new_clip(tmp_path / "b.mp4", seed=2), second, replace(spec, clip_id="clip_second"), signer)
    reading, active = remix(parent_of(signed, trust, "clip_0193b0"), parent_of(second, trust, "clip_second"))
    assert (reading.ours, reading.clip_id) == (True, "clip_remix")
    assert reading.parents == (read(signed, trust).manifest_id, read(second, trust).manifest_id)
    ingredients = {item["title"]: item for item in active["ingredients"]}
    assert ingredients["clip_0193b0"]["relationship"] == "parentOf"
    assert ingredients["clip_second"]["relationship"] == "componentOf"
    assert all(not failures(item) for item in ingredients.values())
    actions = next(item for item in active["assertions"] if item["label"] == "c2pa.actions.v2")["data"]["actions"]
    assert [act["action"] for act in actions] == ["c2pa.opened", "c2pa.placed", "c2pa.edited", "c2pa.watermarked.bound"]
    assert actions[2]["digitalSourceType"].endswith("/compositeWithTrainedAlgorithmicMedia")


def test_parents_without_manifests_are_named(remix, clip: Path, trust, tmp_path: Path):
    (tmp_path / "other.mkv").write_bytes(b"\x1aE\xdf\xa3 a container C2PA does not know")
    reading, active = remix(parent_of(clip, trust, "clip_bare"), parent_of(tmp_path / "other.mkv", trust, "clip_mkv"))
    assert (reading.ours, reading.parents) == (True, ())
    assert {item["title"] for item in active["ingredients"]} == {"clip_bare", "clip_mkv"}


def test_a_changed_parent_is_kept_with_its_failure_and_does_not_become_sound(remix, trust, signed: Path):
    content = bytearray(signed.read_bytes())
    content[content.index(b"mdat") + 100] ^= 1
    signed.write_bytes(content)
    handed_down = parent_of(signed, trust)
    assert handed_down.inherited.state == "invalid"
    reading, active = remix(handed_down)
    assert reading.ours
    assert "assertion.bmffHash.mismatch" in failures(active["ingredients"][0])


def test_a_stranger_s_manifest_is_kept_as_untrusted(remix, spec, clip, trust, tmp_path: Path):
    stranger = open_authority(tmp_path / "stranger", now=datetime.now(UTC))
    theirs = tmp_path / "theirs.mp4"
    sign(clip, theirs, replace(spec, clip_id="theirs"), Signer(sign=stranger.sign, chain_pem=stranger.chain_pem))
    reading, active = remix(parent_of(theirs, trust, "the file that was handed in"))
    assert reading.ours
    assert reading.clip_id == "clip_remix"
    assert failures(active["ingredients"][0]) == {"signingCredential.untrusted"}
    trusting = replace(trust, others_pem=stranger.root_pem)
    assert parent_of(theirs, trusting).inherited.state == "trusted"


def test_a_chain_grows_by_generations_and_is_cut_with_a_note(clip, spec, signer, trust, signed, tmp_path):
    path, sizes = signed, [len(find_store(signed, most=MOST))]
    for generation in range(2, 5):
        parent = parent_of(path, trust)
        assert parent.inherited.generations == generation - 1
        path = tmp_path / f"{generation}.mp4"
        sign(clip, path, replace(spec, clip_id=f"clip_{generation}", parents=(parent,)), signer)
        sizes.append(len(find_store(path, most=MOST)))
        assert read(path, trust).ours
    assert max(later - earlier for earlier, later in itertools.pairwise(sizes)) < 24_000
    last = inherit(path, trust, most=MOST)
    assert last.generations == 4
    (kept,) = bounded([last], generations=4, bytes_in_all=MOST)
    assert kept.store == last.store
    (old,) = bounded([last], generations=3, bytes_in_all=MOST)
    assert (old.cut, old.store, old.manifest_id) == (TOO_OLD, b"", last.manifest_id)
    sign(clip, tmp_path / "cut.mp4", replace(spec, parents=(Parent(title="clip_4", inherited=old),)), signer)
    store = report(tmp_path / "cut.mp4", trust)
    (ingredient,) = store["manifests"][store["active_manifest"]]["ingredients"]
    assert len(store["manifests"]) == 1
    assert last.manifest_id in ingredient["description"]
    assert "longer than this service keeps" in ingredient["description"]
    assert inherit(tmp_path / "cut.mp4", trust, most=MOST).generations == 1


def test_room_is_given_in_order():
    ones = [Inheritance(manifest_id=str(size), generations=1, store=bytes(size)) for size in (60, 50, 30)]
    kept = bounded([None, *ones], generations=1, bytes_in_all=100)
    assert [one and one.cut for one in kept] == [None, None, TOO_LARGE, None]


def test_the_active_manifest_stands_alone(clip, spec, signer, trust, signed, tmp_path):
    sign(clip, tmp_path / "remix.mp4", replace(spec, parents=(parent_of(signed, trust),)), signer)
    store = find_store(tmp_path / "remix.mp4", most=MOST)
    alone, name = active_only(store), read(tmp_path / "remix.mp4", trust).manifest_id.encode()
    assert name in alone
    assert len(alone) < len(store) - 10_000
    assert active_only(alone) == alone


def test_a_store_that_is_none_hands_down_nothing_and_breaks_nothing(signed: Path, trust: Trust, tmp_path: Path):
    assert inherit(signed, trust, most=1000) == Inheritance(cut=TOO_LARGE)
    content = signed.read_bytes()
    at = content.index(MANIFEST_BOX)
    for name, broken in {
        "cut in the store": content[: at + 3000],
        "length": content[: at + 37] + b"\xff\xff\xff\xff" + content[at + 41 :],
        "label": content.replace(b"c2pa.claim.v2", b"c2pa.claim.v9"),
    }.items():
        (tmp_path / "x.mp4").write_bytes(broken)
        found = inherit(tmp_path / "x.mp4", trust, most=MOST)
        assert found is None or (found.cut == UNREADABLE and not found.store), name
    for content_ in (b"", b"\0\0\0\x08ftyp", b"\0\0\0\x18ftypisom" + bytes(12), b"no film"):
        (tmp_path / "x.mp4").write_bytes(content_)
        assert inherit(tmp_path / "x.mp4", trust, most=MOST) is None


def test_no_damage_to_a_parent_reaches_the_remix(remix, signed: Path, trust: Trust):
    whole, chance, kept = signed.read_bytes(), random.Random(7), 0
    start = whole.index(MANIFEST_BOX)
    for _ in range(60):
        content = bytearray(whole)
        # Within what is not padding.
        content[start + chance.randrange(3100)] ^= 1 << chance.randrange(8)
        signed.write_bytes(content)
        parent = parent_of(signed, trust)
        try:
            reading, _ = remix(parent)
        except SigningFailed:
            reading, _ = remix(Parent(title=parent.title, inherited=parent.inherited.without_store("unusable")))
        assert (reading.ours, reading.clip_id) == (True, "clip_remix")
        kept += parent.inherited is not None and not parent.inherited.cut
    assert kept > 10
