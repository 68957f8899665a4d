"""A clip's own renditions for reviewers, made once from its marked file. Nothing unmarked leaves the vault.

Says nothing of who may see them, and gives none to anybody: people get copies that bear their code (`personal`).
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

from psycopg.types.json import Jsonb

from moderation import review
from moderation.clips import Clip
from moderation.db import Transaction, queries
from moderation.decisions import Decision
from moderation.errors import NotFound
from moderation.renditions import crops
from moderation.scoring import Analysis
from moderation.store import Blob
from moderation.timelines import flagged, segments

if TYPE_CHECKING:
    from moderation.services import Services

SQL = queries("records")


def find(tx: Transaction, clip_id: str, kind: str) -> tuple[str, int] | None:
    """Blob key and size of a clip's rendition of a kind, None when it has none."""
    row = tx.pg.execute(SQL.rendition, {"clip": clip_id, "kind": kind}).fetchone()
    return (row[1], row[2]) if row else None


def report_of(tx: Transaction, clip_id: str, kind: str) -> dict[str, object] | None:
    """What was noted when a rendition was made, None when there is none."""
    row = tx.pg.execute(SQL.rendition, {"clip": clip_id, "kind": kind}).fetchone()
    return dict(row[3]) if row else None


def moments_of(tx: Transaction, case: review.Case) -> list[dict[str, object]]:
    """The stretches that the case's reader is led to; `still_N` shows the beginning of the N-th."""
    found = tx.pg.execute(SQL.latest_analysis, {"clip": case.clip_id}).fetchone()
    return moments_in(Analysis.from_text(found[0]), review.opening_decision(tx, case)) if found else []


def moments_in(analysis: Analysis | None, opened: Decision) -> list[dict[str, object]]:
    """The same of what was measured and what opened the case; pure."""
    if analysis is None:
        return []
    acted = {leaf.name for entry in opened.trace if entry.acts for leaf in entry.leaves if leaf.name}
    return flagged(segments(analysis), acted)


def demand_base(services: "Services", case: review.Case, kind: str) -> tuple[str, int]:
    """Blob key and size of a base rendition, made when there is none yet.

    `kind` is `marked`, `veiled`, `cartoon`, `sound`, `strip` or `still_` with a time in milliseconds. Raises NotFound
    when there is nothing marked to make it from, and for the sound of a silent clip.
    """
    with services.database.transaction(case.org_id) as tx:
        made = find(tx, case.clip_id, kind)
        marked = find(tx, case.clip_id, "marked")
        times = [cast("int", moment["start_ms"]) for moment in moments_of(tx, case)] if made is None else []
    if made is not None:
        return made
    if marked is None:
        raise NotFound("there is no marked rendition of this clip, so nothing can be shown of it")
    if crops.is_crop(kind):
        _make_crop(services, case, kind, marked[0])
    else:
        _MAKERS.get(kind, make_survey)(services, case, marked[0], times)
    with services.database.transaction(case.org_id) as tx:
        made = find(tx, case.clip_id, kind)
    if made is None:
        raise NotFound("this clip has no such rendition")
    return made


def demand_veiled(services: "Services", clip: Clip, kind: str, at_ms: int) -> tuple[str, int]:
    """Blob key and size of a clip's veiled rendition, or of its still at a time: as `demand_base`, without a case."""
    with services.database.transaction(clip.org_id) as tx:
        made, marked = find(tx, clip.clip_id, kind), find(tx, clip.clip_id, "marked")
    if made is not None:
        return made
    if marked is None:
        raise NotFound("there is no marked rendition of this clip, so nothing can be shown of it")
    if kind == "veiled":
        _make_veil(services, clip, marked[0], ())
    else:
        _make_still(services, clip, marked[0], at_ms)
    with services.database.transaction(clip.org_id) as tx:
        made = find(tx, clip.clip_id, kind)
    if made is None:
        raise NotFound("this clip has no such rendition")
    return made


def _make_still(services: "Services", clip: Clip, marked_key: str, at_ms: int) -> None:
    """Make one still and nothing else: a strip belongs to the case of a reviewer."""
    with services.store.scratch() as folder, services.store.open(marked_key) as marked:
        (still,) = services.sandbox.survey(marked, (at_ms,)).stills
        _keep(services, clip, f"still_{at_ms}", _written(folder, still), {})


def make_survey(services: "Services", case: review.Case, marked_key: str, times: Sequence[int]) -> None:
    """Make the film strip and the stills of these times in one pass, and note flashes and loudness beside the strip."""
    with services.store.scratch() as folder, services.store.open(marked_key) as marked:
        found = services.sandbox.survey(marked, times)
        for time_ms, still in zip(times, found.stills, strict=True):
            _keep(services, case, f"still_{time_ms}", _written(folder, still), {})
        notes = {
            "times_ms": list(found.times_ms),
            "flashes": found.flashes,
            "flashing_from_ms": found.flashing_from_ms,
            "loudness_db": list(found.loudness_db),
        }
        _keep(services, case, "strip", _written(folder, found.strip), notes)


def _make_crop(services: "Services", case: review.Case, kind: str, marked_key: str) -> None:
    with services.store.scratch() as folder:
        _keep(services, case, kind, _written(folder, crops.cut(services, kind, marked_key)), {})


def _written(folder: Path, picture: bytes) -> Path:
    path = folder / "picture.jpg"
    path.write_bytes(picture)
    return path


def _make_veil(services: "Services", case: review.Case | Clip, marked_key: str, _: Sequence[int]) -> None:
    _make(services, case, "veiled", marked_key, services.sandbox.veil)


def _make_cartoon(services: "Services", case: review.Case, marked_key: str, _: Sequence[int]) -> None:
    _make(services, case, "cartoon", marked_key, services.sandbox.cartoon)


def _make_sound(services: "Services", case: review.Case, marked_key: str, _: Sequence[int]) -> None:
    with services.store.scratch() as folder, services.store.open(marked_key) as marked:
        target = folder / "sound.m4a"
        if services.sandbox.sound_track(marked, target):
            _keep(services, case, "sound", target, {})


def _make(
    services: "Services", case: review.Case | Clip, kind: str, marked_key: str, write: Callable[[Path, Path], object]
) -> None:
    with services.store.scratch() as folder, services.store.open(marked_key) as marked:
        target = folder / "made.mp4"
        write(marked, target)
        _keep(services, case, kind, target, {})


def _keep(services: "Services", case: review.Case | Clip, kind: str, path: Path, report: Mapping[str, object]) -> Blob:
    """Store a rendition; of two makers at once the first one's row stands."""
    blob = services.store.put(case.org_id, "veiled", path)
    row = {
        "org": case.org_id,
        "clip": case.clip_id,
        "kind": kind,
        "sha256": blob.sha256,
        "blob_key": blob.key,
        "bytes": blob.size,
        "report": Jsonb(cast("object", report)),
        "now": services.clock.now(),
    }
    with services.database.transaction(case.org_id) as tx:
        tx.pg.execute(SQL.insert_rendition, row)
    return blob


_MAKERS: Mapping[str, Callable[["Services", review.Case, str, Sequence[int]], None]] = {
    "veiled": _make_veil,
    "cartoon": _make_cartoon,
    "sound": _make_sound,
}
