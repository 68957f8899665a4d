"""Where a policy lead works on one version: its texts with lint, cases, backtest, guidance, history. Judges nothing.

A version is never rewritten: saving hands in a new draft.
"""

import difflib
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, Final

from fastapi import APIRouter, Form, Request
from starlette.responses import JSONResponse, Response

from moderation.api.auth import services_of
from moderation.errors import Busy, NotFound
from moderation.keys import Principal
from moderation.policy.lint import lint
from moderation.policy.loader import UnusablePolicies
from moderation.policy.model import Finding
from moderation.policy.reports import severity
from moderation.rehearsing.backtesting import backtest
from moderation.rehearsing.scope import Scope
from moderation.rulebook import jobs, lifecycle, reading, shadowing
from moderation.rulebook.activation import examined
from moderation.rulebook.bundles import compile_texts, laid_out, relative
from moderation.rulebook.lifecycle import Act
from moderation.rulebook.pointers import stored_texts
from review_ui.policies import SCOPE, guidance_of, next_steps, refused, since, state_words
from review_ui.rendering import Toast, page, see_other, words_of
from review_ui.routes import PageRoute, acting
from review_ui.routes import reading as reader
from review_ui.security import Field

router = APIRouter(include_in_schema=False, route_class=PageRoute)
#: One text of a bundle, at most; the rulebook bounds the whole.
Text = Annotated[str, Form(max_length=1_000_000)]
TABS: Final = ("findings", "cases", "backtest", "guidance", "history")
PERIODS: Final = (1, 7, 30, 90)
#: Lines of unchanged text around a change.
CONTEXT: Final = 3
FIRST: Final = "shared.yaml"


@router.get("/policies/vocabulary.json")
def vocabulary(request: Request) -> Response:
    """Names that a rule may use, with what they mean, for the editor to complete."""
    principal, services = reader(request, SCOPE), services_of(request)
    with services.database.transaction(principal.org) as tx:
        known = reading.in_use(services, tx, principal.org).ruleset.vocabulary
    names = [
        {"label": name, "type": kind, "detail": _means(entry)}
        for kind, entries in (
            ("variable", known.signals),
            ("property", known.facts),
            ("enum", known.reasons),
            ("namespace", known.queues),
        )
        for name, entry in entries.items()
    ]
    return JSONResponse({"names": names})


@router.get("/policies/bundles/{bundle_id}")
def desk(request: Request, bundle_id: str, file: str = "", tab: str = "findings") -> Response:
    """One version: a text of it to edit, and what stands beside it."""
    principal = reader(request, SCOPE)
    return _desk(request, principal, bundle_id, file=file, tab=tab if tab in TABS else TABS[0])


@router.post("/policies/bundles/{bundle_id}/lint")
def find_faults(request: Request, bundle_id: str, file: Field, text: Text = "", form_token: Field = "") -> Response:
    """The faults of a text as it stands in the editor, among the version's others."""
    principal, services = acting(request, form_token, SCOPE), services_of(request)
    texts = _edited(request, principal, bundle_id, file, text)
    with laid_out(texts) as folder:
        found = relative(lint(folder, today=services.clock.now().date()), folder)
    return _desk(request, principal, bundle_id, tab="findings", file=file, text=text, found=ordered(found, file))


@router.post("/policies/bundles/{bundle_id}/cases")
def run_cases(request: Request, bundle_id: str, file: Field, text: Text = "", form_token: Field = "") -> Response:
    """What the cases of a version say of it, with the editor's text in it."""
    principal, services = acting(request, form_token, SCOPE), services_of(request)
    texts = _edited(request, principal, bundle_id, file, text)
    try:
        found = examined(texts, services.settings.policies_dir(), services.settings.models, mutants=False)
    except UnusablePolicies as error:
        wrong = ordered(error.findings, file)
        return _desk(request, principal, bundle_id, tab="findings", file=file, text=text, found=wrong)
    return _desk(request, principal, bundle_id, tab="cases", file=file, text=text, examination=found)


@router.post("/policies/bundles/{bundle_id}/save")
def save(
    request: Request, bundle_id: str, file: Field, text: Text = "", note: Field = "", form_token: Field = ""
) -> Response:
    """Hand in the version with the editor's text as a new draft."""
    principal, services = acting(request, form_token, SCOPE), services_of(request)
    texts = _edited(request, principal, bundle_id, file, text)
    try:
        draft = lifecycle.hand_in(services, principal.org, texts, Act(by=principal.principal, why=note))
    except UnusablePolicies as error:
        wrong = ordered(error.findings, file)
        return _desk(request, principal, bundle_id, tab="findings", file=file, text=text, found=wrong, status=422)
    return see_other(request, f"/policies/bundles/{draft.bundle_id}?file={file}")


