"""The policies' pages: what judges, one area for reviewers to read, a version's way into force. Edits no text."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from fastapi import APIRouter, Request
from markupsafe import Markup
from starlette.responses import Response

from moderation.api.auth import services_of
from moderation.errors import ModerationError, NotFound, Unprocessable
from moderation.keys import Principal
from moderation.messages import LANGUAGES
from moderation.policy.engine import Ruleset
from moderation.rulebook import emergencies, lifecycle, reading
from moderation.rulebook.lifecycle import Act, Bundle
from review_ui.guidance import render_guidance
from review_ui.rendering import Toast, page, see_other, words_of
from review_ui.routes import PageRoute, acting
from review_ui.routes import reading as reader
from review_ui.security import Field
from review_ui.translating import marked

router = APIRouter(include_in_schema=False, route_class=PageRoute)
SCOPE: Final = "policy"
READERS: Final = ("review", "specialist", SCOPE)
LATELY: Final = timedelta(days=7)
LISTED: Final = 50
OUTCOMES: Final = ("allow", "restrict", "review", "block")
#: What may be done next with a version in each state, in the order people do it.
STEPS: Final[Mapping[str, tuple[str, ...]]] = {
    "draft": ("propose", "retire"),
    "proposed": ("approve", "retire"),
    "approved": ("shadow", "enforce", "retire"),
    "shadow": ("enforce", "retire"),
    "enforcing": ("enforce", "shadow", "retire"),
    "full": (),
    "retired": (),
}
STATES: Final[Mapping[str, str]] = {
    "draft": marked("draft"),
    "proposed": marked("proposed"),
    "approved": marked("approved by a second person"),
    "shadow": marked("in shadow"),
    "enforcing": marked("judges a share"),
    "full": marked("judges all clips"),
    "retired": marked("retired"),
}
MOVES: Final = {
    "propose": lifecycle.propose,
    "approve": lifecycle.approve,
    "shadow": lifecycle.shadow,
    "retire": lifecycle.retire,
}
#: What the service says when a step is refused, for people; other refusals are shown in the service's own words.
REFUSALS: Final[Mapping[str, str]] = {
    "folder_is_the_truth": marked(
        "Here the policy folder is the truth: change it to change what judges. Drafts can be tried, not enforced."
    ),
    "not_checked": marked(
        "Run the check first: a version acts only after lint, cases and mutants found nothing against it."
    ),
    "not_ready": marked("The check found something against this version. Mend it in a new draft."),
    "forbidden": marked("A second person has to do this: not who wrote or proposed it, and not a service."),
    "conflict": marked("This version has moved on meanwhile. Load the page again."),
    "busy": marked("Enough work is under way. Try again in a few seconds."),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class AreaLine:
    """One area of the rules in force, as the list shows it."""

    name: str
    description: str
    owner: str
    queue: str
    rules: int
    shadow: int
    #: Languages in which its guidance is missing.
    missing: tuple[str, ...]


@router.get("/policies")
def overview(request: Request) -> Response:
    """What judges now and how it decided lately; versions on their way for who may change them."""
    principal, services = reader(request, *READERS), services_of(request)
    now = services.clock.now()
    with services.database.transaction(principal.org) as tx:
        used = reading.in_use(services, tx, principal.org)
        counts = reading.outcomes_since(tx, now - LATELY)
        bundles = lifecycle.list_bundles(tx, limit=LISTED) if principal.may(SCOPE) else []
        laid = [
            each
            for each in emergencies.list_emergencies(tx, pending=False)
            if each.expires_at > now and each.state != "ended"
        ]
        names = reading.called(tx, [*(bundle.author for bundle in bundles), *(each.placed_by for each in laid)])
    return page(
        request,
        "policies/overview.html",
        principal,
        used=used,
        areas=[_area_line(used, area) for area in sorted(_policies(used.ruleset))],
        counts=[(outcome, counts.get(outcome, 0)) for outcome in OUTCOMES],
        decided=sum(counts.values()),
        bundles=bundles,
        emergencies=laid,
        names=names,
        mode=services.settings.policies.mode,
        wanted=request.query_params.get("version", ""),
        may=principal.may(SCOPE),
        state_words=state_words(request),
    )


@router.post("/policies/drafts")
def begin_draft(request: Request, form_token: Field = "") -> Response:
    """Start a draft from the rules in force."""
    principal, services = acting(request, form_token, SCOPE), services_of(request)
    with services.database.transaction(principal.org) as tx:
        used = reading.in_use(services, tx, principal.org)
    note = words_of(request).gettext("Begun from version %(version)s", version=used.ruleset.version[:12])
    bundle = lifecycle.hand_in(services, principal.org, used.texts, Act(by=principal.principal, why=note))
    return see_other(request, f"/policies/bundles/{bundle.bundle_id}")


@router.post("/policies/rollback")
def roll_back(request: Request, why: Field = "", form_token: Field = "") -> Response:
    """Let the version before judge again."""
    principal, services = acting(request, form_token, SCOPE), services_of(request)
    try:
        bundle = lifecycle.roll_back(services, principal.org, Act(by=principal.principal, why=why))
    except ModerationError as error:
        return refused(request, principal, error, "/policies")
    return see_other(request, f"/policies/bundles/{bundle.bundle_id}")


@router.post("/policies/emergencies/{emergency_id}/{verb}")
def settle(request: Request, emergency_id: str, verb: str, form_token: Field = "") -> Response:
    """Confirm emergency rules as a second person, or end them."""
    principal, services = acting(request, form_token, SCOPE), services_of(request)
    if verb not in ("confirm", "end"):
        raise NotFound("there is no such step")
    try:
        emergencies.settle(services, principal.org, emergency_id, by=principal.principal, end=verb == "end")
    except ModerationError as error:
        return refused(request, principal, error, "/policies")
    return see_other(request, "/policies")


@router.post("/policies/bundles/{bundle_id}/steps/{step}")
def take_step(
    request: Request, bundle_id: str, step: str, why: Field = "", percent: Field = "100", form_token: Field = ""
) -> Response:
    """Move a version on its way: propose, approve, shadow, enforce, retire."""
    principal, services = acting(request, form_token, SCOPE), services_of(request)
    act = Act(by=principal.principal, why=why)
    if step not in MOVES and step != "enforce":
        raise NotFound("there is no such step")
    try:
        if step == "enforce":
            lifecycle.enforce(services, principal.org, bundle_id, _percent(percent), act)
        else:
            MOVES[step](services, principal.org, bundle_id, act)
    except ModerationError as error:
        return refused(request, principal, error, f"/policies/bundles/{bundle_id}")
    return see_other(request, f"/policies/bundles/{bundle_id}?tab=history")


@router.get("/policies/{name}")
def area(request: Request, name: str) -> Response:
    """One area of the rules in force: its guidance in three languages, its rules as they are written."""
    principal, services = reader(request, *READERS), services_of(request)
    with services.database.transaction(principal.org) as tx:
        used = reading.in_use(services, tx, principal.org)
    if name not in _policies(used.ruleset):
        raise NotFound("there is no such policy")
    return page(
        request,
        "policies/area.html",
        principal,
        line=_area_line(used, name),
        policy=_policies(used.ruleset)[name],
        guidance=guidance_of(used.texts, name),
        text=used.texts.get(f"{name}/policy.yaml", ""),
        version=used.ruleset.version,
        bundle=used.bundle if principal.may(SCOPE) else None,
    )


def refused(request: Request, principal: Principal, error: ModerationError, back: str) -> Response:
    """Say why a step was not taken, and where to go on."""
    known = REFUSALS.get(error.code)
    said = words_of(request).gettext(known) if known else error.message
    return page(
        request,
        "policies/refused.html",
        principal,
        status=error.status,
        said=said,
        own_words=known is None,
        findings=error.params.get("findings", []),
        back=back,
        fragment="policies/refusal.html",
        toast=Toast(text=words_of(request).gettext("Nothing was changed.")),
    )


def guidance_of(texts: Mapping[str, str], name: str) -> list[tuple[str, str, Markup]]:
    """Language, title and body of an area's guidance in every language; empty where there is none."""
    every = [(tongue, texts.get(f"{name}/guidance.{tongue}.md")) for tongue in LANGUAGES]
    return [(tongue, *(render_guidance(text) if text is not None else ("", Markup()))) for tongue, text in every]


