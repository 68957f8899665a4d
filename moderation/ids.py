"""Names of things: UUIDv7 (RFC 9562) behind a type prefix, so that ids sort by time and say what they name."""

import secrets
from typing import Literal

from uuid_utils import uuid7

Kind = Literal[
    "clip",
    "case",
    "per",
    "dec",
    "evt",
    "grant",
    "rev",
    "reveal",
    "key",
    "hook",
    "dlv",
    "enr",
    "aud",
    "hlist",
    "pol",
    "emg",
    "job",
    "ses",
    "opn",
    "ovt",
    "gold",
    "trend",
    "alias",
    "glist",
    "ask",
    "link",
    "own",
    "pk",
    "ntc",
    "apl",
    "work",
    "lkb",
]


def new_id(kind: Kind) -> str:
    """Return a fresh id such as `clip_0193b0…` (32 hex digits after the prefix)."""
    return f"{kind}_{uuid7().hex}"


def is_id(kind: Kind, text: str) -> bool:
    """Tell whether `text` has the form of an id of that kind; says nothing of its existence."""
    prefix, _, digits = text.partition("_")
    return prefix == kind and len(digits) == 32 and all(c in "0123456789abcdef" for c in digits)


def new_mark_id() -> int:
    """Draw 48 random bits for a clip's invisible mark; the database's unique constraint settles collisions."""
    return secrets.randbits(48)


def mark_text(mark_id: int) -> str:
    """Write a mark id as the 12 hex digits used in C2PA and in `/v1/marks`."""
    return f"{mark_id:012x}"
