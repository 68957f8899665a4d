"""The timeline says where signals stood, which instants were looked at, where shots begin and what went unseen."""

import json

from moderation.scoring import Analysis, overlooked
from moderation.timelines import looks, segments
from watermark.sampling import Account, ShotStart, Stretch


def account(*unseen: tuple[int, int], frames: int = 0) -> Account:
    return Account(
        frames=100,
        shots=(ShotStart(start_ms=0, shot=0), ShotStart(start_ms=700, shot=1)),
        unseen=tuple(Stretch(first_ms=first, last_ms=last) for first, last in unseen),
        unseen_frames=frames,
    )


def analysis(**changed: object) -> Analysis:
    return Analysis(signals={}, faces=[], seen_ms=[0, 500, 700, 1000], **changed)


def test_looks_are_told_with_shots_and_what_went_unseen():
    told = looks(analysis(shots=[[0, 0], [700, 1]], unseen_ms=[[800, 833]]))
    assert told == {
        "seen_ms": [0, 500, 700, 1000],
        "shots": [{"shot": 0, "start_ms": 0}, {"shot": 1, "start_ms": 700}],
        "unseen": [{"start_ms": 800, "end_ms": 833}],
    }


def test_an_analysis_stored_before_shots_were_known_can_still_be_read():
    old = json.dumps({"signals": {}, "faces": [], "seen_ms": [0, 333]})
    assert looks(Analysis.from_text(old)) == {"seen_ms": [0, 333], "shots": [], "unseen": []}


def test_what_was_overlooked_is_a_signal_and_its_silence_is_measured():
    (signal,) = overlooked(account((800, 833), (900, 900), frames=3)).signals
    assert (signal.name, str(signal.state)) == ("sampling.unseen", "measured")
    assert [(sample.time_ms, sample.value) for sample in signal.samples] == [(800, 1.0), (900, 1.0)]
    assert signal.note.startswith("3 of 100 frames")
    (quiet,) = overlooked(account()).signals
    assert (str(quiet.state), quiet.samples, quiet.note) == ("measured", (), "")


def test_what_went_unseen_is_a_segment_to_jump_to():
    signal = {"state": "measured", "samples": [[800, 1.0, None]], "note": ""}
    (segment,) = segments(Analysis(signals={"sampling.unseen": signal}, faces=[], seen_ms=[0, 500, 1000]))
    assert (segment["label"], segment["start_ms"], segment["end_ms"]) == ("unseen", 800, 1000)
