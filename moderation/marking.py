"""Step 3b: the three marks, put on in one pass and signed, before any person or the public sees the clip."""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from psycopg.types.json import Jsonb

from moderation.clips import Clip
from moderation.db import queries
from moderation.db.clips import mark_of, read_clip
from moderation.errors import Outage
from moderation.labelling import implicit_label, settle, visible_spec
from moderation.lineage import described, parents_of
from moderation.marks import LayerFailed, mark_pictures
from moderation.sandbox import MarkOrder
from moderation.stages import stage
from watermark.credentials import SignerFailed, SigningFailed, SignReport, TimestampUnavailable, sign
from watermark.inheritance import UNUSABLE
from watermark.manifest import ManifestSpec, Parent
from watermark.payload import Payload
from watermark.rewriting import Encoding

if TYPE_CHECKING:
    from moderation.services import Services

SQL = queries("records")


def mark(services: "Services", org: str, clip_id: str, generation: int) -> str:
    """Make the marked, signed rendition of a clip, once. Raises Outage when nobody's clip could be marked now."""
    with services.database.transaction(org) as tx:
        clip = read_clip(tx, clip_id)
        digits, key_version = mark_of(tx, clip_id)
        if tx.pg.execute(SQL.rendition, {"clip": clip_id, "kind": "marked"}).fetchone():
            return "done"
    # Only here, for the canary marks too.
    from moderation.canary import demand_marks, demand_signer  # noqa: PLC0415

    demand_signer(services)
    payload = Payload(mark_id=int(digits, 16), key_version=key_version)
    with stage(services, org, clip_id, generation, "mark") as detail:
        with services.store.scratch() as folder, services.store.open(services.upload_key(clip)) as source:
            marked, signed = folder / "marked.mp4", folder / "signed.mp4"
            said = {"visible": settle(services, clip), "label": implicit_label(services.settings.marking, clip)}
            try:
                report = mark_pictures(services, source, marked, order_for(services, clip, payload, said)) | said
            except LayerFailed:
                demand_marks(services)
                raise
            report |= sign_clip(services, clip, payload, marked, signed, parents_of(services, clip, source))
            blob = services.store.put(org, "marked", signed)
        detail.update(report, bytes=blob.size, cpu_seconds=spent(report))
    row = {
        "org": org,
        "clip": clip_id,
        "kind": "marked",
        "sha256": blob.sha256,
        "blob_key": blob.key,
        "bytes": blob.size,
        "report": Jsonb(report),
        "now": services.clock.now(),
    }
    with services.database.transaction(org) as tx:
        # A second run's signature differs, so do its bytes: the first rendition stands.
        tx.pg.execute(SQL.insert_rendition, row)
    return "done"


def spent(report: dict[str, object]) -> float:
    """CPU seconds of the pass, over the stages its child counted."""
    stages = report["cpu_seconds_by_stage"]
    assert isinstance(stages, dict)
    return float(sum(stages.values()))


def order_for(
    services: "Services", clip: Clip, payload: Payload, said: Mapping[str, object] | None = None
) -> MarkOrder:
    """What the decoder child is told to put on a clip; `said` is what its labels were settled to say."""
    marking = services.settings.marking
    label = (said or {}).get("label")
    return MarkOrder(
        payload=payload,
        key=services.mark_keys[payload.key_version],
        visible=visible_spec(services, clip, payload, said),
        label=None if label is None else str(label),
        encoding=Encoding(preset=marking.preset, crf=marking.crf, threads=marking.encoder_threads),
    )


def sign_clip(
    services: "Services", clip: Clip, payload: Payload, marked: Path, signed: Path, parents: tuple[Parent, ...] = ()
) -> dict[str, object]:
    """Sign the marked bytes with a C2PA manifest that names this clip. Raises Outage when the signer cannot."""
    report, spec = apply_signature(services, marked, signed, manifest_of(services, clip, payload, parents))
    # Kept so that a copy that lost its manifest can be told what it said.
    manifest = signed.with_name("manifest.c2pa")
    manifest.write_bytes(report.manifest)
    kept = services.store.put(clip.org_id, "marked", manifest)
    return {
        "manifest_id": report.manifest_id,
        "manifest_sha256": report.manifest_sha256,
        "manifest_key": kept.key,
        "timestamp": report.timestamp,
        "parents": described(spec.parents),
    }


def apply_signature(
    services: "Services", source: Path, target: Path, spec: ManifestSpec
) -> tuple[SignReport, ManifestSpec]:
    """Sign a file; answers also what was signed after all. Raises Outage, and remembers that signing fails."""
    try:
        try:
            return sign(source, target, spec, services.signer), spec
        except SigningFailed as error:
            # Another's manifest may be one that cannot be signed over; it must not hold this clip for ever.
            if isinstance(error, SignerFailed) or all(parent.inherited is None for parent in spec.parents):
                raise
            spec = replace(spec, parents=tuple(map(_named_only, spec.parents)))
            return sign(source, target, spec, services.signer), spec
    except TimestampUnavailable as error:
        services.signing_fails = True
        raise Outage("timestamp", str(error)) from error
    except SigningFailed as error:
        services.signing_fails = True
        raise Outage("signer", str(error)) from error


def manifest_of(services: "Services", clip: Clip, payload: Payload, parents: tuple[Parent, ...] = ()) -> ManifestSpec:
    """What a clip's manifest is to say."""
    marking = services.settings.marking
    return ManifestSpec(
        clip_id=clip.clip_id,
        mark_id=payload.mark_id,
        soft_binding=marking.soft_binding,
        provider=marking.provider,
        system=marking.system,
        version=services.version,
        system_version=marking.system_version,
        created_at=clip.created_at,
        generator=clip.generator or "",
        consents=tuple(consent_reference(services, clip.clip_id, person) for person in sorted(set(clip.cameos))),
        parents=parents,
        mining_allowed=marking.mining_allowed,
    )


def consent_reference(services: "Services", clip_id: str, person: str) -> str:
    """What stands for a declared person in one clip's public manifest: another in every clip, for ever the same.

    Whoever holds the deployment's master key and a person's id can tell that it is theirs; nobody else can link two.
    """
    key = services.vault.derive("consent-reference")
    return hmac.new(key, f"{clip_id}:{person}".encode(), hashlib.sha256).hexdigest()[:32]


def _named_only(parent: Parent) -> Parent:
    return replace(parent, inherited=parent.inherited and parent.inherited.without_store(UNUSABLE))
