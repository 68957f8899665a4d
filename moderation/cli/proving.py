"""`moderation policy test` and `vocabulary`: what the cases prove, failures first. Needs no database and no service."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from moderation.policy.cases import Report
from moderation.policy.examination import Examination, examine_folder
from moderation.policy.loader import UnusablePolicies
from moderation.policy.model import Finding
from moderation.policy.source import SourceError
from moderation.policy.vocabulary import FILE, current, render
from moderation.settings import Settings

Folder = Annotated[Path | None, typer.Argument(help="The policy folder; without it the one the service would use.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Mutants = Annotated[bool, typer.Option(help="Whether to try small wrong turns of every rule, and count those noticed.")]
Strict = Annotated[bool, typer.Option("--strict", help="Exit 1 as well when a rule has too little proof to act.")]
Write = Annotated[bool, typer.Option("--write", help="Write the file, instead of telling whether it is current.")]


def run_cases(
    directory: Folder = None, *, as_json: AsJson = False, mutants: Mutants = True, strict: Strict = False
) -> None:
    """Run the cases beside each policy, failures first. Exits 1 when a case fails or the policies cannot be used."""
    folder = chosen(directory)
    try:
        examination = examine_folder(folder, Settings().models, mutants=mutants)
    except UnusablePolicies as error:
        _refuse(error, as_json=as_json)
        raise typer.Exit(1) from None
    if as_json:
        print(json.dumps(examination.to_json(), indent=2))
    else:
        for line in _lines(examination):
            print(line)
    raise typer.Exit(1 if examination.report.findings or (strict and examination.faults()) else 0)


def check_vocabulary(directory: Folder = None, *, write: Write = False) -> None:
    """Tell whether vocabulary.yaml says what the code knows; exits 1 when it does not. `--write` makes it so.

    What a team took out of the vocabulary on purpose comes back with `--write`; its own grounds stay.
    """
    path = chosen(directory) / FILE
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    try:
        wanted = current(text) if text.strip() else render()
    except SourceError as error:
        print(error)
        raise typer.Exit(1) from None
    if write:
        path.write_text(wanted, encoding="utf-8")
        print(f"{path} written")
    elif text != wanted:
        print(f"{path}:1:1 vocabulary-differs not what the code knows: `moderation policy vocabulary --write`")
        raise typer.Exit(1)


def chosen(directory: Path | None) -> Path:
    """Return the folder asked for, or the one the service would use."""
    return directory if directory is not None else Settings().policies_dir()


def _refuse(error: UnusablePolicies, *, as_json: bool) -> None:
    report = Report(findings=tuple(error.findings), cases=0, failed=0, fired=0, rules=0)
    if as_json:
        print(json.dumps(report.to_json(), indent=2))
        return
    for finding in report.findings:
        print(finding)
    print(_summary(report))


def _summary(report: Report) -> str:
    gaps = f"; known gaps: {len(report.gaps)}" if report.gaps else ""
    return f"{report.cases} cases, {report.failed} failed; {report.fired} of {report.rules} rules fired{gaps}"


def _lines(examination: Examination) -> Iterator[str]:
    report = examination.report
    yield from _failures(examination)
    yield from _section("Known gaps", report.gaps)
    yield from _proofs(examination)
    proofs = examination.proofs
    yield from _section("Seen one way only", [f for p in proofs for f in p.coverage.findings(p.path)])
    yield from _section("Not noticed", [f for p in proofs if p.score for f in p.score.findings(p.path)])
    yield from _section("Too little proof to act", [fault for p in proofs for fault in p.faults()])
    yield _summary(report)


def _section(title: str, findings: list[Finding] | tuple[Finding, ...]) -> Iterator[str]:
    if findings:
        yield f"{title}:"
        yield from (f"  {finding}" for finding in findings)


def _failures(examination: Examination) -> Iterator[str]:
    """Print what failed, and under each rule that came out otherwise what its conditions came to."""
    yield from (str(finding) for finding in examination.report.findings if finding.code != "case-failed")
    for failure in examination.failures:
        yield from map(str, failure.findings)
        for rule, lines in failure.traces.items():
            yield f"    {rule}:"
            yield from (f"      {line}" for line in lines)


def _proofs(examination: Examination) -> Iterator[str]:
    yield f"{'rule':<50} {'conditions seen':>15} {'mutants noticed':>15}"
    for proof in examination.proofs:
        seen = f"{proof.coverage.covered} of {len(proof.coverage.seen)}"
        score = f"{proof.score.killed} of {proof.score.mutants}" if proof.score else "-"
        yield f"{proof.name:<50} {seen:>15} {score:>15}"
    if examination.mutants:
        share = examination.killed / examination.mutants
        yield f"mutation score {share:.1%}: {examination.killed} of {examination.mutants} mutants noticed"
