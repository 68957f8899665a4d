"""`moderation policy backtest` and `diff`: what rules would have done with stored records. Opens the state directly."""

import sys
import time
from collections.abc import Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from moderation.cli.printing import JSON_OPTION, configure_logs, local_settings, print_json

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from moderation.policy.engine import Ruleset
    from moderation.rehearsing.scope import Scope
    from moderation.services import Services

ORG = "default"
#: Seconds between two lines of progress.
OFTEN = 2.0

Since = Annotated[str, typer.Option(help="From when on: 2026-10-01, or 30d for thirty days ago.")]
Until = Annotated[str | None, typer.Option(help="Until when; without it, now.")]
Sample = Annotated[int | None, typer.Option(min=1, help="Judge so many clips, always the same ones, instead of all.")]
Queue = Annotated[str | None, typer.Option(help="Only clips that stand in this queue, before or after.")]
Labels = Annotated[Path | None, typer.Option(help="CSV file with clip_id and outcome: your golden set.")]
Examples = Annotated[int, typer.Option(min=0, max=100, help="Clips named for each cell of the table.")]
Processes = Annotated[int | None, typer.Option(min=1, max=64, help="Processes that judge.")]


def backtest(  # noqa: PLR0913 - one for each option
    directory: Annotated[Path | None, typer.Argument(help="The policy folder; without it the rules in force.")] = None,
    *,
    since: Since = "30d",
    until: Until = None,
    sample: Sample = None,
    queue: Queue = None,
    labels: Labels = None,
    examples: Examples = 3,
    seek: Annotated[str | None, typer.Option(help="area.rule or area.rule:signal, whose threshold to find.")] = None,
    hours: Annotated[float | None, typer.Option(min=0, help="With --seek: hours a day its queue may take.")] = None,
    processes: Processes = None,
    as_json: bool = JSON_OPTION,
) -> None:
    """Judge stored records by a folder's rules, beside what rules decided then; with --seek, find a threshold."""
    if (seek is None) != (hours is None):
        raise typer.BadParameter("--seek and --hours go together")
    with _opened() as services:
        scope = _scope(services.clock.now(), since, until, sample, queue, labels, examples)
        ruleset = _ruleset(services, "active" if directory is None else str(directory))
        if seek is None or hours is None:
            _compare(services, scope, ruleset, None, processes, as_json=as_json)
        else:
            _seek(services, scope, ruleset, seek, hours, processes, as_json=as_json)


def diff(
    old: Annotated[str, typer.Argument(help="A folder, pol_..., emg_..., a version's first digits, or `active`.")],
    new: Annotated[str, typer.Argument(help="Likewise.")],
    *,
    since: Since = "30d",
    until: Until = None,
    sample: Sample = None,
    queue: Queue = None,
    labels: Labels = None,
    examples: Examples = 3,
    processes: Processes = None,
    as_json: bool = JSON_OPTION,
) -> None:
    """Judge stored records by two policy sets and show what comes out otherwise."""
    with _opened() as services:
        scope = _scope(services.clock.now(), since, until, sample, queue, labels, examples)
        pair = _ruleset(services, old), _ruleset(services, new)
        _compare(services, scope, pair[1], pair[0], processes, as_json=as_json)


@contextmanager
def _opened() -> "Iterator[Services]":
    # The database and all that belongs to it: `lint` and `test`, which share this program, must not wait for them.
    from moderation.assembly import open_services  # noqa: PLC0415

    settings = local_settings()
    configure_logs("WARNING")
    with open_services(settings) as services:
        yield services


def _scope(
    now: "datetime",
    since: str,
    until: str | None,
    sample: int | None,
    queue: str | None,
    labels: Path | None,
    examples: int,
) -> "Scope":
    from moderation.rehearsing.labels import read_labels  # noqa: PLC0415
    from moderation.rehearsing.scope import Scope, moment  # noqa: PLC0415

    return Scope(
        since=moment(since, now),
        until=now if until is None else moment(until, now),
        sample=sample,
        queue=queue,
        labels={} if labels is None else read_labels(labels),
        examples=examples,
    )


def _ruleset(services: "Services", named: str) -> "Ruleset":
    from moderation.rehearsing.backtesting import find_ruleset  # noqa: PLC0415

    return find_ruleset(services, ORG, named)


def _compare(
    services: "Services", scope: "Scope", new: "Ruleset", old: "Ruleset | None", processes: int | None, *, as_json: bool
) -> None:
    from moderation.rehearsing import backtesting, sheets  # noqa: PLC0415

    many = processes or services.settings.rehearsing.processes
    report = backtesting.backtest(services, ORG, new, scope, old=old, processes=many, progress=Ticker())
    _show(report.to_json() if as_json else sheets.write_report(report))


def _seek(
    services: "Services",
    scope: "Scope",
    ruleset: "Ruleset",
    rule: str,
    hours: float,
    processes: int | None,
    *,
    as_json: bool,
) -> None:
    from moderation.rehearsing import seeking, sheets  # noqa: PLC0415

    many = processes or services.settings.rehearsing.processes
    ticker = Ticker()
    found = seeking.seek(services, ORG, ruleset, scope, rule=rule, hours=hours, processes=many, progress=ticker)
    _show(found.to_json() if as_json else sheets.write_found(found))
    raise typer.Exit(0 if found.best else 1)


def _show(answer: dict[str, object] | Iterable[str]) -> None:
    if isinstance(answer, dict):
        print_json(answer)
    else:
        for line in answer:
            typer.echo(line)


class Ticker:
    """Tells on stderr how far the work is: records, rate, what remains."""

    def __init__(self) -> None:
        self._began = self._told = time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        """Tell, unless it was told a moment ago."""
        now = time.monotonic()
        if now - self._told < OFTEN and done < total:
            return
        self._told = now
        rate = done / max(now - self._began, 1e-9)
        left = f"{max(0, total - done) / rate:.0f} s" if rate else "?"
        sys.stderr.write(f"{done} of {total} records, {rate:.0f} a second, {left} left\n")
        sys.stderr.flush()
