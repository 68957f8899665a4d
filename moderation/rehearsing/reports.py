"""What a comparison found, as plain values for whoever shows it: the command line, the API, pages. Counts nothing."""

from collections import Counter
from dataclasses import dataclass

from moderation.decisions import Outcome
from moderation.rehearsing.intervals import Share, share_of
from moderation.rehearsing.labels import Quality, quality
from moderation.rehearsing.scope import Extent, Scope
from moderation.rehearsing.tallies import Example, Gaps, Spoken, Tally
from moderation.rehearsing.workload import Load, Paces, load_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """Clips that went from one outcome to another. `share` is of clips like these; `estimate` of the whole stretch."""

    before: str
    after: str
    share: Share
    #: Of a sample: how many clips of the whole stretch that is, least and most with 95 %.
    estimate: tuple[float, float, float] | None
    examples: tuple[Example, ...]

    def to_json(self) -> dict[str, object]:
        """Return plain data."""
        named = [{"clip": example.clip, "rules": list(example.rules)} for example in self.examples]
        estimate = dict(zip(("clips", "low", "high"), self.estimate, strict=True)) if self.estimate else None
        return {"from": self.before, "to": self.after, **self.share.to_json(), "estimate": estimate, "examples": named}


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueLoad:
    """One queue's work a day, before and after."""

    queue: str
    before: Load
    after: Load

    def to_json(self) -> dict[str, object]:
        """Return plain data."""
        return {
            "queue": self.queue,
            "before": self.before.to_json(),
            "after": self.after.to_json(),
            "seconds_per_case": self.after.pace.to_json(),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleCounts:
    """How often one rule fired, and could not be told, before and after."""

    rule: str
    fired: tuple[int, int]
    open: tuple[int, int]

    def to_json(self) -> dict[str, object]:
        """Return plain data."""
        (fired_before, fired_after), (open_before, open_after) = self.fired, self.open
        return {
            "rule": self.rule,
            "fired": {"before": fired_before, "after": fired_after},
            "undetermined": {"before": open_before, "after": open_after},
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Golden:
    """How both sides do by the labels, and clips that labels say were caught before and are not any more."""

    labelled: int
    before: Quality
    after: Quality
    newly_missed: tuple[Example, ...]

    def to_json(self) -> dict[str, object]:
        """Return plain data."""
        missed = [{"clip": example.clip, "rules": list(example.rules)} for example in self.newly_missed]
        return {
            "labelled": self.labelled,
            "before": self.before.to_json(),
            "after": self.after.to_json(),
            "newly_missed": missed,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One comparison whole. `clips` is how many the stretch holds, `judged` how many of them were judged."""

    before: str
    after: str
    scope: Scope
    extent: Extent
    clips: int
    judged: int
    listed: int
    sampled: bool
    days: float
    cells: tuple[Cell, ...]
    moved: tuple[tuple[str, str, int], ...]
    queues: tuple[QueueLoad, ...]
    rules: tuple[RuleCounts, ...]
    golden: Golden
    gaps: Gaps
    #: (signal, "absent" or "not_measured", records).
    unmeasured: tuple[tuple[str, str, int], ...]

    @property
    def changed(self) -> Share:
        """How many clips come out otherwise."""
        return share_of(sum(cell.share.hits for cell in self.cells if cell.before != cell.after), self.listed)

    def to_json(self) -> dict[str, object]:
        """Return plain data."""
        return {
            "before": self.before,
            "after": self.after,
            "since": self.scope.since.isoformat(),
            "until": self.scope.until.isoformat(),
            "queue": self.scope.queue,
            "clips": self.clips,
            "judged": self.judged,
            "listed": self.listed,
            "sampled": self.sampled,
            "days": round(self.days, 3),
            "changed": self.changed.to_json(),
            "table": [cell.to_json() for cell in self.cells],
            "moved": [{"from": before, "to": after, "clips": clips} for before, after, clips in self.moved],
            "queues": [queue.to_json() for queue in self.queues],
            "rules": [rule.to_json() for rule in self.rules],
            "golden": self.golden.to_json(),
            "not_judged": gaps_json(self.gaps) | {"without_rules": self.extent.without_rules},
            "unmeasured": [
                {"signal": signal, "state": state, "records": records} for signal, state, records in self.unmeasured
            ],
        }


def gaps_json(gaps: Gaps) -> dict[str, object]:
    """Return as plain data what could not be judged."""
    return {
        "erased": gaps.erased,
        "unreadable": dict(gaps.unreadable),
        "examples": [example.clip for example in gaps.examples.kept],
    }


def report_of(tally: Tally, names: tuple[str, str], scope: Scope, extent: Extent, paces: Paces) -> Report:
    """Put a report together from counts."""
    sampled = scope.sample is not None and scope.sample < extent.clips
    return Report(
        before=names[0],
        after=names[1],
        scope=scope,
        extent=extent,
        clips=extent.clips,
        judged=tally.judged,
        listed=tally.listed,
        sampled=sampled,
        days=extent.days(scope),
        cells=tuple(_cells(tally, extent.clips if sampled else None)),
        moved=tuple((before, after, clips) for (before, after), clips in sorted(tally.moved.items())),
        queues=tuple(_queues(tally, scope, extent, paces)),
        rules=tuple(_rule(name, spoken) for name, spoken in sorted(tally.rules.items())),
        golden=_golden(tally),
        gaps=tally.gaps,
        unmeasured=tuple((signal, state, records) for (signal, state), records in sorted(tally.unmeasured.items())),
    )


def _cells(tally: Tally, population: int | None) -> list[Cell]:
    order = {str(outcome): outcome.strictness for outcome in Outcome}
    cells = sorted(tally.cells.items(), key=lambda cell: [order[outcome] for outcome in cell[0]])
    return [
        Cell(
            before=before,
            after=after,
            share=share_of(clips, tally.listed),
            estimate=_estimate(clips, tally.judged, population),
            examples=tuple(tally.named[before, after].kept) if (before, after) in tally.named else (),
        )
        for (before, after), clips in cells
    ]


def _estimate(hits: int, judged: int, population: int | None) -> tuple[float, float, float] | None:
    """Return how many clips of the whole a count in the sample stands for."""
    if population is None or not judged:
        return None
    found = share_of(hits, judged, population=population)
    expected = hits / judged * population
    # What was seen is there: fewer than the hits cannot be, nor more than all but the misses.
    low, high = max(found.low * population, hits), min(found.high * population, population - judged + hits)
    return round(expected, 1), round(low, 1), round(high, 1)


def _queues(tally: Tally, scope: Scope, extent: Extent, paces: Paces) -> list[QueueLoad]:
    before, after = tally.queues
    names = sorted({*before, *after} if scope.queue is None else {scope.queue})
    return [
        QueueLoad(
            queue=name,
            before=load_of(before[name], tally.judged, extent, scope, paces.of(name)),
            after=load_of(after[name], tally.judged, extent, scope, paces.of(name)),
        )
        for name in names
    ]


def _rule(name: str, spoken: Spoken) -> RuleCounts:
    return RuleCounts(rule=name, fired=(spoken.fired[0], spoken.fired[1]), open=(spoken.open[0], spoken.open[1]))


def _golden(tally: Tally) -> Golden:
    before: Counter[tuple[str, str]] = Counter()
    after: Counter[tuple[str, str]] = Counter()
    for (label, was, is_), clips in tally.labelled.items():
        before[label, was] += clips
        after[label, is_] += clips
    return Golden(
        labelled=tally.labelled.total(),
        before=quality(before),
        after=quality(after),
        newly_missed=tuple(tally.against.kept),
    )
