"""`moderation people revoke|reach|appearances|remove`: what a likeness reaches, and taking it back."""

from dataclasses import asdict
from typing import Annotated

import typer

from moderation import appearances as shown
from moderation.assembly import open_services
from moderation.cli.checks import with_models
from moderation.cli.printing import JSON_OPTION, configure_logs, local_settings, print_json
from moderation.consent import read_person
from moderation.revocations import beginning, driving, reaching, removing
from moderation.verdicts import moment

BY = "operator"
ORG = "default"
Person = Annotated[str, typer.Argument(help="A person's id, per_…")]


def revoke(
    person: Person,
    *,
    grant: Annotated[str | None, typer.Option(help="One grant's id; without it every grant.")] = None,
    as_json: bool = JSON_OPTION,
) -> None:
    """Take consent back, and withdraw or judge again whatever it reaches before this ends.

    Nothing that shows the person is served from the first moment on; `people reach` says beforehand what it is.
    """
    with open_services(local_settings()) as services:
        begun = beginning.begin(services, ORG, person, by=BY, grant_id=grant)
        driving.drive(services, ORG, str(begun["revocation_id"]))
    print_json(begun) if as_json else typer.echo(begun["revocation_id"])


def reach(person: Person, *, as_json: bool = JSON_OPTION) -> None:
    """Say in numbers what taking every grant back would reach. Changes nothing."""
    with open_services(local_settings()) as services, services.database.transaction(ORG) as tx:
        read_person(tx, services.vault, person)
        numbers = reaching.reach(tx, person).to_json()
    if as_json:
        print_json(numbers)
        return
    for name, number in numbers.items():
        typer.echo(f"{name.replace('_', ' '):12} {number}")


def appearances(
    person: Person,
    *,
    after: Annotated[str | None, typer.Option(help="Go on after this clip.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 100,
    as_json: bool = JSON_OPTION,
) -> None:
    """List the clips in which somebody appears, drafts included, newest first."""
    with open_services(local_settings()) as services, services.database.transaction(ORG) as tx:
        read_person(tx, services.vault, person)
        found = shown.of_person(tx, person, after=after, limit=limit)
    if as_json:
        print_json([{**asdict(each), "created_at": moment(each.created_at)} for each in found])
        return
    for each in found:
        sure = "recognised" if each.matched else "possibly"
        typer.echo(f"{each.clip_id}  {each.status:10}  {each.visibility:6}  {sure:10}  {', '.join(each.hows)}")


def demo(*, as_json: bool = JSON_OPTION) -> None:
    """Tell the story of a likeness lent, refused and taken back, by the real parts on a state of its own."""
    # Only here: the samples' drawing and encoding is loaded by no other command of this group.
    from moderation.story import run_story  # noqa: PLC0415

    settings = with_models(local_settings())
    configure_logs("WARNING")
    if code := run_story(settings, as_json=as_json):
        raise typer.Exit(code)


def remove(
    person: Person,
    clip: Annotated[str, typer.Argument(help="A clip's id, clip_…")],
    *,
    as_json: bool = JSON_OPTION,
) -> None:
    """Take one clip out for somebody it shows, while every grant stands."""
    with open_services(local_settings()) as services:
        status = removing.remove_clip(services, ORG, person, clip, by=BY)
    print_json({"clip_id": clip, "status": status}) if as_json else typer.echo(status)
