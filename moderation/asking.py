"""Asking a person whose grant says `ask_me`: one question for a clip and a scope, one signed answer; silence is a no.

An answer is of one clip and changes no grant. Judges nothing: an answer sends its clip through judgement again, unless
it is withheld or over by then. A question is open only while the clip surely shows whom it asks.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Final, Literal

from psycopg.types.json import Jsonb

from moderation import audit, outbox
from moderation.canonical import canonical
from moderation.clips import Clip, Status, may_follow
from moderation.db import Transaction, queries, row, rows
from moderation.db.clips import next_generation, read_clip
from moderation.errors import Conflict, NotFound
from moderation.ids import new_id
from moderation.rounds import go_through

if TYPE_CHECKING:
    from moderation.services import Services

SQL = queries("asking")
CASES = queries("cases")
#: How long a person may think it over; after that nobody said yes.
PATIENCE: Final = timedelta(hours=24)
#: How many questions one sweep takes on, and how many a person is shown.
BATCH: Final = 200
Said = Literal["yes", "no"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """May this person's face, or voice, be in this clip? `answer` is yes, no, silence, or None while it is open."""

    org_id: str
    question_id: str
    person_id: str
    clip_id: str
    scope: str
    asked_at: datetime
    due_at: datetime
    answer: str | None
    answered_at: datetime | None

    def is_open(self, now: datetime) -> bool:
        """Whether it can still be answered."""
        return self.answer is None and now < self.due_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """What a passkey signed: its row and the browser's whole answer (WebAuthn level 3, 7.2)."""

    passkey_id: str
    credential: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """What people concerned said of one clip: by person and scope, True for yes."""

    answers: Mapping[tuple[str, str], bool]
    #: Whether somebody is still being asked. A call: a judgement learns whom the clip shows after it read these words.
    waiting: Callable[[], bool]
    #: When somebody last said no, or said nothing for too long.
    refused_at: datetime | None

    def overrule(self, decided_at: datetime) -> bool:
        """Whether a reviewer's approval of that moment does not count: nobody says yes in an owner's stead."""
        return (self.refused_at is not None and decided_at <= self.refused_at) or self.waiting()


#: Of a clip that nobody was asked about.
UNASKED: Final = Words(answers={}, waiting=lambda: False, refused_at=None)


def challenge(question: Question, said: Said) -> bytes:
    """What a passkey signs for this answer, 32 bytes: SHA-256 over person, clip, scope, answer and question."""
    bound = {
        "purpose": "countersign.consent",
        "org": question.org_id,
        "question": question.question_id,
        "person": question.person_id,
        "clip": question.clip_id,
        "scope": question.scope,
        "asked_at": question.asked_at.isoformat(),
        "answer": said,
    }
    return hashlib.sha256(canonical(bound)).digest()


def words_about(tx: Transaction, clip_id: str) -> Words:
    """What was answered of a clip so far."""
    found = tx.pg.execute(SQL.answers_of_clip, {"clip": clip_id}).fetchall()
    return Words(
        answers={(person, scope): answer == "yes" for person, scope, answer, _ in found if answer is not None},
        waiting=partial(_waiting, tx, clip_id),
        refused_at=max((at for _, _, answer, at in found if answer in {"no", "silence"}), default=None),
    )


def _waiting(tx: Transaction, clip_id: str) -> bool:
    return tx.pg.execute(SQL.waiting, {"clip": clip_id}).fetchone() is not None


def ask(
    tx: Transaction,
    enqueuer: outbox.Enqueuer,
    clip: Clip,
    wanted: Iterable[tuple[str, str]],
    now: datetime,
) -> list[str]:
    """Ask these people, by person and scope, about a clip whose row the caller holds; nobody is asked twice."""
    asked = []
    for person, scope in sorted(wanted):
        question, due = new_id("ask"), now + PATIENCE
        line = {"org": tx.org, "question": question, "person": person, "clip": clip.clip_id, "scope": scope}
        if tx.pg.execute(SQL.insert_question, {**line, "now": now, "due": due}).fetchone() is None:
            continue
        audit.record(tx, now, "system", "consent.asked", person, question=question, clip=clip.clip_id, scope=scope)
        told = {"question_id": question, "person_id": person, "scope": scope, "due_at": due.isoformat()}
        outbox.announce(tx, enqueuer, clip, "consent.asked", now, told)
        asked.append(question)
    return asked


