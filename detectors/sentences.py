"""Sentences to vectors, near each other when they mean the same in any of 16 languages. Judges nothing.

Google's multilingual Universal Sentence Encoder v3 (Yang et al. 2019, arXiv:1907.04307; Chidambaram et al. 2018,
arXiv:1810.12836), its convolutional form, in numpy.
"""

import hashlib
import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from detectors.base import DetectorUnavailable
from detectors.manifests import BUILD_COMMAND, Manifest
from detectors.pieces import Pieces

MODEL: Final = "sentence_encoder"
VOCABULARY: Final = "sentence_pieces"
#: Length of a sentence's vector.
WIDTH: Final = 512
#: The table of piece vectors is stored in this many parts, each with a scale of its own: piece i is in part i mod 17.
_PARTS: Final = 17
#: Channels of each convolution, and its two layers' reach: (pieces seen at once, pieces before the current one).
_CHANNELS: Final = 256
_WINDOWS: Final = ((2, 0), (3, 1), (5, 2))
#: From a piece to the branches: weights and bias, then gain and shift of the normalisation over all branches.
_PROJECTION: Final = ("proj", "proj_b", "ln_g", "ln_b")
#: Pieces worked on at once: enough to use the matrices well, few enough to stay in the cache.
_PIECES_AT_ONCE: Final = 384
#: A probe and the first values of its vector as the carrier's own program gives them.
PROBE: Final = "A cat is playing the piano on the beach."
PROBE_VALUES: Final = (-0.0638, 0.0526, -0.0173, 0.0028, -0.0474, -0.0767, -0.0294, -0.0736)
PROBE_TOLERANCE: Final = 1e-3

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Convolution:
    """One branch: two convolutions over `reach` pieces, `before` of them before the current one."""

    reach: int
    before: int
    weights: tuple[Array, Array]
    biases: tuple[Array, Array]


class SentenceEncoder:
    """The encoder, loaded; `encode` may be called by several threads."""

    def __init__(self, pieces: Pieces, weights: bytes) -> None:
        """Take the vocabulary and the weights (an npz). Raises DetectorUnavailable when they are not the encoder's."""
        self.pieces = pieces
        try:
            with np.load(io.BytesIO(weights), allow_pickle=False) as stored:
                self._load({name: stored[name] for name in stored.files})
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as problem:
            raise DetectorUnavailable(f"the weights of the sentence encoder cannot be read: {problem!r}") from problem

    @classmethod
    def open(cls, manifest: Manifest) -> Self:
        """Load the encoder of a pack from exactly the bytes the manifest names. Raises DetectorUnavailable."""
        return cls(Pieces.read(_content(manifest, VOCABULARY)), _content(manifest, MODEL))

    def _load(self, stored: dict[str, Array]) -> None:
        self._scale, self._low = stored["scale"], stored["lo"]
        self._table = np.empty((_PARTS * len(stored["q1"]), WIDTH), dtype=np.uint8)
        for part in range(_PARTS):
            self._table[part::_PARTS] = stored[f"q{part + 1}"]
        self._convolutions = tuple(
            _Convolution(
                reach=reach,
                before=before,
                weights=(stored[f"w1_{reach}"], stored[f"w2_{reach}"]),
                biases=(stored[f"b1_{reach}"], stored[f"b2_{reach}"]),
            )
            for reach, before in _WINDOWS
        )
        joined = (np.concatenate([stored[f"{name}{reach}"] for reach, _ in _WINDOWS], -1) for name in _PROJECTION)
        self._projection, self._projection_bias, self._projection_gain, self._projection_shift = joined
        self._gain, self._shift = stored["ln_g"], stored["ln_b"]
        self._mixing, self._mixing_bias = stored["cnn_W"], stored["cnn_b"]
        self._dense = tuple(stored[name] for name in ("d0", "d1", "p1", "d2", "d3", "p3"))
        self._least = float(stored["eps"])

    def encode(self, sentences: Sequence[str]) -> Array:
        """Return float32 [n, 512], each row of length 1: the vectors of `sentences`, in order."""
        if not sentences:
            return np.empty((0, WIDTH), dtype=np.float32)
        cuts = [self.pieces.cut(sentence) for sentence in sentences]
        return np.concatenate([self._encode(batch) for batch in _batches(cuts)])

    def _encode(self, cuts: Sequence[Sequence[int]]) -> Array:
        lengths = np.array([len(cut) for cut in cuts])
        numbers = np.concatenate([np.asarray(cut) for cut in cuts])
        part = numbers % _PARTS
        pieces = self._table[numbers] * self._scale[part, None] + self._low[part, None]
        projected = pieces @ self._projection + self._projection_bias
        projected = _normalised(projected, self._projection_gain, self._projection_shift, self._least)
        branches = zip(self._convolutions, np.split(projected, len(_WINDOWS), axis=1), strict=True)
        neighbours = _neighbours(lengths)
        seen = [pieces, *(_convolved(branch, values, neighbours) for branch, values in branches)]
        features = _normalised(np.concatenate(seen, axis=1), self._gain, self._shift, self._least)
        starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
        mixed = np.add.reduceat(features, starts, axis=0) @ self._mixing + lengths[:, None] * self._mixing_bias
        return self._condense((mixed / np.sqrt(lengths)[:, None]).astype(np.float32))

    def _condense(self, mixed: Array) -> Array:
        d0, d1, p1, d2, d3, p3 = self._dense
        first = np.maximum(mixed @ p1 + np.maximum(mixed @ d0, 0) @ d1, 0)
        second = np.tanh(first @ p3 + np.maximum(first @ d2, 0) @ d3)
        lengths = np.sqrt(np.maximum(np.sum(second * second, axis=1, keepdims=True), self._least))
        return np.asarray(second / lengths, dtype=np.float32)

    def check(self) -> None:
        """Encode the probe. Raises DetectorUnavailable when it comes out otherwise than the stored answer."""
        found = self.encode([PROBE])[0, : len(PROBE_VALUES)]
        if not np.allclose(found, PROBE_VALUES, rtol=0, atol=PROBE_TOLERANCE):
            raise DetectorUnavailable(f"the sentence encoder gives {found.tolist()} for its probe")


