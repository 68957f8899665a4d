"""A fitted curve gives back the probabilities that drew the labels; poor data is refused; nothing is left out silently."""

import json

import numpy as np
import pytest

from detectors.base import Model
from detectors.calibration import Calibration, CalibrationError, calibrate, load_calibrations

MODEL = Model(id="net", version="1")


def drawn(count: int, slope: float, offset: float) -> tuple[np.ndarray, np.ndarray]:
    """Scores, and labels drawn with the probability that a known curve gives them."""
    rng = np.random.default_rng(5)
    scores = rng.uniform(0.02, 0.98, count)
    probability = 1 / (1 + np.exp(-(slope * np.log(scores / (1 - scores)) + offset)))
    return scores, rng.uniform(size=count) < probability


def test_the_curve_that_drew_the_labels_is_found_again():
    calibration = calibrate("explicit.score", MODEL, *drawn(20_000, 1.7, -2.0))
    assert calibration.slope == pytest.approx(1.7, abs=0.1)
    assert calibration.offset == pytest.approx(-2.0, abs=0.1)
    assert calibration.figures["ece"] < 0.02
    assert calibration.probability(0.5) == pytest.approx(1 / (1 + np.exp(2.0)), abs=0.02)


def test_a_clean_split_stays_finite_and_short_of_certain():
    scores = np.array([0.0] * 60 + [1.0] * 60)
    calibration = calibrate("explicit.score", MODEL, scores, scores > 0.5)
    assert np.isfinite([calibration.slope, calibration.offset]).all()
    assert 0 < calibration.probability(0.0) < 0.1
    assert 0.9 < calibration.probability(1.0) < 1
    assert calibration.figures["auc"] == 1.0


def test_too_little_data_and_swapped_labels_are_refused():
    scores, labels = drawn(200, 2.0, 0.0)
    with pytest.raises(CalibrationError, match="50 of each"):
        calibrate("explicit.score", MODEL, scores[:60], labels[:60])
    with pytest.raises(CalibrationError, match="do not score higher"):
        calibrate("explicit.score", MODEL, scores, ~labels)


def test_the_id_names_the_curve_and_the_file_gives_it_back(tmp_path):
    first = calibrate("explicit.score", MODEL, *drawn(400, 1.0, 0.0))
    other = calibrate("explicit.score", MODEL, *drawn(400, 2.0, 0.0))
    assert first.id != other.id
    (tmp_path / "explicit.score.json").write_text(first.to_json())
    assert load_calibrations(tmp_path) == {"explicit.score": first}
    assert load_calibrations(tmp_path)["explicit.score"].id == first.id
    assert load_calibrations(tmp_path / "none") == {}


def test_a_damaged_file_is_never_left_out(tmp_path):
    (tmp_path / "explicit.score.json").write_text("{")
    with pytest.raises(CalibrationError, match=r"explicit\.score\.json"):
        load_calibrations(tmp_path)


def test_two_curves_for_one_signal_are_never_chosen_between(tmp_path):
    made = calibrate("explicit.score", MODEL, *drawn(400, 1.0, 0.0))
    (tmp_path / "explicit.score.json").write_text(made.to_json())
    (tmp_path / "older.json").write_text(made.to_json())
    with pytest.raises(CalibrationError, match="is a second calibration"):
        load_calibrations(tmp_path)


@pytest.mark.parametrize("change", [{"slope": float("nan")}, {"offset": float("inf")}, {"slope": -1.0}, {"slope": "1"}])
def test_a_curve_that_gives_no_number_or_falls_is_no_calibration(tmp_path, change):
    made = json.loads(calibrate("explicit.score", MODEL, *drawn(400, 1.0, 0.0)).to_json())
    (tmp_path / "explicit.score.json").write_text(json.dumps({**made, **change}))
    with pytest.raises(CalibrationError, match="is no calibration"):
        load_calibrations(tmp_path)


def test_it_fits_its_own_weights_only():
    calibration = Calibration(signal="s", model="net", version="1", slope=1, offset=0, flagged=50, benign=50)
    assert calibration.fits(MODEL)
    assert not calibration.fits(Model(id="net", version="2"))
