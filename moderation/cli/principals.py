"""`moderation principals`: the people who have logged in, by code name; bar one and admit them again."""

from dataclasses import asdict
from typing import Annotated

import typer

from moderation import sessions
from moderation.assembly import open_services
from moderation.cli.printing import JSON_OPTION, local_settings, print_json

app = typer.Typer(no_args_is_help=True)
BY = "operator"
Principal = Annotated[str, typer.Argument(help="Whom, as `moderation principals list` names them.")]
Org = Annotated[str, typer.Option("--org", help="Their organisation.")]


@app.command("list")
def list_(*, org: Org = "default", as_json: bool = JSON_OPTION) -> None:
    """List people, their code names, and how many sessions each has."""
    with open_services(local_settings()) as services:
        found = sessions.list_people(services, org)
    if as_json:
        print_json([asdict(person) for person in found])
        return
    for person in found:
        state = "barred" if person.barred_at else f"{person.sessions} sessions"
        typer.echo(f"{person.principal:32}  {person.code_name or '-':24}  {state}")


@app.command()
def bar(principal: Principal, *, org: Org = "default", as_json: bool = JSON_OPTION) -> None:
    """Shut somebody out at once: their sessions and keys end, and no log-in succeeds."""
    with open_services(local_settings()) as services:
        ended, keys = sessions.bar(services, org, principal, by=BY)
    if as_json:
        print_json({"principal": principal, "barred": True, "sessions": ended, "keys": keys})
    else:
        typer.echo(f"{principal} barred; {ended} sessions and {keys} keys ended")


@app.command()
def admit(principal: Principal, *, org: Org = "default", as_json: bool = JSON_OPTION) -> None:
    """Let somebody who was barred log in again."""
    with open_services(local_settings()) as services:
        sessions.admit(services, org, principal, by=BY)
    print_json({"principal": principal, "barred": False}) if as_json else typer.echo(f"{principal} admitted")
