"""Puts a clip's marks on in the one pass, additional layers with it; proves them, and reads such layers for verify.

The decoder child hands small pictures over and adds what comes back; the layers' own code and networks run here, and
never meet a file.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from moderation.errors import ClipFault, ModerationError, Outage
from moderation.sandbox import MarkOrder
from moderation.sandbox.orders import LayerOrder
from watermark.layers import LayerReading, MarkLayer, Pictures, read, word_of
from watermark.patience import OutOfTime, Over, Patience, never
from watermark.payload import Payload
from watermark.reading import CUT_SHORT, UNCHECKED, Expectation, Layer, LayerState, Proof
from watermark.residuals import packed

if TYPE_CHECKING:
    from moderation.services import Services


#: A layer is read off so many frames at least, and fewer than twice as many, where a clip has them.
READ_PICTURES = 8
#: What did not fit the budget.
_UNFIT = replace(UNCHECKED, details=CUT_SHORT)
#: A decoder that cannot even begin in its time would count as one that is down.
_LEAST_SECONDS = 1.0


class LayerFailed(ClipFault):
    """A layer's own code failed on this clip; whether on every clip, only another clip can tell."""


def mark_pictures(services: "Services", source: Path, marked: Path, order: MarkOrder) -> dict[str, object]:
    """The one pass, with every chosen layer: writes `marked`, returns its report with the layers put on.

    Residuals lie beside `marked` meanwhile. Raises what the sandbox does, Outage("marks") when a chosen layer cannot
    be had, LayerFailed when one fails on this clip.
    """
    started, files, layers = time.thread_time(), [], services.mark_layers
    for layer in layers:
        files.append(marked.with_name(f"{layer.name}.residuals"))
        draw(services, layer, source, files[-1], order)
    spent = time.thread_time() - started
    order = replace(order, layers=tuple(LayerOrder(side=layer.side, every=layer.every) for layer in layers))
    report = services.sandbox.mark(source, marked, order, files)
    for file in files:
        file.unlink()
    stages = report["cpu_seconds_by_stage"]
    assert isinstance(stages, dict)
    if layers:
        stages["layers"] = round(spent, 4)
    return report | {"layers": [described(layer) for layer in layers]}


def described(layer: MarkLayer) -> dict[str, object]:
    """A layer as the record of a marked file names it."""
    return {"name": layer.name, "version": layer.version, "bits": layer.bits, "every": layer.every}


def draw(services: "Services", layer: MarkLayer, source: Path, target: Path, order: MarkOrder) -> None:
    """Write what a layer adds to a clip, batch by batch, to `target`. Raises LayerFailed."""
    word = word_of(layer, order.payload, order.key)
    with target.open("wb") as file:
        for pictures in squares(services, layer, source, layer.every):
            file.write(residuals_of(layer, pictures, word).tobytes())


def residuals_of(layer: MarkLayer, pictures: Pictures, word: NDArray[np.int8]) -> NDArray[np.int8]:
    """What a layer adds to some pictures, as it is kept. Raises LayerFailed."""
    try:
        kept = packed(np.asarray(layer.draw(pictures, word), np.float32))
    except Exception as fault:
        raise LayerFailed("processing_failed", f"the layer {layer.name} failed: {fault!r}") from fault
    if kept.shape != pictures.shape:
        raise LayerFailed("processing_failed", f"the layer {layer.name} draws {kept.shape} on {pictures.shape}")
    return kept


def squares(
    services: "Services",
    layer: MarkLayer,
    path: Path,
    step: int,
    *,
    proof: bool = False,
    seconds: float | None = None,
) -> Iterator[Pictures]:
    """Every `step`-th frame of a file as a layer sees it, in batches of some. Raises ClipFault for a gap in them."""
    due = 0
    for batch in services.sandbox.pictures(path, every=step, side=layer.side, proof=proof, seconds=seconds):
        for frame in batch:
            if frame.index != due or frame.pixels.shape != (layer.side, layer.side, 3):
                raise ClipFault("processing_failed", f"the layer {layer.name} was handed other pictures than asked for")
            due += step
        yield np.stack([frame.pixels for frame in batch])


def prove_marks(services: "Services", path: Path, expectation: Expectation) -> Proof:
    """Re-open the bytes to be delivered and demand all marks and every chosen layer.

    Raises what the sandbox does, and Outage("marks") when a chosen layer cannot be had.
    """
    proof = services.sandbox.prove(path, expectation, services.mark_keys, services.trust)
    payload = Payload(mark_id=expectation.mark_id, key_version=expectation.key_version)
    # Those that are chosen now, whatever the record of the file says.
    return proof.demanding(
        {
            layer.name: look(services, layer, path, payload, frames=expectation.frames, proof=True)
            for layer in services.mark_layers
        }
    )


def read_named(services: "Services", path: Path, payload: Payload, patience: Patience) -> dict[str, Layer]:
    """Every chosen layer of a copy of a known clip, for as long as the look's patience lasts: it counts by the clock.

    Raises for no content of the file; what does not fit any more is `not_checked`.
    """
    try:
        layers = services.mark_layers
    except Outage as outage:
        return unread(services, outage.message)
    since, most = patience.spent, patience.budget.layer_seconds

    def left() -> float:
        return min(most - (patience.spent - since), patience.wall_left)

    found = {}
    for layer in layers:
        found[layer.name] = look(services, layer, path, payload, left=left) if left() > 0 else _UNFIT
    return found


def unread(services: "Services", error: str | None = None) -> dict[str, Layer]:
    """Every chosen layer where nobody can look: it can only be compared once another mark named the clip."""
    return {name: replace(UNCHECKED, error=error) for name in services.settings.marking.layers}


def look(
    services: "Services",
    layer: MarkLayer,
    path: Path,
    payload: Payload,
    *,
    frames: int | None = None,
    proof: bool = False,
    left: Callable[[], float] | None = None,
) -> Layer:
    """Look for a layer in a file that is said to be a known clip; `frames` is its length if that is known.

    `proof`: upright only, and in the child that has never opened an upload. `left` says for how many seconds more it
    may be looked for. Raises for no content of the file.
    """
    over: Over = never if left is None else lambda: left() <= 0
    key = services.mark_keys.get(payload.key_version)
    if key is None:
        return replace(UNCHECKED, error=f"there is no mark key {payload.key_version}")
    try:
        total = services.sandbox.probe(path).frames if frames is None else frames
        step = layer.every * max(1, total // (layer.every * READ_PICTURES))
        seconds = None if left is None else max(left(), _LEAST_SECONDS)
        pictures = squares(services, layer, path, step, proof=proof, seconds=seconds)
        seen = read(layer, pictures, word_of(layer, payload, key), mirrored=not proof, over=over)
    except Outage:
        raise
    except (OutOfTime, ModerationError) as error:
        # A decoder that was not waited for any longer is no fault of the file.
        return _UNFIT if over() else replace(UNCHECKED, error=str(error))
    except Exception as fault:  # noqa: BLE001 - whatever goes wrong, nobody has looked
        return replace(UNCHECKED, error=f"{type(fault).__name__}: {fault}")
    return replace(UNCHECKED, error="there was no frame to look at") if seen is None else told(seen)


def told(seen: LayerReading) -> Layer:
    """A reading as a layer of an answer."""
    details: dict[str, JsonValue] = {
        "bits": seen.bits,
        "agreeing": seen.agreeing,
        "chance": float(f"{seen.chance:.2g}"),
        "pictures": seen.pictures,
    }
    return Layer(state=LayerState(seen.state), details=details)
