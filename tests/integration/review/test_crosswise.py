"""An answer meets what else is written of its case in the same moment: neither is refused for waiting crosswise."""

import threading
import time
from collections.abc import Callable

import pytest

from moderation import exposure, reveals, review
from moderation.db import Transaction, queries
from moderation.db.clips import read_clip
from moderation.decisions import Outcome

WAITING = "select 1 from pg_locks l join pg_stat_activity a using (pid) where not l.granted and a.datname = current_database()"
ANA = review.Reviewer(principal="ana")


def keep_copy(tx: Transaction, desk, case: review.Case) -> None:
    """What fetching a rendition for the first time writes down."""
    row = {"org": "default", "case": case.case_id, "clip": case.clip_id, "principal": "ana", "kind": "veiled"}
    row |= {"sha256": "s", "blob_key": "b", "bytes": 1, "now": desk.now}
    tx.pg.execute(queries("renditions").insert_personal, row)


def begin_reveal(tx: Transaction, desk, case: review.Case) -> None:
    wish = reveals.Wish(rendition="revealed", lease_token=case.lease_token, session=b"s" * 32)
    reveals.begin(tx, desk.now, desk.terms.caps, case.case_id, wish, ANA)


def end_reveal(tx: Transaction, desk, case: review.Case) -> None:
    assert exposure.settle(tx, desk.now, "ana") is not None


def in_time(desk, write: Callable[..., None], case: review.Case, failed: list[Exception]) -> threading.Thread:
    """A thread that writes in a transaction of its own."""

    def run() -> None:
        try:
            with desk.transaction() as tx:
                write(tx, desk, case)
        except Exception as error:  # noqa: BLE001
            failed.append(error)

    return threading.Thread(target=run)


@pytest.mark.parametrize("write", [keep_copy, begin_reveal, end_reveal])
def test_an_answer_and_what_is_written_of_its_case_meanwhile_both_stand(desk, write):
    desk.open()
    case = desk.claim("ana")
    if write is end_reveal:
        with desk.transaction() as tx:
            begin_reveal(tx, desk, case)
    failed = []
    writing = in_time(desk, write, case, failed)
    answer = review.Answer(
        outcome=Outcome.BLOCK, reason="explicit_content", note="", lease_token=case.lease_token, version=case.version
    )
    with desk.transaction() as tx:
        # Where an answer begins; the other comes as far as it can before the answer takes its second lock.
        read_clip(tx, case.clip_id, lock=True)
        writing.start()
        while tx.pg.execute(WAITING).fetchone() is None and writing.is_alive():
            time.sleep(0.01)
        review.decide(tx, desk.enqueuer, desk.terms, desk.now, case.case_id, answer, ANA)
    writing.join()
    assert failed == []
    assert desk.case(case.case_id).state == "decided"


def test_what_is_written_of_a_case_does_not_keep_it_from_being_dealt(desk):
    case = desk.claim("ana", clip=desk.case(desk.open()).clip_id)
    desk.wait(minutes=6)
    with desk.transaction() as tx:
        keep_copy(tx, desk, case)
        assert desk.claim("ben") is not None
