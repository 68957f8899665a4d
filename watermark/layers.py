"""Additional invisible layers beside our own mark: what one must be able to do, and what its word is worth.

A layer sees small pictures and returns what to add to them: no file, no clip's name, and no network of its own is
opened here. It corroborates a clip that another mark has named; it never names one.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from watermark.keystream import Keystream
from watermark.patience import OutOfTime, Over, never
from watermark.payload import Payload

#: Entry points of this group are layers: each names a `Factory`.
PLUGIN_GROUP: Final = "countersign.marks"
#: Below these chances a layer counts as found, or as damaged.
FOUND, DAMAGED = 1e-6, 1e-3
#: A word so short that it agrees by chance proves nothing; one so long is no tag.
_LEAST_BITS, _MOST_BITS = 24, 512
_LEAST_SIDE, _MOST_SIDE = 32, 1024
_MOST_EVERY = 64
_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")
#: Soft bits are weighed in so many steps: the chance is then exact for the weights used.
_STEPS = 255

Pictures = NDArray[np.uint8]
State = Literal["found", "damaged", "not_found"]


class LayerUnavailable(Exception):
    """A layer that was chosen cannot be had; the message names it and says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Equipment:
    """What a factory may build its layer from: the folder of weights, and `cpu` or `cuda`."""

    models: Path
    device: Literal["cpu", "cuda"]


class MarkLayer(Protocol):
    """A way of writing a word into pictures and of reading it blind. May be used by several threads.

    Pictures are uint8 [n, side, side, 3] in BGR, full range: every `every`-th frame as displayed, squeezed to a square.
    Whatever it raises means that the layer could not work, never that nothing is there.
    """

    @property
    def name(self) -> str:
        """Small letters, digits and underscores: settings, records and answers call it so."""

    @property
    def version(self) -> str:
        """Changes with anything that makes older marks unreadable."""

    @property
    def bits(self) -> int:
        """How many bits it carries."""

    @property
    def side(self) -> int:
        """Pixels of a picture's side."""

    @property
    def every(self) -> int:
        """Which frames it sees: 8 is every eighth. What it adds to one stays on until the next."""

    def draw(self, pictures: Pictures, word: NDArray[np.int8]) -> NDArray[np.float32]:
        """Return what to add, in grey levels, float32 [n, side, side, 3] in BGR; `word` is [bits] of -1 and 1."""

    def listen(self, pictures: Pictures) -> NDArray[np.float32]:
        """Return soft bits, float32 [n, bits]: positive means 1, and further from 0 more surely so."""


def demand_form(layer: MarkLayer, name: str) -> MarkLayer:
    """Return the layer if it has the name it was asked for by, and possible figures. Raises LayerUnavailable."""
    fits = (
        layer.name == name
        and _NAME.fullmatch(layer.name)
        and layer.name not in {"c2pa", "invisible", "visible", "fingerprint", "media"}
        and _LEAST_BITS <= layer.bits <= _MOST_BITS
        and _LEAST_SIDE <= layer.side <= _MOST_SIDE
        and 1 <= layer.every <= _MOST_EVERY
    )
    if not fits:
        raise LayerUnavailable(
            f"the layer {layer.name!r} states a name or figures that cannot be: {layer.bits} bits, "
            f"pictures of {layer.side} pixels, every {layer.every} frames"
        )
    return layer


def word_of(layer: MarkLayer, payload: Payload, key: bytes) -> NDArray[np.int8]:
    """Return the word a clip carries in a layer, int8 [bits] of -1 and 1: a keyed tag of its payload.

    Without the key it is as good as random, so that what pictures show by themselves agrees with it by chance only.
    """
    return Keystream(key, f"layer/{layer.name}/{payload}/{payload.key_version}").signs(layer.bits)


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerReading:
    """How far a copy's soft bits agree with the word it should carry.

    `chance` is the probability that a random word agrees as well with these very soft bits, in any view tried.
    """

    state: State
    chance: float
    #: Bits on the right side of zero, of how many, read off so many pictures.
    agreeing: int
    bits: int
    pictures: int


def read(
    layer: MarkLayer, batches: Iterable[Pictures], word: NDArray[np.int8], *, mirrored: bool, over: Over = never
) -> LayerReading | None:
    """Compare what is read off all pictures of a copy with a word; None when there was no picture.

    With `mirrored` left and right are exchanged too where the word is not found upright. Holds all the pictures.

    Soft bits are averaged over the pictures. Raises whatever the layer raises, ValueError for an answer of another
    shape or one that is not finite, and OutOfTime where `over`, asked before each batch, ends the work.
    """
    shown = list(_in_time(batches, over))
    count = sum(map(len, shown))
    if count == 0:
        return None
    views = (False, True) if mirrored else (False,)
    best = LayerReading(state="not_found", chance=1.0, agreeing=0, bits=layer.bits, pictures=count)
    for turned in views:
        soft = _summed(layer, _in_time(shown, over), turned=turned)
        chance = min(1.0, len(views) * chance_of(soft, word))
        if chance <= best.chance:
            agreeing = int(np.count_nonzero(soft * word > 0))
            best = replace(best, state=_state(chance), chance=chance, agreeing=agreeing)
        if best.state == "found":
            break
    return best


def _state(chance: float) -> State:
    if chance <= FOUND:
        return "found"
    return "damaged" if chance <= DAMAGED else "not_found"


def _in_time(batches: Iterable[Pictures], over: Over) -> Iterator[Pictures]:
    rest = iter(batches)
    while not over():
        pictures = next(rest, None)
        if pictures is None:
            return
        yield pictures
    raise OutOfTime("the layer was not read to its end")


def _summed(layer: MarkLayer, shown: Iterable[Pictures], *, turned: bool) -> NDArray[np.float64]:
    total = np.zeros(layer.bits)
    for pictures in shown:
        total += _heard(layer, np.ascontiguousarray(pictures[:, :, ::-1]) if turned else pictures).sum(axis=0)
    return total


def _heard(layer: MarkLayer, pictures: Pictures) -> NDArray[np.float64]:
    heard = np.asarray(layer.listen(pictures), np.float64)
    if heard.shape != (len(pictures), layer.bits) or not np.isfinite(heard).all():
        raise ValueError(f"the layer {layer.name} answered with something else than soft bits")
    return heard


def chance_of(soft: NDArray[np.float64], word: NDArray[np.int8]) -> float:
    """Return how often a fair random word agrees with soft bits, float [bits], at least as well as `word` does.

    Exact, whatever the soft bits are and however they depend on one another: the word alone is random. Their sum with
    signs is counted over all 2^bits words, by adding one bit after the other to the distribution.
    """
    most = float(np.abs(soft).max(initial=0.0))
    if most == 0:
        return 1.0
    weights = np.rint(np.abs(soft) / most * _STEPS).astype(np.int64)
    right = int(weights[soft * word > 0].sum())
    # spread[t]: the probability that the bits a random word gets right weigh t.
    spread = np.ones(1)
    for weight in weights.tolist():
        wider = np.zeros(len(spread) + weight)
        wider[: len(spread)] += spread / 2
        wider[weight:] += spread / 2
        spread = wider
    return float(spread[right:].sum())
