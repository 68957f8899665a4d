"""Other names of registered people, in any script, sealed with each person's own key; for the prompt check."""

from dataclasses import dataclass
from datetime import datetime

from moderation import audit
from moderation.consent.people import SQL, key_of, lock_person, touch_gallery
from moderation.db import Transaction
from moderation.errors import NotFound
from moderation.ids import new_id
from moderation.vault import Vault


@dataclass(frozen=True, slots=True, kw_only=True)
class Alias:
    """One more name of a person, opened."""

    alias_id: str
    person_id: str
    name: str


def add_alias(tx: Transaction, vault: Vault, now: datetime, person: str, name: str, *, by: str) -> str:
    """Write down another name of a person; returns the alias's id. Raises NotFound."""
    lock_person(tx, person)
    alias = new_id("alias")
    sealed = vault.seal_for(person, key_of(tx, person), name.encode(), "alias")
    tx.pg.execute(SQL.insert_alias, {"org": tx.org, "alias": alias, "person": person, "sealed": sealed, "now": now})
    touch_gallery(tx, person)
    audit.record(tx, now, by, "person.alias_added", person, alias=alias)
    return alias


def remove_alias(tx: Transaction, now: datetime, person: str, alias: str, *, by: str) -> None:
    """Forget another name of a person. Raises NotFound."""
    lock_person(tx, person)
    if tx.pg.execute(SQL.delete_alias, {"alias": alias, "person": person}).fetchone() is None:
        raise NotFound(f"there is no alias {alias} of this person")
    touch_gallery(tx, person)
    audit.record(tx, now, by, "person.alias_removed", person, alias=alias)


def list_aliases(tx: Transaction, vault: Vault, *, person: str | None = None, kind: str | None = None) -> list[Alias]:
    """The other names of one person, or of everybody of a kind, in the order they came."""
    found = tx.pg.execute(SQL.aliases, {"person": person, "kind": kind}).fetchall()
    return [
        Alias(alias_id=row[0], person_id=row[1], name=vault.open_for(row[1], row[3], row[2], "alias").decode())
        for row in found
    ]
