"""What is done to clips on their way through other programs, as data. Holds no clip and runs nothing."""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

#: Luma or chroma, or BGR: uint8 [height, width, ...].
Picture = NDArray[np.uint8]
Class = Literal["ordinary", "hard", "wider", "pair", "removal", "screenshot"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoder:
    """A codec of PyAV with its options: one thread, so that the same frames give the same bytes.

    `clock` is how many ticks a second has; old codecs take few.
    """

    codec: str = "libx264"
    options: tuple[tuple[str, str], ...] = ()
    clock: int = 60_000


def h264(crf: int) -> Encoder:
    """x264, as most platforms have it, at a rate factor."""
    return Encoder(options=(("preset", "veryfast"), ("crf", str(crf)), ("threads", "1")))


_USUAL: Final = h264(23)
_HEVC: Final = Encoder(
    codec="libx265",
    options=(("preset", "ultrafast"), ("crf", "30"), ("x265-params", "log-level=error:pools=none:frame-threads=1")),
)
_VP9: Final = Encoder(
    codec="libvpx-vp9", options=(("deadline", "realtime"), ("cpu-used", "8"), ("crf", "40"), ("b", "0"))
)
_AV1: Final = Encoder(codec="libsvtav1", options=(("preset", "10"), ("crf", "42"), ("svtav1-params", "lp=1")))
_VP8: Final = Encoder(
    codec="libvpx", options=(("deadline", "realtime"), ("cpu-used", "8"), ("crf", "30"), ("b", "1500000"))
)
_MPEG4: Final = Encoder(codec="mpeg4", options=(("qmin", "6"), ("qmax", "6")))
_MPEG2: Final = Encoder(codec="mpeg2video", options=(("qmin", "6"), ("qmax", "6")), clock=25)
_MJPEG: Final = Encoder(codec="mjpeg", options=(("qmin", "8"), ("qmax", "8")))


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One program's work: FFmpeg filters in order, a change of every BGR picture after them, and an encode."""

    filters: tuple[str, ...] = ()
    change: Callable[[Picture], Picture] | None = None
    encoder: Encoder = _USUAL


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    """Steps one after the other; `kind` says which of the targets counts it."""

    kind: Class
    steps: tuple[Step, ...]


def _one(kind: Class, *filters: str, crf: int = 23, change: Callable[[Picture], Picture] | None = None) -> Attack:
    return Attack(kind=kind, steps=(Step(filters=filters, change=change, encoder=h264(crf)),))


def _encoded(encoder: Encoder, kind: Class = "ordinary", *filters: str) -> Attack:
    return Attack(kind=kind, steps=(Step(filters=filters, encoder=encoder),))


def _askew(picture: Picture) -> Picture:
    """Seen a little from the side: the corners move by 1 to 6 % of the height."""
    height, width = picture.shape[:2]
    unit = height / 720
    corners = np.array([[0, 0], [width, 0], [0, height], [width, height]], np.float32)
    moves = np.array([[30, 15], [-10, 0], [0, -10], [-40, -25]], np.float32) * unit
    matrix = cv2.getPerspectiveTransform(corners, np.asarray(corners + moves, np.float32))
    return np.asarray(cv2.warpPerspective(picture, matrix, (width, height)), np.uint8)


def _captioned(picture: Picture) -> Picture:
    """Two lines of white letters on a dark strip across the lower third."""
    drawn = picture.copy()
    height, width = drawn.shape[:2]
    drawn[int(height * 0.68) : int(height * 0.9)] //= 3
    for line, text in enumerate(("WAIT FOR IT", "you will not believe this")):
        place = int(width * 0.12), int(height * (0.77 + 0.1 * line))
        cv2.putText(drawn, text, place, cv2.FONT_HERSHEY_SIMPLEX, height / 480, (255, 255, 255), 3, cv2.LINE_AA)
    return drawn


def _warm(picture: Picture) -> Picture:
    """A colour filter: a curve for each channel and a darker rim."""
    height, width = picture.shape[:2]
    down, across = np.linspace(-1, 1, height)[:, None], np.linspace(-1, 1, width)[None]
    rim = (1 - 0.25 * (down**2 + across**2) / 2).astype(np.float32)[:, :, None]
    curved = 255 * (picture / 255.0) ** np.array([1.25, 1.0, 0.8])
    return np.asarray(np.clip(curved * rim, 0, 255), np.uint8)


def _sized(short: int) -> str:
    """Scale so that the short side has so many pixels."""
    return f"scale=if(gt(iw\\,ih)\\,-2\\,{short}):if(gt(iw\\,ih)\\,{short}\\,-2)"


_KEEP: Final = {
    90: "crop=trunc(iw*0.45)*2:trunc(ih*0.45)*2:iw*0.07:ih*0.03",
    75: "crop=trunc(iw*0.375)*2:trunc(ih*0.375)*2:iw*0.18:ih*0.05",
    50: "crop=trunc(iw*0.25)*2:trunc(ih*0.25)*2:iw*0.31:ih*0.22",
}
#: The middle of a landscape as a portrait, and the other way round.
_MIDDLE: Final = "crop=if(gt(iw\\,ih)\\,ih*9/16\\,iw):if(gt(iw\\,ih)\\,ih\\,iw*9/16)"
_DENOISED: Final = ("atadenoise", "bilateral=sigmaS=2:sigmaR=0.06")
_LETTERBOX: Final = "pad=iw:trunc(ih*2/3)*2:0:(oh-ih)/2"
_MEME: Final = ("scale=720:-2", "pad=720:max(1280\\,ih+400):0:(oh-ih)/2:white", "drawbox=60:150:600:120:black:fill")
_FILMED: Final = (
    "scale=trunc(iw*0.31)*2:-2",
    "rotate=1.5*PI/180:bilinear=1",
    "crop=iw*0.92:ih*0.9:iw*0.05:ih*0.03",
    "gblur=sigma=0.8",
    "lutyuv=y=(val-16)*0.92+26",
    "noise=alls=8:allf=t",
    "fps=24",
)

_FOUR_TO_THREE: Final = "scale=if(gt(iw\\,ih)\\,trunc(ih*2/3)*2\\,iw):if(gt(iw\\,ih)\\,ih\\,trunc(iw*2/3)*2)"
_SHORTENED: Final = ("trim=start=1.4:end=3.4", "setpts=PTS-STARTPTS")

ATTACKS: Final[Mapping[str, Attack]] = {
    "as delivered": Attack(kind="ordinary", steps=()),
    "h264 crf 23": _encoded(h264(23)),
    "h264 crf 28": _encoded(h264(28)),
    "h264 crf 32": _encoded(h264(32)),
    "h264 crf 36": _encoded(h264(36)),
    "hevc crf 30": _encoded(_HEVC),
    "vp9 crf 40": _encoded(_VP9),
    "av1 crf 42": _encoded(_AV1),
    "half size": _one("ordinary", "scale=trunc(iw/4)*2:trunc(ih/4)*2"),
    "a third of the size": _one("ordinary", "scale=trunc(iw/6)*2:trunc(ih/6)*2"),
    "stretched by a sixth": _one("ordinary", "scale=iw:trunc(ih*0.416)*2"),
    "crop, 90 % of the sides": _one("ordinary", _KEEP[90]),
    "crop, 75 % of the sides": _one("ordinary", _KEEP[75]),
    "crop, 50 % of the sides": _one("ordinary", _KEEP[50]),
    "crop to 9:16 or 16:9": _one("ordinary", _MIDDLE),
    "turned by 2 degrees": _one("ordinary", "rotate=2*PI/180:bilinear=1"),
    "turned by 5 degrees": _one("ordinary", "rotate=5*PI/180:bilinear=1"),
    "mirrored": _one("ordinary", "hflip"),
    "brighter, more contrast": _one("ordinary", "lutyuv=y=(val-128)*1.3+158"),
    "grey": _one("ordinary", "hue=s=0"),
    "blurred": _one("ordinary", "gblur=sigma=2"),
    "noisy": _one("ordinary", "noise=alls=15:allf=t"),
    "denoised": _one("ordinary", *_DENOISED),
    "24 frames a second": _one("ordinary", "fps=24"),
    "one frame in ten dropped": _one("ordinary", "select=not(eq(mod(n\\,10)\\,3))"),
    "trimmed": _one("ordinary", "trim=start=1.37", "setpts=PTS-STARTPTS"),
    "letterboxed": _one("ordinary", _LETTERBOX),
    "a box over a fifth": _one("ordinary", "drawbox=iw*0.5:ih*0.1:iw*0.45:ih*0.45:white:fill"),
    "sharpened": _one("ordinary", "unsharp=5:5:1.5"),
    "h264 crf 40": _one("hard", crf=40),
    "in a meme": _one("hard", *_MEME, crf=26),
    "two transcodes": Attack(
        kind="hard",
        steps=(Step(filters=(_sized(480),), encoder=h264(28)), Step(filters=(_sized(720),), encoder=h264(30))),
    ),
    "filmed off a screen": _one("hard", *_FILMED, crf=30),
    "askew": _one("hard", change=_askew),
    "three programs": Attack(
        kind="hard",
        steps=(
            Step(filters=(_sized(540), "fps=30"), encoder=h264(28)),
            Step(encoder=_VP9),
            Step(filters=("crop=iw*0.95:ih*0.95",), encoder=h264(30)),
        ),
    ),
    "squeezed to 4:3": _one("wider", _FOUR_TO_THREE),
    "squeezed to a square": _one("wider", "scale=min(iw\\,ih):min(iw\\,ih)"),
    "squeezed two to one": _one("wider", "scale=trunc(iw/4)*2:ih"),
    "stretched two to one": _one("wider", "scale=iw:trunc(ih/4)*2"),
    "20 % slower": _one("wider", "setpts=PTS*1.25"),
    "25 % faster": _one("wider", "setpts=PTS*0.8"),
    "cut to 2 s": _one("wider", *_SHORTENED),
    "captioned": _one("wider", change=_captioned),
    "colour filter": _one("wider", change=_warm),
    "bars at the sides": _one("wider", "pad=trunc(iw*0.7)*2:ih:(ow-iw)/2:0"),
    "on its side": _one("wider", "transpose=1"),
    "vp8": _encoded(_VP8, "wider"),
    "mpeg-4 part 2": _encoded(_MPEG4, "wider"),
    "mpeg-2": _encoded(_MPEG2, "wider", "fps=25"),
    "motion jpeg": _encoded(_MJPEG, "wider"),
    "encoded again, nothing removed": _one("removal"),
    "three frames averaged": _one("removal", "tmix=frames=3"),
    "denoised and sharpened": _one("removal", *_DENOISED, "unsharp=5:5:1.5"),
}
#: What pairs are drawn from: no change of frames alone, which adds nothing to another.
_PAIRED: Final = tuple(
    name
    for name, attack in ATTACKS.items()
    if attack.kind in ("ordinary", "wider") and name not in ("as delivered", "24 frames a second", "h264 crf 23")
)
#: Between two programs a clip is saved once more, well.
_SAVED: Final = h264(20)


def pair(clip: str, number: int, seed: int) -> tuple[str, Attack]:
    """Draw two different attacks, one after the other, for a clip: the same for the same seed. Returns their names."""
    drawn = random.Random(f"{seed}/{clip}/{number}")  # noqa: S311 (repeatable, nothing secret)
    first, second = drawn.sample(_PAIRED, 2)
    steps = [replace(step, encoder=_SAVED) if step.encoder == _USUAL else step for step in ATTACKS[first].steps]
    return f"{first} + {second}", Attack(kind="pair", steps=(*steps, *ATTACKS[second].steps))
