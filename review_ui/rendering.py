"""Pages and fragments from templates: the reader's language, direction and keys, the form token. Reads no table."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache, partial
from typing import TYPE_CHECKING

from fastapi import Request
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup
from starlette.responses import HTMLResponse, RedirectResponse, Response

from moderation.api.auth import services_of
from moderation.audit_checks import is_broken
from moderation.errors import Unauthorised
from moderation.messages import LANGUAGES, catalogue, say, say_reason
from moderation.sessions import read_session
from review_ui.desk import Desk, read_desk
from review_ui.keymap import KeyMap, clashes
from review_ui.navigation import places
from review_ui.security import form_token, nonce, session_cookie
from review_ui.translating import OWN_NAMES, Words, words

if TYPE_CHECKING:
    from moderation.keys import Principal

#: Where the style sheet and the scripts are served.
STATIC_URL = "/static"
LANGUAGE_COOKIE = "countersign_language"


@dataclass(frozen=True, slots=True, kw_only=True)
class Toast:
    """A short message that goes away: what was done, and for `seconds` a form at `path` that undoes it."""

    text: str
    path: str = ""
    label: str = ""
    #: Hidden fields of that form.
    fields: tuple[tuple[str, str], ...] = ()
    seconds: int = 8


@cache
def environment(language: str) -> Environment:
    """The templates in one language; unknown names are errors, everything is escaped."""
    made = Environment(
        loader=PackageLoader("review_ui"),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    tongue = words(language)
    made.install_gettext_callables(  # type: ignore[attr-defined]
        tongue.plain, tongue.plain_plural, newstyle=True, pgettext=tongue.plain_in_context
    )
    made.globals["static"] = STATIC_URL
    made.globals["brand"] = "Countersign"
    return made


def language(request: Request, kept: str = "") -> str:
    """The reader's language: what they chose here or, `kept`, elsewhere, else what the browser asks for, or English."""
    chosen = request.cookies.get(LANGUAGE_COOKIE, "") or kept
    wanted = [tag.partition(";")[0].strip() for tag in request.headers.get("accept-language", "").split(",")]
    primaries = [tag.partition("-")[0].lower() for tag in [chosen, *wanted]]
    return next((primary for primary in primaries if primary in LANGUAGES), "en")


def words_of(request: Request) -> Words:
    """The words in the reader's language."""
    return words(language(request))


def queue_name(tongue: Words, name: str) -> str:
    """What a queue is called; one that an organisation set up itself by the name it was given."""
    key = f"queue.{name}"
    return say(key, {}, tongue.language) if key in catalogue(tongue.language) else name.replace("_", " ")


def span(tongue: Words, between: timedelta) -> str:
    """Write how long something is, in the largest unit of which there are two."""
    minutes = int(abs(between.total_seconds())) // 60
    if minutes < 120:
        return tongue.gettext("%(n)s min", n=minutes)
    hours = minutes // 60
    return tongue.gettext("%(n)s h", n=hours) if hours < 48 else tongue.gettext("%(n)s d", n=hours // 24)


def due(tongue: Words, at: datetime, now: datetime) -> str:
    """Say how long there is until a deadline, or since."""
    if at > now:
        return tongue.gettext("in %(span)s", span=span(tongue, at - now))
    return tongue.gettext("overdue by %(span)s", span=span(tongue, at - now))


def ago(tongue: Words, at: datetime, now: datetime) -> str:
    """Say how long ago something was."""
    if timedelta(0) <= now - at < timedelta(minutes=1):
        return tongue.gettext("just now")
    return tongue.gettext("%(span)s ago", span=span(tongue, now - at))


def seen_for(day_ms: int) -> Markup:
    """Write how long somebody looked, in minutes and seconds; a script that hears of more writes it anew."""
    seconds = day_ms // 1000
    return Markup('<bdi id="unveiled">{}:{:02}</bdi>').format(seconds // 60, seconds % 60)


def wants_fragment(request: Request) -> bool:
    """Whether htmx asks for a part of the page that it has, not for a page of its own."""
    asked = request.headers
    return asked.get("hx-request") == "true" and asked.get("hx-history-restore-request") != "true"


def page(
    request: Request,
    template: str,
    principal: "Principal | None",
    *,
    status: int = 200,
    fragment: str | None = None,
    toast: Toast | None = None,
    desk: Desk | None = None,
    **context: object,
) -> Response:
    """Render a page; where htmx asks, only the template `fragment`, which the page includes, and the toast.

    The reviewer's desk is read unless it is given, as where the database may be away.

    Every htmx element of a template carries `hx-nonce="{{ nonce }}"`, or the browser strips what makes it one.
    """
    partial_ = fragment is not None and wants_fragment(request)
    values = {**_frame(request, principal, desk), "status": status, "toast": toast, **context}
    templates = environment(str(values["language"]))
    html = templates.get_template(fragment if partial_ and fragment else template).render(values)
    if partial_ and toast is not None:
        html += templates.get_template("toasts.html").render(values)
    return HTMLResponse(html, status_code=status)


def see_other(request: Request, path: str) -> Response:
    """Send the browser to another page, whether a plain form or htmx asked."""
    if wants_fragment(request):
        return Response(status_code=200, headers={"HX-Redirect": path})
    return RedirectResponse(path, status_code=303)


def _frame(request: Request, principal: "Principal | None", given: Desk | None) -> dict[str, object]:
    """What every template may use."""
    desk = given or (read_desk(request, principal) if principal else Desk())
    services, chosen = services_of(request), desk.preferences
    tongue = words(language(request, chosen.language))
    keys = KeyMap(chosen={} if clashes(chosen.keys) else chosen.keys, on=chosen.keys_on)
    return {
        "say": lambda key, **params: say(key, params, tongue.language),
        "say_reason": lambda reason: say_reason(reason, tongue.language),
        "isolated": Markup("<bdi>{}</bdi>").format,
        "seen_for": seen_for,
        "queue_name": partial(queue_name, tongue),
        "due": partial(due, tongue),
        "ago": partial(ago, tongue),
        "span": partial(span, tongue),
        "now": services.clock.now(),
        "standing": desk.standing,
        "rest_due": desk.rest_due(services.clock.now()),
        "language": tongue.language,
        "languages": OWN_NAMES,
        "direction": tongue.direction if chosen.direction == "auto" else chosen.direction,
        "preferences": chosen,
        "principal": principal,
        "places": places(request.app.state.page_paths, principal) if principal else [],
        "keys": keys,
        "key": keys.attributes,
        "kbd": keys.hint,
        "nonce": nonce(request),
        "form_token": form_token(services, session_cookie(request)),
        "known_as": _known_as(request) if principal else "",
        "chain_broken": principal is not None and _chain_broken(request, principal),
        # A page that answers a form has no address to come back to.
        "here": request.url.path if request.method == "GET" else "/queues",
        "home": home_of(request),
    }


def home_of(request: Request) -> str:
    """Where a visitor of this page begins: people at their own page are no reviewers, nor is who gives notice."""
    path = request.url.path
    return "/mine" if path.startswith("/mine") else "/notice" if path.startswith(("/notice", "/appeal")) else "/queues"


def _known_as(request: Request) -> str:
    """What colleagues call the reader."""
    try:
        return read_session(services_of(request), session_cookie(request)).code_name
    except Unauthorised:
        return ""


def _chain_broken(request: Request, principal: "Principal") -> bool:
    """Whether a lead must be warned. Not asked where the session was not: there the database may be away."""
    asked = getattr(request.state, "principal", None) is not None
    return asked and principal.may("audit", "admin") and is_broken(services_of(request), principal.org)
