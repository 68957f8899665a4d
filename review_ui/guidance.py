"""A policy's guidance for people, from `policies/<area>/guidance.<language>.md`, as safe HTML. Knows no rules.

Of Markdown only what these texts use: a heading, paragraphs, lists, bold, code. Everything else is shown as it stands.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from markupsafe import Markup, escape

from moderation.policy.actions import NAME

FALLBACK: Final = "en"
_BOLD: Final = re.compile(r"\*\*(.+?)\*\*")
_CODE: Final = re.compile(r"`(.+?)`")
_BULLET: Final = re.compile(r"[-*] ")


@dataclass(frozen=True, slots=True, kw_only=True)
class Guidance:
    """One area's text; `language` is the one it is written in, which may not be the reader's."""

    area: str
    title: str
    body: Markup
    language: str


def read_guidance(folder: Path, area: str, language: str) -> Guidance | None:
    """The guidance of an area in a language, in English where there is none, None where there is none at all."""
    if not NAME.fullmatch(area):
        return None
    for tongue in dict.fromkeys((language, FALLBACK)):
        path = folder / area / f"guidance.{tongue}.md"
        if path.is_file():
            title, body = render_guidance(path.read_text(encoding="utf-8"))
            return Guidance(area=area, title=title, body=body, language=tongue)
    return None


def render_guidance(text: str) -> tuple[str, Markup]:
    """The title and the body of a guidance text."""
    blocks = [block.strip() for block in re.split(r"\n\s*\n", text.strip())]
    title = blocks.pop(0).lstrip("# ") if blocks and blocks[0].startswith("# ") else ""
    return title, Markup("\n").join(_block(block) for block in blocks if block)


def _block(block: str) -> Markup:
    lines = block.splitlines()
    if all(_BULLET.match(line) for line in lines):
        items = Markup().join(Markup("<li>{}</li>").format(_inline(line[2:])) for line in lines)
        return Markup("<ul>{}</ul>").format(items)
    return Markup("<p>{}</p>").format(Markup("<br>").join(map(_inline, lines)))


def _inline(line: str) -> Markup:
    # Escaped first, so that only our own tags are tags.
    safe = _CODE.sub(r"<code>\1</code>", str(escape(line)))
    return Markup(_BOLD.sub(r"<strong>\1</strong>", safe))  # noqa: S704 (escaped above)
