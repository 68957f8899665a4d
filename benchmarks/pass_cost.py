"""What the marking pass costs beside a bare transcode at the same settings: CPU seconds, bytes, and who spends them.

The parts take turns within a round, so that a busy machine bears on all alike; ratios are taken within a round.
"""

import argparse
import resource
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from statistics import median
from typing import Final

import cv2
import numpy as np
import results
import scenes
from numpy.typing import NDArray
from transcoding import transcode

from moderation.attacks.clips import kinds, write_clip
from moderation.settings import Settings
from watermark.frames import FrameMarker, Planes, mark_frames
from watermark.invisible import InvisibleMarker
from watermark.limits import VideoLimits
from watermark.payload import Payload
from watermark.pictures import planes_of
from watermark.probing import Probe
from watermark.reader import luma
from watermark.rewriting import rewrite
from watermark.visible import VisibleMarker, VisibleSpec
from watermark.writing import Encoding, Picture, encode_frames

LIMITS: Final = VideoLimits()
#: One key and one payload for ever: where the visible mark stands decides what it costs.
KEY: Final = bytes(range(32))
PAYLOAD: Final = Payload(mark_id=0x0123456789AB, key_version=1)
SPEC: Final = VisibleSpec(platform="Countersign", creator="maya", locale="en", mark_id=PAYLOAD.mark_id, key=KEY)
#: Which marks each part puts on; `bare` is none through a transcode that knows nothing of ours.
PARTS: Final[Mapping[str, tuple[bool, bool]]] = {
    "bare": (False, False),
    "unmarked": (False, False),
    "visible": (True, False),
    "invisible": (False, True),
    "both": (True, True),
}
CLIPS: Final = ("drawn", "camera", "smooth", "vertical", "still", "fast", "text", "rough")
#: Frames that the marks alone are timed on, and how often they are gone through.
_FRAMES: Final = 60
_TURNS: Final = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What one part took on one clip."""

    seconds: float
    size: int


def cpu_seconds() -> float:
    """What this process and its ended children have used, all threads, user and system."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def markers_for(size: tuple[int, int], *, visible: bool, invisible: bool) -> tuple[FrameMarker, ...]:
    """The marks of one clip, in the order of the service."""
    wanted: list[FrameMarker] = [VisibleMarker(SPEC, *size)] if visible else []
    return (*wanted, InvisibleMarker(PAYLOAD, KEY, *size)) if invisible else tuple(wanted)


def one_part(part: str, clip: Path, target: Path, encoding: Encoding) -> Spent:
    """Carry one part out."""
    visible, invisible = PARTS[part]

    def make(described: Probe) -> tuple[FrameMarker, ...]:
        return markers_for((described.plane_width, described.plane_height), visible=visible, invisible=invisible)

    began = cpu_seconds()
    if part == "bare":
        transcode(clip, target, encoding)
    else:
        rewrite(clip, target, make, encoding=encoding, limits=LIMITS)
    return Spent(seconds=cpu_seconds() - began, size=target.stat().st_size)


def of_clip(clip: Path, folder: Path, encoding: Encoding, rounds: int) -> dict[str, object]:
    """All parts in turn, the single marks in the first round only; ratios to `bare` of the same round."""
    taken = [
        {
            part: one_part(part, clip, folder / f"{part}.mp4", encoding)
            for part in PARTS
            if number == 0 or part not in {"visible", "invisible"}
        }
        for number in range(rounds)
    ]
    others = [part for part in PARTS if part != "bare"]
    return {
        "rounds": rounds,
        "cpu_seconds": {part: round(median(one[part].seconds for one in taken if part in one), 3) for part in PARTS},
        "over_bare": {
            part: round(median(one[part].seconds / one["bare"].seconds for one in taken if part in one), 3)
            for part in others
        },
        "both_over_bare_of_each_round": [round(one["both"].seconds / one["bare"].seconds, 3) for one in taken],
        "bytes": {part: taken[0][part].size for part in PARTS},
        "bytes_over_bare": {part: round(taken[0][part].size / taken[0]["bare"].size, 3) for part in others},
    }


def marks_alone(clip: Path) -> dict[str, float]:
    """Milliseconds of one core for each mark on one decoded frame, the least and the median of several turns."""
    cv2.setNumThreads(1)
    pictures = [picture.copy() for _, picture in zip(range(_FRAMES), _lumas(clip), strict=False)]
    height, width = pictures[0].shape
    both = dict(zip(("visible", "invisible"), markers_for((width, height), visible=True, invisible=True), strict=True))
    figures: dict[str, float] = {}
    for name, marker in both.items():
        turns = sorted(_turn(marker, pictures) for _ in range(_TURNS))
        figures |= {f"{name}_least": round(turns[0], 3), f"{name}_median": round(median(turns), 3)}
    return figures


