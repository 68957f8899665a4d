"""`moderation policy`: check the policies and run their cases. Needs no database, no models, no running service."""

import json
from pathlib import Path
from typing import Annotated

import typer

from moderation.cli import rehearsal
from moderation.cli.proving import check_vocabulary, run_cases
from moderation.policy.lint import lint
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


app.command("test")(run_cases)
app.command("vocabulary")(check_vocabulary)
app.command("backtest")(rehearsal.backtest)
app.command("diff")(rehearsal.diff)


def _chosen(directory: Path | None) -> Path:
    return directory if directory is not None else Settings().policies_dir()


def _print_findings(findings: list[Finding]) -> None:
    for finding in findings:
        print(finding)
