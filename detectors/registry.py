"""Which detectors run: the shipped ones by name, and installed plug-ins. A detector that cannot run stops the start."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Final

from detectors import (
    drawn,
    embedding,
    explicit,
    hearing,
    index,
    minors,
    screentext,
    speakers,
    tracking,
    views,
    words,
    yunet,
)
from detectors.additions import Additions
from detectors.base import SCORE_STEP, Detector, DetectorUnavailable
from detectors.calibration import Calibration
from detectors.caller import CallerClaims
from detectors.centre import CENTRE
from detectors.drawn import DrawnDetector
from detectors.explicit import ExplicitDetector
from detectors.faces import Faces
from detectors.gpu import tracks
from detectors.likeness import Lines
from detectors.manifests import Manifest, Presence
from detectors.packs import load_manifest
from detectors.runtime import Device
from detectors.screentext import ScreenText
from detectors.speech import Unwritten, give_way
from detectors.voices import MATCH_WINDOWS, Voices
from detectors.words import WordLists, Words

#: Entry points of this group are plug-ins: each names a `Factory`.
PLUGIN_GROUP: Final = "countersign.detectors"
#: Raised by hand with every change of this package's code that can change a number it emits.
SCORING: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Equipment:
    """What a factory may build its detector from."""

    manifest: Manifest
    device: Device
    lexicon: WordLists
    #: What an operator's labelled data made of raw scores, by signal.
    calibrations: Mapping[str, Calibration] = field(default_factory=dict)


Factory = Callable[[Equipment], Detector]

DETECTORS: Final[Mapping[str, Factory]] = {
    "explicit": lambda equipment: ExplicitDetector.load(
        equipment.manifest, device=equipment.device, calibration=equipment.calibrations.get(explicit.SIGNAL)
    ),
    "faces": lambda equipment: Faces.load(equipment.manifest, device=equipment.device),
    "drawn": lambda equipment: DrawnDetector.load(equipment.manifest, device=equipment.device),
    "voices": lambda equipment: Voices.load(equipment.manifest, device=equipment.device),
    "screen_text": lambda equipment: ScreenText.load(equipment.manifest, device=equipment.device),
    "words": lambda equipment: Words.load(equipment.manifest, equipment.lexicon),
    "caller": lambda _: CallerClaims(),
    "speech_text": lambda _: Unwritten(),
}


def load_detectors(
    root: Path,
    device: Device,
    lexicon: WordLists,
    calibrations: Mapping[str, Calibration] | None = None,
    additions: Additions | None = None,
) -> tuple[Detector, ...]:
    """Load every shipped detector, every plug-in and what the deployment adds, each past its self-check.

    `root` is where the packs of weights are. Raises DetectorUnavailable, naming the detector, when one cannot be
    imported, loaded or checked, or when two claim the same name or signal.
    """
    manifest = load_manifest(root)
    equipment = Equipment(manifest=manifest, device=device, lexicon=lexicon, calibrations=calibrations or {})
    factories = {**DETECTORS, **plugins()}
    loaded = tuple(_load(name, factory, equipment) for name, factory in factories.items())
    loaded = give_way(loaded + (additions or Additions()).load(root, manifest))
    _refuse_double_signals(loaded)
    return loaded


def plugins() -> dict[str, Factory]:
    """Import every installed plug-in. Raises DetectorUnavailable, naming the one that fails or takes a taken name."""
    found: dict[str, Factory] = {}
    for point in _entry_points():
        if point.name in DETECTORS or point.name in found:
            raise DetectorUnavailable(f"the detector plug-in {point.name} ({point.value}) has a name that is taken")
        try:
            found[point.name] = point.load()
        except Exception as problem:
            raise DetectorUnavailable(
                f"the detector plug-in {point.name} ({point.value}) cannot be imported: {problem!r}; "
                "repair it or uninstall it"
            ) from problem
    return found


def manifest_hash(
    manifest: Manifest,
    lexicon: WordLists,
    sampling: Mapping[str, float],
    calibrations: Mapping[str, Calibration] | None = None,
    additions: Additions | None = None,
) -> str:
    """Return the SHA-256 (hex) of all that decides signals besides the clip and the gallery.

    The models with their bytes and lines, the word lists, how frames are sampled, the constants and version of this
    package's own steps, and the plug-ins with the version of what brings them.
    """
    record = {
        "scoring": SCORING,
        "pack": manifest.digest,
        "thresholds": {
            entry.id: dict(entry.thresholds) for entry in manifest.models if entry.state is Presence.PRESENT
        },
        "lexicon": lexicon.version,
        "calibrations": sorted(calibration.id for calibration in (calibrations or {}).values()),
        "sampling": dict(sampling),
        "steps": {
            "score_step": SCORE_STEP,
            "words": [*words.STEPS],
            "border": yunet.BORDER,
            "min_sharpness": embedding.MIN_SHARPNESS,
            "distant": [embedding.MIN_DISTANT_HEIGHT, views.DISTANT_VIEWS],
            "max_missed": tracking.MAX_MISSED,
            "same_face": tracking.SAME_FACE,
            "best_views": tracking.BEST_VIEWS,
            "alike": views.ALIKE,
            "stretches": views.STRETCHES,
            "age_views": views.AGE_VIEWS,
            "ages_of_tracks": tracks.SAME_BOX,
            "age": [minors.CLEARED_FROM, minors.LIKELY_MINOR, minors.SECOND_DEVIATION_YEARS, minors.SECOND_MARGIN],
            "drawn": [drawn.EVERY_MS, minors.DRAWN_FROM, minors.MIN_SHADES],
            "graph": [
                index.GRAPH_FROM,
                index.NEIGHBOURS,
                index.CONNECTIVITY,
                index.BREADTH_OF_BUILDING,
                index.BREADTH_OF_SEARCH,
            ],
            "faces_for_a_match": Lines().faces,
            "speech": [hearing.BEGIN, hearing.END, hearing.MIN_SILENCE, hearing.MIN_SPEECH],
            "speakers": [speakers.LEVEL, speakers.STRIDE, speakers.SHORTEST, speakers.SAME_SPEAKER, MATCH_WINDOWS],
            "screen_text": list(screentext.STEPS),
            "centre": hashlib.sha256(CENTRE.tobytes()).hexdigest(),
        },
        "additions": (additions or Additions()).digest(),
        "plugins": [[point.name, point.value, point.dist.version if point.dist else ""] for point in _entry_points()],
    }
    return hashlib.sha256(json.dumps(record, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _entry_points() -> list[EntryPoint]:
    return sorted(entry_points(group=PLUGIN_GROUP), key=lambda point: (point.name, point.value))


def _load(name: str, factory: Factory, equipment: Equipment) -> Detector:
    try:
        detector = factory(equipment)
        detector.self_check()
    except DetectorUnavailable as problem:
        raise _naming(name, f"detector {name}: {problem}") from problem
    except Exception as problem:
        raise _naming(name, f"detector {name} cannot be loaded: {problem!r}") from problem
    return detector


def _naming(name: str, message: str) -> DetectorUnavailable:
    problem = DetectorUnavailable(message)
    problem.detector = name
    return problem


def _refuse_double_signals(detectors: tuple[Detector, ...]) -> None:
    owner: dict[str, str] = {}
    for detector in detectors:
        for signal in detector.signals:
            if signal in owner:
                raise DetectorUnavailable(f"detectors {owner[signal]} and {detector.name} both emit {signal}")
            owner[signal] = detector.name
