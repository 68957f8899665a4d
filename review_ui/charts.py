"""Figures as still pictures: SVG made here, and the same figures as rows of a table. Reads nothing, translates nothing.

No `style` anywhere, since the pages' policy forbids it; colours come from `static/tables.css`, and never mean anything
alone. Pictures run left to right in every language, as clocks do; each label is isolated in its own direction.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import ceil, log10
from typing import Final

from markupsafe import Markup

from moderation.rehearsing.intervals import Share

#: The drawing space; the page stretches it.
WIDTH: Final = 480
_ROW, _BAR, _LABEL_Y, _BAR_Y = 44, 12, 16, 24
_TALL, _TOP, _SIDE, _BASE = 200, 12, 48, 28
#: Letters that fit beside a value; the table has the whole label.
_LETTERS = 44
#: What tells lines apart without colour.
_DASHES: Final = ("", "7 4", "2 4", "10 4 2 4")
NOTHING: Final = "\u2013"


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """A picture, and what it shows: the head of a table and its rows, the first cell of each its name."""

    svg: Markup
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One quantity; None is not known, which is no zero. `said` is the value as written, `line` a mark to reach."""

    label: str
    value: float | None
    said: str
    line: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One line: a value for each tick, None where there is none."""

    name: str
    values: Sequence[float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """An estimate between its bounds; without an estimate nothing is drawn."""

    label: str
    value: float | None
    low: float | None
    high: float | None
    said: str


def percent(share: float | None) -> str:
    """Write a share; a dash for none."""
    if share is None:
        return NOTHING
    hundredths = share * 100
    return f"{hundredths:.0f} %" if hundredths >= 10 or hundredths == 0 else f"{hundredths:.2g} %"


def range_of(label: str, share: Share) -> Range:
    """Return a share with its interval as one line of `intervals`; without cases there is nothing to show."""
    if share.share is None:
        return Range(label=label, value=None, low=None, high=None, said=NOTHING)
    said = f"{percent(share.share)} ({percent(share.low)} \u2013 {percent(share.high)}), n = {share.of}"
    return Range(label=label, value=share.share, low=share.low, high=share.high, said=said)


def bars(title: str, head: tuple[str, str], rows: Sequence[Bar]) -> Chart:
    """Draw quantities from 0 as bars below their labels."""
    most = max([row.value or 0 for row in rows] + [row.line or 0 for row in rows], default=0) or 1
    parts = [part for place, row in enumerate(rows) for part in _bar(row, place * _ROW, most)]
    table = tuple((row.label, row.said) for row in rows)
    return Chart(svg=_svg(title, table, _ROW * len(rows), parts), head=head, rows=table)


def intervals(
    title: str, head: tuple[str, str], rows: Sequence[Range], *, low: float = 0.0, high: float = 1.0
) -> Chart:
    """Draw estimates as dots with their bounds as whiskers, on a ground that reaches from `low` to `high`."""
    parts = [part for place, row in enumerate(rows) for part in _whisker(row, place * _ROW, low, high)]
    table = tuple((row.label, row.said) for row in rows)
    return Chart(svg=_svg(title, table, _ROW * len(rows), parts), head=head, rows=table)


def histogram(title: str, head: tuple[str, str], classes: Sequence[tuple[str, int]]) -> Chart:
    """Draw counts by class as columns."""
    most = max((count for _, count in classes), default=0) or 1
    table = tuple((label, f"{count:,}") for label, count in classes)
    parts = [*_axis(float(most)), *_columns(classes, most)]
    return Chart(svg=_svg(title, table, _TOP + _TALL + _BASE, parts), head=head, rows=table)


def lines(title: str, head: str, ticks: Sequence[str], series: Sequence[Series]) -> Chart:
    """Draw values over ticks that lie evenly. What is not known leaves a gap. Raises ValueError for unequal lengths."""
    if any(len(one.values) != len(ticks) for one in series):
        raise ValueError("every line has one value for each tick")
    most = _round_up(max((value for one in series for value in one.values if value is not None), default=0.0))
    parts = [*_axis(most), *_ticks(ticks)]
    for number, one in enumerate(series):
        parts.extend(_line(one, number, most))
        parts.append(_legend(one, number, len(series)))
    height = _TOP + _TALL + _BASE + (_BASE if series else 0)
    table = tuple(
        (tick, *(NOTHING if one.values[place] is None else f"{one.values[place]:,g}" for one in series))
        for place, tick in enumerate(ticks)
    )
    names = tuple(one.name for one in series)
    return Chart(svg=_svg(title, table, height, parts), head=(head, *names), rows=table)


def _svg(title: str, table: Sequence[tuple[str, ...]], height: float, parts: Sequence[Markup]) -> Markup:
    told = "; ".join(f"{_isolated(row[0])}: {', '.join(row[1:])}" for row in table)
    opening = Markup(
        '<svg class="chart" viewBox="0 0 {} {:g}" role="img" direction="ltr"><title>{}</title><desc>{}</desc>'
    ).format(WIDTH, max(height, 1), title, told)
    return opening + Markup("").join(parts) + Markup("</svg>")


def _text(x: float, y: float, words: str, anchor: str = "start") -> Markup:
    return Markup('<text x="{:.1f}" y="{:.1f}" text-anchor="{}">{}</text>').format(x, y, anchor, _isolated(words))


def _isolated(words: str) -> str:
    """Keep the words' own direction (Unicode's first strong isolate)."""
    return f"\u2068{words}\u2069"


def _shortened(label: str, said: str) -> str:
    room = max(8, _LETTERS - len(said))
    return label if len(label) <= room else f"{label[: room - 1]}…"


def _head(label: str, said: str, top: float) -> Iterator[Markup]:
    yield _text(0, top + _LABEL_Y, _shortened(label, said))
    yield _text(WIDTH, top + _LABEL_Y, said, "end")


def _bar(row: Bar, top: float, most: float) -> Iterator[Markup]:
    yield from _head(row.label, row.said, top)
    rect = Markup('<rect class="{}" x="0" y="{:g}" width="{:.1f}" height="{}" rx="2"/>')
    yield rect.format("chart-ground", top + _BAR_Y, WIDTH, _BAR)
    if row.value is not None:
        yield rect.format("chart-bar", top + _BAR_Y, WIDTH * min(max(row.value, 0), most) / most, _BAR)
    if row.line is not None:
        yield _stroke("chart-mark", (WIDTH * row.line / most, top + _BAR_Y - 3), (0, _BAR + 6))


def _whisker(row: Range, top: float, low: float, high: float) -> Iterator[Markup]:
    yield from _head(row.label, row.said, top)
    middle = top + _BAR_Y + _BAR / 2
    yield _stroke("chart-axis", (0, middle), (WIDTH, 0))
    if row.value is None or row.low is None or row.high is None:
        return
    first, at, last = (
        6 + (WIDTH - 12) * min(1.0, max(0.0, (value - low) / (high - low))) for value in (row.low, row.value, row.high)
    )
    yield _stroke("chart-whisker", (first, middle), (last - first, 0))
    for end in (first, last):
        yield _stroke("chart-whisker", (end, middle - 5), (0, 10))
    yield Markup('<circle class="chart-dot" cx="{:.1f}" cy="{:g}" r="5"/>').format(at, middle)


def _stroke(name: str, start: tuple[float, float], by: tuple[float, float]) -> Markup:
    (x, y), (dx, dy) = start, by
    return Markup('<line class="{}" x1="{:.1f}" x2="{:.1f}" y1="{:.1f}" y2="{:.1f}"/>').format(
        name, x, x + dx, y, y + dy
    )


def _axis(most: float) -> Iterator[Markup]:
    for share in (0.0, 0.5, 1.0):
        y = _TOP + _TALL * (1 - share)
        yield _stroke("chart-axis", (_SIDE, y), (WIDTH - _SIDE, 0))
        yield _text(_SIDE - 6, y + 5, f"{most * share:,g}", "end")


def _columns(classes: Sequence[tuple[str, int]], most: float) -> Iterator[Markup]:
    wide = (WIDTH - _SIDE) / max(1, len(classes))
    for place, (label, count) in enumerate(classes):
        x, tall = _SIDE + wide * place, _TALL * count / most
        yield Markup('<rect class="chart-bar" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"/>').format(
            x + wide * 0.08, _TOP + _TALL - tall, wide * 0.84, tall
        )
        yield _text(x + wide / 2, _TOP + _TALL + 20, label, "middle")


def _ticks(ticks: Sequence[str]) -> Iterator[Markup]:
    """Write the first, the middle and the last."""
    named = {0: "start", (len(ticks) - 1) // 2: "middle", len(ticks) - 1: "end"}
    for place, anchor in named.items():
        if 0 <= place < len(ticks):
            yield _text(_x(place, len(ticks)), _TOP + _TALL + 20, ticks[place], anchor)


def _x(place: int, count: int) -> float:
    return _SIDE + (WIDTH - _SIDE) * (place / (count - 1) if count > 1 else 0.5)


def _line(one: Series, number: int, most: float) -> Iterator[Markup]:
    places = enumerate(one.values)
    for known, stretch in groupby(places, lambda point: point[1] is not None):
        points = [
            (_x(place, len(one.values)), _TOP + _TALL * (1 - value / most))
            for place, value in stretch
            if value is not None
        ]
        if known and len(points) == 1:
            yield Markup('<circle class="chart-line-{}" cx="{:.1f}" cy="{:.1f}" r="3"/>').format(number, *points[0])
        elif known:
            drawn = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
            yield Markup('<polyline class="chart-line-{}" points="{}"{}/>').format(number, drawn, _dashes(number))


def _legend(one: Series, number: int, count: int) -> Markup:
    wide = WIDTH / count
    y = _TOP + _TALL + _BASE + 18
    sample = Markup('<polyline class="chart-line-{}" points="{:.1f},{} {:.1f},{}"{}/>').format(
        number, wide * number, y - 5, wide * number + 28, y - 5, _dashes(number)
    )
    return sample + _text(wide * number + 34, y, one.name)


def _dashes(number: int) -> Markup:
    dashes = _DASHES[number % len(_DASHES)]
    return Markup(' stroke-dasharray="{}"').format(dashes) if dashes else Markup("")


def _round_up(value: float) -> float:
    """Return the next of 1, 2, 5 times a power of ten."""
    if value <= 0:
        return 1.0
    power = 10.0 ** ceil(log10(value) - 1e-9)
    return next(power * part for part in (0.1, 0.2, 0.5, 1.0) if power * part >= value * (1 - 1e-9))
