"""`moderation policy versions|propose|approve|activate|rollback|sign|break-glass`: the way of rules into force.

Opens the state directly. Who acts is the key's principal (`MODERATION_API_KEY`), else `operator`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from moderation.cli.printing import JSON_OPTION, configure_logs, local_settings, print_json

if TYPE_CHECKING:
    from moderation.rulebook.lifecycle import Act, Bundle
    from moderation.services import Services

ORG = "default"

Id = Annotated[str, typer.Argument(help="A bundle's id, pol_…")]
Why = Annotated[str, typer.Option(help="Why; kept beside the step.")]
Percent = Annotated[int, typer.Option(min=0, max=100, help="So many clips in a hundred; 0 is shadow, 100 all of them.")]
Folder = Annotated[Path | None, typer.Argument(help="The policy folder; without it the one the service would use.")]


def versions(*, pending: bool = False, as_json: bool = JSON_OPTION) -> None:
    """List bundles, newest first, and emergency rules; --pending only what waits for a second person."""
    from moderation.rulebook import emergencies, lifecycle  # noqa: PLC0415

    with opened() as services, services.database.transaction(ORG) as tx:
        bundles = lifecycle.list_bundles(tx, state="proposed" if pending else None, limit=200)
        laid = emergencies.list_emergencies(tx, pending=pending)
    if as_json:
        print_json({"bundles": list(map(asdict, bundles)), "emergencies": list(map(asdict, laid))})
        return
    for bundle in bundles:
        typer.echo(f"{bundle.bundle_id}  {bundle.version[:12]}  {bundle.state:9}  {bundle.author:12}  {bundle.note}")
    for each in laid:
        until = each.expires_at.isoformat(timespec="minutes")
        typer.echo(f"{each.emergency_id}  {each.state:9}  until {until}  {each.placed_by:12}  {each.why}")


def propose(directory: Folder = None, *, why: Why = "", as_json: bool = JSON_OPTION) -> None:
    """Hand in a folder as a bundle and ask a second person to approve it."""
    from moderation.rulebook import lifecycle  # noqa: PLC0415
    from moderation.rulebook.bundles import read_texts  # noqa: PLC0415

    with opened() as services:
        act = acting(services, why)
        texts = read_texts(directory or services.settings.policies_dir())
        bundle = lifecycle.hand_in(services, ORG, texts, act)
        tell(lifecycle.propose(services, ORG, bundle.bundle_id, act), as_json=as_json)
        if not services.rulebook.in_database:
            typer.echo("nothing judges by it: the folder is the truth here (MODERATION_POLICIES__MODE=file)", err=True)


def approve(bundle: Id, *, why: Why = "", as_json: bool = JSON_OPTION) -> None:
    """Approve what somebody else wrote and proposed."""
    from moderation.rulebook import lifecycle  # noqa: PLC0415

    with opened() as services:
        tell(lifecycle.approve(services, ORG, bundle, acting(services, why)), as_json=as_json)


def activate(bundle: Id, *, percent: Percent = 100, why: Why = "", as_json: bool = JSON_OPTION) -> None:
    """Let an approved bundle judge: in shadow first (0), then so many per cent of the clips, then all."""
    from moderation.rulebook import lifecycle  # noqa: PLC0415

    with opened() as services:
        act = acting(services, why)
        if percent:
            _look(services, bundle)
            tell(lifecycle.enforce(services, ORG, bundle, percent, act), as_json=as_json)
        else:
            tell(lifecycle.shadow(services, ORG, bundle, act), as_json=as_json)


def _look(services: "Services", bundle: str) -> None:
    """Look at a bundle's lint and cases where nobody has: here nobody waits for a request."""
    from moderation.rulebook import lifecycle  # noqa: PLC0415

    with services.database.transaction(ORG) as tx:
        if lifecycle.read_bundle(tx, bundle).state not in lifecycle.MAY_ENFORCE:
            # It is refused anyway, and at once.
            return
    try:
        lifecycle.demand_ready(services, ORG, bundle)
    except lifecycle.NotChecked:
        typer.echo("looking at its lint, cases and mutants ...", err=True)
        lifecycle.check(services, ORG, bundle)


def roll_back(
    bundle: Annotated[str | None, typer.Argument(help="An earlier bundle; without it the one before.")] = None,
    *,
    why: Why = "",
    as_json: bool = JSON_OPTION,
) -> None:
    """Let an earlier full bundle judge every clip again, at once."""
    from moderation.rulebook import lifecycle  # noqa: PLC0415

    with opened() as services:
        tell(lifecycle.roll_back(services, ORG, acting(services, why), bundle), as_json=as_json)


