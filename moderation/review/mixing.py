"""A worker's round: golden cases, second opinions and audit samples come into the queues. Decides nothing."""

from typing import TYPE_CHECKING

from moderation.db import queries
from moderation.review import golden, sampling, second_opinions

if TYPE_CHECKING:
    from moderation.services import Services

SQL = queries("mixing")


def mix(services: "Services") -> int:
    """Open what is due in every organisation; returns how many cases. Several workers may try: one does it."""
    with services.database.system_transaction() as tx:
        orgs = [org for (org,) in tx.pg.execute(SQL.organisations).fetchall()]
    return sum(_mix_for(services, org) for org in orgs)


def _mix_for(services: "Services", org: str) -> int:
    now = services.clock.now()
    with services.database.transaction(org) as tx:
        alone = tx.pg.execute(SQL.alone, {"org": org}).fetchone() == (True,)
        if not alone:
            return 0
        return golden.mix_in(tx, now) + second_opinions.ask_again(tx, now) + sampling.open_samples(tx, now)
