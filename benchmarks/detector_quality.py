"""How good the detectors are: on a labelled folder of an operator's own, or on what licensed pictures can show.

With a folder (`flagged/` and `benign/` in it): AUC, equal error rate, errors at the policies' lines, calibration.
Without one: false alarms on benign stills, faces and ages by size and blur, and what was not measured at all.
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

import cv2
import numpy as np
from licensed_stills import STILLS, credits_of, of_kind, picture
from numpy.typing import NDArray
from results import circumstances, print_table, save, tell

from detectors.calibration import CalibrationError, calibrate
from detectors.explicit import SIGNAL, ExplicitDetector
from detectors.faces import Faces
from detectors.figures import equal_error_rate, error_rates, exact_interval, roc_auc
from detectors.manifests import Manifest
from detectors.packs import build
from detectors.screentext import ScreenText
from moderation.calibrating import BENIGN, FLAGGED, Labelled, draw_reliability, read_picture
from moderation.settings import Settings

Pixels = NDArray[np.uint8]
#: The lines of policies/explicit.
LINES: Final = (0.2, 0.3, 0.5, 0.8)
HEIGHTS: Final = (16, 24, 32, 48, 64, 96, 128)
BLURS: Final = (0.0, 1.0, 2.0, 3.0, 4.0)
CAPTION_SHARES: Final = (0.02, 0.03, 0.04, 0.06)
#: Photographs with a known year of birth and of the picture; all adults.
AGES: Final = {"obama-2009": 48, "obama-2010": 49, "obama-2012": 51, "biden-2010": 67, "collins": 42, "hopper": 77}
NOT_MEASURED: Final = (
    ("explicit content", "recall", "no explicit picture was ever used"),
    ("explicit content", "generated clips", "no labelled set without such pictures exists"),
    ("apparent age", "children and teenagers", "no picture of a child was used"),
    ("apparent age", "by origin", "no licensed set that says it"),
    ("faces", "under make-up, masks, in full profile", "no licensed set"),
    ("text", "Arabic, Cyrillic, Tifinagh", "the network knows no letter of them"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """So many events in so many trials, with the exact 95 % interval."""

    what: str
    at: str
    events: int
    trials: int

    @property
    def cells(self) -> tuple[object, ...]:
        low, high = exact_interval(self.events, self.trials)
        return self.what, self.at, self.events, self.trials, self.events / self.trials, low, high


def main() -> None:
    """Measure and write `results/detector_quality.json`, or for a folder print and write a diagram beside it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, help="holds flagged/ and benign/")
    asked = parser.parse_args()
    settings = Settings()
    manifest = build(settings.models, progress=tell)
    if asked.folder is not None:
        judge_folder(ExplicitDetector.load(manifest), asked.folder)
        return
    began = circumstances()
    shares = [share.cells for share in measure(manifest, settings.models)]
    heads = ("what", "at", "events", "trials", "share", "low", "high")
    print_table("detectors on licensed pictures (95 % exact intervals)", [heads, *shares])
    years = list(ages(Faces.load(manifest), settings.models))
    print_table("apparent age, photographs of adults", [("picture", "true", "read", "off"), *years])
    print_table("not measured", [("what", "on", "why"), *NOT_MEASURED])
    figures = {
        "shares": [dict(zip(heads, cells, strict=True)) for cells in shares],
        "ages": [dict(zip(("picture", "true", "read", "off"), line, strict=True)) for line in years],
        "not_measured": [dict(zip(("what", "on", "why"), line, strict=True)) for line in NOT_MEASURED],
        "pictures": credits_of(STILLS),
    }
    tell(str(save("detector_quality", began, figures)))


def judge_folder(detector: ExplicitDetector, folder: Path) -> None:
    """Print what the explicit score is worth on labelled pictures."""
    scored = {name: list(_scores(detector, folder / name)) for name in (FLAGGED, BENIGN)}
    scores = np.array(scored[FLAGGED] + scored[BENIGN], np.float64)
    labels = np.array([True] * len(scored[FLAGGED]) + [False] * len(scored[BENIGN]))
    try:
        eer, line = equal_error_rate(scores, labels)
    except ValueError as error:
        sys.exit(f"{folder}: {error}")
    lines = [(at, *error_rates(scores, labels, at)) for at in LINES]
    print_table("errors at a line", [("line", "false alarms", "misses"), *lines])
    table: list[tuple[str, object]] = [("AUC", roc_auc(scores, labels)), ("equal error rate", eer), ("at", line)]
    try:
        calibration = calibrate(SIGNAL, detector.model, scores, labels)
    except CalibrationError as error:
        tell(f"no calibration: {error}")
    else:
        table.append(("expected calibration error, items left out", calibration.figures["ece"]))
        diagram = folder / "reliability.png"
        found = Labelled(scores=scores, labels=labels, unreadable=())
        cv2.imwrite(str(diagram), draw_reliability(calibration, found))
        tell(f"reliability diagram: {diagram}")
    print_table(f"{SIGNAL}: {labels.sum()} flagged, {(~labels).sum()} benign", [("figure", "value"), *table])


