"""The facts of one clip narrowed down: to one shot, or to one face or person. What `within` asks its parts about.

Not known stays not known: a shot nobody looked at, or a face nobody looked for, leaves the question open.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from typing import Final, assert_never

from moderation.decisions import Cause
from moderation.facts import Segment
from moderation.policy.exhibits import Appearance, Exhibits
from moderation.policy.model import ABSENT, Within
from moderation.policy.registry import SignalEntry
from moderation.policy.speaking import utterances
from moderation.policy.timeline import Series, narrowed
from moderation.policy.truth import FALSE

FACES: Final = "face.detection"
#: Later than the end of any clip.
_NEVER: Final = 2**53
Range = tuple[int, int]


class View(Exhibits):
    """A part of what `whole` shows, asked as if it were the clip. What has no time and no face is in every part."""

    def __init__(self, whole: Exhibits, shown: Sequence[Appearance], ranges: Sequence[Range]) -> None:
        super().__init__(whole.facts, whole.vocabulary)
        self.whole = whole
        #: Stretches (ms, end exclusive) in order.
        self.ranges = tuple(ranges)
        self.tracks = frozenset(each.track for each in shown if each.track is not None)
        self.readable = whole.readable & self.tracks
        self._appearances = tuple(shown)

    def series(self, signal: str) -> tuple[Series, ...]:
        """Return what the signal says in this part."""
        found = self._series.get(signal)
        if found is None:
            parts = (self._part(signal, series) for series in self.whole.series(signal))
            found = self._series[signal] = tuple(part for part in parts if part is not None)
        return found

    def state_gaps(self, signal: str) -> tuple[Cause, ...]:
        """Return why the signal as a whole is worth nothing, as the whole tells it."""
        return self.whole.state_gaps(signal)

    def overlaps(self, start_ms: int, end_ms: int) -> bool:
        """Tell whether a stretch has a part in this one."""
        return any(start_ms < end and start < end_ms for start, end in self.ranges)

    def _part(self, signal: str, series: Series) -> Series | None:
        raise NotImplementedError


class ShotView(View):
    """One shot. No instant speaks across a cut; what was said beside the clip, at its first instant, is everywhere."""

    def hears(self, person: str | None, segments: Sequence[Segment]) -> bool:
        """Tell whether the voice speaks in this shot."""
        return self.whole.hears(person, segments) and any(self.overlaps(*segment) for segment in segments)

    def tracks_of(self, signal: str) -> set[int | None]:
        """Return the faces that the signal says anything of in this shot. Cuts no series: every gap is asked for so."""
        ranges = self._ranges_of(signal)
        return {series.track for series in self.whole.series(signal) if _speaks(series, ranges)}

    def _part(self, signal: str, series: Series) -> Series | None:
        return narrowed(series, self._ranges_of(signal), carried=False)

    def _ranges_of(self, signal: str) -> tuple[Range, ...]:
        everywhere = self.per(signal) == "text" and self.ranges[0][0] > 0
        return ((0, 1), *self.ranges) if everywhere else self.ranges


class PersonView(View):
    """One face, or one person on every face that may be theirs; of the picture, the time while they are in sight."""

    def __init__(self, whole: Exhibits, shown: Sequence[Appearance], person: str | None) -> None:
        super().__init__(whole, shown, _united((e.start_ms, e.end_ms) for e in shown if e.face != ABSENT))
        self._person = person

    def hears(self, person: str | None, segments: Sequence[Segment]) -> bool:
        """Tell whether the voice may be this person's."""
        return person is not None and person == self._person and self.whole.hears(person, segments)

    def _part(self, signal: str, series: Series) -> Series | None:
        if series.track is not None:
            return series if series.track in self.tracks else None
        return series if self.per(signal) == "text" else narrowed(series, self.ranges, carried=True)

    def _unlooked(self, signal: str, entry: SignalEntry | None) -> tuple[Cause, ...]:
        # While somebody is never in sight, there is nothing of the picture to be looked at.
        nowhere = entry is not None and entry.per == "frame" and not self.ranges
        return () if nowhere else super()._unlooked(signal, entry)


