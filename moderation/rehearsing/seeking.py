"""The search for a threshold: how far a rule may be turned so that its queue stays within so many hours a day.

One pass over the records finds on which number each of them turns; every threshold is then reckoned from that.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from moderation.db import Database
from moderation.policy.conditions import Compiled
from moderation.policy.engine import Ruleset
from moderation.policy.loader import load_bundle
from moderation.rehearsing.backtesting import Progress, untold
from moderation.rehearsing.comparing import records
from moderation.rehearsing.crew import carry_out
from moderation.rehearsing.critical import BEYOND, Dial, find_dial, turning_point
from moderation.rehearsing.intervals import Share
from moderation.rehearsing.labels import quality
from moderation.rehearsing.outlines import Outline
from moderation.rehearsing.pairs import Pair
from moderation.rehearsing.reports import gaps_json
from moderation.rehearsing.scope import BATCH, Extent, Key, Scope, batches, measure
from moderation.rehearsing.tallies import Gaps
from moderation.rehearsing.workload import Load, Paces, load_of, measure_paces

if TYPE_CHECKING:
    from moderation.services import Services

#: (outcome, queue) of one decision.
Fate = tuple[str, str | None]
#: On which number a record turns (None: on none), and what becomes of it with the rule and without.
Turn = tuple[float | None, Fate, Fate]
#: Thresholds shown beside the answer.
STEPS = 9


@dataclass(slots=True)
class Turns:
    """Records by what they turn on; of the table, and of labelled clips by label."""

    table: Counter[Turn] = field(default_factory=Counter)
    labelled: Counter[tuple[str, Turn]] = field(default_factory=Counter)
    gaps: Gaps = field(default_factory=Gaps)

    def merge(self, other: "Turns") -> None:
        """Add what another batch found."""
        self.table.update(other.table)
        self.labelled.update(other.labelled)
        self.gaps.merge(other.gaps)


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """Find on which number each record turns."""

    org: str
    bundle: str
    rule: str

    def begin(self, database: Database) -> Callable[[Sequence[Key]], Turns]:
        """Compile the policies with the rule never and always met; returns what goes through a batch."""
        ruleset = load_bundle(self.bundle)
        dial = find_dial(ruleset, self.rule)
        never, always = (dial.ruleset(ruleset, end) for end in (BEYOND, -BEYOND)[:: 1 if dial.falling else -1])
        pair = Pair.of(never, always)
        probes: dict[float, Compiled] = {}

        def go_through(keys: Sequence[Key]) -> Turns:
            turns = Turns()
            for key, _, facts in records(database, self.org, keys, turns.gaps):
                one, other, exhibits = pair.outlines(facts)
                without, with_ = _fate(one), _fate(other)
                at = None if with_ == without else turning_point(dial, exhibits, probes)
                turn = (at, with_, without) if at is not None else (None, without, without)
                if key.counted:
                    turns.table[turn] += 1
                if key.label is not None:
                    turns.labelled[key.label, turn] += 1
            return turns

        return go_through


def _fate(outline: Outline) -> Fate:
    return outline.outcome, outline.queue


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One threshold and what it would mean: work in each queue, and how much of what people found harmful is caught."""

    threshold: float
    load: Load
    others: dict[str, Load]
    recall: Share

    def to_json(self) -> dict[str, object]:
        """Return plain data."""
        return {
            "threshold": self.threshold,
            **self.load.to_json(),
            "other_queues": {queue: load.to_json() for queue, load in self.others.items()},
            "recall": self.recall.to_json(),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The answer. `best` is None when no threshold will do: other rules fill the queue by themselves."""

    rule: str
    signal: str
    comparator: str
    queue: str
    hours: float
    now: Setting
    best: Setting | None
    steps: tuple[Setting, ...]
    without_rule: Setting
    judged: int
    extent: Extent
    days: float
    gaps: Gaps

    @property
    def labels_enough(self) -> bool:
        """Whether there are labels of harm enough to tell what a threshold costs."""
        return self.now.recall.enough

    def to_json(self) -> dict[str, object]:
        """Return plain data."""
        return {
            "rule": self.rule,
            "signal": self.signal,
            "comparator": self.comparator,
            "queue": self.queue,
            "hours_per_day": self.hours,
            "seconds_per_case": self.now.load.pace.to_json(),
            "now": self.now.to_json(),
            "best": self.best.to_json() if self.best else None,
            "without_rule": self.without_rule.to_json(),
            "steps": [step.to_json() for step in self.steps],
            "labels_enough": self.labels_enough,
            "clips": self.extent.clips,
            "judged": self.judged,
            "days": round(self.days, 3),
            "not_judged": gaps_json(self.gaps) | {"without_rules": self.extent.without_rules},
        }


def seek(
    services: "Services",
    org: str,
    ruleset: Ruleset,
    scope: Scope,
    *,
    rule: str,
    hours: float,
    processes: int = 1,
    batch: int = BATCH,
    progress: Progress = untold,
) -> Found:
    """Find the threshold of `rule` that catches most while its queue takes at most `hours` of people's time a day.

    `rule` is `area.rule`, or `area.rule:signal` where it asks several. Raises Unprocessable as `find_dial`.
    """
    dial = find_dial(ruleset, rule)
    turns = Turns()
    with services.database.transaction(org) as tx:
        extent = measure(tx, scope)
        paces = measure_paces(tx, scope.until, services.settings.rehearsing)
        expected = extent.clips if scope.sample is None else min(scope.sample, extent.clips)
        work = Search(org=org, bundle=ruleset.bundle, rule=rule)
        with closing(carry_out(work, batches(tx, scope, batch), services.dsn, processes)) as parts:
            for part in parts:
                turns.merge(part)
                progress(turns.table.total(), expected)
    return Reckoning(dial=dial, turns=turns, scope=scope, extent=extent, paces=paces).answer(hours)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reckoning:
    """Reckons any threshold from where the records turn."""

    dial: Dial
    turns: Turns
    scope: Scope
    extent: Extent
    paces: Paces

    def answer(self, hours: float) -> Found:
        """Find the threshold that catches most within the hours, by bisection over the values on which records turn."""
        values = self._thresholds()
        fitting = bisect_left(range(len(values)), 1, key=lambda at: self._hours(values[at]) <= hours)
        best = self.at(values[fitting]) if fitting < len(values) else None
        return Found(
            rule=self.dial.name,
            signal=self.dial.leaf.signal,
            comparator=self.dial.leaf.comparator,
            queue=self.dial.queue,
            hours=hours,
            now=self.at(self.dial.leaf.threshold),
            best=best,
            steps=tuple(self.at(value) for value in _spread(values, fitting)),
            without_rule=self.at(self._never),
            judged=self.turns.table.total(),
            extent=self.extent,
            days=self.extent.days(self.scope),
            gaps=self.turns.gaps,
        )

    @property
    def _never(self) -> float:
        return BEYOND if self.dial.falling else -BEYOND

    def _thresholds(self) -> list[float]:
        """The thresholds that differ, from the most clips to the fewest: one for each value on which records turn."""
        turned = sorted({at for at, _, _ in self.turns.table if at is not None}, reverse=not self.dial.falling)
        return [*map(self.dial.admitting, turned), *map(self.dial.refusing, turned[-1:])]

    def _hours(self, threshold: float) -> float:
        load = self.at(threshold).load
        return load.hours(load.cases)

    def _fate(self, turn: Turn, threshold: float) -> Fate:
        at, with_, without = turn
        return with_ if at is not None and self._met(at, threshold) else without

    def _met(self, at: float, threshold: float) -> bool:
        match self.dial.leaf.comparator:
            case "at_least":
                return at >= threshold
            case "above":
                return at > threshold
            case "at_most":
                return at <= threshold
            case _:
                return at < threshold

    def at(self, threshold: float) -> Setting:
        """Reckon one threshold."""
        queues: Counter[str] = Counter()
        for turn, clips in self.turns.table.items():
            queue = self._fate(turn, threshold)[1]
            if queue is not None:
                queues[queue] += clips
        labelled: Counter[tuple[str, str]] = Counter()
        for (label, turn), clips in self.turns.labelled.items():
            labelled[label, self._fate(turn, threshold)[0]] += clips
        queues[self.dial.queue] += 0
        judged = self.turns.table.total()
        loads = {
            queue: load_of(clips, judged, self.extent, self.scope, self.paces.of(queue))
            for queue, clips in sorted(queues.items())
        }
        return Setting(
            threshold=threshold,
            load=loads.pop(self.dial.queue),
            others=loads,
            recall=quality(labelled).recall,
        )


def _spread(values: list[float], around: int) -> list[float]:
    """Choose some values from all over, the one at `around` among them."""
    if not values:
        return []
    last = len(values) - 1
    places = {round(step * last / (STEPS - 1)) for step in range(STEPS)} | {min(around, last)}
    return [values[place] for place in sorted(places)]
