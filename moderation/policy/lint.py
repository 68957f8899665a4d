"""Everything worth saying about a policy folder: what makes it unusable, and what makes it hard to trust."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

from detectors.wordfiles import LEXICON_FILE, PROTOTYPES_FILE
from detectors.words import find_faults
from moderation.messages import LANGUAGES
from moderation.policy.beginning import UNWRITTEN
from moderation.policy.cases import read_cases
from moderation.policy.catalogue import catalogue
from moderation.policy.drift import find_drift
from moderation.policy.duties import find_duties
from moderation.policy.engine import Ruleset
from moderation.policy.loader import CASES, POLICY, compile_folder, read_folder
from moderation.policy.model import Finding, Policy, Rule
from moderation.policy.rivals import find_rivals, of_rule

__all__ = ["LANGUAGES", "lint"]


def lint(
    directory: Path, *, today: date | None = None, against: Path | None = None, backtest: Path | None = None
) -> list[Finding]:
    """Return every finding, in the order of files and lines; none means the folder can be switched on.

    Needs no database and no models. Faults of the text come alone: what depends on it cannot be told. Without `today`
    nothing is said of dates. With `against`, another policy folder, lines that moved far are findings, unless
    `backtest`, a file that a backtest wrote, names this folder's version.
    """
    findings = map(_advised, _findings(directory, today, against, backtest))
    return sorted(set(findings), key=_place)


def _advised(finding: Finding) -> Finding:
    """Return the finding with what to do about its code in general, where it says nothing of its own."""
    entry = catalogue().get(finding.code)
    return replace(finding, suggestion=entry.instead) if entry and not finding.suggestion else finding


def _findings(directory: Path, today: date | None, against: Path | None, backtest: Path | None) -> list[Finding]:
    folder = read_folder(directory)
    ruleset, findings = compile_folder(folder)
    if ruleset is None:
        return findings
    for policy in ruleset.policies:
        path = folder.name(f"{policy.area}/{POLICY}")
        findings += _area(directory, path, policy, ruleset)
        findings += find_duties(policy, path, ruleset.vocabulary, today)
        findings += find_rivals(policy, path, ruleset.vocabulary)
        findings += _words(directory / policy.area)
    findings += read_cases(directory / CASES, ruleset, "")[1]
    if against is not None:
        findings += find_drift(folder, ruleset, against, backtest)
    return findings


def _place(finding: Finding) -> tuple[str, int, int, str, str]:
    return (finding.path, finding.line, finding.column, finding.code, finding.message)


def _area(directory: Path, path: str, policy: Policy, ruleset: Ruleset) -> Iterator[Finding]:
    cases, findings = read_cases(directory / policy.area / CASES, ruleset, policy.area)
    yield from findings
    yield from _guidance(directory / policy.area)
    held = [case for case in cases if not case.known_gap]
    fire = frozenset(name for case in held for name in case.must_fire)
    still = frozenset(name for case in held for name in case.must_not_fire)
    for rule in policy.rules:
        yield from _untried(rule, fire, still, path)


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
    texts = {path: path.read_text(errors="replace") if path.is_file() else "" for path in paths}
    missing = [path for path, text in texts.items() if not text.strip() or UNWRITTEN in text]
    return [
        Finding(
            path=str(path),
            line=1,
            column=1,
            code="no-guidance",
            message="reviewers have nothing to read here",
            suggestion=f"write {path.name}: what it is about, what to look at, what to allow and what to block",
        )
        for path in missing
    ]


def _untried(rule: Rule, fire: frozenset[str], still: frozenset[str], path: str) -> Iterator[Finding]:
    """Find what no case shows: that the rule fires where it must, and that it keeps still where it must not."""
    if rule.name not in fire:
        instead = f"add a case with `must_fire: [{rule.name}]`"
        yield of_rule(rule, path, "no-must-fire", f"no case says that `{rule.name}` must fire", instead)
    if rule.name not in still:
        instead = f"add a case, close by, with `must_not_fire: [{rule.name}]`"
        yield of_rule(rule, path, "no-must-not-fire", f"no case says that `{rule.name}` must not fire", instead)
