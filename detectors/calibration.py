"""Turns a raw score into a probability, by labelled data of an operator's own. Without such data there is none."""

import hashlib
import json
import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from detectors.base import Model, quantise
from detectors.figures import (
    Labels,
    Scores,
    equal_error_rate,
    exact_interval,
    expected_calibration_error,
    reliability,
    roc_auc,
)

#: Fewer of either kind say too little about the tails that decisions are made in.
LEAST_OF_EACH: Final = 50
FOLDS: Final = 5
#: Scores are kept this far from 0 and 1, where the logit has no value.
_EDGE: Final = 1e-4
_STEPS: Final = 100
_SETTLED: Final = 1e-10


class CalibrationError(Exception):
    """The labelled data cannot calibrate this model; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """A fitted curve for one signal of one model: probability = 1 / (1 + exp(-(slope * logit(score) + offset)))."""

    signal: str
    model: str
    version: str
    slope: float
    offset: float
    flagged: int
    benign: int
    #: What the fit was worth on data it had not seen: auc, eer, ece, false_alarms_at_half with its interval, ...
    figures: dict[str, float] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """Names this very curve; decisions keep it."""
        return "cal_" + hashlib.sha256(self.to_json().encode()).hexdigest()[:16]

    def __post_init__(self) -> None:
        """Refuse a curve that falls or that gives no number. Raises ValueError."""
        if not (math.isfinite(self.slope) and math.isfinite(self.offset) and self.slope > 0):
            raise ValueError(f"{self.slope} and {self.offset} are no curve that rises with the score")

    def fits(self, model: Model) -> bool:
        """Whether it was made for these weights."""
        return (self.model, self.version) == (model.id, model.version)

    def probability(self, score: float) -> float:
        """Return the quantised probability for one raw score."""
        return quantise(_curve(np.array([score]), self.slope, self.offset)[0])

    def to_json(self) -> str:
        """Return the file's content."""
        return json.dumps(asdict(self), indent=2, sort_keys=True) + "\n"


def calibrate(signal: str, model: Model, scores: Scores, labels: Labels) -> Calibration:
    """Fit a curve to labelled scores (float64 [n], bool [n], true for flagged); figures are of items left out.

    Platt's sigmoid on the logit of the score, by Newton's method with his smoothed targets (Platt 1999; Lin, Lin and
    Weng 2007). Raises CalibrationError when there is too little data or when the scores do not tell the two apart.
    """
    flagged, benign = int(labels.sum()), int((~labels).sum())
    if min(flagged, benign) < LEAST_OF_EACH:
        raise CalibrationError(f"{flagged} flagged and {benign} benign items; {LEAST_OF_EACH} of each are needed")
    slope, offset = _fit(scores, labels)
    if round(slope, 6) <= 0:
        raise CalibrationError("flagged items do not score higher than benign ones: the labels or the model are wrong")
    unseen = _left_out(scores, labels)
    return Calibration(
        signal=signal,
        model=model.id,
        version=model.version,
        slope=round(slope, 6),
        offset=round(offset, 6),
        flagged=flagged,
        benign=benign,
        figures={name: round(value, 4) for name, value in _figures(scores, unseen, labels).items()},
    )


def load_calibrations(folder: Path) -> dict[str, Calibration]:
    """Return the calibrations kept in a folder, by signal; none when it is not there.

    Raises CalibrationError when a file cannot be read: a curve that was asked for is never silently left out.
    """
    found: dict[str, Calibration] = {}
    for path in sorted(folder.glob("*.json")):
        try:
            calibration = Calibration(**json.loads(path.read_bytes()))
        except (OSError, ValueError, TypeError) as error:
            raise CalibrationError(f"{path} is no calibration ({error!r}); make it again or remove it") from error
        if calibration.signal in found:
            raise CalibrationError(f"{path} is a second calibration of {calibration.signal}; remove one of the two")
        found[calibration.signal] = calibration
    return found


def _curve(scores: Scores, slope: float, offset: float) -> Scores:
    return np.asarray(1 / (1 + np.exp(-(slope * _logit(scores) + offset))), np.float64)


def _logit(scores: Scores) -> Scores:
    inside = np.clip(scores, _EDGE, 1 - _EDGE)
    return np.asarray(np.log(inside / (1 - inside)), np.float64)


def _fit(scores: Scores, labels: Labels) -> tuple[float, float]:
    """Return slope and offset. The targets are held off 0 and 1, so a clean split does not run to infinity."""
    flagged, benign = labels.sum(), (~labels).sum()
    wanted = np.where(labels, (flagged + 1) / (flagged + 2), 1 / (benign + 2))
    terms = np.stack([_logit(scores), np.ones(len(scores))])
    weights = np.zeros(2)
    for _ in range(_STEPS):
        said = 1 / (1 + np.exp(-(weights @ terms)))
        slack = terms @ (wanted - said)
        bend = (terms * (said * (1 - said))) @ terms.T + np.eye(2) * 1e-12
        step = np.linalg.solve(bend, slack)
        # Newton's full step overshoots where the curve is nearly flat.
        weights = weights + step / max(1.0, float(np.abs(step).max()))
        if float(np.abs(step).max()) < _SETTLED:
            break
    return float(weights[0]), float(weights[1])


def _left_out(scores: Scores, labels: Labels) -> Scores:
    """Return each item's probability by a curve fitted without it: every fifth item of each kind at a time."""
    fold = np.empty(len(scores), int)
    for kind in (labels, ~labels):
        fold[kind] = np.arange(kind.sum()) % FOLDS
    said = np.empty(len(scores))
    for number in range(FOLDS):
        inside = fold == number
        said[inside] = _curve(scores[inside], *_fit(scores[~inside], labels[~inside]))
    return said


def _figures(scores: Scores, said: Scores, labels: Labels) -> dict[str, float]:
    eer, line = equal_error_rate(scores, labels)
    alarms = int((said[~labels] >= 1 / 2).sum())
    misses = int((said[labels] < 1 / 2).sum())
    low_alarms, high_alarms = exact_interval(alarms, int((~labels).sum()))
    low_misses, high_misses = exact_interval(misses, int(labels.sum()))
    return {
        "auc": roc_auc(scores, labels),
        "eer": eer,
        "eer_score": line,
        "ece": expected_calibration_error(reliability(said, labels)),
        "false_alarms_at_half": alarms / int((~labels).sum()),
        "false_alarms_at_half_low": low_alarms,
        "false_alarms_at_half_high": high_alarms,
        "misses_at_half": misses / int(labels.sum()),
        "misses_at_half_low": low_misses,
        "misses_at_half_high": high_misses,
    }
