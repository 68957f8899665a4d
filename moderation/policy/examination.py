"""What the cases of a policy folder prove: what fails, what they saw, what they would notice. Reads texts only."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from moderation.policy import source
from moderation.policy.branches import explain, rule_nodes
from moderation.policy.cases import Report, Trial, case_texts, run_cases
from moderation.policy.coverage import RuleCoverage, cover, cover_variant, exhibit
from moderation.policy.dialect import Dialect, entry
from moderation.policy.engine import Ruleset
from moderation.policy.exhibits import Exhibits
from moderation.policy.loader import POLICY, Folder, UnusablePolicies, compile_folder, read_folder
from moderation.policy.model import Finding, Policy, Rule
from moderation.policy.mutants import Change
from moderation.policy.mutation import RuleScore, Subject, World, score_overlays, score_rules, standing
from moderation.policy.texts import TextReader

#: The share of a rule's mutants that its cases must tell from it before it may act.
LEAST_SHARE = 0.90


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleProof:
    """What the cases prove of one rule; `score` is None where mutants were not asked for."""

    area: str
    rule: Rule
    #: The overlay whose variant of the rule this is.
    overlay: str | None
    path: str
    coverage: RuleCoverage
    score: RuleScore | None
    must_fire: int
    must_not_fire: int
    #: Whether the overlay switches the rule off, so that nothing of it is left to be met.
    off: bool = False

    @property
    def name(self) -> str:
        """The rule as the whole folder knows it; a variant has its overlay behind an @."""
        return f"{self.area}.{self.rule.name}" + (f"@{self.overlay}" if self.overlay else "")

    def faults(self) -> list[Finding]:
        """Return what keeps the rule from acting; nothing of a shadow rule, which never acts."""
        found: list[Finding] = []
        if self.rule.mode == "shadow":
            return found
        # Whatever share of all mutants is noticed: what lets clips through is shown to do so, or does not act.
        survivors = () if self.score is None else self.score.survivors
        found += [self._untried(change) for change in survivors if change.kind == "exception"]
        # Without its overlay a change is nothing either: one finding is enough.
        found += [self._untried(change) for change in survivors if change.kind == "overlay"][:1]
        if self.off:
            return found
        if not self.must_fire:
            found.append(self._fault("no-must-fire", "no case says that it must fire"))
        if not self.must_not_fire:
            found.append(self._fault("no-must-not-fire", "no case says that it must not fire"))
        if self.score is not None and self.score.share < LEAST_SHARE:
            told = f"its cases tell {self.score.killed} of {self.score.mutants} mutants from it, fewer than"
            found.append(self._fault("weak-cases", f"{told} {LEAST_SHARE:.0%}"))
        return found

    def _untried(self, change: Change) -> Finding:
        message = f"`{self.name.partition('.')[2]}`: no case tells {change.tells}: {change.advice}"
        code = f"untried-{change.kind}"
        return Finding(path=self.path, line=change.line, column=change.column, code=code, message=message)

    def _fault(self, code: str, message: str) -> Finding:
        rule, message = self.rule, f"`{self.name.partition('.')[2]}`: {message}"
        return Finding(path=self.path, line=rule.line, column=rule.column, code=code, message=message)

    def to_json(self) -> dict[str, object]:
        return {
            "rule": self.name,
            "must_fire": self.must_fire,
            "must_not_fire": self.must_not_fire,
            "coverage": self.coverage.to_json(),
            "mutation": None if self.score is None else self.score.to_json(),
            "faults": [fault.to_json() for fault in self.faults()],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A case that failed, and what the conditions came to of every rule that it says otherwise of."""

    findings: tuple[Finding, ...]
    traces: Mapping[str, Sequence[str]]

    def to_json(self) -> dict[str, object]:
        return {
            "findings": [finding.to_json() for finding in self.findings],
            "traces": {rule: list(lines) for rule, lines in self.traces.items()},
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """All of it, for a folder."""

    ruleset: Ruleset
    report: Report
    proofs: tuple[RuleProof, ...]
    failures: tuple[Failure, ...]

    @property
    def killed(self) -> int:
        """Mutants told from their rules, in all."""
        return sum(proof.score.killed for proof in self.proofs if proof.score)

    @property
    def mutants(self) -> int:
        """Mutants counted, in all."""
        return sum(proof.score.mutants for proof in self.proofs if proof.score)

    def faults(self) -> list[Finding]:
        """Return what keeps the folder from acting: failed cases, then rules with too little proof."""
        return [*self.report.findings, *(fault for proof in self.proofs for fault in proof.faults())]

    def to_json(self) -> dict[str, object]:
        share = round(self.killed / self.mutants, 4) if self.mutants else None
        return self.report.to_json() | {
            "mutation": {"killed": self.killed, "mutants": self.mutants, "share": share},
            "failures": [failure.to_json() for failure in self.failures],
            "proofs": [proof.to_json() for proof in self.proofs],
        }


def activation_faults(folder: Folder, cases: Mapping[str, str], *, reader: TextReader | None = None) -> list[Finding]:
    """Return what forbids these rules to act; empty means they may be switched on.

    `folder` holds the texts that decide, `cases` the case files' texts by area (the folder's own under "").
    A rule that acts needs a case in which it must fire, one in which it must not, and at least `LEAST_SHARE` of its
    mutants told from it; and no case may fail. Pure but for `reader`, which cases with texts need.
    """
    ruleset, findings = compile_folder(folder)
    if ruleset is None:
        return findings
    return examine(folder, ruleset, run_cases(ruleset, cases, root=folder.root, reader=reader)).faults()


def examine_folder(directory: Path, models: Path | None = None, *, mutants: bool = True) -> Examination:
    """Examine a policy folder. Raises UnusablePolicies when the policies themselves cannot be loaded."""
    folder = read_folder(directory)
    ruleset, findings = compile_folder(folder)
    if ruleset is None:
        raise UnusablePolicies(findings)
    texts, unread = case_texts(directory, ruleset)
    report = run_cases(ruleset, texts, unread, root=str(directory), reader=TextReader(directory, models))
    return examine(folder, ruleset, report, mutants=mutants)


def examine(folder: Folder, ruleset: Ruleset, report: Report, *, mutants: bool = True) -> Examination:
    """Tell what cases that were run prove of every rule."""
    trees = {policy.area: _tree(folder, policy.area) for policy in ruleset.policies}
    proofs = [
        proof
        for policy in ruleset.policies
        for proof in _proofs(folder, trees[policy.area], policy, ruleset, report, mutants=mutants)
    ]
    failures = [
        _failure(folder, area, trial, trees, ruleset)
        for area, trials in report.trials.items()
        for trial in trials
        if trial.faults and not trial.case.known_gap
    ]
    return Examination(ruleset=ruleset, report=report, proofs=tuple(proofs), failures=tuple(failures))


def _tree(folder: Folder, area: str) -> source.Mapping:
    relative = f"{area}/{POLICY}"
    tree = source.parse(folder.texts[relative], folder.name(relative))
    assert isinstance(tree, source.Mapping), "it was read as a policy"
    return tree


def _failure(folder: Folder, area: str, trial: Trial, trees: Mapping[str, source.Mapping], ruleset: Ruleset) -> Failure:
    traces: dict[str, Sequence[str]] = {}
    for rule in dict.fromkeys(fault.rule for fault in trial.faults if fault.rule):
        owner, _, name = rule.rpartition(".")
        tree = trees[area or owner]
        # A rule that only an overlay has stands elsewhere in the file.
        when = entry(node, "when") if (node := rule_nodes(tree).get(name)) else None
        if when is not None and trial.facts is not None:
            dialect = Dialect.of(folder.texts, tree, ruleset.vocabulary)
            traces[rule] = explain(when, Exhibits(trial.facts, ruleset.vocabulary), dialect)
    return Failure(findings=tuple(trial.case.fault(fault.message) for fault in trial.faults), traces=traces)


def _proofs(
    folder: Folder, tree: source.Mapping, policy: Policy, whole: Ruleset, report: Report, *, mutants: bool
) -> list[RuleProof]:
    worlds = tuple(exhibit(report.trials.get(policy.area, ()), whole.vocabulary))
    dialect = Dialect.of(folder.texts, tree, whole.vocabulary)
    sound = tuple((trial, exhibits) for trial, exhibits in worlds if trial.sound)
    subject = Subject(tree=tree, policy=policy, dialect=dialect, worlds=sound)
    scores = score_rules(subject) if mutants else {}
    covered = cover(policy.area, tree, worlds, dialect)
    path = folder.name(f"{policy.area}/{POLICY}")
    alone = [
        _proof(path, policy.area, rule, None, covered[rule.name], scores.get(rule.name), worlds)
        for rule in policy.rules
    ]
    return [*alone, *_variants(path, subject, worlds, mutants=mutants)]


def _variants(path: str, subject: Subject, worlds: Sequence[World], *, mutants: bool) -> Iterator[RuleProof]:
    """Give the proof of every rule as an overlay has it, by the cases for which the overlay surely stands."""
    scores = score_overlays(subject) if mutants else {}
    for overlay, rule in subject.policy.variants:
        if overlay is not None:
            here = standing(overlay, worlds, surely=True)
            coverage = cover_variant(subject.policy.area, overlay, rule, here)
            score = scores.get((overlay.name, rule.name))
            yield _proof(path, subject.policy.area, rule, overlay.name, coverage, score, here)
    rules = {rule.name: rule for rule in subject.policy.rules}
    for overlay in subject.policy.overlays:
        for name in overlay.off:
            here = standing(overlay, worlds, surely=True)
            none = RuleCoverage(area=subject.policy.area, rule=name, seen=())
            score = scores.get((overlay.name, name))
            yield replace(_proof(path, subject.policy.area, rules[name], overlay.name, none, score, here), off=True)


def _proof(
    path: str,
    area: str,
    rule: Rule,
    overlay: str | None,
    coverage: RuleCoverage,
    score: RuleScore | None,
    worlds: Sequence[World],
) -> RuleProof:
    cases = [trial.case for trial, _ in worlds if not trial.case.known_gap]
    return RuleProof(
        area=area,
        rule=rule,
        overlay=overlay,
        path=path,
        coverage=coverage,
        score=score,
        must_fire=sum(rule.name in case.must_fire for case in cases),
        must_not_fire=sum(rule.name in case.must_not_fire for case in cases),
    )
