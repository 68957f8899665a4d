"""Would more views of a borderline frame make the explicit score steadier? Benign stills under a slowly nearing camera.

Every still becomes an encoded clip of three seconds. Frames of one clip show the same thing, so their scores should
agree: the spread of their logits is the network's unsteadiness. Explicit content is not shown: what averaging would
do to recall is not measured, and a set of views that merely scores lower is no better.
"""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

import av
import cv2
import numpy as np
import results
import still_motion
from licensed_stills import STILLS, credits_of, picture
from numpy.typing import NDArray

from detectors.explicit import ExplicitDetector
from detectors.packs import load_manifest
from moderation.samples.footage import Picture, write_footage
from moderation.settings import Settings

FRAMES: Final = 3 * still_motion.FPS
_EVERY: Final = 5
#: From this score on a frame is borderline: only such frames would be looked at again.
BORDERLINE: Final = 0.10
#: Clips with a frame from here on are told apart by how far their frames agree.
_DOUBTFUL: Final = 0.05
#: The lines of policies/explicit: one frame, and three of five.
LINE, WEAKER, HITS, WINDOW = 0.30, 0.20, 3, 5
#: The network sees the middle 224 of 256: a picture padded by so much of its side is seen whole.
_PAD: Final = 16 / 224
_SHIFTS: Final[Mapping[str, tuple[float, float]]] = {
    "up": (0, -1),
    "down": (0, 1),
    "left": (-1, 0),
    "right": (1, 0),
    "up left": (-1, -1),
    "up right": (1, -1),
    "down left": (-1, 1),
    "down right": (1, 1),
}
_CORNERS: Final = ("up left", "up right", "down left", "down right")
SETS: Final[Mapping[str, tuple[str, ...]]] = {
    "one view, as shipped": ("plain",),
    "mirrored": ("plain", "mirrored"),
    "another interpolation": ("plain", "by area"),
    "three scales": ("plain", "whole", "nearer"),
    "three scales, mirrored": ("plain", "whole", "nearer", "mirrored"),
    "shifted by 2 %": ("plain", "up", "down", "left", "right"),
    "corners": ("plain", *_CORNERS),
    "corners, mirrored (ten crops)": (
        "plain",
        *_CORNERS,
        "mirrored",
        *(f"{corner}, mirrored" for corner in _CORNERS),
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One clip: the plain score of each frame, and all views of the frames worth comparing."""

    name: str
    kind: str
    plain: Mapping[int, float]
    views: Mapping[int, Mapping[str, float]]

    def mean(self, views: Sequence[str]) -> list[float]:
        """Each frame's score if borderline frames were looked at by these views."""
        return [
            float(np.mean([self.views[at][view] for view in views])) if score >= BORDERLINE else score
            for at, score in self.plain.items()
        ]

    def spread(self, views: Sequence[str]) -> float:
        """Standard deviation of the frames' logits, borderline or not."""
        means = [float(np.mean([seen[view] for view in views])) for seen in self.views.values()]
        return float(_logit(np.array(means)).std(ddof=1))


def views_of(pixels: Picture) -> dict[str, Picture]:
    """Every view of one frame; the detector prepares each as it prepares a frame."""
    height, width = pixels.shape[:2]
    rows, columns = round(height * 0.05), round(width * 0.05)
    made = {
        "plain": pixels,
        "mirrored": np.ascontiguousarray(pixels[:, ::-1]),
        "by area": cast("Picture", cv2.resize(pixels, (256, 256), interpolation=cv2.INTER_AREA)),
        "whole": _padded(pixels, round(height * _PAD), round(width * _PAD)),
        "nearer": np.ascontiguousarray(pixels[rows : height - rows, columns : width - columns]),
    }
    for name, (across, down) in _SHIFTS.items():
        share = 1 / 16 if name in _CORNERS else 0.02
        matrix = np.array([[1, 0, -across * share * width], [0, 1, -down * share * height]], np.float64)
        made[name] = cast("Picture", cv2.warpAffine(pixels, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE))
    made |= {f"{name}, mirrored": np.ascontiguousarray(made[name][:, ::-1]) for name in _CORNERS}
    return made


def look(detector: ExplicitDetector, name: str, cache: Path, folder: Path) -> Seen:
    """Make the clip of one still, decode it, score it."""
    path = folder / f"{name}.mp4"
    write_footage(path, still_motion.nearing(picture(name, cache), FRAMES), fps=still_motion.FPS)
    frames = dict(_decoded(path))
    path.unlink()
    plain = {at: detector.score([frame])[0] for at, frame in frames.items()}
    doubtful = max(plain.values()) >= _DOUBTFUL
    return Seen(
        name=name,
        kind=STILLS[name].kind,
        plain=plain,
        views={at: _scores(detector, frame) for at, frame in frames.items()} if doubtful else {},
    )


def summarise(seen: Sequence[Seen], views: Sequence[str]) -> dict[str, object]:
    """How steady the mean of these views is, and what the shipped lines would make of it."""
    compared = [one for one in seen if one.views]
    pairs = [(score, mean) for one in seen for score, mean in zip(one.plain.values(), one.mean(views), strict=True)]
    every = [
        (scores["plain"], float(np.mean([scores[v] for v in views]))) for o in compared for scores in o.views.values()
    ]
    plain, mean = (np.array(column) for column in zip(*every, strict=True))
    return {
        "views": len(views),
        "spread_of_logits": round(float(np.mean([one.spread(views) for one in compared])), 3),
        "logits_moved_by": round(float((_logit(mean) - _logit(plain)).mean()), 3),
        "frames_at_line": sum(after >= LINE for _, after in pairs),
        "gained": sum(before < LINE <= after for before, after in pairs),
        "lost": sum(after < LINE <= before for before, after in pairs),
        "clips_to_people": [one.name for one in seen if _asks(one.mean(views))],
    }


def _asks(scores: Sequence[float]) -> bool:
    windows = (scores[at : at + WINDOW] for at in range(len(scores)))
    return max(scores) >= LINE or any(sum(score >= WEAKER for score in window) >= HITS for window in windows)


def _scores(detector: ExplicitDetector, frame: Picture) -> dict[str, float]:
    views = views_of(frame)
    return dict(zip(views, detector.score(list(views.values())), strict=True))


def _decoded(path: Path) -> Iterator[tuple[int, Picture]]:
    with av.open(str(path)) as container:
        for number, frame in enumerate(container.decode(video=0)):
            if number % _EVERY == 0:
                yield number, cast("Picture", frame.to_ndarray(format="bgr24"))


def _padded(pixels: Picture, rows: int, columns: int) -> Picture:
    return cast("Picture", cv2.copyMakeBorder(pixels, rows, rows, columns, columns, cv2.BORDER_REPLICATE))


def _logit(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    inside = scores.clip(1e-4, 1 - 1e-4)
    return np.asarray(np.log(inside / (1 - inside)))


def main() -> None:
    """Measure, write `results/explicit_views.json`, print the table."""
    began, settings = results.circumstances(), Settings()
    detector = ExplicitDetector.load(load_manifest(settings.models))
    seen = []
    with tempfile.TemporaryDirectory(prefix="bench-views-") as scratch:
        for name in STILLS:
            seen.append(look(detector, name, settings.models, Path(scratch)))
            results.tell(f"{len(seen)}/{len(STILLS)} {name}: {max(seen[-1].plain.values()):.2f}")
    frames = [score for one in seen for score in one.plain.values()]
    found = {name: summarise(seen, views) for name, views in SETS.items()}
    figures = {
        "clips": len(seen),
        "frames": len(frames),
        "borderline_frames": sum(score >= BORDERLINE for score in frames),
        "compared_clips": [one.name for one in seen if one.views],
        "sets": found,
        "unshown": ("explicit content: recall is not measured",),
        "pictures": credits_of(STILLS),
    }
    path = results.save("explicit_views", began, figures)
    heads = ("views", "spread_of_logits", "logits_moved_by", "frames_at_line", "gained", "lost")
    lines = [
        (name, *(one[head] for head in heads), len(cast("list[str]", one["clips_to_people"])))
        for name, one in found.items()
    ]
    results.print_table("means of views, benign clips", [("set", *heads, "clips to people"), *lines])
    print(f"\n{path}")


if __name__ == "__main__":
    main()
