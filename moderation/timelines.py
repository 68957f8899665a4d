"""Signals over time as segments: where a signal stood above its line, for the API and the reviewer. Pure."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from moderation.scoring import Analysis


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """From which value on a signal is worth a segment. `above` is False where small values matter (distances)."""

    label: str
    value: float
    above: bool = True

    def crossed(self, value: float) -> bool:
        """Tell whether a sample counts."""
        return value >= self.value if self.above else value <= self.value


MOST_MOMENTS: Final = 9
#: Stretches of one signal that are nearer than this are one moment to a person.
NEAR_MS: Final = 400
VOICES: Final = "voice.match_distance"
#: The lines of the shipped policies (docs/map.md says where each comes from).
LINES: Mapping[str, Line] = {
    "explicit.score": Line(label="explicit", value=0.2),
    "face.match_distance": Line(label="likeness", value=0.6, above=False),
    "face.age": Line(label="young_looking", value=25.0, above=False),
    "minor.score": Line(label="young_looking", value=0.2),
    "face.drawn": Line(label="drawn_face", value=1.0),
    "face.unread": Line(label="unread_face", value=1.0),
    VOICES: Line(label="voice_likeness", value=0.92, above=False),
    "sampling.unseen": Line(label="unseen", value=1.0),
}


def looks(analysis: Analysis) -> dict[str, object]:
    """When frames were looked at, where shots begin or go on, and what changed unseen; `end_ms` is the last frame's."""
    return {
        "seen_ms": analysis.seen_ms,
        "shots": [{"shot": shot, "start_ms": start} for start, shot in analysis.shots],
        "unseen": [{"start_ms": first, "end_ms": last} for first, last in analysis.unseen_ms],
    }


def segments(analysis: Analysis) -> list[dict[str, object]]:
    """Stretches of consecutive samples beyond their line, per signal and track; `end_ms` is exclusive."""
    found: list[dict[str, object]] = []
    for name, line in LINES.items():
        if name == VOICES:
            # The voices themselves say where they speak, to the moment.
            continue
        samples = analysis.signals.get(name, {}).get("samples", [])
        assert isinstance(samples, list)
        if name == "face.match_distance":
            # Among many registered people somebody is always near; only a track that may be one is worth showing.
            likely = {face["track"] for face in analysis.faces if face["candidates"]}
            samples = [sample for sample in samples if sample[2] in likely]
        for track in sorted({sample[2] for sample in samples}, key=lambda track: -1 if track is None else track):
            own = [(sample[0], sample[1]) for sample in samples if sample[2] == track]
            found.extend(_stretches(name, line, own, track, analysis.seen_ms))
    return found + _heard(analysis)


def flagged(found: Sequence[Mapping[str, object]], acted: Collection[str] = ()) -> list[dict[str, object]]:
    """The stretches that a person is led to, in the order they happen; `acted` names the signals rules acted on.

    Stretches of one signal that follow each other closely, or lie over each other, are one; of too many those that a
    rule acted on are kept.
    """
    joined = _joined(found)
    kept = sorted(joined, key=lambda stretch: (stretch["signal"] not in acted, *_order(stretch)))[:MOST_MOMENTS]
    return sorted(kept, key=_order)


def _order(stretch: Mapping[str, object]) -> tuple[int, str]:
    return cast("int", stretch["start_ms"]), str(stretch["signal"])


def _joined(found: Sequence[Mapping[str, object]]) -> list[dict[str, object]]:
    joined: list[dict[str, object]] = []
    for each in sorted(found, key=lambda each: (str(each["signal"]), cast("int", each["start_ms"]))):
        last = cast("dict[str, Any] | None", joined[-1] if joined else None)
        stretch = cast("dict[str, Any]", dict(each))
        if last and last["signal"] == each["signal"] and stretch["start_ms"] - last["end_ms"] < NEAR_MS:
            line = LINES.get(last["signal"])
            worse = max if line is None or line.above else min
            last["peak"] = worse(last["peak"], stretch["peak"])
            last["end_ms"] = max(last["end_ms"], stretch["end_ms"])
        else:
            joined.append(stretch)
    return joined


def _heard(analysis: Analysis) -> list[dict[str, object]]:
    """Where somebody registered is, or may be, heard; `frames` counts none, since nobody was looked at."""
    return [
        {
            "signal": VOICES,
            "label": LINES[VOICES].label,
            "start_ms": start_ms,
            "end_ms": end_ms,
            "peak": voice["distance"],
            "frames": 0,
        }
        for voice in analysis.voices
        if voice["person"] is not None
        for start_ms, end_ms in cast("list[tuple[int, int]]", voice["segments"])
    ]


def _stretches(
    name: str, line: Line, samples: Sequence[tuple[int, float]], track: int | None, seen: Sequence[int]
) -> Iterator[dict[str, object]]:
    run: list[tuple[int, float]] = []
    for sample in samples:
        if line.crossed(sample[1]):
            run.append(sample)
        elif run:
            yield _segment(name, line, run, track, seen)
            run = []
    if run:
        yield _segment(name, line, run, track, seen)


def _segment(
    name: str, line: Line, run: Sequence[tuple[int, float]], track: int | None, seen: Sequence[int]
) -> dict[str, object]:
    last = run[-1][0]
    # Until the next instant that was looked at: nobody knows better where it ended.
    end = next((instant for instant in seen if instant > last), last + 1)
    values = [value for _, value in run]
    segment: dict[str, object] = {
        "signal": name,
        "label": line.label,
        "start_ms": run[0][0],
        "end_ms": end,
        "peak": max(values) if line.above else min(values),
        "frames": len(run),
    }
    return segment if track is None else segment | {"track": track}
