"""The routes of the case page: open, take, decide, skip, undo. They ask the queue's services and know no SQL."""

import secrets
from typing import TYPE_CHECKING, Annotated, Final

from fastapi import APIRouter, Form, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import RedirectResponse, Response

from moderation import review
from moderation.api.auth import reviewer_of, services_of
from moderation.casefile import claim_casefile, read_ahead
from moderation.decisions import Outcome
from moderation.errors import Conflict, Forbidden, Unprocessable
from moderation.ids import is_id
from moderation.messages import say
from moderation.policy.registry import REASONS, REASONS_OF_PEOPLE
from moderation.review import batches
from review_ui import security
from review_ui.cases import CaseView, credits_of, first_seen, names_of, read_view, view_of
from review_ui.desk import desks_of, read_desk
from review_ui.rendering import Toast, language, page, see_other, wants_fragment
from review_ui.routes import PageRoute, acting, reading
from review_ui.translating import Words, marked, words

if TYPE_CHECKING:
    from moderation.keys import Principal

router = APIRouter(include_in_schema=False, route_class=PageRoute)
PAGE: Final = "case/page.html"
CASE: Final = "case/swapped.html"
DECIDE: Final = "case/decide.html"
AHEAD: Final = "case/ahead.html"
#: Button of the form that hands a case to somebody else; every other one is an outcome.
ESCALATE: Final = "escalate"
#: How many reasons of the list carry a digit.
DIGITS: Final = 9


class Given(BaseModel):
    """The fields of the form, as they were sent; what is amiss is said beside them."""

    model_config = ConfigDict(extra="ignore")

    outcome: security.Text = Field(max_length=40)
    lease_token: security.Text = Field(max_length=200)
    version: int
    reason: security.Text = Field(default="", max_length=100)
    note: security.Text = Field(default="", max_length=4000)
    key: security.Text = Field(default="", max_length=100)
    #: Whom an escalation asks: another queue, or nobody in particular.
    group: security.Text = Field(default="", max_length=40)
    #: Cases of the same clip, nearly, that are to be decided alike.
    also: list[Annotated[security.Text, Field(max_length=100)]] = Field(default=[], max_length=200)
    form_token: str = Field(default="", max_length=200)


@router.get("/review/{case_id}")
def case_page(request: Request, case_id: str, after: str = "", said: str = "") -> Response:
    """Why the clip is here, what is in it, and what to do; `after` is the case answered before, which may be undone."""
    principal = reading(request)
    # What was looked at since is said on the new page.
    desks_of(request).forget(principal)
    try:
        view = read_view(services_of(request), principal, case_id, spoken(request, principal).language)
    except Forbidden:
        return page(request, "case/withheld.html", principal, status=403)
    return show(request, principal, view, toast=told(request, principal, said, after))


@router.get("/review/{case_id}/ahead")
def ahead(request: Request, case_id: str) -> Response:
    """What the next case will show first, so that it is there when this one is answered; nothing where none comes."""
    principal = reading(request)
    upcoming = read_ahead(services_of(request), principal.org, case_id, reviewer_of(principal))
    if upcoming is None:
        return Response(status_code=204)
    at = (upcoming.moments_ms or (0,))[0] / 1000
    return page(request, AHEAD, principal, fragment=AHEAD, media=first_seen(upcoming), at=at)


@router.post("/review/{case_id}/claim")
def claim(request: Request, case_id: str, form_token: security.Field = "") -> Response:
    """Claim this very case; its page says who was first where somebody was."""
    principal = acting(request, form_token)
    services = services_of(request)
    with services.database.transaction(principal.org) as tx:
        case = review.read_case(tx, case_id)
        terms = review.terms_of(services.settings)
        got = review.claim(tx, terms, services.clock.now(), case.queue, reviewer_of(principal), case.clip_id)
    return RedirectResponse(f"/review/{case_id}{'' if got else '?said=not_taken'}", status_code=303)


@router.post("/review/{case_id}/decide")
def decide(request: Request, case_id: str, given: Annotated[Given, Form()]) -> Response:
    """Record the answer and go on; what is refused is said in the form, with everything that was entered."""
    principal = acting(request, given.form_token)
    services = services_of(request)
    try:
        queue = record(request, principal, case_id, given)
    except (Conflict, Unprocessable) as error:
        view = read_view(services, principal, case_id, spoken(request, principal).language)
        return refuse(request, principal, view, given, error)
    return go_on(request, principal, queue, case_id)


