"""Lettering: joined Arabic, the right order, the same pixels on every machine."""

import subprocess
import sys

import numpy as np
import pytest

from watermark.lettering import (
    CannotDraw,
    _face_font,
    _files,
    _lay_out,
    _visual_runs,
    is_rtl,
    plain,
    render,
    undrawable,
)
from watermark.stamp import LABELS


def ink(text, locale):
    return float(render(text, 64, locale).sum())


def test_arabic_letters_join():
    # Unjoined, each letter stands alone and is wider: shaping must make the word narrower than its letters apart.
    word = render("سلام", 64, "ar").shape[1]
    apart = sum(render(letter, 64, "ar").shape[1] for letter in "سلام")
    assert word < 0.8 * apart


#: The glyphs from left to right, by the names the font gives them: which form of which letter.
SHAPED = {
    "سلام": ["uni0645", "uni0627.fina.rlig.2", "uni0644.medi.rlig", "uni0633.init"],
    "@سلمى_99": ["nine", "nine", "underscore", "uni0649.fina", "uni0645.medi", "uni0644.medi", "uni0633.init", "at"],
    LABELS["ar"]: [
        *("twodotshorizontalbelowar", "uni0649.fina", "uni0639.init", "uni0627.fina", "dotabovear", "uni066E.medi"),
        *("uni0637.medi", "uni0635.init", "uni0627.fina.rlig", "uni0644.init.rlig", "uni0627", "space"),
        *("uni0621", "uni0627.fina", "uni0643.init", "dotabovear", "uni062F.fina", "uni0644.init", "uni0627.fina"),
        *("dotbelowar", "uni066E.init", "space"),
        *("uni062F.fina", "uni064E", "uni0651", "uni0644.init", "uni0648.fina", "uni064F", "uni0645.init"),
    ],
}


@pytest.mark.parametrize("text", list(SHAPED))
def test_arabic_is_joined_and_ordered_as_it_is_written(text):
    glyphs, _ = _lay_out(text, 64, "R", _files(()))
    assert [_face_font(glyph.font).get_glyph_name(glyph.index) for glyph in glyphs] == SHAPED[text]


def test_no_library_of_the_system_has_a_part_in_it():
    look = (
        "from pathlib import Path; from watermark.lettering import render; render('سلام', 32, 'ar');"
        "print(Path('/proc/self/maps').read_text())"
    )
    mapped = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True).stdout
    ours = {line.split()[-1] for line in mapped.splitlines() if "harfbuzz" in line or "bidi" in line}
    assert ours
    assert all("site-packages" in path for path in ours)
    assert not any(name in mapped for name in ("libfribidi", "libraqm", "libpango", "libfreetype"))


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


def test_marks_piled_on_a_letter_are_cut_down():
    assert plain("a" + "\u0301" * 50 + "b") == "\u00e1\u0301\u0301b"
    assert len(plain("\u0645\u0651\u064e")) == 3


def test_blanks_and_lines_become_one_blank():
    assert plain(" a\u2028\n\tb\u3000 ") == "a b"


@pytest.mark.parametrize("content", [None, b"no font"])
def test_a_font_file_that_is_none_says_so(tmp_path, content):
    path = tmp_path / "letters.ttf"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CannotDraw, match="letters"):
        render("生", 32, "en", (str(path),))


def test_what_the_packaged_fonts_have_they_draw_whatever_else_is_named():
    assert undrawable("生") == "生"
    with pytest.raises(CannotDraw, match="U\\+751F"):
        render("生", 32, "en")
    # Packaged fonts come first: what they have is drawn the same whatever else is named.
    named = (_files(())[1],)
    assert np.array_equal(render("abc", 32, "en"), render("abc", 32, "en", named))
