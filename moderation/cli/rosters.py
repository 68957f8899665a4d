"""`moderation people import` and `people works`: whole lists of people, and the works of rights holders."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Final, cast

import typer

from moderation import consent, portraits, works
from moderation.assembly import open_services
from moderation.cli.checks import with_models
from moderation.cli.printing import JSON_OPTION, local_settings, print_json
from moderation.revocations.rejudging import judge_clips_of
from moderation.rosters import Outcome, import_roster, read_roster

BY: Final = "operator"
KINDS: Final = ("cameo", "public_figure", "rights_holder", "protected_person")
Person = Annotated[str, typer.Argument(help="A person's id, per_…")]

works_app = typer.Typer(no_args_is_help=True)


def import_(
    path: Annotated[Path, typer.Argument(exists=True, help="A folder, a .csv or a .json file.")],
    *,
    kind: Annotated[str, typer.Option(help=", ".join(KINDS))] = "public_figure",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Read everything, write nothing.")] = False,
    keep_portraits: Annotated[
        bool, typer.Option("--keep-portraits", help="Keep a small picture of each figure, for reviewers.")
    ] = False,
    as_json: bool = JSON_OPTION,
) -> None:
    """Register a list of people, each with all rows or not at all; run again, it goes on. Exits 1 if any is refused."""
    if kind not in KINDS:
        raise typer.BadParameter(", ".join(KINDS), param_hint="--kind")
    roster = read_roster(path)
    refused = 0
    with open_services(with_models(local_settings())) as services:
        for outcome in import_roster(
            services,
            "default",
            roster,
            kind=cast("consent.Kind", kind),
            by=BY,
            dry_run=dry_run,
            keep_portraits=keep_portraits,
        ):
            refused += outcome.state == "refused"
            print_json(asdict(outcome)) if as_json else _tell(outcome)
    raise typer.Exit(1 if refused else 0)


def _tell(outcome: Outcome) -> None:
    added = f"  {outcome.pictures} pictures, {outcome.aliases} other names" if outcome.pictures else ""
    added += "  portrait kept" if outcome.portrait else ""
    typer.echo(f"{outcome.state:12}  {outcome.person_id or '':30}  {outcome.key}{added}")
    for refusal in outcome.refusals:
        typer.echo(f"              {refusal.row}: {refusal.why}", err=True)


def alias(
    person: Person,
    name: Annotated[str, typer.Argument(help="Another name, in any script.")],
    *,
    as_json: bool = JSON_OPTION,
) -> None:
    """Give a person another name, for the prompt check."""
    with open_services(local_settings()) as services, services.database.transaction("default") as tx:
        made = consent.add_alias(tx, services.vault, services.clock.now(), person, name, by=BY)
    print_json({"id": made, "person": person}) if as_json else typer.echo(made)


def line(
    person: Person,
    shift: Annotated[float, typer.Argument(help="-0.1 (stricter) to 0.05 (wider); 0 as the others.")],
    *,
    as_json: bool = JSON_OPTION,
) -> None:
    """Move the match line of one person, where look-alikes or few pictures ask for it."""
    with open_services(local_settings()) as services, services.database.transaction("default") as tx:
        consent.move_line(tx, services.clock.now(), person, shift, by=BY)
    print_json({"person": person, "shift": shift}) if as_json else typer.echo(f"{person}: {shift:+g}")


def same(
    figure: Person,
    cameo: Annotated[str | None, typer.Argument(help="The cameo of the same human, per_…")] = None,
    *,
    drop: Annotated[bool, typer.Option("--drop", help="They are not: each goes by its own grants.")] = False,
    as_json: bool = JSON_OPTION,
) -> None:
    """Say that a public figure's record and a cameo's are of the same human: the cameo's grants rule for both."""
    if (cameo is None) is not drop:
        raise typer.BadParameter("name the cameo, or say --drop")
    with open_services(local_settings()) as services, services.database.transaction("default") as tx:
        now = services.clock.now()
        if cameo is None:
            consent.unlink(tx, now, figure, by=BY)
        else:
            consent.link(tx, now, figure, cameo, by=BY)
        judge_clips_of(tx, services.enqueuer, figure)
    document = {"figure": figure, "same_as": cameo}
    print_json(document) if as_json else typer.echo(f"{figure}: {cameo or 'goes by its own grants'}")


