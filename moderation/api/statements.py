"""The route of statements of reasons: what a platform hands on to whoever made a clip."""

from typing import Annotated

from fastapi import APIRouter, Query, Response
from fastapi.responses import JSONResponse

from moderation.api.auth import Reader, Services_
from moderation.statements import read_statement

router = APIRouter(prefix="/v1/statements", tags=["clips"])


@router.get("/{clip_id}")
def read_reasons(
    clip_id: str, services: Services_, principal: Reader, lang: Annotated[str | None, Query(max_length=35)] = None
) -> Response:
    """Why a clip is restricted, for its creator: in `lang` (en, fr, ar), else the clip's. 404 when it is not."""
    return JSONResponse(read_statement(services, principal.org, clip_id, lang))
