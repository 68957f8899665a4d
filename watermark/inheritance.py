"""What a clip inherits from a file it was made from: that file's manifest, and how much of a long chain is kept."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from pydantic import Base64Bytes

#: Why a manifest is named and not kept.
TOO_OLD, TOO_LARGE, UNREADABLE, UNUSABLE = "generations", "size", "unreadable", "unusable"
CUTS = {
    TOO_OLD: "the chain of parents is longer than this service keeps",
    TOO_LARGE: "the chain of parents is larger than this service keeps",
    UNREADABLE: "it could not be read",
    UNUSABLE: "it could not be signed over",
}
#: What a manifest may have been worth (CredentialsState).
STATES = frozenset({"trusted", "valid", "invalid"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Inheritance:
    """A file's manifest as it is handed down.

    `state` (a CredentialsState) and `validation` (the library's JSON) say what it was worth when it was read; one that
    failed is kept with its failure. `generations` is 1 for a manifest without parents. Without `store` nothing is kept,
    and `cut` says why.
    """

    state: str = "invalid"
    manifest_id: str | None = None
    generations: int = 0
    validation: str = field(default="", repr=False)
    store: Base64Bytes = field(default=b"", repr=False)
    cut: str | None = None

    def without_store(self, cut: str) -> "Inheritance":
        """The same, named only."""
        return replace(self, store=b"", validation="", cut=cut)


def bounded(
    handed_down: Iterable[Inheritance | None], *, generations: int, bytes_in_all: int
) -> list[Inheritance | None]:
    """The same manifests in the same order, as many with their stores as fit: no longer chains, no more in all."""
    room, kept = bytes_in_all, list[Inheritance | None]()
    for one in handed_down:
        if one is None or not one.store:
            kept.append(one)
        elif one.generations > generations:
            kept.append(one.without_store(TOO_OLD))
        elif len(one.store) > room:
            kept.append(one.without_store(TOO_LARGE))
        else:
            room -= len(one.store)
            kept.append(one)
    return kept
