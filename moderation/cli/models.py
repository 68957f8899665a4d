"""`moderation models build|verify|list`: the packs of weights, for people and for scripts. Loads no model."""

import dataclasses
import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from detectors.base import DetectorError
from detectors.manifests import Manifest, ModelEntry
from detectors.packs import build, inventory, verify
from moderation.settings import Settings

_NOT_FINE = 1
_COULD_NOT_BE_DONE = 3
_COLUMNS = ("model", "version", "licence", "carrier", "MB", "state")

app = typer.Typer(help="The packs of weights: build, check, list.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


@app.command("build")
def build_command(*, as_json: AsJson = False) -> None:
    """Download, check, convert; only what is missing. Progress goes to stderr."""
    try:
        manifest = build(_root(), progress=_say)
    except DetectorError as error:
        _say(f"could not be done: {error}")
        raise typer.Exit(_COULD_NOT_BE_DONE) from None
    if as_json:
        _print_document(manifest)
    else:
        print(f"{manifest.folder}: complete")


@app.command("verify")
def verify_command(*, as_json: AsJson = False) -> None:
    """Hash every file against its pin; exit 1 on problems."""
    problems = verify(_root())
    if as_json:
        print(json.dumps({"problems": [dataclasses.asdict(problem) for problem in problems]}))
    elif not problems:
        print("every file is as pinned")
    else:
        for problem in problems:
            print(f"{problem.model or 'pack'}: {problem.message}")
    if problems:
        raise typer.Exit(_NOT_FINE)


@app.command("list")
def list_command(*, as_json: AsJson = False) -> None:
    """Show every model with version, licence, carrier and state."""
    entries = inventory(_root())
    if as_json:
        print(json.dumps({"models": [dataclasses.asdict(entry) for entry in entries]}, ensure_ascii=False))
        return
    rows = [_COLUMNS, *(_row(entry) for entry in entries)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    for note in dict.fromkeys(entry.note for entry in entries if entry.note):
        print(f"absent: {note}")


def _row(entry: ModelEntry) -> tuple[str, ...]:
    return (
        entry.id,
        entry.version,
        entry.licence,
        str(entry.carrier),
        f"{entry.bytes / 1e6:.1f}",
        str(entry.state),
    )


def _print_document(manifest: Manifest) -> None:
    document = {"folder": str(manifest.folder), **json.loads(manifest.to_json())}
    print(json.dumps(document, ensure_ascii=False))


def _root() -> Path:
    return Settings().models


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
