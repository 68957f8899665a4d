"""`moderation review`: how the human queue stands, who is dealt from which queue, how a queue is set up."""

from dataclasses import asdict
from typing import Annotated, Any

import typer

from moderation import review
from moderation.assembly import open_services
from moderation.cli.printing import JSON_OPTION, local_settings, print_json

app = typer.Typer(no_args_is_help=True)
BY = "operator"
ORG = "default"
#: Sees every queue; claims nothing.
OPERATOR = review.Reviewer(principal=BY, specialist=True)
Who = Annotated[str, typer.Argument(metavar="PRINCIPAL", help="Who reviews, as their key or log-in names them.")]


@app.command("queues")
def list_queues(*, as_json: bool = JSON_OPTION) -> None:
    """List every queue with what waits in it."""
    with open_services(local_settings()) as services, services.database.transaction(ORG) as tx:
        lines = review.list_queues(tx, services.clock.now(), OPERATOR, empty=True)
    if as_json:
        print_json([asdict(line) for line in lines])
        return
    for line in lines:
        due = f"due {line.due:%Y-%m-%d %H:%M}" if line.due else ""
        typer.echo(f"{line.name:16}  {line.waiting:8} waiting  {line.in_work:5} in work  {due}")


@app.command("set")
def change_queue(
    name: Annotated[str, typer.Argument(help="A queue's name.")],
    *,
    hours: Annotated[float | None, typer.Option(help="Hours that people give it a day.")] = None,
    seconds: Annotated[float | None, typer.Option(help="Seconds that a case takes.")] = None,
    patience: Annotated[int | None, typer.Option(help="Seconds that its cases may wait.")] = None,
    two_people: Annotated[bool | None, typer.Option(help="Whether allow and restrict take two people.")] = None,
    golden: Annotated[float | None, typer.Option(help="Golden cases, as a share of those dealt.")] = None,
    second: Annotated[float | None, typer.Option(help="Second opinions, as a share of those decided.")] = None,
    retired: Annotated[bool | None, typer.Option("--retire/--use", help="Whether it is used.")] = None,
    as_json: bool = JSON_OPTION,
) -> None:
    """Change how a queue is set up; what is not named stays."""
    said: dict[str, Any] = {
        "hours_per_day": hours,
        "seconds_per_case": seconds,
        "patience_s": patience,
        "two_person": two_people,
        "golden_rate": golden,
        "second_opinion_rate": second,
        "retired": retired,
    }
    wanted = {column: value for column, value in said.items() if value is not None}
    with open_services(local_settings()) as services, services.database.transaction(ORG) as tx:
        queue = review.change_queue(tx, services.clock.now(), name, wanted, by=BY)
    print_json(asdict(queue)) if as_json else typer.echo(f"{name}: {', '.join(wanted) or 'nothing'} changed")


@app.command("reviewers")
def list_reviewers(*, as_json: bool = JSON_OPTION) -> None:
    """List everybody who ever reviewed."""
    with open_services(local_settings()) as services, services.database.transaction(ORG) as tx:
        found = review.list_reviewers(tx)
    if as_json:
        print_json([asdict(profile) for profile in found])
        return
    for profile in found:
        queues = "every queue" if profile.queues is None else ",".join(profile.queues) or "no queue"
        without = f"  but not {','.join(profile.opted_out)}" if profile.opted_out else ""
        typer.echo(f"{profile.principal:24}  {profile.code_name:24}  {queues}{without}")


@app.command("assign")
def assign(
    principal: Who,
    queues: Annotated[list[str] | None, typer.Argument(metavar="QUEUE", help="Which queues.")] = None,
    *,
    every: Annotated[bool, typer.Option("--every", help="Every queue that their scopes cover.")] = False,
    as_json: bool = JSON_OPTION,
) -> None:
    """Say which queues a reviewer is dealt from."""
    if every == bool(queues):
        raise typer.BadParameter("name the queues, or say --every")
    with open_services(local_settings()) as services, services.database.transaction(ORG) as tx:
        profile = review.give_queues(tx, services.clock.now(), principal, None if every else queues, by=BY)
    said = "every queue" if profile.queues is None else ", ".join(profile.queues)
    print_json(asdict(profile)) if as_json else typer.echo(f"{profile.code_name} is dealt from {said}")
