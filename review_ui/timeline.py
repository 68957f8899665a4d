"""Signals as lanes and moments for the case page. Pure: one source for bars, figures and buttons."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Final, cast

from moderation.decisions import RuleTrace
from moderation.messages import clock_text
from moderation.policy.registry import SIGNALS
from moderation.timelines import LINES, Line, flagged

#: A lane's drawing space; the page stretches it.
WIDTH: Final = 1000
HEIGHT: Final = 40
_RISING: Final = frozenset({"at_least", "above"})
_FALLING: Final = frozenset({"at_most", "below"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One sample as a bar, in the lane's drawing space; whatever the signal's sense, higher is worse."""

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

    @property
    def under(self) -> str:
        """The bars that do not count, as one path."""
        return _path(bar for bar in self.bars if not bar.flagged)

    @property
    def over(self) -> str:
        """The bars that count, as one path."""
        return _path(bar for bar in self.bars if bar.flagged)

    @property
    def rail(self) -> str:
        """Marks under the bars that count: they are told by more than colour."""
        return _path(replace(bar, y=HEIGHT - 3.0, height=3.0) for bar in self.bars if bar.flagged)


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
    #: What the peak is of, so that it is written as the lane writes it.
    signal: str = ""

    @property
    def clock(self) -> str:
        """Where it begins, as minutes, seconds and tenths."""
        return clock_text(self.start_ms)

    @property
    def until(self) -> str:
        """Where it ends."""
        return clock_text(self.end_ms)

    @property
    def figure(self) -> str:
        """The peak as the lane of its signal writes it."""
        return figure(self.peak, LINES[self.signal]) if self.signal in LINES else f"{self.peak:.2f}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundLane:
    """How loud the clip is and where somebody speaks, in a lane's drawing space."""

    loudness: tuple[Bar, ...]
    #: Left edge and width of each turn of speech.
    turns: tuple[tuple[float, float], ...]

    @property
    def path(self) -> str:
        """All bars of loudness as one path."""
        return _path(self.loudness)


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One stretch of the transcript."""

    start_ms: int
    text: str

    @property
    def clock(self) -> str:
        """Where it begins."""
        return clock_text(self.start_ms)


def lines_of(trace: Iterable[RuleTrace]) -> dict[str, Line]:
    """The lines to draw: of the rules that acted their own, else the shipped ones; signals of texts have no lane."""
    lines = dict(LINES)
    for entry in trace:
        if not entry.acts:
            continue
        for leaf in entry.leaves:
            asked = leaf.against[0] if leaf.name in SIGNALS and len(leaf.against) == 1 else None
            if leaf.name is None or isinstance(asked, bool | str | None) or SIGNALS[leaf.name].per == "text":
                continue
            if leaf.comparator in _RISING | _FALLING:
                label = lines[leaf.name].label if leaf.name in lines else leaf.name
                lines[leaf.name] = Line(label=label, value=float(asked), above=leaf.comparator in _RISING)
    return lines


def lanes(clip: Mapping[str, object], lines: Mapping[str, Line] = LINES) -> list[Lane]:
    """One lane for each signal that has a line: what failed or was not measured has one that says so."""
    signals = cast("dict[str, Any]", clip["signals"])
    duration = _duration(clip)
    return [_lane(name, line, signals[name], duration) for name, line in lines.items() if name in signals]


def silent(clip: Mapping[str, object], lines: Mapping[str, Line] = LINES) -> list[str]:
    """Signals without a lane that failed: that nothing was measured there is said too."""
    signals = cast("dict[str, Any]", clip["signals"])
    return sorted(name for name, signal in signals.items() if name not in lines and signal["state"] == "failed")


def looks(clip: Mapping[str, object]) -> Looks | None:
    """The looks of a clip, None while nobody looked."""
    found = cast("dict[str, Any] | None", clip.get("looks"))
    if not found or not found["seen_ms"]:
        return None
    scale = WIDTH / _duration(clip)
    return Looks(
        count=len(found["seen_ms"]),
        seen=tuple(min(at * scale, WIDTH) for at in found["seen_ms"]),
        cuts=tuple(min(shot["start_ms"] * scale, WIDTH) for shot in found["shots"][1:]),
        unseen=tuple(_stretch(at["start_ms"], at["end_ms"], scale) for at in found["unseen"]),
    )


def sound(
    clip: Mapping[str, object], loudness: Sequence[float], spoken: Iterable[Sequence[Any]] = ()
) -> SoundLane | None:
    """The lane of the sound; None where nothing is known of it.

    `loudness` is 0-1 in equal steps over the clip, `spoken` where somebody speaks: [start ms, end ms, ...].
    """
    scale = WIDTH / _duration(clip)
    turns = tuple(_stretch(int(turn[0]), int(turn[1]), scale) for turn in spoken)
    if not loudness and not turns:
        return None
    step = WIDTH / max(1, len(loudness))
    bars = tuple(_standing(n * step, max(1.0, step - 0.5), value, flagged=False) for n, value in enumerate(loudness))
    return SoundLane(loudness=bars, turns=tuple(sorted(turns)))


def transcript(texts: Iterable[Mapping[str, object]]) -> list[Said]:
    """What is said in the clip, in order; empty where nobody wrote it down."""
    said = [Said(start_ms=cast("int", t["time_ms"]), text=str(t["text"])) for t in texts if t["source"] == "speech"]
    return sorted(said, key=lambda each: each.start_ms)


def moments(clip: Mapping[str, object], acted: Iterable[str] = ()) -> list[Moment]:
    """The flagged stretches in the order they happen; of too many those of signals that a rule acted on are kept."""
    found = cast("list[dict[str, Any]]", flagged(cast("list[dict[str, object]]", clip["segments"]), frozenset(acted)))
    return [
        Moment(
            key=number,
            label=stretch["label"],
            signal=stretch["signal"],
            start_ms=stretch["start_ms"],
            end_ms=stretch["end_ms"],
            peak=stretch["peak"],
        )
        for number, stretch in enumerate(found, 1)
    ]


def figure(value: float, line: Line) -> str:
    """A value as it is written everywhere: scores to hundredths, years to whole ones."""
    return f"{value:.0f}" if line.value >= 10 else f"{value:.2f}"


def _duration(clip: Mapping[str, object]) -> int:
    return max(1, int(cast("int | None", clip["duration_ms"]) or 1))


def _lane(name: str, line: Line, signal: Mapping[str, Any], duration: int) -> Lane:
    samples = [(int(at), float(value)) for at, value, _ in signal["samples"]]
    starts = sorted({at for at, _ in samples})
    gap = min((after - before for before, after in pairwise(starts)), default=333)
    scale = _scale(line, [value for _, value in samples])
    bars = tuple(_bar(at, value, line, scale, duration, gap) for at, value in samples)
    values = [value for _, value in samples]
    worst = (max if line.above else min)(values) if values else None
    return Lane(
        signal=name,
        state=signal["state"],
        model=signal["model"] or "",
        note=signal["note"],
        bars=bars,
        line_y=HEIGHT * (1 - _share(line.value, line, scale)),
        peak="" if worst is None else figure(worst, line),
        line=figure(line.value, line),
        side="above" if line.above else "below",
    )


def _scale(line: Line, values: Sequence[float]) -> float:
    """The value that fills a lane, or empties it where small values matter; the line never touches an edge."""
    return max([line.value * (1.25 if line.above else 2.0), *values]) or 1.0


def _share(value: float, line: Line, scale: float) -> float:
    share = min(1.0, max(0.0, value / scale))
    return share if line.above else 1.0 - share


def _bar(at: int, value: float, line: Line, scale: float, duration: int, gap: int) -> Bar:
    x = min(WIDTH * at / duration, WIDTH - 2.0)
    width = max(2.0, min(WIDTH * gap / duration - 1, WIDTH - x))
    return _standing(x, width, _share(value, line, scale), flagged=line.crossed(value))


def _standing(x: float, width: float, share: float, *, flagged: bool) -> Bar:
    height = HEIGHT * min(1.0, max(0.0, share))
    return Bar(x=x, width=width, y=HEIGHT - height, height=height, flagged=flagged)


def _stretch(start_ms: int, end_ms: int, scale: float) -> tuple[float, float]:
    return min(start_ms * scale, WIDTH - 2.0), max(2.0, (end_ms - start_ms) * scale)


def _path(bars: Iterable[Bar]) -> str:
    """Bars as the data of one SVG path: a clip of a minute has thousands, and each a node would be slow."""
    return "".join(f"M{bar.x:.1f} {bar.y:.1f}h{bar.width:.1f}v{bar.height:.1f}h-{bar.width:.1f}z" for bar in bars)


def acted_on(trace: Iterable[RuleTrace]) -> frozenset[str]:
    """The signals that rules acted on."""
    named = {leaf.name for entry in trace if entry.acts for leaf in entry.leaves if leaf.name is not None}
    return frozenset(named & set(SIGNALS))
