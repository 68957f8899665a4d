"""Labels of people: a file of `clip_id,outcome`, and how well outcomes do by them."""

import csv
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from moderation.decisions import Outcome
from moderation.errors import Unprocessable
from moderation.rehearsing.intervals import Share, share_of
from moderation.rehearsing.tallies import caught, harmful

#: A label is a person's last word, and `review` is none.
LABELS = tuple(str(outcome) for outcome in Outcome if outcome is not Outcome.REVIEW)
MOST = 1_000_000
HEAD = ["clip_id", "outcome"]


def read_labels(path: Path) -> dict[str, str]:
    """Read a CSV file with the columns clip_id and outcome (allow, restrict, block).

    Raises Unprocessable naming the line for another outcome, a missing column or a clip with two outcomes.
    """
    labels: dict[str, str] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = csv.DictReader(file)
            if not set(HEAD) <= set(lines.fieldnames or ()):
                raise Unprocessable(f"{path}:1 the first line must name the columns {' and '.join(HEAD)}")
            for line in lines:
                _take(labels, line, f"{path}:{lines.line_num}")
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise Unprocessable(f"{path} cannot be read: {error}") from error
    return labels


def _take(labels: dict[str, str], line: dict[str, str | None], place: str) -> None:
    clip, outcome = ((line[name] or "").strip() for name in HEAD)
    if not clip or outcome not in LABELS:
        raise Unprocessable(f"{place} wants a clip's id and one of {', '.join(LABELS)}")
    if labels.setdefault(clip, outcome) != outcome:
        raise Unprocessable(f"{place} {clip} has two outcomes")
    if len(labels) > MOST:
        raise Unprocessable(f"{place} more than {MOST} labels")


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """How outcomes do by the labels."""

    #: Of what people found harmful: what the rules stop, send to people or restrict as people did.
    recall: Share
    #: Of what the rules do not simply allow: what people found harmful.
    precision: Share
    #: Of what people found harmless: what the rules block without asking anybody.
    wrongly_blocked: Share

    def to_json(self) -> dict[str, object]:
        """Return plain data."""
        return {
            "recall": self.recall.to_json(),
            "precision": self.precision.to_json(),
            "wrongly_blocked": self.wrongly_blocked.to_json(),
        }


def quality(labelled: Counter[tuple[str, str]]) -> Quality:
    """Reckon quality from counts of (label, outcome)."""

    def count(fits: Callable[[str, str], bool]) -> int:
        return sum(clips for (label, outcome), clips in labelled.items() if fits(label, outcome))

    return Quality(
        recall=share_of(count(caught), count(lambda label, _: harmful(label))),
        precision=share_of(
            count(lambda label, outcome: harmful(label) and outcome != "allow"),
            count(lambda _, outcome: outcome != "allow"),
        ),
        wrongly_blocked=share_of(
            count(lambda label, outcome: not harmful(label) and outcome == "block"),
            count(lambda label, _: not harmful(label)),
        ),
    )