def _content(manifest: Manifest, model: str) -> bytes:
    path = manifest.path(model)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DetectorUnavailable(f"{path} cannot be read ({error}); run `{BUILD_COMMAND}`") from error
    if hashlib.sha256(content).hexdigest() != manifest.entry(model).sha256:
        raise DetectorUnavailable(f"{path} is not the file the manifest names; run `{BUILD_COMMAND}`")
    return content


def _batches(cuts: Sequence[Sequence[int]]) -> list[list[Sequence[int]]]:
    batches: list[list[Sequence[int]]] = [[]]
    room = _PIECES_AT_ONCE
    for cut in cuts:
        if batches[-1] and len(cut) > room:
            batches.append([])
            room = _PIECES_AT_ONCE
        batches[-1].append(cut)
        room -= len(cut)
    return batches


def _normalised(values: Array, gain: Array, shift: Array, least: float) -> Array:
    """Layer normalisation over each row (Ba et al. 2016, arXiv:1607.06450)."""
    centred = values - values.mean(axis=1, keepdims=True)
    spread = np.sqrt(np.mean(centred * centred, axis=1, keepdims=True) + least)
    return np.asarray(centred / spread * gain + shift, dtype=np.float32)


def _convolved(branch: _Convolution, values: Array, neighbours: NDArray[np.int64]) -> Array:
    first = max(before for _, before in _WINDOWS) - branch.before
    columns = neighbours[:, first : first + branch.reach]
    for weights, bias in zip(branch.weights, branch.biases, strict=True):
        padded = np.concatenate([values, np.zeros((1, _CHANNELS), np.float32)])
        window = padded[columns].reshape(len(values), branch.reach * _CHANNELS)
        values = np.maximum(window @ weights + bias, 0) + values
    return values


def _neighbours(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return for each piece the rows of the pieces around it; what lies outside its sentence is the row of zeros."""
    ends = np.cumsum(lengths)
    here = np.arange(ends[-1])
    before = max(before for _, before in _WINDOWS)
    after = max(reach - 1 - before for reach, before in _WINDOWS)
    around = here[:, None] + np.arange(-before, after + 1)
    inside = (around >= np.repeat(ends - lengths, lengths)[:, None]) & (around < np.repeat(ends, lengths)[:, None])
    return np.where(inside, around, ends[-1])
