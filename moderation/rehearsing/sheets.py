"""Reports as plain text for a terminal: tables with their intervals, and in words what the figures do not tell."""

from collections.abc import Iterator, Sequence

from moderation.decisions import Outcome
from moderation.rehearsing.intervals import ENOUGH, Share
from moderation.rehearsing.labels import Quality
from moderation.rehearsing.reports import Cell, Report
from moderation.rehearsing.seeking import Found, Setting
from moderation.rehearsing.tallies import Gaps
from moderation.rehearsing.workload import Load, Pace

#: Rows of the table of rules; the JSON has them all.
RULES = 40
OUTCOMES = tuple(str(outcome) for outcome in Outcome)


def write_report(report: Report) -> Iterator[str]:
    """Give a comparison line by line."""
    yield f"before: {_version(report.before)}   after: {_version(report.after)}"
    yield _stretch(report)
    yield from _sizes(report)
    if not report.judged:
        yield "Nothing could be judged: there is nothing to compare."
        yield from _gaps(report.gaps, report.extent.without_rules)
        return
    yield from _matrix(report)
    yield from _changes(report)
    yield from _queues(report)
    yield from _rules(report)
    yield from _golden(report)
    yield from _unmeasured(report)
    yield from _gaps(report.gaps, report.extent.without_rules)


def _stretch(report: Report) -> str:
    scope, extent = report.scope, report.extent
    since, until = (f"{at:%Y-%m-%d %H:%M}" for at in (scope.since, scope.until))
    held = f"; records from {extent.first:%Y-%m-%d %H:%M} to {extent.last:%Y-%m-%d %H:%M}" if extent.first else ""
    return f"{since} to {until} UTC{held if extent.last else ''}, counted as {report.days:.1f} days"


def _sizes(report: Report) -> Iterator[str]:
    sampled = f", a sample of {report.clips}" if report.sampled else f" of {report.clips}"
    yield f"clips judged: {report.judged}{sampled}; come out otherwise: {_share(report.changed)}"
    if report.scope.queue is not None:
        yield f"only clips in the queue {report.scope.queue} before or after: {report.listed}"
    if report.judged < ENOUGH:
        yield f"With {report.judged} clips this shows that rules work, and nothing of how often: mind the intervals."


def _matrix(report: Report) -> Iterator[str]:
    counts = {(cell.before, cell.after): str(cell.share.hits) for cell in report.cells}
    rows = [["before \\ after", *OUTCOMES]]
    rows += [[before, *(counts.get((before, after), ".") for after in OUTCOMES)] for before in OUTCOMES]
    yield ""
    yield from table(rows)


def _changes(report: Report) -> Iterator[str]:
    changes = [cell for cell in report.cells if cell.before != cell.after]
    yield ""
    yield "changes (share of clips like these, 95 % interval)" if changes else "no outcome changes"
    for cell in changes:
        yield from _change(cell)
    for before, after, clips in report.moved:
        yield f"  {clips} stay as they are and go from the queue {before or 'none'} to {after or 'none'}"


def _change(cell: Cell) -> Iterator[str]:
    line = f"  {cell.before} -> {cell.after}  {_share(cell.share)}"
    if cell.estimate is not None:
        expected, low, high = cell.estimate
        line += f"; in the whole stretch about {expected:.0f} clips ({low:.0f} to {high:.0f})"
    yield line
    for example in cell.examples:
        yield f"      {example.clip}  {' '.join(example.rules) or '(the same rules)'}"


def _queues(report: Report) -> Iterator[str]:
    if not report.queues:
        return
    yield ""
    rows = [["queue", "cases/day before", "after", "hours/day before", "after", "seconds a case"]]
    rows += [
        [
            queue.queue,
            _cases(queue.before),
            _cases(queue.after),
            _hours(queue.before),
            _hours(queue.after),
            _pace(queue.after.pace),
        ]
        for queue in report.queues
    ]
    yield from table(rows)
    before, after = (sum(load.hours(load.cases) for load in side) for side in zip(*_loads(report), strict=True))
    yield f"reviewer-hours a day in all: {before:.1f} before, {after:.1f} after"


def _loads(report: Report) -> list[tuple[Load, Load]]:
    return [(queue.before, queue.after) for queue in report.queues]


def _rules(report: Report) -> Iterator[str]:
    differing = [rule for rule in report.rules if rule.fired[0] != rule.fired[1] or rule.open[0] != rule.open[1]]
    yield ""
    if not differing:
        yield f"{len(report.rules)} rules fired, each as often as before"
        return
    rows = [["rule", "fired before", "after", "not told before", "after"]]
    rows += [[rule.rule, *map(str, (*rule.fired, *rule.open))] for rule in differing[:RULES]]
    yield from table(rows)
    same = len(report.rules) - len(differing)
    yield f"{same} more rules fired, each as often as before" if same else ""


