"""`moderation people enrol`, `enrolments`, `answer`: the same challenge and checks, run by an operator."""

import json
import threading
from pathlib import Path
from typing import Annotated, cast

import typer

from moderation.api.enrolments import document, evidence
from moderation.assembly import open_services
from moderation.cli.checks import with_models
from moderation.cli.printing import JSON_OPTION, local_settings, print_json
from moderation.enrolling import attempts
from moderation.enrolling.checking import Checker
from moderation.services import Services

ORG, BY = "default", "operator"


def add_to(app: typer.Typer) -> None:
    """Add the commands to `moderation people`."""
    for command in (challenge, enrol, enrolments, answer):
        app.command()(command)


def challenge(person: str, *, as_json: bool = JSON_OPTION) -> None:
    """Draw a challenge: what the person says and how they turn their head, within two minutes."""
    with open_services(local_settings()) as services:
        made = attempts.ask(services, ORG, person, by=BY)
    if as_json:
        print_json(document(made))
        return
    asked = made.asked()
    typer.echo(f"{made.enrolment_id}  until {made.expires_at:%H:%M:%S} UTC")
    for group, turn in zip(asked.digits, asked.turns, strict=True):
        typer.echo(f"  say {' '.join(group)}, then turn your head to your {turn} and back")


def enrol(
    person: str,
    *,
    video: Annotated[Path, typer.Option("--video", exists=True, help="The recording that answers the challenge.")],
    enrolment: Annotated[str, typer.Option("--enrolment", help="The challenge it answers, enr_…")],
    as_json: bool = JSON_OPTION,
) -> None:
    """Hand in the recording of a challenge, check it here and say what came of it. Exit 1 unless it is verified."""
    with open_services(with_models(local_settings())) as services:
        attempts.receive(services, ORG, person, enrolment, video, by=BY)
        found = _checked(services, enrolment)
    print_json(evidence(found)) if as_json else _tell(found)
    raise typer.Exit(0 if found.state == "verified" else 1)


def _checked(services: Services, enrolment: str) -> attempts.Enrolment:
    """The enrolment once it is checked, by this process or by a worker that was quicker."""
    checker, pause = Checker(services), threading.Event()
    while True:
        with services.database.transaction(ORG) as tx:
            found = attempts.read(tx, enrolment)
        if found.state != "received":
            return found
        if not checker.check_one():
            pause.wait(1)


def enrolments(*, as_json: bool = JSON_OPTION) -> None:
    """List the enrolments that wait for a person, with what each check found."""
    with open_services(local_settings()) as services, services.database.transaction(ORG) as tx:
        found = attempts.waiting(tx)
    if as_json:
        print_json([evidence(each) for each in found])
        return
    for each in found:
        _tell(each)


def answer(
    enrolment: str,
    outcome: Annotated[str, typer.Argument(help="verify or refuse")],
    *,
    reason: Annotated[str, typer.Option("--reason", help="Why, for the audit log.")],
    by: Annotated[str, typer.Option("--by", help="Who answers; not who asked for the challenge.")],
    as_json: bool = JSON_OPTION,
) -> None:
    """Say whether the person of an enrolment that waits is who they say."""
    if outcome not in {"verify", "refuse"}:
        raise typer.BadParameter("verify or refuse")
    with open_services(local_settings()) as services:
        found = attempts.answer(services, ORG, enrolment, cast("attempts.Answer", outcome), reason=reason, by=by)
    print_json(evidence(found)) if as_json else typer.echo(f"{found.enrolment_id}  {found.state}")


def _tell(found: attempts.Enrolment) -> None:
    typer.echo(f"{found.enrolment_id}  {found.person_id}  {found.state}")
    for check in found.checks or []:
        typer.echo(f"  {check['name']:12} {check['state']:13} {json.dumps(check['evidence'], ensure_ascii=False)}")
