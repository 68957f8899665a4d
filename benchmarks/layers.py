"""What additional layers of marks survive, show and cost, stacked with our own mark, and the older methods beside them.

Two of the bench's clips, two seconds each, five copies of each: few, and none made by a generator of video. The older
methods are those of the package invisible-watermark, marking every frame as it ships; `not measured` where its files
and PyWavelets are not importable. Neither the package itself nor its torch is imported.
"""

import importlib.util
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from types import ModuleType
from typing import Any, Final

import cv2
import numpy as np
import results
from numpy.typing import NDArray

from detectors.packs import build_optional
from moderation.attacks.applying import attacked, frames_of
from moderation.attacks.changes import ATTACKS
from moderation.attacks.clips import FPS, kinds, write_clip
from moderation.attacks.trials import Owner, lumas
from moderation.layering import PACK, rivagan
from moderation.samples.footage import write_footage
from moderation.settings import Settings
from watermark.frames import FrameMarker
from watermark.invisible import InvisibleMarker, read
from watermark.layers import Equipment, MarkLayer, chance_of, word_of
from watermark.limits import VideoLimits
from watermark.probing import Probe
from watermark.reader import pictures
from watermark.residuals import ResidualMarker, packed, stored
from watermark.rewriting import rewrite
from watermark.writing import Encoding

CLIPS: Final = ("camera", "drawn")
COPIES: Final = ("as delivered", "h264 crf 28", "h264 crf 36", "half size", "two transcodes")
SECONDS: Final = 2.0
SEED: Final = 27
LIMITS: Final = VideoLimits()
#: Frames that the older methods mark, and the bits they carry; they cost half a second a frame.
OLDER_FRAMES: Final = 16
BITS: Final = 32
NOT_MEASURED: Final = "not measured"


@dataclass(frozen=True, slots=True, kw_only=True)
class Marked:
    """One clip with the layer, and our own mark on top."""

    stacked: Path
    psnr_rgb: float
    psnr_y: float
    cpu_ms_a_frame: float


def mark(source: Path, folder: Path, layer: MarkLayer, owner: Owner) -> Marked:
    """Put the layer on as the service does, in this process."""
    kept, word = folder / "residuals", word_of(layer, owner.payload, owner.key)
    began = time.process_time()
    with kept.open("wb") as file:
        for picture in _seen(source, layer.every, layer.side):
            file.write(packed(layer.draw(picture[None], word)).tobytes())
    spent = time.process_time() - began

    def write(name: str, encoding: Encoding) -> Path:
        def markers(described: Probe) -> tuple[FrameMarker, ...]:
            size = described.plane_width, described.plane_height
            drawn = stored(kept, side=layer.side, every=layer.every)
            marker = ResidualMarker(drawn, layer.every, described.colour, *size)
            return (marker, InvisibleMarker(owner.payload, owner.key, *size)) if name == "stacked" else (marker,)

        rewrite(source, folder / f"{name}.mp4", markers, encoding=encoding, limits=LIMITS)
        return folder / f"{name}.mp4"

    # Without loss: what the layer alone does to the pictures.
    exact = write("exact", Encoding(preset="ultrafast", crf=0))
    rgb, luma = _fidelity(source, exact)
    frames = SECONDS * FPS
    return Marked(
        stacked=write("stacked", Encoding()),
        psnr_rgb=rgb,
        psnr_y=luma,
        cpu_ms_a_frame=round(1000 * spent / frames, 1),
    )


def _seen(path: Path, every: int, side: int) -> Iterator[NDArray[np.uint8]]:
    for _, _, picture in pictures(path, every=every, side=side, limits=LIMITS):
        yield picture


def _fidelity(before: Path, after: Path) -> tuple[float, float]:
    """PSNR of the colours and of luma, between a clip and its lossless marked copy."""
    squares: list[tuple[float, float]] = []
    for one, other in zip(frames_of(before), frames_of(after), strict=True):
        errors = [
            np.square(a.astype(np.float64) - b).mean()
            for a, b in ((_bgr(one), _bgr(other)), (one.to_ndarray()[: one.height], other.to_ndarray()[: one.height]))
        ]
        squares.append((float(errors[0]), float(errors[1])))
    rgb, luma = (float(10 * np.log10(255**2 / fmean(column))) for column in zip(*squares, strict=True))
    return round(rgb, 2), round(luma, 2)


def _bgr(frame: Any) -> NDArray[np.uint8]:
    return np.asarray(frame.to_ndarray(format="bgr24"), np.uint8)


def survive(marked: Path, layer: MarkLayer, owner: Owner) -> dict[str, dict[str, object]]:
    """What is read of the layer, and of our own mark, in every copy of one marked clip."""
    word = word_of(layer, owner.payload, owner.key)
    found: dict[str, dict[str, object]] = {}
    for name in COPIES:
        soft = _heard(attacked(frames_of(marked), ATTACKS[name]), layer)
        ours = read(lumas(attacked(frames_of(marked), ATTACKS[name])), {1: owner.key})
        found[name] = {
            "bit_accuracy": round(float((soft * word > 0).mean()), 4),
            "chance": float(f"{chance_of(soft, word):.1g}"),
            "ours": "recovered" if ours.payload == owner.payload else ours.state,
        }
    return found


