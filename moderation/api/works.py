"""The routes of rights holders' works: reference pictures and names that are looked for. Hands no picture out again.

Pictures are looked at by the confined child and not kept; what is kept is a fingerprint each.
"""

import tempfile
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Annotated, Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from pydantic import Field
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from moderation import works
from moderation.api.auth import Services_
from moderation.api.people import Account, Keeper, OnBehalf, demand_acting
from moderation.api.schemas import Line, Strict, read_json
from moderation.api.uploads import Malformed, Unsupported, chunks, kind_of
from moderation.errors import TooLarge
from moderation.keys import Principal
from moderation.services import Services
from moderation.verdicts import moment

router = APIRouter(prefix="/v1/people/{person_id}/works", tags=["likeness"])
#: All pictures of one request together.
MOST_BYTES: Final = 32 * 1024 * 1024
MOST_METADATA: Final = 64 * 1024


class NewWork(Strict):
    """A work or character: its title and other names, in any script; the title is looked for as well."""

    on_behalf_of: Account | None = None
    title: Annotated[Line, Field(min_length=1, max_length=works.LONGEST)]
    names: Annotated[list[Line], Field(max_length=works.MOST_NAMES)] = Field([])


@router.post("", status_code=201)
async def add(person_id: str, request: Request, services: Services_, principal: Keeper) -> Response:
    """Register a work of a rights holder: multipart `metadata` (JSON), and a part `image` for each reference picture.

    At most 200 pictures, 32 MiB together: PNG, JPEG or WebP. Clips that were out before are compared as well.
    """
    if kind_of(request) != "multipart":
        raise Unsupported
    said, pictures = await read_parts(request)
    made = await run_in_threadpool(_add, services, principal, person_id, said, pictures)
    return JSONResponse(made, status_code=201, headers={"Location": f"/v1/people/{person_id}/works/{made['id']}"})


async def read_parts(request: Request) -> tuple[NewWork, list[bytes]]:
    """What is said of a work, and its pictures. Raises Malformed, TooLarge, Stalled, Invalid."""
    body = bytearray()
    async for chunk in chunks(request):
        body += chunk
        if len(body) > MOST_BYTES:
            raise TooLarge(f"a work comes with at most {MOST_BYTES} bytes", limit="work_bytes", value=MOST_BYTES)

    async def whole() -> AsyncGenerator[bytes, None]:
        yield bytes(body)

    limits = {"max_files": works.MOST_PICTURES + 1, "max_fields": 1, "max_part_size": MOST_METADATA}
    try:
        form = await MultiPartParser(request.headers, whole(), **limits).parse()
    except (MultiPartException, KeyError) as error:
        raise Malformed("the multipart body is malformed, or has more parts than a work may have") from error
    try:
        if unknown := {name for name, _ in form.multi_items()} - {"metadata", "image"}:
            raise Malformed("only parts named `metadata` and `image` are known", part=min(unknown)[:64])
        metadata = form.get("metadata")
        text = await metadata.read() if isinstance(metadata, UploadFile) else (metadata or "").encode()
        pictures = [await part.read() for part in form.getlist("image") if isinstance(part, UploadFile)]
    finally:
        await form.close()
    return read_json(NewWork, text[:MOST_METADATA], root="/metadata"), pictures


def _add(
    services: Services, principal: Principal, person: str, said: NewWork, pictures: list[bytes]
) -> dict[str, object]:
    with services.database.transaction(principal.org) as tx:
        demand_acting(tx, principal, person, said.on_behalf_of)
    with tempfile.TemporaryDirectory(dir=services.scratch()) as folder:
        paths = [Path(folder, str(number)) for number in range(len(pictures))]
        for path, picture in zip(paths, pictures, strict=True):
            path.write_bytes(picture)
        made = works.add_work(
            services,
            principal.org,
            person,
            title=said.title,
            names=said.names,
            pictures=paths,
            by=principal.principal,
        )
    return {"id": made, "person": person, "title": said.title, "pictures": len(pictures)}


@router.get("")
def list_works(person_id: str, services: Services_, principal: Keeper, on_behalf_of: OnBehalf = None) -> Response:
    """The works in force of a rights holder. Never a picture, nor its fingerprint."""
    with services.database.transaction(principal.org) as tx:
        demand_acting(tx, principal, person_id, on_behalf_of, lock=False)
        found = works.list_works(tx, person_id)
    return JSONResponse({"items": [document(work, services.works_model) for work in found], "next_cursor": None})


@router.delete("/{work_id}", status_code=204)
def withdraw(
    person_id: str, work_id: str, services: Services_, principal: Keeper, on_behalf_of: OnBehalf = None
) -> Response:
    """Look for a work no longer. 404 for one that is another holder's."""
    with services.database.transaction(principal.org) as tx:
        demand_acting(tx, principal, person_id, on_behalf_of)
    works.withdraw_work(services, principal.org, work_id, by=principal.principal, holder=person_id)
    return Response(status_code=204)


def document(work: works.Work, current: str | None) -> dict[str, object]:
    """A work as its holder's platform reads it; `current` is the network that compares, None where none does."""
    embedding = {
        "state": work.embedding(current),
        "model": work.model,
        "made_at": moment(work.embedded_at),
    }
    return {
        "id": work.work_id,
        "person": work.person_id,
        "title": work.title,
        "names": work.names,
        "pictures": work.pictures,
        "embedding": embedding,
        "created_at": moment(work.created_at),
    }
