"""What a clip's C2PA manifest says: from a few plain facts to the definition that is signed. Holds no personal data."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from watermark.inheritance import CUTS, UNREADABLE, Inheritance

#: Our own assertion: provider, system, version, time and id (California SB 942, 22757.3).
PROVENANCE = "org.countersign.provenance"
#: Our own assertion: one pseudonym for each person declared to appear, which only this deployment can resolve.
CONSENT = "org.countersign.consent"
ACTIONS = "c2pa.actions.v2"
SOFT_BINDING = "c2pa.soft-binding"
TRAINING_MINING = "cawg.training-mining"
#: Assertions the signer vouches for itself, by the names C2PA settings know them ("created", not "gathered").
VOUCHED = ("c2pa.actions", SOFT_BINDING, TRAINING_MINING, PROVENANCE, CONSENT)

SOURCE_TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
#: CAWG training and data mining assertion 1.1: every use it knows.
MINING_USES = ("cawg.data_mining", "cawg.ai_training", "cawg.ai_generative_training", "cawg.ai_inference")

MARK_DIGITS = 12
STORE_TYPE = "application/c2pa"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parent:
    """What a clip was made from. `title` is public and for ever: a clip id, never a person's words.

    `inherited` is its own manifest, where it had one.
    """

    title: str
    inherited: Inheritance | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestSpec:
    """The facts one manifest states. `mark_id` is the payload of the invisible mark, 48 bits.

    The first of `parents` is what was opened and edited; the others were placed into it.
    """

    clip_id: str
    mark_id: int
    #: Name of the invisible mark's algorithm, a reverse-DNS name until registered with C2PA.
    soft_binding: str
    provider: str
    system: str
    #: Version of Countersign, of which the claim generator speaks.
    version: str
    created_at: datetime
    #: The generating system's own version, where it differs from Countersign's.
    system_version: str = ""
    #: What generated the pictures, as its platform calls it.
    generator: str = ""
    #: Pseudonyms of the people declared to appear; never their names or ids.
    consents: tuple[str, ...] = ()
    parents: tuple[Parent, ...] = ()
    mining_allowed: bool = False


def definition(spec: ManifestSpec) -> dict[str, object]:
    """Write the manifest definition as c2pa's Builder takes it; ingredients are added by their `ingredient_id`.

    Raises ValueError when the mark id does not fit 48 bits or the time has no zone.
    """
    mark = mark_digits(spec.mark_id)
    consents = [_assertion(CONSENT, {"references": list(spec.consents)})] if spec.consents else []
    return {
        "claim_generator_info": [{"name": "Countersign", "version": spec.version}],
        "title": spec.clip_id,
        "format": "video/mp4",
        "assertions": [
            _assertion(ACTIONS, {"actions": _actions(spec)}),
            _assertion(SOFT_BINDING, {"alg": spec.soft_binding, "blocks": [{"scope": {}, "value": mark}]}),
            _assertion(TRAINING_MINING, {"entries": _mining(allowed=spec.mining_allowed)}),
            _assertion(PROVENANCE, _provenance(spec)),
            *consents,
        ],
    }


def ingredient(parent: Parent, index: int) -> dict[str, object]:
    """Describe the index-th parent: with its manifest and what that was worth, or why it is only named."""
    described: dict[str, object] = {
        "title": parent.title,
        "label": ingredient_id(index),
        "relationship": "parentOf" if index == 0 else "componentOf",
    }
    inherited = parent.inherited
    if inherited is None:
        return described
    if inherited.cut is not None:
        return described | {"description": _cut(inherited)}
    return described | {
        "manifest_data": {"format": STORE_TYPE, "identifier": ingredient_id(index)},
        "active_manifest": inherited.manifest_id,
        "validation_results": json.loads(inherited.validation),
    }


def _cut(inherited: Inheritance) -> str:
    named = f"Its manifest {inherited.manifest_id}" if inherited.manifest_id else "Its manifest"
    return f"{named} is not kept here: {CUTS[inherited.cut or UNREADABLE]}."


def ingredient_id(index: int) -> str:
    """Name the index-th parent inside its manifest."""
    return f"parent_{index}"


def mark_digits(mark_id: int) -> str:
    """Write a mark id as 12 hex digits. Raises ValueError when it does not fit."""
    if not 0 <= mark_id < 16**MARK_DIGITS:
        raise ValueError(f"mark id {mark_id} does not fit 48 bits")
    return f"{mark_id:0{MARK_DIGITS}x}"


def mark_number(digits: object) -> int | None:
    """Read 12 lower-case hex digits; anything else is None."""
    if not isinstance(digits, str) or len(digits) != MARK_DIGITS or set(digits) - set("0123456789abcdef"):
        return None
    return int(digits, 16)


def _assertion(label: str, data: Mapping[str, object]) -> dict[str, object]:
    return {"label": label, "data": data}


def _actions(spec: ManifestSpec) -> list[dict[str, object]]:
    """List the actions in order: created from nothing, or opened and edited (C2PA 2.x, actions)."""
    bound: dict[str, object] = {"action": "c2pa.watermarked.bound"}
    by: dict[str, object] = {"softwareAgent": {"name": spec.generator}} if spec.generator else {}
    if not spec.parents:
        return [{"action": "c2pa.created", "digitalSourceType": SOURCE_TYPES + "trainedAlgorithmicMedia", **by}, bound]
    edited: dict[str, object] = {
        "action": "c2pa.edited",
        "digitalSourceType": SOURCE_TYPES + "compositeWithTrainedAlgorithmicMedia",
        **by,
    }
    placed = [_on_ingredients("c2pa.placed", [ingredient_id(index)]) for index in range(1, len(spec.parents))]
    return [_on_ingredients("c2pa.opened", [ingredient_id(0)]), *placed, edited, bound]


def _on_ingredients(action: str, ids: Sequence[str]) -> dict[str, object]:
    return {"action": action, "parameters": {"ingredientIds": list(ids)}}


def _mining(*, allowed: bool) -> dict[str, object]:
    return {use: {"use": "allowed" if allowed else "notAllowed"} for use in MINING_USES}


def _provenance(spec: ManifestSpec) -> dict[str, object]:
    if spec.created_at.tzinfo is None:
        raise ValueError("created_at needs a time zone")
    return {
        "provider": spec.provider,
        "system": spec.system,
        "version": spec.system_version or spec.version,
        "time": spec.created_at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "id": spec.clip_id,
    }
