"""How the machine does: times and failures of stages, detectors that fail or drift, marks found again."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from moderation.db import Transaction, queries
from moderation.quality.distributions import Drift, drift_between
from moderation.quality.times import Times, times_of
from moderation.rehearsing.intervals import Share, share_of
from moderation.timelines import LINES

SQL = queries("quality")
#: Analyses are large: the newest so many of a stretch of time stand for it.
MOST_ANALYSES = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class StageLine:
    """One stage of clips' runs: how many ended, the share that failed, and seconds of those that did not."""

    name: str
    runs: int
    failed: Share
    times: Times


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalLine:
    """One signal: on how many clips it failed, and how its peaks lie against those of the stretch before."""

    name: str
    failed: Share
    drift: Drift


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """One stretch of time; drift is against the stretch of the same length before it."""

    since: datetime
    until: datetime
    stages: tuple[StageLine, ...]
    signals: tuple[SignalLine, ...]
    #: Of the delivered files, those in which the invisible mark was found, and the signature was whole.
    marks: Share
    signatures: Share

    def to_json(self) -> dict[str, object]:
        """Return plain data."""
        return {
            "since": self.since.isoformat(),
            "until": self.until.isoformat(),
            "stages": [
                {"name": line.name, "runs": line.runs, "failed": line.failed.to_json(), "times": line.times.to_json()}
                for line in self.stages
            ],
            "signals": [
                {"name": line.name, "failed": line.failed.to_json(), "drift": line.drift.to_json()}
                for line in self.signals
            ],
            "marks": self.marks.to_json(),
            "signatures": self.signatures.to_json(),
        }


def read_machine(tx: Transaction, since: datetime, until: datetime) -> Machine:
    """Read how stages, detectors and marks did from `since` on and before `until`."""
    span = {"since": since, "until": until}
    files, marks, signatures = tx.pg.execute(SQL.proven, span).fetchone() or (0, 0, 0)
    return Machine(
        since=since,
        until=until,
        stages=tuple(
            StageLine(name=name, runs=runs, failed=share_of(failed, runs), times=times_of(runs - failed, quantiles))
            for name, runs, failed, quantiles in tx.pg.execute(SQL.stage_lines, span).fetchall()
        ),
        signals=_signals(tx, since, until),
        marks=share_of(marks, files),
        signatures=share_of(signatures, files),
    )


@dataclass(slots=True)
class _Seen:
    """What was found of one signal."""

    clips: int = 0
    failed: int = 0
    peaks: list[float] | None = None


def _signals(tx: Transaction, since: datetime, until: datetime) -> tuple[SignalLine, ...]:
    now = _seen(_bodies(tx, since, until))
    before = _seen(_bodies(tx, since - (until - since), since))
    return tuple(
        SignalLine(
            name=name,
            failed=share_of(seen.failed, seen.clips),
            drift=drift_between(before[name].peaks or [] if name in before else [], seen.peaks or []),
        )
        for name, seen in sorted(now.items())
    )


def _bodies(tx: Transaction, since: datetime, until: datetime) -> list[Mapping[str, Any]]:
    where = {"since": since, "until": until, "limit": MOST_ANALYSES}
    return [json.loads(body)["signals"] for (body,) in tx.pg.execute(SQL.analyses, where).fetchall()]


def _seen(analyses: Iterable[Mapping[str, Any]]) -> dict[str, _Seen]:
    """Count failures, and keep the sample furthest towards the line of each clip's signal."""
    found: dict[str, _Seen] = defaultdict(_Seen)
    for name, signal in (each for signals in analyses for each in signals.items()):
        seen = found[name]
        seen.clips += 1
        seen.failed += signal["state"] == "failed"
        values = [sample[1] for sample in signal["samples"]]
        if values:
            furthest = max if name not in LINES or LINES[name].above else min
            seen.peaks = [*(seen.peaks or []), furthest(values)]
    return dict(found)
