"""What ordinarily happens to a clip on its way through other programs: encoded again, and changed a little."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import av
import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
Change = Callable[[Picture], Picture]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    """A change of every picture (BGR uint8 [height, width, 3]), a frame rate, and x264's rate factor."""

    change: Change | None = None
    fps: int | None = None
    crf: int = 23


def _half(picture: Picture) -> Picture:
    size = picture.shape[1] // 4 * 2, picture.shape[0] // 4 * 2
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)


def _mirrored(picture: Picture) -> Picture:
    return np.ascontiguousarray(picture[:, ::-1])


def _brighter(picture: Picture) -> Picture:
    return np.asarray(cv2.convertScaleAbs(picture, alpha=1.0, beta=25), np.uint8)


def _grey(picture: Picture) -> Picture:
    return np.repeat(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)[:, :, None], 3, axis=2).astype(np.uint8)


ATTACKS: Final[Mapping[str, Attack]] = {
    "crf 23": Attack(crf=23),
    "crf 28": Attack(crf=28),
    "crf 32": Attack(crf=32),
    "half size": Attack(change=_half),
    "mirrored": Attack(change=_mirrored),
    "24 frames a second": Attack(fps=24),
    "brighter by 25": Attack(change=_brighter),
    "grey": Attack(change=_grey),
}


def attack(source: Path, target: Path, what: Attack) -> Path:
    """Encode one of our own test clips again (x264 veryfast), changed as asked, without sound."""
    with av.open(str(source)) as original, av.open(str(target), "w") as copy:
        pictures = original.streams.video[0]
        rate = what.fps or Fraction(pictures.average_rate or 30)
        stream: Any = None
        for number, frame in enumerate(_at_rate(original.decode(pictures), what.fps)):
            changed = _changed(frame, what.change)
            if stream is None:
                stream = copy.add_stream("libx264", rate=rate)
                stream.width, stream.height, stream.pix_fmt = changed.width, changed.height, "yuv420p"
                stream.options = {"preset": "veryfast", "crf": str(what.crf)}
            changed.pts, changed.time_base = number, 1 / Fraction(rate)
            changed.pict_type = av.video.frame.PictureType.NONE
            copy.mux(stream.encode(changed))
        copy.mux(stream.encode(None))
    return target


def _changed(frame: av.VideoFrame, change: Change | None) -> av.VideoFrame:
    if change is None:
        return frame
    picture = np.asarray(frame.to_ndarray(format="bgr24"), np.uint8)
    return av.VideoFrame.from_ndarray(change(picture), format="bgr24")


def _at_rate(frames: Iterator[Any], fps: int | None) -> Iterator[Any]:
    """Drop frames as players do: each tick of the new rate shows the frame that was due."""
    shown = 0
    for frame in frames:
        if fps is None or frame.time * fps >= shown - 1e-6:
            shown += 1
            yield frame
