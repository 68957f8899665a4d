"""API keys: 256 random bits behind a look-up part, shown once, stored as their SHA-256. A key names a principal.

Says who asks and what their scopes are; what a scope opens is decided where it is demanded.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal

from moderation import audit
from moderation.db import Transaction, queries, rows
from moderation.errors import Conflict, NotFound, Unauthorised, Unprocessable
from moderation.ids import new_id

if TYPE_CHECKING:
    from moderation.services import Services

SQL = queries("keys")

SCOPES = ("submit", "read", "review", "specialist", "policy", "likeness", "audit", "admin")
PREFIX = "csk"
SECRET_BYTES = 32
#: `last_used_at` is written at most so often.
TOUCH_EVERY = timedelta(minutes=1)
DEVELOPER = "dev"
#: Names that decisions and the audit log use for what no principal did.
RESERVED = frozenset({"system", "policy", "screening"})
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,99}")
_KEY = re.compile(rf"{PREFIX}_([0-9a-f]{{32}})_[0-9a-f]{{{2 * SECRET_BYTES}}}")

Kind = Literal["person", "service"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Who acts: a person or a service of one organisation. Two-person rules compare principals, not keys."""

    org: str
    principal: str
    scopes: frozenset[str]
    kind: str

    def may(self, *scopes: str) -> bool:
        """Tell whether any of these scopes is held."""
        return not self.scopes.isdisjoint(scopes)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewKey:
    """A key at the one moment it can be read."""

    key_id: str
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyLine:
    """What is kept of a key."""

    key_id: str
    principal: str
    scopes: list[str]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None


def create_key(
    services: "Services",
    org: str,
    *,
    principal: str,
    scopes: Iterable[str],
    by: str,
    kind: Kind = "service",
    expires_at: datetime | None = None,
) -> NewKey:
    """Make a key for a principal, who is made known when new. Raises Unprocessable for bad names, scopes or expiry.

    Raises Conflict when the principal is known as the other kind.
    """
    now = services.clock.now()
    wanted = _checked(principal, scopes, expires_at, now)
    with services.database.transaction(org) as tx:
        return _insert(tx, now, principal, wanted, by=by, kind=kind, expires_at=expires_at)


def authenticate(services: "Services", key: str) -> Principal:
    """Say whose key this is. Raises Unauthorised for a key that is unknown, revoked or expired; never says which."""
    form = _KEY.fullmatch(key)
    if form is None:
        raise Unauthorised
    now = services.clock.now()
    key_id = f"key_{form[1]}"
    with services.database.system_transaction() as tx:
        row = tx.pg.execute(SQL.key_by_id, {"key": key_id}).fetchone()
        if row is None:
            raise Unauthorised
        org, principal, hash_, scopes, expires_at, revoked_at, last_used_at, kind = row
        known = hmac.compare_digest(bytes(hash_), _hash(key))
        if not known or revoked_at is not None or (expires_at is not None and expires_at <= now):
            raise Unauthorised
        if last_used_at is None or now - last_used_at > TOUCH_EVERY:
            tx.pg.execute(SQL.touch_key, {"key": key_id, "now": now})
    return Principal(org=org, principal=principal, scopes=frozenset(scopes), kind=kind)


def list_keys(services: "Services", org: str) -> list[KeyLine]:
    """Every key of an organisation, oldest first; the keys themselves are kept nowhere."""
    with services.database.transaction(org) as tx:
        return rows(tx, SQL.keys, KeyLine)


def revoke_key(services: "Services", org: str, key_id: str, *, by: str) -> None:
    """End a key at once. Raises NotFound when there is no such key in force."""
    now = services.clock.now()
    with services.database.transaction(org) as tx:
        if tx.pg.execute(SQL.revoke_key, {"key": key_id, "now": now}).fetchone() is None:
            raise NotFound(f"there is no key {key_id} in force")
        audit.record(tx, now, by, "key.revoked", key_id)


def revoke_keys_of(tx: Transaction, now: datetime, principal: str, *, by: str) -> int:
    """End every key of a principal; returns how many."""
    ended = tx.pg.execute(SQL.revoke_keys_of, {"principal": principal, "now": now}).fetchall()
    for (key_id,) in ended:
        audit.record(tx, now, by, "key.revoked", key_id)
    return len(ended)


def development_key(services: "Services") -> str:
    """A fresh key with every scope for the principal `dev`; earlier ones end. Only for a development service."""
    if not services.settings.development:
        raise Conflict("there is no development key outside development mode")
    now = services.clock.now()
    with services.database.transaction("default") as tx:
        revoke_keys_of(tx, now, DEVELOPER, by=DEVELOPER)
        return _insert(tx, now, DEVELOPER, list(SCOPES), by=DEVELOPER, kind="person", expires_at=None).key


def _checked(principal: str, scopes: Iterable[str], expires_at: datetime | None, now: datetime) -> list[str]:
    if not _NAME.fullmatch(principal) or principal in RESERVED:
        raise Unprocessable("a principal's name is 1 to 100 letters, digits and ._@-, and not a reserved word")
    wanted = set(scopes)
    if unknown := wanted - set(SCOPES):
        raise Unprocessable(f"unknown scopes {', '.join(sorted(unknown))}; there are {', '.join(SCOPES)}")
    if not wanted:
        raise Unprocessable(f"a key needs at least one scope of {', '.join(SCOPES)}")
    if expires_at is not None and expires_at <= now:
        raise Unprocessable("a key cannot expire in the past")
    return [scope for scope in SCOPES if scope in wanted]


def _insert(
    tx: Transaction,
    now: datetime,
    principal: str,
    scopes: list[str],
    *,
    by: str,
    kind: Kind,
    expires_at: datetime | None,
) -> NewKey:
    who = {"org": tx.org, "principal": principal, "kind": kind}
    tx.pg.execute(SQL.insert_principal, who)
    known = tx.pg.execute(SQL.principal_kind, who).fetchone()
    if known is None or known[0] != kind:
        raise Conflict(f"{principal} is known as a {known[0] if known else 'stranger'}, not as a {kind}")
    key_id = new_id("key")
    key = f"{PREFIX}_{key_id.removeprefix('key_')}_{secrets.token_hex(SECRET_BYTES)}"
    row = {**who, "key": key_id, "hash": _hash(key), "scopes": scopes, "now": now, "expires_at": expires_at}
    tx.pg.execute(SQL.insert_key, row)
    audit.record(tx, now, by, "key.created", key_id, principal=principal, scopes=scopes)
    return NewKey(key_id=key_id, key=key)


def _hash(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()
