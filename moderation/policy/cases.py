"""Runs `cases.yaml`: facts as a policy team writes them, the rules that must and must not fire, what must come out.

A case with `known_gap` states what should be and is not: it fails nothing, until it comes out right.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from detectors.base import DetectorUnavailable
from moderation.decisions import Decision, Outcome
from moderation.facts import FactRecord
from moderation.policy import source
from moderation.policy.actions import read_deadline
from moderation.policy.engine import Ruleset, decide
from moderation.policy.fields import Fields
from moderation.policy.loader import CASES, load_ruleset, read_text
from moderation.policy.model import Finding
from moderation.policy.regions import read_markets
from moderation.policy.registry import Vocabulary
from moderation.policy.source import Node, Scalar
from moderation.policy.staging import read_texts, stage_facts
from moderation.policy.texts import TextReader
from moderation.policy.truth import TRUE, UNDETERMINED

CASE = ("case", "given", "must_fire", "must_not_fire", "undetermined", "expect", "known_gap")
EXPECT = (
    "outcome", "reasons", "notes", "queue", "priority", "teens", "adults_only", "no_remix",
    "deadline", "markets_withheld",
)  # fmt: skip
MAX_CASES = 1_000

Expected = str | bool | int | frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One example of a policy at work; a rule is named as in its file, or `area.rule` in the folder's own cases."""

    name: str
    path: str
    line: int
    column: int
    facts: FactRecord
    must_fire: tuple[str, ...] = ()
    must_not_fire: tuple[str, ...] = ()
    undetermined: tuple[str, ...] = ()
    expect: Mapping[str, Expected] = field(default_factory=dict)
    #: Read by the word lists when the case runs, by source; the signals of words follow from them.
    texts: Mapping[str, str] = field(default_factory=dict)
    #: Why the policy does not yet do what the case says; empty for a case that must hold.
    known_gap: str = ""

    def fault(self, message: str, code: str = "case-failed") -> Finding:
        """Return what is wrong with this case, or with the policy by this case, as a finding."""
        text = f"{self.name}: {message}"
        return Finding(path=self.path, line=self.line, column=self.column, code=code, message=text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that came out otherwise than a case says; `rule` is the one it says it of, if it names one."""

    message: str
    rule: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One case tried: the facts it gives, what was decided, and what of it is otherwise than the case says.

    Without facts (and so without a decision) its texts could not be read, and that is its fault.
    """

    case: Case
    facts: FactRecord | None
    decision: Decision | None
    faults: tuple[Fault, ...]

    @property
    def sound(self) -> bool:
        """Whether it shows what the policy does: it holds and claims no gap."""
        return not self.faults and not self.case.known_gap


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What running the cases of a folder showed."""

    findings: tuple[Finding, ...]
    cases: int
    #: Cases with at least one fault, known gaps aside.
    failed: int
    #: Rules that some case makes fire, and rules in all.
    fired: int
    rules: int
    #: Known gaps that are still open.
    gaps: tuple[Finding, ...] = ()
    #: Every case tried, by area; the folder's own cases stand under "".
    trials: Mapping[str, tuple[Trial, ...]] = field(default_factory=dict)

    def to_json(self) -> dict[str, object]:
        return {
            "cases": self.cases,
            "failed": self.failed,
            "rules": self.rules,
            "rules_fired": self.fired,
            "findings": [finding.to_json() for finding in self.findings],
            "known_gaps": [finding.to_json() for finding in self.gaps],
        }


def read_cases(path: Path, ruleset: Ruleset, area: str) -> tuple[list[Case], list[Finding]]:
    """Read a case file, if there is one; `area` is empty for the cases of the whole folder."""
    if not path.is_file():
        return [], []
    text = read_text(path)
    if isinstance(text, Finding):
        return [], [text]
    return parse_cases(text, str(path), ruleset, area)


def parse_cases(text: str, path: str, ruleset: Ruleset, area: str) -> tuple[list[Case], list[Finding]]:
    """Read the text of a case file; `path` is only what findings call it."""
    fields = Fields(path)
    try:
        found = fields.mapping(source.parse(text, path), ("cases",), ("cases",), "a case file") or {}
    except source.SourceError as error:
        return [], [error.finding]
    names = sorted(_rule_names(ruleset, area))
    items = fields.items(found["cases"], "`cases`") if "cases" in found else ()
    if len(items) > MAX_CASES:
        fields.fault(items[MAX_CASES], "too-large", f"more than {MAX_CASES} cases in one file: give the area another")
    cases = [_case(fields, item, names, ruleset.vocabulary) for item in items[:MAX_CASES]]
    return cases, fields.findings


def _rule_names(ruleset: Ruleset, area: str) -> frozenset[str]:
    names = ((judge.policy, judge.rule.name) for judge in ruleset.standing.variants())
    return frozenset(rule if area else f"{policy}.{rule}" for policy, rule in names if area in ("", policy))


def _case(fields: Fields, node: Node, names: list[str], vocabulary: Vocabulary) -> Case:
    found = fields.mapping(node, CASE, ("case", "given"), "a case") or {}
    wanted = [_rules(fields, found, key, names) for key in ("must_fire", "must_not_fire", "undetermined")]
    expect = _expect(fields, found["expect"]) if "expect" in found else {}
    if not any(wanted) and not expect:
        fields.fault(node, "no-expectation", "a case needs must_fire, must_not_fire, undetermined or expect")
    empty = source.Mapping(entries=(), line=node.line, column=node.column)
    return Case(
        name=(fields.text(found["case"], "`case`") if "case" in found else None) or "unnamed",
        path=fields.path,
        line=node.line,
        column=node.column,
        facts=stage_facts(fields, found.get("given", empty), vocabulary),
        texts=read_texts(fields, found.get("given", empty)),
        must_fire=wanted[0],
        must_not_fire=wanted[1],
        undetermined=wanted[2],
        expect=expect,
        known_gap=_gap(fields, found["known_gap"]) if "known_gap" in found else "",
    )


def _gap(fields: Fields, node: Node) -> str:
    """Read `known_gap`: true, or better, why."""
    if isinstance(node, Scalar) and node.value is True:
        return "known gap"
    return fields.text(node, "`known_gap`") or ""


def _rules(fields: Fields, found: Mapping[str, Node], key: str, names: list[str]) -> tuple[str, ...]:
    items = fields.items(found[key], f"`{key}`") if key in found else ()
    words = (fields.word(item, "rule", names, "unknown-rule") for item in items)
    return tuple(word for word in words if word is not None)


def _expect(fields: Fields, node: Node) -> dict[str, Expected]:
    found = fields.mapping(node, EXPECT, what="`expect`") or {}
    wanted: dict[str, Expected] = {}
    for key, value in found.items():
        if key in ("reasons", "notes"):
            items = fields.items(value, f"`{key}`", least=0)
            wanted[key] = frozenset(str(item.value) for item in items if isinstance(item, Scalar))
            continue
        if key == "markets_withheld":
            none = isinstance(value, source.Sequence) and not value.items
            wanted[key] = frozenset() if none else frozenset(read_markets(fields, {"markets": value}))
            continue
        said = _wanted(fields, key, value)
        wanted |= {} if said is None else {key: said}
    return wanted


def _wanted(fields: Fields, key: str, value: Node) -> Expected | None:
    match key:
        case "outcome":
            return fields.word(value, key, tuple(map(str, Outcome)))
        case "queue":
            return fields.text(value, key)
        case "deadline":
            seconds = read_deadline(fields, value)
            return None if seconds is None else _spelt(seconds)
        case "priority":
            return fields.whole(value, key, 0, 100)
        case _:
            return fields.flag(value, key)


def try_case(case: Case, ruleset: Ruleset, area: str, reader: TextReader | None = None) -> Trial:
    """Judge the case. One with texts that cannot be read, for want of a reader or of weights, has failed."""
    try:
        facts = _read(case, reader)
    except DetectorUnavailable as problem:
        fault = Fault(message=f"its texts cannot be read: {problem}")
        return Trial(case=case, facts=None, decision=None, faults=(fault,))
    decision = decide(facts, ruleset)
    return Trial(case=case, facts=facts, decision=decision, faults=tuple(find_faults(case, decision, area)))


def find_faults(case: Case, decision: Decision, area: str) -> list[Fault]:
    """Return what of the decision is otherwise than the case says."""
    fired = named(decision, TRUE.word, area)
    doubtful = named(decision, UNDETERMINED.word, area)
    faults = [_fault(rule, "must fire and did not") for rule in case.must_fire if rule not in fired]
    faults += [_fault(rule, "must not fire and did") for rule in case.must_not_fire if rule in fired]
    faults += [_fault(rule, "must not fire, but is undetermined") for rule in case.must_not_fire if rule in doubtful]
    faults += [_fault(rule, "must be undetermined and is not") for rule in case.undetermined if rule not in doubtful]
    outcome = _outcome(decision)
    faults += [
        Fault(message=f"{key} must be {_say(wanted)} and is {_say(outcome[key])}")
        for key, wanted in case.expect.items()
        if outcome[key] != wanted
    ]
    return faults


def _fault(rule: str, message: str) -> Fault:
    return Fault(message=f"`{rule}` {message}", rule=rule)


def _read(case: Case, reader: TextReader | None) -> FactRecord:
    if not case.texts:
        return case.facts
    if reader is None:
        raise DetectorUnavailable("there is no reader")
    return reader.read(case.facts, case.texts)


def named(decision: Decision, truth: str, area: str) -> frozenset[str]:
    """Return the rules of this truth, as cases of `area` name them."""
    entries = [entry for entry in decision.trace if entry.truth == truth]
    return frozenset(entry.rule if area else f"{entry.policy}.{entry.rule}" for entry in entries)


def _outcome(decision: Decision) -> dict[str, Expected | None]:
    return {
        "outcome": str(decision.outcome),
        "reasons": frozenset(reason.code for reason in decision.reasons),
        # Signals that a case leaves out of the picture are no result of the policy.
        "notes": frozenset(note.code for note in decision.notes if note.code != "not_measured"),
        "queue": decision.queue,
        "priority": decision.priority,
        "teens": decision.audience.teens,
        "adults_only": decision.audience.adults_only,
        "no_remix": decision.audience.no_remix,
        "deadline": None if decision.deadline_s is None else _spelt(decision.deadline_s),
        "markets_withheld": frozenset(decision.markets_withheld),
    }


def _spelt(seconds: int) -> str:
    """Write a deadline in the largest unit that leaves no rest, as in 2d, 4h or 90m."""
    size, unit = next((size, unit) for size, unit in ((86400, "d"), (3600, "h"), (60, "m")) if seconds % size == 0)
    return f"{seconds // size}{unit}"


def _say(value: Expected | None) -> str:
    return f"[{', '.join(sorted(value))}]" if isinstance(value, frozenset) else str(value).lower()


def run_folder(directory: Path, models: Path | None = None) -> Report:
    """Run every area's cases against its own rules, and the folder's own cases against all rules together.

    `models` is where the packs of weights are, for cases with texts. Raises UnusablePolicies when the policies
    themselves cannot be loaded.
    """
    whole = load_ruleset(directory)
    texts, findings = case_texts(directory, whole)
    return run_cases(whole, texts, findings, root=str(directory), reader=TextReader(directory, models))


def case_texts(directory: Path, whole: Ruleset) -> tuple[dict[str, str], list[Finding]]:
    """Read the case files of a folder, by area, the folder's own under ""; unreadable ones are findings."""
    paths = {area: directory / area / CASES for area in (*(policy.area for policy in whole.policies), "")}
    read = {area: read_text(path) for area, path in paths.items() if path.is_file()}
    texts = {area: text for area, text in read.items() if isinstance(text, str)}
    return texts, [text for text in read.values() if isinstance(text, Finding)]


def run_cases(
    whole: Ruleset,
    texts: Mapping[str, str],
    findings: Iterable[Finding] = (),
    *,
    root: str = "",
    reader: TextReader | None = None,
) -> Report:
    """Run cases given as texts by area. Reads no file but what `reader` needs for cases with texts."""
    found = list(findings)
    trials: dict[str, tuple[Trial, ...]] = {}
    for area, ruleset in rulesets(whole):
        path = "/".join(part for part in (root, area, CASES) if part)
        cases, faults = parse_cases(texts[area], path, ruleset, area) if area in texts else ([], [])
        found += faults
        trials[area] = tuple(try_case(case, ruleset, area, reader) for case in cases)
    return _report(trials, found, len(whole.judges))


def _report(trials: Mapping[str, tuple[Trial, ...]], findings: list[Finding], rules: int) -> Report:
    every = [(area, trial) for area, tried in trials.items() for trial in tried]
    failed = [trial for _, trial in every if trial.faults and not trial.case.known_gap]
    closed = [trial.case for _, trial in every if trial.case.known_gap and not trial.faults]
    fired = {
        f"{area}.{rule}" if area else rule
        for area, trial in every
        if trial.decision is not None
        for rule in named(trial.decision, TRUE.word, area)
    }
    return Report(
        findings=(
            *findings,
            *(trial.case.fault(fault.message) for trial in failed for fault in trial.faults),
            *(case.fault("it holds now: take `known_gap` out, so that it stays so", "gap-closed") for case in closed),
        ),
        cases=len(every),
        failed=len(failed),
        fired=len(fired),
        rules=rules,
        gaps=tuple(_open_gap(trial) for _, trial in every if trial.case.known_gap and trial.faults),
        trials=trials,
    )


def _open_gap(trial: Trial) -> Finding:
    missed = "; ".join(fault.message for fault in trial.faults)
    return trial.case.fault(f"{missed} ({trial.case.known_gap})", "known-gap")


def rulesets(whole: Ruleset) -> list[tuple[str, Ruleset]]:
    """Return what cases are tried against: each area alone, and under "" all areas together."""
    alone = [(policy.area, Ruleset.of([policy], vocabulary=whole.vocabulary)) for policy in whole.policies]
    return [*alone, ("", whole)]
