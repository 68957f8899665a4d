"""What was read of a clip's faces and voices comes back from its bytes as it was, and so does what was not read."""

import numpy as np
import pytest

from detectors.descriptions import DescribedFace, DescribedSpeech, Description

DRAWN = np.random.default_rng(3).standard_normal((9, 256)).astype(np.float32)


def face(number, views, *, distant=False, whole=True):
    return DescribedFace(
        number=number, views=DRAWN[:views, :128], mean=DRAWN[number, :128], distant=distant, whole=whole
    )


def speech(start, end, windows=0):
    return DescribedSpeech(start=start, end=end, windows=DRAWN[:windows])


def test_faces_and_speech_come_back_to_the_bit():
    kept = Description(
        faces=[face(0, 3), face(4, 0, whole=False), face(2, 1, distant=True)],
        speech=[speech(0, 900), speech(1_000, 40_000)],
        pieces=[speech(1_000, 20_000, 2), speech(20_000, 40_000, 1)],
        unseen=True,
    )
    back = Description.from_bytes(kept.to_bytes())
    assert [(f.number, f.distant, f.whole) for f in back.faces] == [
        (0, False, True),
        (4, False, False),
        (2, True, True),
    ]
    assert [f.views.tobytes() for f in back.faces] == [f.views.tobytes() for f in kept.faces]
    assert [f.mean.tobytes() for f in back.faces] == [f.mean.tobytes() for f in kept.faces]
    assert [(s.start, s.end) for s in back.speech] == [(0, 900), (1_000, 40_000)]
    assert [(p.start, p.end, p.windows.tobytes()) for p in back.pieces] == [
        (p.start, p.end, p.windows.tobytes()) for p in kept.pieces
    ]
    assert back.unseen


@pytest.mark.parametrize("kept", [Description(), Description(faces=[]), Description(speech=[])])
def test_nobody_there_is_another_thing_than_nobody_looked(kept):
    back = Description.from_bytes(kept.to_bytes())
    assert (back.faces is None, back.speech is None) == (kept.faces is None, kept.speech is None)


def test_what_was_cut_short_is_refused():
    with pytest.raises(ValueError):
        Description.from_bytes(Description(faces=[face(1, 2)]).to_bytes()[:200])
