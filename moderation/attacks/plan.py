"""What a run of the bench is to do, and the cells of its table: which clip meets which attack. Runs nothing."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from moderation.attacks.changes import ATTACKS, Attack, pair
from moderation.attacks.clips import Subject, lasts
from moderation.attacks.record import Record
from moderation.attacks.removal import COMPANIONS, NEEDS_COMPANIONS, REMOVERS, Loot
from watermark.writing import Encoding

#: Parts of the bench, in the order in which they are run.
PARTS: Final = ("ordinary", "hard", "screenshot", "wider", "pair", "removal", "quality", "strangers")
PAIRS: Final = 6
#: Shares of the clip at which pictures are taken of it, and what is kept of their sides.
_SHOTS: Final = (0.13, 0.47, 0.81)
_KEPT: Final[Mapping[str, float]] = {"whole": 1.0, "half the area": 0.5**0.5, "half of each side": 0.5}
_SMALLEST_SHOT: Final = 720
_AGAIN: Final = ATTACKS["h264 crf 23"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to run: clips by name, parts or single attacks, on how long clips, from which seed; where to keep clips.

    A caller's file that is shorter is taken whole.
    """

    clips: Sequence[str]
    only: Sequence[str]
    seconds: float
    seed: int
    folder: Path
    encoding: Encoding
    #: A program with libvmaf; without it VMAF is not measured.
    ffmpeg: Path | None = None

    def wants(self, part: str, attack: str = "") -> bool:
        """Tell whether a part, or one attack of it, was asked for."""
        return part in self.only or attack in self.only


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """A picture taken of a clip: when, and what is kept of its sides."""

    at_seconds: float
    keep: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One clip under one attack; `what` says what a drawn pair consists of."""

    clip: str
    part: str
    name: str
    what: str = ""
    attack: Attack = _AGAIN
    #: What is done to the frames first, by somebody who holds these other clips too.
    remove: Callable[[Loot], Iterator[Any]] | None = None
    companions: tuple[str, ...] = ()
    shot: Shot | None = None


def cells(plan: Plan, known: Mapping[str, Subject]) -> Iterator[Cell]:
    """Yield every cell that a plan asks for, part by part and clip by clip."""
    for part in PARTS:
        for clip in plan.clips:
            for cell in _of_clip(part, clip, plan, known):
                if plan.wants(part, cell.name):
                    yield cell


def missing(record: Record, plan: Plan, known: Mapping[str, Subject]) -> int:
    """Count the cells of the whole bench, all clips and parts, that a record does not hold."""
    whole = replace(plan, clips=tuple(known), only=PARTS)
    return sum(not record.knows("trials", cell.clip, cell.name) for cell in cells(whole, known))


def _of_clip(part: str, clip: str, plan: Plan, known: Mapping[str, Subject]) -> Iterable[Cell]:
    for name, attack in ATTACKS.items():
        if attack.kind == part:
            yield Cell(clip=clip, part=part, name=name, attack=attack)
    if part == "pair":
        for number in range(1, PAIRS + 1):
            what, attack = pair(clip, number, plan.seed)
            yield Cell(clip=clip, part=part, name=f"pair {number}", what=what, attack=attack)
    elif part == "screenshot" and min(known[clip].size) >= _SMALLEST_SHOT:
        for name, keep in _KEPT.items():
            for number, share in enumerate(_SHOTS, start=1):
                shot = Shot(at_seconds=share * lasts(known[clip], plan.seconds), keep=keep)
                yield Cell(clip=clip, part=part, name=f"screenshot {number}, {name}", shot=shot)
    elif part == "removal":
        yield from _removals(clip, plan, known)


def _removals(clip: str, plan: Plan, known: Mapping[str, Subject]) -> Iterator[Cell]:
    alike = [other for other in plan.clips if other != clip and known[other].size == known[clip].size]
    for name, remove in REMOVERS.items():
        companions = tuple(alike[: COMPANIONS - 1]) if name == NEEDS_COMPANIONS else ()
        if name != NEEDS_COMPANIONS or len(companions) == COMPANIONS - 1:
            yield Cell(clip=clip, part="removal", name=name, remove=remove, companions=companions)