def portrait(
    person: Person,
    *,
    drop: Annotated[bool, typer.Option("--drop", help="Keep it no longer.")] = False,
    as_json: bool = JSON_OPTION,
) -> None:
    """Say which picture of a public figure is kept for reviewers, and whose it is; exits 1 where none is."""
    with open_services(local_settings()) as services, services.database.transaction("default") as tx:
        found = portraits.find(tx, services.vault, person)
        if drop:
            portraits.drop(tx, services.clock.now(), person, by=BY)
    credit = {"source": found.source, "licence": found.licence} if found else None
    if as_json:
        print_json({"person": person, "portrait": credit, "dropped": drop})
    else:
        typer.echo(f"{found.source} ({found.licence})" if found else "none is kept")
    raise typer.Exit(0 if found else 1)


@works_app.command("add")
def add_work(
    holder: Annotated[str, typer.Argument(help="The rights holder, per_…")],
    *,
    title: Annotated[str, typer.Option(help="What the work or character is called.")],
    name: Annotated[list[str] | None, typer.Option("--name", help="Another name, in any script.")] = None,
    image: Annotated[list[Path] | None, typer.Option("--image", exists=True, help="A picture of it.")] = None,
    as_json: bool = JSON_OPTION,
) -> None:
    """Register a work or character that must not be shown or named without its holder's leave."""
    with open_services(local_settings()) as services:
        made = works.add_work(
            services,
            "default",
            holder,
            title=title,
            names=name or (),
            pictures=image or (),
            by=BY,
        )
    print_json({"id": made, "holder": holder}) if as_json else typer.echo(made)


@works_app.command("embed")
def embed_work(
    work: Annotated[str, typer.Argument(help="A work's id, work_…")],
    *,
    image: Annotated[list[Path], typer.Option("--image", exists=True, help="A picture that was registered for it.")],
) -> None:
    """Show a work's pictures to the network of the GPU pack that is in use now; they are not kept, so bring them."""
    with open_services(local_settings()) as services:
        seen = works.embed_again(services, "default", work, image, by=BY)
        typer.echo(f"{work}: {seen} pictures by {services.works_model}")


@works_app.command("stale")
def stale_works(*, as_json: bool = JSON_OPTION) -> None:
    """List the works whose pictures the network in use never saw: `people works embed` shows them to it."""
    with open_services(local_settings()) as services:
        current = services.works_model
        with services.database.transaction("default") as tx:
            found = [work for work in works.list_works(tx) if work.pictures and work.embedding(current) != "measured"]
    if current is None:
        typer.echo("no network compares pictures: it takes the GPU pack with its model pinned", err=True)
    if as_json:
        print_json([asdict(work) | {"embedding": work.embedding(current)} for work in found])
    for work in () if as_json else found:
        typer.echo(f"{work.work_id}  {work.person_id}  {work.embedding(current):12}  {work.model or '-'}  {work.title}")


@works_app.command("withdraw")
def withdraw_work(work: Annotated[str, typer.Argument(help="A work's id, work_…")]) -> None:
    """Look for a work no longer."""
    with open_services(local_settings()) as services:
        works.withdraw_work(services, "default", work, by=BY)
    typer.echo(work)


@works_app.command("list")
def list_works(*, as_json: bool = JSON_OPTION) -> None:
    """List the works in force."""
    with open_services(local_settings()) as services:
        current = services.works_model
        with services.database.transaction("default") as tx:
            found = works.list_works(tx)
    if as_json:
        print_json([asdict(work) | {"embedding": work.embedding(current)} for work in found])
    for work in () if as_json else found:
        seen = f"embedding {work.embedding(current)}"
        typer.echo(f"{work.work_id}  {work.person_id}  {work.pictures:3} pictures  {seen}  {work.title}")


def add_to(app: typer.Typer) -> None:
    """Put the commands of this module among those of `moderation people`."""
    app.command("import")(import_)
    app.command("alias")(alias)
    app.command("line")(line)
    app.command("same")(same)
    app.command("portrait")(portrait)
    app.add_typer(works_app, name="works", help="Works and characters of rights holders.")
