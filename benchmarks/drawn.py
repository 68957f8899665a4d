"""How well drawn pictures and faces are told from photographed ones, on folders of either that you name.

Counts with exact 95 % intervals: of the whole pictures, and of the largest face of those where one is found. The
folders behind the committed figures, and the packages they came out of, are listed in docs/model-cards/drawn.md.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

import cv2
import numpy as np
from numpy.typing import NDArray
from results import circumstances, print_table, save, tell

from detectors.drawn import DrawnDetector, share_of_shades
from detectors.faces import Faces
from detectors.figures import exact_interval
from detectors.minors import DRAWN_FROM, MIN_FACE_PX, MIN_SHADES
from detectors.packs import build
from moderation.settings import Settings

Pixels = NDArray[np.uint8]
#: The line of policies/minors for a picture without a face.
FRAME_LINE: Final = 0.30
HEADS: Final = ("pictures", "what", "said", "of", "low", "high")
_SIDE: Final = 640
_PAPER: Final = 235
_ALPHA: Final = 3
_QUALITY: Final = 80
_KINDS: Final = (".jpg", ".jpeg", ".png", ".webp")


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What was said of one picture; `shades` is None where no face of a readable size was found."""

    score: float
    shades: float | None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path, help="each holds pictures of one kind; its name is printed")
    folders: list[Path] = parser.parse_args().folders
    began = circumstances()
    manifest = build(Settings().models, progress=tell)
    drawn, faces = DrawnDetector.load(manifest), Faces.load(manifest)
    rows = [row for folder in folders for row in count(folder.name, list(looks(drawn, faces, folder)))]
    print_table("Said to be drawn, with the exact 95 % interval", [HEADS, *rows])
    command = " ".join(["python benchmarks/drawn.py", *(folder.name for folder in folders)])
    save("drawn", began, {"command": command, "rows": [dict(zip(HEADS, row, strict=True)) for row in rows]})


def looks(drawn: DrawnDetector, faces: Faces, folder: Path) -> Iterator[Look]:
    """Look at every picture of a folder as at a frame of a clip."""
    for path in sorted(folder.iterdir()):
        picture = read(path) if path.suffix.lower() in _KINDS else None
        if picture is None:
            continue
        found = [face for face in faces.finder.find(picture) if face.height >= MIN_FACE_PX]
        largest = max(found, key=lambda face: face.height, default=None)
        shades = None if largest is None else share_of_shades(picture, largest.edges)
        yield Look(score=drawn.score(picture), shades=shades)


def read(path: Path) -> Pixels | None:
    """Return a picture as uint8 [height, width, 3] in BGR, its longer side 640, on paper, after one JPEG round trip."""
    raw = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if raw is None or raw.dtype != np.uint8:
        return None
    picture = cv2.cvtColor(raw, cv2.COLOR_GRAY2BGR) if raw.ndim == 2 else raw
    if picture.shape[2] > _ALPHA:
        cover = picture[..., _ALPHA:].astype(np.float32) / 255
        picture = (picture[..., :_ALPHA] * cover + _PAPER * (1 - cover)).astype(np.uint8)
    scale = _SIDE / max(picture.shape[:2])
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    sized = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=method)
    _, encoded = cv2.imencode(".jpg", sized, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    return cast("Pixels", cv2.imdecode(encoded, cv2.IMREAD_COLOR))


def count(name: str, seen: list[Look]) -> Iterator[tuple[object, ...]]:
    """Give one row for the pictures and one for those with a face, with the exact interval of each."""
    yield _row(name, f"picture at {FRAME_LINE}", [look.score >= FRAME_LINE for look in seen])
    with_face = [look for look in seen if look.shades is not None]
    said = {
        f"picture with a face at {DRAWN_FROM}": [look.score >= DRAWN_FROM for look in with_face],
        f"shades below {MIN_SHADES}": [(look.shades or 0) < MIN_SHADES for look in with_face],
        "face: either": [look.score >= DRAWN_FROM or (look.shades or 0) < MIN_SHADES for look in with_face],
    }
    for what, answers in said.items():
        yield _row(name, what, answers)


def _row(name: str, what: str, answers: list[bool]) -> tuple[object, ...]:
    events, trials = sum(answers), len(answers)
    low, high = exact_interval(events, trials) if trials else (0.0, 1.0)
    return name, what, events, trials, round(low, 4), round(high, 4)


if __name__ == "__main__":
    main()
