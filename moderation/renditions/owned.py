"""What a registered person sees of a clip that shows them: a still, or the whole, always veiled, never the original."""

from typing import TYPE_CHECKING

from moderation.appearances import MATCHED, in_clip
from moderation.asking import read_question
from moderation.db import Transaction, queries
from moderation.db.clips import read_clip
from moderation.errors import Forbidden, NotFound
from moderation.registered import moment_of
from moderation.renditions.bases import demand_veiled
from moderation.renditions.personal import Rendition, media_type

if TYPE_CHECKING:
    from moderation.clips import Clip
    from moderation.services import Services

SQL = queries("renditions")


def still_for(services: "Services", org: str, person: str, clip_id: str) -> Rendition:
    """A veiled still of a clip in which this person was recognised for certain, made when it is first asked for.

    Raises NotFound where they were not, whatever its maker says, or nothing marked is kept; Forbidden for specialists'
    material.
    """
    with services.database.transaction(org) as tx:
        clip, at = _shown(tx, clip_id, person), moment_of(tx, clip_id, person)
    return _rendition(services, clip, f"still_{at}", at)


def asked_about(services: "Services", org: str, person: str, question_id: str) -> Rendition:
    """The veiled clip of a question to this person. Raises as `still_for` does."""
    with services.database.transaction(org) as tx:
        clip = _shown(tx, read_question(tx, question_id, person).clip_id, person)
    return _rendition(services, clip, "veiled", 0)


def _shown(tx: Transaction, clip_id: str, person: str) -> "Clip":
    if not any(state == MATCHED for _, state in in_clip(tx, clip_id, person)):
        raise NotFound("this person was not recognised for certain in this clip")
    clip = read_clip(tx, clip_id)
    if clip.erased_at is not None:
        raise NotFound("this clip was deleted")
    if any(only for _, only in tx.pg.execute(SQL.queues_of_clip, {"clip": clip_id}).fetchall()):
        raise Forbidden("this clip is for specialists")
    return clip


def _rendition(services: "Services", clip: "Clip", kind: str, at: int) -> Rendition:
    key, size = demand_veiled(services, clip, kind, at)
    return Rendition(key=key, size=size, media_type=media_type(kind))
