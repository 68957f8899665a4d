"""The places of the top bar and who may open them. A place whose page is not part of this service is not offered."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from review_ui.translating import marked

if TYPE_CHECKING:
    from moderation.keys import Principal


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One entry of the top bar: an English message, its path and the scopes of which one is needed."""

    label: str
    path: str
    scopes: tuple[str, ...]


PLACES: Final = (
    Place(label=marked("Queues"), path="/queues", scopes=("review", "specialist")),
    Place(label=marked("Search"), path="/search", scopes=("review", "specialist", "audit")),
    Place(label=marked("Policies"), path="/policies", scopes=("review", "specialist", "policy")),
    Place(label=marked("Likeness"), path="/likeness", scopes=("likeness",)),
    Place(label=marked("Audit"), path="/audit", scopes=("audit",)),
    Place(label=marked("Metrics"), path="/metrics-board", scopes=("review", "specialist", "audit", "policy", "admin")),
    Place(label=marked("Verify"), path="/verify", scopes=("review", "specialist", "audit", "policy", "likeness")),
)


def places(built: frozenset[str], principal: "Principal") -> list[Place]:
    """What this principal may open, in order; `built` are the paths that this service has."""
    return [place for place in PLACES if place.path in built and principal.may(*place.scopes)]
