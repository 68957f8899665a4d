"""What a person is asked to say and do in front of the camera. Drawn by the server, known to nobody before."""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise, product
from typing import Final, Literal

Turn = Literal["left", "right"]
TURNS: Final[tuple[Turn, ...]] = ("left", "right")

#: Groups of digits, each said in one breath and followed by a turn of the head: some six seconds of speech, in the
#: rhythm of a card number.
GROUPS: Final = 4
GROUP_DIGITS: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenge:
    """Groups of digits to say, and the turn of the head that follows each, as seen by the person themselves."""

    digits: tuple[str, ...]
    turns: tuple[Turn, ...]
    expires_at: datetime


def draw(now: datetime, seconds: float) -> Challenge:
    """Draw a challenge from the operating system's random source: 12 orders of turns, 10^16 rows of digits."""
    # Neither all to one side nor strictly to and fro: what a recorded nod or a panned picture does by itself.
    turns = secrets.choice(_ORDERS)
    digits = tuple("".join(str(secrets.randbelow(10)) for _ in range(GROUP_DIGITS)) for _ in range(GROUPS))
    return Challenge(digits=digits, turns=turns, expires_at=now + timedelta(seconds=seconds))


def _orders() -> tuple[tuple[Turn, ...], ...]:
    every = product(TURNS, repeat=GROUPS)
    return tuple(turns for turns in every if len(set(turns)) > 1 and any(a == b for a, b in pairwise(turns)))


_ORDERS: Final = _orders()
