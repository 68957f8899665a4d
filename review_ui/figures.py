"""What was read of work, quality, care and machines, as charts in the reader's words. Reads and reckons nothing."""

from collections.abc import Callable, Sequence
from typing import Final

from moderation.messages import catalogue
from moderation.quality.agreement import Agreement
from moderation.quality.answers import Line, Quality
from moderation.quality.care import Care, OwnDay
from moderation.quality.machine import Machine
from moderation.quality.operations import Operations
from moderation.quality.prevalence import Prevalence
from moderation.rehearsing.intervals import Share
from review_ui.charts import NOTHING, Bar, Chart, Range, Series, bars, histogram, intervals, lines, percent, range_of
from review_ui.translating import Words, marked

#: The four ways in which a decision can turn out to be wrong.
ERRORS: Final = {
    "false_positive": marked("False positive"),
    "false_negative": marked("False negative"),
    "wrong_policy": marked("Wrong policy"),
    "technical": marked("Technical error"),
}
Name = Callable[[str], str]


class Figures:
    """Charts in one language; `queue` names queues."""

    def __init__(self, tongue: Words, queue: Name) -> None:
        self._tongue = tongue
        self._queue = queue

    def hours(self, found: Operations) -> Chart:
        """What arrived and what was decided, by the hour."""
        tongue = self._tongue
        ticks = [f"{hour.at:%H}:00" for hour in found.hours]
        arrived = Series(name=tongue.gettext("Arrived"), values=[float(hour.arrived) for hour in found.hours])
        decided = Series(name=tongue.gettext("Decided"), values=[float(hour.decided) for hour in found.hours])
        return lines(tongue.gettext("Cases by the hour"), tongue.gettext("Hour (UTC)"), ticks, (arrived, decided))

    def waiting(self, found: Operations, *, specialist: bool) -> Chart:
        """What waits in each queue, and what of it is due already."""
        tongue = self._tongue
        rows = [
            Bar(
                label=self._queue(load.name),
                value=float(load.waiting),
                said=tongue.gettext("%(waiting)s, overdue %(overdue)s", waiting=load.waiting, overdue=load.overdue),
            )
            for load in found.queues
            if specialist or not load.specialist
        ]
        return bars(tongue.gettext("Waiting by queue"), (tongue.gettext("Queue"), tongue.gettext("Waiting")), rows)

    def golden(self, found: Quality) -> Chart:
        """How many golden answers were right, by the version they were given under."""
        rows = [range_of(line.policy_version[:12], line.share) for line in found.golden]
        return self._shares(marked("Golden answers that were right"), marked("Policy version"), rows)

    def agreement(self, found: Quality) -> Chart:
        """How far people agree who did not see one another's answer."""
        tongue = self._tongue
        rows = [
            self._agreement(tongue.gettext("Cohen's kappa, blind pairs"), found.kappa),
            self._agreement(tongue.gettext("Krippendorff's alpha, all answers"), found.alpha),
        ]
        shown = [row for row in rows if row.value is not None]
        return intervals(
            tongue.gettext("Agreement"), (tongue.gettext("Measure"), tongue.gettext("Value")), shown, low=-1.0
        )

    def overturned(self, found: Quality) -> Chart:
        """How many decisions turned out to be wrong, by what was wrong."""
        rows = [
            range_of(self._tongue.gettext(ERRORS.get(line.name, line.name)), line.share)
            for line in found.overturns_by_class
        ]
        return self._shares(marked("Overturned decisions by kind of error"), marked("Kind of error"), _known(rows))

    def overturned_by_language(self, found: Quality) -> Chart:
        """The same by the language of the clip's words."""
        return self._shares(
            marked("Overturned decisions by language"), marked("Language"), _named(found.overturns_by_language)
        )

    def rules(self, found: Quality) -> Chart:
        """How many clips that a rule sent to people were rightly sent."""
        return self._shares(marked("Precision of rules"), marked("Rule"), _named(found.rules))

    def unseen(self, found: Quality) -> Chart:
        """How much harm went out, by the random sample."""
        tongue, harm = self._tongue, found.unseen_harm
        rows = (
            [_prevalence(tongue.gettext("Released clips that should not have been"), harm)]
            if harm.share is not None
            else []
        )
        return self._shares(
            marked("Harm that went out"), marked("Estimate"), rows, high=max(0.01, min(1.0, harm.high * 1.2))
        )

    def exposure(self, found: Care) -> Chart:
        """Person-days by minutes of unveiled exposure; nobody's own."""
        tongue = self._tongue
        classes = [(_class(each.low, each.high), each.count) for each in found.exposure.classes]
        return histogram(
            tongue.gettext("Person-days by minutes unveiled"),
            (tongue.gettext("Minutes"), tongue.gettext("Person-days")),
            classes,
        )

    def own(self, days: Sequence[OwnDay]) -> Chart:
        """The reader's own minutes, day by day."""
        tongue = self._tongue
        rows = [
            Bar(
                label=day.day.isoformat(),
                value=day.ms / 60_000,
                said=tongue.gettext(
                    "%(minutes)s min in %(reveals)s looks", minutes=f"{day.ms / 60_000:.1f}", reveals=day.reveals
                ),
            )
            for day in days
        ]
        return bars(
            tongue.gettext("Your own unveiled minutes"), (tongue.gettext("Day"), tongue.gettext("Minutes")), rows
        )

    def stages(self, found: Machine) -> Chart:
        """How long nine in ten runs of each stage took."""
        tongue = self._tongue
        rows = [
            Bar(
                label=line.name,
                value=line.times.p90,
                said=tongue.gettext("%(seconds)s s", seconds=f"{line.times.p90:.2f}"),
            )
            for line in found.stages
            if line.times.p90 is not None
        ]
        return bars(
            tongue.gettext("Nine in ten runs took at most"), (tongue.gettext("Stage"), tongue.gettext("Seconds")), rows
        )

    def failures(self, found: Machine) -> Chart:
        """How many runs failed, of the stages in which any did."""
        rows = [range_of(line.name, line.failed) for line in found.stages if line.failed.hits]
        return self._shares(marked("Failed runs by stage"), marked("Stage"), _known(rows))

    def detectors(self, found: Machine) -> Chart:
        """How often a signal could not be measured, of those to which that happened."""
        rows = [range_of(self._signal(line.name), line.failed) for line in found.signals if line.failed.hits]
        return self._shares(marked("Signals that could not be measured"), marked("Signal"), _known(rows))

    def drift(self, found: Machine) -> Chart:
        """How far scores moved against the period before, and from where on that is more than chance."""
        tongue = self._tongue
        rows = [
            Bar(
                label=self._signal(line.name),
                value=line.drift.distance,
                line=line.drift.line,
                said=tongue.gettext("%(distance)s, drifted", distance=f"{line.drift.distance:.2f}")
                if line.drift.drifted
                else f"{line.drift.distance:.2f}",
            )
            for line in found.signals
            if line.drift.distance is not None
        ]
        return bars(tongue.gettext("Drift of scores"), (tongue.gettext("Signal"), tongue.gettext("Distance")), rows)

    def marks(self, found: Machine) -> Chart:
        """How many marks were read back before release, and how many signatures held."""
        tongue = self._tongue
        rows = [
            range_of(tongue.gettext("Marks read back"), found.marks),
            range_of(tongue.gettext("Signatures that held"), found.signatures),
        ]
        return self._shares(marked("Marks and signatures"), marked("Proof"), _known(rows))

    def _shares(self, title: str, name: str, rows: Sequence[Range], *, high: float = 1.0) -> Chart:
        tongue = self._tongue
        return intervals(
            tongue.gettext(title), (tongue.gettext(name), tongue.gettext("Share (95 %% interval)")), rows, high=high
        )

    def _agreement(self, label: str, found: Agreement) -> Range:
        said = NOTHING
        if found.value is not None and found.low is not None and found.high is not None:
            said = f"{found.value:.2f} ({found.low:.2f} \u2013 {found.high:.2f}), n = {found.units}"
        return Range(label=label, value=found.value, low=found.low, high=found.high, said=said)

    def _signal(self, name: str) -> str:
        return catalogue(self._tongue.language).get(f"signal.{name}", name)


def bounds_said(share: Share) -> str:
    """The bounds of a share and of how many it is, for a line below it."""
    return f"{percent(share.low)} \u2013 {percent(share.high)}, n = {share.of}" if share.of else ""


def _named(found: Sequence[Line]) -> list[Range]:
    return _known([range_of(line.name, line.share) for line in found])


def _known(rows: Sequence[Range]) -> list[Range]:
    """Without cases there is nothing to draw."""
    return [row for row in rows if row.value is not None]


def _prevalence(label: str, found: Prevalence) -> Range:
    said = f"{percent(found.share)} ({percent(found.low)} \u2013 {percent(found.high)}), n = {found.seen}"
    return Range(label=label, value=found.share, low=found.low, high=found.high, said=said)


def _class(low: float, high: float | None) -> str:
    return f"{low:g}+" if high is None else f"{low:g}\u2013{high:g}"
