"""Templates: vectors sealed with their person's key, and turned by the organisation's secret for the search index.

Both are biometric data. No function hands one out.
"""

import os
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from detectors.likeness import make_rotation, turn
from moderation import audit
from moderation.consent.people import SQL, Kind, NewPerson, Place, key_of, lock_person, register, touch_gallery
from moderation.db import Transaction
from moderation.errors import NotFound
from moderation.ids import new_id
from moderation.vault import Vault


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
    account: str | None = None,
) -> str:
    """Register a person on an operator's attestation; `vectors` is float32 [n, dim], one row per picture.

    Whatever is judged after this transaction commits is compared with them.
    """
    said = NewPerson(name=name, kind=kind, state="verified", verification="operator", account=account)
    person = register(tx, vault, now, said, by=by)
    wrapped, rotation = key_of(tx, person), rotation_of(tx, vault, vectors.shape[1])
    for vector, source in zip(vectors, sources, strict=True):
        _keep_template(tx, vault, person, wrapped, vector, rotation, model=model, source=source, now=now)
    touch_gallery(tx, person)
    return person


def add_template(
    tx: Transaction,
    vault: Vault,
    now: datetime,
    person: str,
    *,
    vector: NDArray[np.float32],
    model: str,
    source: str,
    by: str,
    what: str = "person.template_added",
) -> str:
    """Keep another template of a person: `vector` is float32 [dim], `model` names the weights that made it.

    Returns its id. Once the person is verified, whatever is judged later is compared with it. Raises NotFound.
    """
    lock_person(tx, person)
    rotation = rotation_of(tx, vault, len(vector))
    wrapped = key_of(tx, person)
    template = _keep_template(tx, vault, person, wrapped, vector, rotation, model=model, source=source, now=now)
    touch_gallery(tx, person)
    audit.record(tx, now, by, what, person, template=template)
    return template


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
    """Keep a voice of a registered person: `vector` is float32 [dim]; sealed, turned and erased as faces are."""
    add_template(tx, vault, now, person, vector=vector, model=model, source=source, by=by, what="person.voice_added")


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
) -> str:
    template = new_id("enr")
    row = {
        "org": tx.org,
        "person": person,
        "template": template,
        "model": model,
        "source": source,
        "now": now,
        "sealed": vault.seal_for(person, wrapped, vector.astype("<f4").tobytes(), "template"),
        "vector": turn(vector[None], rotation)[0].astype("<f4").tobytes(),
    }
    tx.pg.execute(SQL.insert_template, row)
    tx.pg.execute(SQL.insert_vector, row)
    return template


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


def hold_gallery(tx: Transaction) -> str:
    """Keep everybody else from editing the gallery until this transaction ends; returns its version.

    For who reads it and then edits it: two who shared it would wait for each other. People are held before it.
    """
    row = tx.pg.execute(SQL.gallery_version_held, {"org": tx.org}).fetchone()
    return str(row[0]) if row else "0"


def changed_since(tx: Transaction, version: str | None) -> list[str]:
    """Whoever changed after a version of the gallery, in the order of their ids; everybody where there is none."""
    if version is None:
        return [row[0] for row in tx.pg.execute(SQL.people_known).fetchall()]
    where = {"org": tx.org, "version": version}
    return [row[0] for row in tx.pg.execute(SQL.gallery_changes, where).fetchall()]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stale:
    """A person whose templates were made by weights that are no longer used: no clip is compared with them."""

    person_id: str
    kind: str
    models: list[str]
    created_at: datetime


def stale_people(tx: Transaction, *, current: tuple[str, ...], limit: int, after: Place | None = None) -> list[Stale]:
    """Who must be enrolled anew, oldest first; `current` names the models in use, with their weights."""
    at, last = after or (None, None)
    where = {"current": list(current), "at": at, "after": last, "limit": limit}
    found = tx.pg.execute(SQL.stale_people, where).fetchall()
    return [Stale(person_id=row[0], kind=row[1], models=row[2], created_at=row[3]) for row in found]
