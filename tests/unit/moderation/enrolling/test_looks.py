"""What was written anew for one viewer stays the same file while they look, is bounded, and ends."""

from datetime import UTC, datetime

from moderation.enrolling.looks import LASTS, Looks

NOW = datetime(2026, 5, 1, tzinfo=UTC)
ANA, BEN = ("enr_1", "pictures", "ana"), ("enr_1", "pictures", "ben")


def test_the_first_file_stands_for_its_viewer_until_its_time_is_over():
    looks = Looks()
    assert looks.keep(ANA, NOW, b"first") == b"first"
    assert looks.keep(ANA, NOW + LASTS / 2, b"second") == b"first"
    assert looks.find(BEN, NOW) is None
    assert looks.find(ANA, NOW + LASTS) is None
    assert looks.keep(ANA, NOW + LASTS, b"third") == b"third"


def test_nobody_finds_what_was_dropped_with_its_recording():
    looks, other = Looks(), ("enr_2", "sound", "ana")
    for key in (ANA, BEN, other):
        looks.keep(key, NOW, b"x")
    looks.drop("enr_1")
    assert [looks.find(key, NOW) for key in (ANA, BEN, other)] == [None, None, b"x"]


def test_the_oldest_go_where_they_grow_too_many_and_what_is_too_large_is_given_all_the_same():
    looks = Looks(most_bytes=5)
    looks.keep(ANA, NOW, b"123")
    looks.keep(BEN, NOW, b"456")
    assert (looks.find(ANA, NOW), looks.find(BEN, NOW)) == (None, b"456")
    assert looks.keep(ANA, NOW, b"1234567") == b"1234567"
    assert looks.find(ANA, NOW) is None
