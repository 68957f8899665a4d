"""How a head moves, from five points of its face in each frame: turns, depth, repeats. Pure; knows no pictures.

Points are float32 [frames, 5, 2] in pixels as YuNet gives them: right eye, left eye, nose, right and left mouth corner.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Final, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from moderation.enrolling.challenges import Turn

Floats = NDArray[np.float32]
Numbers = NDArray[np.float64]

#: How far the tip of the nose stands before the eyes, in distances between the eyes: what makes degrees of shares.
NOSE_DEPTH: Final = 0.48
#: A turn begins beyond this share and ends within the other: 18 and 8 degrees.
TURNED: Final = 0.16
CENTRED: Final = 0.07
#: Frames at the beginning in which the person looks ahead.
_AHEAD: Final = 6
#: So many frames in a row make a turn: one is a slip of the points.
_STEADY: Final = 2
_SMOOTHING: Final = 3
#: A stretch that comes again is at least so long, in milliseconds.
REPEAT_MS: Final = 1_000
#: Root mean square distance, in distances between the eyes, within which two stretches are the same.
_SAME: Final = 0.004
#: A stretch in which the head moves less than this tells nothing.
_STILL: Final = 0.02


def facing(points: Floats) -> Numbers:
    """Where the nose lies between the sides of the face, float64 [frames]: 0 ahead, positive to the person's own left.

    The nose's first coordinate in the affine frame of the eyes' line and the line from the eyes' middle to the mouth's.
    No affine map of a flat picture changes it (Koenderink and van Doorn 1991); a head that turns by t does, by
    `NOSE_DEPTH` * tan(t), as in Gee and Cipolla (1994), whose model of the face this is. Not a number where the
    points span no face.
    """
    eyes, mouth = (points[:, 0] + points[:, 1]) / 2, (points[:, 3] + points[:, 4]) / 2
    across, down = (points[:, 1] - points[:, 0]).astype(np.float64), (mouth - eyes).astype(np.float64)
    nose = (points[:, 2] - eyes).astype(np.float64)
    area = _cross(across, down)
    return np.asarray(np.where(np.abs(area) > 1, _cross(nose, down) / np.where(area == 0, 1, area), np.nan))


def _cross(one: Numbers, other: Numbers) -> Numbers:
    return np.asarray(one[..., 0] * other[..., 1] - one[..., 1] * other[..., 0])


def degrees(shares: Numbers) -> Numbers:
    """Shares of `facing` as angles of the head, for people to read; good to some ten degrees."""
    return np.asarray(np.degrees(np.arctan(shares / NOSE_DEPTH)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Turned:
    """One turn of the head: where to, when, and how far in degrees at its farthest."""

    turn: Turn
    start_ms: int
    end_ms: int
    farthest: float


def level(shares: Numbers) -> Numbers:
    """Shares without single slips (a running median of three) and counted from how the person looks ahead at first."""
    padded = np.pad(shares, _SMOOTHING // 2, mode="edge")
    smooth = np.median(np.lib.stride_tricks.sliding_window_view(padded, _SMOOTHING), axis=1)
    return np.asarray(smooth - np.nanmedian(smooth[:_AHEAD]))


def find_turns(shares: Numbers, times_ms: NDArray[np.int64]) -> tuple[Turned, ...]:
    """The turns of a head in order, from levelled shares. Between two turns it came back to the middle."""
    found: list[Turned] = []
    begun: int | None = None
    side = 0.0
    for at, share in enumerate(shares):
        if begun is None and abs(share) > TURNED:
            begun, side = at, float(np.sign(share))
        elif begun is not None and not share * side > CENTRED:
            found += _turn(shares, times_ms, begun, at)
            begun = at if abs(share) > TURNED else None
            side = float(np.sign(share))
    return tuple(found)


def _turn(shares: Numbers, times_ms: NDArray[np.int64], begun: int, ended: int) -> list[Turned]:
    if ended - begun < _STEADY:
        return []
    part = shares[begun:ended]
    far = float(part[int(np.nanargmax(np.abs(part)))])
    farthest = round(abs(float(degrees(np.array(far)))), 1)
    turn: Turn = "left" if far > 0 else "right"
    return [Turned(turn=turn, start_ms=int(times_ms[begun]), end_ms=int(times_ms[ended]), farthest=farthest)]


def depth(points: Floats, shares: Numbers) -> float | None:
    """How far the nose leaves the plane of eyes and mouth when the head is turned, in distances from eyes to mouth.

    Plane plus parallax (Irani and Anandan 1996): the homography that takes eyes and mouth corners from a frame
    that looks ahead to a turned one takes every point of a flat picture along, the nose too, however it is held or
    bent by perspective. The median over the turned frames; None when the head is never turned, or never ahead.
    """
    ahead, turned = np.flatnonzero(np.abs(shares) < CENTRED), np.flatnonzero(np.abs(shares) > TURNED)
    if len(ahead) == 0 or len(turned) == 0:
        return None
    reference = _shape(points[ahead])
    return float(np.median([_parallax(reference, points[at]) for at in turned]))


def _shape(points: Floats) -> Floats:
    """One shape for several frames: the median of the points after place and size are taken out."""
    centred = points - points[:, (0, 1, 3, 4)].mean(axis=1, keepdims=True)
    sizes = np.linalg.norm(points[:, 1] - points[:, 0], axis=1)
    return np.asarray(np.median(centred / np.maximum(sizes, 1e-6)[:, None, None], axis=0), np.float32)


def _parallax(reference: Floats, frame: Floats) -> float:
    outer = [0, 1, 3, 4]
    plane = cv2.getPerspectiveTransform(reference[outer], frame[outer].astype(np.float32))
    nose = cast("Floats", cv2.perspectiveTransform(reference[None, 2:3], plane))[0, 0]
    # Of the face seen from ahead: turned, its eyes come nearer to one another.
    size = float(np.linalg.norm((frame[3] + frame[4] - frame[0] - frame[1]) / 2))
    return float(np.linalg.norm(frame[2] - nose)) / max(size, 1e-6)


def repeats(points: Floats, times_ms: NDArray[np.int64]) -> int | None:
    """After how many milliseconds a moving stretch of the recording comes again, None when none does.

    Nobody moves twice alike to a few thousandths of the distance between the eyes; a loop does. Coding noise of a
    second encoding is below that at the sizes of face that are accepted.
    """
    if len(points) < 4:
        return None
    step = float(np.median(np.diff(times_ms)))
    window = max(3, round(REPEAT_MS / max(step, 1.0)))
    size = float(np.median(np.linalg.norm(points[:, 1] - points[:, 0], axis=1)))
    path = points.reshape(len(points), -1).astype(np.float64) / max(size, 1e-6)
    for lag in range(window, len(path) - window + 1):
        apart = ((path[lag:] - path[:-lag]) ** 2).mean(axis=1)
        mean = np.convolve(apart, np.ones(window) / window, mode="valid")
        for start in np.flatnonzero(mean < _SAME**2):
            if path[start : start + window].std(axis=0).max() > _STILL:
                return round(lag * step)
    return None


def longest_gap(times_ms: NDArray[np.int64]) -> int:
    """The longest time between two frames with a face, in milliseconds."""
    return max((int(b - a) for a, b in pairwise(times_ms)), default=0)
