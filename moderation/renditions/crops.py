"""Faces of a clip cut out for whoever compares them with registered people: veiled, or under a running reveal.

A face is addressed by its track and kept by time and place, for another look may number the tracks otherwise.
"""

import re
from typing import TYPE_CHECKING, Any, Final, cast

from moderation import review
from moderation.db import Transaction, queries
from moderation.errors import NotFound
from moderation.scoring import Analysis

if TYPE_CHECKING:
    from moderation.services import Services

SQL = queries("records")
FACE: Final = re.compile(r"face_([0-9]{1,6})")
_KEPT: Final = re.compile(r"(revealed_)?face_(\d+)_(\d+)_(\d+)_(\d+)_(\d+)")
_PARTS: Final = 10_000


def stored_face(tx: Transaction, case: review.Case, track: int, *, veiled: bool) -> str:
    """How the crop of a face is kept, where it is biggest. Raises NotFound for one that resembles nobody registered."""
    found = tx.pg.execute(SQL.latest_analysis, {"clip": case.clip_id}).fetchone()
    faces = Analysis.from_text(found[0]).faces if found else []
    for face in faces:
        boxes = cast("list[list[Any]]", face["boxes"])
        if face["track"] == track and face["candidates"] and boxes:
            at, *box = max(boxes, key=lambda each: (each[4], -each[0]))
            place = "_".join(str(round(min(1.0, max(0.0, side)) * _PARTS)) for side in box)
            return f"{'' if veiled else 'revealed_'}face_{at}_{place}"
    raise NotFound("no face of this clip has this number and may be somebody registered")


def people_beside(tx: Transaction, case: review.Case) -> frozenset[str]:
    """Whom some face of the case's clip may be."""
    found = tx.pg.execute(SQL.latest_analysis, {"clip": case.clip_id}).fetchone()
    faces = Analysis.from_text(found[0]).faces if found else []
    return frozenset(one["person"] for face in faces for one in cast("list[dict[str, Any]]", face["candidates"]))


def is_crop(kind: str) -> bool:
    """Whether a rendition is kept as a face of a clip."""
    return _KEPT.fullmatch(kind) is not None


def cut(services: "Services", kind: str, marked_key: str) -> bytes:
    """Cut the face that a rendition's name tells out of the marked file, as JPEG."""
    told = _KEPT.fullmatch(kind)
    assert told is not None
    at, *place = (int(part) for part in told.groups()[1:])
    box = [part / _PARTS for part in place]
    with services.store.open(marked_key) as marked:
        return services.sandbox.crop(marked, at, box, veiled=told[1] is None)