class UnseenView(View):
    """Somebody whom nobody looked for: of them nothing is known, of the whole picture all that was seen."""

    def __init__(self, whole: Exhibits) -> None:
        super().__init__(whole, (), ())

    def hears(self, person: str | None, segments: Sequence[Segment]) -> bool:
        """Tell that no voice is surely theirs."""
        return self.whole.hears(person, segments) and person is None

    def _part(self, signal: str, series: Series) -> Series | None:
        return series if series.track is None and self.per(signal) == "text" else None

    def _unlooked(self, signal: str, entry: SignalEntry | None) -> tuple[Cause, ...]:
        known = entry is not None and entry.per == "text"
        return () if known else self.whole.gaps(FACES) or super()._unlooked(signal, entry)


def views_of(exhibits: Exhibits, within: Within) -> tuple[Exhibits, ...] | None:
    """Return every shot, or every face and person; None when nobody looked for cuts."""
    if within not in exhibits.parts:
        exhibits.parts[within] = _views(exhibits, within)
    return exhibits.parts[within]


def gap_in_parts(exhibits: Exhibits, within: Within, signal: str) -> bool:
    """Tell whether the signal has a gap in some shot, or on some face or person."""
    found = exhibits.gaps_in_parts.get((within, signal))
    if found is None:
        views = views_of(exhibits, within)
        found = exhibits.gaps_in_parts[within, signal] = views is None or any(view.gaps(signal) for view in views)
    return found


def _views(exhibits: Exhibits, within: Within) -> tuple[Exhibits, ...] | None:
    match within:
        case "same_shot":
            return _shots(exhibits)
        case "same_person":
            return _people(exhibits)
        case _:
            assert_never(within)


def _shots(exhibits: Exhibits) -> tuple[View, ...] | None:
    starts = exhibits.facts.shots
    if not starts:
        return None
    bounds = [0, *(start.start_ms for start in starts[1:]), _NEVER]
    ranges: dict[int, list[Range]] = {}
    for number, (_, shot) in enumerate(starts):
        if bounds[number] < bounds[number + 1]:
            ranges.setdefault(shot, []).append((bounds[number], bounds[number + 1]))
    return tuple(_shot(exhibits, own) for own in ranges.values())


def _shot(exhibits: Exhibits, ranges: Sequence[Range]) -> ShotView:
    def shows(each: Appearance) -> bool:
        return each.face == ABSENT or any(each.start_ms < end and start < each.end_ms for start, end in ranges)

    return ShotView(exhibits, [each for each in exhibits.appearances if shows(each)], ranges)


def _people(exhibits: Exhibits) -> tuple[View, ...]:
    """Return each face, each person, and whoever may be there unseen when nobody looked for faces throughout."""
    shown = exhibits.appearances
    heard = {each.person for each in utterances(exhibits) if each.person is not None}
    tracks = dict.fromkeys(each.track for each in shown if each.track is not None)
    people = sorted({each.person for each in shown if each.person is not None} | heard)
    views: list[View] = [PersonView(exhibits, [e for e in shown if e.track == track], None) for track in tracks]
    views += [PersonView(exhibits, [e for e in shown if e.person == person], person) for person in people]
    return (*views, UnseenView(exhibits)) if exhibits.silence(FACES) is not FALSE else tuple(views)


def _speaks(series: Series, ranges: Sequence[Range]) -> bool:
    """Tell whether an instant of the series lies in some stretch."""
    return any(bisect_left(series.times, start) < bisect_left(series.times, end) for start, end in ranges)


def _united(stretches: Iterable[Range]) -> tuple[Range, ...]:
    """Join stretches that touch, in order."""
    joined: list[Range] = []
    for start, end in sorted(stretches):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((start, end))
    return tuple(joined)
