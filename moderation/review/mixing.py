"""A worker's round: golden cases, second opinions and audit samples come into the queues. Decides nothing."""

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Final

from moderation.db import Transaction, queries
from moderation.review import golden, sampling, second_opinions

if TYPE_CHECKING:
    from moderation.services import Services

SQL = queries("mixing")
#: Each opens one case, or tells that none is due.
DUTIES: Final[tuple[Callable[[Transaction, datetime], bool], ...]] = (
    golden.mix_in,
    second_opinions.ask_again,
    sampling.open_sample,
)
#: How many cases of each kind come in one round.
BATCH = 50


def mix(services: "Services") -> int:
    """Open what is due in every organisation; returns how many cases. Several workers may try: one does it."""
    with services.database.system_transaction() as tx:
        orgs = [org for (org,) in tx.pg.execute(SQL.organisations).fetchall()]
    return sum(_round(services, org, duty) for org in orgs for duty in DUTIES)


def _round(services: "Services", org: str, duty: Callable[[Transaction, datetime], bool]) -> int:
    """A transaction for each case: one that held two clips could wait for one that holds them the other way round."""
    for opened in range(BATCH):
        with services.database.transaction(org) as tx:
            alone = tx.pg.execute(SQL.alone, {"org": org}).fetchone() == (True,)
            if not alone or not duty(tx, services.clock.now()):
                return opened
    return BATCH
