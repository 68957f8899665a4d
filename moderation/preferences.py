"""How a reviewer wants their pages: how clips begin, keys, language, contrast. Allows nothing and forbids nothing."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final, cast

from psycopg.types.json import Jsonb

from moderation.db import Transaction, queries
from moderation.messages import LANGUAGES

SQL = queries("preferences")
#: The look of every queue that has none of its own.
EVERYWHERE: Final = ""
VEILS: Final = ("usual", "strong", "strongest")
#: What of a look is either so or not.
FLAGS: Final = ("grey", "sepia", "cartoon_first", "muted", "paused")
SPEEDS: Final = (0.25, 0.5, 1.0, 1.5, 2.0)
#: What each choice may be; the first is what holds without one.
CHOICES: Final[Mapping[str, tuple[str, ...]]] = {
    "language": ("", *LANGUAGES),
    "direction": ("auto", "ltr", "rtl"),
    "contrast": ("auto", "more"),
    "motion": ("auto", "less"),
    "colours": ("auto", "light", "dark"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How clips begin: what lies over the veiled rendition, what of a revealed one is dimmed, how it plays."""

    veil: str = VEILS[0]
    grey: bool = True
    sepia: bool = False
    cartoon_first: bool = False
    muted: bool = True
    paused: bool = True
    speed: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Preferences:
    """One reviewer's choices. `looks` by queue, `keys` by action; "auto" leaves it to the browser."""

    looks: Mapping[str, Look] = field(default_factory=dict)
    keys_on: bool = True
    keys: Mapping[str, str] = field(default_factory=dict)
    language: str = ""
    direction: str = "auto"
    contrast: str = "auto"
    motion: str = "auto"
    colours: str = "auto"

    def look(self, queue: str) -> Look:
        """How clips of a queue begin."""
        return self.looks.get(queue) or self.looks.get(EVERYWHERE) or Look()

    def with_look(self, queue: str, look: Look | None) -> "Preferences":
        """The same with another look for a queue, or with none of its own."""
        others = {name: other for name, other in self.looks.items() if name != queue}
        return replace(self, looks=others if look is None else {**others, queue: look})

    def to_json(self) -> dict[str, object]:
        """As it is stored."""
        return cast("dict[str, object]", asdict(self))


def from_json(body: Mapping[str, object]) -> Preferences:
    """Read what is stored; what is no choice (any more) is as if it were not chosen."""
    chosen = {name: body[name] for name, every in CHOICES.items() if body.get(name) in every}
    looks, keys = body.get("looks"), body.get("keys")
    return Preferences(
        looks={str(queue): _look(look) for queue, look in looks.items()} if isinstance(looks, dict) else {},
        keys_on=body.get("keys_on") is not False,
        keys={str(action): str(key) for action, key in keys.items()} if isinstance(keys, dict) else {},
        **cast("dict[str, Any]", chosen),
    )


def _look(body: Mapping[str, object]) -> Look:
    usual = Look()
    flags = {name: bool(body.get(name, getattr(usual, name))) for name in FLAGS}
    veil, speed = body.get("veil"), body.get("speed")
    return Look(
        veil=str(veil) if veil in VEILS else usual.veil,
        speed=float(speed) if isinstance(speed, float | int) and speed in SPEEDS else usual.speed,
        **flags,
    )


def keep(tx: Transaction, principal: str, preferences: Preferences) -> None:
    """Store the choices of a reviewer, who is one since their first log-in or claim."""
    tx.pg.execute(SQL.keep, {"principal": principal, "preferences": Jsonb(preferences.to_json())})


def opt_out(tx: Transaction, principal: str, queues: list[str]) -> None:
    """Store which queues a reviewer does not want to be dealt. Nobody asks why."""
    tx.pg.execute(SQL.opt_out, {"principal": principal, "queues": queues})
