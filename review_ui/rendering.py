"""Pages from templates: the reader's language and direction, the session's form token. Reads no table."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import cache, partial
from importlib import resources
from typing import TYPE_CHECKING

import yaml
from fastapi import Request
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from starlette.responses import HTMLResponse, Response

from moderation.api.auth import services_of
from moderation.messages import LANGUAGES, say, say_reason
from review_ui.security import COOKIE, form_token

if TYPE_CHECKING:
    from moderation.keys import Principal

RIGHT_TO_LEFT = frozenset({"ar"})
#: Where the style sheet and the scripts are served.
STATIC_URL = "/static"
LANGUAGE_COOKIE = "countersign_language"


@cache
def texts(language: str) -> Mapping[str, str]:
    """The pages' own words in one language, by key."""
    text = resources.files("review_ui").joinpath(f"texts/{language}.yaml").read_text(encoding="utf-8")
    loaded: dict[str, str] = yaml.safe_load(text)
    return loaded


def word(language: str, key: str, **params: object) -> str:
    """One of the pages' words; raises KeyError for a key that is none."""
    return texts(language)[key].format(**params)


@cache
def environment() -> Environment:
    """The templates; unknown names are errors, everything is escaped."""
    made = Environment(
        loader=PackageLoader("review_ui"),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals["static"] = STATIC_URL
    return made


def language(request: Request) -> str:
    """The reader's language: what they chose, else the first of ours their browser asks for, else English."""
    chosen = request.cookies.get(LANGUAGE_COOKIE, "")
    wanted = [tag.partition(";")[0].strip() for tag in request.headers.get("accept-language", "").split(",")]
    primaries = [tag.partition("-")[0].lower() for tag in [chosen, *wanted]]
    return next((primary for primary in primaries if primary in LANGUAGES), "en")


def span(tongue: str, between: timedelta) -> str:
    """Write how long something is, in the largest unit of which there are two."""
    minutes = int(abs(between.total_seconds())) // 60
    if minutes < 120:
        return word(tongue, "time.minutes", n=minutes)
    hours = minutes // 60
    return word(tongue, "time.hours", n=hours) if hours < 48 else word(tongue, "time.days", n=hours // 24)


def due(tongue: str, at: datetime, now: datetime) -> str:
    """Say how long there is until a deadline, or since."""
    return word(tongue, "time.in" if at > now else "time.overdue", span=span(tongue, at - now))


def ago(tongue: str, at: datetime, now: datetime) -> str:
    """Say how long ago something was."""
    return word(tongue, "time.ago", span=span(tongue, now - at))


def page(
    request: Request, template: str, principal: "Principal | None", *, status: int = 200, **context: object
) -> Response:
    """Render one page."""
    tongue = language(request)
    services = services_of(request)
    html = (
        environment()
        .get_template(template)
        .render(
            _=partial(word, tongue),
            say=lambda key, **params: say(key, params, tongue),
            say_reason=lambda reason: say_reason(reason, tongue),
            due=partial(due, tongue),
            ago=partial(ago, tongue),
            now=services.clock.now(),
            language=tongue,
            languages=LANGUAGES,
            direction="rtl" if tongue in RIGHT_TO_LEFT else "ltr",
            principal=principal,
            form_token=form_token(services, request.cookies.get(COOKIE, "")),
            # A page that answers a form has no address to come back to.
            here=request.url.path if request.method == "GET" else "/queues",
            **context,
        )
    )
    return HTMLResponse(html, status_code=status)
