"""What a clip was made from, for its manifest: the manifest its upload came with, and those of the clips it names.

Existing marks are kept (EU code of practice on marking, 1.2). Names parents by clip id only.
"""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from moderation import descent
from moderation.clips import Clip
from moderation.db import queries
from watermark.inheritance import Inheritance, bounded
from watermark.manifest import Parent

if TYPE_CHECKING:
    from moderation.services import Services

SQL, CLIPS, LINEAGE = queries("records"), queries("clips"), queries("lineage")
#: The public name of what was handed in.
UPLOAD = "the file that was handed in"


def parents_of(services: "Services", clip: Clip, source: Path) -> tuple[Parent, ...]:
    """What `clip`, uploaded as `source`, was made from, as many manifests with it as the settings keep.

    The upload's own manifest comes first: that is what was opened. Then the named clips in their order; those that were
    never released are named without a manifest. Raises ClipFault when the upload's manifest cannot be looked at.
    """
    caps = services.settings.marking.parents
    most = caps.bytes_in_all
    named = [(parent, _of_clip(services, clip.org_id, parent, most)) for parent in dict.fromkeys(clip.parents)]
    brought = services.sandbox.inherit(source, services.trust, most=most)
    if brought is not None and brought.manifest_id is not None:
        _join(services, clip, LINEAGE.clip_of_manifest, {"manifest": brought.manifest_id}, "ingredient")
    if caps.mark_seconds:
        _read_mark(services, clip, source, caps.mark_seconds)
    # A platform's edit of one of the named clips that kept its manifest: the clip's own is whole.
    if brought is not None and brought.manifest_id not in {each.manifest_id for _, each in named if each}:
        named.insert(0, (UPLOAD, brought))
    kept = bounded((each for _, each in named), generations=caps.generations, bytes_in_all=most)
    return tuple(Parent(title=title, inherited=each) for (title, _), each in zip(named, kept, strict=True))


def described(parents: tuple[Parent, ...]) -> list[dict[str, object]]:
    """What became of each parent's manifest, for the clip's record."""
    return [{"title": parent.title, **_described(parent.inherited)} for parent in parents]


def _described(inherited: Inheritance | None) -> dict[str, object]:
    if inherited is None:
        return {"manifest_id": None}
    return {
        "manifest_id": inherited.manifest_id,
        "state": inherited.state,
        "generations": inherited.generations,
        "cut": inherited.cut,
    }


def _read_mark(services: "Services", clip: Clip, source: Path, seconds: float) -> None:
    """Look for our invisible mark where an unmoved picture has it, for so many CPU seconds."""
    bounds = replace(services.settings.verifying.budget(), mark_seconds=seconds, search_seconds=0.0)
    reading = services.sandbox.read_marks(source, services.mark_keys, services.trust, bounds)
    if reading.mark is not None:
        _join(services, clip, CLIPS.clip_of_payload, {"payload": f"{reading.mark.mark_id:012x}"}, "payload")


def _join(services: "Services", clip: Clip, query: bytes, named: dict[str, object], how: descent.How) -> None:
    """Write down that a clip was made from one of the same organisation's, if that is what is named."""
    with services.database.system_transaction() as tx:
        found = tx.pg.execute(query, named).fetchone()
    if found is not None and found[0] == clip.org_id:
        with services.database.transaction(clip.org_id) as tx:
            descent.join(tx, clip.clip_id, [found[1]], how, services.clock.now())


def _of_clip(services: "Services", org: str, parent: str, most: int) -> Inheritance | None:
    with services.database.transaction(org) as tx:
        released = tx.pg.execute(SQL.release, {"clip": parent}).fetchone()
        rendition = tx.pg.execute(SQL.rendition, {"clip": parent, "kind": "marked"}).fetchone()
        erased = tx.pg.execute(SQL.erased, {"clip": parent}).fetchone()
    if released is None or rendition is None or erased is None or erased[0]:
        return None
    with services.store.open(rendition[1]) as path:
        return services.sandbox.inherit(path, services.trust, most=most)
