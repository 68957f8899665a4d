"""The audit log: append-only hash chains, sharded per organisation, with signed roots. Personal data by reference.

An entry's hash covers the previous hash and its own canonical body, so a changed, missing or swapped row breaks
the chain from there on; a signed root fixes where every chain of an organisation ended at one instant.
"""

import hashlib
import json
import secrets
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from moderation.canonical import canonical
from moderation.db import Transaction, queries

SQL = queries("audit")
SHARDS = 16
GENESIS = "0" * 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Break:
    """The first bad row of a chain, or a root that does not fit."""

    org: str
    shard: int
    seq: int
    why: str


def shard_of(subject: str) -> int:
    """Choose the chain of a subject: what concerns one clip or person stands in one chain, in order."""
    return hashlib.sha256(subject.encode()).digest()[0] % SHARDS


def link(previous: str, body: str) -> str:
    """The hash of an entry: SHA-256 over the previous hash and the canonical body."""
    return hashlib.sha256(f"{previous}\n{body}".encode()).hexdigest()


def record(tx: Transaction, now: datetime, actor: str, action: str, subject: str, **details: object) -> None:
    """Append what happened when the caller's transaction ends: no act without its entry, no entry without the act.

    Each chain is held from then to the commit only, and chains in one order: writers of several never wait crosswise.
    """
    body = canonical(
        {"at": now.isoformat(), "actor": actor, "action": action, "subject": subject, "details": details}
    ).decode()
    where: dict[str, object] = {"org": tx.org, "shard": shard_of(subject)}
    tx.at_end.append(((str(tx.org), shard_of(subject)), partial(_append, tx, where, body, now)))


def _append(tx: Transaction, where: dict[str, object], body: str, now: datetime) -> None:
    seq, previous = tx.pg.execute(SQL.head_locked, {**where, "genesis": GENESIS}).fetchone() or (0, GENESIS)
    entry = {**where, "seq": seq + 1, "previous": previous, "hash": link(previous, body), "body": body, "now": now}
    tx.pg.execute(SQL.insert_entry, entry)
    tx.pg.execute(SQL.move_head, entry)


def record_all(
    tx: Transaction, now: datetime, actor: str, action: str, subjects: Iterable[str], **details: object
) -> None:
    """Append the same act on many subjects when the caller's transaction ends, each in its own chain."""
    chains: dict[int, list[str]] = {}
    for subject in subjects:
        said = {"at": now.isoformat(), "actor": actor, "action": action, "subject": subject, "details": details}
        chains.setdefault(shard_of(subject), []).append(canonical(said).decode())
    for shard, bodies in chains.items():
        where: dict[str, object] = {"org": tx.org, "shard": shard}
        tx.at_end.append(((str(tx.org), shard), partial(_append_all, tx, where, bodies, now)))


def _append_all(tx: Transaction, where: dict[str, object], bodies: Sequence[str], now: datetime) -> None:
    seq, previous = tx.pg.execute(SQL.head_locked, {**where, "genesis": GENESIS}).fetchone() or (0, GENESIS)
    entries = []
    for body in bodies:
        seq, before, previous = seq + 1, previous, link(previous, body)
        entries.append({**where, "seq": seq, "previous": before, "hash": previous, "body": body, "now": now})
    with tx.pg.cursor() as cursor:
        cursor.executemany(SQL.insert_entry, entries)
    tx.pg.execute(SQL.move_head, entries[-1])


def refer(tx: Transaction, now: datetime, value: str) -> str:
    """Keep a personal value outside the chain and return the handle to write in its stead."""
    handle = f"ref_{secrets.token_hex(12)}"
    tx.pg.execute(SQL.insert_reference, {"org": tx.org, "handle": handle, "value": value, "now": now})
    return handle


def sign_roots(tx: Transaction, now: datetime, key: Ed25519PrivateKey) -> int:
    """Sign where every chain of every organisation ends now (a system transaction); return how many roots."""
    heads: dict[str, dict[str, list[object]]] = {}
    for org, shard, seq, hash_ in tx.pg.execute(SQL.heads):
        heads.setdefault(org, {})[str(shard)] = [seq, hash_]
    for org, ends in heads.items():
        body = canonical({"at": now.isoformat(), "org": org, "heads": ends})
        tx.pg.execute(SQL.insert_root, {"org": org, "body": body.decode(), "signature": key.sign(body), "now": now})
    return len(heads)


def verify(tx: Transaction, key: Ed25519PublicKey) -> Iterator[Break]:
    """Walk every chain, yield the first bad row of each, then every root that does not fit.

    In a system transaction those of all organisations, in another's those of its own.
    """
    seen: dict[tuple[str, int], tuple[int, str]] = {}
    hashes: dict[tuple[str, int, int], str] = dict.fromkeys(_rooted(tx), "")
    broken: set[tuple[str, int]] = set()
    for org, shard, seq, previous, hash_, body in _walk(tx):
        at, end = seen.get((org, shard), (0, GENESIS))
        why = _fault(seq, previous, hash_, body, at, end)
        if why and (org, shard) not in broken:
            broken.add((org, shard))
            yield Break(org=org, shard=shard, seq=seq, why=why)
        seen[org, shard] = (seq, hash_)
        if (org, shard, seq) in hashes:
            hashes[org, shard, seq] = hash_
    yield from _wrong_heads(tx, seen, broken)
    yield from _wrong_roots(tx, key, hashes)


def _walk(tx: Transaction) -> Iterator[tuple[str, int, int, str, str, str]]:
    """Every entry, chain by chain, fetched in portions: a log may be longer than memory."""
    with tx.pg.cursor(name="audit_walk") as cursor:
        cursor.itersize = 5_000
        for row in cursor.execute(SQL.entries):
            org, shard, seq, previous, hash_, body = row
            yield org, shard, seq, previous, hash_, body


def _rooted(tx: Transaction) -> Iterator[tuple[str, int, int]]:
    """The entries that signed roots speak of: of all others no hash need be remembered."""
    for org, _, body, _ in tx.pg.execute(SQL.roots):
        for shard, (seq, _) in json.loads(body)["heads"].items():
            yield org, int(shard), seq


def _fault(seq: int, previous: str, hash_: str, body: str, at: int, end: str) -> str:
    if seq != at + 1:
        return f"row {at + 1} is missing"
    if previous != end:
        return "it does not continue the row before it"
    return "" if link(previous, body) == hash_ else "its content was changed"


def _wrong_heads(
    tx: Transaction, seen: dict[tuple[str, int], tuple[int, str]], broken: set[tuple[str, int]]
) -> Iterator[Break]:
    for org, shard, seq, hash_ in tx.pg.execute(SQL.heads):
        if (org, shard) not in broken and seen.get((org, shard), (0, GENESIS)) != (seq, hash_):
            yield Break(org=org, shard=shard, seq=seq, why="rows at the end of the chain are missing")


def _wrong_roots(tx: Transaction, key: Ed25519PublicKey, hashes: dict[tuple[str, int, int], str]) -> Iterator[Break]:
    for org, root_id, body, signature in tx.pg.execute(SQL.roots):
        try:
            key.verify(bytes(signature), body.encode())
        except InvalidSignature:
            yield Break(org=org, shard=-1, seq=root_id, why="the root's signature is not ours")
            continue
        for shard, (seq, hash_) in json.loads(body)["heads"].items():
            if seq and hashes.get((org, int(shard), seq)) != hash_:
                yield Break(org=org, shard=int(shard), seq=seq, why=f"signed root {root_id} saw another row here")
