"""Commands about past decisions: `replay` re-derives them from stored facts, `audit verify` walks the hash chains."""

import json
from dataclasses import asdict
from typing import Annotated

import typer

from moderation.assembly import open_services
from moderation.cli.printing import JSON_OPTION, local_settings, print_json
from moderation.cli.rehearsal import Ticker
from moderation.errors import NotFound
from moderation.replaying import replay_decisions

audit_app = typer.Typer(no_args_is_help=True)


def replay(
    clip: Annotated[str | None, typer.Argument(help="One clip's id.")] = None,
    *,
    every: Annotated[bool, typer.Option("--all", help="Every decision there is.")] = False,
    as_json: bool = JSON_OPTION,
) -> None:
    """Judge stored facts again by the stored policies; exit 1 when any answer differs or cannot be derived."""
    if (clip is None) != every:
        raise typer.BadParameter("name one clip, or say --all")
    with open_services(local_settings()) as services:
        processes = services.settings.rehearsing.processes
        outcome = replay_decisions(services, "default", clip, processes=processes, progress=Ticker())
    if clip is not None and not outcome.total:
        raise NotFound(f"there is no decision of {clip} to derive anew")
    if as_json:
        print_json(asdict(outcome))
    else:
        typer.echo(f"{outcome.equal} equal, {outcome.differing} different, {outcome.unread} unreadable")
        if outcome.erased:
            typer.echo(f"{outcome.erased} not derived: their facts were erased with their clips")
        for decision in (*outcome.different, *outcome.unreadable):
            typer.echo(f"  {decision}")
    raise typer.Exit(0 if outcome.faultless else 1)


@audit_app.command("verify")
def verify_audit(*, as_json: bool = JSON_OPTION) -> None:
    """Walk every hash chain; exit 1 and name the first bad row of each broken one."""
    from moderation import audit  # noqa: PLC0415

    with open_services(local_settings()) as services, services.database.system_transaction() as tx:
        breaks = list(audit.verify(tx, services.vault.audit_key().public_key()))
    if as_json:
        print_json({"whole": not breaks, "breaks": [asdict(found) for found in breaks]})
    elif not breaks:
        typer.echo("every chain is whole")
    for found in () if as_json else breaks:
        typer.echo(json.dumps(asdict(found)))
    raise typer.Exit(1 if breaks else 0)
