"""Which conditions of the rules the cases have seen hold and not hold. Counts only; whether it is enough others say."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from moderation.policy.branches import Branch, branches, rule_nodes
from moderation.policy.cases import Trial
from moderation.policy.conditions import compile_condition
from moderation.policy.dialect import Dialect, entry
from moderation.policy.exhibits import Exhibits
from moderation.policy.model import Finding, Overlay, Rule
from moderation.policy.registry import Vocabulary
from moderation.policy.source import Mapping as MappingNode
from moderation.policy.source import Node, Sequence
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
    area: str, tree: Node, exhibited: Iterable[tuple[Trial, Exhibits]], dialect: Dialect
) -> Mapping[str, RuleCoverage]:
    """Tell of every rule of a policy file which of its conditions the cases saw hold, and which fail."""
    worlds = [exhibits for _, exhibits in exhibited]
    return {
        name: RuleCoverage(area=area, rule=name, seen=tuple(_seen(node, worlds, dialect)))
        for name, node in rule_nodes(tree).items()
    }


def cover_variant(area: str, overlay: Overlay, rule: Rule, exhibited: Iterable[tuple[Trial, Exhibits]]) -> RuleCoverage:
    """Tell of a rule as an overlay has it whether the cases for which the overlay stands saw it met, and not met."""
    whole = Branch(
        says=f"the rule under the overlay `{overlay.name}`",
        line=rule.line,
        column=rule.column,
        depth=0,
        leaf=False,
        node=MappingNode(entries=(), line=rule.line, column=rule.column),
        condition=compile_condition(rule.when),
    )
    worlds = [exhibits for _, exhibits in exhibited]
    return RuleCoverage(area=area, rule=rule.name, seen=(_ways(whole, worlds),))


def _seen(rule: Node, worlds: list[Exhibits], dialect: Dialect) -> list[Seen]:
    listed = entry(rule, "exceptions")
    exceptions = listed.items if isinstance(listed, Sequence) else ()
    conditions = [entry(part, "when") for part in (rule, *exceptions)]
    found = [branch for when in conditions if when is not None for branch in branches(when, dialect)]
    return [_ways(branch, worlds) for branch in found]


def _ways(branch: Branch, worlds: list[Exhibits]) -> Seen:
    truths = {branch.condition.ask(exhibits) for exhibits in worlds}
    return Seen(branch=branch, held=TRUE in truths, failed=FALSE in truths)
