"""Everything worth saying about a policy folder: what makes it unusable, and what makes it hard to trust."""

from pathlib import Path

from detectors.wordfiles import LEXICON_FILE, PROTOTYPES_FILE
from detectors.words import find_faults
from moderation.policy.cases import Case, read_cases
from moderation.policy.engine import Ruleset
from moderation.policy.loader import CASES, POLICY, Folder, compile_folder, read_folder
from moderation.policy.model import Condition, Finding, Policy, Rule

LANGUAGES = ("en", "fr", "ar")


def lint(directory: Path) -> list[Finding]:
    """Return every finding, in the order of files and lines; none means the folder can be switched on.

    Needs no database and no models. Faults of the text come alone: what depends on it cannot be told.
    """
    folder = read_folder(directory)
    ruleset, findings = compile_folder(folder)
    if ruleset is None:
        return sorted(findings, key=_place)
    findings = [finding for policy in ruleset.policies for finding in _area(directory, folder, policy, ruleset)]
    findings += read_cases(directory / CASES, ruleset, "")[1]
    for policy in ruleset.policies:
        findings += _words(directory / policy.area)
    return sorted(findings, key=_place)


def _place(finding: Finding) -> tuple[str, int, int, str]:
    return (finding.path, finding.line, finding.column, finding.code)


def _area(directory: Path, folder: Folder, policy: Policy, ruleset: Ruleset) -> list[Finding]:
    path = folder.name(f"{policy.area}/{POLICY}")
    cases, findings = read_cases(directory / policy.area / CASES, ruleset, policy.area)
    findings += _guidance(directory / policy.area)
    findings += _twins(policy, path)
    for rule in policy.rules:
        findings += _untried(rule, cases, path)
    return findings


def _words(area: Path) -> list[Finding]:
    """Find the mistakes of an area's word lists, if it has any."""
    if not (area / LEXICON_FILE).exists() and not (area / PROTOTYPES_FILE).exists():
        return []
    return [
        Finding(path=fault.path, line=fault.line, column=fault.column, code=fault.code, message=fault.message)
        for fault in find_faults(area)
    ]


def _guidance(area: Path) -> list[Finding]:
    """Find languages in which reviewers have nothing to read."""
    paths = [area / f"guidance.{language}.md" for language in LANGUAGES]
    missing = [path for path in paths if not path.is_file() or not path.stat().st_size]
    return [
        Finding(path=str(path), line=1, column=1, code="no-guidance", message="reviewers have nothing to read here")
        for path in missing
    ]


def _twins(policy: Policy, path: str) -> list[Finding]:
    first: dict[Condition, Rule] = {}
    findings = []
    for rule in policy.rules:
        twin = first.setdefault(rule.when, rule)
        if twin is not rule:
            findings.append(_of_rule(rule, path, "duplicate-condition", f"`{rule.name}` asks what `{twin.name}` asks"))
    return findings


def _untried(rule: Rule, cases: list[Case], path: str) -> list[Finding]:
    """Find what no case shows: that the rule fires where it must, and that it keeps still where it must not."""
    findings = []
    if not any(rule.name in case.must_fire for case in cases):
        findings.append(_of_rule(rule, path, "no-must-fire", f"no case says that `{rule.name}` must fire"))
    if not any(rule.name in case.must_not_fire for case in cases):
        findings.append(_of_rule(rule, path, "no-must-not-fire", f"no case says that `{rule.name}` must not fire"))
    return findings


def _of_rule(rule: Rule, path: str, code: str, message: str) -> Finding:
    return Finding(path=path, line=rule.line, column=rule.column, code=code, message=message)
