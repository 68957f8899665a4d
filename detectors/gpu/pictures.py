"""Prepare a frame as a network of the hub was trained to see it: the resize of Pillow, as its own processor does it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from detectors.base import DetectorError, DetectorUnavailable

#: Names of Pillow's filters, as timm and open_clip write them, and its numbers, as transformers writes them.
_FILTERS: Final = {"nearest": 0, "lanczos": 1, "bilinear": 2, "bicubic": 3}
_NO_MEAN: Final = (0.0, 0.0, 0.0)
_NO_STD: Final = (1.0, 1.0, 1.0)
_EIGHT_BIT: Final = 1 / 255


@dataclass(frozen=True, slots=True, kw_only=True)
class Preparation:
    """From a frame of any size to uint8 [3, side, side] in RGB; `mean` and `std` are applied on the device.

    `squeeze` resizes both sides to `resize` whatever the aspect; otherwise the shorter side becomes `resize` and the
    middle is cut out, as wide as `side`.
    """

    side: int
    resize: int
    squeeze: bool
    filter: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read it from a snapshot's own configuration. Raises DetectorUnavailable for a form that is not known."""
        try:
            if (folder / "preprocessor_config.json").is_file():
                return cls._of_transformers(_document(folder / "preprocessor_config.json"))
            if (folder / "open_clip_config.json").is_file():
                document = _document(folder / "open_clip_config.json")
                return cls._of_open_clip(document["model_cfg"]["vision_cfg"], document.get("preprocess_cfg", {}))
            return cls._of_timm(_document(folder / "config.json")["pretrained_cfg"])
        except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
            raise DetectorUnavailable(f"how pictures are to be prepared cannot be read: {error!r}") from error

    @classmethod
    def _of_transformers(cls, config: Mapping[str, Any]) -> Self:
        if config.get("do_center_crop"):
            raise ValueError("a centre crop is not expected of this kind of network")
        if abs(float(config.get("rescale_factor", _EIGHT_BIT)) - _EIGHT_BIT) > 1e-9:
            raise ValueError("values are expected to be divided by 255")
        height, width = int(config["size"]["height"]), int(config["size"]["width"])
        if height != width:
            raise ValueError("a square picture is expected")
        normalised = config.get("do_normalize", True)
        return cls(
            side=height,
            resize=height,
            squeeze=True,
            filter=_filter(config.get("resample", "bilinear")),
            mean=_three(config["image_mean"]) if normalised else _NO_MEAN,
            std=_three(config["image_std"]) if normalised else _NO_STD,
        )

    @classmethod
    def _of_timm(cls, config: Mapping[str, Any]) -> Self:
        _, height, width = config.get("test_input_size") or config["input_size"]
        if height != width or config.get("crop_mode", "center") not in {"center", "squash"}:
            raise ValueError("a square picture, cropped in the middle, is expected")
        share = float(config.get("test_crop_pct") or config.get("crop_pct") or 1.0)
        return cls(
            side=height,
            resize=int(height / share),
            squeeze=config.get("crop_mode") == "squash",
            filter=_filter(config.get("interpolation", "bicubic")),
            mean=_three(config["mean"]),
            std=_three(config["std"]),
        )

    @classmethod
    def _of_open_clip(cls, vision: Mapping[str, Any], config: Mapping[str, Any]) -> Self:
        side = int(vision["image_size"])
        if config.get("resize_mode", "shortest") not in {"shortest", "squash"}:
            raise ValueError("this way to resize is not known")
        return cls(
            side=side,
            resize=side,
            squeeze=config.get("resize_mode", "shortest") == "squash",
            filter=_filter(config.get("interpolation", "bicubic")),
            mean=_three(config["mean"]),
            std=_three(config["std"]),
        )

    def prepare(self, pixels_bgr: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return uint8 [3, side, side] in RGB, a copy, for uint8 [height, width, 3] in BGR. Raises DetectorError."""
        if pixels_bgr.ndim != 3 or pixels_bgr.shape[2] != 3 or pixels_bgr.dtype != np.uint8 or 0 in pixels_bgr.shape:
            raise DetectorError(f"this is no frame: {pixels_bgr.dtype} {pixels_bgr.shape}")
        from PIL import Image

        picture = Image.fromarray(np.ascontiguousarray(pixels_bgr[..., ::-1]))
        picture = picture.resize(self._size(picture.width, picture.height), resample=Image.Resampling(self.filter))
        left, top = round((picture.width - self.side) / 2), round((picture.height - self.side) / 2)
        picture = picture.crop((left, top, left + self.side, top + self.side))
        return np.ascontiguousarray(np.asarray(picture, dtype=np.uint8).transpose(2, 0, 1))

    def _size(self, width: int, height: int) -> tuple[int, int]:
        if self.squeeze:
            return self.resize, self.resize
        if width <= height:
            return self.resize, int(self.resize * height / width)
        return int(self.resize * width / height), self.resize


def _document(path: Path) -> dict[str, Any]:
    document = json.loads(path.read_bytes())
    if not isinstance(document, dict):
        raise TypeError(f"{path.name} holds no object")
    return document


def _filter(name: object) -> int:
    return _FILTERS[name] if isinstance(name, str) else list(_FILTERS.values())[int(str(name))]


def _three(values: Any) -> tuple[float, float, float]:
    red, green, blue = (float(value) for value in values)
    return red, green, blue
