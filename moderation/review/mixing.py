"""A worker's round: golden cases, second opinions and audit samples come into the queues. Decides nothing."""

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from itertools import product
from typing import TYPE_CHECKING, Final

from moderation.db import Transaction, queries
from moderation.review import golden, sampling, second_opinions
from moderation.rounds import go_through

if TYPE_CHECKING:
    from moderation.services import Services

SQL = queries("mixing")
#: Each opens one case, or tells that none is due; by the name under which a failure is logged.
DUTIES: Final[Mapping[str, Callable[[Transaction, datetime], bool]]] = {
    "golden": golden.mix_in,
    "second_opinion": second_opinions.ask_again,
    "audit_sample": sampling.open_sample,
}
#: How many cases of each kind come in one round.
BATCH = 50


def mix(services: "Services") -> int:
    """Open what is due in every organisation; returns how many cases. Several workers may try: one does it."""
    with services.database.system_transaction() as tx:
        orgs = [org for (org,) in tx.pg.execute(SQL.organisations).fetchall()]
    return go_through(product(orgs, DUTIES), partial(_round, services))


def _round(services: "Services", org: str, duty: str) -> int:
    """A transaction for each case: one that held two clips could wait for one that holds them the other way round."""
    for opened in range(BATCH):
        with services.database.transaction(org) as tx:
            alone = tx.pg.execute(SQL.alone, {"org": org}).fetchone() == (True,)
            if not alone or not DUTIES[duty](tx, services.clock.now()):
                return opened
    return BATCH
