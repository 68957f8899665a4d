"""What ends a round and what does not."""

import psycopg
import pytest

from moderation.errors import Conflict, Outage
from moderation.rounds import go_through


def act_for(errors):
    """An act that fails with what `errors` has for an item."""

    def act(item):
        if item in errors:
            raise errors[item]
        return True

    return act


@pytest.mark.parametrize("error", [Conflict(), KeyError("outcome"), psycopg.errors.DeadlockDetected()])
def test_one_item_that_fails_stops_no_other(error):
    assert go_through([("a",), ("b",), ("c",)], act_for({"a": error})) == 2


@pytest.mark.parametrize("error", [Outage("database"), psycopg.OperationalError("no connection")])
def test_what_fails_for_all_alike_ends_the_round(error):
    with pytest.raises(type(error)):
        go_through([("a",), ("b",)], act_for({"a": error}))
