"""Lettering: joined Arabic, the right order, the same pixels on every machine."""

import numpy as np

from watermark.lettering import _visual_runs, is_rtl, plain, render, undrawable


def ink(text, locale):
    return float(render(text, 64, locale).sum())


def test_arabic_letters_join():
    # Unjoined, each letter stands alone and is wider: shaping must make the word narrower than its letters apart.
    word = render("سلام", 64, "ar").shape[1]
    apart = sum(render(letter, 64, "ar").shape[1] for letter in "سلام")
    assert word < 0.8 * apart


def test_lam_alef_is_one_ligature():
    assert render("لا", 64, "ar").shape[1] < 0.8 * (render("ل", 64, "ar").shape[1] + render("ا", 64, "ar").shape[1])


def test_arabic_runs_from_right_to_left():
    # Alef is a thin stroke, seen a wide letter with three teeth: read from the right, alef comes first.
    line = render("اس", 64, "ar")
    right, left = line[:, -line.shape[1] // 3 :], line[:, : line.shape[1] // 2]
    assert left.sum() > right.sum()


def test_latin_inside_arabic_keeps_its_own_direction():
    assert _visual_runs("من abc 12", "R") == [("abc 12", False), ("من ", True)]


def test_marks_stay_inside_the_line():
    line = render("مُولَّد بالذكاء الاصطناعي", 64, "ar")
    assert line[0].max() == 0.0
    assert line[-1].max() == 0.0
    assert line.max() == 1.0


def test_accents_are_drawn():
    assert ink("é", "fr") > ink("e", "fr")


def test_the_same_text_gives_the_same_pixels():
    assert np.array_equal(render("Généré par IA", 40, "fr"), render("Généré par IA", 40, "fr"))


def test_what_cannot_or_must_not_be_drawn_is_dropped():
    assert plain("a\u202eb\x07\u200dc") == "abc"
    assert undrawable("a\u202eb\x07\u4f60c\u4f60") == "\u4f60"


def test_which_languages_run_from_the_right():
    assert is_rtl("ar")
    assert is_rtl("ar-MA")
    assert not is_rtl("fr")
