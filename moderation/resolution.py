"""From a mark back to the manifest: what the C2PA Soft Binding Resolution API answers. Knows no HTTP.

Only manifests of files that are out are named or given: released, not withdrawn, not erased. A manifest of ours holds
no personal data, so anybody may have it.
"""

import base64
import binascii
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from moderation.db import queries
from moderation.errors import NotFound
from moderation.verification import candidates, judge_origin, look
from watermark.jumbf import active_only

if TYPE_CHECKING:
    from moderation.services import Services

CLIPS = queries("clips")
RECORDS = queries("records")
_PAYLOAD = re.compile(r"[0-9a-f]{12}")


def manifests_of_binding(services: "Services", alg: str, value: str) -> list[str]:
    """Ids of the manifests bound to a mark; none for another algorithm. Raises ValueError when `value` is no mark."""
    if alg != services.settings.marking.soft_binding:
        return []
    payload = payload_of(value)
    with services.database.system_transaction() as tx:
        row = tx.pg.execute(CLIPS.clip_of_payload, {"payload": payload}).fetchone()
    return _manifests(services, [row[1]] if row else [])


def manifests_of_content(services: "Services", path: Path, *, staff_of: str | None = None) -> list[str]:
    """Ids of the manifests that a copy lost: of the clip its marks name, where its content is that clip's.

    A mark on other content names nothing. Staff of an organisation also get what its fingerprint alone suggests.
    Raises a refusal for what is no video.
    """
    reading, named = look(services, path)
    if named is not None and judge_origin(reading, named) == "ours":
        return _manifests(services, [named.clip_id])
    if staff_of is None or reading.fingerprint is None:
        return []
    return _manifests(services, [str(found["clip_id"]) for found in candidates(services, staff_of, reading)])


def read_manifest(services: "Services", manifest_id: str, *, active: bool = False) -> bytes:
    """The manifest store of a file that is out, with its parents' manifests unless `active`. Raises NotFound."""
    with services.database.system_transaction() as tx:
        row = tx.pg.execute(RECORDS.manifest_by_id, {"manifest": manifest_id}).fetchone()
    if row is None or row[0] is None:
        raise NotFound("no manifest of ours has this id")
    with services.store.open(row[0]) as path:
        store = path.read_bytes()
    return active_only(store) if active else store


def payload_of(value: str) -> str:
    """The 12 hex digits inside a soft binding's value, as they stand or in base64. Raises ValueError."""
    if _PAYLOAD.fullmatch(value):
        return value
    try:
        digits = base64.b64decode(value.replace("-", "+").replace("_", "/"), validate=True).decode("ascii")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise ValueError("the value is not base64 of a mark") from error
    if not _PAYLOAD.fullmatch(digits):
        raise ValueError("a mark is 12 lower-case hex digits, in base64")
    return digits


def _manifests(services: "Services", clips: Sequence[str]) -> list[str]:
    if not clips:
        return []
    with services.database.system_transaction() as tx:
        return [row[0] for row in tx.pg.execute(RECORDS.manifests_of_clips, {"clips": list(clips)}).fetchall()]
