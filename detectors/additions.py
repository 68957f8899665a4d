"""What a deployment adds to the shipped detectors: optional packs, detectors at other addresses. Nothing unasked."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal, TypeVar

from detectors import bodyparts, packs
from detectors.base import Detector, DetectorUnavailable
from detectors.gpu.image_classification import FACE_MARGIN, MIN_FACE_PX
from detectors.gpu.labels import load_labels
from detectors.gpu.pack import Placement, close_all, load_embedder, load_gpu_detectors
from detectors.gpu.pins import read_gpu_pins, read_lock
from detectors.gpu.references import MODEL, PictureEmbedder, name_of
from detectors.manifests import Manifest, read_pins
from detectors.remote import RemoteDetector, digest_of, read_remotes
from detectors.runtime import Session
from detectors.yunet import FaceFinder, free_size

T = TypeVar("T")
Pack = Literal["embedded", "gpu"]
_FINDER: Literal["face_detection_yunet"] = "face_detection_yunet"


@dataclass(frozen=True, slots=True, kw_only=True)
class Additions:
    """What was asked for. `lock` and `labels` are needed with the pack `gpu` only; `remotes` may be left out."""

    pack: Pack = "embedded"
    lock: Path | None = None
    labels: Path | None = None
    remotes: Path | None = None
    placement: Placement = field(default_factory=Placement)
    #: Whether the optional pack of body parts is used; it must have been built.
    body_parts: bool = False

    def load(self, root: Path, manifest: Manifest) -> tuple[Detector, ...]:
        """Load what was asked for, each past its self-check. Raises DetectorUnavailable, naming what cannot be had."""
        loaded: list[Detector] = []
        try:
            loaded += _demanded("of the GPU pack", lambda: self._gpu(root, manifest))
            for remote in read_remotes(self.remotes) if self.remotes is not None else ():
                loaded.append(_demanded(remote.name, partial(RemoteDetector, remote)))
            loaded += _demanded(bodyparts.PACK, lambda: self._parts(root))
            for detector in loaded:
                _demanded(detector.name, detector.self_check)
        except Exception:
            close_all(loaded)
            raise
        return tuple(loaded)

    def digest(self) -> str:
        """SHA-256 (hex) over all of it that decides numbers; the same for everybody who adds nothing."""
        record: dict[str, object] = {"pack": self.pack}
        if self.pack == "gpu":
            lock, labels = self._gpu_files()
            pins = read_gpu_pins()
            record["gpu"] = read_lock(lock, pins).digest(pins)
            record["labels"] = load_labels(labels).version
            # Another precision or shape rounds differently.
            record["placement"] = [self.placement.device, self.placement.precision, self.placement.execution]
            record["frames_per_run"] = self.placement.frames_per_run
            record["faces"] = [MIN_FACE_PX, FACE_MARGIN]
        if self.body_parts:
            record["body_parts"] = read_pins(Path(), bodyparts.PACK).digest
        if self.remotes is not None:
            record["remotes"] = digest_of(read_remotes(self.remotes))
        return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()

    def works_model(self) -> str | None:
        """Which network compares with pictures of works, with its weights; None where none does."""
        if self.pack != "gpu":
            return None
        locked = read_lock(self._gpu_files()[0], read_gpu_pins()).models.get(MODEL)
        return name_of(locked.named(MODEL)) if locked else None

    def works_embedder(self, root: Path) -> PictureEmbedder | None:
        """That network by itself. Raises DetectorUnavailable."""
        if self.works_model() is None:
            return None
        lock = read_lock(self._gpu_files()[0], read_gpu_pins())
        return _demanded("of works", lambda: load_embedder(root, lock, self.placement))

    def _gpu_files(self) -> tuple[Path, Path]:
        if self.lock is None or self.labels is None:
            raise DetectorUnavailable("the GPU pack needs a lock and a file of labels")
        return self.lock, self.labels

    def _gpu(self, root: Path, manifest: Manifest) -> tuple[Detector, ...]:
        if self.pack != "gpu":
            return ()
        lock, labels = self._gpu_files()

        def finder() -> FaceFinder:
            session = Session.open(manifest, _FINDER, device=self.placement.device, adapt=free_size)
            return FaceFinder(session, min_score=manifest.entry(_FINDER).thresholds["score"])

        pins = read_gpu_pins()
        return load_gpu_detectors(root, read_lock(lock, pins), load_labels(labels), finder, self.placement, pins=pins)

    def _parts(self, root: Path) -> list[Detector]:
        if not self.body_parts:
            return []
        try:
            manifest = packs.load_optional(root, bodyparts.PACK)
        except DetectorUnavailable as error:
            raise DetectorUnavailable(f"{error} --pack {bodyparts.PACK}") from error
        return [bodyparts.BodyParts.load(manifest, device="cpu")]


def _demanded(name: str, act: Callable[[], T]) -> T:
    """Do what the start cannot go on without. Raises DetectorUnavailable whatever is wrong: it is no clip's fault."""
    try:
        return act()
    except DetectorUnavailable:
        raise
    except Exception as problem:
        raise DetectorUnavailable(f"detector {name} cannot be loaded: {problem!r}") from problem
