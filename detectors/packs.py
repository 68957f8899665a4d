"""Build, check and list the packs of weights. Builds once, whole or not at all; loads no model."""

import dataclasses
import fcntl
import hashlib
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from detectors.base import DetectorUnavailable
from detectors.carriers import CarrierUnreachable, PackError, client_is_missing, fetch, read_checked, read_member
from detectors.conversion import ConversionError, convert
from detectors.manifests import BUILD_COMMAND, EMBEDDED, MANIFEST_FILE, Carrier, Manifest, ModelEntry, Presence
from detectors.manifests import pack_names as _pack_names
from detectors.manifests import read_manifest as _read_manifest
from detectors.manifests import read_pins as _read_pins

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Something wrong with a built pack; `model` is empty when it concerns the whole pack."""

    model: str
    message: str


@dataclass(slots=True)
class _Tally:
    """What a build has cost so far."""

    downloaded_bytes: int = 0
    download_seconds: float = 0.0
    making_seconds: float = 0.0


def load_manifest(root: Path) -> Manifest:
    """Return the manifest of the embedded pack under `root`; hashes no file (the runtime does, on load).

    Raises DetectorUnavailable when the pack is not there or was built from other pins.
    """
    return _read_manifest(_read_pins(root))


def model_path(root: Path, name: str) -> Path:
    """Return the file of one model. Raises DetectorUnavailable when pack or model is absent."""
    return load_manifest(root).path(name)


def inventory(root: Path) -> tuple[ModelEntry, ...]:
    """Return every model of the embedded pack with its state; all absent when the pack was not built."""
    pins = _read_pins(root)
    try:
        return _read_manifest(pins).models
    except DetectorUnavailable as error:
        return tuple(dataclasses.replace(entry, state=Presence.ABSENT, note=str(error)) for entry in pins.models)


def verify(root: Path) -> list[Problem]:
    """Hash every file of the embedded pack against its pin; an empty list means that all is well."""
    return verify_pack(_read_pins(root))


def build(root: Path, *, progress: Progress) -> Manifest:
    """Make the embedded pack under `root` complete and return its manifest. See `build_pack`."""
    return build_pack(_read_pins(root), progress=progress)


def optional_packs() -> tuple[str, ...]:
    """Return the names of the packs that are built only when asked for, behind their licence."""
    return tuple(pack for pack in _pack_names() if pack != EMBEDDED)


def licences(root: Path, pack: str) -> tuple[str, ...]:
    """Return under which licences the models of a pack may be used."""
    return tuple(sorted({entry.licence for entry in _read_pins(root, pack).models}))


def load_optional(root: Path, pack: str) -> Manifest:
    """Return the manifest of an optional pack. Raises DetectorUnavailable when it was not built from these pins."""
    return _read_manifest(_read_pins(root, pack))


def build_optional(root: Path, pack: str, *, progress: Progress) -> Manifest:
    """Make an optional pack under `root` complete and return its manifest. See `build_pack`."""
    return build_pack(_read_pins(root, pack), progress=progress)


def verify_pack(pins: Manifest) -> list[Problem]:
    """Hash every file of the pack at `pins.folder`; an optional model that is recorded as absent is no problem."""
    try:
        manifest = _read_manifest(pins)
    except DetectorUnavailable as error:
        return [Problem(model="", message=str(error))]
    return [
        Problem(model=entry.id, message=message)
        for entry in manifest.models
        if entry.state is Presence.PRESENT
        for message in _faults(manifest.folder, entry)
    ]


def build_pack(pins: Manifest, *, progress: Progress) -> Manifest:
    """Make the pack at `pins.folder` complete and return its manifest; quick when nothing is missing.

    Damaged and missing files are made again, optional models are tried again when their client is there. Two
    processes at once build once. `progress` receives lines for people. Raises PackError; what was there stays.
    """
    if (built := _complete(pins)) is not None:
        return built
    root = pins.folder.parent
    try:
        root.mkdir(parents=True, exist_ok=True)
        with _exclusive(root / ".build.lock", progress), _scratch(root) as scratch:
            # Another process may have built it while this one waited for the lock.
            return _complete(pins) or _build(pins, scratch, progress)
    except OSError as error:
        raise PackError(f"the pack cannot be written to {root}: {error}") from error


def _complete(pins: Manifest) -> Manifest | None:
    """Return the manifest when nothing is left that this machine could add or mend."""
    try:
        manifest = _read_manifest(pins)
    except DetectorUnavailable:
        return None
    missing = [entry for entry in manifest.models if _faults(pins.folder, entry)]
    out_of_reach = not os.access(pins.folder, os.W_OK)
    if all(entry.state is Presence.ABSENT and (out_of_reach or client_is_missing(entry.carrier)) for entry in missing):
        return manifest
    return None


def _build(pins: Manifest, scratch: Path, progress: Progress) -> Manifest:
    staging, tally = scratch / "pack", _Tally()
    staging.mkdir()
    missing = [entry for entry in pins.models if _faults(pins.folder, entry)]
    absent = _make(missing, staging, scratch, tally, progress)
    models = tuple(absent.get(entry.id, entry) for entry in pins.models)
    manifest = dataclasses.replace(pins, models=models)
    _publish(manifest, staging)
    progress(_summary(manifest, tally))
    return manifest


def _make(
    missing: list[ModelEntry], staging: Path, scratch: Path, tally: _Tally, progress: Progress
) -> dict[str, ModelEntry]:
    """Make the missing models in `staging`; return those that stay absent, by id."""
    absent: dict[str, ModelEntry] = {}
    for entry in missing:
        try:
            archive = _obtain(entry.carrier, scratch, tally, progress)
        except CarrierUnreachable as error:
            if not entry.optional:
                raise
            progress(f"{entry.id}: left out, {error}")
            absent[entry.id] = dataclasses.replace(entry, state=Presence.ABSENT, note=_short(error))
            continue
        _extract(entry, archive, staging, tally, progress)
    return absent


def _obtain(carrier: Carrier, scratch: Path, tally: _Tally, progress: Progress) -> Path:
    archive = scratch / carrier.archive
    if archive.is_file():
        return archive
    if not client_is_missing(carrier):
        progress(f"{carrier}: downloading {_megabytes(carrier.bytes)}")
    started = time.perf_counter()
    archive = fetch(carrier, scratch)
    seconds = time.perf_counter() - started
    tally.downloaded_bytes += carrier.bytes
    tally.download_seconds += seconds
    progress(f"{carrier}: {_megabytes(carrier.bytes)} in {seconds:.1f} s, SHA-256 as pinned")
    return archive


def _extract(entry: ModelEntry, archive: Path, staging: Path, tally: _Tally, progress: Progress) -> None:
    started = time.perf_counter()
    members = {Path(member.path).name: read_checked(archive, member) for member in entry.members}
    try:
        content = convert(entry.conversion, members)
    except ConversionError as error:
        raise PackError(f"{entry.id}: {error}") from error
    if hashlib.sha256(content).hexdigest() != entry.sha256:
        raise PackError(f"{entry.id}: the {entry.conversion} conversion gave other bytes than pinned; check `onnx`")
    (staging / entry.file).write_bytes(content)
    for member, place in entry.notice_files().items():
        (staging / place).parent.mkdir(parents=True, exist_ok=True)
        (staging / place).write_bytes(read_member(archive, member))
    seconds = time.perf_counter() - started
    tally.making_seconds += seconds
    progress(f"{entry.id}: {'extracted' if entry.conversion == 'none' else 'converted'} in {seconds:.1f} s")


def _publish(manifest: Manifest, staging: Path) -> None:
    """Move the staged files into place, the manifest last: a reader meets the old pack or the new one."""
    (staging / MANIFEST_FILE).write_text(manifest.to_json(), encoding="utf-8")
    if not manifest.folder.exists():
        staging.rename(manifest.folder)
        return
    staged = [path.relative_to(staging) for path in staging.rglob("*") if path.is_file()]
    for place in sorted(staged, key=lambda path: path.name == MANIFEST_FILE):
        (manifest.folder / place).parent.mkdir(parents=True, exist_ok=True)
        (staging / place).replace(manifest.folder / place)


def _faults(folder: Path, entry: ModelEntry) -> list[str]:
    """Return what is wrong with one model's files, each fault a sentence with its remedy."""
    path = folder / entry.file
    if not path.is_file():
        return [f"{path} is missing; run `{BUILD_COMMAND}`"]
    with path.open("rb") as stream:
        if hashlib.file_digest(stream, "sha256").hexdigest() != entry.sha256:
            return [f"{path} is damaged: its SHA-256 is not the pinned one; run `{BUILD_COMMAND}`"]
    texts = [folder / place for place in entry.notice_files().values()]
    return [f"the licence text {text} is missing; run `{BUILD_COMMAND}`" for text in texts if not text.is_file()]


@contextmanager
def _scratch(root: Path) -> Iterator[Path]:
    """Give a folder on the pack's own file system, so that finished files can be renamed into place."""
    with tempfile.TemporaryDirectory(dir=root, prefix=".build-", ignore_cleanup_errors=True) as scratch:
        yield Path(scratch)


@contextmanager
def _exclusive(path: Path, progress: Progress) -> Iterator[None]:
    """Hold the build lock; it goes with the process, however that ends."""
    handle = os.open(path, os.O_CREAT | os.O_RDWR, 0o644)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress("another process is building the pack; waiting for it")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _summary(manifest: Manifest, tally: _Tally) -> str:
    present = [entry for entry in manifest.models if entry.state is Presence.PRESENT]
    return (
        f"pack {manifest.pack}-{manifest.version}: {len(present)} of {len(manifest.models)} models, "
        f"{_megabytes(sum(entry.bytes for entry in present))}; "
        f"downloaded {_megabytes(tally.downloaded_bytes)} in {tally.download_seconds:.1f} s, "
        f"extracted and converted in {tally.making_seconds:.1f} s"
    )


def _megabytes(count: int) -> str:
    return f"{count / 1e6:.1f} MB"


def _short(error: Exception) -> str:
    return str(error)[:300]
