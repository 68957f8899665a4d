"""Ties the ages of the larger networks to the faces that are followed, so that a face without one is seen to have none.

The larger networks look at single frames; who is drawn, and who could not be read, is known of tracks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from detectors.base import Box, Findings, Sample, Signal

SIGNALS: Final = ("age.minor", "age.under_21")
#: The same face in the same frame, found twice: its boxes share so much of what they cover together.
SAME_BOX: Final = 0.5

Tracks = Mapping[int, Sequence[tuple[int, Box]]]


def tie_ages_to_tracks(findings: Sequence[Findings]) -> list[Findings]:
    """Name the track of each age, and take back those of drawn tracks, which `face.drawn` names instead.

    An age whose face no track has stays as it is.
    """
    places: dict[int, list[tuple[int, Box]]] = {}
    for face in (face for found in findings for face in found.faces):
        for time_ms, box in face.boxes:
            places.setdefault(time_ms, []).append((face.track, box))
    signals = [signal for found in findings for signal in found.signals]
    drawn = {sample.track for signal in signals if signal.name == "face.drawn" for sample in signal.samples}
    return [
        replace(found, signals=tuple(_tied(signal, places, drawn) for signal in found.signals)) for found in findings
    ]


def _tied(signal: Signal, places: Tracks, drawn: set[int | None]) -> Signal:
    if signal.name not in SIGNALS:
        return signal
    tied = [replace(sample, track=_track_of(sample, places)) for sample in signal.samples]
    return replace(signal, samples=tuple(each for each in tied if each.track is None or each.track not in drawn))


def _track_of(sample: Sample, places: Tracks) -> int | None:
    own = sample.box
    if own is None:
        return sample.track
    alike = [(shared(own, box), -track) for track, box in places.get(sample.time_ms, ())]
    share, track = max(alike, default=(0.0, 0))
    return -track if share >= SAME_BOX else sample.track


def shared(one: Box, other: Box) -> float:
    """Return how much of what two boxes cover together both cover, 0 to 1."""
    width = min(one.x + one.width, other.x + other.width) - max(one.x, other.x)
    height = min(one.y + one.height, other.y + other.height) - max(one.y, other.y)
    both = max(0.0, width) * max(0.0, height)
    together = one.width * one.height + other.width * other.height - both
    return both / together if together > 0 else 0.0
