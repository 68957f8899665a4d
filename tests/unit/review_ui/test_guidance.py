"""Guidance is shown in the reader's language, and nothing in it becomes markup but what these texts use."""

from pathlib import Path

import pytest

from moderation.messages import LANGUAGES
from review_ui.guidance import read_guidance

POLICIES = Path(__file__).resolve().parents[3] / "policies"
AREAS = sorted(path.parent.name for path in POLICIES.glob("*/guidance.en.md"))


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_shipped_text_reads_in_every_language(language):
    assert AREAS
    for area in AREAS:
        found = read_guidance(POLICIES, area, language)
        assert found is not None, area
        assert (found.language, bool(found.title)) == (language, True), area
        assert found.body.startswith("<p>"), area
        assert "**" not in found.body, area


def test_markup_of_a_text_stays_text(tmp_path: Path):
    folder = tmp_path / "area"
    folder.mkdir()
    (folder / "guidance.en.md").write_text("# A <b>\n\n**Look** at `<i>` & <script>\nsecond\n\n- one\n- **two**\n")
    found = read_guidance(tmp_path, "area", "en")
    assert found is not None
    assert found.title == "A <b>"
    assert found.body == (
        "<p><strong>Look</strong> at <code>&lt;i&gt;</code> &amp; &lt;script&gt;<br>second</p>\n"
        "<ul><li>one</li><li><strong>two</strong></li></ul>"
    )


def test_what_is_missing_is_said_in_english_or_not_at_all(tmp_path: Path):
    found = read_guidance(POLICIES, "violence", "xx")
    assert found is not None
    assert found.language == "en"
    assert read_guidance(tmp_path, "violence", "en") is None
    assert read_guidance(POLICIES, "../policies/violence", "en") is None
