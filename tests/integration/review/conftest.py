"""A queue over a real database, with clips that are only rows: who reviews needs no pictures here."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest

from moderation import review
from moderation.db import Database, Transaction, queries
from moderation.db.clips import read_clip
from moderation.decisions import Decision, Outcome, Reason
from moderation.engine import Enqueuer
from moderation.exposure import caps_of
from moderation.ids import new_id
from moderation.recording import insert_decision
from moderation.review.following import follow
from moderation.review.terms import Terms
from moderation.settings import Settings

CLIPS = queries("clips")
BEGIN = datetime(2026, 1, 1, 12, tzinfo=UTC)
TERMS = Terms(
    lease=timedelta(minutes=5),
    undo=timedelta(seconds=30),
    two_person_queues=frozenset({"minor_safety"}),
    own_clips_again=False,
    caps=caps_of(Settings()),
)


@dataclass(slots=True, kw_only=True)
class Desk:
    """What a service does with a queue, with a clock that stands still until it is turned."""

    database: Database
    enqueuer: Enqueuer
    now: datetime = BEGIN
    terms: Terms = TERMS
    #: Clips in the order of their making.
    clips: list[str] = field(default_factory=list)

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        with self.database.transaction() as tx:
            yield tx

    def wait(self, **time: float) -> None:
        """Let time pass."""
        self.now += timedelta(**time)

    def change(self, **terms: object) -> None:
        """Change the terms."""
        self.terms = replace(self.terms, **terms)

    def clip(self, status: str = "processing") -> str:
        """A clip that is only a row."""
        clip = new_id("clip")
        nothing = (
            "creator",
            "creator_age_band",
            "prompt",
            "title",
            "generator",
            "market",
            "callback_url",
            "source_url",
            "purpose",
        )
        row = dict.fromkeys((*nothing, "content_sha256", "content_bytes", "probe"), None)
        lists = {"cameos": [], "parents": [], "claims": "{}", "locale": "fr", "visibility": "public", "priority": 1}
        with self.transaction() as tx:
            row |= {**lists, "org": "default", "clip": clip, "runner": "service", "now": self.now}
            tx.pg.execute(CLIPS.insert_clip, row)
            tx.pg.execute("update moderation.clips set status = %s where clip_id = %s", (status, clip))
        self.clips.append(clip)
        return clip

    def open(self, queue: str = "explicit", *, clip: str | None = None, **said: object) -> str:
        """A case a rule opened, in the queue; `said` goes into the decision. Returns the case."""
        decision = Decision(
            outcome=Outcome.REVIEW,
            facts_hash="",
            reasons=(Reason(code="explicit_content"),),
            queue=queue,
            policy_version="v1",
            **said,
        )
        with self.transaction() as tx:
            found = read_clip(tx, clip or self.clip(), lock=True)
            opened = insert_decision(tx, found, decision, actor_kind="rule", actor="policy", now=self.now)
            return review.open_case(tx, self.enqueuer, found, decision, opened, self.now)

    def quiet(self, clip: str, source: str, queue: str = "explicit") -> str:
        """A case without effect on its clip, whose latest decision is what it was published on."""
        with self.transaction() as tx:
            found = read_clip(tx, clip, lock=True)
            decision = Decision(outcome=Outcome.ALLOW, facts_hash="", queue=queue)
            opened = insert_decision(tx, found, decision, actor_kind="rule", actor="policy", now=self.now)
            return review.insert_case(tx, found, decision, opened, self.now, source=source, effect="opinion")

    def claim(self, who: str, queue: str = "explicit", clip: str | None = None) -> review.Case | None:
        with self.transaction() as tx:
            return review.claim(tx, self.terms, self.now, queue, person(who), clip)

    def decide(self, who: str, case: review.Case, outcome: str = "allow", **said: object) -> review.Recorded:
        reason = {"allow": "no_violation"}.get(outcome, "explicit_content")
        answer = review.Answer(
            outcome=Outcome(outcome),
            **{"reason": reason, "note": "", "lease_token": case.lease_token, "version": case.version, **said},
        )
        with self.transaction() as tx:
            return review.decide(tx, self.enqueuer, self.terms, self.now, case.case_id, answer, person(who))

    def escalate(self, who: str, case: review.Case, outcome: str | None = None, **said: object) -> review.Recorded:
        reason = {None: None, "allow": "no_violation"}.get(outcome, "explicit_content")
        asked = review.Escalation(
            outcome=Outcome(outcome) if outcome else None,
            **{"question": "?", "reason": reason, "lease_token": case.lease_token, "version": case.version, **said},
        )
        with self.transaction() as tx:
            return review.escalate(tx, self.enqueuer, self.terms, self.now, case.case_id, asked, person(who))

    def undo(self, who: str, case_id: str) -> review.Case:
        with self.transaction() as tx:
            return review.undo(tx, self.terms, self.now, case_id, person(who))

    def overturn(self, who: str, case_id: str, outcome: str, error_class: str, **said: object) -> review.Recorded:
        reason = {"allow": "no_violation"}.get(outcome, "explicit_content")
        version = self.case(case_id).version
        wish = review.Overturn(
            **{"outcome": Outcome(outcome), "reason": reason, "error_class": error_class, "version": version, **said}
        )
        with self.transaction() as tx:
            return review.overturn(tx, self.enqueuer, self.terms, self.now, case_id, wish, person(who))

    def follow(self) -> int:
        """What a worker's sweep does, with this clock."""
        due = "select clip_id, case_id from moderation.cases where state = 'decided' and followed_at is null"
        with self.transaction() as tx:
            found = tx.pg.execute(f"{due} and undo_until <= %s", (self.now,)).fetchall()
            for clip, case in found:
                locked = read_clip(tx, clip, lock=True)
                follow(tx, self.enqueuer, self.now, locked, review.read_case(tx, case, lock=True))
        return len(found)

    def case(self, case_id: str) -> review.Case:
        with self.transaction() as tx:
            return review.read_case(tx, case_id)

    def scalar(self, query: str, *args: object) -> object:
        with self.transaction() as tx:
            found = tx.pg.execute(query, args).fetchone()
        return found[0] if found else None

    def column(self, query: str, *args: object) -> list[object]:
        with self.transaction() as tx:
            return [row[0] for row in tx.pg.execute(query, args).fetchall()]

    def status(self, case_id: str) -> object:
        return self.scalar(
            "select status from moderation.clips join moderation.cases using (clip_id) where case_id = %s", case_id
        )


def person(name: str) -> review.Reviewer:
    """Whose name ends so is a specialist."""
    return review.Reviewer(principal=name, specialist=name.endswith("specialist"))


@pytest.fixture
def desk(dsn: str, database: Database) -> Iterator[Desk]:
    """An empty queue."""
    enqueuer = Enqueuer(dsn)
    yield Desk(database=database, enqueuer=enqueuer)
    enqueuer.close()


@pytest.fixture
def settle(desk: Desk) -> Callable[..., str]:
    """A decided case whose clip has reached its end; returns the case."""

    def settled(who: str, outcome: str, queue: str = "explicit") -> str:
        case = desk.open(queue)
        claimed = desk.claim(who, queue)
        assert claimed is not None
        desk.decide(who, claimed, outcome)
        desk.wait(seconds=31)
        assert desk.follow() == 1
        end = "withheld" if outcome == "block" else "released"
        with desk.transaction() as tx:
            tx.pg.execute("update moderation.clips set status = %s where clip_id = %s", (end, claimed.clip_id))
        return case

    return settled
