"""`moderation lists`: hash lists of known-illegal and taken-down material: create, fill, disable, export, list."""

import hashlib
import io
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Annotated, TextIO

import typer

from moderation.assembly import open_services
from moderation.cli.printing import JSON_OPTION, local_settings, print_json
from moderation.db import Transaction
from moderation.errors import NotFound, Unprocessable
from moderation.hashlists import lists
from moderation.hashlists.formats import Entry, Format, Kind, Report, read_entries, sniff, write_entries
from moderation.hashlists.prints import read_print

app = typer.Typer(no_args_is_help=True)
BY = "operator"
Which = Annotated[str, typer.Argument(metavar="LIST", help="A list's name or id.")]
Hashes = Annotated[list[str] | None, typer.Argument(metavar="HASH", help="64 hexadecimal digits.")]
Deployment = Annotated[bool, typer.Option("--deployment", help="A list that holds for every organisation.")]
Items = Annotated[list[str] | None, typer.Option("--item", help="Every hash of this picture or video.")]


@contextmanager
def _opened(*, deployment: bool) -> Iterator[tuple[Transaction, datetime]]:
    """One transaction of the organisation, or of the deployment itself."""
    org = lists.DEPLOYMENT if deployment else "default"
    with open_services(local_settings()) as services, services.database.transaction(org) as tx:
        yield tx, services.clock.now()


def _say(document: dict[str, object], line: str, *, as_json: bool) -> None:
    print_json(document) if as_json else typer.echo(line)


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="What the list is called.")],
    *,
    category: Annotated[lists.Category, typer.Option(help="What a match means.")],
    source: Annotated[str, typer.Option(help="Where the hashes come from.")] = "",
    deployment: Deployment = False,
    as_json: bool = JSON_OPTION,
) -> None:
    """Begin an empty list."""
    with _opened(deployment=deployment) as (tx, now):
        made = lists.create_list(tx, now, name=name, category=category, source=source, by=BY)
    _say({"id": made, "name": name, "category": str(category)}, made, as_json=as_json)


@app.command("import")
def import_(
    which: Which,
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A file of hashes.")],
    *,
    form: Annotated[Format | None, typer.Option("--format", help="Told by the file's name when left out.")] = None,
    kind: Annotated[Kind, typer.Option(help="What hashes are where the file does not say.")] = Kind.PDQ,
    deployment: Deployment = False,
    as_json: bool = JSON_OPTION,
) -> None:
    """Add every hash of a file, or, when one line is bad, none; bad lines are named by number."""
    report = Report()
    with file.open("rb") as raw:
        sha256 = hashlib.file_digest(raw, "sha256").hexdigest()
        raw.seek(0)
        with _opened(deployment=deployment) as (tx, now):
            entries = read_entries(_decoded(raw), form or sniff(file.name), kind=kind, report=report)
            added = lists.add_entries(tx, now, which, entries, by=BY, file_sha256=sha256)
    known = report.entries - added
    document: dict[str, object] = {"added": added, "known_already": known, "left_out": dict(report.skipped)}
    left_out = "".join(f"; left out {count} of kind {name}" for name, count in sorted(report.skipped.items()))
    _say(document, f"added {added}, known already {known}{left_out}", as_json=as_json)


def _decoded(raw: io.BufferedReader) -> TextIO:
    """A file as text; what is no UTF-8 becomes a mark that no hash contains, so that its line is refused by number."""
    return io.TextIOWrapper(raw, encoding="utf-8-sig", errors="replace", newline=None)


@app.command()
def add(
    which: Which,
    hashes: Hashes = None,
    *,
    kind: Annotated[Kind, typer.Option(help="What the hashes are of.")] = Kind.PDQ,
    item: Annotated[str | None, typer.Option(help="The picture or video they belong to.")] = None,
    clip: Annotated[str | None, typer.Option(help="Add the frames of this clip of ours, as one item.")] = None,
    deployment: Deployment = False,
    as_json: bool = JSON_OPTION,
) -> None:
    """Add hashes, or all frames of a clip; in force at once, in every running process."""
    with open_services(local_settings()) as services:
        entries = [Entry(kind=kind, hash=each, item=item) for each in _read_hashes(hashes)]
        if clip is not None:
            with services.database.transaction("default") as tx:
                entries += _frames_of(tx, clip)
        if not entries:
            raise typer.BadParameter("give hashes, or a clip")
        with services.database.transaction(lists.DEPLOYMENT if deployment else "default") as tx:
            added = lists.add_entries(tx, services.clock.now(), which, entries, by=BY)
    _say({"added": added, "known_already": len(entries) - added}, f"added {added}", as_json=as_json)


