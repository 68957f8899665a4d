"""The operator's two acts: pin a model and bring what was pinned. Nothing else in the package reaches the hub.

Pinning is where trust is given: the hashes are those of what was there at that moment, and a person vouches for it by
keeping the lock. From then on a changed byte is refused, here and at every start.
"""

import dataclasses
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from detectors.base import DetectorError, DetectorUnavailable
from detectors.gpu import image_classification, zero_shot
from detectors.gpu.identity import ArcEmbedder
from detectors.gpu.offline import digest_of, faults, lay_down, opened, snapshot_folder
from detectors.gpu.pins import GpuModel, Lock, LockedFile, LockedModel, read_gpu_pins, read_lock, require_revision
from detectors.probes import drawn_rings

Progress = Callable[[str], None]


class PinningError(DetectorError):
    """A model cannot be pinned or brought; the message says what to do."""


def pin(
    root: Path, lock_path: Path, name: str, *, revision: str, source: Path | None, replace: bool, progress: Progress
) -> LockedModel:
    """Take a model at a commit, look at it, and write its hashes and its answer to the probe into the lock.

    `source` is a folder that holds the files already (a machine without network); otherwise they are downloaded.
    Raises PinningError, and DetectorUnavailable for files that are not the model the pack means; the lock then stays.
    """
    pins = read_gpu_pins()
    model = pins.model(name)
    try:
        require_revision(revision)
    except ValueError as error:
        raise PinningError(str(error)) from error
    lock = read_lock(lock_path, pins)
    with tempfile.TemporaryDirectory(prefix="countersign-pin-") as scratch:
        folder = source or _downloaded(model, revision, Path(scratch), progress)
        locked = LockedModel(revision=revision, files={file: _present(folder / file) for file in model.files})
        _refuse_a_changed_commit(model, lock.models.get(name), locked, replace=replace)
        for file, digest in locked.files.items():
            progress(f"{model.repository}@{revision[:12]} {file}: {digest.bytes / 1e6:.1f} MB, SHA-256 {digest.sha256}")
        lay_down(root, model, locked, folder)
    locked = dataclasses.replace(locked, probe=_probe(root, model, locked))
    _write(lock_path, Lock(models={**lock.models, name: locked}))
    progress(f"{name}: pinned in {lock_path}, licence {model.licence}; keep the lock where only operators may write")
    return locked


def bring(root: Path, lock_path: Path, *, progress: Progress) -> Lock:
    """Make every pinned model present and as pinned. Raises PinningError when one cannot be had so."""
    pins = read_gpu_pins()
    lock = read_lock(lock_path, pins)
    if not lock.models:
        raise PinningError(f"{lock_path} pins nothing; an operator has to run `moderation models pin` first")
    for name, locked in lock.models.items():
        model = pins.model(name)
        if not faults(root, model, locked):
            progress(f"{name}: as pinned")
            continue
        with tempfile.TemporaryDirectory(prefix="countersign-bring-") as scratch:
            lay_down(root, model, locked, _downloaded(model, locked.revision, Path(scratch), progress))
        progress(f"{name}: {sum(file.bytes for file in locked.files.values()) / 1e6:.1f} MB, SHA-256 as pinned")
    return lock


def _downloaded(model: GpuModel, revision: str, folder: Path, progress: Progress) -> Path:
    try:
        from huggingface_hub import hf_hub_download
    except ImportError as error:
        raise PinningError("the hub's client is not installed; install the extra `torch`") from error
    for file in model.files:
        progress(f"{model.repository}@{revision[:12]} {file}: downloading")
        try:
            hf_hub_download(model.repository, file, revision=revision, local_dir=folder)
        except Exception as error:  # the client's errors share no base class
            raise PinningError(
                f"{model.repository} {file} at {revision} cannot be had: {error!r}; "
                "on a machine without network, bring the files and use --from"
            ) from error
    return folder


def _present(path: Path) -> LockedFile:
    if not path.is_file():
        raise PinningError(f"{path} is missing")
    return digest_of(path)


def _refuse_a_changed_commit(model: GpuModel, old: LockedModel | None, new: LockedModel, *, replace: bool) -> None:
    """A commit's content never changes: if it did, somebody changed it."""
    if old is None or old.files == new.files:
        return
    if old.revision == new.revision:
        raise PinningError(f"{model.id}: the files of {new.revision} are not those that were pinned before")
    if not replace:
        raise PinningError(f"{model.id} is pinned at {old.revision}; add --replace to pin another commit")


def _probe(root: Path, model: GpuModel, locked: LockedModel) -> tuple[float, ...]:
    """Return the model's answer to the probe picture, in float32 on a CPU; loads it as a start would."""
    try:
        with opened(root, model, locked) as folder:
            return _answer(folder, model)
    except DetectorUnavailable:
        _remove(snapshot_folder(root, model, locked))
        raise


def _answer(folder: Path, model: GpuModel) -> tuple[float, ...]:
    if model.loader == "face_identity":
        return ArcEmbedder.open(folder / model.files[0], device="cpu").probe_answer()
    if model.loader == "zero_shot":
        scenes = zero_shot.load_network(folder, model, device="cpu")
        row = scenes.network(scenes.preparation.prepare(drawn_rings(360, 640))[None])[0, : zero_shot.PROBE_NUMBERS]
    else:
        loaded = image_classification.load_network(folder, model, device="cpu")
        row = loaded.network(loaded.preparation.prepare(drawn_rings(360, 640))[None])[0]
    return tuple(round(float(value), 6) for value in row)


def _remove(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()


def _write(path: Path, lock: Lock) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".lock-")
    with os.fdopen(handle, "w", encoding="utf-8") as stream:
        stream.write(lock.to_json())
    Path(temporary).chmod(0o644)
    Path(temporary).replace(path)
