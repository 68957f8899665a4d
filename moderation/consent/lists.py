"""Lists of creators that a person grants to. Entries are append-only: of each creator the last one counts."""

from dataclasses import dataclass
from datetime import datetime

from moderation import audit, stops
from moderation.consent.people import SQL, key_of, lock_person
from moderation.db import Transaction
from moderation.errors import NotFound
from moderation.ids import new_id
from moderation.vault import Vault


@dataclass(frozen=True, slots=True, kw_only=True)
class GranteeList:
    """A list and who is on it now."""

    list_id: str
    person_id: str
    name: str
    creators: tuple[str, ...]
    created_at: datetime


def make_list(
    tx: Transaction, vault: Vault, now: datetime, person: str, name: str, *, by: str, creators: tuple[str, ...] = ()
) -> str:
    """Make a list for a person; returns its id. Raises NotFound."""
    lock_person(tx, person)
    list_id = new_id("glist")
    sealed = vault.seal_for(person, key_of(tx, person), name.encode(), "list")
    tx.pg.execute(SQL.insert_list, {"org": tx.org, "list": list_id, "person": person, "name": sealed, "now": now})
    audit.record(tx, now, by, "list.made", person, list=list_id)
    change_list(tx, vault, now, person, list_id, by=by, add=creators)
    return list_id


def change_list(
    tx: Transaction,
    vault: Vault,
    now: datetime,
    person: str,
    list_id: str,
    *,
    by: str,
    add: tuple[str, ...] = (),
    remove: tuple[str, ...] = (),
) -> GranteeList:
    """Put creators on a list and take others off it; clips on their way are judged by it. Raises NotFound.

    What those who were taken off made of the person is served again once it was judged by the shorter list.
    """
    lock_person(tx, person)
    own = {found.list_id: found for found in read_lists(tx, vault, person)}
    if list_id not in own:
        raise NotFound(f"there is no list {list_id} of this person")
    row = {"org": tx.org, "list": list_id, "by": by, "now": now}
    for listed, creators in ((True, add), (False, remove)):
        for creator in creators:
            tx.pg.execute(SQL.insert_entry, {**row, "creator": creator, "listed": listed})
    tx.pg.execute(SQL.touch_person, {"person": person})
    if remove:
        stops.put_up(tx, now, person, creators=remove)
    audit.record(tx, now, by, "list.changed", person, list=list_id, added=len(add), removed=len(remove))
    return next(found for found in read_lists(tx, vault, person) if found.list_id == list_id)


def read_lists(tx: Transaction, vault: Vault, person: str) -> list[GranteeList]:
    """A person's lists in the order they were made."""
    return [
        GranteeList(
            list_id=row[0],
            person_id=row[1],
            name=vault.open_for(row[1], row[3], row[2], "list").decode(),
            created_at=row[4],
            creators=tuple(row[5]),
        )
        for row in tx.pg.execute(SQL.lists, {"person": person}).fetchall()
    ]
