"""Erasing a person: their key, templates, index rows, names. What their key sealed is gone wherever it lies."""

from datetime import datetime

from moderation import audit
from moderation.consent.people import SQL, lock_person
from moderation.db import Transaction


def erase_person(tx: Transaction, now: datetime, person: str, *, by: str) -> None:
    """Destroy a person's key, templates, index rows and ways in; a sweep then writes their tables anew.

    Knows nothing of works or clips: `erasure` does. Raises NotFound.
    """
    lock_person(tx, person)
    row = {"org": tx.org, "person": person, "now": now}
    for statement in (
        SQL.destroy_person_key,
        SQL.erase_templates,
        SQL.forget_unmatched_of,
        SQL.erase_enrolments,
        SQL.erase_enrolment_references,
        SQL.erase_aliases,
        SQL.erase_imports,
        SQL.erase_list_names,
        SQL.forget_owner,
        SQL.forget_passkeys,
        SQL.forget_same,
        SQL.end_lookbacks,
        SQL.forget_lookback_clips,
        SQL.erase_person,
        SQL.touch_person,
        SQL.touch_gallery,
        SQL.insert_erasure,
    ):
        tx.pg.execute(statement, row)
    audit.record(tx, now, by, "person.erased", person)
