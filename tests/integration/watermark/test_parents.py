"""Remixes: the manifests of what a clip was made from are kept inside its own."""

import json
from dataclasses import replace
from pathlib import Path

from watermark import credentials
from watermark.credentials import Trust, read, sign
from watermark.manifest import Parent


def manifest_store(path: Path, trust: Trust) -> dict:
    settings = credentials._settings(trust)
    with path.open("rb") as file, credentials._context(settings) as context, credentials._reader(file, context) as it:
        return json.loads(it.json())


def test_a_remix_keeps_the_manifests_of_its_parents(clip, spec, signer, trust, signed, new_clip, tmp_path):
    second = tmp_path / "second.mp4"
    sign(new_clip(tmp_path / "b.mp4", seed=2), second, replace(spec, clip_id="clip_second"), signer)
    parents = (Parent(path=signed, title="clip_0193b0"), Parent(path=second, title="clip_second"))
    sign(clip, tmp_path / "remix.mp4", replace(spec, clip_id="clip_remix", parents=parents), signer)
    reading = read(tmp_path / "remix.mp4", trust)
    assert (reading.ours, reading.clip_id) == (True, "clip_remix")
    assert reading.parents == (read(signed, trust).manifest_id, read(second, trust).manifest_id)
    store = manifest_store(tmp_path / "remix.mp4", trust)
    assert len(store["manifests"]) == 3
    active = store["manifests"][store["active_manifest"]]
    assert [item["relationship"] for item in active["ingredients"]] == ["parentOf", "componentOf"]
    actions = next(item for item in active["assertions"] if item["label"] == "c2pa.actions.v2")["data"]["actions"]
    assert [act["action"] for act in actions] == ["c2pa.opened", "c2pa.placed", "c2pa.edited", "c2pa.watermarked.bound"]


def test_parents_without_manifests_are_named(clip: Path, spec, signer, trust, tmp_path: Path):
    (tmp_path / "other.mkv").write_bytes(b"\x1aE\xdf\xa3 a container C2PA does not know")
    parents = (Parent(path=clip, title="clip_bare"), Parent(path=tmp_path / "other.mkv", title="clip_mkv"))
    sign(clip, tmp_path / "remix.mp4", replace(spec, parents=parents), signer)
    assert read(tmp_path / "remix.mp4", trust).ours
    assert read(tmp_path / "remix.mp4", trust).parents == ()
    store = manifest_store(tmp_path / "remix.mp4", trust)
    active = store["manifests"][store["active_manifest"]]
    assert {item["title"] for item in active["ingredients"]} == {"clip_bare", "clip_mkv"}


def test_a_broken_parent_does_not_break_the_remix_nor_become_sound(clip, spec, signer, trust, signed, tmp_path: Path):
    content = bytearray(signed.read_bytes())
    content[content.index(b"mdat") + 100] ^= 1
    signed.write_bytes(content)
    sign(clip, tmp_path / "remix.mp4", replace(spec, parents=(Parent(path=signed, title="clip_x"),)), signer)
    assert read(tmp_path / "remix.mp4", trust).ours
    assert "assertion.bmffHash.mismatch" in json.dumps(manifest_store(tmp_path / "remix.mp4", trust))
