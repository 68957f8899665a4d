"""`moderation keys`: make, list and revoke API keys. A key is printed once, when it is made."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated

import typer

from moderation import keys
from moderation.assembly import open_services
from moderation.cli.printing import JSON_OPTION, local_settings, print_json

app = typer.Typer(no_args_is_help=True)
BY = "operator"
ORG = "default"


@app.command()
def create(
    *,
    principal: Annotated[str, typer.Option("--as", help="Who acts with this key.")],
    scopes: Annotated[str, typer.Option(help=f"Comma-separated, of: {', '.join(keys.SCOPES)}.")],
    expires: Annotated[datetime | None, typer.Option(help="UTC time at which the key ends.")] = None,
    person: Annotated[bool, typer.Option("--person/--service", help="Whether a person or a service acts.")] = False,
    as_json: bool = JSON_OPTION,
) -> None:
    """Make a key and print it; it cannot be shown again."""
    names = [name.strip() for name in scopes.split(",") if name.strip()]
    with open_services(local_settings()) as services:
        made = keys.create_key(
            services,
            ORG,
            principal=principal,
            scopes=names,
            by=BY,
            kind="person" if person else "service",
            expires_at=expires.replace(tzinfo=UTC) if expires and expires.tzinfo is None else expires,
        )
    if as_json:
        print_json({"id": made.key_id, "key": made.key, "principal": principal, "scopes": names})
    else:
        typer.echo(made.key)


@app.command("list")
def list_(*, as_json: bool = JSON_OPTION) -> None:
    """List every key, never the keys themselves."""
    with open_services(local_settings()) as services:
        found = keys.list_keys(services, ORG)
    if as_json:
        print_json([asdict(key) for key in found])
        return
    for key in found:
        state = "revoked" if key.revoked_at else "in force"
        typer.echo(f"{key.key_id}  {key.principal:20}  {state:8}  {','.join(key.scopes)}")


@app.command()
def revoke(key_id: Annotated[str, typer.Argument(help="A key's id, key_…")], *, as_json: bool = JSON_OPTION) -> None:
    """End a key at once."""
    with open_services(local_settings()) as services:
        keys.revoke_key(services, ORG, key_id, by=BY)
    print_json({"id": key_id, "revoked": True}) if as_json else typer.echo(f"{key_id} revoked")
