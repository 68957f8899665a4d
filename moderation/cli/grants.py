"""`moderation people grant|grants|forbid|lists|…`: what a person allows, forbids and is called, and erasing them."""

from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Annotated, Literal, cast

import typer

from moderation import consent
from moderation.assembly import open_services
from moderation.cli.printing import JSON_OPTION, local_settings, print_json
from moderation.erasure import forget_person, rebuild
from moderation.revocations import driving
from moderation.revocations.rejudging import judge_clips_of

BY = "operator"
ORG = "default"
Person = Annotated[str, typer.Argument(help="A person's id, per_…")]
CONTEXTS = ", ".join(consent.CONTEXTS)


def grant(
    person: Person,
    *,
    to: Annotated[str, typer.Option(help="A creator's id, a list's (glist_…), `everyone` or `self`.")],
    scope: Annotated[str, typer.Option(help="face, voice or both")] = "face",
    mode: Annotated[str, typer.Option(help="standing or ask_me")] = "standing",
    purpose: Annotated[list[str] | None, typer.Option("--purpose", help="What for; without it anything.")] = None,
    limit: Annotated[list[str] | None, typer.Option("--limit", help=f"A context it does not cover: {CONTEXTS}")] = None,
    audience: Annotated[str, typer.Option(help="public, or draft: as long as only its maker sees it")] = "public",
    remix: Annotated[bool, typer.Option("--remix", help="Clips made from others that show them, too.")] = False,
    expires: Annotated[datetime | None, typer.Option(help="UTC time at which the grant ends.")] = None,
    as_json: bool = JSON_OPTION,
) -> None:
    """Write down that a person consents. Whatever is not said is not granted."""
    terms = replace(
        terms_of(to, scope, mode, audience),
        limits=contexts_of(limit or []),
        purposes=tuple(purpose or ()),
        remix=remix,
        expires_at=expires and expires.replace(tzinfo=UTC),
    )
    with open_services(local_settings()) as services, services.database.transaction(ORG) as tx:
        grant_id = consent.grant(tx, services.clock.now(), person, terms=terms, by=BY)
    print_json({"grant_id": grant_id, "person": person}) if as_json else typer.echo(grant_id)


def terms_of(to: str, scope: str, mode: str, audience: str) -> consent.Terms:
    """The words of a command as the terms of a grant. Raises typer.BadParameter for an unknown one."""
    for word, known in (
        (scope, ("face", "voice", "both")),
        (mode, ("standing", "ask_me")),
        (audience, ("draft", "public")),
    ):
        if word not in known:
            raise typer.BadParameter(f"{word} is none of {', '.join(known)}")
    named = to not in {"everyone", "self"}
    kind = ("list" if to.startswith("glist_") else "creator") if named else to
    return consent.Terms(
        grantee_kind=cast("Literal['creator', 'list', 'everyone', 'self']", kind),
        grantee=to if named else None,
        scope=cast("consent.Scope", scope),
        mode=cast("consent.Mode", mode),
        audience=cast("Literal['draft', 'public']", audience),
    )


def contexts_of(words: list[str]) -> tuple[consent.Context, ...]:
    """Contexts by name. Raises typer.BadParameter for an unknown one."""
    if unknown := set(words) - set(consent.CONTEXTS):
        raise typer.BadParameter(f"{', '.join(sorted(unknown))}: the contexts are {CONTEXTS}")
    return tuple(context for context in consent.CONTEXTS if context in words)


def grants(person: Person, *, as_json: bool = JSON_OPTION) -> None:
    """List every grant that a person gave, oldest first."""
    with open_services(local_settings()) as services, services.database.transaction(ORG) as tx:
        consent.read_person(tx, services.vault, person)
        found, now = consent.read_grants(tx, [person]), services.clock.now()
    if as_json:
        print_json([asdict(each) for each in found])
    for each in () if as_json else found:
        state = "taken back" if each.revoked_at else "over" if each.over(now) else "stands"
        typer.echo(f"{each.grant_id}  {each.scope:5}  {each.mode:8}  {state:10}  {each.grantee or each.grantee_kind}")


def forbid(
    person: Person,
    *,
    context: Annotated[list[str] | None, typer.Option("--context", help=f"{CONTEXTS}; without any, nothing.")] = None,
    as_json: bool = JSON_OPTION,
) -> None:
    """Say in which contexts a person may not be shown, whatever was granted; the whole list, the last one stands."""
    contexts = contexts_of(context or [])
    with open_services(local_settings()) as services, services.database.transaction(ORG) as tx:
        now = services.clock.now()
        standing = consent.forbid(tx, now, person, contexts, by=BY)
        judge_clips_of(tx, services.enqueuer, person)
    document = {"person": person, "contexts": list(standing)}
    print_json(document) if as_json else typer.echo(", ".join(standing) or "nothing is forbidden")


