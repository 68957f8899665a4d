"""Pictures without our mark, read with many keys: how often a mark is seen where none is. Marks nothing."""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

import av

from moderation.attacks.applying import attacked
from moderation.attacks.changes import ATTACKS
from moderation.attacks.clips import FPS, Kind
from moderation.attacks.trials import key_for, lumas
from watermark.invisible import read

EXCERPTS: Final = 128
#: As many versions as a payload can name: every reading tries all.
KEYS: Final = 16
#: Every so many excerpts one is long enough for all that the reader does; the others, shorter than a second, for all
#: but the search at other speeds, which costs ten times the rest.
_LONG_EVERY: Final = 8
_LONG, _SHORT = 2.4, 0.9
_ORDINARY: Final = tuple(name for name, attack in ATTACKS.items() if attack.kind == "ordinary")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stranger:
    """An excerpt that no other is equal to, and what is done to it before it is read."""

    number: int
    kind: str
    seconds: float
    attack: str
    seed: int

    def frames(self, kind: Kind) -> Iterator[Any]:
        """Yield its frames as drawn."""
        for number, picture in enumerate(kind.draw(round(self.seconds * FPS), kind.size, self.seed)):
            frame = av.VideoFrame.from_ndarray(picture, format="bgr24").reformat(format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            yield frame


def strangers(names: Sequence[str], seed: int) -> Iterator[Stranger]:
    """Yield the excerpts of a run, all kinds in turn."""
    for number in range(EXCERPTS):
        drawn = random.Random(f"{seed}/stranger/{number}")  # noqa: S311 (repeatable, nothing secret)
        yield Stranger(
            number=number,
            kind=names[number % len(names)],
            seconds=_SHORT if number % _LONG_EVERY else _LONG,
            # "trimmed" leaves nothing of a short one.
            attack=drawn.choice([name for name in _ORDINARY if name != "trimmed"]),
            seed=drawn.randrange(1 << 31),
        )


def misread(stranger: Stranger, kinds: Mapping[str, Kind], seed: int) -> dict[str, Any]:
    """Read an excerpt with keys that marked nothing; says what was seen, and how many decodings were really tried."""
    keys = {version: key_for(f"stranger {stranger.number}/{version}", seed) for version in range(KEYS)}
    frames = attacked(stranger.frames(kinds[stranger.kind]), ATTACKS[stranger.attack])
    reading = read(lumas(frames), keys)
    return {
        "excerpt": stranger.number,
        "kind": stranger.kind,
        "seconds": stranger.seconds,
        "attack": stranger.attack,
        "keys": len(keys),
        "state": reading.state,
        "decodings_tried": reading.decodings,
    }
