"""Putting a process together: settings, database, engine, services; opened in order, closed in reverse."""

from collections.abc import Iterator
from contextlib import contextmanager

from moderation.clock import Clock
from moderation.db import Database
from moderation.db.migrate import migrate, migrations_current
from moderation.engine import Enqueuer
from moderation.errors import Outage
from moderation.labelling import demand_drawable
from moderation.postgres import server_for
from moderation.services import Services
from moderation.settings import Settings


@contextmanager
def open_services(
    settings: Settings,
    *,
    clock: Clock | None = None,
    sandbox_children: int = 1,
    sandbox_warm: bool = True,
    migrating: bool = True,
) -> Iterator[Services]:
    """Open the state: its Postgres (started if nobody did), its schema, its services.

    With `migrating` the schema is brought up to date; otherwise Outage("database") says to run `moderation migrate`.
    Raises Outage("visible_mark") where a configured language cannot be drawn.
    """
    demand_drawable(settings)
    settings.state.mkdir(parents=True, exist_ok=True, mode=0o700)
    with server_for(settings) as server:
        dsn = server.dsn()
        if migrating:
            migrate(dsn)
        elif not migrations_current(dsn):
            raise Outage("database", "the schema is not current; run `moderation migrate`")
        enqueuer = Enqueuer(dsn)
        services = Services(
            settings,
            Database(dsn),
            enqueuer,
            clock=clock,
            sandbox_children=sandbox_children,
            sandbox_warm=sandbox_warm,
            server=server,
        )
        try:
            yield services
        finally:
            services.close()
            enqueuer.close()
