"""Which additional layers of marks a deployment chose: the shipped one and plug-ins, each proven able before use.

Networks are run by `detectors.runtime`; a layer is only given what it needs of them.
"""

from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from detectors import packs
from detectors.base import DetectorError
from detectors.runtime import Session
from moderation.errors import Outage
from moderation.settings import Settings
from watermark.layers import (
    FOUND,
    PLUGIN_GROUP,
    Equipment,
    LayerUnavailable,
    MarkLayer,
    Pictures,
    demand_form,
    read,
    word_of,
)
from watermark.payload import Payload
from watermark.rivagan import Network, RivaGan

Factory = Callable[[Equipment], MarkLayer]

#: The pack of weights behind the shipped layer; built on request or when the layer is chosen.
PACK: Final = "marks"
#: A layer must read itself off so many pictures that nothing happened to, to within half a grey level.
_REHEARSAL_PICTURES: Final = 2


def rivagan(equipment: Equipment) -> MarkLayer:
    """The layer `rivagan` on its pinned networks. Raises DetectorUnavailable when they are not there."""
    manifest = packs.load_optional(equipment.models, PACK)

    def network(model: str) -> Network:
        session = Session.open(manifest, model, device=equipment.device)

        def run(inputs: Mapping[str, NDArray[np.float32]]) -> NDArray[np.float32]:
            (output,) = session.run_many(inputs).values()
            return output

        return run

    return RivaGan(network("rivagan_encoder"), network("rivagan_decoder"), version=manifest.version)


SHIPPED: Final[Mapping[str, Factory]] = {"rivagan": rivagan}


def packs_of_layers(settings: Settings) -> tuple[str, ...]:
    """The packs of weights that the chosen layers need."""
    return (PACK,) if "rivagan" in settings.marking.layers else ()


def factories(settings: Settings) -> dict[str, Factory]:
    """Import every chosen layer. Raises Outage("marks"), naming one that is not there, twice there or cannot be."""
    names = settings.marking.layers
    if len(set(names)) != len(names):
        raise Outage("marks", f"a layer of marks is chosen twice: {', '.join(names)}")
    return {name: _factory(name) for name in names}


def _factory(name: str) -> Factory:
    points = [point for point in entry_points(group=PLUGIN_GROUP) if point.name == name]
    if name in SHIPPED and not points:
        return SHIPPED[name]
    if name in SHIPPED or len(points) > 1:
        raise Outage("marks", f"the layer {name} is there twice: {', '.join(point.value for point in points)}")
    if not points:
        raise Outage("marks", f"there is no layer {name}; shipped: {', '.join(SHIPPED)}, others are plug-ins")
    return _imported(points[0])


def _imported(point: EntryPoint) -> Factory:
    try:
        factory: Factory = point.load()
    except Exception as problem:
        raise Outage(
            "marks", f"the layer plug-in {point.name} ({point.value}) cannot be imported: {problem!r}; repair it"
        ) from problem
    return factory


def open_layers(settings: Settings) -> tuple[MarkLayer, ...]:
    """Make every chosen layer and let it prove itself. Raises Outage("marks") naming the first that is not able."""
    equipment = Equipment(models=settings.models, device=settings.device)
    return tuple(_opened(name, factory, equipment) for name, factory in factories(settings).items())


def _opened(name: str, factory: Factory, equipment: Equipment) -> MarkLayer:
    try:
        layer = demand_form(factory(equipment), name)
        rehearse(layer)
    except DetectorError as problem:
        hint = f"{problem} --pack {PACK}" if name in SHIPPED and "models build" in str(problem) else str(problem)
        raise Outage("marks", f"layer {name}: {hint}") from problem
    except Exception as problem:
        raise Outage("marks", f"layer {name} cannot be used: {problem!r}") from problem
    return layer


def rehearse(layer: MarkLayer) -> None:
    """Let a layer write and read a word on drawn pictures. Raises LayerUnavailable unless it reads what it wrote."""
    word = word_of(layer, Payload(mark_id=0x0CA9A97, key_version=1), key=bytes(32))
    pictures = _drawn_pictures(layer.side)
    drawn = np.asarray(layer.draw(pictures, word))
    if drawn.shape != pictures.shape:
        raise LayerUnavailable(f"it draws {drawn.shape} on pictures of {pictures.shape}")
    marked = np.clip(np.rint(pictures + drawn), 0, 255).astype(np.uint8)
    reading = read(layer, [marked], word, mirrored=False)
    if reading is None or reading.chance > FOUND:
        raise LayerUnavailable("it cannot read its own word off pictures that nothing happened to")


def _drawn_pictures(side: int) -> Pictures:
    """Soft coloured patches with a little grain."""
    noise = np.random.default_rng(7)
    coarse = noise.normal(128, 30, (_REHEARSAL_PICTURES, 9, 9, 3)).astype(np.float32)
    soft = np.stack([cv2.resize(patches, (side, side), interpolation=cv2.INTER_CUBIC) for patches in coarse])
    return np.clip(soft + noise.normal(0, 2, soft.shape), 0, 255).astype(np.uint8)
