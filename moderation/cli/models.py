"""`moderation models build|verify|list|pin`: the packs of weights. Only pinning loads a model."""

import dataclasses
import json
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from detectors.base import DetectorError
from detectors.gpu import pinning
from detectors.gpu.pack import Standing
from detectors.gpu.pack import inventory as gpu_inventory
from detectors.manifests import Manifest, ModelEntry
from detectors.packs import Problem, build, build_optional, inventory, licences, optional_packs, verify
from moderation.settings import Settings

_NOT_FINE = 1
_COULD_NOT_BE_DONE = 3
#: They ask for a notice only, which the pack keeps beside the weights.
PERMISSIVE = frozenset({"MIT", "Apache-2.0", "BSD-3-Clause"})
_COLUMNS = ("pack", "model", "version", "licence", "from", "MB", "state")

app = typer.Typer(help="The packs of weights: build, check, list, pin.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Pack = Annotated[
    Literal["embedded", "gpu"] | None,
    typer.Option(help="Which pack; without it the one that this deployment runs, MODERATION_PACK."),
]


@app.command("build")
def build_command(
    *,
    pack: Annotated[
        str | None, typer.Option(help="embedded, gpu, or an optional pack; without it MODERATION_PACK.")
    ] = None,
    accept_licence: Annotated[str, typer.Option(help="The licence of an optional pack, which you accept.")] = "",
    as_json: AsJson = False,
) -> None:
    """Download, check, convert; only what is missing. The GPU pack: bring what the lock names. Progress to stderr."""
    try:
        if pack not in (None, "embedded", "gpu"):
            demand_licence(pack, accept_licence)
            _say(f"{build_optional(_root(), pack, progress=_say).folder}: complete")
            return
        manifest = build(_root(), progress=_say)
        lock = pinning.bring(_root(), Settings().gpu_lock(), progress=_say) if _wants_gpu(pack) else None
    except DetectorError as error:
        raise _failed(error) from None
    if as_json:
        _print_document(manifest, {"gpu": sorted(lock.models)} if lock else {})
        return
    print(f"{manifest.folder}: complete")
    if lock:
        print(f"{Settings().gpu_lock()}: all of {', '.join(sorted(lock.models))} as pinned")


def demand_licence(pack: str, accepted: str) -> None:
    """Refuse an optional pack until its licence is accepted by name, where it may bind what uses it."""
    if pack not in optional_packs():
        raise typer.BadParameter(f"there is no pack {pack}; optional are {', '.join(optional_packs())}")
    needed = licences(_root(), pack)
    wanted = " and ".join(needed)
    if accepted != wanted and not PERMISSIVE.issuperset(needed):
        raise typer.BadParameter(
            f"the pack {pack} is under {wanted}, which binds whoever offers a service with it; "
            f"to accept it say --accept-licence '{wanted}'"
        )


@app.command("pin")
def pin_command(
    model: Annotated[str, typer.Argument(help="A model of the GPU pack, as `models list` names it.")],
    *,
    revision: Annotated[str, typer.Option(help="The repository's commit, 40 hex digits; no branch and no tag.")],
    source: Annotated[
        Path | None, typer.Option("--from", help="A folder with the files, on a machine without network.")
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Let this commit take the place of another.")] = False,
) -> None:
    """Take a model of the GPU pack at one commit, and vouch for it: its hashes are written into the lock.

    Nobody but you checks that the files are the right ones: compare the printed hashes with those that the
    repository shows. From then on a changed byte is refused.
    """
    try:
        pinning.pin(
            _root(), Settings().gpu_lock(), model, revision=revision, source=source, replace=replace, progress=_say
        )
    except DetectorError as error:
        raise _failed(error) from None


@app.command("verify")
def verify_command(*, pack: Pack = None, as_json: AsJson = False) -> None:
    """Hash every file against its pin; exit 1 on problems."""
    problems = verify(_root())
    if _wants_gpu(pack):
        problems += _gpu_problems()
    if as_json:
        print(json.dumps({"problems": [dataclasses.asdict(problem) for problem in problems]}))
    elif not problems:
        print("every file is as pinned")
    else:
        for problem in problems:
            print(f"{problem.model or 'pack'}: {problem.message}")
    if problems:
        raise typer.Exit(_NOT_FINE)


def _gpu_problems() -> list[Problem]:
    try:
        standings = gpu_inventory(_root(), Settings().gpu_lock())
    except DetectorError as error:
        return [Problem(model="gpu", message=str(error))]
    return [Problem(model=one.model.id, message=fault) for one in standings for fault in one.faults]


@app.command("list")
def list_command(*, as_json: AsJson = False) -> None:
    """Show every model of both packs with version, licence, where it comes from and its state."""
    entries = inventory(_root())
    try:
        standings = gpu_inventory(_root(), Settings().gpu_lock())
    except DetectorError as error:
        raise _failed(error) from None
    if as_json:
        models = [{"pack": "embedded", **dataclasses.asdict(entry)} for entry in entries]
        gpu = [{"pack": "gpu", **dataclasses.asdict(one), "state": one.state} for one in standings]
        print(json.dumps({"models": models, "gpu": gpu}, ensure_ascii=False))
        return
    rows = [_COLUMNS, *map(_row, entries), *map(_gpu_row, standings)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    for note in dict.fromkeys(entry.note for entry in entries if entry.note):
        print(f"absent: {note}")


def _row(entry: ModelEntry) -> tuple[str, ...]:
    return (
        "embedded",
        entry.id,
        entry.version,
        entry.licence,
        str(entry.carrier),
        f"{entry.bytes / 1e6:.1f}",
        str(entry.state),
    )


def _gpu_row(one: Standing) -> tuple[str, ...]:
    locked = one.locked
    return (
        "gpu",
        one.model.id,
        locked.revision[:12] if locked else "-",
        one.model.licence,
        one.model.repository,
        f"{sum(file.bytes for file in locked.files.values()) / 1e6:.1f}" if locked else "-",
        one.state,
    )


def _wants_gpu(pack: str | None) -> bool:
    return (pack or Settings().pack) == "gpu"


def _failed(error: DetectorError) -> typer.Exit:
    _say(f"could not be done: {error}")
    return typer.Exit(_COULD_NOT_BE_DONE)


def _print_document(manifest: Manifest, more: dict[str, object]) -> None:
    document = {"folder": str(manifest.folder), **json.loads(manifest.to_json()), **more}
    print(json.dumps(document, ensure_ascii=False))


def _root() -> Path:
    return Settings().models


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
