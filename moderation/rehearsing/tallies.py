"""Counts of a comparison, small however many clips: made batch by batch, in any process, and put together."""

import hashlib
from collections import Counter
from dataclasses import dataclass, field

from moderation.rehearsing.outlines import EXCEPTED, Outline, difference

#: Clips named of those that could not be judged, or that labels speak against.
NAMED = 5


@dataclass(frozen=True, slots=True, order=True)
class Example:
    """A clip with the rules that made the difference; in order of the hashes of ids, whoever counts."""

    order: str
    clip: str = field(compare=False)
    rules: tuple[str, ...] = field(compare=False, default=())

    @classmethod
    def of(cls, clip: str, rules: tuple[str, ...] = ()) -> "Example":
        """Name a clip."""
        return cls(hashlib.blake2b(clip.encode(), digest_size=8).hexdigest(), clip, rules)


@dataclass(slots=True)
class Examples:
    """The first few clips of many, by the hash of their ids."""

    most: int
    kept: list[Example] = field(default_factory=list)

    def add(self, *examples: Example) -> None:
        """Take some more into account."""
        self.kept = sorted((*self.kept, *examples))[: self.most]


@dataclass(slots=True)
class Spoken:
    """How often one rule fired, or could not be told, before and after."""

    fired: list[int] = field(default_factory=lambda: [0, 0])
    open: list[int] = field(default_factory=lambda: [0, 0])


@dataclass(slots=True)
class Gaps:
    """Records that could not be judged, and why: what was erased, what no reader of this version understands."""

    erased: int = 0
    unreadable: Counter[str] = field(default_factory=Counter)
    examples: Examples = field(default_factory=lambda: Examples(NAMED))

    def merge(self, other: "Gaps") -> None:
        """Add what another batch counted."""
        self.erased += other.erased
        self.unreadable.update(other.unreadable)
        self.examples.add(*other.examples.kept)


@dataclass(slots=True)
class Tally:
    """What a comparison counted. Pairs are (before, after)."""

    examples: int
    #: Records of the table that could be judged, and those that are listed: all, unless one queue is asked for.
    judged: int = 0
    listed: int = 0
    cells: Counter[tuple[str, str]] = field(default_factory=Counter)
    named: dict[tuple[str, str], Examples] = field(default_factory=dict)
    #: Cases that go to another queue while the outcome stays.
    moved: Counter[tuple[str, str]] = field(default_factory=Counter)
    queues: tuple[Counter[str], Counter[str]] = field(default_factory=lambda: (Counter(), Counter()))
    rules: dict[str, Spoken] = field(default_factory=dict)
    #: (signal, "absent" or "not_measured") -> records: rules of after read it, these records do not have it.
    unmeasured: Counter[tuple[str, str]] = field(default_factory=Counter)
    #: (label, before, after) -> clips.
    labelled: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    against: Examples = field(default_factory=lambda: Examples(NAMED))
    gaps: Gaps = field(default_factory=Gaps)

    def count(self, clip: str, before: Outline, after: Outline, queue: str | None) -> None:
        """Count one clip of the table."""
        self.judged += 1
        for side, outline in enumerate((before, after)):
            if outline.queue is not None:
                self.queues[side][outline.queue] += 1
        if queue is not None and queue not in (before.queue, after.queue):
            return
        self.listed += 1
        self._list(clip, before, after)
        for side, outline in enumerate((before, after)):
            # A rule may speak in several variants, of which each market knows one.
            for name, truth in {(name, truth) for name, truth, _ in outline.rules if truth != EXCEPTED}:
                spoken = self.rules.setdefault(name, Spoken())
                (spoken.fired if truth == "true" else spoken.open)[side] += 1

    def _list(self, clip: str, before: Outline, after: Outline) -> None:
        cell = before.outcome, after.outcome
        self.cells[cell] += 1
        if before.outcome != after.outcome:
            example = Example.of(clip, difference(before, after))
            self.named.setdefault(cell, Examples(self.examples)).add(example)
        elif before.queue != after.queue:
            self.moved[before.queue or "", after.queue or ""] += 1

    def count_label(self, clip: str, label: str, before: Outline, after: Outline) -> None:
        """Count one clip that somebody labelled."""
        self.labelled[label, before.outcome, after.outcome] += 1
        if caught(label, before.outcome) and not caught(label, after.outcome):
            self.against.add(Example.of(clip, difference(before, after)))

    def merge(self, other: "Tally") -> None:
        """Add what another batch counted."""
        self.judged += other.judged
        self.listed += other.listed
        self.cells.update(other.cells)
        self.moved.update(other.moved)
        self.unmeasured.update(other.unmeasured)
        self.labelled.update(other.labelled)
        for mine, theirs in zip(self.queues, other.queues, strict=True):
            mine.update(theirs)
        for cell, examples in other.named.items():
            self.named.setdefault(cell, Examples(self.examples)).add(*examples.kept)
        for name, spoken in other.rules.items():
            own = self.rules.setdefault(name, Spoken())
            for side in (0, 1):
                own.fired[side] += spoken.fired[side]
                own.open[side] += spoken.open[side]
        self.against.add(*other.against.kept)
        self.gaps.merge(other.gaps)


def harmful(label: str) -> bool:
    """Tell whether a label says that the clip may not go out as it is."""
    return label != "allow"


def caught(label: str, outcome: str) -> bool:
    """Tell whether an outcome does justice to a label of harm: a person looks, or the rules are as strict."""
    return harmful(label) and (outcome in ("review", "block") or outcome == label)
