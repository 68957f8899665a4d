"""Runs `cases.yaml`: facts as a policy team writes them, the rules that must and must not fire, what must come out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from detectors.base import DetectorUnavailable
from moderation.decisions import Decision, Outcome
from moderation.facts import FactRecord
from moderation.policy import source
from moderation.policy.engine import Ruleset, decide
from moderation.policy.fields import Fields
from moderation.policy.loader import CASES, load_ruleset, read_text
from moderation.policy.model import Finding
from moderation.policy.registry import Vocabulary
from moderation.policy.source import Node, Scalar
from moderation.policy.staging import read_texts, stage_facts
from moderation.policy.texts import TextReader
from moderation.policy.truth import TRUE, UNDETERMINED

_CASE = ("case", "given", "must_fire", "must_not_fire", "undetermined", "expect")
_EXPECT = ("outcome", "reasons", "notes", "queue", "teens", "adults_only", "no_remix")

Expected = str | bool | frozenset[str]


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

    def fault(self, message: str) -> Finding:
        """Return a failure of this case as a finding."""
        text = f"{self.name}: {message}"
        return Finding(path=self.path, line=self.line, column=self.column, code="case-failed", message=text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What running the cases of a folder showed."""

    findings: tuple[Finding, ...]
    cases: int
    #: Cases with at least one fault.
    failed: int
    #: Rules that some case makes fire, and rules in all.
    fired: int
    rules: int

    def to_json(self) -> dict[str, object]:
        return {
            "cases": self.cases,
            "failed": self.failed,
            "rules": self.rules,
            "rules_fired": self.fired,
            "findings": [finding.to_json() for finding in self.findings],
        }


def read_cases(path: Path, ruleset: Ruleset, area: str) -> tuple[list[Case], list[Finding]]:
    """Read a case file, if there is one; `area` is empty for the cases of the whole folder."""
    if not path.is_file():
        return [], []
    text = read_text(path)
    if isinstance(text, Finding):
        return [], [text]
    fields = Fields(str(path))
    try:
        found = fields.mapping(source.parse(text, str(path)), ("cases",), ("cases",), "a case file") or {}
    except source.SourceError as error:
        return [], [error.finding]
    names = _rule_names(ruleset, area)
    items = fields.items(found["cases"], "`cases`") if "cases" in found else ()
    cases = [_case(fields, item, names, ruleset.vocabulary) for item in items]
    return cases, fields.findings


def _rule_names(ruleset: Ruleset, area: str) -> frozenset[str]:
    names = ((judge.policy, judge.rule.name) for judge in ruleset.judges)
    return frozenset(rule if area else f"{policy}.{rule}" for policy, rule in names if area in ("", policy))


def _case(fields: Fields, node: Node, names: frozenset[str], vocabulary: Vocabulary) -> Case:
    found = fields.mapping(node, _CASE, ("case", "given"), "a case") or {}
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
    )


def _rules(fields: Fields, found: Mapping[str, Node], key: str, names: frozenset[str]) -> tuple[str, ...]:
    items = fields.items(found[key], f"`{key}`") if key in found else ()
    words = (fields.word(item, "rule", sorted(names), "unknown-rule") for item in items)
    return tuple(word for word in words if word is not None)


def _expect(fields: Fields, node: Node) -> dict[str, Expected]:
    found = fields.mapping(node, _EXPECT, what="`expect`") or {}
    wanted: dict[str, Expected] = {}
    for key, value in found.items():
        if key in ("reasons", "notes"):
            items = fields.items(value, f"`{key}`", least=0)
            wanted[key] = frozenset(str(item.value) for item in items if isinstance(item, Scalar))
            continue
        kinds: Mapping[str, str | bool | None] = {
            "outcome": fields.word(value, key, tuple(map(str, Outcome))) if key == "outcome" else None,
            "queue": fields.text(value, key) if key == "queue" else None,
        }
        said = kinds[key] if key in kinds else fields.flag(value, key)
        wanted |= {} if said is None else {key: said}
    return wanted


def run_case(
    case: Case, ruleset: Ruleset, area: str, reader: TextReader | None = None
) -> tuple[list[Finding], frozenset[str]]:
    """Judge the case; give what came out otherwise than it says, and the rules that fired.

    A case with texts that cannot be read, for want of a reader or of weights, has failed.
    """
    try:
        facts = _read(case, reader)
    except DetectorUnavailable as problem:
        return [case.fault(f"its texts cannot be read: {problem}")], frozenset()
    decision = decide(facts, ruleset)
    fired = _named(decision, TRUE.word, area)
    doubtful = _named(decision, UNDETERMINED.word, area)
    faults = [f"`{rule}` must fire and did not" for rule in case.must_fire if rule not in fired]
    faults += [f"`{rule}` must not fire and did" for rule in case.must_not_fire if rule in fired]
    faults += [f"`{rule}` must not fire, but is undetermined" for rule in case.must_not_fire if rule in doubtful]
    faults += [f"`{rule}` must be undetermined and is not" for rule in case.undetermined if rule not in doubtful]
    outcome = _outcome(decision)
    faults += [f"{k} must be {_say(w)} and is {_say(outcome[k])}" for k, w in case.expect.items() if outcome[k] != w]
    return [case.fault(fault) for fault in faults], fired


def _read(case: Case, reader: TextReader | None) -> FactRecord:
    if not case.texts:
        return case.facts
    if reader is None:
        raise DetectorUnavailable("there is no reader")
    return reader.read(case.facts, case.texts)


def _named(decision: Decision, truth: str, area: str) -> frozenset[str]:
    entries = [entry for entry in decision.trace if entry.truth == truth]
    return frozenset(entry.rule if area else f"{entry.policy}.{entry.rule}" for entry in entries)


def _outcome(decision: Decision) -> dict[str, Expected | None]:
    return {
        "outcome": str(decision.outcome),
        "reasons": frozenset(reason.code for reason in decision.reasons),
        # Signals that a case leaves out of the picture are no result of the policy.
        "notes": frozenset(note.code for note in decision.notes if note.code != "not_measured"),
        "queue": decision.queue,
        "teens": decision.audience.teens,
        "adults_only": decision.audience.adults_only,
        "no_remix": decision.audience.no_remix,
    }


def _say(value: Expected | None) -> str:
    return f"[{', '.join(sorted(value))}]" if isinstance(value, frozenset) else str(value).lower()


def run_folder(directory: Path, models: Path | None = None) -> Report:
    """Run every area's cases against its own rules, and the folder's own cases against all rules together.

    `models` is where the packs of weights are, for cases with texts. Raises UnusablePolicies when the policies
    themselves cannot be loaded.
    """
    whole = load_ruleset(directory)
    reader = TextReader(directory, models)
    findings: list[Finding] = []
    fired: set[str] = set()
    cases = failed = 0
    for area, ruleset in _rulesets(whole):
        read, faults = read_cases(directory / area / CASES, ruleset, area)
        findings += faults
        cases += len(read)
        for case in read:
            wrong, hit = run_case(case, ruleset, area, reader)
            failed += bool(wrong)
            findings += wrong
            fired |= {f"{area}.{rule}" if area else rule for rule in hit}
    return Report(findings=tuple(findings), cases=cases, failed=failed, fired=len(fired), rules=len(whole.judges))


def _rulesets(whole: Ruleset) -> list[tuple[str, Ruleset]]:
    alone = [(policy.area, Ruleset.of([policy], vocabulary=whole.vocabulary)) for policy in whole.policies]
    return [*alone, ("", whole)]
