"""The mutation score of a rule: of its mutants, how many some case tells from it. Reads and judges; decides nothing.

A mutant that the language refuses, or that provably means the same, is not counted: no case could be asked for it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from moderation.policy.areas import read_policy
from moderation.policy.branches import rule_nodes
from moderation.policy.cases import Trial, find_faults
from moderation.policy.dialect import Dialect
from moderation.policy.engine import Ruleset, decide
from moderation.policy.equivalence import same
from moderation.policy.exhibits import Exhibits
from moderation.policy.model import Finding, Overlay, Policy, Rule
from moderation.policy.mutants import Change, put, rule_mutants, take
from moderation.policy.regions import stands
from moderation.policy.source import Mapping
from moderation.policy.source import Sequence as Listed
from moderation.policy.truth import TRUE, UNDETERMINED, Truth
from moderation.policy.variants import overlay_mutants
from moderation.policy.verdicts import Judge, Verdict

#: Mutants of one rule that are tried. What has more is too large to be proven, and counts as not noticed.
MAX_MUTANTS: Final = 1_000
World = tuple[Trial, Exhibits]


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleScore:
    """How well the cases of an area know one of its rules."""

    area: str
    rule: str
    killed: int
    survivors: tuple[Change, ...]

    @property
    def mutants(self) -> int:
        """How many were counted."""
        return self.killed + len(self.survivors)

    @property
    def share(self) -> float:
        """The share that was told from the rule, 0 to 1; 1 where there was none."""
        return self.killed / self.mutants if self.mutants else 1.0

    def findings(self, path: str) -> list[Finding]:
        """Return every survivor at its place, with what to write."""
        return [
            Finding(
                path=path,
                line=change.line,
                column=change.column,
                code="mutant-survives",
                message=f"`{self.rule}`: no case tells {change.tells}: {change.advice}",
            )
            for change in self.survivors
        ]

    def to_json(self) -> dict[str, object]:
        return {
            "area": self.area,
            "rule": self.rule,
            "killed": self.killed,
            "mutants": self.mutants,
            "share": round(self.share, 4),
            "survivors": [change.to_json() for change in self.survivors],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """An area under test: its rules as text and as read, and its cases laid out. Only cases that hold tell anything."""

    tree: Mapping
    policy: Policy
    dialect: Dialect
    worlds: tuple[World, ...]


def score_rules(subject: Subject) -> dict[str, RuleScore]:
    """Score every rule of an area by its cases."""
    nodes = rule_nodes(subject.tree)
    return {rule.name: _score(subject, rule, nodes[rule.name]) for rule in subject.policy.rules if rule.name in nodes}


def _score(subject: Subject, rule: Rule, node: Mapping) -> RuleScore:
    killed = 0
    survivors: list[Change] = []
    trial = _RuleTrial.of(subject, rule)
    for change in rule_mutants(node, subject.policy.queue, subject.dialect):
        if killed + len(survivors) >= MAX_MUTANTS:
            survivors.append(change)
            continue
        mutant = _reread(subject, change)
        if mutant is None or same(mutant, rule):
            continue
        if trial.kills(mutant):
            killed += 1
        else:
            survivors.append(change)
    return RuleScore(area=subject.policy.area, rule=rule.name, killed=killed, survivors=tuple(survivors))


def score_overlays(subject: Subject) -> dict[tuple[str, str], RuleScore]:
    """Score what an area's overlays change and add, by overlay and rule."""
    killed: dict[tuple[str, str], int] = {}
    survivors: dict[tuple[str, str], list[Change]] = {}
    for overlay, rule, change in overlay_mutants(subject.tree, subject.policy.queue, subject.dialect):
        policy = reread(subject, change.node) if isinstance(change.node, Mapping) else None
        if policy is None or policy == subject.policy:
            continue
        if _tells(subject, overlay, policy):
            killed[overlay, rule] = killed.get((overlay, rule), 0) + 1
        else:
            survivors.setdefault((overlay, rule), []).append(change)
    return {
        key: RuleScore(
            area=subject.policy.area, rule=key[1], killed=killed.get(key, 0), survivors=tuple(survivors.get(key, ()))
        )
        for key in {*killed, *survivors}
    }


