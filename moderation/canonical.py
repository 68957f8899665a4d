"""Canonical JSON (RFC 8785) and its SHA-256: what is hashed, stored and replayed is these bytes and no others."""

import hashlib
from typing import cast

import rfc8785


def canonical(value: object) -> bytes:
    """Serialise plain data to RFC 8785 bytes. Raises rfc8785.CanonicalizationError for what JSON cannot hold."""
    return rfc8785.dumps(cast("dict[str, object]", value))  # type: ignore[arg-type]


def digest(value: object) -> str:
    """Return the SHA-256 (hex) of the canonical form."""
    return hashlib.sha256(canonical(value)).hexdigest()
