"""Which clip a notice means: our id, a mark's payload, or an address of the platform; found, never guessed."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from moderation.db import queries
from moderation.errors import Unprocessable
from moderation.ids import is_id

if TYPE_CHECKING:
    from moderation.services import Services

SQL = queries("clips")
_PAYLOAD: Final = re.compile(r"[0-9a-f]{12}")
#: What a template's place for the clip may stand for.
_NAMES: Final = {"clip": r"(?P<name>clip_[0-9a-f]{32})", "payload": r"(?P<name>[0-9a-f]{12})"}


class Unidentified(Unprocessable):
    """No clip of ours is named here: send its number, the number of its mark, its address, or a copy."""

    code = "clip_not_identified"


class Unmarked(Unidentified):
    """No mark of ours was found in this copy; send the number of the clip instead."""


class Differs(Unidentified):
    """The copy is of another clip than the one that is named; send one of the two."""

    code = "copy_of_another_clip"


def name_in(text: str, templates: Sequence[str]) -> str | None:
    """The clip id or payload that a text is, or holds by one of the templates; None when it is neither.

    A template is an address with one place, `https://clips.example/v/{clip}` or `.../{payload}`; what follows in the
    text after it, behind `?`, `#` or `/`, does not matter.
    """
    said = text.strip()
    if is_id("clip", said) or _PAYLOAD.fullmatch(said.lower()):
        return said.lower()
    for template in templates:
        before, place, after = _parts(template)
        found = re.match(f"{re.escape(before)}{_NAMES[place]}{re.escape(after)}(?=$|[?#/])", said) if place else None
        if found:
            return found["name"]
    return None


def _parts(template: str) -> tuple[str, str, str]:
    for place in _NAMES:
        before, found, after = template.partition(f"{{{place}}}")
        if found:
            return before, place, after
    return template, "", ""


def find_clip(services: "Services", material: str, *, org: str | None = None) -> tuple[str, str]:
    """Organisation and id of the clip that a notice's `material` names; of `org` alone when given.

    Raises Unidentified.
    """
    name = name_in(material, services.settings.notices.share_urls)
    if name is None:
        raise Unidentified
    by_clip = name.startswith("clip_")
    with services.database.system_transaction() as tx:
        statement = SQL.clip_of_marked if by_clip else SQL.clip_of_payload
        found = tx.pg.execute(statement, {"payload": name}).fetchone()
    if found is None or org not in {None, found[0]}:
        raise Unidentified
    return str(found[0]), str(found[1])
