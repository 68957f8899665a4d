"""Whether a mark that was lifted off one clip and laid over another is called transplanted: 20 pairs of drawn clips.

The attacker is given more than there is to be had: the exact difference between a marked clip and the unmarked one.
"""

import secrets
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import permutations
from pathlib import Path
from typing import Final

import av
import cv2
import numpy as np
from numpy.typing import NDArray
from results import circumstances, print_table, save, tell

from moderation.attacks.clips import FPS, kinds
from moderation.settings import Settings, Verifying
from watermark.authority import open_authority
from watermark.credentials import Trust
from watermark.fingerprint import Fingerprint, fingerprint
from watermark.frames import Planes
from watermark.invisible import InvisibleMarker
from watermark.limits import VideoLimits
from watermark.payload import Payload
from watermark.reader import luma
from watermark.reading import read_marks
from watermark.settling import settle
from watermark.sketches import Sketcher, Sketches

CLIPS: Final = ("drawn", "smooth", "still", "cartoon", "rough")
WIDTH, HEIGHT, SECONDS = 1280, 720, 2
LIMITS: Final = VideoLimits()
BUDGET: Final = Verifying().budget()
WAYS: Final = ("as it is", "encoded again", "cropped to 9:16")

Film = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class Victim:
    """A marked clip as its owner knows it, and what its mark adds to every frame, int8 [frames, height, width]."""

    key: bytes
    added: NDArray[np.int8]
    stored: Fingerprint
    sketches: Sketches


def main() -> None:
    began = circumstances()
    films = {name: draw(name) for name in CLIPS}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        trust = Trust(own_pem=open_authority(folder / "ca", now=datetime.now(UTC)).root_pem)
        rows = list(transplants(films, folder, trust))
    heads = ("mark of", "laid over", "how", "mark", "content")
    print_table("Transplanted marks", [heads, *rows])
    told = sum(row[3] == "transplanted" for row in rows)
    figures = {
        "command": "python benchmarks/transplants.py",
        "transplanted": f"{told} of {len(rows)}",
        "rows": [dict(zip(heads, row, strict=True)) for row in rows],
    }
    save("transplants", began, figures)


def transplants(films: Mapping[str, Film], folder: Path, trust: Trust) -> Iterator[tuple[str, ...]]:
    """Yield for every pair whose mark it was, what it was laid over, how, and what is said of mark and content."""
    victims = {name: victim(film, folder) for name, film in films.items()}
    for number, (of, over) in enumerate(permutations(CLIPS, 2)):
        way = WAYS[number % len(WAYS)]
        path = forge(victims[of], films[over], way, folder)
        reading = read_marks(path, keys={1: victims[of].key}, trust=trust, limits=LIMITS, budget=BUDGET)
        settled = settle(reading, victims[of].stored, victims[of].sketches)
        states = (settled.layers["invisible"].state.value, settled.layers["fingerprint"].state.value)
        tell(f"{of} over {over}, {way}: {', '.join(states)}")
        yield of, over, way, *states


def draw(name: str) -> Film:
    """Draw a clip's luma, uint8 [frames, height, width]."""
    kind = kinds(Settings().models)[name]
    # A seed of its own: two kinds drawn from the same noise are the same picture but for its detail.
    frames = kind.draw(SECONDS * FPS, (WIDTH, HEIGHT), 5 + CLIPS.index(name))
    return np.stack([np.asarray(cv2.cvtColor(each, cv2.COLOR_BGR2GRAY), np.uint8) for each in frames])


def victim(film: Film, folder: Path) -> Victim:
    """Mark a clip under a key of its own, and take down what is stored of it."""
    key = secrets.token_bytes(32)
    marker = InvisibleMarker(Payload(mark_id=secrets.randbits(48), key_version=1), key, WIDTH, HEIGHT)
    marked = film.copy()
    for planes in planes_of(marked):
        marker.mark(planes)
    path = encode(marked, folder / "marked.mp4", 21)
    sketcher = Sketcher()
    for time_ms, picture in luma(path, limits=LIMITS):
        sketcher.see(time_ms, picture)
    sketches = sketcher.finish()
    assert sketches is not None
    added = (marked.astype(np.int16) - film).astype(np.int8)
    return Victim(key=key, added=added, stored=fingerprint(luma(path, limits=LIMITS)), sketches=sketches)


def forge(whose: Victim, film: Film, way: str, folder: Path) -> Path:
    """Lay a mark over another clip, and write that as somebody would pass it on."""
    forged = np.clip(film.astype(np.int16) + whose.added, 0, 255).astype(np.uint8)
    if way == "cropped to 9:16":
        side = HEIGHT * 9 // 16 // 2 * 2
        forged = np.ascontiguousarray(forged[:, :, (WIDTH - side) // 2 :][:, :, :side])
    path = encode(forged, folder / "forged.mp4", 23)
    if way == "encoded again":
        again = np.stack([picture for _, picture in luma(path, limits=LIMITS)])
        path = encode(again, folder / "again.mp4", 30)
    return path


def planes_of(film: Film) -> Iterator[Planes]:
    """Yield a film's frames as planes that can be marked in place."""
    grey = np.full((film.shape[1] // 2, film.shape[2] // 2), 128, np.uint8)
    for index, y in enumerate(film):
        yield Planes(index=index, time_ms=index * 1000 // FPS, y=y, u=grey, v=grey)


def encode(film: Film, path: Path, crf: int) -> Path:
    """Write luma as H.264."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS, options={"preset": "veryfast", "crf": str(crf)})
        stream.height, stream.width = film.shape[1:]
        stream.pix_fmt = "yuv420p"
        for planes in planes_of(film):
            packed = np.concatenate([planes.y.ravel(), planes.u.ravel(), planes.v.ravel()])
            frame = av.VideoFrame.from_ndarray(packed.reshape(film.shape[1] * 3 // 2, film.shape[2]), format="yuv420p")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


if __name__ == "__main__":
    main()
