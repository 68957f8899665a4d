"""What judges at one instant: the acting rules, a candidate's share, rules in shadow, emergency rules. Immutable, pure.

A judgement takes one `Choice` and nothing else, so it is never mixed of two versions.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from moderation.canonical import canonical
from moderation.policy.engine import Ruleset
from moderation.policy.loader import POLICY, UnusablePolicies, load_bundle
from moderation.policy.model import Finding

_BASIS_POINTS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Emergency:
    """Rules laid over those in force until `expires_at`."""

    emergency_id: str
    area: str
    text: str
    expires_at: datetime

    def holds(self, at: datetime) -> bool:
        """Tell whether a clip judged at this instant meets them: from when they are known, whatever clocks say."""
        return at < self.expires_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Shadowed:
    """Rules that are judged beside; `base` is their version without emergency rules."""

    base: str
    ruleset: Ruleset


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The rules of one judgement."""

    acting: Ruleset
    shadows: tuple[Shadowed, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Which rulesets there are to choose from, and what is wrong with those that should be there instead."""

    acting: Ruleset
    candidate: Ruleset | None = None
    percent: int = 0
    shadow: Ruleset | None = None
    faults: tuple[str, ...] = ()


class Layering:
    """Lays emergency rules over rulesets and keeps what it made. For one process."""

    KEPT = 64

    def __init__(self) -> None:
        self._made: dict[tuple[str, ...], Ruleset] = {}

    def over(self, base: Ruleset, emergencies: Iterable[Emergency]) -> Ruleset:
        """The base with these rules added; the base itself when there are none. Raises UnusablePolicies."""
        extra = tuple(emergencies)
        if not extra:
            return base
        key = (base.version, *(emergency.emergency_id for emergency in extra))
        if key not in self._made:
            if len(self._made) >= self.KEPT:
                self._made.clear()
            self._made[key] = lay_over(base, extra)
        return self._made[key]


def lay_over(base: Ruleset, emergencies: Iterable[Emergency]) -> Ruleset:
    """A version of its own: every text of the base, and an area for each emergency. Raises UnusablePolicies."""
    texts: dict[str, str] = json.loads(base.bundle)
    added = {f"{emergency.area}/{POLICY}": emergency.text for emergency in emergencies}
    if taken := sorted(added.keys() & texts.keys()):
        # Laid over it would replace rules, and adding is all it may do.
        said = "an area of emergency rules has this name"
        raise UnusablePolicies([Finding(path=taken[0], line=1, column=1, code="duplicate-area", message=said)])
    return load_bundle(canonical(texts | added).decode())


@dataclass(frozen=True, slots=True, kw_only=True)
class InForce:
    """Everything that decides which rules judge a clip of one organisation."""

    serial: int
    edition: int
    rules: Rules
    emergencies: tuple[Emergency, ...]
    layering: Layering

    def choose(self, clip_id: str, at: datetime) -> Choice:
        """The rules for a clip judged at this instant. Raises UnusablePolicies where emergency rules fit no more."""
        rules = self.rules
        extra = tuple(emergency for emergency in self.emergencies if emergency.holds(at))
        taken = rules.candidate is not None and in_share(clip_id, rules.percent)
        acting = rules.candidate if taken and rules.candidate is not None else rules.acting
        beside = {r.version: r for r in (rules.candidate, rules.shadow) if r is not None}
        beside.pop(acting.version, None)
        return Choice(
            acting=self.layering.over(acting, extra),
            shadows=tuple(
                Shadowed(base=base, ruleset=self.layering.over(ruleset, extra)) for base, ruleset in beside.items()
            ),
        )


def in_share(clip_id: str, percent: int) -> bool:
    """Tell whether a clip belongs to the first `percent` per cent; raising the figure only ever adds clips."""
    place = int.from_bytes(hashlib.sha256(clip_id.encode()).digest()[:8]) % _BASIS_POINTS
    return place < percent * 100
