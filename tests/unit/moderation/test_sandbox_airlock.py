"""The folder between parent and child: one file in, one plain file out, nothing left behind."""

import os
import time

import pytest

from moderation.sandbox.airlock import Airlock, sweep
from moderation.sandbox.channel import Broken


@pytest.fixture
def airlock(tmp_path):
    lock = Airlock(tmp_path / "airlocks")
    yield lock
    lock.close()


def test_a_clip_goes_in_without_its_name_and_without_a_copy(airlock, tmp_path):
    source = tmp_path / "a\nb;c.mp4"
    source.write_bytes(b"clip")
    places = airlock.open_for(source)
    inside = airlock.inside / "clip"
    assert places["source"] == str(inside)
    assert inside.stat().st_ino == source.stat().st_ino


def test_a_clip_is_copied_where_a_link_would_expose_it(tmp_path):
    source = tmp_path / "clip.mp4"
    source.write_bytes(b"clip")
    careful = Airlock(tmp_path / "airlocks", links=False)
    careful.open_for(source)
    (careful.inside / "clip").write_bytes(b"changed")
    assert source.read_bytes() == b"clip"
    careful.close()


def test_a_link_is_followed_to_its_file_and_a_folder_refused(airlock, tmp_path):
    (tmp_path / "real").write_bytes(b"clip")
    (tmp_path / "link").symlink_to("real")
    airlock.open_for(tmp_path / "link")
    assert (airlock.inside / "clip").read_bytes() == b"clip"
    with pytest.raises(ValueError, match="regular"):
        airlock.open_for(tmp_path)
    with pytest.raises(FileNotFoundError):
        airlock.open_for(tmp_path / "nowhere")


def test_the_product_is_a_copy_the_child_can_no_longer_change(airlock, tmp_path):
    with (airlock.outside / "clip.mp4").open("wb") as held:
        held.write(b"marked")
        held.flush()
        airlock.collect(tmp_path / "out" / "marked.mp4", 100)
        held.write(b" and changed after it was proven")
        held.flush()
    assert (tmp_path / "out" / "marked.mp4").read_bytes() == b"marked"
    assert list((tmp_path / "out").iterdir()) == [tmp_path / "out" / "marked.mp4"]


def link_to_secret(made, tmp_path):
    (tmp_path / "secret").write_bytes(b"secret")
    made.symlink_to(tmp_path / "secret")


@pytest.mark.parametrize(
    "make",
    [
        lambda made, _: None,
        lambda made, _: made.mkdir(),
        lambda made, _: os.mkfifo(made),
        lambda made, _: made.write_bytes(b""),
        lambda made, _: made.write_bytes(bytes(101)),
        link_to_secret,
    ],
    ids=["nothing", "folder", "fifo", "empty", "too large", "link"],
)
def test_only_a_plain_file_of_a_sane_size_comes_out(airlock, tmp_path, make):
    target = tmp_path / "target"
    target.write_bytes(b"as it was")
    make(airlock.outside / "clip.mp4", tmp_path)
    with pytest.raises(Broken):
        airlock.collect(target, 100)
    assert target.read_bytes() == b"as it was"
    airlock.empty()
    assert not list(airlock.outside.iterdir())


def test_folders_of_dead_owners_are_swept_and_others_left(tmp_path):
    folder = tmp_path / "airlocks"
    alive, dead, young = Airlock(folder), Airlock(folder), Airlock(folder)
    for lock in (dead, young):
        os.close(lock._lock)
    long_ago = time.time() - 3600
    for lock in (alive, dead):
        os.utime(lock.root, (long_ago, long_ago))
    assert sweep(folder) == 1
    assert (alive.root.exists(), dead.root.exists(), young.root.exists()) == (True, False, True)
    alive.close()
