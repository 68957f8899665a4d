"""Find every mark in a file, and prove the marks a delivered file must carry. Decides nothing: it says what is there.

Opens untrusted files with native decoders: runs in the confined child, and its answers cross as plain JSON.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Self

from pydantic import Base64Bytes, JsonValue, TypeAdapter

from watermark import credentials
from watermark.credentials import CredentialsReading, CredentialsState, Trust
from watermark.geometry import Geometry
from watermark.implicit_label import read_label
from watermark.limits import VideoLimits
from watermark.looking import Frame, Look, look_at, look_through, said
from watermark.patience import Budget
from watermark.probing import probe
from watermark.sighting import PRESENT, VisibleReading, VisibleState, presence, reshaped
from watermark.visible import VisibleSpec

#: How often the visible mark is looked for: three times or more at each of its places.
VISIBLE_STEP_MS = 800
#: Rounding of frame times by another muxer.
DURATION_SPREAD_MS = 50
PROVEN_LAYERS = frozenset({"c2pa", "invisible", "visible", "media"})
#: Failure codes that speak of the signer's certificate, not of the bytes.
CERTIFICATE_ONLY = frozenset({"signingCredential.untrusted", "signingCredential.expired"})


class LayerState(StrEnum):
    """What became of one mark. `NOT_CHECKED`: nobody could look, which is never "not there"."""

    FOUND = "found"
    NOT_FOUND = "not_found"
    DAMAGED = "damaged"
    TRANSPLANTED = "transplanted"
    NOT_CHECKED = "not_checked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One mark's state, why it could not be looked for, and what is to be said of it."""

    state: LayerState
    error: str | None = None
    details: dict[str, JsonValue] = field(default_factory=dict)


def written(value: object) -> dict[str, JsonValue]:
    """Write a dataclass of this module as plain JSON data."""
    plain: dict[str, JsonValue] = TypeAdapter(type(value)).dump_python(value, mode="json")
    return plain


UNCHECKED = Layer(state=LayerState.NOT_CHECKED)
#: What a layer's details say when its budget was spent.
CUT_SHORT: dict[str, JsonValue] = {"reason": "budget"}


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundMark:
    """A decoded payload. `confidence` is the probability that it is not chance."""

    mark_id: int
    key_version: int
    confidence: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MarksReading:
    """Everything found in one file.

    `fingerprint` is `Fingerprint.to_bytes` of the file, eight hashes a second; `sketches` is `Sketches.to_bytes`, as
    many a second, of where its mark says that the file lies, None without a mark.
    `layers` has `c2pa`, `invisible`, `fingerprint` and `visible`. A mark found is a claim until the content was
    compared with the clip it names (`settle`). `geometry` is where the mark says that the frames lie. `refusal` is a
    VideoRefused code when the pictures could not be read, or not to their end.
    """

    layers: dict[str, Layer]
    credentials: CredentialsReading | None = None
    mark: FoundMark | None = None
    fingerprint: Base64Bytes | None = None
    sketches: Base64Bytes | None = None
    geometry: Geometry | None = None
    refusal: str | None = None

    def to_json(self) -> dict[str, JsonValue]:
        """Write as plain JSON data."""
        return written(self)

    @classmethod
    def from_json(cls, content: object) -> Self:
        """Read what `to_json` wrote. Raises pydantic.ValidationError (a ValueError) for anything else."""
        return TypeAdapter(cls).validate_python(content)


def read_marks(
    path: Path,
    *,
    keys: Mapping[int, bytes],
    trust: Trust,
    limits: VideoLimits,
    budget: Budget,
    keep: Callable[[Frame], None] = lambda _: None,
) -> MarksReading:
    """Look for every mark in a file nobody knows, a film or a single picture. `keys` by key version.

    In this order, each within its budget: manifest, mark as it was put on, mark wherever it was moved to; and the
    content, to be compared with the clip that is named. Raises for no content of the file: what could not be looked
    for is `not_checked`, with the reason. The visible mark stays `not_checked`: it can only be looked for once the
    clip is known (`check_visible`), in the frames of a film that `keep` is given, so that nobody decodes it twice.
    """
    c2pa, found = _read_credentials(path, trust)
    bound = found is not None and found.ours and found.state is CredentialsState.TRUSTED
    look = look_at(path, keys, limits, budget, keep_ms=VISIBLE_STEP_MS, bound=bound)
    unread: dict[str, JsonValue] = {"frames": len(look.print_)} | (CUT_SHORT if look.cut else {})
    for frame in () if look.still else look.kept:
        keep(frame)
    return MarksReading(
        layers={
            "c2pa": c2pa,
            "invisible": _mark_layer(look),
            "fingerprint": Layer(state=LayerState.NOT_CHECKED, error=look.error, details=unread),
            "visible": replace(UNCHECKED, details={"reason": "still"}) if look.still else UNCHECKED,
        },
        credentials=found,
        mark=_mark(look),
        fingerprint=look.print_.to_bytes() if len(look.print_) and not look.unseen else None,
        sketches=look.sketches if not look.unseen else None,
        geometry=look.reading.geometry if look.reading else None,
        refusal=look.refusal,
    )


