"""What may be set of the encode: what x264 knows, refused at the start and not at the first clip."""

from typing import get_args

import pytest
from pydantic import ValidationError

from moderation.settings import Marking, Settings
from watermark.encoders import PRESETS


def test_the_presets_are_those_of_x264():
    assert get_args(Marking.model_fields["preset"].annotation) == PRESETS["libx264"]


@pytest.mark.parametrize("wrong", [{"PRESET": "veryfats"}, {"CRF": "52"}, {"CRF": "-1"}])
def test_what_x264_does_not_know_is_refused(wrong, monkeypatch):
    for name, value in wrong.items():
        monkeypatch.setenv(f"MODERATION_MARKING__{name}", value)
    with pytest.raises(ValidationError, match="marking"):
        Settings()
