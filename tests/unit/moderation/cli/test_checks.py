"""What a terminal says of a clip is what the API reads, and nothing that was not said."""

import json

import pytest

from moderation.api.schemas import ClipMetadata, read_json
from moderation.cli import load
from moderation.cli.checks import metadata


def test_the_purpose_reaches_the_submission_as_it_was_said():
    assert read_json(ClipMetadata, metadata("maya", None, None, purpose="satire")).submission().purpose == "satire"
    assert json.loads(metadata("maya", None, None)) == {"creator": "maya"}


@pytest.mark.parametrize("command", ["submit", "check"])
def test_a_purpose_is_asked_for_where_clips_are_handed_in(command):
    assert "purpose" in {option.name for option in load(command).params}