@router.post("/policies/bundles/{bundle_id}/{kind}")
def begin_job(
    request: Request, bundle_id: str, kind: str, days: Field = "7", file: Field = "", form_token: Field = ""
) -> Response:
    """Begin a look at a stored version that takes longer than a page: `check` or `backtest`."""
    principal, services = acting(request, form_token, SCOPE), services_of(request)
    with services.database.transaction(principal.org) as tx:
        lifecycle.read_bundle(tx, bundle_id)
        texts = stored_texts(tx, bundle_id)
    work = _work(request, principal, bundle_id, texts, kind, days)
    try:
        if not _under_way(request, principal, bundle_id, kind):
            jobs.start(services, principal.org, bundle_id, kind, principal.principal, work)
    except Busy as error:
        return refused(request, principal, error, f"/policies/bundles/{bundle_id}")
    return _desk(request, principal, bundle_id, tab="backtest" if kind == "backtest" else "history", file=file)


def ordered(found: list[Finding], file: str) -> list[tuple[Finding, str]]:
    """Findings with how grave each is: those of the open file first, errors before warnings."""
    graded = [(finding, severity(finding)) for finding in found]
    return sorted(graded, key=lambda each: (each[0].path != file, each[1] != "error", each[0].path, each[0].line))


def changes(before: Mapping[str, str], after: Mapping[str, str]) -> list[tuple[str, list[str]]]:
    """The unified differences of two versions by file, without their headings."""
    found = []
    for name in sorted({*before, *after}):
        old, new = before.get(name, ""), after.get(name, "")
        if old != new:
            lines = difflib.unified_diff(old.splitlines(), new.splitlines(), lineterm="", n=CONTEXT)
            found.append((name, list(lines)[2:]))
    return found


def _under_way(request: Request, principal: Principal, bundle_id: str, kind: str) -> bool:
    begun = jobs.of_bundle(services_of(request), principal.org, bundle_id)
    return any((job.kind, job.state) == (kind, "running") for job in begun)


def _work(
    request: Request, principal: Principal, bundle_id: str, texts: Mapping[str, str], kind: str, days: str
) -> jobs.Work:
    services = services_of(request)
    if kind == "check":
        return lambda _: {"findings": lifecycle.check(services, principal.org, bundle_id)}
    if kind != "backtest" or days not in map(str, PERIODS):
        raise NotFound("there is no such look")
    now = services.clock.now()
    scope, ruleset = Scope(since=now - timedelta(days=int(days)), until=now), compile_texts(texts)
    return lambda progress: backtest(services, principal.org, ruleset, scope, progress=progress).to_json()


def _edited(request: Request, principal: Principal, bundle_id: str, file: str, text: str) -> dict[str, str]:
    """The texts of a version with one of them as the editor has it. Raises NotFound for a file it does not have."""
    with services_of(request).database.transaction(principal.org) as tx:
        lifecycle.read_bundle(tx, bundle_id)
        texts = stored_texts(tx, bundle_id)
    if file not in texts:
        raise NotFound("there is no such file in this version")
    # Browsers send the line ends of forms as CR LF, whatever the text had.
    return {**texts, file: text.replace("\r\n", "\n")}


def _desk(
    request: Request,
    principal: Principal,
    bundle_id: str,
    *,
    tab: str,
    file: str = "",
    text: str | None = None,
    found: list[tuple[Finding, str]] | None = None,
    status: int = 200,
    **shown: Any,
) -> Response:
    """The tab alone where htmx asks, else the whole desk with the editor's text kept."""
    services = services_of(request)
    now = services.clock.now()
    with services.database.transaction(principal.org) as tx:
        bundle = lifecycle.read_bundle(tx, bundle_id)
        texts = stored_texts(tx, bundle_id)
        steps = lifecycle.read_steps(tx, bundle_id)
        used = reading.in_use(services, tx, principal.org)
        shadows = shadowing.compare_shadow(tx, bundle.version, since(now)) if bundle.state == "shadow" else []
        names = reading.called(tx, [step.actor for step in steps])
    file = file if file in texts else next(iter(sorted(texts, key=lambda name: (name == FIRST, name))), "")
    area = file.partition("/")[0] if "/" in file else ""
    running = jobs.of_bundle(services, principal.org, bundle_id)
    unsaved = words_of(request).gettext("Nothing was saved: mend the errors first.")
    return page(
        request,
        "policies/desk.html",
        principal,
        status=status,
        fragment=f"policies/{tab}.html",
        toast=Toast(text=unsaved) if status == 422 else None,
        **{
            "bundle": bundle,
            "file": file,
            "files": sorted(texts),
            "text": texts.get(file, "") if text is None else text,
            "tab": tab,
            "found": found,
            "examination": None,
            "area": area,
            "guidance": guidance_of(texts, area) if area else [],
            "history": steps,
            "names": names,
            "changes": changes(used.texts, texts) if tab == "history" else [],
            "tried": next((job for job in running if job.kind == "backtest"), None),
            "checking": next((job for job in running if job.kind == "check"), None),
            "shadows": shadows,
            "steps": next_steps(bundle, principal, in_database=services.rulebook.in_database),
            "in_database": services.rulebook.in_database,
            "acting": used.bundle == bundle_id or used.ruleset.version == bundle.version,
            "periods": PERIODS,
            "state_words": state_words(request),
            **shown,
        },
    )


def _means(entry: object) -> str:
    return entry if isinstance(entry, str) else str(getattr(entry, "means", ""))
