"""One signal's numbers over time, and where a comparison holds on them. Knows nothing of rules or people."""

import operator
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import chain

from moderation.decisions import Span
from moderation.facts import Sample
from moderation.policy.model import Anywhere, Comparator, OftenIn, Quantifier, ShareOfClip, Sustained

#: Stretches that the trace keeps of one leaf on one face.
MAX_SPANS = 24

Compare = Callable[[float, float], bool]
_Piece = tuple[tuple[int, ...], tuple[int, ...], tuple[float, ...], tuple[float, ...]]
COMPARE: dict[Comparator, Compare] = {
    "at_least": operator.ge,
    "above": operator.gt,
    "at_most": operator.le,
    "below": operator.lt,
    "equals": operator.eq,
}
#: One comprehension for each, because a call for each sample costs more than the comparison.
_FLAGS: dict[Comparator, Callable[[Sequence[float], float], bytes]] = {
    "at_least": lambda values, line: bytes([value >= line for value in values]),
    "above": lambda values, line: bytes([value > line for value in values]),
    "at_most": lambda values, line: bytes([value <= line for value in values]),
    "below": lambda values, line: bytes([value < line for value in values]),
    "equals": lambda values, line: bytes([value == line for value in values]),
}
#: Tells from the least and the greatest value whether any can meet the comparison (exact unless `equals`).
COULD_HOLD: dict[Comparator, Callable[[float, float, float], bool]] = {
    "at_least": lambda _, top, line: top >= line,
    "above": lambda _, top, line: top > line,
    "at_most": lambda bottom, _, line: bottom <= line,
    "below": lambda bottom, _, line: bottom < line,
    "equals": lambda bottom, top, line: bottom <= line <= top,
}
#: Comparators that a low value meets: among several samples of one instant the lowest speaks for it.
_DOWNWARD = frozenset({"at_most", "below"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """The instants of one signal on one face, or on the whole picture (`track` None), in order.

    `highs` and `lows` are the extremes at each instant; they differ only where an instant has several samples.
    An instant lasts until the next one (`ends`, ms, exclusive), the last until the face or the clip is over. A series
    that was narrowed down to parts of the clip may be `interrupted`: an instant is over before the next one begins.
    """

    track: int | None
    times: tuple[int, ...]
    highs: tuple[float, ...]
    lows: tuple[float, ...]
    ends: tuple[int, ...]
    top: float
    bottom: float
    interrupted: bool = False
    #: Where comparisons hold, once it was looked for: whether a rule holds and its evidence ask the same.
    _unbroken: dict[tuple[Comparator, float], list[tuple[int, int]]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def unbroken(self, comparator: Comparator, threshold: float) -> list[tuple[int, int]]:
        """Return first and last index of every run of instants that meet the comparison, ended at interruptions."""
        found = self._unbroken.get((comparator, threshold))
        if found is None:
            runs = _runs(_FLAGS[comparator](self.values(comparator), threshold))
            found = self._unbroken[comparator, threshold] = _broken(self, runs) if self.interrupted else runs
        return found

    def values(self, comparator: Comparator) -> tuple[float, ...]:
        """Return the value that speaks for each instant under this comparator."""
        return self.lows if comparator in _DOWNWARD else self.highs


def series_of(samples: Sequence[Sample], ends: Callable[[int | None], int]) -> tuple[Series, ...]:
    """Split ordered samples by track; `ends` gives the ms at which a track, or for None the clip, is over."""
    if not samples:
        return ()
    times, values, tracks = zip(*samples, strict=True)
    if tracks.count(None) == len(tracks):
        return (_series(None, times, values, ends(None)),)
    of_track: dict[int | None, list[Sample]] = {}
    for sample in samples:
        of_track.setdefault(sample[2], []).append(sample)
    return tuple(_of_track(track, own, ends(track)) for track, own in of_track.items())


def _of_track(track: int | None, samples: Sequence[Sample], end_ms: int) -> Series:
    times, values, _ = zip(*samples, strict=True)
    return _series(track, times, values, end_ms)


def _series(track: int | None, times: tuple[int, ...], values: tuple[float, ...], end_ms: int) -> Series:
    highs = lows = values
    if len(set(times)) < len(times):
        times, highs, lows = _instants(times, values)
    return Series(
        track=track,
        times=times,
        highs=highs,
        lows=lows,
        ends=(*times[1:], max(end_ms, times[-1] + 1)),
        top=max(highs),
        bottom=min(lows),
    )


def _instants(
    times: tuple[int, ...], values: tuple[float, ...]
) -> tuple[tuple[int, ...], tuple[float, ...], tuple[float, ...]]:
    """Put samples of one instant together: times, highest and lowest values."""
    instants: dict[int, list[float]] = {}
    for time_ms, value in zip(times, values, strict=True):
        instants.setdefault(time_ms, []).append(value)
    return tuple(instants), tuple(map(max, instants.values())), tuple(map(min, instants.values()))


def narrowed(series: Series, ranges: Sequence[tuple[int, int]], *, carried: bool) -> Series | None:
    """Return what the series says within some stretches (ms, end exclusive, in order); None where it says nothing.

    With `carried`, an instant that lasts into a stretch speaks for its beginning; across a cut none does.
    """
    pieces = [piece for bounds in ranges if (piece := _piece(series, *bounds, carried=carried))[0]]
    if not pieces:
        return None
    if len(pieces) == 1:
        times, ends, highs, lows = pieces[0]
    else:
        times, ends, highs, lows = (tuple(chain.from_iterable(part)) for part in zip(*pieces, strict=True))
    return Series(
        track=series.track,
        times=times,
        highs=highs,
        lows=lows,
        ends=ends,
        top=max(highs),
        bottom=min(lows),
        interrupted=series.interrupted or any(end < later for end, later in zip(ends, times[1:], strict=False)),
    )


def _piece(series: Series, start: int, end: int, *, carried: bool) -> _Piece:
    """Cut the instants between two moments out; the last is over by the end."""
    first, last = bisect_left(series.times, start), bisect_left(series.times, end)
    times = series.times[first:last]
    if carried and first and series.ends[first - 1] > start and (not times or times[0] > start):
        first, times = first - 1, (start, *times)
    ends = series.ends[first:last]
    if ends and ends[-1] > end:
        ends = (*ends[:-1], end)
    return times, ends, series.highs[first:last], series.lows[first:last]


def holds(series: Series, comparator: Comparator, threshold: float, quantifier: Quantifier, clip_ms: int) -> bool:
    """Tell whether the comparison holds on this series for as long, or as often, as the quantifier asks."""
    if not COULD_HOLD[comparator](series.bottom, series.top, threshold):
        return False
    if isinstance(quantifier, Anywhere) and comparator != "equals":
        return True
    match quantifier:
        case Anywhere():
            return threshold in series.values(comparator)
        case Sustained(ms):
            runs = series.unbroken(comparator, threshold)
            return any(series.ends[last] - series.times[first] >= ms for first, last in runs)
        case OftenIn(hits, window):
            return _often(_FLAGS[comparator](series.values(comparator), threshold), hits, window)
        case ShareOfClip(share):
            runs = series.unbroken(comparator, threshold)
            held = sum(series.ends[last] - series.times[first] for first, last in runs)
            return held >= share * max(clip_ms, 1)


def spans(series: Series, comparator: Comparator, threshold: float, quantifier: Quantifier) -> tuple[list[Span], int]:
    """Return the stretches on which the comparison holds, in order; under `for` only those that last long enough.

    A score that flutters has hundreds: the `MAX_SPANS` longest are kept, and how many were left out is told.
    """
    values = series.values(comparator)
    worst = min if comparator in _DOWNWARD else max
    least = quantifier.ms if isinstance(quantifier, Sustained) else 0
    stretches = [
        (series.times[first], series.ends[last], first, last) for first, last in series.unbroken(comparator, threshold)
    ]
    lasting = [stretch for stretch in stretches if stretch[1] - stretch[0] >= least]
    kept = lasting
    if len(lasting) > MAX_SPANS:
        kept = sorted(sorted(lasting, key=lambda stretch: (stretch[0] - stretch[1], stretch[0]))[:MAX_SPANS])
    found = [
        Span(start_ms=start, end_ms=end, peak=worst(values[first : last + 1]), track=series.track)
        for start, end, first, last in kept
    ]
    return found, len(lasting) - len(found)


def _broken(series: Series, runs: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """End runs where the series is interrupted."""
    pieces: list[tuple[int, int]] = []
    for first, last in runs:
        breaks = [index for index in range(first, last) if series.ends[index] < series.times[index + 1]]
        pieces += zip([first, *(index + 1 for index in breaks)], [*breaks, last], strict=True)
    return pieces


def _runs(flags: bytes) -> list[tuple[int, int]]:
    """Return first and last index of every run of true flags."""
    runs: list[tuple[int, int]] = []
    first = flags.find(1)
    while first >= 0:
        end = flags.find(0, first)
        if end < 0:
            return [*runs, (first, len(flags) - 1)]
        runs.append((first, end - 1))
        first = flags.find(1, end)
    return runs


def _often(flags: bytes, hits: int, window: int) -> bool:
    count = sum(flags[:window])
    if count >= hits:
        return True
    for index in range(window, len(flags)):
        count += flags[index] - flags[index - window]
        if count >= hits:
            return True
    return False
