"""What reviewers are called among colleagues: a code name drawn once. Tells nothing of the person."""

import secrets
from collections.abc import Iterable
from datetime import datetime
from functools import cache
from importlib import resources
from typing import Final

import yaml

from moderation.db import Transaction, queries

SQL = queries("reviewers_named")
#: Draws before a number is added: with half of all names taken, one in two thousand needs it.
DRAWS: Final = 12


@cache
def words() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The first and the second words that code names are made of."""
    loaded = yaml.safe_load(resources.files("moderation").joinpath("code_names.yaml").read_text(encoding="utf-8"))
    return tuple(loaded["first"]), tuple(loaded["second"])


def draw() -> str:
    """A code name at random: nobody can tell from it who somebody is, or when they came."""
    first, second = words()
    return f"{secrets.choice(first)} {secrets.choice(second)}".title()


def code_name(tx: Transaction, now: datetime, principal: str) -> str:
    """The code name of a principal; who has none yet is made a reviewer and given one that nobody else has."""
    found = tx.pg.execute(SQL.code_name, {"principal": principal}).fetchone()
    if found is not None:
        return str(found[0])
    for number in range(2 * DRAWS):
        name = draw() if number < DRAWS else f"{draw()} {secrets.randbelow(900) + 100}"
        row = {"org": tx.org, "principal": principal, "name": name, "now": now}
        # Where a colleague has the name, or another request made this reviewer, nothing is inserted.
        tx.pg.execute(SQL.make_reviewer, row)
        found = tx.pg.execute(SQL.code_name, row).fetchone()
        if found is not None:
            return str(found[0])
    raise RuntimeError("no code name is free")


def code_names(tx: Transaction, principals: Iterable[str]) -> dict[str, str]:
    """The code names of those principals that have one; the others are services or rules."""
    return dict(tx.pg.execute(SQL.code_names, {"principals": list(set(principals))}).fetchall())


def principal_of(tx: Transaction, name: str) -> str | None:
    """Whose code name this is; None when nobody's."""
    found = tx.pg.execute(SQL.principal_of, {"name": name.strip()}).fetchone()
    return str(found[0]) if found is not None else None


def assign_queues(tx: Transaction, principal: str, queues: tuple[str, ...] | None) -> None:
    """Write down which queues the roles of somebody name; None for every general one."""
    tx.pg.execute(SQL.assign_queues, {"principal": principal, "queues": list(queues) if queues is not None else None})