@router.get("/review/{case_id}/decide")
def case_again(case_id: str) -> Response:
    """A refused decision stands at the form's address; loaded anew it is the case."""
    return RedirectResponse(f"/review/{case_id}", status_code=303)


@router.post("/review/{case_id}/skip")
def skip(request: Request, case_id: str, lease_token: security.Field, form_token: security.Field = "") -> Response:
    """Leave the case to a colleague and go back to the queue."""
    principal = acting(request, form_token)
    services = services_of(request)
    with services.database.transaction(principal.org) as tx:
        queue = review.read_case(tx, case_id).queue
        review.skip(tx, services.clock.now(), case_id, lease_token, reviewer_of(principal))
    return see_other(request, f"/queues/{queue}")


@router.post("/review/{case_id}/undo")
def undo(request: Request, case_id: str, form_token: security.Field = "") -> Response:
    """Take the last answer back while that is possible; the case is this reviewer's again."""
    principal = acting(request, form_token)
    services = services_of(request)
    with services.database.transaction(principal.org) as tx:
        terms = review.terms_of(services.settings)
        batches.undo_all(tx, terms, services.clock.now(), case_id, reviewer_of(principal))
    return see_other(request, f"/review/{case_id}?said=undone")


def record(request: Request, principal: "Principal", case_id: str, given: Given) -> str:
    """Write the answer down; returns the case's queue. Raises Conflict, Unprocessable, Forbidden."""
    services = services_of(request)
    fault = fault_of(given.outcome, given.reason, given.note)
    if fault:
        raise Unprocessable(spoken(request, principal).gettext(fault))
    terms, now, reviewer = review.terms_of(services.settings), services.clock.now(), reviewer_of(principal)
    with services.database.transaction(principal.org) as tx:
        queue = review.read_case(tx, case_id).queue
        if given.outcome == ESCALATE:
            review.escalate(tx, services.enqueuer, terms, now, case_id, asked_of(given), reviewer)
        else:
            answer = answer_of(given)
            batches.decide_all(tx, services.enqueuer, terms, now, case_id, answer, reviewer, also=given.also)
    return queue


def answer_of(given: Given) -> review.Answer:
    """The form as an answer."""
    outcome = Outcome(given.outcome)
    return review.Answer(
        outcome=outcome,
        reason=given.reason or ("no_violation" if outcome is Outcome.ALLOW else ""),
        note=given.note.strip(),
        lease_token=given.lease_token,
        version=given.version,
        key=given.key or None,
    )


def asked_of(given: Given) -> review.Escalation:
    """The form as a question to colleagues; what one thinks oneself stays open."""
    return review.Escalation(
        question=given.note.strip(),
        lease_token=given.lease_token,
        version=given.version,
        queue=given.group or None,
        key=given.key or None,
    )


def fault_of(outcome: str, reason: str, note: str) -> str:
    """What is amiss with an answer as an English message, empty when nothing is."""
    if outcome == ESCALATE:
        return "" if note.strip() else marked("Say in the note what your colleague should look at, then escalate.")
    if outcome not in set(Outcome) - {Outcome.REVIEW}:
        return marked("This is no answer: approve, block, limit or escalate.")
    if outcome == Outcome.ALLOW and not reason:
        return ""
    if not reason:
        return marked("Choose the reason first: press W, then its digit.")
    if reason not in review.fitting(Outcome(outcome)):
        return marked("This reason says the opposite of the decision: choose one that goes with it.")
    return ""


def go_on(request: Request, principal: "Principal", queue: str, answered: str) -> Response:
    """The next case of the queue at once, with the way back to the one before; the queues when nothing is free."""
    services = services_of(request)
    reviewer = reviewer_of(principal)
    file = claim_casefile(services, principal.org, queue, reviewer)
    if file is None:
        with services.database.transaction(principal.org) as tx:
            terms = review.terms_of(services.settings)
            kept = review.spared(tx, terms, services.clock.now(), queue, reviewer)
        return see_other(request, f"/queues?said={'spared' if kept else 'recorded'}&after={answered}")
    address = f"/review/{file.case.case_id}"
    if not wants_fragment(request):
        return see_other(request, f"{address}?after={answered}")
    view = view_of(services, file, spoken(request, principal).language)
    answer = show(request, principal, view, toast=undo_toast(request, principal, answered))
    answer.headers["HX-Push-Url"] = address
    return answer