def retire(bundle: Id, *, why: Why = "", as_json: bool = JSON_OPTION) -> None:
    """Take a bundle out of the way."""
    from moderation.rulebook import lifecycle  # noqa: PLC0415

    with opened() as services:
        tell(lifecycle.retire(services, ORG, bundle, acting(services, why)), as_json=as_json)


def break_glass(
    file: Annotated[Path, typer.Argument(help="An area of rules, as in a policy.yaml.")],
    *,
    why: Annotated[str, typer.Option(help="Why; a second person reads it.")],
    as_json: bool = JSON_OPTION,
) -> None:
    """Lay rules over those in force at once, for a day: stricter only. A second person sees them afterwards."""
    from moderation.rulebook import emergencies  # noqa: PLC0415

    with opened() as services:
        by = acting(services, why).by
        laid = emergencies.break_glass(services, ORG, file.read_text(encoding="utf-8"), by=by, why=why)
    if as_json:
        print_json(asdict(laid))
    else:
        typer.echo(f"{laid.emergency_id} in force until {laid.expires_at.isoformat(timespec='seconds')}")


def settle(
    emergency: Annotated[str, typer.Argument(help="Emergency rules, emg_…")],
    *,
    end: Annotated[
        bool | None, typer.Option("--end/--confirm", help="Take them away now, or say that they are seen.")
    ] = None,
    as_json: bool = JSON_OPTION,
) -> None:
    """Confirm emergency rules as a second person, or end them."""
    from moderation.rulebook import emergencies  # noqa: PLC0415

    if end is None:
        raise typer.BadParameter("say --confirm or --end")
    with opened() as services:
        settled = emergencies.settle(services, ORG, emergency, by=acting(services, "").by, end=end)
    print_json(asdict(settled)) if as_json else typer.echo(f"{settled.emergency_id} {settled.state}")


def sign(directory: Folder = None, *, as_json: bool = JSON_OPTION) -> None:
    """Sign a folder with the state's development key: writes `policies.sig`, and says where the public key lies."""
    from moderation.rulebook import signatures  # noqa: PLC0415
    from moderation.rulebook.bundles import SIGNATURE, compile_texts, read_texts  # noqa: PLC0415

    settings = local_settings()
    folder = directory or settings.policies_dir()
    texts = read_texts(folder)
    version = compile_texts(texts).version
    key = signatures.development_key(settings.state / "keys")
    public = settings.state / "keys" / "policies.pem"
    public.write_bytes(signatures.public_pem(key))
    (folder / SIGNATURE).write_text(signatures.sign(texts, version, key), encoding="utf-8")
    said = {"version": version, "signature": str(folder / SIGNATURE), "public_key": str(public)}
    print_json(said) if as_json else typer.echo(f"{version[:12]} signed; MODERATION_POLICIES__PUBLIC_KEY={public}")


@contextmanager
def opened() -> "Iterator[Services]":
    """The services over the local state; of its log only what is wrong."""
    from moderation.assembly import open_services  # noqa: PLC0415 (lint and test must not wait for the database)

    settings = local_settings()
    configure_logs("WARNING")
    with open_services(settings) as services:
        yield services


def acting(services: "Services", why: str) -> "Act":
    """Who acts. Raises Forbidden for a key without the scope `policy`."""
    from moderation.errors import Forbidden, Unauthorised  # noqa: PLC0415
    from moderation.keys import authenticate  # noqa: PLC0415
    from moderation.rulebook.lifecycle import OPERATOR, Act  # noqa: PLC0415

    key = services.settings.api_key
    if key is None:
        return Act(by=OPERATOR, why=why)
    try:
        principal = authenticate(services, key.get_secret_value())
    except Unauthorised as error:
        raise Unauthorised("MODERATION_API_KEY holds no key that is valid here") from error
    if not principal.may("policy"):
        raise Forbidden("this needs the scope policy", scopes=["policy"])
    return Act(by=principal.principal, why=why)


#: What one does next with a bundle in this state.
_NEXT = {
    "proposed": "a second person, with a key of theirs: MODERATION_API_KEY=... moderation policy approve {id}",
    "approved": "judge beside what acts: moderation policy activate {id} --percent 0",
    "shadow": "judge some clips: moderation policy activate {id} --percent 10",
    "enforcing": "judge all: moderation policy activate {id}; back into shadow: the same with --percent 0",
    "full": "it judges every clip; back: moderation policy rollback",
}


def tell(bundle: "Bundle", *, as_json: bool) -> None:
    """Say where a bundle stands, and beside the answer what comes next."""
    if as_json:
        print_json(asdict(bundle))
        return
    typer.echo(f"{bundle.bundle_id} {bundle.state} {bundle.version[:12]}")
    if bundle.state in _NEXT:
        typer.echo(f"next: {_NEXT[bundle.state].format(id=bundle.bundle_id)}", err=True)