def _scores(detector: ExplicitDetector, folder: Path) -> Iterator[float]:
    for path in sorted(folder.rglob("*")):
        pixels = read_picture(path) if path.is_file() else None
        if pixels is not None:
            yield detector.score([pixels])[0]


def measure(manifest: Manifest, cache: Path) -> Iterator[Share]:
    """Everything that licensed pictures can show."""
    stills = {name: picture(name, cache) for name in STILLS}
    yield from false_alarms(ExplicitDetector.load(manifest), stills)
    yield from faces_found(Faces.load(manifest), stills)
    yield from captions_read(ScreenText.load(manifest), stills)


def false_alarms(detector: ExplicitDetector, stills: dict[str, Pixels]) -> Iterator[Share]:
    """Benign pictures at or above each line of the policies, by kind."""
    for kind in ("photograph", "painting", "drawing", "thing"):
        scores = [detector.score([stills[name]])[0] for name in of_kind(kind)]
        for line in LINES:
            above = sum(score >= line for score in scores)
            yield Share(what=f"explicit, false alarm, {kind}", at=f"{line}", events=above, trials=len(scores))


def faces_found(faces: Faces, stills: dict[str, Pixels]) -> Iterator[Share]:
    """Faces missed by height and by blur, and faces found in pictures of things."""
    people = [stills[name] for name in of_kind("photograph") if len(faces.finder.find(stills[name])) == 1]
    for height in HEIGHTS:
        missed = sum(not faces.finder.find(_with_face_of(faces, pixels, height)) for pixels in people)
        yield Share(what="face missed, photograph, by height", at=f"{height} px", events=missed, trials=len(people))
    for blur in BLURS:
        seen = [_blurred(_with_face_of(faces, pixels, 128), blur) for pixels in people]
        unread = sum(not faces.face_templates(pixels) for pixels in seen)
        yield Share(what="face of 128 px unread, by blur", at=f"sigma {blur:g}", events=unread, trials=len(people))
    things = [stills[name] for name in of_kind("thing")]
    found = sum(bool(faces.finder.find(pixels)) for pixels in things)
    yield Share(what="face found in a picture of a thing", at="0.70", events=found, trials=len(things))


def captions_read(detector: ScreenText, stills: dict[str, Pixels]) -> Iterator[Share]:
    """Captions drawn over photographs that were not read letter for letter, by height of the capitals."""
    wanted = "MEET ME AT NINE"
    grounds = [_framed(stills[name]) for name in of_kind("photograph")]
    for share in CAPTION_SHARES:
        missed = sum(wanted not in [r.text for _, r in detector.read(_captioned(g, wanted, share))] for g in grounds)
        yield Share(what="caption not read, Latin", at=f"{share:.0%} of height", events=missed, trials=len(grounds))
    empty = sum(bool(detector.read(ground)) for ground in grounds)
    yield Share(what="letters read where there are none", at="0.60", events=empty, trials=len(grounds))


def ages(faces: Faces, cache: Path) -> Iterator[tuple[str, int, float, float]]:
    """The younger of the two networks' answers for photographs of known age."""
    for name, years in AGES.items():
        pixels = picture(name, cache)
        (face,) = sorted(faces.finder.find(pixels), key=lambda face: -face.height)[:1]
        (reading,) = faces.ages.read(pixels, [face.edges], [face.points])
        if reading.youngest is not None:
            yield name, years, reading.youngest, reading.youngest - years


def _with_face_of(faces: Faces, pixels: Pixels, height: int) -> Pixels:
    """Shrink (or enlarge) a picture so that its face is so high, in a frame of 640 x 360 or more."""
    (face,) = faces.finder.find(pixels)
    scale = height / face.height
    small = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    below, right = max(0, 360 - small.shape[0]), max(0, 640 - small.shape[1])
    return cast("Pixels", cv2.copyMakeBorder(small, 0, below, 0, right, cv2.BORDER_CONSTANT, value=(96, 96, 96)))


def _blurred(pixels: Pixels, sigma: float) -> Pixels:
    return cast("Pixels", cv2.GaussianBlur(pixels, (0, 0), sigma)) if sigma else pixels


def _framed(pixels: Pixels) -> Pixels:
    """Cut and scale a picture to 1280 x 720."""
    height, width = pixels.shape[:2]
    scale = max(1280 / width, 720 / height)
    large = cv2.resize(pixels, None, fx=scale, fy=scale)
    return np.ascontiguousarray(large[:720, :1280])


def _captioned(pixels: Pixels, text: str, share: float) -> Pixels:
    """Write white capitals of this share of the height across the lower third, with a dark rim as captions have."""
    drawn = pixels.copy()
    size = cv2.getFontScaleFromHeight(cv2.FONT_HERSHEY_DUPLEX, round(share * pixels.shape[0]), 1)
    put: Callable[..., object] = cv2.putText
    for colour, stroke in (((0, 0, 0), 5), ((255, 255, 255), 2)):
        put(drawn, text, (40, 600), cv2.FONT_HERSHEY_DUPLEX, size, colour, stroke, cv2.LINE_AA)
    return drawn


if __name__ == "__main__":
    main()