def _mark(look: Look) -> FoundMark | None:
    payload = look.reading.payload if look.reading else None
    if look.reading is None or payload is None:
        return None
    return FoundMark(mark_id=payload.mark_id, key_version=payload.key_version, confidence=look.reading.confidence)


def _mark_layer(look: Look) -> Layer:
    if look.reading is None:
        return Layer(state=LayerState.NOT_CHECKED, error=look.error)
    state = LayerState(look.reading.state)
    mark = _mark(look)
    details: dict[str, JsonValue] = {"geometry": look.reading.view}
    if mark is not None:
        details |= {"payload": f"{mark.mark_id:012x}", "key_version": mark.key_version}
    # What broke off, or was looked at for too short a time, showed no mark so far: that is no "not found".
    if state is LayerState.NOT_FOUND and (look.cut or look.error is not None):
        state, details = LayerState.NOT_CHECKED, details | (CUT_SHORT if look.cut else {})
    return Layer(state=state, error=look.error, details=details)


def _read_credentials(path: Path, trust: Trust) -> tuple[Layer, CredentialsReading | None]:
    try:
        found = credentials.read(path, trust)
    except Exception as fault:  # noqa: BLE001 - whatever goes wrong, nobody has looked
        return Layer(state=LayerState.NOT_CHECKED, error=said(fault)), None
    return Layer(state=_credentials_state(found), error=found.error, details=_credentials_details(found)), found


def _credentials_state(found: CredentialsReading) -> LayerState:
    if found.state is CredentialsState.ABSENT:
        return LayerState.NOT_FOUND if found.error is None else LayerState.NOT_CHECKED
    if found.state is CredentialsState.INVALID and not (found.intact and CERTIFICATE_ONLY.issuperset(found.failures)):
        return LayerState.DAMAGED
    return LayerState.FOUND


def _credentials_details(found: CredentialsReading) -> dict[str, JsonValue]:
    if found.state is CredentialsState.ABSENT:
        return {}
    return {
        "validation": found.state.value,
        "ours": found.ours,
        "clip_id": found.clip_id,
        "generator": found.generator,
        "issuer": found.issuer,
        "created_at": found.created_at,
        "timestamp": found.timestamp,
        "failures": list(found.failures),
    }


def check_visible(
    frames: Sequence[Frame], spec: VisibleSpec, geometry: Geometry | None = None, offset_ms: int = 0
) -> Layer:
    """Look for the visible mark of a known clip where it must stand in frames of a copy; see `sighting.presence`.

    Opens nothing. `not_checked` where its places were cut off, or nobody knows where they went. Raises for no frames.
    """
    try:
        seen = presence(frames, spec, geometry, offset_ms)
    except Exception as fault:  # noqa: BLE001 - whatever goes wrong, nobody has looked
        return Layer(state=LayerState.NOT_CHECKED, error=said(fault))
    if not seen.frames:
        reason: dict[str, JsonValue] = {"reason": "cut_off"} if seen.cut_off else {}
        return Layer(
            state=LayerState.NOT_CHECKED,
            error=None if reason else "there was no frame to look at",
            details=reason,
        )
    if seen.state is VisibleState.NOT_FOUND and geometry is None and reshaped(spec, frames[0][1].shape[1::-1]):
        return Layer(state=LayerState.NOT_CHECKED, details={"reason": "geometry_unknown"})
    return Layer(state=LayerState(seen.state.value), details=_visible_details(seen))


