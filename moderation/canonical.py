"""Canonical JSON (RFC 8785) and its SHA-256: what is hashed, stored and replayed is these bytes and no others."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from typing import cast

import rfc8785
from pydantic_core import to_json


def canonical(value: object) -> bytes:
    """Serialise plain data to RFC 8785 bytes. Raises rfc8785.CanonicalizationError for what JSON cannot hold."""
    return rfc8785.dumps(cast("dict[str, object]", value))  # type: ignore[arg-type]


#: How whole floats, exponents and characters by which keys may be ordered otherwise look in Python's own JSON.
_FRACTIONS = (".0,", ".0]", ".0}")
_EXPONENT = re.compile(r"e[-+]\d")
#: In rows of numbers: exponents, a nought below nought, what is no number or without end.
_ODD = ("e", "-0,", "N", "I")
_HIGH = re.compile("[\ud800-\U0010ffff]")
_DIGITS = str.maketrans("012345678", "9" * 9)
_TOO_LONG = "9" * 16
_JSON = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"), sort_keys=True)


def canonical_record(value: Mapping[str, object]) -> bytes:
    """Return the same bytes as `canonical`, much sooner for long lists of short numbers. All keys must be text."""
    text = written(value)
    return canonical(value) if text is None else text.encode()


def written(value: object) -> str | None:
    """Return the canonical form of plain data by Python's own JSON; None where the two might differ."""
    try:
        text = _JSON.encode(value)
    except (TypeError, ValueError):
        return None
    return None if _may_differ(text) else text


def written_rows(rows: Sequence[tuple[float | None, ...]]) -> str | None:
    """Return the canonical form of rows of numbers, of which the last is no fraction; None where it might differ."""
    text = to_json(rows).decode().replace(".0,", ",")
    odd = any(sign in text for sign in _ODD) or _TOO_LONG in text.translate(_DIGITS)
    return None if odd else text


def joined(parts: Mapping[str, str | None]) -> str | None:
    """Put canonical texts together to an object; None when one of them is."""
    if None in parts.values() or not all(map(str.isascii, parts)):
        return None
    return "{" + ",".join(f"{_JSON.encode(name)}:{parts[name]}" for name in sorted(parts)) + "}"


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
