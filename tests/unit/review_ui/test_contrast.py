"""The style sheet's colours can be told apart, light and dark (WCAG 2.2, 1.4.3 and 1.4.11)."""

import re
from pathlib import Path

import pytest

import review_ui

SHEET = (Path(review_ui.__file__).parent / "static" / "app.css").read_text()
TOKENS = {name: pair for name, *pair in re.findall(r"--([a-z-]+): light-dark\((#\w{6}), (#\w{6})\)", SHEET)}
TEXTS = [
    ("text", "surface"),
    ("text", "ground"),
    ("muted", "surface"),
    ("muted", "ground"),
    ("accent", "surface"),
    ("accent", "ground"),
    ("on-accent", "accent"),
    ("hot", "surface"),
    ("hot", "hot-ground"),
    ("ok", "ground"),
]
SHAPES = [("edge", "surface"), ("cool", "surface"), ("hot", "surface"), ("ok", "surface"), ("warn", "surface")]


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", [0, 1])
@pytest.mark.parametrize(("pairs", "least"), [(TEXTS, 4.5), (SHAPES, 3.0)])
def test_colours_can_be_told_apart(scheme, pairs, least):
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    low = {pair: contrast(TOKENS[pair[0]][scheme], TOKENS[pair[1]][scheme]) for pair in pairs}
    assert {pair: value for pair, value in low.items() if value < least} == {}
