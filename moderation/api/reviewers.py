"""The routes of the queue's administration: who is dealt what, and how each queue is set up."""

from dataclasses import asdict

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse

from moderation import review
from moderation.api.auth import Admin, Services_
from moderation.api.schemas import QueueChange, ReviewerQueues
from moderation.review import Profile
from moderation.verdicts import moment

router = APIRouter(prefix="/v1", tags=["review"])


@router.get("/reviewers")
def list_reviewers(services: Services_, principal: Admin) -> Response:
    """Everybody who ever reviewed, with their code names."""
    with services.database.transaction(principal.org) as tx:
        found = review.list_reviewers(tx)
    return JSONResponse({"items": [told(profile) for profile in found]})


@router.put("/reviewers/{name}")
def give_queues(name: str, wanted: ReviewerQueues, services: Services_, principal: Admin) -> Response:
    """Say which queues a reviewer is dealt from; who never logged in nor claimed is not known yet (404)."""
    with services.database.transaction(principal.org) as tx:
        profile = review.give_queues(tx, services.clock.now(), name, wanted.queues, by=principal.principal)
    return JSONResponse(told(profile))


@router.patch("/queues/{name}")
def change_queue(name: str, wanted: QueueChange, services: Services_, principal: Admin) -> Response:
    """Change how a queue is set up; what is left out stays. 409 for retiring one in which cases wait."""
    changes = wanted.model_dump(exclude_unset=True)
    with services.database.transaction(principal.org) as tx:
        queue = review.change_queue(tx, services.clock.now(), name, changes, by=principal.principal)
    return JSONResponse(asdict(queue))


def told(profile: Profile) -> dict[str, object]:
    """A reviewer as who assigns work sees them; what they prefer for themselves is theirs."""
    return {
        "principal": profile.principal,
        "code_name": profile.code_name,
        "queues": profile.queues,
        "opted_out": profile.opted_out,
        "created_at": moment(profile.created_at),
    }
