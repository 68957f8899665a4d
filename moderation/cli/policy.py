"""`moderation policy`: check the policies and run their cases. Needs no database, no models, no running service."""

import json
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated

import typer

from moderation.cli import rehearsal, rulebook
from moderation.cli.proving import check_vocabulary, run_cases
from moderation.policy.beginning import begin_area
from moderation.policy.lint import lint
from moderation.policy.loader import SCHEMAS
from moderation.policy.model import Finding
from moderation.policy.reference import render
from moderation.policy.reports import to_annotations, to_json, to_sarif
from moderation.policy.schema import schemas
from moderation.settings import Settings

app = typer.Typer(no_args_is_help=True, help="Check the policies and try them out.")

Folder = Annotated[Path | None, typer.Argument(help="The policy folder; without it the one the service would use.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
AsSarif = Annotated[bool, typer.Option("--sarif", help="Print a SARIF 2.1.0 log, as code hosts read it.")]
AsAnnotations = Annotated[bool, typer.Option("--github", help="Print annotations of a workflow run.")]
Today = Annotated[
    datetime | None,
    typer.Option(formats=["%Y-%m-%d"], help="The day by which dates are judged (UTC); today if unsaid."),
]
Against = Annotated[
    Path | None, typer.Option(help="Another policy folder, such as what is in force: lines that moved far are faults.")
]
Backtest = Annotated[Path | None, typer.Option(help="What a backtest of this folder wrote; then lines may have moved.")]
Write = Annotated[bool, typer.Option("--write", help="Write the files, instead of telling whether they are current.")]
Name = Annotated[str, typer.Argument(help="The new area's name: lower-case letters, digits and _.")]


@app.command("lint")
def find_faults(
    directory: Folder = None,
    *,
    as_json: AsJson = False,
    as_sarif: AsSarif = False,
    as_annotations: AsAnnotations = False,
    today: Today = None,
    against: Against = None,
    backtest: Backtest = None,
) -> None:
    """Find faults in the policies: PATH:LINE:COL CODE message. Exits 1 when there are any."""
    if as_json + as_sarif + as_annotations > 1:
        raise typer.BadParameter("one of --json, --sarif and --github")
    findings = lint(_chosen(directory), today=_day(today), against=against, backtest=backtest)
    if as_json:
        print(json.dumps(to_json(findings), indent=2))
    elif as_sarif:
        print(json.dumps(to_sarif(findings, Path.cwd()), indent=2))
    else:
        lines = to_annotations(findings, Path.cwd()) if as_annotations else [_line(found) for found in findings]
        print(*lines, sep="\n", end="\n" if lines else "")
    raise typer.Exit(1 if findings else 0)


@app.command("schema")
def check_schemas(directory: Folder = None, *, write: Write = False) -> None:
    """Tell whether the JSON Schemas beside the policies are current; exits 1 when not. `--write` makes them so."""
    folder = _chosen(directory) / SCHEMAS
    stale = [folder / name for name, text in schemas().items() if _read(folder / name) != text]
    for path in stale:
        if write:
            path.parent.mkdir(exist_ok=True)
            path.write_text(schemas()[path.name], encoding="utf-8")
        print(f"{path} written" if write else f"{path} is not current: `moderation policy schema --write`")
    raise typer.Exit(1 if stale and not write else 0)


@app.command("codes")
def print_codes() -> None:
    """Print what each code of a finding means, with an example of each, as one page of Markdown."""
    print(render(), end="")


@app.command("new")
def begin(area: Name, directory: Folder = None) -> None:
    """Write the files of a new area, with one rule, its cases and guidance in three languages to be put in words."""
    folder = _chosen(directory)
    for path in begin_area(folder, area):
        print(path)
    print(f"next: say in them what is meant, then `moderation policy lint {folder}`", file=sys.stderr)


app.command("test")(run_cases)
app.command("vocabulary")(check_vocabulary)
app.command("backtest")(rehearsal.backtest)
app.command("diff")(rehearsal.diff)
app.command("versions")(rulebook.versions)
app.command("propose")(rulebook.propose)
app.command("approve")(rulebook.approve)
app.command("activate")(rulebook.activate)
app.command("rollback")(rulebook.roll_back)
app.command("retire")(rulebook.retire)
app.command("break-glass")(rulebook.break_glass)
app.command("settle")(rulebook.settle)
app.command("sign")(rulebook.sign)


def _chosen(directory: Path | None) -> Path:
    return directory if directory is not None else Settings().policies_dir()


def _day(today: datetime | None) -> date:
    return (today or datetime.now(UTC)).date()


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def _line(finding: Finding) -> str:
    # Where the message proposes a word already, it stands there once.
    known = not finding.suggestion or finding.suggestion in finding.message
    return str(finding) if known else f"{finding} (instead: {finding.suggestion})"
