"""A process full of simulated reviewers, each a thread, until it is killed or told to stop (a line on its input).

They claim, think, renew, decide, escalate, undo, skip and give back as chance has it. What the service refuses them is
part of the work; anything else ends the process with a traceback.
"""

import os
import random
import sys
import threading
import time
from contextlib import suppress
from datetime import timedelta

from moderation import review
from moderation.clock import SystemClock
from moderation.db import Database
from moderation.decisions import Outcome
from moderation.engine import Enqueuer
from moderation.errors import Conflict, Unprocessable
from moderation.exposure import caps_of
from moderation.review.terms import Terms
from moderation.settings import Settings

QUEUES = ("explicit", "likeness", "words")
REASON = {"allow": "no_violation", "restrict": "explicit_content", "block": "explicit_content"}


class Crowd:
    """The reviewers of one process."""

    def __init__(self, dsn: str, lease_s: float, undo_s: float) -> None:
        self.database = Database(dsn, connections=10)
        self.enqueuer = Enqueuer(dsn)
        self.clock = SystemClock()
        self.stop = threading.Event()
        self.terms = Terms(
            lease=timedelta(seconds=lease_s),
            undo=timedelta(seconds=undo_s),
            two_person_queues=frozenset({"words"}),
            own_clips_again=False,
            caps=caps_of(Settings()),
        )

    def work(self, name: str) -> None:
        """One reviewer's day."""
        chance = random.Random()
        reviewer = review.Reviewer(principal=name)
        while not self.stop.is_set():
            if not self.one_case(reviewer, chance):
                self.stop.wait(chance.uniform(0.5, 1.5))

    def one_case(self, reviewer: review.Reviewer, chance: random.Random) -> bool:
        with self.database.transaction() as tx:
            case = review.claim(tx, self.terms, self.clock.now(), chance.choice(QUEUES), reviewer)
        if case is None:
            return False
        self.stop.wait(chance.uniform(0, 1))
        # Too late, or an answer that a third view may not give: the case is dealt again.
        with suppress(Conflict, Unprocessable):
            self.act(reviewer, chance, case)
        return True

    def act(self, reviewer: review.Reviewer, chance: random.Random, case: review.Case) -> None:
        now, lease = self.clock.now(), str(case.lease_token)
        luck = chance.random()
        with self.database.transaction() as tx:
            if luck < 0.05:
                review.skip(tx, now, case.case_id, lease, reviewer)
                return
            if luck < 0.1:
                review.give_back(tx, now, case.case_id, lease, reviewer)
                return
            if luck < 0.2:
                review.renew(tx, self.terms, now, case.case_id, lease)
            if luck < 0.12:
                # Asleep at the desk: somebody else gets it when the lease is over.
                return
        self.answer(reviewer, chance, case)
        if chance.random() < 0.2:
            with self.database.transaction() as tx:
                again = review.undo(tx, self.terms, self.clock.now(), case.case_id, reviewer)
            self.answer(reviewer, chance, again)

    def answer(self, reviewer: review.Reviewer, chance: random.Random, case: review.Case) -> None:
        outcome = chance.choice(("allow", "block", "block", "restrict"))
        said = {
            "outcome": Outcome(outcome),
            "reason": REASON[outcome],
            "lease_token": str(case.lease_token),
            "version": case.version,
        }
        with self.database.transaction() as tx:
            where = (tx, self.enqueuer, self.terms, self.clock.now(), case.case_id)
            if chance.random() < 0.15 and case.stage != "third":
                review.escalate(*where, review.Escalation(question="?", **said), reviewer)
            else:
                review.decide(*where, review.Answer(note="", **said), reviewer)


def main() -> None:
    dsn, first, count, lease_s, undo_s = sys.argv[1:6]
    crowd = Crowd(dsn, float(lease_s), float(undo_s))

    def work(name: str) -> None:
        try:
            crowd.work(name)
        except Exception:  # noqa: BLE001 (whatever it is ends the process, and the test with it)
            sys.excepthook(*sys.exc_info())
            os._exit(3)

    threads = [
        threading.Thread(target=work, args=(f"reviewer-{number}",), daemon=True)
        for number in range(int(first), int(first) + int(count))
    ]
    for thread in threads:
        thread.start()
    print("working", flush=True)
    sys.stdin.readline()
    crowd.stop.set()
    deadline = time.monotonic() + 20
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))


if __name__ == "__main__":
    main()
