"""The reviewers' pages: queues, one queue, one case. They ask the same services as the API and know no SQL."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse, Response

from moderation import review
from moderation.api.auth import reviewer_of, services_of
from moderation.decisions import Decision, Outcome
from moderation.errors import Conflict, ModerationError, NotFound
from moderation.keys import Principal
from moderation.messages import LANGUAGES
from moderation.policy.registry import REASONS_OF_PEOPLE
from moderation.verdicts import read_verdict
from review_ui.login import COOKIE, session_principal
from review_ui.rendering import LANGUAGE_COOKIE, page
from review_ui.security import demand_form_token
from review_ui.timeline import Lane, Moment, lanes, moments

router = APIRouter(include_in_schema=False)
Field = Annotated[str, Form()]


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseView:
    """Everything the case page shows."""

    case: review.Case
    opened: Decision
    clip: dict[str, object]
    reasons: list[str]
    lanes: list[Lane]
    moments: list[Moment]
    mine: bool
    visible: bool


@router.get("/")
def root() -> Response:
    """Begin with the queues."""
    return RedirectResponse("/queues", status_code=303)


@router.get("/queues")
def queues(request: Request) -> Response:
    """Every queue this reviewer may work on."""
    principal = session_principal(request)
    if principal is None:
        return to_login()
    services = services_of(request)
    now = services.clock.now()
    with services.database.transaction(principal.org) as tx:
        found = review.list_queues(tx, now, reviewer_of(principal))
    return page(request, "queues.html", principal, queues=found, now=now)


@router.get("/queues/{name}")
def queue(request: Request, name: str) -> Response:
    """The open cases of one queue, in the order they are dealt. No pictures."""
    principal = session_principal(request)
    if principal is None:
        return to_login()
    services = services_of(request)
    with services.database.transaction(principal.org) as tx:
        cases = review.list_cases(tx, name, reviewer_of(principal))
        rows = [(case, review.opening_decision(tx, case)) for case in cases]
    return page(request, "queue.html", principal, name=name, rows=rows, now=services.clock.now())


@router.post("/queues/{name}/start")
def start(request: Request, name: str, form_token: Field) -> Response:
    """Claim the next case of a queue and go there."""
    principal = acting(request, form_token)
    return to_next(request, principal, name)


@router.post("/review/{case_id}/claim")
def claim(request: Request, case_id: str, form_token: Field) -> Response:
    """Claim this very case."""
    principal = acting(request, form_token)
    services = services_of(request)
    with services.database.transaction(principal.org) as tx:
        case = review.read_case(tx, case_id)
        got = review.claim(tx, services.clock.now(), case.queue, reviewer_of(principal), case.clip_id)
    if got is None:
        raise Conflict("another reviewer has this case")
    return RedirectResponse(f"/review/{got.case_id}", status_code=303)


@router.get("/review/{case_id}")
def case_page(request: Request, case_id: str) -> Response:
    """Why the clip is here, what is in it, and what to do."""
    principal = session_principal(request)
    if principal is None:
        return to_login()
    view = read_view(request, principal, case_id)
    return page(request, "case.html", principal, view=view, answers=REASONS_OF_PEOPLE, problem=None, note="", chosen="")


@router.post("/review/{case_id}/decide")
def decide(
    request: Request,
    case_id: str,
    outcome: Field,
    form_token: Field,
    lease_token: Field,
    version: Annotated[int, Form()],
    reason: Field = "",
    note: Annotated[str, Form(max_length=2000)] = "",
) -> Response:
    """Record the decision and go on; whatever is refused is shown beside what was entered."""
    principal = acting(request, form_token)
    services = services_of(request)
    try:
        answer = review.Answer(
            outcome=Outcome(outcome), reason=reason, note=note, lease_token=lease_token, version=version
        )
        with services.database.transaction(principal.org) as tx:
            queue_name = review.read_case(tx, case_id).queue
            review.decide(tx, services.enqueuer, services.clock.now(), case_id, answer, reviewer_of(principal))
    except (ModerationError, ValueError) as error:
        view = read_view(request, principal, case_id)
        status = error.status if isinstance(error, ModerationError) else 422
        return page(
            request,
            "case.html",
            principal,
            status=status,
            view=view,
            answers=REASONS_OF_PEOPLE,
            problem="conflict" if isinstance(error, Conflict) else "invalid",
            note=note,
            chosen=reason,
        )
    return to_next(request, principal, queue_name)


@router.post("/review/{case_id}/return")
def give_back(request: Request, case_id: str, form_token: Field, lease_token: Field) -> Response:
    """Give the case back undecided."""
    principal = acting(request, form_token)
    services = services_of(request)
    with services.database.transaction(principal.org) as tx:
        name = review.read_case(tx, case_id).queue
        review.give_back(tx, services.clock.now(), case_id, lease_token, reviewer_of(principal))
    return RedirectResponse(f"/queues/{name}", status_code=303)


@router.post("/language")
def choose_language(request: Request, language: Field, back: Field = "/queues") -> Response:
    """Remember the reader's language in this browser."""
    if language not in LANGUAGES:
        raise NotFound("there are no texts in this language")
    target = back if back.startswith("/") and not back.startswith("//") else "/queues"
    answer = RedirectResponse(target, status_code=303)
    answer.set_cookie(LANGUAGE_COOKIE, language, max_age=365 * 86400, httponly=True, samesite="strict", path="/")
    return answer


def to_login() -> Response:
    """Send somebody without a session to the log-in page."""
    return RedirectResponse("/login", status_code=303)


def to_next(request: Request, principal: Principal, name: str) -> Response:
    """Claim the next case of a queue and go there, or back to the queues when it is empty."""
    services = services_of(request)
    with services.database.transaction(principal.org) as tx:
        case = review.claim(tx, services.clock.now(), name, reviewer_of(principal))
    return RedirectResponse(f"/review/{case.case_id}" if case else "/queues", status_code=303)


def acting(request: Request, form_token: str) -> Principal:
    """Who sends a form: a session, with that session's form token. Raises Forbidden."""
    principal = session_principal(request)
    cookie = request.cookies.get(COOKIE, "")
    demand_form_token(services_of(request), cookie, form_token, request.headers.get("sec-fetch-site"))
    if principal is None:
        raise NotFound("log in first")
    return principal


def read_view(request: Request, principal: Principal, case_id: str) -> CaseView:
    """Read what the case page shows. Raises NotFound, Forbidden."""
    services = services_of(request)
    reviewer = reviewer_of(principal)
    with services.database.transaction(principal.org) as tx:
        case = review.read_case(tx, case_id)
        review.demand_access(case.queue, reviewer)
        opened = review.opening_decision(tx, case)
        prompt = review.words_of(tx, case.clip_id)
    clip = read_verdict(services, principal.org, case.clip_id) | prompt
    held = case.lease_expires_at is not None and case.lease_expires_at > services.clock.now()
    marks = clip["marks"]
    return CaseView(
        case=case,
        opened=opened,
        clip=clip,
        reasons=[reason.code for reason in opened.reasons],
        lanes=lanes(clip),
        moments=moments(clip),
        mine=held and case.lease_holder == principal.principal,
        visible=isinstance(marks, dict) and case.queue != review.HASH_QUEUE,
    )