def undo_toast(request: Request, principal: "Principal", case_id: str) -> Toast | None:
    """That the answer was recorded, and for as long as it can be undone the button for it.

    The case may come from an address that anybody wrote: what is no case's name says nothing and leads nowhere.
    """
    if not is_id("case", case_id):
        return None
    tongue, seconds = spoken(request, principal), int(services_of(request).settings.review.undo_s)
    said = tongue.gettext("Recorded: case %(case)s.", case=case_id[-8:])
    if not seconds:
        return Toast(text=said)
    return Toast(text=said, path=f"/review/{case_id}/undo", label=tongue.gettext("Undo"), seconds=seconds)


def told(request: Request, principal: "Principal", said: str, after: str) -> Toast | None:
    """What the last action has to say, by the address."""
    if said == "not_taken":
        lost = marked("You did not get this case: a colleague was first, or it is not yours to answer.")
        return Toast(text=spoken(request, principal).gettext(lost))
    if said == "undone":
        return Toast(text=spoken(request, principal).gettext("Taken back. The case is yours again."))
    return undo_toast(request, principal, after) if after else None


def refuse(
    request: Request, principal: "Principal", view: CaseView, given: Given, error: Conflict | Unprocessable
) -> Response:
    """The form as it was filled in, with what is amiss; of a lost hold that nothing was recorded."""
    return show(request, principal, view, status=error.status, fragment=DECIDE, given=given, problem=error.message)


def show(
    request: Request,
    principal: "Principal",
    view: CaseView,
    *,
    status: int = 200,
    fragment: str = CASE,
    toast: Toast | None = None,
    given: Given | None = None,
    problem: str = "",
) -> Response:
    """The case page, or the part of it that htmx asked for."""
    tongue = spoken(request, principal)
    beside = sorted({one["person"] for face in view.compared for one in face["candidates"]})
    return page(
        request,
        PAGE,
        principal,
        status=status,
        fragment=fragment,
        toast=toast,
        view=view,
        names=names_of(services_of(request), principal, sorted(view.file.people)),
        credits=credits_of(services_of(request), principal, beside),
        reasons=reasons_for(tongue, view),
        silent_names=[say(f"signal.{name}", {}, tongue.language) for name in view.silent],
        policy_pages="/policies/{name}" in request.app.state.page_paths,
        refusals=refusals(tongue),
        lost=status == Conflict.status,
        problem=problem,
        reason=given.reason if given else "",
        note=given.note if given else "",
        group=given.group if given else "",
        also=given.also if given else [],
        answer_key=given.key if given else secrets.token_urlsafe(9),
    )


def spoken(request: Request, principal: "Principal") -> Words:
    """The words in the reader's language, chosen here or kept with their preferences."""
    return words(language(request, read_desk(request, principal).preferences.language))


def reasons_for(tongue: Words, view: CaseView) -> list[tuple[str, list[tuple[int, str]]]]:
    """The reasons under their headings, numbered through: what the rule suggests, what allows, everything else."""
    suggested = [found.code for found in (*view.opened.reasons, *view.opened.lesser) if found.code in REASONS]
    first = list(dict.fromkeys(suggested))
    groups = (
        (tongue.gettext("What the rule suggests, to block or limit"), first),
        (tongue.gettext("To approve"), list(REASONS_OF_PEOPLE)),
        (tongue.gettext("Other reasons to block or limit"), [code for code in REASONS if code not in first]),
    )
    numbers = iter(range(1, len(REASONS) + len(REASONS_OF_PEOPLE) + 1))
    return [(heading, [(next(numbers), code) for code in codes]) for heading, codes in groups if codes]


def refusals(tongue: Words) -> list[tuple[str, str]]:
    """What the player says when the server shows nothing, by the code of the problem."""
    _ = tongue.gettext
    return [
        ("exposure_capped", _("You have seen as much unveiled as a day allows. The veil, scores and words stay.")),
        ("cooling", _("That was a hard case: nothing is unveiled for some minutes. Deciding without it goes on.")),
        ("on_break", _("You are on a break, so nothing is unveiled.")),
        ("conflict", _("Your hold on this case ran out, so nothing is unveiled.")),
        ("not_revealed", _("That was as long as one look may last. Hold again to look again.")),
        ("forbidden", _("This clip is never unveiled.")),
        ("undecodable", _("This cannot be played here. Stills and scores stay: decide by them, or skip.")),
        ("making", _("It is being made; this takes some seconds.")),
        ("preparing", _("The preview is being made, about 5 seconds. Read on meanwhile, or skip this case.")),
        ("away", _("The service did not answer, so nothing is unveiled.")),
    ]
