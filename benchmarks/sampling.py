"""Which frames are looked at, and what choosing them costs: by kind of clip, and by kind of a one-frame insert.

Clips are 1280 x 720 at 30 frames a second, made by program. CPU seconds of choosing are those of this thread, less
what decoding took of it; detectors are not run.
"""

import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import results
import scenes
from scenes import FPS, HEIGHT, WIDTH

from moderation.samples.drawing import draw_pictures
from moderation.samples.footage import Picture, write_footage
from moderation.samples.portraits import portrait
from moderation.samples.stills import near
from moderation.settings import Sampling, Settings
from watermark.limits import VideoLimits
from watermark.sampling import SamplingRules, Watch
from watermark.sources import TimedFrame, decode_frames, open_source

SECONDS: Final = 10
#: Clips with inserts are shorter, with one insert in so many frames.
INSERT_FRAMES: Final = 56
EVERY: Final = 15
#: Of a frame 720 high, the height of the picture laid in; the face is about half of it.
LAID_IN: Final = (240, 160, 110)

Change = Callable[[Picture, Picture], Picture]


def shown(seed: int, number: int = 0) -> Picture:
    """One drawn picture, unlike those of other seeds."""
    return list(draw_pictures(number + 1, WIDTH, HEIGHT, FPS, seed))[-1]


def pan(step: int, count: int) -> Iterator[Picture]:
    """A camera that sweeps over a wide drawn ground and back, `step` pixels a frame at its fastest."""
    wide = np.concatenate([shown(seed) for seed in (61, 62, 63)], axis=1)
    room = wide.shape[1] - WIDTH
    for number in range(count):
        left = round((0.5 - 0.5 * np.cos(2 * step * number / room)) * room)
        yield wide[:, left : left + WIDTH]


def confetti(count: int) -> Iterator[Picture]:
    """Two hundred discs that fly about."""
    rng = np.random.default_rng(3)
    at, way = rng.uniform(0, 1, (200, 2)) * (WIDTH, HEIGHT), rng.normal(0, 12, (200, 2))
    colours = rng.integers(0, 256, (200, 3)).tolist()
    ground = shown(77)
    for _ in range(count):
        picture = ground.copy()
        at = (at + way) % (WIDTH, HEIGHT)
        for (x, y), colour in zip(at, colours, strict=True):
            cv2.circle(picture, (int(x), int(y)), 20, colour, -1)
        yield picture


def cut(count: int, every: int) -> Iterator[Picture]:
    """Another drawn picture every so many frames."""
    for start in range(0, count, every):
        yield from draw_pictures(min(every, count - start), WIDTH, HEIGHT, FPS, 500 + start)


def flashes(count: int, face: Picture) -> Iterator[Picture]:
    """Drawn shapes in motion, with the portrait for one frame every second."""
    for number, picture in enumerate(draw_pictures(count, WIDTH, HEIGHT, FPS, 21)):
        yield face if number % FPS == 20 else picture


def kinds(face: Picture) -> dict[str, Iterable[Picture]]:
    """The clips by name."""
    count = SECONDS * FPS
    return {
        "still picture": [shown(6)] * count,
        "drawn shapes in motion": draw_pictures(count, WIDTH, HEIGHT, FPS, 7),
        "a cut every second": cut(count, FPS),
        "a cut every third of a second": cut(count, 10),
        "a one-frame insert every second": flashes(count, face),
        "fast pan": pan(25, count),
        "confetti": confetti(count),
        "every frame another picture": cut(count, 1),
    }


def whole(_: Picture, face: Picture) -> Picture:
    return face


