"""The routes of policies: bundles and their way, what is in force, break-glass. Scope `policy` throughout."""

import json
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import JSONResponse

from moderation.api.auth import Services_, demand
from moderation.api.schemas import (
    BacktestQuery,
    BreakGlass,
    EnforcedShare,
    PolicyStep,
    PolicyTexts,
    RollBack,
    read_json,
)
from moderation.errors import Unprocessable
from moderation.keys import Principal
from moderation.policy.lint import lint
from moderation.policy.reports import to_json
from moderation.rehearsing.backtesting import backtest as rehearse
from moderation.rehearsing.scope import Scope
from moderation.rehearsing.scope import moment as scope_moment
from moderation.rulebook import emergencies, jobs, lifecycle, overview, shadowing
from moderation.rulebook.activation import examined
from moderation.rulebook.bundles import compile_texts, decoded, laid_out, read_archive, relative
from moderation.rulebook.lifecycle import Act, Bundle
from moderation.rulebook.pointers import stored_texts
from moderation.verdicts import moment

router = APIRouter(prefix="/v1/policies", tags=["policies"])
PolicyLead = Annotated[Principal, Depends(demand("policy"))]
ZIP = "application/zip"


@dataclass(frozen=True, slots=True, kw_only=True)
class HandedIn:
    """Texts as a request brought them."""

    texts: dict[str, str]
    note: str = ""


async def handed_in(request: Request, _: PolicyLead) -> HandedIn:
    """The texts in a request's body: a zip archive, or JSON."""
    body = await request.body()
    if request.headers.get("content-type", "").partition(";")[0].strip() == ZIP:
        said = read_json(PolicyStep, json.dumps({"why": request.query_params.get("note", "")}).encode())
        return HandedIn(texts=read_archive(body), note=said.why)
    asked = read_json(PolicyTexts, body)
    return HandedIn(texts=decoded({name: text.encode() for name, text in asked.texts.items()}), note=asked.note)


HandedIn_ = Annotated[HandedIn, Depends(handed_in)]


@router.get("")
def read_state(services: Services_, principal: PolicyLead) -> Response:
    """What judges now: the pointer, the versions behind it, emergency rules, what is wrong, what each worker holds."""
    return JSONResponse(overview.document(services, principal.org))