def lists(
    person: Person,
    *,
    new: Annotated[str | None, typer.Option(help="Make a list of this name.")] = None,
    change: Annotated[str | None, typer.Option(help="The list to change, glist_….")] = None,
    add: Annotated[list[str] | None, typer.Option("--add", help="A creator to put on it.")] = None,
    remove: Annotated[list[str] | None, typer.Option("--remove", help="A creator to take off it.")] = None,
    as_json: bool = JSON_OPTION,
) -> None:
    """List the lists that a person grants to; make or change one."""
    joining, leaving = tuple(add or ()), tuple(remove or ())
    with open_services(local_settings()) as services, services.database.transaction(ORG) as tx:
        now, vault = services.clock.now(), services.vault
        if new is not None:
            consent.make_list(tx, vault, now, person, new, by=BY, creators=joining)
        if change is not None:
            consent.change_list(tx, vault, now, person, change, by=BY, add=joining, remove=leaving)
            judge_clips_of(tx, services.enqueuer, person)
        found = consent.read_lists(tx, vault, person)
    if as_json:
        print_json([asdict(each) for each in found])
    for each in () if as_json else found:
        typer.echo(f"{each.list_id}  {each.name}: {', '.join(each.creators) or 'nobody'}")


def aliases(
    person: Person,
    *,
    add: Annotated[list[str] | None, typer.Option("--add", help="Another name, in any script.")] = None,
    remove: Annotated[list[str] | None, typer.Option("--remove", help="An alias to forget, alias_….")] = None,
    as_json: bool = JSON_OPTION,
) -> None:
    """List a person's other names; add or forget some. Prompts are compared with them."""
    with open_services(local_settings()) as services, services.database.transaction(ORG) as tx:
        now = services.clock.now()
        for name in add or ():
            consent.add_alias(tx, services.vault, now, person, name, by=BY)
        for alias in remove or ():
            consent.remove_alias(tx, now, person, alias, by=BY)
        found = consent.list_aliases(tx, services.vault, person=person)
    if as_json:
        print_json([asdict(each) for each in found])
    for each in () if as_json else found:
        typer.echo(f"{each.alias_id}  {each.name}")


def stale(*, as_json: bool = JSON_OPTION) -> None:
    """List who must be enrolled anew: their templates were made by weights that are no longer used."""
    with open_services(local_settings()) as services, services.database.transaction(ORG) as tx:
        current = (services.face_model, services.voice_model)
        found = consent.stale_people(tx, current=current, limit=1_000_000)
    if as_json:
        print_json([asdict(each) for each in found])
    for each in () if as_json else found:
        typer.echo(f"{each.person_id}  {each.kind:16}  {', '.join(each.models)}")


def state(
    person: Person,
    to: Annotated[str, typer.Argument(help="verified or suspended")],
    *,
    as_json: bool = JSON_OPTION,
) -> None:
    """Suspend a person, of whom no grant counts then, or take it back; clips that show them are judged again."""
    if to not in {"verified", "suspended"}:
        raise typer.BadParameter("verified or suspended")
    with open_services(local_settings()) as services, services.database.transaction(ORG) as tx:
        now = services.clock.now()
        consent.set_state(tx, now, person, cast("Literal['verified', 'suspended']", to), by=BY)
        judge_clips_of(tx, services.enqueuer, person)
    print_json({"person": person, "state": to}) if as_json else typer.echo(to)


def guardian(
    person: Person,
    account: Annotated[str | None, typer.Argument(help="The account of who answers for them.")] = None,
    *,
    age_band: Annotated[str | None, typer.Option(help="adult or teen")] = None,
    as_json: bool = JSON_OPTION,
) -> None:
    """Say who answers for a person, or how old they are; an enrolment that waited for a guardian goes on."""
    if age_band not in {None, "adult", "teen"}:
        raise typer.BadParameter("adult or teen", param_hint="--age-band")
    with open_services(local_settings()) as services, services.database.transaction(ORG) as tx:
        now, band = services.clock.now(), cast("consent.AgeBand | None", age_band)
        consent.set_guardian(tx, now, person, by=BY, age_band=band, guardian=account)
        judge_clips_of(tx, services.enqueuer, person)
        found = consent.read_person(tx, services.vault, person)
    document = {"person": person, "guardian": found.guardian, "age_band": found.age_band, "state": found.state}
    print_json(document) if as_json else typer.echo(found.guardian or "nobody")


def erase(
    person: Person,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="It cannot be undone.")] = False,
    as_json: bool = JSON_OPTION,
) -> None:
    """Erase a person: what shows them is withdrawn, key and templates are destroyed, the index is written anew."""
    if not yes:
        raise typer.BadParameter("erasing cannot be undone: say --yes")
    with open_services(local_settings()) as services:
        with services.database.transaction(ORG) as tx:
            revocation = forget_person(tx, services, services.clock.now(), person, by=BY)
        driving.drive(services, ORG, revocation)
        rebuilt = rebuild(services) > 0
    document = {"person": person, "revocation_id": revocation, "rebuilt": rebuilt}
    print_json(document) if as_json else typer.echo(
        "erased" if rebuilt else "erased; the tables are written anew later"
    )