def _golden(report: Report) -> Iterator[str]:
    golden = report.golden
    yield ""
    if not golden.labelled:
        yield "no labels: nobody decided any of these clips, and no --labels file names one. Errors cannot be told."
        return
    yield f"{golden.labelled} labelled clips                  before                    after"
    for name, pick in _MEASURES:
        yield f"  {name:<28}{_share(pick(golden.before)):<26}{_share(pick(golden.after))}"
    if not golden.after.recall.enough:
        yield f"  Too few labels of harm ({golden.after.recall.of}, at least {ENOUGH}) to tell what is missed."
    for example in golden.newly_missed:
        yield f"  newly missed: {example.clip}  {' '.join(example.rules)}"


def _recall(quality: Quality) -> Share:
    return quality.recall


def _precision(quality: Quality) -> Share:
    return quality.precision


def _wrong(quality: Quality) -> Share:
    return quality.wrongly_blocked


_MEASURES = (
    ("harm that is caught", _recall),
    ("right where not allowed", _precision),
    ("harmless yet blocked", _wrong),
)


def _unmeasured(report: Report) -> Iterator[str]:
    absent = [f"{signal} ({records})" for signal, state, records in report.unmeasured if state == "absent"]
    if absent:
        yield "Nothing measured these signals when the records were made, so rules on them are silent there: "
        yield f"  {', '.join(absent)} of {report.judged} records"


def _gaps(gaps: Gaps, without_rules: int) -> Iterator[str]:
    if gaps.erased:
        yield f"not judged: {gaps.erased} whose facts were erased with their clips"
    for why, clips in sorted(gaps.unreadable.items()):
        named = ", ".join(example.clip for example in gaps.examples.kept)
        yield f"NOT JUDGED: {clips} records {why}, which this release cannot read ({named})"
    if without_rules:
        yield f"not judged: {without_rules} that ended without a rule's decision (faults, known illegal material)"


def write_found(found: Found) -> Iterator[str]:
    """Give the answer of a search line by line."""
    yield f"{found.rule}: {found.signal} {found.comparator} {found.now.threshold:g} today; queue {found.queue}"
    yield f"clips judged: {found.judged} of {found.extent.clips}, counted as {found.days:.1f} days"
    yield f"seconds a case: {_pace(found.now.load.pace)}"
    if found.judged < ENOUGH:
        yield f"With {found.judged} clips no threshold can be chosen: this only shows how it is done."
    yield ""
    if found.steps:
        rows = [["threshold", "cases/day", "hours/day", "harm that is caught"], *map(_setting, found.steps)]
        yield from table(rows)
        yield ""
    yield from _answer(found)
    yield from _gaps(found.gaps, found.extent.without_rules)


def _setting(setting: Setting) -> list[str]:
    return [f"{setting.threshold:g}", _cases(setting.load), _hours(setting.load), _share(setting.recall)]


def _answer(found: Found) -> Iterator[str]:
    if not found.steps:
        yield "No clip turns on this threshold: other rules decide all of them, or nothing comes near it."
        return
    if found.best is None:
        yield f"No threshold will do: without the rule other rules take {_hours(found.without_rule.load)} hours a day."
        return
    yield f"{found.hours:g} hours a day: {found.comparator} {found.best.threshold:g}, {_hours(found.best.load)} hours"
    yield f"today {found.now.threshold:g}: {_hours(found.now.load)} hours"
    yield f"harm that is caught: {_share(found.now.recall)} today, {_share(found.best.recall)} then"
    if not found.labels_enough:
        yield f"Too few labels of harm ({found.now.recall.of}, at least {ENOUGH}) to tell what it costs."


def table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Give rows of cells in columns, the first at the left, the others at the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        first, *others = zip(row, widths, strict=True)
        yield "  " + "  ".join([first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)])


def _share(share: Share) -> str:
    if share.share is None:
        return "none to tell by"
    return f"{share.hits}/{share.of} {share.share:.1%} [{share.low:.1%}, {share.high:.1%}]"


def _cases(load: Load) -> str:
    return f"{load.cases:.1f} [{load.low:.1f}, {load.high:.1f}]"


def _hours(load: Load) -> str:
    return f"{load.hours(load.cases):.2f} [{load.hours(load.low):.2f}, {load.hours(load.high):.2f}]"


def _pace(pace: Pace) -> str:
    return f"{pace.seconds:.0f} (mean of {pace.cases})" if pace.cases else f"{pace.seconds:.0f} (as set, not measured)"


def _version(version: str) -> str:
    digits = 64
    return version[:12] if len(version) == digits else version
