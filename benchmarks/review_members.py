"""More photographs for the review-load benchmark, where an operator put them: members of the United States Congress.

Harmless clips show members whom nobody registered; the others show a registered member in a photograph that is six
years younger than the registered one, for one second between strangers or among them.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import cycle
from pathlib import Path
from typing import Final, cast

import cv2
import numpy as np
import still_motion
from official_portraits import Photograph, find_photographs
from review_clips import FRAMES, Draw, Plan

from moderation.samples.footage import Picture

REGISTRY: Final = "twenty members"
_REGISTERED, _ALONE, _WALLS, _ON_A_WALL, _SHOWN = 20, 16, 4, 8, 10
_PROMPT: Final = "A member of an assembly looks into the camera, official portrait"


class Members:
    """The photographs below a folder, sorted into who is registered and who is a stranger; the same way every time."""

    def __init__(self, folder: Path) -> None:
        photographs = sorted(find_photographs(folder), key=lambda one: (one.person, one.year))
        old = {one.person: one for one in photographs if one.year == 2015}
        new = {one.person: one for one in photographs if one.year == 2021}
        both = sorted(old.keys() & new.keys())
        # Spread over the alphabet of ids, which follows the names: neighbours may be kin.
        chosen = both[:: len(both) // _REGISTERED][:_REGISTERED]
        self._old, self._new = [old[person] for person in chosen], [new[person] for person in chosen]
        strangers = [new[person] for person in sorted(new.keys() - set(chosen))]
        needed = _ALONE + _WALLS * _ON_A_WALL
        self._strangers = strangers[:: len(strangers) // needed][:needed]

    def registry(self) -> dict[str, tuple[Path, ...]]:
        """Who is registered, each from the photograph of 2015."""
        return {one.person: (one.path,) for one in self._old}

    def benign(self) -> list[Plan]:
        """Strangers alone, under every move, and walls of them."""
        moves = cycle((still_motion.nearing, still_motion.panned, still_motion.relit, still_motion.grey))
        alone = [
            _plan(f"member-{one.person}", "members of an assembly", _over(one, next(moves)))
            for one in self._strangers[:_ALONE]
        ]
        walled = [
            self._strangers[first : first + _ON_A_WALL] for first in range(_ALONE, len(self._strangers), _ON_A_WALL)
        ]
        walls = [_plan(f"members-wall-{place}", "walls of members", _wall(shown)) for place, shown in enumerate(walled)]
        return alone + walls

    def positive(self) -> list[Plan]:
        """Registered members, half of them for one second between two strangers, half on a wall among seven."""
        plans = []
        for place, one in enumerate(self._new):
            others = self._strangers[place : place + _ON_A_WALL - 1]
            between = place < _SHOWN
            draw = _in_turn([others[0], one, others[1]]) if between else _wall([*others[:3], one, *others[3:]])
            group = "registered member for a second" if between else "registered member on a wall"
            plans.append(_plan(f"registered-{one.person}", group, draw))
        return plans


def _plan(name: str, group: str, draw: Draw) -> Plan:
    return Plan(name=name, group=group, draw=draw, prompt=_PROMPT, registry=REGISTRY)


def _read(one: Photograph) -> Picture:
    return cast("Picture", cv2.imdecode(np.frombuffer(one.path.read_bytes(), np.uint8), cv2.IMREAD_COLOR))


def _over(one: Photograph, move: Callable[[Picture, int], Iterator[Picture]]) -> Draw:
    return lambda _: move(_read(one), FRAMES)


def _in_turn(shown: Sequence[Photograph]) -> Draw:
    return lambda _: still_motion.shown_in_turn([_read(one) for one in shown], FRAMES)


def _wall(shown: Sequence[Photograph]) -> Draw:
    return lambda _: still_motion.wall([_read(one) for one in shown], FRAMES, 2)
