"""Canonical JSON (RFC 8785) and its SHA-256: what is hashed, stored and replayed is these bytes and no others."""

import hashlib
import json
import re
from collections.abc import Mapping
from typing import cast

import rfc8785


def canonical(value: object) -> bytes:
    """Serialise plain data to RFC 8785 bytes. Raises rfc8785.CanonicalizationError for what JSON cannot hold."""
    return rfc8785.dumps(cast("dict[str, object]", value))  # type: ignore[arg-type]


#: How whole floats, exponents and characters by which keys may be ordered otherwise look in Python's own JSON.
_FRACTIONS = (".0,", ".0]", ".0}")
_EXPONENT = re.compile(r"e[-+]\d")
_HIGH = re.compile("[\ud800-\U0010ffff]")
_DIGITS = str.maketrans("012345678", "9" * 9)
_TOO_LONG = "9" * 16


def canonical_record(value: Mapping[str, object]) -> bytes:
    """Return the same bytes as `canonical`, much sooner for long lists of short numbers. All keys must be text."""
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"), sort_keys=True)
    except (TypeError, ValueError):
        return canonical(value)
    return canonical(value) if _may_differ(text) else text.encode()


def _may_differ(text: str) -> bool:
    """Tell whether Python's JSON might not be the canonical form; where only a text looks so, it is."""
    return (
        any(fraction in text for fraction in _FRACTIONS)
        or _EXPONENT.search(text) is not None
        or _TOO_LONG in text.translate(_DIGITS)
        or (not text.isascii() and _HIGH.search(text) is not None)
    )


def digest(value: object) -> str:
    """Return the SHA-256 (hex) of the canonical form."""
    return hashlib.sha256(canonical(value)).hexdigest()