@router.get("/bundles")
def list_bundles(
    services: Services_,
    principal: PolicyLead,
    *,
    state: Annotated[str | None, Query(max_length=20)] = None,
    cursor: Annotated[str | None, Query(max_length=60)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Response:
    """List bundles, newest first. `next_cursor` is empty on the last page."""
    with services.database.transaction(principal.org) as tx:
        found = lifecycle.list_bundles(tx, state=state, after=cursor, limit=limit + 1)
    following = found[limit - 1].bundle_id if len(found) > limit else None
    return JSONResponse({"items": [line(bundle) for bundle in found[:limit]], "next_cursor": following})


@router.post("/bundles", status_code=201)
def create_bundle(services: Services_, principal: PolicyLead, handed: HandedIn_) -> Response:
    """Hand in a policy folder as a draft: JSON with `texts`, or a zip archive (its note as `?note=`)."""
    act = Act(by=principal.principal, why=handed.note)
    bundle = lifecycle.hand_in(services, principal.org, handed.texts, act)
    headers = {"Location": f"/v1/policies/bundles/{bundle.bundle_id}"}
    return JSONResponse(line(bundle), status_code=201, headers=headers)


@router.get("/bundles/{bundle_id}")
def read_bundle(bundle_id: str, services: Services_, principal: PolicyLead) -> Response:
    """A bundle, what was done with it, by whom and why, what stood against it when it was last looked at, its jobs."""
    with services.database.transaction(principal.org) as tx:
        bundle = lifecycle.read_bundle(tx, bundle_id)
        steps = lifecycle.read_steps(tx, bundle_id)
    said = [{**asdict(step), "at": moment(step.at)} for step in steps]
    begun = [_job(job) for job in jobs.of_bundle(services, principal.org, bundle_id)]
    return JSONResponse({**line(bundle), "checked": bundle.checked, "steps": said, "jobs": begun})


@router.get("/bundles/{bundle_id}/texts")
def read_bundle_texts(bundle_id: str, services: Services_, principal: PolicyLead) -> Response:
    """Every text of a bundle by path."""
    with services.database.transaction(principal.org) as tx:
        bundle = lifecycle.read_bundle(tx, bundle_id)
        texts = stored_texts(tx, bundle_id)
    return JSONResponse({"id": bundle.bundle_id, "version": bundle.version, "texts": texts})


@router.post("/lint")
def find_faults(services: Services_, _: PolicyLead, handed: HandedIn_) -> Response:
    """Find the faults of texts without keeping them; none means they are well formed and tried."""
    with laid_out(handed.texts) as folder:
        found = relative(lint(folder, today=services.clock.now().date()), folder)
    return JSONResponse(to_json(found))


@router.post("/test")
def run_cases(
    services: Services_, _: PolicyLead, handed: HandedIn_, *, mutants: Annotated[bool, Query()] = False
) -> Response:
    """Run the cases of texts without keeping them: what fails, what they cover; with `mutants` what they prove."""
    settings = services.settings
    found = examined(handed.texts, settings.policies_dir(), settings.models, mutants=mutants)
    return JSONResponse(found.to_json())


@router.post("/bundles/{bundle_id}/propose")
def propose(bundle_id: str, services: Services_, principal: PolicyLead, step: PolicyStep | None = None) -> Response:
    """Ask a second person to approve a draft."""
    return JSONResponse(line(lifecycle.propose(services, principal.org, bundle_id, act_of(principal, step))))


@router.post("/bundles/{bundle_id}/approve")
def approve(bundle_id: str, services: Services_, principal: PolicyLead, step: PolicyStep | None = None) -> Response:
    """Approve what somebody else wrote and proposed."""
    return JSONResponse(line(lifecycle.approve(services, principal.org, bundle_id, act_of(principal, step))))


@router.post("/bundles/{bundle_id}/shadow")
def shadow(bundle_id: str, services: Services_, principal: PolicyLead, step: PolicyStep | None = None) -> Response:
    """Judge by an approved bundle beside the acting one; it never acts. Also stops one that enforces."""
    return JSONResponse(line(lifecycle.shadow(services, principal.org, bundle_id, act_of(principal, step))))


@router.post("/bundles/{bundle_id}/enforce")
def enforce(bundle_id: str, services: Services_, principal: PolicyLead, share: EnforcedShare) -> Response:
    """Let a bundle judge so many per cent of the clips; 100 is all. `/check` must have found nothing against it."""
    act = act_of(principal, share)
    return JSONResponse(line(lifecycle.enforce(services, principal.org, bundle_id, share.percent, act)))


@router.post("/bundles/{bundle_id}/retire")
def retire(bundle_id: str, services: Services_, principal: PolicyLead, step: PolicyStep | None = None) -> Response:
    """Take a bundle out of the way."""
    return JSONResponse(line(lifecycle.retire(services, principal.org, bundle_id, act_of(principal, step))))


@router.post("/rollback")
def roll_back(services: Services_, principal: PolicyLead, wish: RollBack | None = None) -> Response:
    """Let an earlier full bundle judge every clip again, at once; one person may."""
    bundle_id = wish.bundle if wish else None
    return JSONResponse(line(lifecycle.roll_back(services, principal.org, act_of(principal, wish), bundle_id)))


@router.get("/bundles/{bundle_id}/comparison")
def compare(
    bundle_id: str, services: Services_, principal: PolicyLead, since: Annotated[datetime | None, Query()] = None
) -> Response:
    """How often a bundle in shadow would have decided otherwise than what acted, with clips to look at."""
    start = since or services.clock.now() - timedelta(days=30)
    if start.tzinfo is None:
        raise Unprocessable("`since` needs a time zone")
    with services.database.transaction(principal.org) as tx:
        bundle = lifecycle.read_bundle(tx, bundle_id)
        found = shadowing.compare_shadow(tx, bundle.version, start)
    different = sum(difference.count for difference in found if not difference.same)
    return JSONResponse(
        {
            "id": bundle.bundle_id,
            "version": bundle.version,
            "since": moment(start),
            "judged": shadowing.total(found),
            "different": different,
            "counts": [asdict(difference) for difference in found],
        }
    )


@router.post("/bundles/{bundle_id}/check", status_code=202)
def check(bundle_id: str, services: Services_, principal: PolicyLead) -> Response:
    """Look for what stands against enforcing a bundle: lint, cases, mutants. A job; never two of one bundle at once."""
    with services.database.transaction(principal.org) as tx:
        lifecycle.read_bundle(tx, bundle_id)
    for job in jobs.of_bundle(services, principal.org, bundle_id):
        if (job.kind, job.state) == ("check", "running"):
            return _begun(job)

    def work(_: jobs.Progress) -> dict[str, object]:
        return {"findings": lifecycle.check(services, principal.org, bundle_id)}

    return _begun(jobs.start(services, principal.org, bundle_id, "check", principal.principal, work))


@router.post("/bundles/{bundle_id}/backtest", status_code=202)
def backtest(
    bundle_id: str, services: Services_, principal: PolicyLead, asked: BacktestQuery | None = None
) -> Response:
    """Judge stored records by a bundle, beside what was decided then. A job; its report is the job's body."""
    wish, now = asked or BacktestQuery(), services.clock.now()
    scope = Scope(
        since=scope_moment(wish.since, now),
        until=now if wish.until is None else scope_moment(wish.until, now),
        sample=wish.sample,
    )
    with services.database.transaction(principal.org) as tx:
        lifecycle.read_bundle(tx, bundle_id)
        ruleset = compile_texts(stored_texts(tx, bundle_id))

    def work(progress: jobs.Progress) -> dict[str, object]:
        return rehearse(services, principal.org, ruleset, scope, progress=progress).to_json()

    return _begun(jobs.start(services, principal.org, bundle_id, "backtest", principal.principal, work))


@router.get("/jobs/{job_id}")
def read_job(job_id: str, services: Services_, principal: PolicyLead) -> Response:
    """How a job stands: running (`done` of `of` in its body), done with its result, failed with a problem, or lost."""
    return JSONResponse(_job(jobs.read(services, principal.org, job_id)))


def _begun(job: jobs.Job) -> Response:
    return JSONResponse(_job(job), status_code=202, headers={"Location": f"/v1/policies/jobs/{job.job_id}"})


def _job(job: jobs.Job) -> dict[str, object]:
    times = {name: moment(getattr(job, name)) for name in ("started_at", "seen_at")}
    shown = {name: value for name, value in asdict(job).items() if name not in ("job_id", "bundle_id")}
    return {"id": job.job_id, "bundle": job.bundle_id, **shown, **times}


@router.post("/break-glass", status_code=201)
def break_glass(asked: BreakGlass, services: Services_, principal: PolicyLead) -> Response:
    """Lay rules over those in force at once, for a day: stricter only. A second person sees them after."""
    laid = emergencies.break_glass(services, principal.org, asked.policy, by=principal.principal, why=asked.why)
    return JSONResponse(emergency(laid), status_code=201)


@router.get("/break-glass")
def list_emergencies(
    services: Services_, principal: PolicyLead, *, pending: Annotated[bool, Query()] = False
) -> Response:
    """Emergency rules, newest first; with `pending` those that no second person has seen."""
    with services.database.transaction(principal.org) as tx:
        found = emergencies.list_emergencies(tx, pending=pending)
    return JSONResponse({"items": [emergency(each) for each in found]})


@router.post("/break-glass/{emergency_id}/confirm")
def confirm_emergency(emergency_id: str, services: Services_, principal: PolicyLead) -> Response:
    """Say, as a second person, that these rules are seen and stay until they expire."""
    settled = emergencies.settle(services, principal.org, emergency_id, by=principal.principal, end=False)
    return JSONResponse(emergency(settled))


@router.post("/break-glass/{emergency_id}/end")
def end_emergency(emergency_id: str, services: Services_, principal: PolicyLead) -> Response:
    """Take emergency rules away now."""
    settled = emergencies.settle(services, principal.org, emergency_id, by=principal.principal, end=True)
    return JSONResponse(emergency(settled))


def act_of(principal: Principal, step: PolicyStep | None) -> Act:
    """Who takes a step and why."""
    return Act(by=principal.principal, why=step.why if step else "")


def line(bundle: Bundle) -> dict[str, object]:
    """A bundle in a list."""
    return {
        "id": bundle.bundle_id,
        "version": bundle.version,
        "state": bundle.state,
        "author": bundle.author,
        "note": bundle.note,
        "proposed_by": bundle.proposed_by,
        "approved_by": bundle.approved_by,
        "was_full": bundle.was_full,
        "created_at": moment(bundle.created_at),
    }


def emergency(laid: emergencies.EmergencyRules) -> dict[str, object]:
    """Emergency rules as they are shown."""
    times = {name: moment(getattr(laid, name)) for name in ("placed_at", "expires_at", "settled_at")}
    shown = {name: value for name, value in asdict(laid).items() if name != "emergency_id"}
    return {"id": laid.emergency_id, **shown, **times}
