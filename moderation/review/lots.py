"""Lots: open cases of a queue that look like one, by their prompt, by the person they show or by the rule. Pure.

A lot is a guess about what belongs together; what it is worth, `trends` finds out by asking.
"""

import json
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from moderation.decisions import Decision, Outcome

Kind = Literal["prompt", "person", "rule"]
#: Fewer cases are quicker decided one by one.
LEAST = 10
#: Letters of a prompt that tell lots apart.
_LETTERS = 200
_NOISE = re.compile(r"[\W\d_]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenCase:
    """What of an open case lots are made by."""

    case_id: str
    created_at: datetime
    deadline: datetime
    prompt: str | None
    body: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Lot:
    """Cases that have something in common: which, and since when, and until when the most urgent is due."""

    kind: Kind
    key: str
    cases: tuple[str, ...]
    oldest: datetime
    due: datetime


def lots_of(cases: Iterable[OpenCase], *, least: int = LEAST) -> tuple[Lot, ...]:
    """Sort cases into lots of at least so many, the largest first. A case may be in several lots."""
    members: dict[tuple[Kind, str], list[OpenCase]] = defaultdict(list)
    for case in cases:
        for mark in set(_marks(case)):
            members[mark].append(case)
    lots = [
        Lot(
            kind=kind,
            key=key,
            cases=tuple(sorted(case.case_id for case in found)),
            oldest=min(case.created_at for case in found),
            due=min(case.deadline for case in found),
        )
        for (kind, key), found in members.items()
        if len(found) >= least
    ]
    return tuple(sorted(lots, key=lambda lot: (-len(lot.cases), lot.kind, lot.key)))


def normalised(prompt: str) -> str:
    """Leave of a prompt what tells it from another: its words, without case, accents, signs and numbers."""
    open_form = unicodedata.normalize("NFKD", prompt.casefold())
    letters = "".join(letter for letter in open_form if not unicodedata.combining(letter))
    return _NOISE.sub(" ", letters).strip()[:_LETTERS]


def _marks(case: OpenCase) -> Iterator[tuple[Kind, str]]:
    words = normalised(case.prompt or "")
    if words:
        yield "prompt", words
    opened = Decision.from_json(json.loads(case.body))
    for reason in opened.reasons:
        if reason.person is not None:
            yield "person", reason.person
    for entry in opened.trace:
        if entry.acts and entry.outcome is Outcome.REVIEW:
            yield "rule", entry.name
