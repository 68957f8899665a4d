"""Works and characters that rights holders keep out: pictures known again by fingerprint, names looked for in texts.

A fingerprint knows a picture again, cut or recoloured a little; the same character drawn anew it does not: the
optional pack's network may. Each work is a hash list of its own, so that what was released before is compared too.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
from numpy.typing import NDArray

from detectors.names import fit
from moderation import audit, consent, references
from moderation.db import Transaction, queries, rows
from moderation.errors import NotFound, RefusedAtTheDoor, TooLarge, Unprocessable
from moderation.hashlists import lists
from moderation.hashlists.formats import Entry, Kind
from moderation.hashlists.prints import QUALITY, hash_luma
from moderation.ids import new_id
from watermark.fingerprint import SAME_PICTURE, SIDE, distance

if TYPE_CHECKING:
    from moderation.services import Services

SQL = queries("works")
MOST_PICTURES: Final = 200
MOST_NAMES: Final = 50
LONGEST: Final = 200
#: `stale`: by weights that are no longer in use.
Embedding = Literal["measured", "stale", "not_measured"]


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
    #: Which network, with its weights, saw the pictures, and when; None where none did.
    model: str | None
    embedded_at: datetime | None

    def embedding(self, current: str | None) -> Embedding:
        """What a comparison by embedding is worth while `current` is the network in use, None where none is."""
        if current is None or self.model is None:
            return "not_measured"
        return "measured" if self.model == current else "stale"


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
    seen = references.embed(services, _colours(services, pictures))
    now, work = services.clock.now(), new_id("work")
    with services.database.transaction(org) as tx:
        _demand_holder(tx, holder)
        made = lists.create_list(tx, now, name=work, category=lists.Category.WORKS, source=holder, by=by)
        if entries:
            lists.add_entries(tx, now, work, [Entry(**entry, item=work) for entry in entries], by=by)  # type: ignore[arg-type]
        row = {"org": org, "work": work, "person": holder, "list": made, "title": title.strip(), "names": wanted}
        tx.pg.execute(SQL.insert_work, {**row, "pictures": len(entries), "now": now})
        if seen is not None:
            references.keep(tx, org, work, seen, now)
        consent.touch_gallery(tx, holder)
        audit.record(tx, now, by, "work.added", work, holder=holder, pictures=len(entries), names=len(wanted))
    return work


def embed_again(services: "Services", org: str, work: str, pictures: Sequence[Path], *, by: str) -> int:
    """Show a work's pictures to the network in use, in the place of what another saw; returns how many.

    The pictures are not kept, so they are brought again: all that are registered and no other. Raises NotFound, and
    Unprocessable for another picture, where one is missing or where no network compares.
    """
    if services.works_model is None:
        raise Unprocessable("no network compares pictures of works: it takes the GPU pack with its model pinned")
    prints = [bytes(entry["hash"]) for entry in _entries(services, pictures)]  # type: ignore[call-overload]
    if not prints:
        raise Unprocessable("a work is seen by its pictures, and none was given")
    seen = references.embed(services, _colours(services, pictures))
    now = services.clock.now()
    with services.database.transaction(org) as tx:
        row = tx.pg.execute(SQL.work_locked, {"work": work}).fetchone()
        if row is None or row[2] is not None:
            raise NotFound(f"there is no work {work}")
        demand_registered(tx, row[1], prints)
        assert seen is not None
        references.keep(tx, org, work, seen, now)
        consent.touch_gallery(tx, row[0])
        audit.record(tx, now, by, "work.embedded", work, model=seen.model, pictures=len(pictures))
    return len(pictures)


def demand_registered(tx: Transaction, list_id: str, prints: Sequence[bytes]) -> None:
    """Raises Unprocessable unless these prints are of all the pictures of a work's list, and of no other."""
    known = [bytes(row[0]) for row in tx.pg.execute(SQL.prints_of, {"list": list_id}).fetchall()]
    held, brought = (np.array([list(each) for each in some], np.uint8).reshape(-1, 32) for some in (known, prints))
    same = distance(brought[:, None], held[None]) <= SAME_PICTURE
    if strange := np.flatnonzero(~same.any(axis=1)).tolist():
        raise Unprocessable(f"picture {strange[0] + 1} is none of those that were registered for this work")
    # What a work is compared by is all of it or nothing: a part would pass for the whole.
    if missing := int((~same.any(axis=0)).sum()):
        raise Unprocessable(f"{missing} of the {len(held)} pictures that were registered for this work are missing")


def withdraw_work(services: "Services", org: str, work: str, *, by: str, holder: str | None = None) -> None:
    """Look for a work, of `holder` where one is named, no longer. Twice changes nothing. Raises NotFound."""
    now = services.clock.now()
    with services.database.transaction(org) as tx:
        row = tx.pg.execute(SQL.work_locked, {"work": work}).fetchone()
        if row is None or holder not in {None, row[0]}:
            raise NotFound(f"there is no work {work}")
        if row[2] is not None:
            return
        _withdraw(tx, now, work, row[1], by=by)
        consent.touch_gallery(tx, row[0])


def withdraw_works_of(tx: Transaction, now: datetime, holder: str, *, by: str) -> None:
    """The same for all works of a holder whose row the caller holds; it is the caller who touches the gallery."""
    for work, listed in tx.pg.execute(SQL.works_locked, {"person": holder}).fetchall():
        _withdraw(tx, now, work, listed, by=by)


def _withdraw(tx: Transaction, now: datetime, work: str, listed: str, *, by: str) -> None:
    tx.pg.execute(SQL.withdraw_work, {"work": work, "now": now})
    tx.pg.execute(SQL.forget_vectors, {"work": work})
    lists.switch_list(tx, now, listed, enabled=False, by=by)
    audit.record(tx, now, by, "work.withdrawn", work)


def list_works(tx: Transaction, holder: str | None = None) -> list[Work]:
    """The works in force of one rights holder, or of all, in the order they came."""
    return rows(tx, SQL.works, Work, {"person": holder})


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


def _colours(services: "Services", pictures: Sequence[Path]) -> list[NDArray[np.uint8]]:
    """The pictures as the network in use is shown frames; none where no network compares."""
    if services.works_model is None:
        return []
    long_side = services.settings.sampling.long_side
    return [services.sandbox.colours(path, long_side=long_side) for path in pictures]


def _demand_holder(tx: Transaction, holder: str) -> None:
    row = tx.pg.execute(SQL.holder, {"person": holder}).fetchone()
    if row is None:
        raise NotFound(f"there is no person {holder}")
    if row[0] != "rights_holder":
        raise Unprocessable(f"{holder} is no rights holder")
