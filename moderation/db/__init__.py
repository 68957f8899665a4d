"""The database: one pool, transactions that see one organisation, and SQL kept in files.

Every transaction names its organisation; only sweepers that serve all of them use `system_transaction`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from operator import itemgetter
from typing import TypeVar, cast

import psycopg
import sqlalchemy
from psycopg.rows import TupleRow, class_row

Row = TypeVar("Row")
Parameters = Mapping[str, object] | Sequence[object] | None

#: The role whose queries row-level security filters; superusers and owners would pass it by.
ROLE = "moderation_app"
CONNECT_SECONDS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Transaction:
    """An open transaction, seen as psycopg (`pg`, for our SQL) and as SQLAlchemy (`sa`, for enqueueing work)."""

    pg: psycopg.Connection[TupleRow]
    sa: sqlalchemy.Connection
    org: str | None
    #: Done before the commit, in the order of their keys: rows that everybody writes are so held as briefly as can be,
    #: and no two transactions take them crosswise and wait for each other.
    at_end: list[tuple[tuple[str, int], Callable[[], None]]] = field(default_factory=list)

    def finish(self) -> None:
        """Do what is done at the end."""
        for _, act in sorted(self.at_end, key=itemgetter(0)):
            act()


class Database:
    """A pool of connections to one database. Dead connections are found and replaced before use."""

    def __init__(self, dsn: str, *, connections: int = 10) -> None:
        self._engine = sqlalchemy.create_engine(
            sqlalchemy_url(dsn),
            pool_size=connections,
            max_overflow=connections,
            pool_pre_ping=True,
            connect_args={"connect_timeout": CONNECT_SECONDS},
        )

    @contextmanager
    def transaction(self, org: str = "default") -> Iterator[Transaction]:
        """Open a transaction that sees and writes only the rows of `org`; it commits unless the block raises."""
        with self._engine.begin() as connection:
            pg = _driver(connection)
            pg.execute("SELECT set_config('role', %s, true), set_config('moderation.org', %s, true)", [ROLE, org])
            tx = Transaction(pg=pg, sa=connection, org=org)
            yield tx
            tx.finish()

    @contextmanager
    def system_transaction(self) -> Iterator[Transaction]:
        """Open a transaction over all organisations, as the owner of the tables; for sweepers and workers only."""
        with self._engine.begin() as connection:
            tx = Transaction(pg=_driver(connection), sa=connection, org=None)
            yield tx
            tx.finish()

    def close(self) -> None:
        """Close the pool's idle connections."""
        self._engine.dispose()


class Queries:
    """The named statements of one SQL file, as attributes; bytes, because psycopg takes no computed `str`."""

    def __init__(self, name: str, text: str) -> None:
        blocks = (block.partition("\n") for block in text.split("-- name: ")[1:])
        self._name = name
        self._statements = {title.strip(): body.strip().encode() for title, _, body in blocks}

    def __getattr__(self, statement: str) -> bytes:
        if statement.startswith("_") or statement not in self._statements:
            raise AttributeError(f"no statement {statement!r} in {self._name}.sql")
        return self._statements[statement]

    def __dir__(self) -> list[str]:
        return sorted(self._statements)


@cache
def queries(name: str) -> Queries:
    """Load `queries/<name>.sql`: blocks that begin with a line `-- name: statement`."""
    return Queries(name, files("moderation.db").joinpath("queries", f"{name}.sql").read_text())


def rows(tx: Transaction, query: bytes, cls: type[Row], params: Parameters = None) -> list[Row]:
    """Run a query and return its rows as `cls`, whose fields have the columns' names."""
    with tx.pg.cursor(row_factory=class_row(cls)) as cursor:
        return cursor.execute(query, params).fetchall()


def row(tx: Transaction, query: bytes, cls: type[Row], params: Parameters = None) -> Row | None:
    """Run a query and return its first row as `cls`, None when there is none."""
    with tx.pg.cursor(row_factory=class_row(cls)) as cursor:
        return cursor.execute(query, params).fetchone()


def sqlalchemy_url(dsn: str) -> str:
    """Write a libpq URL (`postgres://…`, `postgresql://…`) for SQLAlchemy with psycopg 3."""
    _, _, rest = dsn.partition("://")
    return f"postgresql+psycopg://{rest}"


def libpq_url(dsn: str) -> str:
    """Write a database URL, SQLAlchemy's or libpq's, for psycopg itself."""
    _, _, rest = dsn.partition("://")
    return f"postgresql://{rest}"


def _driver(connection: sqlalchemy.Connection) -> psycopg.Connection[TupleRow]:
    return cast("psycopg.Connection[TupleRow]", connection.connection.driver_connection)
