"""Pictures without our mark, read with many keys: how often a mark is seen where none is. Marks nothing."""

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

import av

from moderation.attacks.applying import attacked
from moderation.attacks.changes import ATTACKS
from moderation.attacks.clips import FPS, Kind, Own, Size, Subject
from moderation.attacks.trials import key_for, lumas
from watermark.invisible import read

EXCERPTS: Final = 128
#: As many versions as a payload can name: every reading tries all.
KEYS: Final = 16
#: Every so many excerpts one is long enough for all that the reader does; the others, shorter than a second, for all
#: but the search at other speeds, which costs ten times the rest.
_LONG_EVERY: Final = 8
_LONG, _SHORT = 2.4, 0.9
#: What every kind is drawn in, by turns; None is its own size.
_SIZES: Final[tuple[Size | None, ...]] = (None, (720, 1280), (1920, 1080), (1080, 1920))
#: At most so many excerpts are taken from a file, none of which shares a frame with another.
_OF_A_FILE: Final = 8
_ORDINARY: Final = tuple(name for name, attack in ATTACKS.items() if attack.kind == "ordinary")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stranger:
    """An excerpt that no other is equal to, and what is done to it before it is read; of a file, where it begins."""

    number: int | str
    kind: str
    seconds: float
    size: Size
    attack: str
    seed: int
    start: float = 0.0

    def frames(self, subject: Subject) -> Iterator[Any]:
        """Yield its frames as drawn, or as the file has them."""
        if isinstance(subject, Own):
            yield from subject.video.frames(self.start, self.start + self.seconds)
            return
        for number, picture in enumerate(subject.draw(round(self.seconds * FPS), self.size, self.seed)):
            frame = av.VideoFrame.from_ndarray(picture, format="bgr24").reformat(format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            yield frame


def strangers(subjects: Mapping[str, Subject], seed: int) -> Iterator[Stranger]:
    """Yield the excerpts of a run: all kinds in turn, then the caller's files."""
    drawn = {name: subject for name, subject in subjects.items() if isinstance(subject, Kind)}
    for number in range(EXCERPTS if drawn else 0):
        round_, place = divmod(number, len(drawn))
        name = list(drawn)[place]
        attack, drawn_from = _drawn(number, seed)
        yield Stranger(
            number=number,
            kind=name,
            # So that every kind has its turn to be long.
            seconds=_SHORT if (round_ + place) % _LONG_EVERY else _LONG,
            size=_SIZES[round_ % len(_SIZES)] or drawn[name].size,
            attack=attack,
            seed=drawn_from,
        )
    for name, subject in subjects.items():
        if isinstance(subject, Own):
            yield from _of_file(name, subject, seed)


def _of_file(name: str, subject: Own, seed: int) -> Iterator[Stranger]:
    for piece in range(min(_OF_A_FILE, int(subject.video.seconds / _SHORT))):
        number = f"{name} {piece}"
        attack, drawn_from = _drawn(number, seed)
        yield Stranger(
            number=number,
            kind=name,
            seconds=_SHORT,
            size=subject.size,
            attack=attack,
            seed=drawn_from,
            start=piece * _SHORT,
        )


def _drawn(number: int | str, seed: int) -> tuple[str, int]:
    """Draw an ordinary attack and a seed; "trimmed" leaves nothing of a short excerpt."""
    drawn = random.Random(f"{seed}/stranger/{number}")  # noqa: S311 (repeatable, nothing secret)
    return drawn.choice([name for name in _ORDINARY if name != "trimmed"]), drawn.randrange(1 << 31)


def misread(stranger: Stranger, subjects: Mapping[str, Subject], seed: int) -> dict[str, Any]:
    """Read an excerpt with keys that marked nothing; says what was seen, and how many decodings were really tried."""
    keys = {version: key_for(f"stranger {stranger.number}/{version}", seed) for version in range(KEYS)}
    frames = attacked(stranger.frames(subjects[stranger.kind]), ATTACKS[stranger.attack])
    reading = read(lumas(frames), keys)
    return {
        "excerpt": stranger.number,
        "kind": stranger.kind,
        "seconds": stranger.seconds,
        "width": stranger.size[0],
        "height": stranger.size[1],
        "attack": stranger.attack,
        "keys": len(keys),
        "state": reading.state,
        "decodings_tried": reading.decodings,
    }
