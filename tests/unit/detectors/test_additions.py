"""What a deployment adds: nothing unasked, everything asked for or no start, and a name that follows all of it."""

from pathlib import Path

import pytest

from detectors.additions import Additions
from detectors.base import DetectorUnavailable
from detectors.gpu.pack import Placement
from detectors.manifests import Manifest

LABELS = Path(__file__).parents[3] / "policies" / "scenes" / "labels.yaml"


def test_nothing_is_added_unasked(embedded_pack: Manifest):
    assert Additions().load(embedded_pack.folder.parent, embedded_pack) == ()


def test_the_gpu_pack_without_a_lock_stops_the_start(embedded_pack: Manifest, tmp_path):
    asked = Additions(pack="gpu", lock=tmp_path / "gpu.lock.json", labels=LABELS, placement=Placement(device="cpu"))
    with pytest.raises(DetectorUnavailable, match="nothing of it is pinned"):
        asked.load(embedded_pack.folder.parent, embedded_pack)
    with pytest.raises(DetectorUnavailable, match="needs a lock"):
        Additions(pack="gpu").load(embedded_pack.folder.parent, embedded_pack)


def test_a_remote_that_does_not_answer_stops_the_start(embedded_pack: Manifest, tmp_path):
    path = tmp_path / "remote.toml"
    path.write_text(
        '[[detectors]]\nname = "vendor"\nurl = "http://127.0.0.1:9/"\nmodel = "m"\nversion = "1"\n'
        '[detectors.signals]\n"remote.explicit" = "nsfw"\n'
    )
    with pytest.raises(DetectorUnavailable, match="vendor cannot be reached"):
        Additions(remotes=path).load(embedded_pack.folder.parent, embedded_pack)


@pytest.mark.parametrize(("port", "token"), [("none", "s3cret"), ("9", "clé")])
def test_what_nobody_foresaw_stops_the_start_by_name(embedded_pack: Manifest, tmp_path, monkeypatch, port, token):
    """A port that is no number is found out at the first call, a token that no header can hold when it is made."""
    monkeypatch.setenv("VENDOR_TOKEN", token)
    path = tmp_path / "remote.toml"
    path.write_text(
        '[[detectors]]\nname = "vendor"\nurl = "http://127.0.0.1:PORT/"\nmodel = "m"\nversion = "1"\n'
        'token_env = "VENDOR_TOKEN"\n'
        '[detectors.signals]\n"remote.explicit" = "nsfw"\n'.replace("PORT", port)
    )
    with pytest.raises(DetectorUnavailable, match="detector vendor cannot be loaded"):
        Additions(remotes=path).load(embedded_pack.folder.parent, embedded_pack)


def test_every_part_of_it_belongs_to_the_name(tmp_path):
    lock, labels, remotes = tmp_path / "lock", tmp_path / "labels.yaml", tmp_path / "remote.toml"
    labels.write_text(LABELS.read_text())
    remotes.write_text("detectors = []\n")
    asked = {"pack": "gpu", "lock": lock, "labels": labels}
    found = [Additions().digest(), Additions(remotes=remotes).digest(), Additions(**asked).digest()]
    found += [
        Additions(**asked, placement=placement).digest()
        for placement in (
            Placement(device="cpu"), Placement(precision="bf16"), Placement(frames_per_run=8), Placement(execution="graph"),
        )
    ]  # fmt: skip
    probe = '"probe": []'
    files = '"files": {"glintr100.onnx": {"sha256": "%s", "bytes": 1}}'
    lock.write_text(f'{{"models.1": {{"auraface": {{"revision": "{"a" * 40}", {files % ("0" * 64)}, {probe}}}}}}}')
    found.append(Additions(**asked).digest())
    lock.write_text(lock.read_text().replace("0" * 64, "1" * 64))
    found.append(Additions(**asked).digest())
    labels.write_text(LABELS.read_text().replace("red paint", "blue paint"))
    found.append(Additions(**asked).digest())
    assert len(set(found)) == len(found)
