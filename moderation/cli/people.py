"""`moderation people`: register people from pictures and recordings, list them; grants and revocations beside."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, cast

import typer

from moderation import consent
from moderation.assembly import open_services
from moderation.cli import enrolling, grants, lookbacks, revocations, rosters
from moderation.cli.checks import with_models
from moderation.cli.printing import JSON_OPTION, local_settings, print_json
from moderation.enrolment import register_person, register_voice

app = typer.Typer(no_args_is_help=True)
enrolling.add_to(app)
rosters.add_to(app)
BY = "operator"
Person = Annotated[str, typer.Argument(help="A person's id, per_…")]


@app.command()
def add(
    *,
    name: Annotated[str, typer.Option(help="What the person is called.")],
    kind: Annotated[str, typer.Option(help="cameo, public_figure, rights_holder or protected_person")],
    image: Annotated[
        list[Path] | None,
        typer.Option("--image", exists=True, help="A picture with exactly one face; a rights holder needs none."),
    ] = None,
    account: Annotated[str | None, typer.Option(help="Your platform's id of the person; a cameo acts by it.")] = None,
    age_band: Annotated[str | None, typer.Option(help="adult or teen; a teen needs --guardian.")] = None,
    guardian: Annotated[str | None, typer.Option(help="The account of who answers for a teen.")] = None,
    as_json: bool = JSON_OPTION,
) -> None:
    """Register a person on your word; every clip judged afterwards is compared with them."""
    if kind not in {"cameo", "public_figure", "rights_holder", "protected_person"}:
        raise typer.BadParameter("cameo, public_figure, rights_holder or protected_person", param_hint="--kind")
    if age_band not in {None, "adult", "teen"}:
        raise typer.BadParameter("adult or teen", param_hint="--age-band")
    # Weights are made where they are missing, and nobody needs them who has no face to read.
    settings = with_models(local_settings()) if image else local_settings()
    with open_services(settings) as services:
        person = register_person(
            services,
            "default",
            name=name,
            kind=cast("consent.Kind", kind),
            images=image or [],
            by=BY,
            account=account,
            age_band=cast("consent.AgeBand | None", age_band),
            guardian=guardian,
        )
    document = {"id": person, "kind": kind, "verification": "operator", "images": len(image or [])}
    print_json(document) if as_json else typer.echo(person)


@app.command()
def voice(
    person: Person,
    *,
    audio: Annotated[list[Path], typer.Option("--audio", exists=True, help="A recording on which only they speak.")],
    as_json: bool = JSON_OPTION,
) -> None:
    """Add a registered person's voice on your word; every clip judged afterwards is compared with it."""
    with open_services(with_models(local_settings())) as services:
        seconds = register_voice(services, "default", person, recordings=audio, by=BY)
    document = {"id": person, "recordings": len(audio), "speech_seconds": seconds}
    print_json(document) if as_json else typer.echo(f"{person}: {seconds:g} s of speech")


app.command()(grants.grant)
app.command()(grants.grants)
app.command()(grants.forbid)
app.command()(grants.lists)
app.command()(grants.aliases)
app.command()(grants.stale)
app.command()(grants.state)
app.command()(grants.guardian)
app.command()(grants.erase)
app.command()(revocations.revoke)
app.command()(revocations.reach)
app.command()(revocations.appearances)
app.command()(revocations.remove)
app.command()(revocations.demo)
app.command()(lookbacks.look_back)
app.command()(lookbacks.look_backs)


@app.command("list")
def list_(*, as_json: bool = JSON_OPTION) -> None:
    """List everybody registered."""
    with open_services(local_settings()) as services, services.database.transaction("default") as tx:
        found = consent.list_people(tx, services.vault)
    if as_json:
        print_json([asdict(person) for person in found])
    for person in () if as_json else found:
        typer.echo(f"{person.person_id}  {person.kind:16}  {person.name}")
