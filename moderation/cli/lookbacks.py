"""`moderation people look-back|look-backs`: search for somebody in what was judged before they registered."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from moderation.assembly import open_services
from moderation.cli.checks import with_models
from moderation.cli.printing import JSON_OPTION, local_settings, print_json
from moderation.consent import read_person
from moderation.lookbacks import asking, driving
from moderation.lookbacks.progress import Progress, lookbacks_of, progress

BY = "operator"
ORG = "default"
Person = Annotated[str, typer.Argument(help="A person's id, per_…")]
Begin = Annotated[datetime, typer.Option("--from", help="The first day of the window, or its first second (UTC).")]
End = Annotated[datetime | None, typer.Option("--to", help="Where it ends, this moment not included; otherwise now.")]


def look_back(
    person: Person,
    *,
    since: Begin,
    until: End = None,
    creator: Annotated[str | None, typer.Option(help="Only clips of this creator.")] = None,
    words: Annotated[str | None, typer.Option(help="Only clips whose prompt or title holds these words.")] = None,
    here: Annotated[
        bool, typer.Option("--here", help="Look here and now instead of leaving it to the workers.")
    ] = False,
    as_json: bool = JSON_OPTION,
) -> None:
    """Look for a person in clips that were judged before they registered; what is found is judged again."""
    settings = local_settings()
    with open_services(with_models(settings)) as services:
        end = until.replace(tzinfo=UTC) if until else services.clock.now()
        window = asking.Window(since=since.replace(tzinfo=UTC), until=end, creator=creator, words=words)
        with services.database.transaction(ORG) as tx:
            lookback = asking.ask(services, tx, person, window, by=BY)
        if here:
            driving.drive(services, ORG, lookback)
        with services.database.transaction(ORG) as tx:
            found = progress(tx, person, lookback)
    print_json(found.to_json()) if as_json else typer.echo(line_of(found))


def look_backs(
    person: Person,
    *,
    cancel: Annotated[str | None, typer.Option(help="Call this look back off: its id, lkb_….")] = None,
    as_json: bool = JSON_OPTION,
) -> None:
    """List a person's look backs, newest first: how far they have come, and what they have cost."""
    with open_services(local_settings()) as services, services.database.transaction(ORG) as tx:
        read_person(tx, services.vault, person)
        if cancel is not None:
            asking.cancel(services, tx, person, cancel, by=BY)
        found = lookbacks_of(tx, person)
    if as_json:
        print_json([each.to_json() for each in found])
    for each in () if as_json else found:
        typer.echo(line_of(each))


def line_of(each: Progress) -> str:
    """One look back in one line; what could not be looked at is always said."""
    counts = f"{each.looked} of {each.clips - each.known} looked at" if each.listed_at else "not listed yet"
    held = f", waiting for {each.held_cause}" if each.held_cause else ""
    return (
        f"{each.lookback_id}  {each.state}{held}  {counts}: {each.matched} recognised, {each.possible} possibly, "
        f"{each.unreadable} unreadable, {each.partly} read in part, {each.from_templates} by templates; "
        f"{each.cpu_ms / 1000:.1f} CPU-s"
    )