def half(picture: Picture, face: Picture) -> Picture:
    return np.concatenate([face[:, WIDTH // 4 : 3 * WIDTH // 4], picture[:, WIDTH // 2 :]], axis=1)


def laid_in(height: int) -> Change:
    """The portrait as a small picture within the picture."""

    def lay(picture: Picture, face: Picture) -> Picture:
        small = cv2.resize(face[:, 352:928], (height * 4 // 5, height), interpolation=cv2.INTER_AREA)
        changed = picture.copy()
        changed[90 : 90 + height, 850 : 850 + small.shape[1]] = small
        return changed

    return lay


def blended(share: float) -> Change:
    """The portrait over the whole picture, see-through."""
    return lambda picture, face: np.asarray(cv2.addWeighted(picture, 1 - share, face, share, 0), np.uint8)


def tinted(picture: Picture, face: Picture) -> Picture:
    """The portrait's colours in the picture's own brightness."""
    mixed, colours = (cv2.cvtColor(one, cv2.COLOR_BGR2YCrCb) for one in (picture, face))
    mixed[:, :, 1:] = colours[:, :, 1:]
    return np.asarray(cv2.cvtColor(mixed, cv2.COLOR_YCrCb2BGR), np.uint8)


INSERTS: Final[dict[str, Change]] = {
    "whole picture": whole,
    "left half": half,
    **{f"picture in picture, {height} px": laid_in(height) for height in LAID_IN},
    "blended, 25 %": blended(0.25),
    "blended, 10 %": blended(0.10),
    "colours only": tinted,
}


def choose(path: Path, rules: SamplingRules) -> dict[str, object]:
    """Choose frames of a clip; the CPU seconds of choosing, and what was chosen."""
    watch, decoding = Watch(rules), 0.0

    def decoded(frames: Iterator[TimedFrame]) -> Iterator[TimedFrame]:
        nonlocal decoding
        while True:
            began = time.thread_time()
            timed = next(frames, None)
            decoding += time.thread_time() - began
            if timed is None:
                return
            yield timed

    with open_source(path, VideoLimits()) as source:
        began = time.thread_time()
        chosen = [choice.timed.index for choice in watch.choose(decoded(decode_frames(source)))]
        spent = time.thread_time() - began - decoding
    account = watch.account()
    return {
        "frames": account.frames,
        "chosen": chosen,
        "looks": len(chosen),
        "shots": len({start.shot for start in account.shots}),
        "unseen_frames": account.unseen_frames,
        "cpu_seconds_of_choosing": round(spent, 4),
    }


def found(folder: Path, host: Sequence[Picture], face: Picture, change: Change, rules: SamplingRules) -> str:
    """How many of the inserts in one clip were looked at."""
    # Soon after a look of the floor: there only a sudden change can bring another.
    places = [n for n in range(len(host) - 3) if n % EVERY == 4]
    pictures = (change(picture, face) if number in places else picture for number, picture in enumerate(host))
    path = folder / "insert.mp4"
    write_footage(path, pictures, fps=FPS)
    seen = choose(path, rules)["chosen"]
    assert isinstance(seen, list)
    return f"{len(set(places) & set(seen))}/{len(places)}"


def main() -> None:
    """Make the clips, choose, write `results/sampling.json`, print the tables."""
    began, settings = results.circumstances(), Settings()
    rules = SamplingRules(**Sampling().model_dump(exclude={"long_side"}))
    picture = np.asarray(cv2.imread(str(portrait("obama-2012", settings.models))), np.uint8)
    face = next(near(picture, 1, WIDTH, HEIGHT, filling=1 / 0.88))
    clips: dict[str, dict[str, object]] = {}
    with tempfile.TemporaryDirectory(prefix="bench-sampling-") as scratch:
        folder = Path(scratch)
        for name, pictures in kinds(face).items():
            results.tell(name)
            write_footage(folder / "clip.mp4", pictures, fps=FPS)
            clips[name] = choose(folder / "clip.mp4", rules)
        results.tell("a pan over two portraits")
        clips["a pan over two portraits"] = choose(scenes.two_faces(folder / "two.mp4", settings.models), rules)
        hosts = {
            "drawn shapes": list(draw_pictures(INSERT_FRAMES, WIDTH, HEIGHT, FPS, 8)),
            "fast pan": list(pan(25, INSERT_FRAMES)),
            "confetti": list(confetti(INSERT_FRAMES)),
        }
        inserts: dict[str, dict[str, str]] = {}
        for name, change in INSERTS.items():
            results.tell(f"insert: {name}")
            inserts[name] = {host: found(folder, frames, face, change, rules) for host, frames in hosts.items()}
    kept = {name: {key: value for key, value in told.items() if key != "chosen"} for name, told in clips.items()}
    figures = {"rules": Sampling().model_dump(), "clips": kept, "one_frame_inserts_found": inserts}
    path = results.save("sampling", began, figures)
    heads = ("looks", "shots", "unseen_frames", "cpu_seconds_of_choosing")
    lines = [(name, *(told[head] for head in heads)) for name, told in clips.items()]
    results.print_table(f"{SECONDS} s of {WIDTH} x {HEIGHT}", [("clip", *heads), *lines])
    table = [(name, *told.values()) for name, told in inserts.items()]
    results.print_table("one-frame inserts looked at", [("insert", *hosts), *table])
    print(f"\n{path}")


if __name__ == "__main__":
    main()
