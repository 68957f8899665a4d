"""The likeness registry: people, their sealed templates, what they granted, what they took back.

Faces are registered from pictures here; the vectors themselves are made by `detectors`. Nothing is inferred about
people who are not registered.
"""

import os
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from psycopg.types.json import Jsonb

from detectors.likeness import make_rotation, turn
from moderation import audit
from moderation.db import Transaction, queries
from moderation.errors import NotFound
from moderation.ids import new_id
from moderation.vault import Vault

SQL = queries("people")
Kind = Literal["cameo", "public_figure", "rights_holder", "protected_person"]
Scope = Literal["face", "voice", "both"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What consent says of one person in one clip, at one moment."""

    person: str
    kind: str
    #: Of the face: consented | not_consented | revoked | undetermined
    consent: str
    #: Of the voice, in the same words.
    voice: str
    declared: bool
    #: The person's version this was read at; the release gate demands that it still stands.
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A registered person, name opened."""

    person_id: str
    kind: str
    name: str
    verification: str
    created_at: datetime


def add_person(
    tx: Transaction,
    vault: Vault,
    now: datetime,
    *,
    name: str,
    kind: Kind,
    vectors: NDArray[np.float32],
    model: str,
    sources: list[str],
    by: str,
) -> str:
    """Register a person on an operator's attestation; `vectors` is float32 [n, dim], one row per picture.

    Whatever is judged after this transaction commits is compared with them.
    """
    person = new_id("per")
    wrapped = vault.new_person_key(person)
    sealed_name = vault.seal_for(person, wrapped, name.encode(), "name")
    row = {"org": tx.org, "person": person, "kind": kind, "name": sealed_name, "now": now}
    tx.pg.execute(SQL.insert_person, {**row, "verification": "operator"})
    tx.pg.execute(SQL.insert_person_key, {**row, "wrapped": wrapped})
    rotation = rotation_of(tx, vault, vectors.shape[1])
    for vector, source in zip(vectors, sources, strict=True):
        _keep_template(tx, vault, person, wrapped, vector, rotation, model=model, source=source, now=now)
    tx.pg.execute(SQL.touch_gallery, {"org": tx.org})
    audit.record(tx, now, by, "person.added", person, kind=kind, pictures=len(sources))
    return person


def add_voice(
    tx: Transaction,
    vault: Vault,
    now: datetime,
    person: str,
    *,
    vector: NDArray[np.float32],
    model: str,
    source: str,
    by: str,
) -> None:
    """Keep a voice of a registered person: `vector` is float32 [dim]; sealed, turned and erased as faces are.

    Whatever is judged after this transaction commits is compared with it. Raises NotFound.
    """
    _lock_person(tx, person)
    row = tx.pg.execute(SQL.person_key, {"person": person}).fetchone()
    if row is None or row[0] is None:
        raise NotFound(f"there is no person {person}")
    rotation = rotation_of(tx, vault, len(vector))
    _keep_template(tx, vault, person, bytes(row[0]), vector, rotation, model=model, source=source, now=now)
    tx.pg.execute(SQL.touch_gallery, {"org": tx.org})
    audit.record(tx, now, by, "person.voice_added", person, recordings=1)


def _keep_template(
    tx: Transaction,
    vault: Vault,
    person: str,
    wrapped: bytes,
    vector: NDArray[np.float32],
    rotation: NDArray[np.float32],
    *,
    model: str,
    source: str,
    now: datetime,
) -> None:
    row = {
        "org": tx.org,
        "person": person,
        "template": new_id("enr"),
        "model": model,
        "source": source,
        "now": now,
        "sealed": vault.seal_for(person, wrapped, vector.astype("<f4").tobytes(), "template"),
        "vector": turn(vector[None], rotation)[0].astype("<f4").tobytes(),
    }
    tx.pg.execute(SQL.insert_template, row)
    tx.pg.execute(SQL.insert_vector, row)


def rotation_of(tx: Transaction, vault: Vault, dim: int) -> NDArray[np.float32]:
    """The organisation's secret rotation, float32 [dim, dim]; its seed is drawn on first use."""
    where = {"org": tx.org, "name": "gallery_rotation"}
    context = f"org:{tx.org}:gallery_rotation"
    tx.pg.execute(SQL.insert_org_secret, {**where, "sealed": vault.seal(os.urandom(32), context)})
    row = tx.pg.execute(SQL.org_secret, where).fetchone()
    if row is None:
        raise NotFound("the organisation's gallery secret is missing")
    return make_rotation(vault.open(bytes(row[0]), context), dim)


def gallery_version(tx: Transaction, *, hold: bool = False) -> str:
    """The gallery's version; with `hold`, edits wait until this transaction ends."""
    query = SQL.gallery_version_shared if hold else SQL.gallery_version
    row = tx.pg.execute(query, {"org": tx.org}).fetchone()
    return str(row[0]) if row else "0"


def grant(
    tx: Transaction,
    now: datetime,
    person: str,
    *,
    grantee: str | None,
    scope: Scope,
    by: str,
    mode: str = "standing",
    purposes: tuple[str, ...] = (),
    expires_at: datetime | None = None,
) -> str:
    """Write down that a person consents; `grantee` is a creator, None everyone. Raises NotFound."""
    _lock_person(tx, person)
    grant_id = new_id("grant")
    tx.pg.execute(
        SQL.insert_grant,
        {
            "org": tx.org,
            "grant": grant_id,
            "person": person,
            "grantee": grantee,
            "scope": scope,
            "mode": mode,
            "purposes": list(purposes),
            "expires_at": expires_at,
            "by": by,
            "now": now,
        },
    )
    tx.pg.execute(SQL.touch_person, {"person": person})
    audit.record(tx, now, by, "grant.given", person, grant=grant_id, scope=scope, mode=mode)
    return grant_id


def revoke(tx: Transaction, now: datetime, person: str, *, by: str, grant_id: str | None = None) -> dict[str, object]:
    """Take back one grant, or all; returns the revocation's id and the clips it reaches, by status.

    The caller sends the reached clips to judgement again in the same transaction. Raises NotFound.
    """
    _lock_person(tx, person)
    tx.pg.execute(SQL.touch_person, {"person": person})
    clips = tx.pg.execute(SQL.clips_showing, {"person": person}).fetchall()
    by_status = {status: [c for c, s in clips if s == status] for status in ("released", "in_review")}
    processing = [c for c, s in clips if s in {"received", "processing", "held"}]
    revocation = new_id("rev")
    reached = {
        **{name: len(found) for name, found in by_status.items()},
        "processing": len(processing),
        "descendants": 0,
    }
    tx.pg.execute(
        SQL.insert_revocation,
        {
            "org": tx.org,
            "revocation": revocation,
            "person": person,
            "grant": grant_id,
            "reached": Jsonb(reached),
            "by": by,
            "now": now,
        },
    )
    audit.record(tx, now, by, "grant.revoked", person, revocation=revocation, grant=grant_id or "all")
    return {"revocation_id": revocation, "reached": reached, "clips": [c for c, _ in clips]}


def _lock_person(tx: Transaction, person: str) -> None:
    row = tx.pg.execute(SQL.person_locked, {"person": person}).fetchone()
    if row is None or row[3] is not None:
        raise NotFound(f"there is no person {person}")


def erase_person(tx: Transaction, now: datetime, person: str, *, by: str) -> None:
    """Destroy a person's key, templates and index rows. What was sealed with the key is gone wherever it lies."""
    _lock_person(tx, person)
    tx.pg.execute(SQL.destroy_person_key, {"person": person, "now": now})
    tx.pg.execute(SQL.erase_templates, {"person": person})
    tx.pg.execute(SQL.erase_person, {"person": person, "now": now})
    tx.pg.execute(SQL.touch_person, {"person": person})
    tx.pg.execute(SQL.touch_gallery, {"org": tx.org})
    audit.record(tx, now, by, "person.erased", person)


def list_people(tx: Transaction, vault: Vault) -> list[Person]:
    """Everybody registered and not erased, oldest first."""
    people = []
    for person, kind, name, verification, _, created_at, _ in tx.pg.execute(SQL.people).fetchall():
        row = tx.pg.execute(SQL.person_key, {"person": person}).fetchone()
        opened = vault.open_for(person, bytes(row[0]), bytes(name), "name").decode() if row and row[0] else ""
        people.append(
            Person(person_id=person, kind=kind, name=opened, verification=verification, created_at=created_at)
        )
    return people


def stand(
    tx: Transaction, now: datetime, *, seen: frozenset[str], declared: frozenset[str], creator: str | None
) -> dict[str, Standing]:
    """What each person seen or declared in a clip consented to, their rows held until this transaction ends."""
    concerned = sorted(seen | declared)
    rows = tx.pg.execute(SQL.people_shared, {"people": concerned}).fetchall()
    grants = tx.pg.execute(SQL.grants, {"people": concerned}).fetchall()
    standings = {}
    for person, kind, version, erased_at in rows:
        own = [g for g in grants if g[1] == person]
        standings[person] = Standing(
            person=person,
            kind=kind,
            version=version,
            declared=person in declared,
            consent="not_consented" if erased_at else _consent(own, "face", creator, now),
            voice="not_consented" if erased_at else _consent(own, "voice", creator, now),
        )
    return standings


def _covers(row: tuple[object, ...], wanted: str, creator: str | None, now: datetime) -> bool:
    _, _, grantee, scope, _, expires_at, _ = row
    in_time = expires_at is None or (isinstance(expires_at, datetime) and expires_at > now)
    return in_time and scope in {wanted, "both"} and (grantee is None or grantee == creator)


def _consent(own: list[tuple[object, ...]], scope: str, creator: str | None, now: datetime) -> str:
    covering = [row for row in own if _covers(row, scope, creator, now)]
    live = [row for row in covering if not row[6]]
    if any(row[4] == "standing" for row in live):
        return "consented"
    if live:
        # The owner wants to be asked and was not: nobody said yes.
        return "undetermined"
    return "revoked" if covering else "not_consented"
