"""What ends a round and what does not."""

import psycopg
import pytest
import sqlalchemy.exc

from moderation.errors import Conflict, Outage
from moderation.rounds import go_through


def act_for(errors):
    """An act that fails with what `errors` has for an item."""

    def act(item):
        if item in errors:
            raise errors[item]
        return True

    return act


WRAPPED = sqlalchemy.exc.OperationalError("select 1", {}, psycopg.OperationalError("refused"))
LOCKED = sqlalchemy.exc.OperationalError("select 1", {}, psycopg.errors.LockNotAvailable())
GONE = [
    Outage("database"),
    psycopg.OperationalError("no connection"),
    psycopg.errors.AdminShutdown(),
    WRAPPED,
    sqlalchemy.exc.TimeoutError("every connection is taken"),
]


@pytest.mark.parametrize("error", [Conflict(), KeyError("outcome"), psycopg.errors.DeadlockDetected(), LOCKED])
def test_one_item_that_fails_stops_no_other(error):
    assert go_through([("a",), ("b",), ("c",)], act_for({"a": error})) == 2


@pytest.mark.parametrize("error", GONE)
def test_what_fails_for_all_alike_ends_the_round(error):
    with pytest.raises(type(error)):
        go_through([("a",), ("b",)], act_for({"a": error}))
