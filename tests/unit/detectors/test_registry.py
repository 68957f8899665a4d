"""What runs is loaded, checked and named; anything that cannot run stops the start."""

import dataclasses
import sys
from pathlib import Path

import numpy as np
import pytest

from detectors.base import DetectorUnavailable, Frame, State, Subject
from detectors.embedding import MIN_DISTANT_HEIGHT
from detectors.manifests import Manifest
from detectors.registry import DETECTORS, SCORING, load_detectors, manifest_hash, plugins
from detectors.rehearsal import RehearsalDetector
from detectors.words import WordLists, load_word_lists

WORDS = Path(__file__).parents[3] / "policies" / "words"
SAMPLING = {"fps": 3.0, "long_side": 1280}

PLUGIN = """
from detectors.rehearsal import RehearsalDetector
def build(equipment):
    assert equipment.device == "cpu" and equipment.manifest.models and equipment.lexicon.categories
    return RehearsalDetector(name="extra", values={"SIGNAL": 0.5})
"""


@pytest.fixture(scope="module")
def lexicon() -> WordLists:
    return load_word_lists(WORDS)


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Put a plug-in on the path the way an installed distribution would be."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def put(name: str, source: str, version: str = "1.0") -> None:
        module = f"plugin_of_{name}_{tmp_path.name.replace('-', '_')}"
        (tmp_path / f"{module}.py").write_text(source)
        info = tmp_path / f"{module}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: {version}\n")
        (info / "entry_points.txt").write_text(f"[countersign.detectors]\n{name} = {module}:build\n")
        monkeypatch.delitem(sys.modules, module, raising=False)

    return put


def load(embedded_pack: Manifest, lexicon: WordLists):
    return load_detectors(embedded_pack.folder.parent, "cpu", lexicon)


@pytest.fixture
def one_shipped(monkeypatch):
    """Ship one detector only: what a plug-in does to a start is the same beside one as beside all of them."""
    monkeypatch.setattr("detectors.registry.DETECTORS", {"explicit": DETECTORS["explicit"]})


def test_the_shipped_detectors_emit_each_required_signal_once(embedded_pack: Manifest, lexicon: WordLists):
    detectors = load(embedded_pack, lexicon)
    assert [detector.name for detector in detectors] == list(DETECTORS)
    signals = [signal for detector in detectors for signal in detector.signals]
    assert len(signals) == len(set(signals))
    assert {"explicit.score", "face.detection", "face.match_distance", "face.age", "face.unread", "minor.score"} <= set(
        signals
    )


@pytest.mark.usefixtures("one_shipped")
def test_a_plugin_joins(embedded_pack: Manifest, lexicon: WordLists, install):
    install("extra", PLUGIN.replace("SIGNAL", "extra.score"))
    assert [detector.name for detector in load(embedded_pack, lexicon)][-1] == "extra"


@pytest.mark.usefixtures("one_shipped")
def test_a_plugin_that_cannot_be_imported_stops_the_start_by_name(embedded_pack: Manifest, lexicon: WordLists, install):
    install("fancy", "import no_such_module")
    with pytest.raises(DetectorUnavailable, match=r"plug-in fancy .*no_such_module"):
        load(embedded_pack, lexicon)


@pytest.mark.usefixtures("one_shipped")
def test_a_plugin_that_cannot_be_built_stops_the_start_by_name(embedded_pack: Manifest, lexicon: WordLists, install):
    install("fancy", "def build(equipment): raise RuntimeError('no licence')")
    with pytest.raises(DetectorUnavailable, match=r"fancy .*no licence"):
        load(embedded_pack, lexicon)


@pytest.mark.usefixtures("one_shipped")
def test_a_plugin_that_fails_its_check_stops_the_start(embedded_pack: Manifest, lexicon: WordLists, install):
    install("fancy", PLUGIN.replace("SIGNAL", "x.y").replace("values=", "broken=True, values="))
    with pytest.raises(DetectorUnavailable, match="detector fancy"):
        load(embedded_pack, lexicon)


@pytest.mark.usefixtures("one_shipped")
def test_a_plugin_may_not_take_a_shipped_name_or_signal(embedded_pack: Manifest, lexicon: WordLists, install):
    install("twin", PLUGIN.replace("SIGNAL", "explicit.score"))
    with pytest.raises(DetectorUnavailable, match=r"explicit and extra both emit explicit\.score"):
        load(embedded_pack, lexicon)
    install("explicit", PLUGIN.replace("SIGNAL", "a.b"))
    with pytest.raises(DetectorUnavailable, match=r"plug-in explicit .* taken"):
        plugins()


def test_a_missing_pack_stops_the_start(tmp_path, lexicon: WordLists):
    with pytest.raises(DetectorUnavailable, match="models build"):
        load_detectors(tmp_path, "cpu", lexicon)


def test_the_hash_moves_with_everything_that_decides_signals(
    embedded_pack: Manifest, lexicon: WordLists, install, monkeypatch
):
    before = manifest_hash(embedded_pack, lexicon, SAMPLING)
    assert manifest_hash(embedded_pack, lexicon, dict(reversed(SAMPLING.items()))) == before

    def with_first(**changes: object) -> Manifest:
        first, *rest = embedded_pack.models
        return dataclasses.replace(embedded_pack, models=(dataclasses.replace(first, **changes), *rest))

    others = [
        manifest_hash(embedded_pack, lexicon, {**SAMPLING, "fps": 2.0}),
        manifest_hash(
            embedded_pack,
            dataclasses.replace(lexicon, lexicon=dataclasses.replace(lexicon.lexicon, version="sha256:0")),
            SAMPLING,
        ),
        manifest_hash(with_first(version="2"), lexicon, SAMPLING),
        manifest_hash(with_first(sha256="0" * 64), lexicon, SAMPLING),
        manifest_hash(with_first(thresholds={"score": 0.71}), lexicon, SAMPLING),
    ]
    # A plug-in counts by being installed; nothing of it is imported for the hash.
    install("extra", PLUGIN)
    others.append(manifest_hash(embedded_pack, lexicon, SAMPLING))
    monkeypatch.setattr("detectors.registry.SCORING", SCORING + 1)
    others.append(manifest_hash(embedded_pack, lexicon, SAMPLING))
    monkeypatch.setattr("detectors.embedding.MIN_DISTANT_HEIGHT", MIN_DISTANT_HEIGHT + 1)
    others.append(manifest_hash(embedded_pack, lexicon, SAMPLING))
    assert len({before, *others}) == len(others) + 1


def frame(time_ms):
    return Frame(index=0, time_ms=time_ms, pixels=np.zeros((4, 4, 3), np.uint8))


def test_a_rehearsal_says_its_script_and_its_name():
    detector = RehearsalDetector(name="explicit", values={"explicit.score": 0.9, "face.age": State.FAILED})
    inspection = detector.open(Subject(duration_ms=1000))
    inspection.see([frame(0), frame(333)])
    score, age = inspection.finish().signals
    assert [(sample.time_ms, sample.value) for sample in score.samples] == [(0, 0.9), (333, 0.9)]
    assert (age.state, age.samples) == (State.FAILED, ())
    assert {signal.model.id for signal in (score, age)} == {"rehearsal"}


def test_a_rehearsed_outage_is_the_systems_and_a_choke_is_the_clips():
    detector = RehearsalDetector(name="faces", values={"face.age": 40.0}, choking=True)
    with pytest.raises(Exception, match="told to fail"):
        detector.open(Subject(duration_ms=1)).see([frame(0)])
    detector.self_check()
    detector.broken = True
    with pytest.raises(DetectorUnavailable):
        detector.self_check()
