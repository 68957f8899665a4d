"""Enrolments that wait for somebody: the recording under the viewer's code, what was asked and found, the answer.

Whoever looks holds the registry and reviews; each look is in the audit log.
"""

from typing import Annotated, Any, Final, cast

from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse, Response

from moderation import consent
from moderation.api.auth import services_of
from moderation.enrolling import attempts
from moderation.errors import Conflict, Forbidden, Unprocessable
from moderation.keys import Principal
from review_ui.cases import names_of
from review_ui.rendering import page
from review_ui.routes import PageRoute, acting, reading
from review_ui.security import Field
from review_ui.translating import marked

router = APIRouter(include_in_schema=False, route_class=PageRoute)
#: What each check asks.
CHECKS: Final = {
    "recording": marked("a recording that can be read"),
    "one_face": marked("exactly one face"),
    "one_take": marked("one take, without a cut"),
    "quality": marked("large, sharp and light enough"),
    "turns": marked("the head turned as asked"),
    "depth": marked("a head, not a flat picture"),
    "one_voice": marked("exactly one voice"),
    "digits": marked("the digits said as asked"),
    "same_face": marked("the same face throughout"),
    "mouth": marked("the mouth moves with the voice"),
    "adult": marked("surely an adult"),
    "own": marked("like their earlier templates"),
    "nobody_else": marked("nobody else's likeness"),
    "source": marked("no clip of ours, nor another known one"),
}
CHECK_STATES: Final = {
    "passed": marked("passed"),
    "failed": marked("failed"),
    "uncertain": marked("uncertain"),
    "not_measured": marked("not measured"),
}
TURNS: Final = {"left": marked("to their left"), "right": marked("to their right")}
NO_REASON: Final = marked("Say why, in one line.")
CHANGED: Final = marked("This enrolment was answered or changed meanwhile, or you asked for it. Nothing was recorded.")
MET: Final = marked("The registry changed meanwhile, and the checks with it. Nothing was answered: look at them again.")
UNFIT: Final = marked(
    "This cannot be verified: nothing could be read off the recording, or not by the present weights; "
    "or nobody has named a guardian or said that they are an adult."
)


def may_look(principal: Principal) -> bool:
    """Whether this keeper of the registry also reviews; others see that something waits and no more."""
    return principal.may("review", "specialist")


def _demand(principal: Principal) -> Principal:
    if not may_look(principal):
        raise Forbidden
    return principal


@router.get("/likeness/enrolments/{enrolment_id}")
def enrolment(request: Request, enrolment_id: str) -> Response:
    """One enrolment: what was asked, the recording as long as it is kept, what the checks said."""
    return show(request, _demand(reading(request, "likeness")), enrolment_id)


def show(
    request: Request, principal: Principal, enrolment_id: str, *, wrong: str = "", reason: str = "", status: int = 200
) -> Response:
    """The page of an enrolment, with what is amiss with an answer. Raises NotFound."""
    services = services_of(request)
    with services.database.transaction(principal.org) as tx:
        found = attempts.read(tx, enrolment_id)
        person = consent.read_person(tx, services.vault, found.person_id)
    checks = cast("list[dict[str, Any]]", found.checks or [])
    alike = [each for check in checks for each in check["evidence"].get("candidates", ())]
    return page(
        request,
        "likeness/enrolment.html",
        principal,
        status=status,
        found=found,
        person=person,
        steps=list(zip(found.challenge["digits"], found.challenge["turns"], strict=False)),
        checks=checks,
        alike=alike,
        unheard=not any(check["name"] == "digits" and check["state"] == "passed" for check in checks),
        names=names_of(services, principal, sorted({each["person"] for each in alike})),
        waits=found.state in attempts.WAITING,
        check_names=CHECKS,
        check_states=CHECK_STATES,
        turns=TURNS,
        wrong=wrong,
        reason=reason,
    )


@router.post("/likeness/enrolments/{enrolment_id}/answer")
def answer(
    request: Request,
    enrolment_id: str,
    outcome: Field,
    version: Annotated[int, Form()],
    reason: Field = "",
    form_token: Field = "",
) -> Response:
    """Verify or refuse, with a reason; what was answered or changed meanwhile is left as it is."""
    principal, services = _demand(acting(request, form_token, "likeness")), services_of(request)
    said = " ".join(reason.split())[:200]
    if outcome not in {"verify", "refuse"} or not said:
        return show(request, principal, enrolment_id, wrong=NO_REASON, status=422)
    given, by = cast("attempts.Answer", outcome), principal.principal
    try:
        attempts.answer(services, principal.org, enrolment_id, given, reason=said, by=by, version=version)
    except attempts.MetMeanwhile as error:
        return show(request, principal, enrolment_id, wrong=MET, reason=said, status=error.status)
    except Conflict as error:
        return show(request, principal, enrolment_id, wrong=CHANGED, reason=said, status=error.status)
    except Unprocessable as error:
        return show(request, principal, enrolment_id, wrong=UNFIT, reason=said, status=error.status)
    return RedirectResponse("/likeness?told=answered", status_code=303)
