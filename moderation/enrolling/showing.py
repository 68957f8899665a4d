"""What staff may see and hear of a sealed recording before they answer: written anew in the sandbox, under their code.

Nothing of what was handed in reaches a browser as it was; each look is in the audit log.
"""

from typing import TYPE_CHECKING, Literal

from moderation import audit
from moderation.enrolling import attempts
from moderation.errors import NotFound
from moderation.renditions.codes import codes

if TYPE_CHECKING:
    from moderation.services import Services

Part = Literal["pictures", "sound"]


def show(services: "Services", org: str, enrolment: str, part: Part, *, to: str) -> bytes:
    """The recording's pictures, with the viewer's code over them, or its sound, as MP4. Raises NotFound when gone."""
    with services.database.transaction(org) as tx:
        found = attempts.read(tx, enrolment)
        audit.record(tx, services.clock.now(), to, "enrolment.shown", found.person_id, enrolment=enrolment, part=part)
    with services.store.scratch() as folder:
        source, target = folder / "recording", folder / "shown"
        attempts.unseal(services, found, source)
        if part == "pictures":
            services.sandbox.trace(source, target, codes(services, org, found.case_id or enrolment, to))
        elif not services.sandbox.sound_track(source, target):
            raise NotFound("the recording has no sound")
        return target.read_bytes()