def _heard(frames: Iterable[Any], layer: MarkLayer) -> NDArray[np.float64]:
    size = layer.side, layer.side
    shown = [
        cv2.resize(_bgr(frame), size, interpolation=cv2.INTER_AREA)
        for number, frame in enumerate(frames)
        if number % layer.every == 0
    ]
    total: NDArray[np.float64] = np.mean(
        [layer.listen(np.asarray(picture, np.uint8)[None])[0] for picture in shown], axis=0, dtype=np.float64
    )
    return total


def older(source: Path, folder: Path, method: str, kind: str) -> dict[str, object] | str:
    """The same copies under one of the package's classical methods, hard votes over all frames averaged."""
    module = _module(method)
    if module is None:
        return NOT_MEASURED
    bits = np.random.default_rng(SEED).integers(0, 2, BITS)
    frames = [_bgr(frame) for frame, _ in zip(frames_of(source), range(OLDER_FRAMES), strict=False)]
    began = time.process_time()
    shown = [getattr(module, kind)(bits.tolist(), wmLen=BITS).encode(frame) for frame in frames]
    spent = time.process_time() - began
    marked = folder / f"{method}.mp4"
    write_footage(marked, shown, fps=FPS)
    errors = [float(np.square(a.astype(np.float64) - b).mean()) for a, b in zip(frames, shown, strict=True)]
    accuracy = {}
    for name in COPIES:
        copies = [_bgr(frame) for frame in attacked(frames_of(marked), ATTACKS[name])][::4]
        votes = np.mean([_votes(module, kind, copy) for copy in copies], axis=0)
        accuracy[name] = {"bit_accuracy": round(float(((votes > 0.5) == bits).mean()), 4)}
    return {
        "psnr_rgb_db": round(float(10 * np.log10(255**2 / fmean(errors))), 2),
        "cpu_ms_a_frame": round(1000 * spent / len(frames), 1),
        "copies": accuracy,
    }


def _votes(module: ModuleType, kind: str, picture: NDArray[np.uint8]) -> NDArray[np.float64]:
    return np.asarray(getattr(module, kind)(wmLen=BITS).decode(picture), np.float64)


def _module(name: str) -> ModuleType | None:
    """Load one file of the package without running the package, which would import torch."""
    package = importlib.util.find_spec("imwatermark")
    if package is None or not package.submodule_search_locations or importlib.util.find_spec("pywt") is None:
        return None
    file = Path(package.submodule_search_locations[0]) / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"older_{name}", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


METHODS: Final[Mapping[str, tuple[str, str]]] = {
    "dwtDct": ("maxDct", "EmbedMaxDct"),
    "dwtDctSvd": ("dwtDctSvd", "EmbedDwtDctSvd"),
}


def main() -> None:
    """Run the table, write `results/layers.json`, print it."""
    began, settings = results.circumstances(), Settings()
    build_optional(settings.models, PACK, progress=results.tell)
    layer = rivagan(Equipment(models=settings.models, device="cpu"))
    found: dict[str, dict[str, object]] = {}
    with tempfile.TemporaryDirectory(prefix="bench-layers-") as scratch:
        folder = Path(scratch)
        for name in CLIPS:
            results.tell(f"marking {name}")
            source = write_clip(kinds(settings.models)[name], folder / f"{name}-source.mp4", SECONDS, SEED)
            found[name] = _of_clip(source, folder, layer, Owner.of(name, SEED))
    path = results.save("layers", began, {"seconds": SECONDS, "older_frames": OLDER_FRAMES, "clips": found})
    for name, of_clip in found.items():
        _print(name, of_clip)
    print(f"\n{path}")


def _of_clip(source: Path, folder: Path, layer: MarkLayer, owner: Owner) -> dict[str, object]:
    marked = mark(source, folder, layer, owner)
    ours = {
        "psnr_rgb_db": marked.psnr_rgb,
        "psnr_y_db": marked.psnr_y,
        "cpu_ms_a_frame": marked.cpu_ms_a_frame,
        "copies": survive(marked.stacked, layer, owner),
    }
    return {layer.name: ours} | {name: older(source, folder, *where) for name, where in METHODS.items()}


def _print(clip: str, methods: Mapping[str, object]) -> None:
    lines: list[tuple[object, ...]] = [("method", "PSNR RGB", "ms/frame", *COPIES)]
    for name, figures in methods.items():
        if not isinstance(figures, dict):
            lines.append((name, *[NOT_MEASURED] * (2 + len(COPIES))))
            continue
        cells = [figures["copies"][copy] for copy in COPIES]
        shown = [f"{cell['bit_accuracy']}{' + ours ' + cell['ours'] if 'ours' in cell else ''}" for cell in cells]
        lines.append((name, figures["psnr_rgb_db"], figures["cpu_ms_a_frame"], *shown))
    results.print_table(f"Bit accuracy on the clip `{clip}`", lines)


if __name__ == "__main__":
    main()
