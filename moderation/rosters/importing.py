"""Registering a roster, one person in one transaction: all of a person's rows or none. Run again, it goes on.

What was imported is known again by its content, under a secret of the deployment: no name can be guessed from it.
"""

import hashlib
import hmac
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from detectors.faces import Faces
from detectors.names import key_of
from moderation import consent, portraits
from moderation.db import Transaction, queries
from moderation.enrolment import face_reader, read_face
from moderation.errors import NotFound, Unprocessable
from moderation.rosters.reading import Entry, Refusal, Roster
from moderation.vault import Vault

if TYPE_CHECKING:
    from moderation.services import Services

SQL = queries("rosters")
State = Literal["imported", "extended", "unchanged", "refused", "would_import", "would_extend"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one person of a roster."""

    key: str
    state: State
    person_id: str | None = None
    #: Pictures and names that were, or would be, added.
    pictures: int = 0
    aliases: int = 0
    #: Whether a picture of them was kept now, for whoever tells look-alikes apart.
    portrait: bool = False
    refusals: tuple[Refusal, ...] = ()


@dataclass(slots=True, kw_only=True)
class _Known:
    """What the registry holds of a person of a roster already."""

    person_id: str | None = None
    pictures: set[bytes] = field(default_factory=set)
    #: What they are registered as, and all their names with it.
    name: str | None = None
    names: set[str] = field(default_factory=set)

    def calls(self, name: str) -> bool:
        """Whether this is one of their names, as the prompt check compares names."""
        return _compared(name) in map(_compared, self.names)

    def demand_same(self, entry: Entry) -> None:
        """Refuse somebody else under this person's key. Raises Unprocessable.

        Lists number people from 1: a key alone would make one person of two. Who is renamed is known by the old name.
        """
        if self.name is None or self.calls(entry.name) or _compared(self.name) in map(_compared, entry.aliases):
            return
        raise Unprocessable(
            f"the key `{entry.key}` is {self.person_id}'s, who has another name; somebody else needs another key, and "
            "for the same person put the registered name among the aliases, or add the new one: moderation people "
            f"alias {self.person_id} NAME"
        )

    def lacking(self, entry: Entry) -> list[str]:
        """The names that a roster has in addition."""
        new = [] if self.name is None or self.calls(entry.name) else [entry.name]
        return [name for name in new + entry.aliases if name not in self.names]


def import_roster(
    services: "Services",
    org: str,
    roster: Roster,
    *,
    kind: consent.Kind,
    by: str,
    dry_run: bool = False,
    keep_portraits: bool = False,
) -> Iterator[Outcome]:
    """Register everybody of a roster, one after the other; each is told as soon as it is done.

    A person who was imported before gets what the roster has in addition; nothing is taken away. With `dry_run`
    everything is read and nothing is written. Raises Outage when faces cannot be read at all.
    """
    reader = face_reader(services)
    if keep_portraits and kind != portraits.KIND:
        raise Unprocessable("a picture is kept of public figures only")
    for entry in roster.entries:
        outcome = _import_one(services, org, reader, entry, kind=kind, by=by, dry_run=dry_run)
        yield _with_portrait(services, org, reader, entry, outcome, by=by) if keep_portraits else outcome


def _with_portrait(
    services: "Services", org: str, reader: Faces, entry: Entry, outcome: Outcome, *, by: str
) -> Outcome:
    """Keep the face of a person's first picture, where none is kept yet; what does not serve is told beside it."""
    if outcome.person_id is None or outcome.state not in {"imported", "extended", "unchanged"}:
        return outcome
    with services.database.transaction(org) as tx:
        if portraits.is_kept(tx, outcome.person_id):
            return outcome
    picture = entry.pictures[0]
    try:
        face = read_face(reader, picture.path).box
        made = portraits.cut(services, picture.path, face, source=picture.source, licence=picture.licence)
        with services.database.transaction(org) as tx:
            portraits.keep(tx, services.vault, services.clock.now(), outcome.person_id, made, by=by)
    except (Unprocessable, NotFound) as fault:
        return replace(outcome, refusals=(*outcome.refusals, Refusal(row=picture.row, why=str(fault))))
    return replace(outcome, portrait=True)


def _import_one(
    services: "Services", org: str, reader: Faces, entry: Entry, *, kind: consent.Kind, by: str, dry_run: bool
) -> Outcome:
    if entry.refusals:
        return _refused(entry, entry.refusals)
    digests, unread = _digests(entry)
    if unread:
        return _refused(entry, unread)
    try:
        return _take(services, org, reader, entry, digests, kind=kind, by=by, dry_run=dry_run)
    except (Unprocessable, NotFound) as fault:
        # Somebody else's key; or imported by somebody else, or erased, since they were looked for.
        return _refused(entry, [Refusal(row=entry.pictures[0].row, why=str(fault))])


def _take(
    services: "Services",
    org: str,
    reader: Faces,
    entry: Entry,
    digests: list[bytes],
    *,
    kind: consent.Kind,
    by: str,
    dry_run: bool,
) -> Outcome:
    mark = _mark(services.vault, org, kind, entry.key)
    with services.database.transaction(org) as tx:
        known = _known(tx, services.vault, mark)
    known.demand_same(entry)
    wanted = [(at, sha) for at, sha in enumerate(digests) if sha not in known.pictures]
    names = known.lacking(entry)
    if known.person_id is not None and not wanted and not names:
        return Outcome(key=entry.key, state="unchanged", person_id=known.person_id)
    vectors, refusals = _vectors(reader, entry, [at for at, _ in wanted])
    if refusals:
        return _refused(entry, refusals)
    told = {"key": entry.key, "pictures": len(wanted), "aliases": len(names)}
    if dry_run:
        state: State = "would_import" if known.person_id is None else "would_extend"
        return Outcome(**told, state=state, person_id=known.person_id)  # type: ignore[arg-type]
    sources = [f"{entry.pictures[at].source} ({entry.pictures[at].licence})" for at, _ in wanted]
    with services.database.transaction(org) as tx:
        person = _write(tx, services, entry, known, mark, vectors, sources, names, kind=kind, by=by)
        for _, sha in wanted:
            tx.pg.execute(SQL.insert_picture, {"org": org, "person": person, "sha256": sha})
    state = "imported" if known.person_id is None else "extended"
    return Outcome(**told, state=state, person_id=person)  # type: ignore[arg-type]


def _refused(entry: Entry, refusals: list[Refusal]) -> Outcome:
    return Outcome(key=entry.key, state="refused", refusals=tuple(refusals))


def _compared(name: str) -> str:
    """A name as the prompt check compares it; one without a letter or digit as it is written."""
    return key_of(name) or name


def _digests(entry: Entry) -> tuple[list[bytes], list[Refusal]]:
    """The pictures' SHA-256, and the rows whose picture cannot be had or stands there twice."""
    digests: list[bytes] = []
    refusals = []
    for picture in entry.pictures:
        try:
            digest = _digest(picture.path)
        except OSError as error:
            refusals.append(Refusal(row=picture.row, why=f"{picture.path.name}: {error.strerror or 'cannot be read'}"))
            continue
        if digest in digests:
            refusals.append(Refusal(row=picture.row, why=f"{picture.path.name} stands there twice"))
        digests.append(digest)
    return digests, refusals


def _digest(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def _vectors(reader: Faces, entry: Entry, places: list[int]) -> tuple[list[np.ndarray], list[Refusal]]:
    vectors, refusals = [], []
    for at in places:
        picture = entry.pictures[at]
        try:
            vectors.append(read_face(reader, picture.path).vector)
        except Unprocessable as fault:
            refusals.append(Refusal(row=picture.row, why=str(fault)))
    return vectors, refusals


def _mark(vault: Vault, org: str, kind: str, key: str) -> bytes:
    """A person of a roster as the registry knows it again. By kind too: a figure may be a cameo on his own account."""
    return hmac.digest(vault.derive("rosters"), f"{org}\0{kind}\0{key}".encode(), "sha256")


def _known(tx: Transaction, vault: Vault, mark: bytes) -> _Known:
    row = tx.pg.execute(SQL.imported_person, {"mark": mark}).fetchone()
    if row is None:
        return _Known()
    person = row[0]
    pictures = {bytes(found[0]) for found in tx.pg.execute(SQL.imported_pictures, {"person": person}).fetchall()}
    name = consent.read_person(tx, vault, person).name
    names = {name, *(alias.name for alias in consent.list_aliases(tx, vault, person=person))}
    return _Known(person_id=person, pictures=pictures, name=name, names=names)


def _write(
    tx: Transaction,
    services: "Services",
    entry: Entry,
    known: _Known,
    mark: bytes,
    vectors: list[np.ndarray],
    sources: list[str],
    names: list[str],
    *,
    kind: consent.Kind,
    by: str,
) -> str:
    vault, now, model = services.vault, services.clock.now(), services.face_model
    person = known.person_id
    if person is None:
        made = np.stack(vectors).astype(np.float32)
        person = consent.add_person(
            tx, vault, now, name=entry.name, kind=kind, vectors=made, model=model, sources=sources, by=by
        )
        if tx.pg.execute(SQL.insert_person, {"org": tx.org, "mark": mark, "person": person}).fetchone() is None:
            raise Unprocessable(f"{entry.key} is being imported by somebody else")
    else:
        for vector, source in zip(vectors, sources, strict=True):
            consent.add_template(tx, vault, now, person, vector=vector, model=model, source=source, by=by)
    for name in names:
        consent.add_alias(tx, vault, now, person, name, by=by)
    return person
