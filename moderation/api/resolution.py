"""The C2PA Soft Binding Resolution API: from a mark, or a copy, to the manifest it lost. No key needed, rate-limited.

Paths and documents are the standard's, below `/v1/c2pa`. No answer holds personal data or a score.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any, cast

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from moderation.api.auth import Anyone, Services_
from moderation.api.rates import at_most
from moderation.api.schemas import BindingQuery, read_json
from moderation.api.uploads import kind_of, receive_body, receive_form, receive_json
from moderation.api.verify import STAFF, Turns
from moderation.errors import ModerationError
from moderation.resolution import manifests_of_binding, manifests_of_content, read_manifest
from moderation.services import Services

MANIFEST_TYPE = "application/c2pa"
MEDIA_TYPES = ("video/", "image/", "application/octet-stream", "application/mp4")
MOST_RESULTS = 100
_ASSET = {"schema": {"type": "string", "format": "binary"}}
_RESULT = {
    "type": "object",
    "required": ["matches"],
    "properties": {
        "matches": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["manifestId"],
                "properties": {"manifestId": {"type": "string"}},
            },
        }
    },
}
_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"description": "Manifests, none when nothing matches.", "content": {"application/json": {"schema": _RESULT}}}
}

router = APIRouter(prefix="/v1/c2pa", tags=["c2pa"])
Algorithm = Annotated[str, Query(max_length=200)]
MaxResults = Annotated[int, Query(alias="maxResults", ge=1)]


class NoBinding(ModerationError):
    """The value is none that this algorithm writes."""

    status = 400
    code = "invalid_binding"


@router.get("/services/supportedAlgorithms", dependencies=[Depends(at_most(120, "c2pa"))])
def supported_algorithms(services: Services_) -> Response:
    """The soft bindings this service resolves. A fingerprint alone proves nothing, so none is offered."""
    return JSONResponse({"watermarks": [{"alg": services.settings.marking.soft_binding}], "fingerprints": []})


@router.get("/matches/byBinding", dependencies=[Depends(at_most(120, "c2pa"))], responses=_ANSWERS)
def match_by_binding(
    services: Services_,
    alg: Algorithm,
    value: Annotated[str, Query(max_length=200)],
    max_results: MaxResults = 10,
) -> Response:
    """Manifests bound to a mark. `value` is base64 of the payload's 12 hex digits."""
    return _matches(_bound(services, alg, value), max_results)


@router.post(
    "/matches/byBinding",
    dependencies=[Depends(at_most(120, "c2pa"))],
    responses=_ANSWERS,
    openapi_extra={"requestBody": {"content": {"application/json": {"schema": BindingQuery.model_json_schema()}}}},
)
async def match_by_large_binding(request: Request, services: Services_, max_results: MaxResults = 10) -> Response:
    """The same, for values too long for a URL."""
    query = read_json(BindingQuery, await receive_json(request, services.settings.limits))
    found = await run_in_threadpool(lambda: _bound(services, query.alg, query.value))
    return _matches(found, max_results)


@router.post(
    "/matches/byContent",
    dependencies=[Depends(at_most(30, "verify"))],
    responses=_ANSWERS,
    openapi_extra={"requestBody": {"required": True, "content": {"video/*": _ASSET, "image/*": _ASSET}}},
)
async def match_by_content(
    request: Request,
    services: Services_,
    principal: Anyone,
    alg: Algorithm | None = None,
    max_results: MaxResults = 10,
) -> Response:
    """Manifests of the clip that a copy's marks name, where the content is that clip's. The body is the copy itself."""
    if alg is not None and alg != services.settings.marking.soft_binding:
        return _matches([], max_results)
    turns = cast("Turns", request.app.state.turns)
    staff_of = principal.org if principal is not None and principal.may(*STAFF) else None
    async with _received(request, services) as path, turns.take():
        found = await run_in_threadpool(lambda: manifests_of_content(services, path, staff_of=staff_of))
    return _matches(found, max_results)


@router.get(
    "/manifests/{manifest_id}",
    dependencies=[Depends(at_most(120, "c2pa"))],
    response_class=Response,
    responses={200: {"description": "A C2PA manifest store.", "content": {MANIFEST_TYPE: _ASSET}}},
)
def manifest(
    manifest_id: str,
    services: Services_,
    active: Annotated[bool, Query(alias="returnActiveManifest")] = False,  # noqa: FBT002 - a query's parameter
) -> Response:
    """A manifest with those of its parents, or the manifest alone. 404 once its clip was withdrawn."""
    # It can be withdrawn: a copy may be kept but must be asked for again.
    headers = {"Cache-Control": "no-cache"}
    store = read_manifest(services, manifest_id, active=active)
    return Response(store, media_type=MANIFEST_TYPE, headers=headers)


@asynccontextmanager
async def _received(request: Request, services: Services) -> AsyncIterator[Path]:
    limits = services.settings.limits
    if request.headers.get("content-type", "").startswith(MEDIA_TYPES):
        async with receive_body(request, services.scratch(), limits) as received:
            yield received.path
        return
    kind_of(request)
    async with receive_form(request, services.scratch(), limits) as received:
        yield received.path


def _bound(services: Services, alg: str, value: str) -> list[str]:
    try:
        return manifests_of_binding(services, alg, value)
    except ValueError as error:
        raise NoBinding(str(error)) from error


def _matches(manifests: Sequence[str], most: int) -> Response:
    return JSONResponse({"matches": [{"manifestId": each} for each in manifests[: min(most, MOST_RESULTS)]]})