def _tells(subject: Subject, name: str, mutant: Policy) -> bool:
    """Tell whether some case for which the overlay stands, or may, comes out otherwise than it says."""
    ruleset = Ruleset.of([mutant], vocabulary=subject.dialect.vocabulary)
    return any(
        find_faults(trial.case, decide(trial.facts, ruleset), subject.policy.area)
        for overlay in subject.policy.overlays
        for trial, _ in standing(overlay, subject.worlds)
        if overlay.name == name and trial.facts is not None
    )


def standing(overlay: Overlay, worlds: Sequence[World], *, surely: bool = False) -> list[World]:
    """Return the cases for which the overlay stands or may, sure ones first; `surely` leaves out the others."""
    found = [(_stands(overlay, world), world) for world in worlds]
    least = TRUE if surely else UNDETERMINED
    return [world for truth, world in sorted(found, key=lambda pair: -pair[0]) if truth >= least]


def _stands(overlay: Overlay, world: World) -> Truth:
    submission = world[1].facts.submission
    return stands(overlay, submission.market, submission.locale)


def _reread(subject: Subject, change: Change) -> Rule | None:
    """Read the changed rule alone under its area's head; None where the language refuses it."""
    node = change.node
    alone = Listed(items=(node,), line=node.line, column=node.column)
    policy = reread(subject, put(take(subject.tree, "overlays"), "rules", alone))
    return None if policy is None or not policy.rules else policy.rules[0]


def reread(subject: Subject, tree: Mapping) -> Policy | None:
    """Read the area with a changed text; None where the language refuses it."""
    fields = subject.dialect.file_fields()
    policy = read_policy(fields, tree, subject.policy.area, subject.dialect.vocabulary)
    return None if fields.findings else policy


@dataclass(frozen=True, slots=True, kw_only=True)
class _RuleTrial:
    """One rule's place among the cases: what it says of each, so that a mutant is judged only where it differs."""

    subject: Subject
    rule: Rule
    #: The cases that speak of the rule come first: most mutants meet their end there.
    worlds: tuple[World, ...]
    says: tuple[object, ...]

    @classmethod
    def of(cls, subject: Subject, rule: Rule) -> "_RuleTrial":
        ordered = tuple(sorted(subject.worlds, key=lambda world: rule.name not in _named(world[0])))
        return cls(subject=subject, rule=rule, worlds=ordered, says=tuple(_says(subject, rule, ordered)))

    def kills(self, mutant: Rule) -> bool:
        """Tell whether some case comes out otherwise than it says with the mutant in the rule's place."""
        subject, ruleset = self.subject, None
        for (trial, _), before, after in zip(self.worlds, self.says, _says(subject, mutant, self.worlds), strict=True):
            if before == after or trial.facts is None:
                continue
            if ruleset is None:
                rules = tuple(mutant if rule.name == mutant.name else rule for rule in subject.policy.rules)
                ruleset = Ruleset.of([replace(subject.policy, rules=rules)], vocabulary=subject.dialect.vocabulary)
            if find_faults(trial.case, decide(trial.facts, ruleset), subject.policy.area):
                return True
        return False


def _named(trial: Trial) -> tuple[str, ...]:
    case = trial.case
    return (*case.must_fire, *case.must_not_fire, *case.undetermined)


def _says(subject: Subject, rule: Rule, worlds: Sequence[World]) -> Iterator[object]:
    """Yield what the rule alone says of each case, as far as a case could tell."""
    judge, required = Judge.of(subject.policy, rule), frozenset(subject.policy.requires)
    return (_visible(judge.judge(exhibits, required)) for _, exhibits in worlds)


def _visible(verdict: Verdict | None) -> object:
    if verdict is None:
        return None
    reasons = frozenset(reason.code for reason in verdict.reasons)
    notes = frozenset(note.code for note in verdict.notes)
    limits = (verdict.audience, verdict.markets_withheld, verdict.sampled, verdict.deadline_s)
    return (verdict.trace.truth, verdict.outcome, reasons, notes, verdict.queue, verdict.priority, limits)
