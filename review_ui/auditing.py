"""The audit log's pages: entries by filters, one in full, the check of its chains; who a creator is, for a reason."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Final
from urllib.parse import parse_qsl

from fastapi import APIRouter, Form, Request
from starlette.responses import Response

from moderation import audit_checks, auditing
from moderation.api.auth import services_of
from moderation.auditing import SHORTEST_REASON, Filters
from moderation.errors import NotFound, Unprocessable
from moderation.keys import Principal
from moderation.searching import TooBroad
from review_ui.filters import Unreadable, address, attachment, day, end_of, read_cursor, said, write_cursor
from review_ui.rendering import page, see_other
from review_ui.routes import PageRoute, acting, reading
from review_ui.search import NO_DAY
from review_ui.security import Field

router = APIRouter(include_in_schema=False, route_class=PageRoute)
SCOPE: Final = "audit"
#: Who may learn whom a pseudonym stands for.
UNMASKING: Final = "admin"
_NOTHING: Final[dict[str, Any]] = {"why": "", "short": False, "handle": ""}
FIELDS: Final = ("actor", "action", "subject", "policy", "since", "until")


@router.get("/audit")
def entries(request: Request) -> Response:
    """A page of the log; the address says which."""
    principal, services = reading(request, SCOPE), services_of(request)
    fields = said(request.query_params, FIELDS)
    try:
        filters = read_filters(fields)
        with services.database.transaction(principal.org) as tx:
            after = _cursor(request.query_params.get("after", ""))
            found, following = auditing.read_entries(tx, filters, after)
    except Unreadable as error:
        return _page(request, principal, fields, wrong=error)
    except TooBroad:
        return _page(request, principal, fields, too_broad=True)
    parts = (following.at.isoformat(), following.shard, following.seq) if following else ()
    more = address("/audit", fields, after=write_cursor(*parts)) if following else ""
    return _page(request, principal, fields, found=found, more=more)


@router.post("/audit/check")
def check(request: Request, form_token: Field = "") -> Response:
    """Walk every chain now."""
    principal = acting(request, form_token, SCOPE)
    audit_checks.check(services_of(request), principal.org, by=principal.principal)
    return see_other(request, "/audit#check")


@router.post("/audit/export")
def export(
    request: Request, form: Annotated[str, Form()] = "csv", asked: Field = "", form_token: Field = ""
) -> Response:
    """All entries that the filters find as a file; the log says who took it."""
    principal = acting(request, form_token, SCOPE)
    fields = said(dict(parse_qsl(asked)), FIELDS)
    try:
        found = auditing.export(services_of(request), read_filters(fields), principal)
    except Unreadable as error:
        return _page(request, principal, fields, wrong=error)
    except TooBroad:
        return _page(request, principal, fields, too_broad=True)
    return attachment("audit-log", [entry.to_json() for entry in found], as_csv=form == "csv")


@router.get("/audit/{place}")
def entry(request: Request, place: str) -> Response:
    """One entry in full."""
    principal, services = reading(request, SCOPE), services_of(request)
    shard, _, seq = place.partition("-")
    if not (shard.isascii() and shard.isdecimal() and seq.isascii() and seq.isdecimal() and len(place) < 20):
        raise NotFound("there is no such entry")
    with services.database.transaction(principal.org) as tx:
        record = auditing.read_record(tx, int(shard), int(seq))
    details = json.dumps(record.entry.details, ensure_ascii=False, indent=2, sort_keys=True)
    decision = json.dumps(record.decision, ensure_ascii=False, indent=2) if record.decision else ""
    return page(request, "audit_entry.html", principal, record=record, details=details, decision=decision)


@router.get("/creators/{pseudonym}")
def creator(request: Request, pseudonym: str) -> Response:
    """What is known of a creator, without who it is."""
    return _creator(request, reading(request, SCOPE, UNMASKING), pseudonym)


@router.post("/creators/{pseudonym}")
def unmask(request: Request, pseudonym: str, why: Field = "", form_token: Field = "") -> Response:
    """Show once who a creator is, to who may know and says why."""
    principal, services = acting(request, form_token, UNMASKING), services_of(request)
    try:
        with services.database.transaction(principal.org) as tx:
            handle = auditing.unmask(tx, services.clock.now(), pseudonym, principal, why)
    except Unprocessable:
        return _creator(request, principal, pseudonym, why=why, short=True, status=422)
    return _creator(request, principal, pseudonym, handle=handle)


def read_filters(fields: Mapping[str, str]) -> Filters:
    """What the fields ask for. Raises Unreadable."""
    return Filters(
        since=day(fields.get("since", ""), "since", NO_DAY),
        until=end_of(fields.get("until", ""), "until", NO_DAY),
        **{name: fields.get(name, "") for name in ("actor", "action", "subject", "policy")},
    )


def _cursor(text: str) -> auditing.Cursor | None:
    parts = read_cursor(text)
    try:
        at, shard, seq = parts
        found = auditing.Cursor(at=datetime.fromisoformat(at), shard=int(shard), seq=int(seq))
    except ValueError:
        return None
    return found if found.at.tzinfo else None


def _page(
    request: Request,
    principal: Principal,
    fields: Mapping[str, str],
    *,
    found: list[auditing.Entry] | None = None,
    more: str = "",
    wrong: Unreadable | None = None,
    too_broad: bool = False,
) -> Response:
    with services_of(request).database.transaction(principal.org) as tx:
        checked = audit_checks.newest(tx)
    return page(
        request,
        "audit.html",
        principal,
        status=422 if wrong or too_broad else 200,
        here="/audit",
        fields=fields,
        query=address("", fields).removeprefix("?"),
        found=found or [],
        more=more,
        wrong=wrong,
        too_broad=too_broad,
        first=not request.query_params.get("after"),
        checked=checked,
        change=_change,
    )


def _change(entry: auditing.Entry) -> str:
    """What an entry says in a line: the plain values of its details, hashes and lists of many left out."""
    plain = {
        name: value for name, value in entry.details.items() if isinstance(value, str | int | bool) and value != ""
    }
    return ", ".join(f"{name} {value}" for name, value in plain.items() if len(str(value)) <= 48)


def _creator(request: Request, principal: Principal, pseudonym: str, *, status: int = 200, **shown: Any) -> Response:
    with services_of(request).database.transaction(principal.org) as tx:
        clips = auditing.clips_of(tx, pseudonym)
    return page(
        request,
        "creator.html",
        principal,
        status=status,
        here="/audit",
        pseudonym=pseudonym,
        clips=clips,
        may=principal.may(UNMASKING),
        shortest=SHORTEST_REASON,
        **_NOTHING | shown,
    )
