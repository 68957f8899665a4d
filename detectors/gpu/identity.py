"""Tell faces apart with the larger network (ResNet-100, ArcFace), as the embedded embedder does: 512 numbers a face.

A gallery holds the vectors of one network. This one takes the embedded one's place only after everybody registered
was enrolled with it; nothing here mixes the two.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Self, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from detectors.alignment import similarity
from detectors.base import DetectorError, DetectorUnavailable, Model
from detectors.gpu.pins import PIN_COMMAND, LockedModel
from detectors.probes import HEAD_POINTS, drawn_head
from detectors.runtime import Device, Session

MODEL: Final = "auraface"
FILE: Final = "glintr100.onnx"
DIMENSION: Final = 512
CHIP_SIDE: Final = 112
#: Where eyes, nose and mouth corners fall in a chip: the template of Deng et al., "ArcFace" (2019).
TEMPLATE_112: Final = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
)
PROBE_TOLERANCE: Final = 2e-2
_PROBE_NUMBERS: Final = 16
_CHIPS_PER_RUN: Final = 16


def align_arcface(pixels: NDArray[np.uint8], points: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Cut an upright chip, uint8 [112, 112, 3], out of `pixels` (uint8 [height, width, 3]); BGR in, BGR out.

    `points` is [5, 2] in pixels, the subject's right eye first. Raises ValueError when the points coincide.
    """
    matrix = similarity(points.astype(np.float64), TEMPLATE_112)
    return cast("NDArray[np.uint8]", cv2.warpAffine(pixels, matrix, (CHIP_SIDE, CHIP_SIDE), flags=cv2.INTER_LINEAR))


class ArcEmbedder:
    """The network at work: unit vectors, so that squared distance is 2 - 2 cos. Safe for several threads."""

    def __init__(self, session: Session, probe: tuple[float, ...] = ()) -> None:
        self._session = session
        self._probe = probe

    @classmethod
    def open(cls, path: Path, *, device: Device, locked: LockedModel | None = None) -> Self:
        """Load the network; with `locked` only from exactly the bytes that were pinned. Raises DetectorUnavailable."""
        try:
            content = path.read_bytes()
        except OSError as error:
            raise DetectorUnavailable(f"{path} cannot be read: {error}") from error
        if locked is None:
            return cls(Session(content, model=Model(id=MODEL, version="unpinned"), device=device))
        if hashlib.sha256(content).hexdigest() != locked.files[FILE].sha256:
            raise DetectorUnavailable(f"{path} is not the file that was pinned; see `{PIN_COMMAND} --help`")
        return cls(Session(content, model=locked.named(MODEL), device=device), locked.probe)

    @property
    def model(self) -> Model:
        """The weights; a gallery names them."""
        return self._session.model

    def vectors(self, chips: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Embed chips (uint8 [112, 112, 3] BGR), each with its mirror image: float32 [n, 512], of length 1.

        Raises DetectorError when the network fails or gives no direction.
        """
        parts = [self._run(np.stack(chips[i : i + _CHIPS_PER_RUN])) for i in range(0, len(chips), _CHIPS_PER_RUN)]
        return np.concatenate(parts) if parts else np.empty((0, DIMENSION), np.float32)

    def _run(self, chips: NDArray[np.uint8]) -> NDArray[np.float32]:
        # Every run has one shape, so that a face's vector does not depend on the faces beside it.
        batch = np.zeros((_CHIPS_PER_RUN, *chips.shape[1:]), np.uint8)
        batch[: len(chips)] = chips
        rgb = (batch[..., ::-1].astype(np.float32).transpose(0, 3, 1, 2) - 127.5) / 127.5
        both = np.ascontiguousarray(np.concatenate([rgb, rgb[..., ::-1]]))
        (vectors,) = self._session.run(both).values()
        if vectors.shape != (len(both), DIMENSION):
            raise DetectorError(f"{MODEL} gave vectors of the form {vectors.shape}")
        mean = vectors[: len(chips)] + vectors[_CHIPS_PER_RUN : _CHIPS_PER_RUN + len(chips)]
        length = np.linalg.norm(mean, axis=1, keepdims=True)
        if not np.isfinite(length).all() or (length < 1e-6).any():
            raise DetectorError(f"{MODEL} gave no direction")
        return np.asarray(mean / length, dtype=np.float32)

    def probe_answer(self) -> tuple[float, ...]:
        """Return the first numbers of the drawn head's vector."""
        (vector,) = self.vectors([align_arcface(drawn_head(), HEAD_POINTS)])
        return tuple(round(float(value), 6) for value in vector[:_PROBE_NUMBERS])

    def self_check(self) -> None:
        """Compare the drawn head's vector with the one it was pinned with. Raises DetectorUnavailable."""
        try:
            answer = np.array(self.probe_answer())
        except DetectorUnavailable:
            raise
        except DetectorError as error:
            raise DetectorUnavailable(f"{MODEL} cannot look at its probe: {error}") from error
        if len(self._probe) != len(answer) or not np.allclose(answer, self._probe, rtol=0, atol=PROBE_TOLERANCE):
            raise DetectorUnavailable(f"{MODEL} gives another vector than when it was pinned: it cannot be relied on")
