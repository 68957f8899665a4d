"""Which conditions of the rules the cases have seen hold and not hold. Counts only; whether it is enough others say."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from moderation.policy.branches import Branch, branches, entry, rule_nodes
from moderation.policy.cases import Trial
from moderation.policy.exhibits import Exhibits
from moderation.policy.model import Finding
from moderation.policy.registry import Vocabulary
from moderation.policy.source import Node
from moderation.policy.truth import FALSE, TRUE


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One condition, and whether some case saw it hold and some other saw it fail."""

    branch: Branch
    held: bool
    failed: bool

    @property
    def both(self) -> bool:
        """Whether both ways were seen."""
        return self.held and self.failed

    def missing(self) -> str:
        """Say what no case shows."""
        ways = [way for way, seen in (("holds", self.held), ("does not hold", self.failed)) if not seen]
        return f"in no case it {' or '.join(ways)}: {self.branch.says}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleCoverage:
    """What the cases saw of one rule."""

    area: str
    rule: str
    seen: tuple[Seen, ...]

    @property
    def covered(self) -> int:
        """How many conditions were seen both ways."""
        return sum(seen.both for seen in self.seen)

    def findings(self, path: str) -> list[Finding]:
        """Return what was seen one way only, at its place."""
        return [
            Finding(
                path=path,
                line=seen.branch.line,
                column=seen.branch.column,
                code="not-covered",
                message=f"`{self.rule}`: {seen.missing()}",
            )
            for seen in self.seen
            if not seen.both
        ]

    def to_json(self) -> dict[str, object]:
        return {
            "area": self.area,
            "rule": self.rule,
            "covered": self.covered,
            "branches": [
                {
                    "says": seen.branch.says,
                    "line": seen.branch.line,
                    "column": seen.branch.column,
                    "held": seen.held,
                    "failed": seen.failed,
                }
                for seen in self.seen
            ],
        }


def exhibit(trials: Iterable[Trial], vocabulary: Vocabulary) -> list[tuple[Trial, Exhibits]]:
    """Lay out the facts of every case once; cases whose texts could not be read are left out."""
    return [(trial, Exhibits(trial.facts, vocabulary)) for trial in trials if trial.facts is not None]


def cover(
    area: str, tree: Node, exhibited: Iterable[tuple[Trial, Exhibits]], vocabulary: Vocabulary
) -> Mapping[str, RuleCoverage]:
    """Tell of every rule of a policy file which of its conditions the cases saw hold, and which fail."""
    worlds = [exhibits for _, exhibits in exhibited]
    return {
        name: RuleCoverage(area=area, rule=name, seen=tuple(_seen(node, worlds, vocabulary)))
        for name, node in rule_nodes(tree).items()
    }


def _seen(rule: Node, worlds: list[Exhibits], vocabulary: Vocabulary) -> list[Seen]:
    when = entry(rule, "when")
    found = []
    for branch in branches(when, vocabulary) if when is not None else ():
        truths = {branch.condition.ask(exhibits) for exhibits in worlds}
        found.append(Seen(branch=branch, held=TRUE in truths, failed=FALSE in truths))
    return found
