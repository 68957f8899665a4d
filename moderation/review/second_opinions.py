"""Second opinions: some decided cases come back for somebody else, who does not know. Their answer moves no clip."""

from dataclasses import replace
from datetime import datetime, timedelta

from moderation.db import Transaction, queries
from moderation.db.clips import read_clip
from moderation.review.cases import insert_case
from moderation.review.golden import read_decision

SQL = queries("mixing")
#: How long after its answer a case may be drawn.
LATELY = timedelta(days=1)


def ask_again(tx: Transaction, now: datetime) -> bool:
    """Open a blind case for one of a `second_opinion_rate` of a queue's decided ones, in it; False when none is due.

    Never of specialists' queues: what nobody should see is not seen once more to compare people.
    """
    found = tx.pg.execute(SQL.to_ask_again, {"since": now - LATELY, "now": now, "limit": 1}).fetchall()
    for of, clip_id, queue, opened_by in found:
        clip = read_clip(tx, clip_id, lock=True)
        decision = replace(read_decision(tx, opened_by), queue=queue)
        case = insert_case(tx, clip, decision, opened_by, now, source="second_opinion", effect="opinion")
        tx.pg.execute(SQL.insert_second_opinion, {"org": tx.org, "case": case, "of": of})
    return bool(found)
