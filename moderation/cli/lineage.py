"""`moderation lineage`: what a clip was made from, and what was made from it."""

from typing import Annotated

import typer

from moderation import remixes
from moderation.api.lineage import document
from moderation.assembly import open_services
from moderation.cli.printing import JSON_OPTION, local_settings, print_json


def lineage(
    clip: Annotated[str, typer.Argument(help="A clip's id, clip_…")],
    *,
    descendants: Annotated[bool, typer.Option("--descendants", help="What was made from it.")] = False,
    cursor: Annotated[str, typer.Option(help="Where the page before ended.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 50,
    as_json: bool = JSON_OPTION,
) -> None:
    """List the clips that one was made from, nearest generation first, and how we know."""
    direction: remixes.Direction = "descendants" if descendants else "ancestors"
    with open_services(local_settings()) as services, services.database.transaction("default") as tx:
        tree = remixes.read_tree(tx, clip, direction, cursor=cursor, limit=limit)
    if as_json:
        print_json(document(tree))
        return
    more = "" if tree.whole else "; the walk ended before the tree did"
    typer.echo(f"{tree.clip_id}  {tree.status}  {tree.count} {direction} in {tree.generations} generations{more}")
    for each in tree.relatives:
        ways = ", ".join(f"{how} {'of' if descendants else 'by'} {near}" for near, how in each.edges)
        typer.echo(f"{each.generation:4}  {each.clip_id}  {each.status:10}  {ways}")
    for parent in tree.unknown:
        typer.echo(f"      {parent}  no clip of ours")
    if tree.cursor:
        typer.echo(f"more: --cursor {tree.cursor}")