def _frames_of(tx: Transaction, clip: str) -> list[Entry]:
    seen = read_print(tx, clip)
    if seen is None:
        raise NotFound(f"no print was taken of a clip {clip}")
    if not len(seen):
        raise Unprocessable(f"{clip} has no frame that PDQ can tell apart")
    frames = zip(seen.hashes[:, 0], seen.quality.tolist(), strict=True)
    return [Entry(kind=Kind.PDQ, hash=hash_.tobytes(), quality=quality, item=clip) for hash_, quality in frames]


@app.command()
def disable(
    which: Which,
    hashes: Hashes = None,
    *,
    item: Items = None,
    deployment: Deployment = False,
    as_json: bool = JSON_OPTION,
) -> None:
    """Take hashes, items or, when none is named, the whole list out of force; at once, in every running process."""
    _switch(which, hashes, item, enabled=False, deployment=deployment, as_json=as_json)


@app.command()
def enable(
    which: Which,
    hashes: Hashes = None,
    *,
    item: Items = None,
    deployment: Deployment = False,
    as_json: bool = JSON_OPTION,
) -> None:
    """Put back what was disabled."""
    _switch(which, hashes, item, enabled=True, deployment=deployment, as_json=as_json)


def _switch(
    which: str, hashes: list[str] | None, items: list[str] | None, *, enabled: bool, deployment: bool, as_json: bool
) -> None:
    wanted, named = _read_hashes(hashes), items or []
    word = "enabled" if enabled else "disabled"
    with _opened(deployment=deployment) as (tx, now):
        if not wanted and not named:
            lists.switch_list(tx, now, which, enabled=enabled, by=BY)
            _say({"list": which, word: True}, f"{which} is {word}", as_json=as_json)
            return
        changed = lists.switch_entries(tx, now, which, hashes=wanted, items=named, enabled=enabled, by=BY)
    _say({word: changed}, f"{word} {changed}", as_json=as_json)


@app.command()
def export(
    which: Which,
    *,
    form: Annotated[Format, typer.Option("--format")] = Format.CSV,
    out: Annotated[Path | None, typer.Option(help="Where to write; standard output when left out.")] = None,
    deployment: Deployment = False,
) -> None:
    """Write every hash in force, so that `import` reads it again."""
    with _opened(deployment=deployment) as (tx, now):
        entries = lists.export_entries(tx, now, which, by=BY)
        if out is None:
            write_entries(entries, form, sys.stdout)
            return
        with out.open("x", encoding="utf-8", newline="") as file:
            written = write_entries(entries, form, file)
    typer.echo(f"wrote {written} to {out}", err=True)


@app.command("list")
def list_(*, as_json: bool = JSON_OPTION) -> None:
    """List every list with how many hashes are in force."""
    with _opened(deployment=False) as (tx, _):
        found = lists.read_lists(tx)
    if as_json:
        print_json([asdict(each) for each in found])
        return
    for each in found:
        whose = "deployment" if each.org_id == lists.DEPLOYMENT else each.org_id
        state = "in force" if each.enabled else "disabled"
        counts = f"{each.entries} in force, {each.disabled} disabled"
        typer.echo(f"{each.list_id}  {each.category:13}  {whose:12}  {state:8}  {counts}  {each.name}")


def _read_hashes(texts: Iterable[str] | None) -> list[bytes]:
    """The bytes of hashes given on the command line."""
    found = []
    for text in texts or ():
        try:
            found.append(bytes.fromhex(text))
        except ValueError:
            raise typer.BadParameter(f"{text[:80]} is no hexadecimal") from None
        if len(found[-1]) != 32:
            raise typer.BadParameter(f"{text[:80]} is not 64 hexadecimal digits")
    return found
