"""Search: clips by what is known of them, apart from the queue. Shows words and numbers, never a picture."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Final
from urllib.parse import parse_qsl

from fastapi import APIRouter, Form, Request
from starlette.responses import Response

from moderation import searching
from moderation.api.auth import services_of
from moderation.clips import Status
from moderation.keys import Principal
from moderation.policy.registry import REASONS, REASONS_OF_PEOPLE
from moderation.searching import Filters, Found, TooBroad
from review_ui.filters import Unreadable, address, attachment, day, end_of, read_cursor, said, write_cursor
from review_ui.rendering import page, words_of
from review_ui.routes import PageRoute, acting, reading
from review_ui.security import Field
from review_ui.translating import marked

router = APIRouter(include_in_schema=False, route_class=PageRoute)
SCOPES: Final = ("review", "specialist", "audit")
FIELDS: Final = ("number", "words", "status", "queue", "reason", "rule", "policy", "person", "since", "until")
#: Fields that are folded away until one of them says something.
RARE: Final = ("reason", "rule", "policy", "person", "since", "until")
#: What a number begins with, and the filter that it is.
NUMBERS: Final = {"clip": "clip", "case": "case", "cr": "creator"}
STATUSES: Final = {
    "received": marked("Received"),
    "processing": marked("In processing"),
    "held": marked("Held"),
    "in_review": marked("In review"),
    "released": marked("Released"),
    "withheld": marked("Withheld"),
    "withdrawn": marked("Withdrawn"),
    "refused": marked("Refused"),
}
#: Who decides besides people.
DECIDERS: Final = {"rule": marked("a rule"), "system": marked("the system")}
NO_NUMBER: Final = marked("Write the number of a clip (clip_…), a case (case_…) or a creator (cr_…).")
NO_DAY: Final = marked("Write a day as 2026-11-22.")


@router.get("/search")
def search(request: Request) -> Response:
    """A page of clips; the address says which."""
    principal = reading(request, *SCOPES)
    fields = said(request.query_params, FIELDS)
    try:
        filters = read_filters(fields)
        found, following = _found(request, principal, filters)
    except Unreadable as error:
        return _page(request, principal, fields, wrong=error)
    except TooBroad:
        return _page(request, principal, fields, too_broad=True)
    more = (
        address("/search", fields, after=write_cursor(following.at.isoformat(), following.after)) if following else ""
    )
    return _page(request, principal, fields, found=found, more=more)


@router.post("/search/export")
def export(
    request: Request, form: Annotated[str, Form()] = "csv", asked: Field = "", form_token: Field = ""
) -> Response:
    """All that a search finds as a file; the audit log says who took it."""
    principal = acting(request, form_token, *SCOPES)
    fields = said(dict(parse_qsl(asked)), FIELDS)
    try:
        found = searching.export(services_of(request), read_filters(fields), principal)
    except Unreadable as error:
        return _page(request, principal, fields, wrong=error)
    except TooBroad:
        return _page(request, principal, fields, too_broad=True)
    return attachment("clips", [_row(each) for each in found], as_csv=form == "csv")


def read_filters(fields: Mapping[str, str]) -> Filters:
    """What the fields ask for. Raises Unreadable."""
    number = fields.get("number", "")
    kind = NUMBERS.get(number.partition("_")[0], "")
    if number and not (kind and number.partition("_")[2]):
        raise Unreadable("number", NO_NUMBER)
    plain = {name: fields.get(name, "") for name in ("words", "status", "queue", "reason", "rule", "policy", "person")}
    return Filters(
        clip=number if kind == "clip" else "",
        case=number if kind == "case" else "",
        creator=number if kind == "creator" else "",
        since=day(fields.get("since", ""), "since", NO_DAY),
        until=end_of(fields.get("until", ""), "until", NO_DAY),
        **plain,
    )


def _found(request: Request, principal: Principal, filters: Filters) -> tuple[list[Found], searching.Cursor | None]:
    services = services_of(request)
    with services.database.transaction(principal.org) as tx:
        after = _cursor(request.query_params.get("after", ""))
        return searching.search(tx, services.clock.now(), filters, principal, after)


def _cursor(text: str) -> searching.Cursor | None:
    """Where the page before ended; an address that somebody wrote by hand begins at the beginning."""
    parts = read_cursor(text)
    if len(parts) != 2:
        return None
    try:
        at = datetime.fromisoformat(parts[0])
    except ValueError:
        return None
    return searching.Cursor(at=at, after=parts[1]) if at.tzinfo else None


def _page(
    request: Request,
    principal: Principal,
    fields: Mapping[str, str],
    *,
    found: list[Found] | None = None,
    more: str = "",
    wrong: Unreadable | None = None,
    too_broad: bool = False,
) -> Response:
    services = services_of(request)
    with services.database.transaction(principal.org) as tx:
        queues = searching.queue_names(tx, principal)
    return page(
        request,
        "search.html",
        principal,
        status=422 if wrong or too_broad else 200,
        here="/search",
        fields=fields,
        query=address("", fields).removeprefix("?"),
        found=found or [],
        more=more,
        wrong=wrong,
        too_broad=too_broad,
        first=not request.query_params.get("after"),
        statuses={name: words_of(request).gettext(STATUSES[name]) for name in Status},
        deciders={name: words_of(request).gettext(label) for name, label in DECIDERS.items()},
        queues=queues,
        reasons=_reasons(principal),
        rare=any(name in fields for name in RARE),
    )


def _reasons(principal: Principal) -> list[str]:
    """The codes that this reader may ask for."""
    hidden = frozenset() if principal.may("specialist") else searching.SPECIALISTS_REASONS
    return [code for code in (*REASONS, *REASONS_OF_PEOPLE) if code not in hidden]


def _row(found: Found) -> dict[str, object]:
    """A clip as exports write it."""
    return {
        "clip": found.clip_id,
        "received_at": found.created_at.isoformat(),
        "status": found.status,
        "outcome": found.outcome,
        "reasons": list(found.reasons),
        "rules": list(found.rules),
        "policy_version": found.policy,
        "decided_by": found.decided_by,
        "decided_at": found.decided_at.isoformat() if found.decided_at else None,
        "case": found.case_id,
        "queue": found.queue,
        "creator": found.creator,
        "words": found.words,
    }
