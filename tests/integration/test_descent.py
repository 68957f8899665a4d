"""What a file itself says of what it was made from: our manifest, our mark, our pictures, though nobody declared it."""

from collections.abc import Iterator

import pytest

from moderation import descent, release
from moderation.assembly import open_services
from moderation.checking import check_file
from moderation.clips import Submission
from moderation.samples.copies import encode_again
from moderation.samples.drawing import draw_clip
from moderation.services import Services

ORG = "default"
pytestmark = pytest.mark.full


@pytest.fixture
def services(settings, loaded) -> Iterator[Services]:
    """Services that look for our mark in what is handed in."""
    parents = settings.marking.parents.model_copy(update={"mark_seconds": 10.0})
    marking = settings.marking.model_copy(update={"parents": parents})
    with open_services(settings.model_copy(update={"marking": marking})) as opened:
        opened.__dict__["detectors"] = loaded
        yield opened


def hand_in(services, path) -> str:
    return check_file(services, ORG, "tester", path, Submission(creator="ana")).clip_id


def parents(services, clip) -> list[tuple[str, str]]:
    with services.database.transaction(ORG) as tx:
        return descent.parents_of(tx, clip)


def test_an_undeclared_remix_is_known_by_manifest_and_by_mark(services, tmp_path):
    draw_clip(tmp_path / "first.mp4", seconds=2, width=640, height=360)
    first = hand_in(services, tmp_path / "first.mp4")
    key, _, size = release.media(services, ORG, first)
    again = tmp_path / "again.mp4"
    again.write_bytes(b"".join(services.store.stream(key, 0, size)))
    assert parents(services, first) == []
    signed = hand_in(services, again)
    assert {(first, "ingredient"), (first, "payload")} <= set(parents(services, signed))
    stripped = hand_in(services, encode_again(again, tmp_path / "stripped.mp4", crf=23))
    ways = [how for parent, how in parents(services, stripped) if parent == first]
    assert "payload" in ways
    assert "ingredient" not in ways