def read_question(tx: Transaction, question_id: str, person: str) -> Question:
    """One question to this person. Raises NotFound, also for somebody else's.

    And for one that nobody answered while the clip does not surely show them.
    """
    found = row(tx, SQL.question, Question, {"question": question_id})
    if found is None or found.person_id != person:
        raise NotFound("there is no such question")
    return found


def questions_of(tx: Transaction, person: str) -> list[Question]:
    """The questions to a person, newest first; without those that `read_question` does not find."""
    return rows(tx, SQL.questions_of_person, Question, {"person": person, "most": BATCH})


def hold(tx: Transaction, question: str, clip: str) -> Clip:
    """Hold a question's clip, then its person, until the transaction ends: nobody takes anything back meanwhile."""
    held = read_clip(tx, clip, lock=True)
    tx.pg.execute(SQL.hold_asked, {"question": question})
    return held


def answer(
    tx: Transaction, enqueuer: outbox.Enqueuer, now: datetime, question: Question, said: Said, signed: Signed
) -> None:
    """Write down what a person said, whose signature over `challenge` was verified; what waits for it is judged again.

    Raises Conflict when the question was answered before or its time is over, NotFound as `read_question` does.
    """
    clip = hold(tx, question.question_id, question.clip_id)
    read_question(tx, question.question_id, question.person_id)
    if now >= question.due_at:
        raise Conflict("the time for this answer is over; nobody said yes")
    _write(tx, enqueuer, now, clip, question.question_id, said, signed)
    audit.record(tx, now, f"owner:{question.person_id}", f"consent.said_{said}", question.person_id,
                 question=question.question_id, clip=clip.clip_id, scope=question.scope)  # fmt: skip


def lapse_due(services: "Services") -> int:
    """Take the silence of 24 hours for a no, of all organisations; how many questions there were."""
    now = services.clock.now()
    with services.database.system_transaction() as tx:
        due = tx.pg.execute(SQL.lapsed, {"now": now, "most": BATCH}).fetchall()
    return go_through(due, partial(_lapse, services, now))


def _lapse(services: "Services", now: datetime, org: str, question_id: str, clip_id: str) -> bool:
    with services.database.transaction(org) as tx:
        clip = hold(tx, question_id, clip_id)
        if row(tx, SQL.question, Question, {"question": question_id}) is None:
            return False
        try:
            _write(tx, services.enqueuer, now, clip, question_id, "silence", None)
        except Conflict:
            return False
        audit.record(tx, now, "system", "consent.lapsed", clip_id, question=question_id)
    return True


def _write(
    tx: Transaction,
    enqueuer: outbox.Enqueuer,
    now: datetime,
    clip: Clip,
    question_id: str,
    said: str,
    signed: Signed | None,
) -> None:
    line = {"org": tx.org, "question": question_id, "answer": said, "now": now}
    proof = {
        "passkey": signed.passkey_id if signed else None,
        "signed": Jsonb(dict(signed.credential)) if signed else None,
    }
    if tx.pg.execute(SQL.insert_answer, {**line, **proof}).fetchone() is None:
        raise Conflict("this was answered before")
    # Nothing of a withheld clip waits for an answer, and its case is another's: a sealed one's is the specialists'.
    if clip.state is not Status.WITHHELD and may_follow(clip.state, Status.PROCESSING):
        tx.pg.execute(CASES.close_acting_case, {"clip": clip.clip_id, "now": now})
        outbox.enqueue_clip(tx, enqueuer, clip, next_generation(tx, clip, now))
