"""Who reviews, and what may be dealt to them. Grants nothing: scopes come with the key or the session."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from moderation.db import Transaction, queries, row

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
