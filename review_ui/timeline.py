"""Signals as lanes and moments for the case page. Pure: one source for bars, numbers and buttons."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final, cast

from moderation.timelines import LINES, Line

#: A lane's drawing space; the page stretches it.
WIDTH: Final = 1000
HEIGHT: Final = 40
MOST_MOMENTS: Final = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One sample as a bar, in the lane's drawing space."""

    x: float
    width: float
    y: float
    height: float
    flagged: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """One signal over the clip: its bars, its line, its peak as text; `state` says when there is nothing to draw."""

    signal: str
    state: str
    model: str
    note: str
    bars: tuple[Bar, ...]
    line_y: float
    peak: str
    line: str
    #: On which side of the line values matter: `above` or `below`.
    side: str

    @property
    def flagged(self) -> bool:
        """Whether any bar counts."""
        return any(bar.flagged for bar in self.bars)


@dataclass(frozen=True, slots=True, kw_only=True)
class Looks:
    """When frames were looked at and where shots begin, in a lane's drawing space; `count` is how many looks."""

    count: int
    seen: tuple[float, ...]
    cuts: tuple[float, ...]
    #: Left edge and width of what changed and was not looked at.
    unseen: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """A flagged stretch to jump to, with its key."""

    key: int
    label: str
    start_ms: int
    end_ms: int
    peak: float

    @property
    def clock(self) -> str:
        """Where it begins, as minutes, seconds and tenths."""
        minutes, rest = divmod(self.start_ms, 60_000)
        return f"{minutes}:{rest // 1000:02d}.{rest % 1000 // 100}"


def lanes(clip: dict[str, object]) -> list[Lane]:
    """One lane for each signal that has a line."""
    signals = cast("dict[str, Any]", clip["signals"])
    duration = max(1, int(cast("int | None", clip["duration_ms"]) or 1))
    return [_lane(name, line, signals[name], duration) for name, line in LINES.items() if name in signals]


def looks(clip: dict[str, object]) -> Looks | None:
    """The looks of a clip, None while nobody looked."""
    found = cast("dict[str, Any] | None", clip.get("looks"))
    if not found or not found["seen_ms"]:
        return None
    scale = WIDTH / max(1, int(cast("int | None", clip["duration_ms"]) or 1))
    return Looks(
        count=len(found["seen_ms"]),
        seen=tuple(min(at * scale, WIDTH) for at in found["seen_ms"]),
        cuts=tuple(min(shot["start_ms"] * scale, WIDTH) for shot in found["shots"][1:]),
        unseen=tuple(
            (min(at["start_ms"] * scale, WIDTH - 2.0), max(2.0, (at["end_ms"] - at["start_ms"]) * scale))
            for at in found["unseen"]
        ),
    )


def _lane(name: str, line: Line, signal: dict[str, Any], duration: int) -> Lane:
    samples = [(int(at), float(value)) for at, value, _ in signal["samples"]]
    scale = max([line.value * 1.25, *(value for _, value in samples)])
    starts = sorted({at for at, _ in samples})
    gap = min((after - before for before, after in pairwise(starts)), default=333)
    bars = tuple(_bar(at, value, line, scale, duration, gap) for at, value in samples)
    values = [value for _, value in samples]
    worst = (max if line.above else min)(values) if values else None
    return Lane(
        signal=name,
        state=signal["state"],
        model=signal["model"] or "",
        note=signal["note"],
        bars=bars,
        line_y=HEIGHT * (1 - line.value / scale),
        peak="" if worst is None else _figure(worst, line),
        line=_figure(line.value, line),
        side="above" if line.above else "below",
    )


def _figure(value: float, line: Line) -> str:
    """Scores are read to hundredths, years to whole ones."""
    return f"{value:.0f}" if line.value >= 10 else f"{value:.2f}"


def _bar(at: int, value: float, line: Line, scale: float, duration: int, gap: int) -> Bar:
    height = HEIGHT * min(1.0, value / scale)
    x = WIDTH * at / duration
    return Bar(
        x=min(x, WIDTH - 2.0),
        width=max(2.0, min(WIDTH * gap / duration - 1, WIDTH - x)),
        y=HEIGHT - height,
        height=height,
        flagged=line.crossed(value),
    )


def moments(clip: dict[str, object]) -> list[Moment]:
    """The first flagged stretches, in the order they happen."""
    segments = cast("list[dict[str, Any]]", clip["segments"])
    ordered = sorted(segments, key=lambda segment: (segment["start_ms"], segment["signal"]))[:MOST_MOMENTS]
    return [
        Moment(
            key=number,
            label=segment["label"],
            start_ms=segment["start_ms"],
            end_ms=segment["end_ms"],
            peak=segment["peak"],
        )
        for number, segment in enumerate(ordered, 1)
    ]
