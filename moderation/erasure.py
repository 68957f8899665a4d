"""Erasing a person to the end: what showed them is withdrawn, then rows go, then the tables are written anew.

Deleting a row leaves its bytes in the pages of its table; only a table written anew is without them. What stays in the
write-ahead log and in back-ups until those run out is said in docs/howto/likeness.md.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final

import psycopg
import structlog

from moderation import consent, works
from moderation.clips import Status
from moderation.db import Transaction, libpq_url, queries
from moderation.db.clips import read_clip
from moderation.recording import was_out
from moderation.release import withdraw_locked
from moderation.revocations.beginning import follow
from moderation.revocations.reaching import SHOWS, Reached, find_reached

if TYPE_CHECKING:
    from moderation.services import Services

SQL = queries("people")
REVOCATIONS = queries("revocations")
log = structlog.get_logger()
REASON: Final = "a person it shows was erased"
#: What held biometric data, a key to it, an account or a way in, of who was erased. Indexes are made anew with them.
TABLES: Final = (
    "gallery_vectors",
    "templates",
    "enrolments",
    "person_keys",
    "aliases",
    "grantee_lists",
    "people",
    "imported_people",
    "imported_pictures",
    "portraits",
    "owner_links",
    "passkeys",
    "audit_references",
)
_ON_ITS_WAY: Final = frozenset({Status.RECEIVED, Status.PROCESSING, Status.HELD})
#: A table that somebody reads all the time is tried again at the next sweep rather than waited for.
LOCK_WAIT: Final = "5s"
CONNECT_SECONDS: Final = 10


def forget_person(tx: Transaction, services: "Services", now: datetime, person: str, *, by: str) -> str:
    """Take every grant back, erase the person with their works, and start what withdraws the clips.

    Returns the revocation's id.

    Clips on their way are withdrawn here: no later judgement would recognise anybody in them. They are held before the
    person is, as judgements and the gate hold them: the caller holds no person yet. Raises NotFound.
    """
    for each in _on_their_way(tx, person):
        read_clip(tx, each.clip_id, lock=True)
    tx.pg.execute(SQL.figures_locked, {"person": person})
    begun = follow(tx, services, now, person, consent.revoke(tx, now, person, by=by))
    revocation = str(begun["revocation_id"])
    for each in _on_their_way(tx, person):
        _withdraw(tx, services, now, each, revocation, by=by)
    works.withdraw_works_of(tx, now, person, by=by)
    consent.erase_person(tx, now, person, by=by)
    return revocation


def _on_their_way(tx: Transaction, person: str) -> list[Reached]:
    reached = find_reached(tx, person)
    return [each for each in reached if each.status in _ON_ITS_WAY and each.why in SHOWS | {"declared"}]


def _withdraw(
    tx: Transaction, services: "Services", now: datetime, reached: Reached, revocation: str, *, by: str
) -> None:
    """Take back a clip on its way, as a target of the revocation: what was out before is waited for until purged."""
    clip = read_clip(tx, reached.clip_id, lock=True)
    out = was_out(tx, clip)
    event = withdraw_locked(
        tx, services, clip, now, by=by, reason=REASON, purge=out, revocation=revocation if out else ""
    )
    target = {"org": tx.org, "revocation": revocation, "clip": clip.clip_id, "why": reached.why, "purge": out}
    tx.pg.execute(REVOCATIONS.insert_withdrawn, {**target, "found_as": reached.status, "event": event, "now": now})


def rebuild(services: "Services") -> int:
    """Write the registry's tables and their indexes anew when somebody was erased since; returns of how many people.

    Each table is locked while it is written: about a second for 100,000 vectors. A table in use is left for the next
    sweep, as is an erasure that some older transaction does not see yet.
    """
    with services.database.system_transaction() as tx:
        people = [person for (person,) in tx.pg.execute(SQL.erasures_waiting).fetchall()]
    if not people:
        return 0
    write_anew(services, TABLES)
    with services.database.system_transaction() as tx:
        tx.pg.execute(SQL.erasures_done, {"people": people, "now": services.clock.now()})
    log.info("registry_rebuilt", erased=len(people))
    return len(people)


def write_anew(services: "Services", tables: Sequence[str]) -> None:
    """Write tables and their indexes anew, so that their files hold no row that was deleted."""
    with psycopg.connect(libpq_url(services.dsn), autocommit=True, connect_timeout=CONNECT_SECONDS) as connection:
        connection.execute(f"set lock_timeout = '{LOCK_WAIT}'".encode())
        for table in tables:
            connection.execute(f"vacuum (full, analyze) moderation.{table}".encode())
        _flush(connection)


def _flush(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    """Let the old files go now rather than at the next checkpoint, where this role may ask for one."""
    try:
        connection.execute("checkpoint")
    except psycopg.errors.InsufficientPrivilege:
        log.info("checkpoint_left_to_the_server")
