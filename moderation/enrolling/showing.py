"""What staff may see and hear of a sealed recording before they answer: written anew in the sandbox, under their code.

Nothing of what was handed in reaches a browser as it was; each look is in the audit log.
"""

from typing import TYPE_CHECKING, Literal

from moderation import audit
from moderation.consent.people import key_of
from moderation.db import Transaction
from moderation.enrolling import attempts
from moderation.enrolling.attempts import Enrolment
from moderation.errors import NotFound
from moderation.renditions.codes import codes

if TYPE_CHECKING:
    from moderation.services import Services

Part = Literal["pictures", "sound"]


def show(services: "Services", org: str, enrolment: str, part: Part, *, to: str, further: bool = False) -> bytes:
    """The recording's pictures, with the viewer's code over them, or its sound, as MP4. Raises NotFound when gone.

    `further` says that another piece of a file is asked for that this viewer has begun: the same look, no new one.
    """
    now, key = services.clock.now(), (enrolment, part, to)
    kept = services.looks.find(key, now)
    try:
        with services.database.transaction(org) as tx:
            found = attempts.read(tx, enrolment)
            _demand_kept(tx, found)
            if kept is None or not further:
                audit.record(tx, now, to, "enrolment.shown", found.person_id, enrolment=enrolment, part=part)
    except NotFound:
        services.looks.drop(enrolment)
        raise
    return kept or services.looks.keep(key, now, _made(services, found, part, to))


def _demand_kept(tx: Transaction, found: Enrolment) -> None:
    if found.recording is None:
        raise NotFound("the recording is deleted")
    key_of(tx, found.person_id)


def _made(services: "Services", found: Enrolment, part: Part, to: str) -> bytes:
    with services.store.scratch() as folder:
        source, target = folder / "recording", folder / "shown"
        attempts.unseal(services, found, source)
        if part == "pictures":
            services.sandbox.trace(
                source, target, codes(services, found.org_id, found.case_id or found.enrolment_id, to)
            )
        elif not services.sandbox.sound_track(source, target):
            raise NotFound("the recording has no sound")
        return target.read_bytes()
