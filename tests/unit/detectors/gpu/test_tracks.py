"""Ages of the larger networks belong to tracks, and drawn faces have none."""

from detectors.base import Box, FaceState, FaceTrack, Findings, Sample, Signal, State
from detectors.gpu.tracks import tie_ages_to_tracks

LEFT, RIGHT = (Box(x=x, y=0.1, width=0.2, height=0.3) for x in (0.1, 0.6))
NEAR_LEFT = Box(x=0.11, y=0.1, width=0.2, height=0.3)


def track(number, box):
    return FaceTrack(
        track=number, start_ms=0, end_ms=500, state=FaceState.UNMATCHED, height_px=90, boxes=((0, box), (500, box))
    )


def ages(findings):
    (signal,) = [signal for found in findings for signal in found.signals if signal.name == "age.minor"]
    return [(sample.time_ms, sample.value, sample.track) for sample in signal.samples]


def findings(*drawn):
    drawings = tuple(Sample(time_ms=0, value=1.0, track=number) for number in drawn)
    faces = Findings(
        signals=(Signal(name="face.drawn", state=State.MEASURED, samples=drawings),),
        faces=(track(0, LEFT), track(1, RIGHT)),
    )
    samples = tuple(
        Sample(time_ms=at, value=value, box=box)
        for at, value, box in ((0, 0.1, NEAR_LEFT), (0, 0.2, RIGHT), (250, 0.3, LEFT))
    )
    return [faces, Findings(signals=(Signal(name="age.minor", state=State.MEASURED, samples=samples),))]


def test_an_age_names_the_track_whose_box_it_shares():
    assert ages(tie_ages_to_tracks(findings())) == [(0, 0.1, 0), (0, 0.2, 1), (250, 0.3, None)]


def test_a_drawn_face_has_no_age():
    assert ages(tie_ages_to_tracks(findings(1))) == [(0, 0.1, 0), (250, 0.3, None)]
