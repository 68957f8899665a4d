"""`moderation policy`: check the policies and run their cases. Needs no database, no models, no running service."""

import json
from pathlib import Path
from typing import Annotated

import typer

from moderation.policy.cases import Report, run_folder
from moderation.policy.lint import lint
from moderation.policy.loader import UnusablePolicies
from moderation.policy.model import Finding
from moderation.settings import Settings

app = typer.Typer(no_args_is_help=True, help="Check the policies and try them out.")

Folder = Annotated[Path | None, typer.Argument(help="The policy folder; without it the one the service would use.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


@app.command("lint")
def find_faults(directory: Folder = None, *, as_json: AsJson = False) -> None:
    """Find faults in the policies: PATH:LINE:COL CODE message. Exits 1 when there are any."""
    findings = lint(_chosen(directory))
    if as_json:
        print(json.dumps({"findings": [finding.to_json() for finding in findings]}, indent=2))
    else:
        _print_findings(findings)
    raise typer.Exit(1 if findings else 0)


@app.command("test")
def run_cases(directory: Folder = None, *, as_json: AsJson = False) -> None:
    """Run the cases beside each policy, failures first. Exits 1 when a case fails or the policies cannot be used."""
    try:
        report = run_folder(_chosen(directory), Settings().models)
    except UnusablePolicies as error:
        report = Report(findings=tuple(error.findings), cases=0, failed=0, fired=0, rules=0)
    if as_json:
        print(json.dumps(report.to_json(), indent=2))
    else:
        _print_findings(list(report.findings))
        print(f"{report.cases} cases, {report.failed} failed; {report.fired} of {report.rules} rules fired")
    raise typer.Exit(1 if report.findings else 0)


def _chosen(directory: Path | None) -> Path:
    return directory if directory is not None else Settings().policies_dir()


def _print_findings(findings: list[Finding]) -> None:
    for finding in findings:
        print(finding)
