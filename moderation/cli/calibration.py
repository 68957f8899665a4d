"""`moderation calibrate`: what a raw score is worth on an operator's own labelled pictures."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from moderation import calibrating
from moderation.assembly import open_services
from moderation.cli.checks import with_models
from moderation.cli.printing import JSON_OPTION, local_settings, print_json


def calibrate(
    folder: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="Holds flagged/ and benign/.")],
    *,
    dry_run: Annotated[bool, typer.Option(help="Print the figures; change nothing.")] = False,
    as_json: bool = JSON_OPTION,
) -> None:
    """Calibrate the explicit score on labelled pictures: frames of your own clips, 50 of each kind at least."""
    with open_services(with_models(local_settings())) as services:
        found = calibrating.score_folder(services, folder)
        calibration = calibrating.fit(services, found)
        path = None if dry_run else calibrating.keep(services, calibration, found)
    document = {
        **asdict(calibration),
        "id": calibration.id,
        "unreadable": list(found.unreadable),
        "file": str(path) if path else None,
    }
    if as_json:
        print_json(document)
        return
    typer.echo(f"{calibration.signal} of {calibration.model} {calibration.version}: {calibration.id}")
    typer.echo(
        f"  {calibration.flagged} flagged, {calibration.benign} benign, {len(found.unreadable)} unreadable files"
    )
    for name, value in calibration.figures.items():
        typer.echo(f"  {name:26} {value:.4f}")
    if path:
        typer.echo(f"in force from the next start: {path}, diagram beside it")
