"""The released file over HTTP: ranges, validators, and nothing before release or after withdrawal (RFC 9110)."""

import re
from collections.abc import Iterator
from itertools import chain
from typing import Annotated

from fastapi import APIRouter, Header, Request, Response
from fastapi.responses import StreamingResponse

from moderation import release
from moderation.api.auth import Reader, Services_
from moderation.errors import ModerationError
from moderation.store import Store

MEDIA_TYPE = "video/mp4"
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")

router = APIRouter(prefix="/v1/clips", tags=["clips"])


class NotThere(ModerationError):
    """The file has no byte in the requested range."""

    status = 416
    code = "range_not_satisfiable"


@router.head("/{clip_id}/media", include_in_schema=False)
@router.get("/{clip_id}/media", response_class=Response)
def media(
    clip_id: str,
    request: Request,
    services: Services_,
    principal: Reader,
    *,
    range_: Annotated[str | None, Header(alias="range")] = None,
    if_range: Annotated[str | None, Header()] = None,
    if_none_match: Annotated[str | None, Header()] = None,
) -> Response:
    """The marked, signed file. 409 until its release, 410 after its withdrawal, 451 while a notice stops it."""
    key, sha256, size = release.media(services, principal.org, clip_id)
    tag = f'"{sha256}"'
    if if_none_match is not None and named(if_none_match, tag):
        return Response(status_code=304, headers=validators(tag))
    wanted = None
    if range_ is not None and if_range in {None, tag}:
        wanted = parse_range(range_, size)
    return send_blob(services.store, key, size, wanted, head=request.method == "HEAD", headers=validators(tag))


def validators(tag: str) -> dict[str, str]:
    """A file may be kept by its reader but must be asked for again: it can be withdrawn."""
    return {"ETag": tag, "Cache-Control": "private, no-cache", "Accept-Ranges": "bytes"}


def send_blob(
    store: Store,
    key: str,
    size: int,
    wanted: tuple[int, int] | None,
    *,
    head: bool,
    headers: dict[str, str],
    media_type: str = MEDIA_TYPE,
) -> Response:
    """A blob, or bytes `wanted` (start included, end excluded) of it, as a response."""
    start, end = wanted or (0, size)
    status, described = _described(size, wanted, headers)
    if head:
        return Response(status_code=status, headers=described, media_type=media_type)
    return StreamingResponse(
        begun(store.stream(key, start, end)), status_code=status, headers=described, media_type=media_type
    )


def send_bytes(
    body: bytes, wanted: tuple[int, int] | None, *, head: bool, headers: dict[str, str], media_type: str
) -> Response:
    """What lies in memory, or a part of it, answered as a blob is."""
    start, end = wanted or (0, len(body))
    status, described = _described(len(body), wanted, headers)
    content = b"" if head else body[start:end]
    return Response(content, status_code=status, headers=described, media_type=media_type)


def _described(size: int, wanted: tuple[int, int] | None, headers: dict[str, str]) -> tuple[int, dict[str, str]]:
    if wanted is None:
        return 200, {**headers, "Content-Length": str(size)}
    start, end = wanted
    length = {"Content-Length": str(end - start), "Content-Range": f"bytes {start}-{end - 1}/{size}"}
    return 206, {**headers, **length}


def begun(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """The same chunks, the first read already: a missing blob is an answer of its own, not a broken stream."""
    first = next(chunks, b"")
    return chain([first], chunks)


def parse_range(said: str, size: int) -> tuple[int, int] | None:
    """One byte range as start and excluded end; None for what may be ignored. Raises NotThere."""
    found = _RANGE.fullmatch(said.replace(" ", ""))
    if found is None or not (found[1] or found[2]):
        return None
    if not found[1]:
        start, end = max(size - int(found[2]), 0), size
    else:
        start, end = int(found[1]), min(int(found[2]) + 1 if found[2] else size, size)
        if found[2] and int(found[2]) < start:
            return None
    if start >= min(end, size):
        raise NotThere(size=size)
    return start, end


def named(said: str, tag: str) -> bool:
    """Tell whether an If-None-Match names this entity tag."""
    tags = {each.strip().removeprefix("W/") for each in said.split(",")}
    return "*" in tags or tag in tags
