"""Who reviews, and what may be dealt to them. Grants nothing: scopes come with the key or the session."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import cast

from psycopg.types.json import Jsonb

from moderation import audit, code_names
from moderation.db import Transaction, queries, row, rows
from moderation.errors import NotFound, Unprocessable

SQL = queries("reviewers")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reviewer:
    """Who claims and decides: a principal and what its scopes cover."""

    principal: str
    specialist: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One row of `moderation.reviewers`. `queues` is what their roles name, None for all that their scopes cover."""

    principal: str
    code_name: str
    queues: list[str] | None = None
    opted_out: list[str] = field(default_factory=list)
    preferences: Mapping[str, object] = field(default_factory=dict)
    created_at: datetime


def read_profile(tx: Transaction, principal: str) -> Profile | None:
    """What is kept of a reviewer; None for who never logged in nor claimed."""
    return row(tx, SQL.reviewer, Profile, {"principal": principal})


def enlist(tx: Transaction, now: datetime, principal: str) -> Profile:
    """What is kept of a reviewer; who is new is given a code name."""
    found = read_profile(tx, principal)
    if found is None:
        code_names.code_name(tx, now, principal)
        found = read_profile(tx, principal)
    assert found is not None
    return found


def list_reviewers(tx: Transaction) -> list[Profile]:
    """Everybody who ever reviewed, in the order they came."""
    return rows(tx, SQL.reviewers, Profile)


def give_queues(tx: Transaction, now: datetime, principal: str, names: Sequence[str] | None, *, by: str) -> Profile:
    """Say which queues a reviewer is dealt from, None for all that their scopes cover.

    Raises NotFound for who never logged in nor claimed, Unprocessable for queues that are none.
    """
    if names is not None:
        _demand_queues(tx, names)
    where = {"principal": principal, "queues": None if names is None else sorted(set(names))}
    if tx.pg.execute(SQL.set_queues, where).rowcount == 0:
        raise NotFound(f"there is no reviewer {principal}; they are known from their first log-in or claim on")
    audit.record(tx, now, by, "reviewer.queues", principal, queues=where["queues"])
    return enlist(tx, now, principal)


def choose(
    tx: Transaction,
    now: datetime,
    principal: str,
    *,
    opted_out: Sequence[str] | None = None,
    preferences: Mapping[str, object] | None = None,
) -> Profile:
    """Keep what a reviewer chose for themselves; what is None stays. Raises Unprocessable for queues that are none."""
    enlist(tx, now, principal)
    if opted_out is not None:
        _demand_queues(tx, opted_out)
    chosen = {
        "principal": principal,
        "opted_out": None if opted_out is None else sorted(set(opted_out)),
        "preferences": None if preferences is None else Jsonb(cast("object", dict(preferences))),
    }
    tx.pg.execute(SQL.set_choices, chosen)
    return enlist(tx, now, principal)


def _demand_queues(tx: Transaction, names: Sequence[str]) -> None:
    unknown = tx.pg.execute(SQL.unknown_queues, {"names": list(names)}).fetchall()
    if unknown:
        raise Unprocessable(f"there is no queue {', '.join(sorted(name for (name,) in unknown))}")