def _visible_details(seen: VisibleReading) -> dict[str, JsonValue]:
    details: dict[str, JsonValue] = {"score": round(seen.score, 4), "frames": seen.frames}
    if seen.start is not None:
        details["start_label"] = "found" if seen.start >= PRESENT else "not_found"
    return details


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """What the bytes about to be delivered must be and carry. `frames` and `duration_ms` are those that were marked.

    `label` is the text of the implicit label in the container, None where there must be none.
    """

    clip_id: str
    mark_id: int
    key_version: int
    visible: VisibleSpec
    duration_ms: int
    frames: int
    audio: bool
    label: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What the release gate found, layer by layer, and everything that is not as it must be.

    `layers` has `c2pa`, `invisible`, `visible` and `media`. `fingerprint` is `Fingerprint.to_bytes` of the delivered
    bytes at two hashes a second, `sketches` is `Sketches.to_bytes` at four: what copies are later compared with.
    """

    layers: dict[str, Layer]
    failures: tuple[str, ...]
    fingerprint: Base64Bytes
    sketches: Base64Bytes | None = None
    #: Names of additional layers that must be among `layers` too.
    demanded: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """True only when every layer was looked at and nothing was wrong."""
        looked = all(layer.state is LayerState.FOUND for layer in self.layers.values())
        return looked and set(self.layers) == PROVEN_LAYERS | set(self.demanded) and not self.failures

    def demanding(self, added: Mapping[str, Layer]) -> "Proof":
        """The proof with additional layers; one that was not found is a failure like any other."""
        failures = [f"{name}: {fault}" for name, layer in added.items() for fault in _faults(layer, [])]
        return replace(
            self,
            layers=self.layers | dict(added),
            failures=(*self.failures, *failures),
            demanded=(*self.demanded, *added),
        )

    def to_json(self) -> dict[str, JsonValue]:
        """Write as plain JSON data."""
        return written(self)

    @classmethod
    def from_json(cls, content: object) -> Self:
        """Read what `to_json` wrote. Raises pydantic.ValidationError (a ValueError) for anything else."""
        return TypeAdapter(cls).validate_python(content)


def prove(path: Path, expectation: Expectation, keys: Mapping[int, bytes], trust: Trust, limits: VideoLimits) -> Proof:
    """Re-open the bytes to be delivered and demand all their marks: found, and naming this very clip.

    Raises for nothing inside the file: an error of any layer is a failure of the proof.
    """
    c2pa, found = _read_credentials(path, trust)
    look = look_through(path, keys, limits, keep_ms=VISIBLE_STEP_MS)
    checked = {
        "c2pa": (c2pa, _wrong_credentials(found, expectation)),
        "invisible": (_mark_layer(look), _wrong_mark(_mark(look), expectation)),
        "visible": (check_visible(look.kept, expectation.visible), []),
        "media": _check_media(path, expectation, limits),
    }
    failures = [f"{name}: {fault}" for name, (layer, faults) in checked.items() for fault in _faults(layer, faults)]
    layers = {name: layer for name, (layer, _) in checked.items()}
    return Proof(layers=layers, failures=tuple(failures), fingerprint=look.print_.to_bytes(), sketches=look.sketches)


def _faults(layer: Layer, faults: list[str]) -> list[str]:
    """A layer that was not found, or not wholly looked at, fails whatever else is right."""
    if layer.state is not LayerState.FOUND:
        return [f"{layer.state.value}{f' ({layer.error})' if layer.error else ''}", *faults]
    return [layer.error, *faults] if layer.error else faults


def _wrong_credentials(found: CredentialsReading | None, expectation: Expectation) -> list[str]:
    if found is None:
        return []
    wrong = []
    if found.state is not CredentialsState.TRUSTED or not found.ours:
        wrong.append(f"the manifest is {found.state.value}, ours: {found.ours}")
    if found.clip_id != expectation.clip_id:
        wrong.append(f"the manifest names {found.clip_id}")
    if found.mark_id != expectation.mark_id:
        wrong.append("the manifest names another mark")
    return wrong


def _wrong_mark(mark: FoundMark | None, expectation: Expectation) -> list[str]:
    if mark is None:
        return ["no payload was decoded"]
    same = (mark.mark_id, mark.key_version) == (expectation.mark_id, expectation.key_version)
    return [] if same else ["the payload is another clip's"]


def _check_media(path: Path, expectation: Expectation, limits: VideoLimits) -> tuple[Layer, list[str]]:
    try:
        seen, label = probe(path, limits), read_label(path, limits)
    except Exception as fault:  # noqa: BLE001 - whatever goes wrong, nobody has looked
        return Layer(state=LayerState.NOT_CHECKED, error=said(fault)), []
    details: dict[str, JsonValue] = {
        "duration_ms": seen.duration_ms,
        "frames": seen.frames,
        "audio": seen.audio is not None,
        "implicit_label": label is not None,
    }
    wrong = []
    if seen.frames != expectation.frames:
        wrong.append(f"{seen.frames} frames instead of {expectation.frames}")
    if abs(seen.duration_ms - expectation.duration_ms) > DURATION_SPREAD_MS:
        wrong.append(f"{seen.duration_ms} ms instead of {expectation.duration_ms}")
    if (seen.audio is not None) != expectation.audio:
        wrong.append("sound was lost" if expectation.audio else "there is sound where there was none")
    if label != expectation.label:
        wrong.append("the implicit label is missing" if label is None else "there is another implicit label")
    return Layer(state=LayerState.FOUND, details=details), wrong
