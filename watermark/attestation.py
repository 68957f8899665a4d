"""What a C2PA manifest attests, from the report on it. The report quotes the file: nothing in it is certain."""

from dataclasses import dataclass
from enum import StrEnum

from watermark.manifest import PROVENANCE, SOFT_BINDING, mark_number

#: Names of our trust lists, by which the library says which of them it used.
OWN_LIST, OTHERS_LIST, TIMESTAMP_LIST = "urn:countersign:own", "urn:countersign:others", "urn:countersign:timestamps"
#: Success codes that say the bytes are those that were signed.
BINDINGS = frozenset({"assertion.bmffHash.match", "assertion.dataHash.match", "assertion.boxesHash.match"})
#: Last parts of IPTC's digital source types that say that a model made the content, or a part of it.
GENERATIVE = frozenset({"trainedAlgorithmicMedia", "compositeWithTrainedAlgorithmicMedia", "algorithmicMedia"})
#: What another's manifest says is shown to people: no longer than this.
TEXT_LIMIT = 200


class CredentialsState(StrEnum):
    """What a manifest is worth. `VALID`: intact, but nobody we believe vouches for the signer."""

    TRUSTED = "trusted"
    VALID = "valid"
    INVALID = "invalid"
    ABSENT = "absent"


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialsReading:
    """What a file's active manifest says and is worth. Its texts are others' words unless `ours`.

    `ours`: trusted by our own roots. `intact`: signature and content hash hold, whoever signed and whenever.
    """

    state: CredentialsState
    ours: bool = False
    intact: bool = False
    clip_id: str | None = None
    mark_id: int | None = None
    soft_binding: str | None = None
    provider: str | None = None
    system: str | None = None
    system_version: str | None = None
    #: The time the manifest claims, and the time a time-stamp authority states.
    created_at: str | None = None
    timestamp: str | None = None
    timestamp_trusted: bool = False
    generator: str | None = None
    issuer: str | None = None
    manifest_id: str | None = None
    #: Whether any manifest of the file names a generative digital source type, of the whole or of a part.
    generative: bool = False
    parents: tuple[str, ...] = ()
    #: C2PA validation codes: what failed, and what is only to be noted.
    failures: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    #: Why nothing could be read, when that is so.
    error: str | None = None


def interpret(store: object) -> CredentialsReading:
    """Turn the library's report into a reading. The report quotes the file: nothing in it has to be as expected."""
    label = at(store, "active_manifest")
    manifest = at(store, "manifests", label)
    results = at(store, "validation_results")
    state, ours = _worth(at(store, "validation_state"), at(results, "trustListUri"))
    passed = _codes(results, "success")
    provenance, binding = _assertion_data(manifest, PROVENANCE), _assertion_data(manifest, SOFT_BINDING)
    return CredentialsReading(
        state=state,
        ours=ours,
        intact="claimSignature.validated" in passed and not BINDINGS.isdisjoint(passed),
        clip_id=text(at(provenance, "id")),
        mark_id=mark_number(at(binding, "blocks", 0, "value")),
        soft_binding=text(at(binding, "alg")),
        provider=text(at(provenance, "provider")),
        system=text(at(provenance, "system")),
        system_version=text(at(provenance, "version")),
        created_at=text(at(provenance, "time")),
        timestamp=text(at(manifest, "signature_info", "time")),
        timestamp_trusted="timeStamp.trusted" in passed,
        generator=_generator(manifest),
        issuer=text(at(manifest, "signature_info", "issuer")),
        manifest_id=text(label),
        generative=_generative(at(store, "manifests")),
        parents=_parents(manifest),
        failures=_codes(results, "failure"),
        notes=_codes(results, "informational"),
    )


def _worth(state: object, trust_list: object) -> tuple[CredentialsState, bool]:
    # The library also accepts time-stamp roots as vouching for a manifest: which list it used decides.
    if state == "Trusted" and trust_list in (OWN_LIST, OTHERS_LIST):
        return CredentialsState.TRUSTED, trust_list == OWN_LIST
    if state in ("Trusted", "Valid"):
        return CredentialsState.VALID, False
    return CredentialsState.INVALID, False


def at(value: object, *path: object) -> object:
    """Follow keys and indices into plain data; None where the way ends."""
    for step in path:
        if isinstance(value, dict) and isinstance(step, str):
            value = value.get(step)
        elif isinstance(value, list) and isinstance(step, int) and step < len(value):
            value = value[step]
        else:
            return None
    return value


def items(value: object) -> list[object]:
    """A list, or an empty one for anything else."""
    return value if isinstance(value, list) else []


def text(value: object) -> str | None:
    """Another's words, cut to what may be shown; None for anything else."""
    return value[:TEXT_LIMIT] if isinstance(value, str) and value else None


def _codes(results: object, kind: str) -> tuple[str, ...]:
    codes = (text(at(item, "code")) for item in items(at(results, "activeManifest", kind)))
    return tuple(dict.fromkeys(code for code in codes if code))


def _assertion_data(manifest: object, label: str) -> object:
    found = (at(item, "data") for item in items(at(manifest, "assertions")) if at(item, "label") == label)
    return next(found, None)


def _generative(manifests: object) -> bool:
    """Tell whether an action of any manifest, ingredients' too, has one of IPTC's generative digital source types."""
    stores = manifests.values() if isinstance(manifests, dict) else ()
    assertions = [each for manifest in stores for each in items(at(manifest, "assertions"))]
    actions = [action for each in assertions for action in items(at(each, "data", "actions"))]
    named = (at(action, "digitalSourceType") for action in actions)
    return any(isinstance(name, str) and name.rpartition("/")[2] in GENERATIVE for name in named)


def _generator(manifest: object) -> str | None:
    info = at(manifest, "claim_generator_info", 0)
    parts = [part for part in (text(at(info, "name")), text(at(info, "version"))) if part]
    return "/".join(parts) or text(at(manifest, "claim_generator"))


def _parents(manifest: object) -> tuple[str, ...]:
    ids = (text(at(item, "active_manifest")) for item in items(at(manifest, "ingredients")))
    return tuple(name for name in ids if name)
