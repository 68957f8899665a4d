"""Pinned snapshots on disk: laid down, verified, and handed to loaders as a private copy. Never reaches the network."""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from detectors.base import DetectorUnavailable
from detectors.gpu.pins import GPU, PIN_COMMAND, GpuModel, LockedFile, LockedModel
from detectors.manifests import BUILD_COMMAND

_CHUNK: Final = 1 << 20
#: What keeps every library of the hub's family from asking it anything, and from drawing bars into the log.
_OFFLINE: Final = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
}


def stay_offline() -> None:
    """Forbid the hub's libraries to reach it, for this process. To be called before they are first imported."""
    os.environ.update(_OFFLINE)


def snapshot_folder(root: Path, model: GpuModel, locked: LockedModel) -> Path:
    """Return where the files of a pinned model lie under `root`."""
    return root / GPU / model.id / locked.revision


def faults(root: Path, model: GpuModel, locked: LockedModel) -> list[str]:
    """Hash every file of a snapshot against the lock; an empty list means that all is well."""
    folder = snapshot_folder(root, model, locked)
    found = []
    for name, file in locked.files.items():
        path = folder / name
        if path.is_symlink() or not path.is_file():
            found.append(f"{path} is missing; run `{BUILD_COMMAND} --pack gpu`")
        elif digest_of(path) != file:
            found.append(f"{path} is not the file that was pinned; remove it and run `{BUILD_COMMAND} --pack gpu`")
    return found


def digest_of(path: Path) -> LockedFile:
    """Return SHA-256 and size of a file."""
    with path.open("rb") as stream:
        return LockedFile(sha256=hashlib.file_digest(stream, "sha256").hexdigest(), bytes=path.stat().st_size)


@contextmanager
def opened(root: Path, model: GpuModel, locked: LockedModel) -> Iterator[Path]:
    """Give a private folder with exactly the pinned files, each hashed while it is copied; it goes with the block.

    The copy is what is loaded, so that nobody can change a file between the look and the load, and no file that was
    not pinned lies beside it. Costs one copy of the weights at every start. Raises DetectorUnavailable.
    """
    folder = snapshot_folder(root, model, locked)
    with tempfile.TemporaryDirectory(prefix="countersign-weights-", ignore_cleanup_errors=True) as private:
        for name, file in locked.files.items():
            _copy(folder / name, Path(private) / name, file)
        yield Path(private)


def _copy(source: Path, target: Path, expected: LockedFile) -> None:
    seen = hashlib.sha256()
    try:
        descriptor = os.open(source, os.O_RDONLY | os.O_NOFOLLOW)
        with os.fdopen(descriptor, "rb") as stream, target.open("xb") as copy:
            while chunk := stream.read(_CHUNK):
                seen.update(chunk)
                copy.write(chunk)
    except OSError as error:
        raise DetectorUnavailable(f"{source} cannot be read ({error}); run `{BUILD_COMMAND} --pack gpu`") from error
    if seen.hexdigest() != expected.sha256:
        raise DetectorUnavailable(
            f"{source} is not the file that was pinned: its SHA-256 is {seen.hexdigest()}. "
            f"Restore it with `{BUILD_COMMAND} --pack gpu`, or look at it and run `{PIN_COMMAND}` again"
        )


def lay_down(root: Path, model: GpuModel, locked: LockedModel, source: Path) -> None:
    """Put the files of `source` in place as a snapshot, whole or not at all. Raises DetectorUnavailable."""
    folder = snapshot_folder(root, model, locked)
    folder.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".laying-"))
    try:
        for name, file in locked.files.items():
            # Clients of the hub keep their files as links into a store: what they point at is what is copied.
            _copy((source / name).resolve(), staging / name, file)
        staging.chmod(0o755)
        if folder.exists():
            shutil.rmtree(folder)
        staging.rename(folder)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
