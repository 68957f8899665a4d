"""The route of a person's own page: a platform asks for a link for whom it logged in as that person."""

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from moderation import owners
from moderation.api.auth import Registrar, Services_
from moderation.api.people import demand_acting
from moderation.api.schemas import OwnerLink
from moderation.verdicts import moment

router = APIRouter(prefix="/v1/people", tags=["likeness"])


@router.post("/{person_id}/links", status_code=201)
def make_link(
    person_id: str, request: Request, services: Services_, principal: Registrar, wanted: OwnerLink | None = None
) -> Response:
    """A link to the person's own page, for them alone: it opens once, within 15 minutes, and is not shown again.

    Whoever opens it sees where they appear and can take everything back; hand it out only to whom you know to be this
    person. `on_behalf_of` names their account at your platform; for who has none it takes staff (scope `admin`).
    """
    behalf = wanted.on_behalf_of if wanted else None
    now = services.clock.now()
    with services.database.transaction(principal.org) as tx:
        demand_acting(tx, principal, person_id, behalf)
        link = owners.make_link(tx, now, person_id, by=principal.principal, on_behalf_of=behalf)
    url = link.address(services.settings.url or str(request.base_url))
    told = {"id": link.link_id, "url": url, "expires_at": moment(link.expires_at)}
    return JSONResponse(told, status_code=201)
