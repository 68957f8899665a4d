"""Pages from templates: the reader's language and direction, the session's form token. Reads no table."""

from collections.abc import Mapping
from functools import cache, partial
from importlib import resources
from typing import TYPE_CHECKING

import yaml
from fastapi import Request
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from starlette.responses import HTMLResponse, Response

from moderation.api.auth import services_of
from moderation.messages import LANGUAGES, language_of, say, say_reason
from review_ui.security import form_token

if TYPE_CHECKING:
    from moderation.keys import Principal

RIGHT_TO_LEFT = frozenset({"ar"})
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
    return Environment(
        loader=PackageLoader("review_ui"),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def language(request: Request) -> str:
    """The reader's language: what they chose, else what their browser asks for, else English."""
    chosen = request.cookies.get(LANGUAGE_COOKIE)
    if chosen in LANGUAGES:
        return chosen
    wanted = request.headers.get("accept-language", "").split(",")
    return (
        next((found for tag in wanted if (found := language_of(tag.split(";")[0].strip())) != "en"), "en")
        if (not wanted[0].strip().lower().startswith("en"))
        else "en"
    )


def page(
    request: Request, template: str, principal: "Principal | None", *, status: int = 200, **context: object
) -> Response:
    """Render one page."""
    tongue = language(request)
    cookie = request.cookies.get("countersign_session", "")
    html = (
        environment()
        .get_template(template)
        .render(
            _=partial(word, tongue),
            say=lambda key, **params: say(key, params, tongue),
            say_reason=lambda reason: say_reason(reason, tongue),
            language=tongue,
            languages=LANGUAGES,
            direction="rtl" if tongue in RIGHT_TO_LEFT else "ltr",
            principal=principal,
            form_token=form_token(services_of(request), cookie) if principal else "",
            here=request.url.path,
            **context,
        )
    )
    return HTMLResponse(html, status_code=status)
