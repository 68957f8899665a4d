"""Who filed a notice or an appeal, and their words: sealed apart, under a key of its own that can be destroyed.

Tags are keyed hashes, to count by; a token proves to us, who keep its hash only, that somebody filed a thing.
"""

import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

from moderation import audit
from moderation.db import Transaction, queries
from moderation.errors import NotFound

if TYPE_CHECKING:
    from moderation.vault import Vault

SQL = queries("notices")


def seal(tx: Transaction, vault: "Vault", of: str, *, identity: Mapping[str, str], words: Mapping[str, object]) -> None:
    """Keep who filed a notice or appeal, and what they said, under a fresh key."""
    wrapped = vault.new_person_key(of)
    row = {
        "org": tx.org,
        "of": of,
        "wrapped": wrapped,
        "identity": vault.seal_for(of, wrapped, json.dumps(identity).encode(), "identity"),
        "words": vault.seal_for(of, wrapped, json.dumps(words).encode(), "words"),
    }
    tx.pg.execute(SQL.insert_sealed, row)


def open_words(tx: Transaction, vault: "Vault", of: str) -> dict[str, Any]:
    """What somebody said; nothing once it was erased."""
    return _open(tx, vault, of, "words")


def open_identity(tx: Transaction, vault: "Vault", now: datetime, of: str, by: str) -> dict[str, str]:
    """Who filed it, and that it was read is written down. Raises NotFound when there is none, or it was erased."""
    found = _open(tx, vault, of, "identity")
    if not found:
        raise NotFound("who filed this is not kept, or was erased")
    audit.record(tx, now, by, "notice.identity_read", of)
    return found


def _open(tx: Transaction, vault: "Vault", of: str, what: str) -> dict[str, Any]:
    row = tx.pg.execute(SQL.sealed, {"of": of}).fetchone()
    if row is None or row[0] is None:
        return {}
    sealed = row[1] if what == "identity" else row[2]
    return cast("dict[str, Any]", json.loads(vault.open_for(of, bytes(row[0]), bytes(sealed), what)))


def erase(tx: Transaction, now: datetime, of: str, by: str) -> bool:
    """Destroy the key, and with it name, address and words, and what they were counted by; False when it was before."""
    if tx.pg.execute(SQL.erase_sealed, {"of": of, "now": now}).rowcount == 0:
        return False
    tx.pg.execute(SQL.forget_tags, {"notice": of})
    audit.record(tx, now, by, "notice.erased", of)
    return True


def tag(vault: "Vault", what: str, value: str) -> bytes | None:
    """A value as what it is counted by: tells nobody the value, and one organisation's deployment alone can make it."""
    said = value.strip().lower()
    return hmac.new(vault.derive(f"notices:{what}"), said.encode(), hashlib.sha256).digest() if said else None


def new_token() -> tuple[str, bytes]:
    """A fresh token and the hash of it that is kept."""
    token = secrets.token_urlsafe(24)
    return token, hash_of(token)


def hash_of(token: str) -> bytes:
    """What is kept of a token."""
    return hashlib.sha256(token.encode()).digest()