def _lumas(clip: Path) -> Iterator[NDArray[np.uint8]]:
    for _, picture in luma(clip, limits=LIMITS):
        yield picture


def _turn(marker: FrameMarker, pictures: list[NDArray[np.uint8]]) -> float:
    height, width = pictures[0].shape
    u, v = (np.full((height // 2, width // 2), 128, np.uint8) for _ in range(2))
    frames = [
        Planes(index=number, time_ms=number * 1000 // scenes.FPS, y=picture, u=u, v=v)
        for number, picture in enumerate(pictures)
    ]
    began = time.thread_time()
    for planes in frames:
        marker.mark(planes)
    return (time.thread_time() - began) / len(frames) * 1000


def in_memory(folder: Path, encoding: Encoding, rounds: int) -> dict[str, float]:
    """Marking frames of a generator before its only encode, against that encode alone; both start from RGB."""
    width, height = scenes.WIDTH, scenes.HEIGHT
    pictures = [np.ascontiguousarray(picture[..., ::-1]) for picture in scenes.generated(_FRAMES)]
    picture = Picture(width=width, height=height, fps=Fraction(scenes.FPS))

    def encode(*, marked: bool) -> float:
        began = cpu_seconds()
        markers = markers_for((width, height), visible=marked, invisible=marked)
        frames = mark_frames(planes_of(pictures, picture), markers)
        encode_frames(frames, picture, folder / "memory.mp4", encoding=encoding)
        return cpu_seconds() - began

    pairs = [(encode(marked=False), encode(marked=True)) for _ in range(rounds)]
    return {
        "encode_cpu_seconds": round(median(alone for alone, _ in pairs), 3),
        "marked_cpu_seconds": round(median(marked for _, marked in pairs), 3),
        "over_encode": round(median(marked / alone for alone, marked in pairs), 3),
    }


def main() -> None:
    """Run the rounds, write `results/pass.json`, print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--clips", nargs="+", default=list(CLIPS), help="kinds of `moderation attacks`")
    parser.add_argument("--seconds", type=int, default=5, help="how long each clip is")
    asked = parser.parse_args()
    began, settings = results.circumstances(), Settings()
    marking = settings.marking
    encoding = Encoding(preset=marking.preset, crf=marking.crf, threads=marking.encoder_threads)
    found: dict[str, dict[str, object]] = {}
    with tempfile.TemporaryDirectory(prefix="bench-pass-") as scratch:
        folder = Path(scratch)
        made = kinds(settings.models)
        clips = {name: write_clip(made[name], folder / f"{name}.mp4", asked.seconds, 1) for name in asked.clips}
        alone = {name: marks_alone(clip) for name, clip in clips.items()}
        memory = in_memory(folder, encoding, asked.rounds)
        for name, clip in clips.items():
            results.tell(f"{name}, {asked.rounds} rounds")
            found[name] = of_clip(clip, folder, encoding, asked.rounds)
            # After every clip: what was measured stands, however the run ends.
            figures = {
                "command": f"python benchmarks/pass_cost.py --rounds {asked.rounds} --seconds {asked.seconds}",
                "encoding": {"preset": encoding.preset, "crf": encoding.crf, "threads": encoding.threads},
                "clips": found,
                "marks_alone_ms_per_frame": alone,
                "in_memory": memory,
            }
            path = results.save("pass", began, figures)
            results.tell(str(path))
    _print(found, alone, memory)


def _print(
    found: Mapping[str, Mapping[str, object]], alone: Mapping[str, Mapping[str, float]], memory: Mapping[str, float]
) -> None:
    for figure in ("cpu_seconds", "over_bare", "bytes_over_bare"):
        rows = {name: _numbers(clip[figure]) for name, clip in found.items()}
        heads = next(iter(rows.values()))
        results.print_table(figure, [("clip", *heads), *((name, *row.values()) for name, row in rows.items())])
    lines: list[tuple[object, ...]] = [
        ("clip", *next(iter(alone.values()))),
        *((name, *row.values()) for name, row in alone.items()),
    ]
    results.print_table("marks alone, ms a frame on one core", lines)
    results.print_table("in memory", [("figure", ""), *memory.items()])


def _numbers(figures: object) -> dict[str, float]:
    assert isinstance(figures, dict)
    return figures


if __name__ == "__main__":
    main()
