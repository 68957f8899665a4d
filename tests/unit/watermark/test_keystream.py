"""Secret choices: the same for ever, and different for every key and purpose."""

import numpy as np
import pytest

from watermark.keystream import Keystream

KEY = bytes(range(32))


def test_choices_are_those_of_every_release():
    """Written down once: if these change, every clip marked before becomes unreadable."""
    stream = Keystream(KEY, "test")
    assert stream.signs(12).tolist() == [1, 1, -1, 1, 1, 1, 1, -1, 1, 1, 1, -1]
    assert stream.order(8).tolist() == [6, 1, 0, 3, 7, 5, 4, 2]
    assert np.allclose(stream.fractions(2), [0.1902001223, 0.6069496372])


def test_signs_are_fair_and_an_order_is_complete():
    stream = Keystream(KEY, "test")
    assert abs(stream.signs(10_000).mean()) < 0.05
    assert sorted(stream.order(1000).tolist()) == list(range(1000))
    assert 0 <= stream.fractions(1000).min() < 0.05
    assert 0.95 < stream.fractions(1000).max() < 1


@pytest.mark.parametrize(("key", "purpose"), [(b"other" * 8, "test"), (KEY, "other")])
def test_another_key_or_purpose_chooses_otherwise(key, purpose):
    alike = (Keystream(KEY, "test").signs(2000) == Keystream(key, purpose).signs(2000)).mean()
    assert 0.4 < alike < 0.6
