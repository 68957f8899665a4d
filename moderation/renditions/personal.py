"""What one reviewer is given of one case: files that bear the codes of both, kept until the case is over.

Checks sight of the veiled kinds itself. Unveiled kinds are served under a running reveal only (`moderation.reveals`).
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

from moderation import review
from moderation.db import Transaction, queries
from moderation.errors import NotFound
from moderation.renditions.bases import demand_base, moments_of
from moderation.renditions.codes import codes
from moderation.renditions.crops import FACE, is_crop, stored_face
from moderation.renditions.sight import demand_sight

if TYPE_CHECKING:
    from moderation.services import Services

SQL = queries("renditions")

VEILED: Final = frozenset({"veiled", "strip"})
UNVEILED: Final = frozenset({"revealed", "cartoon", "sound"})
_STILL: Final = re.compile(r"still_([1-9])")
_MEDIA_TYPES: Final = {"strip": "image/jpeg", "sound": "audio/mp4"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendition:
    """A stored file and what it is."""

    key: str
    size: int
    media_type: str


def media_type(kind: str) -> str:
    """What a rendition of this kind is, as HTTP names it."""
    return "image/jpeg" if kind.startswith("still_") or is_crop(kind) else _MEDIA_TYPES.get(kind, "video/mp4")


def veiled(services: "Services", org: str, case_id: str, kind: str, who: review.Reviewer) -> Rendition:
    """A veiled rendition for one person: `veiled`, `strip`, `still_N` or `face_N`, made when it is first asked for.

    Raises Forbidden to whoever may not work on the case or while a colleague holds it, NotFound when there is nothing
    marked to veil (a clip that failed before it was marked, known-illegal material always) or no such moment.
    """
    with services.database.transaction(org) as tx:
        case = review.read_case(tx, case_id)
        demand_sight(tx, services.clock.now(), case, who)
        stored = _stored_kind(tx, case, kind)
    return demand_personal(services, case, stored, who)


def _stored_kind(tx: Transaction, case: review.Case, kind: str) -> str:
    """The kind as it is stored: stills by their moment's beginning, for what is flagged follows from the case."""
    if face := FACE.fullmatch(kind):
        return stored_face(tx, case, int(face[1]), veiled=True)
    still = _STILL.fullmatch(kind)
    if still is None:
        if kind not in VEILED:
            raise NotFound(f"there is no rendition {kind}")
        return kind
    moments = moments_of(tx, case)
    if int(still[1]) > len(moments):
        raise NotFound("this clip has no such moment")
    return f"still_{moments[int(still[1]) - 1]['start_ms']}"


def demand_personal(services: "Services", case: review.Case, kind: str, who: review.Reviewer) -> Rendition:
    """One person's copy of a rendition, made when there is none. Whether they may see it was asked before.

    `kind` is as stored: stills by their time. Sound bears no code, for there is nothing to draw into.
    """
    if kind == "sound":
        key, size = demand_base(services, case, "sound")
        return Rendition(key=key, size=size, media_type=media_type(kind))
    with services.database.transaction(case.org_id) as tx:
        made = _find(tx, case, kind, who)
    if made is None:
        base, _ = demand_base(services, case, "marked" if kind == "revealed" else kind)
        _make(services, case, kind, base, who)
        with services.database.transaction(case.org_id) as tx:
            made = _find(tx, case, kind, who)
    if made is None:
        raise NotFound("this rendition was removed")
    return Rendition(key=made[0], size=made[1], media_type=media_type(kind))


def unveiled_face(services: "Services", case: review.Case, kind: str, who: review.Reviewer) -> Rendition:
    """One person's copy of a face as it is. Whether a reveal of theirs shows it was asked before. Raises NotFound."""
    face = FACE.fullmatch(kind)
    if face is None:
        raise NotFound(f"there is no rendition {kind}")
    with services.database.transaction(case.org_id) as tx:
        stored = stored_face(tx, case, int(face[1]), veiled=False)
    return demand_personal(services, case, stored, who)


def _find(tx: Transaction, case: review.Case, kind: str, who: review.Reviewer) -> tuple[str, int] | None:
    where = {"case": case.case_id, "principal": who.principal, "kind": kind}
    return cast("tuple[str, int] | None", tx.pg.execute(SQL.personal, where).fetchone())


def _make(services: "Services", case: review.Case, kind: str, base_key: str, who: review.Reviewer) -> None:
    """Draw the codes into a copy of the base and keep it; of two makers at once the first one's stands."""
    text = codes(services, case.org_id, case.case_id, who.principal)
    with services.store.scratch() as folder, services.store.open(base_key) as base:
        target = _traced(services, base, folder, text, still=media_type(kind) == "image/jpeg")
        blob = services.store.put(case.org_id, "personal", target)
    row = {
        "org": case.org_id,
        "case": case.case_id,
        "clip": case.clip_id,
        "principal": who.principal,
        "kind": kind,
        "sha256": blob.sha256,
        "blob_key": blob.key,
        "bytes": blob.size,
        "now": services.clock.now(),
    }
    with services.database.transaction(case.org_id) as tx:
        tx.pg.execute(SQL.insert_personal, row)


def _traced(services: "Services", base: Path, folder: Path, text: str, *, still: bool) -> Path:
    target = folder / ("made.jpg" if still else "made.mp4")
    if still:
        target.write_bytes(services.sandbox.trace_still(base, text))
    else:
        services.sandbox.trace(base, target, text)
    return target
