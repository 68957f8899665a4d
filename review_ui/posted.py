"""Forms as browsers post them, with a file or without: bounded as they arrive, the file on disk while it is needed."""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl

from fastapi import Request
from python_multipart.multipart import parse_options_header

from moderation.api.auth import services_of
from moderation.api.uploads import Malformed, receive_form, receive_json

MULTIPART: Final = b"multipart/form-data"


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """The fields of a form, and the file that was chosen; None when there was none, or it was too large."""

    fields: dict[str, str]
    file: Path | None = None
    too_large: bool = False


@asynccontextmanager
async def receive_posted(request: Request, names: Collection[str]) -> AsyncIterator[Posted]:
    """Receive a form of these fields and at most one `file`, which is gone after the block.

    A file that is too large takes no field with it, where it stands last in its form.
    Raises Malformed, Stalled, TooLarge for fields.
    """
    services = services_of(request)
    limits, kind = services.settings.limits, parse_options_header(request.headers.get("content-type"))[0]
    if kind != MULTIPART:
        said = parse_qsl(_text(await receive_json(request, limits)), keep_blank_values=True)
        yield Posted(fields={name: lines(value) for name, value in said if name in names})
        return
    async with receive_form(
        request, services.scratch(), limits, frozenset(names), needs_file=False, patient=True
    ) as received:
        fields = {name: lines(_text(value)) for name, value in received.texts.items()}
        # A browser sends an empty file where none was chosen.
        whole = received.size and not received.too_large
        yield Posted(fields=fields, file=received.path if whole else None, too_large=received.too_large)


def _text(sent: bytes) -> str:
    try:
        return sent.decode()
    except UnicodeDecodeError as error:
        raise Malformed("a form is sent as UTF-8") from error


def lines(text: str) -> str:
    """Lines end in two characters when browsers send them, and in one where they count them."""
    return text.replace("\r\n", "\n")
