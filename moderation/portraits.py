"""One small picture of a public figure, for whoever tells look-alikes apart; sealed with the person's key, credited.

Kept only where an importer asked for it. Of nobody but public figures: who lends their likeness agreed to no picture.
"""

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from detectors.base import Box
from moderation import audit
from moderation.consent.people import key_of, lock_person
from moderation.db import Transaction, queries
from moderation.errors import ClipFault, NotFound, RefusedAtTheDoor, TooLarge, Unprocessable
from moderation.vault import Vault

if TYPE_CHECKING:
    from moderation.services import Services

SQL = queries("portraits")
KIND: Final = "public_figure"
SIDE: Final = 240
#: Around the face's box, as a share of it on each side.
MARGIN: Final = 0.4
_READ_AT: Final = 1600
_QUALITY: Final = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Portrait:
    """The picture as JPEG, where it is from and under which licence."""

    jpeg: bytes
    source: str
    licence: str


def cut(services: "Services", path: Path, face: Box, *, source: str, licence: str) -> Portrait:
    """Cut a face out of a picture's file, decoded in the sandbox. Raises Unprocessable for one that is none."""
    try:
        pixels = services.sandbox.colours(path, long_side=_READ_AT)
    except (RefusedAtTheDoor, TooLarge, ClipFault) as refusal:
        raise Unprocessable(f"{path.name} cannot be shown: {refusal}") from refusal
    return Portrait(jpeg=_jpeg(_around(pixels, face)), source=source, licence=licence)


def _around(pixels: NDArray[np.uint8], face: Box) -> NDArray[np.uint8]:
    height, width = pixels.shape[:2]
    left, right = (face.x - MARGIN * face.width) * width, (face.x + (1 + MARGIN) * face.width) * width
    top, bottom = (face.y - MARGIN * face.height) * height, (face.y + (1 + MARGIN) * face.height) * height
    part = pixels[max(0, int(top)) : max(1, round(bottom)), max(0, int(left)) : max(1, round(right))]
    share = SIDE / max(part.shape[:2])
    size = max(1, round(part.shape[1] * share)), max(1, round(part.shape[0] * share))
    return np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_AREA), np.uint8)


def _jpeg(pixels: NDArray[np.uint8]) -> bytes:
    done, data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    if not done:
        raise Unprocessable("the portrait could not be encoded")
    return bytes(data)


def keep(tx: Transaction, vault: Vault, now: datetime, person: str, portrait: Portrait, *, by: str) -> None:
    """Keep a portrait in the place of any there was. Raises Unprocessable for who is no public figure, NotFound.

    Holds the person: an erasure comes before it, and nothing is kept, or after it and drops what was kept.
    """
    if lock_person(tx, person).kind != KIND:
        raise Unprocessable("a picture is kept of public figures only")
    wrapped = key_of(tx, person)
    credit = json.dumps({"source": portrait.source, "licence": portrait.licence}).encode()
    row = {
        "org": tx.org,
        "person": person,
        "picture": vault.seal_for(person, wrapped, portrait.jpeg, "portrait"),
        "credit": vault.seal_for(person, wrapped, credit, "portrait_credit"),
        "now": now,
    }
    tx.pg.execute(SQL.keep_portrait, row)
    audit.record(tx, now, by, "person.portrait_kept", person)


def find(tx: Transaction, vault: Vault, person: str) -> Portrait | None:
    """A person's portrait, None where none is kept."""
    row = tx.pg.execute(SQL.portrait, {"person": person}).fetchone()
    if row is None:
        return None
    picture, credit, wrapped = (bytes(part) for part in row)
    said = json.loads(vault.open_for(person, wrapped, credit, "portrait_credit"))
    return Portrait(jpeg=vault.open_for(person, wrapped, picture, "portrait"), **said)


def is_kept(tx: Transaction, person: str) -> bool:
    """Whether a picture of a person is kept."""
    (kept,) = tx.pg.execute(SQL.has_portrait, {"person": person}).fetchone() or (False,)
    return bool(kept)


def drop(tx: Transaction, now: datetime, person: str, *, by: str) -> None:
    """Keep no picture of a person any more. Raises NotFound where none was kept."""
    if tx.pg.execute(SQL.drop_portrait, {"person": person}).fetchone() is None:
        raise NotFound("no picture is kept of this person")
    audit.record(tx, now, by, "person.portrait_dropped", person)
