"""Portraits are handed out only as the pinned files, whatever lies in the cache or comes from an index."""

import zipfile

import pytest

from moderation.samples.portraits import PORTRAITS, PortraitUnavailable, portrait
from moderation.settings import Settings

WHEEL = "scikit_image-0.25.2-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl"


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    """An index of our own: an empty folder, and nothing else to ask."""
    folder = tmp_path / "shelf"
    folder.mkdir()
    for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def test_every_portrait_is_the_pinned_file_and_credited():
    for name, entry in PORTRAITS.items():
        assert portrait(name, Settings().models).stat().st_size > 100_000
        assert "United States government" in entry.credit


def test_a_cached_portrait_is_not_fetched_again(tmp_path, shelf):
    kept = portrait("collins", Settings().models)
    (tmp_path / "portraits").mkdir()
    (tmp_path / "portraits" / kept.name).write_bytes(kept.read_bytes())
    assert portrait("collins", tmp_path) == tmp_path / "portraits" / kept.name


def test_a_changed_file_in_the_cache_is_not_handed_out(tmp_path, shelf):
    kept = portrait("collins", Settings().models)
    (tmp_path / "portraits").mkdir()
    (tmp_path / "portraits" / kept.name).write_bytes(kept.read_bytes() + b"\0")
    with pytest.raises(PortraitUnavailable, match="check network"):
        portrait("collins", tmp_path)


def test_another_archive_under_the_same_name_is_refused(tmp_path, shelf):
    with zipfile.ZipFile(shelf / WHEEL, "w") as wheel:
        wheel.writestr("skimage/data/astronaut.png", b"somebody else")
        wheel.writestr(
            "scikit_image-0.25.2.dist-info/METADATA", "Metadata-Version: 2.1\nName: scikit-image\nVersion: 0.25.2\n"
        )
        wheel.writestr(
            "scikit_image-0.25.2.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: cp311-cp311-manylinux2014_x86_64\n"
        )
        wheel.writestr("scikit_image-0.25.2.dist-info/RECORD", "")
    with pytest.raises(PortraitUnavailable, match="Expected sha256"):
        portrait("collins", tmp_path)
    assert not list((tmp_path / "portraits").glob("*.png"))


def test_an_unknown_name_is_an_error(tmp_path):
    with pytest.raises(KeyError):
        portrait("nobody", tmp_path)
