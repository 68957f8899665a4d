"""The route of a clip's remix tree: what it was made from, what was made from it. Never who made those."""

from dataclasses import asdict
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response
from fastapi.responses import JSONResponse

from moderation import remixes
from moderation.api.auth import Reader, Services_

router = APIRouter(prefix="/v1/clips", tags=["clips"])


@router.get("/{clip_id}/lineage")
def read_lineage(
    clip_id: str,
    services: Services_,
    principal: Reader,
    *,
    direction: Annotated[Literal["ancestors", "descendants"], Query()] = "ancestors",
    cursor: Annotated[str, Query(max_length=200)] = "",
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Response:
    """What a clip was made from, or what was made from it, nearest generation first; `next_cursor` is empty at the end.

    Each clip stands once, where it is nearest. `edges` say through which clip of the generation before, and how that is
    known: `declared`, `payload` (our mark), `ingredient` (a manifest), `copy` (the same pictures).
    """
    with services.database.transaction(principal.org) as tx:
        tree = remixes.read_tree(tx, clip_id, direction, cursor=cursor, limit=limit)
    return JSONResponse(document(tree))


def document(tree: remixes.Tree) -> dict[str, object]:
    """A page of the tree as JSON."""
    items = [
        {
            "id": each.clip_id,
            "generation": each.generation,
            "status": each.status,
            "edges": [{"clip": clip, "how": how} for clip, how in each.edges],
        }
        for each in tree.relatives
    ]
    said = asdict(tree)
    parts = ("direction", "count", "generations", "whole")
    known = {"clip_id": tree.clip_id, "status": tree.status, **{part: said[part] for part in parts}}
    return known | {"unknown_parents": tree.unknown, "items": items, "next_cursor": tree.cursor or None}