def state_words(request: Request) -> dict[str, str]:
    """The states of a version in the reader's words."""
    return {state: words_of(request).gettext(message) for state, message in STATES.items()}


def next_steps(bundle: Bundle, principal: Principal, *, in_database: bool) -> tuple[str, ...]:
    """What this person may do with a version now. Where the folder is the truth, nothing that would act."""
    steps = STEPS[bundle.state]
    if not in_database:
        steps = tuple(step for step in steps if step in ("propose", "approve", "retire"))
    own = principal.principal in (bundle.author, bundle.proposed_by)
    return tuple(step for step in steps if not (step == "approve" and own))


def since(now: datetime) -> datetime:
    """From when figures of the last days are counted."""
    return now - LATELY


def _policies(ruleset: Ruleset) -> dict[str, Any]:
    return {policy.area: policy for policy in ruleset.policies}


def _area_line(used: reading.InUse, name: str) -> AreaLine:
    policy = _policies(used.ruleset)[name]
    return AreaLine(
        name=name,
        description=policy.description,
        owner=policy.owner,
        queue=policy.queue,
        rules=len(policy.rules),
        shadow=sum(rule.mode == "shadow" for rule in policy.rules),
        missing=tuple(tongue for tongue in LANGUAGES if f"{name}/guidance.{tongue}.md" not in used.texts),
    )


def _percent(text: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise Unprocessable("a share is a whole number from 1 to 100") from error
