"""The reviewers' pages: queues, one queue, one case. They ask the same services as the API and know no SQL."""

from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse, Response

from moderation import review
from moderation.api.auth import reviewer_of, services_of
from moderation.decisions import Outcome
from moderation.errors import Conflict, NotFound, Unprocessable
from moderation.keys import Principal
from moderation.policy.registry import QUEUES, REASONS, REASONS_OF_PEOPLE
from review_ui.cases import CaseView, read_view
from review_ui.rendering import Toast, page, words_of
from review_ui.routes import PageRoute, acting, reading
from review_ui.security import Field
from review_ui.translating import Words

router = APIRouter(include_in_schema=False, route_class=PageRoute)


@router.get("/")
def root() -> Response:
    """Begin with the queues."""
    return RedirectResponse("/queues", status_code=303)


@router.get("/queues")
def queues(request: Request, said: str = "") -> Response:
    """Every queue this reviewer may work on; `said` is what the last action has to say."""
    principal = reading(request)
    services = services_of(request)
    with services.database.transaction(principal.org) as tx:
        lines = review.list_queues(tx, services.clock.now(), reviewer_of(principal))
    ranked = sorted(lines, key=lambda line: list(QUEUES).index(line.name) if line.name in QUEUES else len(QUEUES))
    return page(request, "queues.html", principal, lines=ranked, toast=told(words_of(request), said))


def told(tongue: Words, said: str) -> Toast | None:
    """What the last action has to say, by its name in the address."""
    sentences = {
        "recorded": tongue.gettext("Recorded. Nothing more is free in that queue."),
        "none_free": tongue.gettext("Nothing is free in this queue just now."),
    }
    return Toast(text=sentences[said]) if said in sentences else None


@router.get("/queues/{name}")
def queue(request: Request, name: str) -> Response:
    """The open cases of one queue, in the order they are dealt. No pictures."""
    principal = reading(request)
    services = services_of(request)
    if name not in QUEUES:
        raise NotFound
    with services.database.transaction(principal.org) as tx:
        cases = review.list_cases(tx, name, reviewer_of(principal))
        opened = [(case, review.opening_decision(tx, case)) for case in cases]
    return page(request, "queue.html", principal, name=name, opened=opened)


@router.post("/queues/{name}/start")
def start(request: Request, name: str, form_token: Field = "") -> Response:
    """Claim the next case of a queue and go there."""
    return to_next(request, acting(request, form_token), name, "none_free")


@router.post("/review/{case_id}/claim")
def claim(request: Request, case_id: str, form_token: Field = "") -> Response:
    """Claim this very case."""
    principal = acting(request, form_token)
    services = services_of(request)
    with services.database.transaction(principal.org) as tx:
        case = review.read_case(tx, case_id)
        terms = review.terms_of(services.settings)
        got = review.claim(tx, terms, services.clock.now(), case.queue, reviewer_of(principal), case.clip_id)
    if got is None:
        raise Conflict("another reviewer has this case")
    return RedirectResponse(f"/review/{got.case_id}", status_code=303)


@router.get("/review/{case_id}")
def case_page(request: Request, case_id: str) -> Response:
    """Why the clip is here, what is in it, and what to do."""
    principal = reading(request)
    return show(request, principal, read_view(services_of(request), principal, case_id))


@router.post("/review/{case_id}/decide")
def decide(
    request: Request,
    case_id: str,
    outcome: Field,
    lease_token: Field,
    version: Annotated[int, Form()],
    reason: Field = "",
    note: Field = "",
    form_token: Field = "",
) -> Response:
    """Record the decision and go on; whatever is refused is shown beside what was entered."""
    principal = acting(request, form_token)
    services = services_of(request)
    view = read_view(services, principal, case_id)
    try:
        answer = read_answer(outcome, reason, note, lease_token, version)
        with services.database.transaction(principal.org) as tx:
            terms = review.terms_of(services.settings)
            review.decide(tx, services.enqueuer, terms, services.clock.now(), case_id, answer, reviewer_of(principal))
    except (Conflict, Unprocessable) as error:
        problem = "lost" if isinstance(error, Conflict) else "refused"
        view = read_view(services, principal, case_id)
        return show(request, principal, view, status=error.status, problem=problem, reason=reason, note=note)
    return to_next(request, principal, view.case.queue, "recorded")


@router.get("/review/{case_id}/decide")
def case_again(case_id: str) -> Response:
    """A refused decision stands at the form's address; loaded anew it is the case."""
    return RedirectResponse(f"/review/{case_id}", status_code=303)


@router.post("/review/{case_id}/return")
def give_back(request: Request, case_id: str, lease_token: Field, form_token: Field = "") -> Response:
    """Give the case back undecided."""
    principal = acting(request, form_token)
    services = services_of(request)
    with services.database.transaction(principal.org) as tx:
        name = review.read_case(tx, case_id).queue
        review.give_back(tx, services.clock.now(), case_id, lease_token, reviewer_of(principal))
    return RedirectResponse(f"/queues/{name}", status_code=303)


def read_answer(outcome: str, reason: str, note: str, lease_token: str, version: int) -> review.Answer:
    """A form's fields as an answer. Raises Unprocessable unless the reason is one that goes with the outcome."""
    if outcome not in set(Outcome) or outcome == Outcome.REVIEW:
        raise Unprocessable("approve, restrict or block")
    if outcome == Outcome.ALLOW and not reason:
        reason = "no_violation"
    if reason not in review.fitting(Outcome(outcome)):
        raise Unprocessable("choose a reason that goes with the decision")
    return review.Answer(
        outcome=Outcome(outcome), reason=reason, note=note.strip(), lease_token=lease_token, version=version
    )


def show(
    request: Request,
    principal: Principal,
    view: CaseView,
    *,
    status: int = 200,
    problem: str = "",
    reason: str = "",
    note: str = "",
) -> Response:
    """The case page, with what was entered when it was refused. What put the case here leads the reasons to block."""
    given = [found.code for found in view.opened.reasons if found.code in REASONS]
    return page(
        request,
        "case.html",
        principal,
        status=status,
        view=view,
        allowing=list(REASONS_OF_PEOPLE),
        blocking=list(dict.fromkeys([*given, *REASONS])),
        problem=problem,
        reason=reason,
        note=note,
    )


def to_next(request: Request, principal: Principal, name: str, otherwise: str) -> Response:
    """Claim the next case of a queue and go there, or back to the queues when nothing is free."""
    services = services_of(request)
    with services.database.transaction(principal.org) as tx:
        case = review.claim(tx, review.terms_of(services.settings), services.clock.now(), name, reviewer_of(principal))
    return RedirectResponse(f"/review/{case.case_id}" if case else f"/queues?said={otherwise}", status_code=303)
