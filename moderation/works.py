"""Works and characters that rights holders keep out: pictures known again by fingerprint, names looked for in texts.

A fingerprint knows a picture again, cut or recoloured a little; the same character drawn anew it does not. Each work is
a hash list of its own, so that what was released before it was registered is compared with it too.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from detectors.names import fit
from moderation import audit, consent
from moderation.db import Transaction, queries
from moderation.errors import NotFound, RefusedAtTheDoor, TooLarge, Unprocessable
from moderation.hashlists import lists
from moderation.hashlists.formats import Entry, Kind
from moderation.hashlists.prints import QUALITY, hash_luma
from moderation.ids import new_id
from watermark.fingerprint import SIDE

if TYPE_CHECKING:
    from moderation.services import Services

SQL = queries("works")
MOST_PICTURES: Final = 200
MOST_NAMES: Final = 50
LONGEST: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """A registered work or character. Its names are no personal data and lie open."""

    work_id: str
    person_id: str
    title: str
    names: list[str]
    #: Pictures it is known again by; without any it is looked for by its names alone.
    pictures: int
    created_at: datetime


def add_work(
    services: "Services",
    org: str,
    holder: str,
    *,
    title: str,
    names: Sequence[str] = (),
    pictures: Sequence[Path] = (),
    by: str,
) -> str:
    """Register a work of a rights holder; `pictures` are PNG, JPEG or WebP files, the title is among its names.

    Whatever is judged from the commit on is compared with it, and released clips soon after. Raises NotFound for a
    holder who is none, Unprocessable for a picture or name that cannot be told apart from others.
    """
    wanted = _names(title, names)
    entries = _entries(services, pictures)
    now, work = services.clock.now(), new_id("work")
    with services.database.transaction(org) as tx:
        _demand_holder(tx, holder)
        made = lists.create_list(tx, now, name=work, category=lists.Category.WORKS, source=holder, by=by)
        if entries:
            lists.add_entries(tx, now, work, [Entry(**entry, item=work) for entry in entries], by=by)  # type: ignore[arg-type]
        row = {"org": org, "work": work, "person": holder, "list": made, "title": title.strip(), "names": wanted}
        tx.pg.execute(SQL.insert_work, {**row, "pictures": len(entries), "now": now})
        consent.touch_gallery(tx, holder)
        audit.record(tx, now, by, "work.added", work, holder=holder, pictures=len(entries), names=len(wanted))
    return work


def withdraw_work(services: "Services", org: str, work: str, *, by: str, holder: str | None = None) -> None:
    """Look for a work, of `holder` where one is named, no longer. Twice changes nothing. Raises NotFound."""
    now = services.clock.now()
    with services.database.transaction(org) as tx:
        row = tx.pg.execute(SQL.work_locked, {"work": work}).fetchone()
        if row is None or holder not in {None, row[0]}:
            raise NotFound(f"there is no work {work}")
        if row[2] is not None:
            return
        tx.pg.execute(SQL.withdraw_work, {"work": work, "now": now})
        lists.switch_list(tx, now, row[1], enabled=False, by=by)
        consent.touch_gallery(tx, row[0])
        audit.record(tx, now, by, "work.withdrawn", work)


def list_works(tx: Transaction, holder: str | None = None) -> list[Work]:
    """The works in force of one rights holder, or of all, in the order they came."""
    return [
        Work(work_id=row[0], person_id=row[1], title=row[2], names=row[3], pictures=row[4], created_at=row[5])
        for row in tx.pg.execute(SQL.works, {"person": holder}).fetchall()
    ]


def _names(title: str, names: Sequence[str]) -> list[str]:
    wanted = list(dict.fromkeys(name.strip() for name in (title, *names)))
    if not wanted[0]:
        raise Unprocessable("a work has a title")
    if len(wanted) > MOST_NAMES or any(len(name) > LONGEST for name in wanted):
        raise Unprocessable(f"a work has at most {MOST_NAMES} names of {LONGEST} characters")
    if short := [name for name in wanted[1:] if not fit(name)]:
        raise Unprocessable(f"too short to be looked for: {', '.join(short)}")
    return wanted


def _entries(services: "Services", pictures: Sequence[Path]) -> list[dict[str, object]]:
    if len(pictures) > MOST_PICTURES:
        raise Unprocessable(f"a work has at most {MOST_PICTURES} pictures")
    entries: dict[bytes, dict[str, object]] = {}
    for number, path in enumerate(pictures, 1):
        try:
            luma = services.sandbox.picture(path, side=SIDE)
        except (RefusedAtTheDoor, TooLarge) as refusal:
            raise Unprocessable(f"picture {number} cannot be used: {refusal.message}") from refusal
        hashes, quality = hash_luma(luma)
        if quality < QUALITY:
            raise Unprocessable(f"picture {number} shows too little to be known again")
        digest = hashes[0].tobytes()
        entries[digest] = {"kind": Kind.PDQ, "hash": digest, "quality": quality}
    return list(entries.values())


def _demand_holder(tx: Transaction, holder: str) -> None:
    row = tx.pg.execute(SQL.holder, {"person": holder}).fetchone()
    if row is None:
        raise NotFound(f"there is no person {holder}")
    if row[0] != "rights_holder":
        raise Unprocessable(f"{holder} is no rights holder")
