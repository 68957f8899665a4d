"""Lists of makers to whom a person allows something, made and changed on their own page; one name a line."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request
from pydantic import TypeAdapter, ValidationError
from starlette.datastructures import FormData
from starlette.responses import RedirectResponse, Response

from moderation import consent
from moderation.api.auth import services_of
from moderation.api.people import Account, Name
from moderation.owners import Owner
from moderation.revocations.rejudging import judge_clips_of
from review_ui.filters import Unreadable
from review_ui.own import entered
from review_ui.owner import own_page, signing, visiting
from review_ui.routes import PageRoute
from review_ui.translating import marked

router = APIRouter(include_in_schema=False, route_class=PageRoute)
Entered = Annotated[FormData, Depends(entered)]
_CREATORS: Final = TypeAdapter(list[Account])
_NAME: Final = TypeAdapter[str](Name)
#: As many as the API takes at once.
MOST: Final = 1000
NO_NAMES: Final = marked("Write one name a line, at most 1000, as the platform has them.")
NO_TITLE: Final = marked("Give the list a name.")


@router.get("/mine/lists")
def lists(request: Request, said: str = "") -> Response:
    """Somebody's lists and who is on them."""
    return show(request, visiting(request), said=said)


def show(
    request: Request,
    owner: Owner,
    *,
    said: str = "",
    form: FormData | None = None,
    at: str = "",
    wrong: Unreadable | None = None,
) -> Response:
    """The page; where a list `at`, or a new one, was refused, with what was typed and what is amiss."""
    services = services_of(request)
    with services.database.transaction(owner.org) as tx:
        found = consent.read_lists(tx, services.vault, owner.person)
    typed = {name: str(value) for name, value in form.items()} if form else {}
    shown = {"lists": found, "said": said, "typed": typed, "at": at, "wrong": wrong}
    return own_page(request, "mine/lists.html", owner, status=422 if wrong else 200, **shown)


@router.post("/mine/lists")
def make(request: Request, form: Entered) -> Response:
    """Make a list."""
    owner, services = signing(request, str(form.get("form_token", ""))), services_of(request)
    try:
        name, creators = _title(form), _names(form, "creators", most=MOST)
    except Unreadable as error:
        return show(request, owner, form=form, wrong=error)
    now = services.clock.now()
    with services.database.transaction(owner.org) as tx:
        consent.make_list(tx, services.vault, now, owner.person, name, by=owner.actor, creators=creators)
    return RedirectResponse("/mine/lists?said=made", status_code=303)


@router.post("/mine/lists/{list_id}")
def change(request: Request, list_id: str, form: Entered) -> Response:
    """Put makers on a list and take others off: what was typed against what was shown, not against what came since."""
    owner, services = signing(request, str(form.get("form_token", ""))), services_of(request)
    try:
        before = _names(form, "shown")
        # The API makes longer lists, call by call: they stay as long, or get shorter.
        after = _names(form, "creators", most=max(MOST, len(before)))
    except Unreadable as error:
        return show(request, owner, form=form, at=list_id, wrong=error)
    add, remove = (
        tuple(name for name in these if name not in those) for these, those in ((after, before), (before, after))
    )
    now = services.clock.now()
    with services.database.transaction(owner.org) as tx:
        consent.change_list(tx, services.vault, now, owner.person, list_id, by=owner.actor, add=add, remove=remove)
        if remove:
            judge_clips_of(tx, services.enqueuer, owner.person)
    return RedirectResponse("/mine/lists?said=changed", status_code=303)


def _names(form: FormData, field: str, *, most: int | None = None) -> tuple[str, ...]:
    """The names that stand in a field, one a line, each once. Raises Unreadable."""
    typed = (line.strip() for line in str(form.get(field, "")).splitlines())
    try:
        names = tuple(_CREATORS.validate_python(list(dict.fromkeys(line for line in typed if line))))
    except ValidationError as error:
        raise Unreadable("creators", NO_NAMES) from error
    if most is not None and len(names) > most:
        raise Unreadable("creators", NO_NAMES)
    return names


def _title(form: FormData) -> str:
    try:
        return _NAME.validate_python(" ".join(str(form.get("name", "")).split()))
    except ValidationError as error:
        raise Unreadable("name", NO_TITLE) from error
