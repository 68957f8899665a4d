"""A clip's remix tree as a page: what it was made from, what was made from it. Shows numbers, never a picture."""

from typing import Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from moderation import remixes
from moderation.api.auth import services_of
from moderation.errors import NotFound, Unprocessable
from review_ui.filters import address
from review_ui.rendering import page, words_of
from review_ui.routes import PageRoute, reading
from review_ui.search import SCOPES, STATUSES
from review_ui.translating import marked

router = APIRouter(include_in_schema=False, route_class=PageRoute)
MOST: Final = 50
WAYS: Final = {
    "declared": marked("named by its submission"),
    "payload": marked("our mark in its file"),
    "ingredient": marked("a manifest in its file"),
    "copy": marked("the same pictures"),
}


@router.get("/clips/{clip_id}/lineage")
def lineage(request: Request, clip_id: str) -> Response:
    """A page of the tree in one direction; the address says which."""
    principal, services = reading(request, *SCOPES), services_of(request)
    down = request.query_params.get("direction") == "descendants"
    direction: remixes.Direction = "descendants" if down else "ancestors"
    cursor = request.query_params.get("after", "")[:200]
    if "\0" in clip_id:
        raise NotFound
    with services.database.transaction(principal.org) as tx:
        try:
            tree = remixes.read_tree(tx, clip_id, direction, cursor=cursor, limit=MOST)
        except Unprocessable:
            # An address that somebody wrote by hand begins at the beginning.
            cursor, tree = "", remixes.read_tree(tx, clip_id, direction, limit=MOST)
    words, here = words_of(request), f"/clips/{tree.clip_id}/lineage"
    return page(
        request,
        "lineage.html",
        principal,
        here="/search",
        tree=tree,
        path=here,
        first=not cursor,
        more=address(here, {"direction": direction}, after=tree.cursor) if tree.cursor else "",
        statuses={name: words.gettext(label) for name, label in STATUSES.items()},
        ways={name: words.gettext(label) for name, label in WAYS.items()},
    )
