"""Deriving past decisions anew: stored facts, stored policies, the same judge. Reads and changes nothing else."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

from moderation.answers import settle
from moderation.db import Database, Transaction, queries
from moderation.decisions import Decision, Outcome
from moderation.errors import Unprocessable
from moderation.facts import FactsError
from moderation.policy.engine import Ruleset, decide
from moderation.policy.loader import load_bundle
from moderation.rehearsing.crew import carry_out
from moderation.rehearsing.records import read_record
from moderation.rehearsing.scope import read_to_the_end

if TYPE_CHECKING:
    from moderation.services import Services

SQL = queries("records")
REPLAYING = queries("rehearsing")
BATCH = 200
#: Decisions named of those that came out otherwise, and of those that could not be derived.
NAMED = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """How many decisions came out equal, byte for byte, and the ids of the first `NAMED` that did not.

    `erased` decisions lost their facts with their clip, by right; `unreadable` ones have facts or rules that cannot be
    read, which is a fault.
    """

    equal: int = 0
    different: list[str] = field(default_factory=list)
    differing: int = 0
    unreadable: list[str] = field(default_factory=list)
    unread: int = 0
    erased: int = 0

    @property
    def total(self) -> int:
        """How many were looked at."""
        return self.equal + self.differing + self.unread + self.erased

    @property
    def faultless(self) -> bool:
        """Whether everything that can still be derived came out equal."""
        return not self.differing and not self.unread

    def plus(self, other: "Replayed") -> "Replayed":
        """Return both together."""
        return Replayed(
            equal=self.equal + other.equal,
            different=[*self.different, *other.different][:NAMED],
            differing=self.differing + other.differing,
            unreadable=[*self.unreadable, *other.unreadable][:NAMED],
            unread=self.unread + other.unread,
            erased=self.erased + other.erased,
        )


def replay_decisions(
    services: "Services",
    org: str,
    clip_id: str | None = None,
    *,
    processes: int = 1,
    batch: int = BATCH,
    progress: Callable[[int, int], None] | None = None,
) -> Replayed:
    """Judge the stored facts of one clip, or of all, again by the policy set each was judged by.

    `progress` is told (decisions done, decisions in all) after every batch.
    """
    whole = Replayed()
    with services.database.transaction(org) as tx:
        counted = tx.pg.execute(REPLAYING.replay_count, {"clip": clip_id}).fetchone()
        total = counted[0] if counted else 0
        with closing(carry_out(Again(org=org), _batches(tx, clip_id, batch), services.dsn, processes)) as parts:
            for part in parts:
                whole = whole.plus(part)
                if progress is not None:
                    progress(whole.total, total)
    return whole


def _batches(tx: Transaction, clip_id: str | None, size: int) -> Iterator[list[str]]:
    read_to_the_end(tx)
    with tx.pg.cursor(name="replayed") as cursor:
        cursor.itersize = 4 * size
        cursor.execute(REPLAYING.replayable, {"clip": clip_id})
        while found := [row[0] for row in islice(cursor, size)]:
            yield found


@dataclass(frozen=True, slots=True, kw_only=True)
class Again:
    """Derive batches of decisions anew."""

    org: str

    def begin(self, database: Database) -> Callable[[Sequence[str]], Replayed]:
        """Return what replays the decisions with these ids; policy sets are kept between batches."""
        rulesets: dict[str, Ruleset] = {}

        def replay(decisions: Sequence[str]) -> Replayed:
            whole = Replayed()
            with database.transaction(self.org) as tx:
                rows = tx.pg.execute(REPLAYING.replay_records, {"decisions": list(decisions)}).fetchall()
                answers = _answers(tx, sorted({row[1] for row in rows}))
                for row in rows:
                    whole = whole.plus(_replay_one(tx, row, answers.get(row[1], []), rulesets))
            return whole

        return replay


def _replay_one(
    tx: Transaction, row: tuple[Any, ...], answers: list[tuple[int, Decision]], rulesets: dict[str, Ruleset]
) -> Replayed:
    decision_id, _, seq, version, body, facts_hash, facts = row
    if facts is None and facts_hash is not None:
        return Replayed(erased=1)
    try:
        if version not in rulesets:
            rulesets[version] = ruleset_of(tx, version)
        again = decide(read_record(facts or "", facts_hash or ""), rulesets[version])
    except (FactsError, LookupError, Unprocessable):
        return Replayed(unreadable=[decision_id], unread=1)
    given = [answer for at, answer in answers if at < seq]
    if any(settled.to_bytes().decode() == body for settled in _settled(again, given)):
        return Replayed(equal=1)
    return Replayed(different=[decision_id], differing=1)


def _settled(decision: Decision, given: Sequence[Decision]) -> Iterator[Decision]:
    """What a decision may have come to with these answers: all of them, or without the last of its approvals.

    Those count no more once their people were asked, or consent otherwise; a block always does, until it is overruled.
    """
    if given and given[-1].outcome is not Outcome.BLOCK:
        yield decision
    for count in range(len(given), -1, -1):
        yield settle(decision, given[:count])
        if count and given[count - 1].outcome is Outcome.BLOCK:
            return


def ruleset_of(tx: Transaction, version: str) -> Ruleset:
    """The policy set as it stood. Raises LookupError when it was not kept."""
    row = tx.pg.execute(SQL.policy_version, {"version": version}).fetchone()
    if row is None:
        raise LookupError(f"the policy set {version} was not kept")
    return load_bundle(row[0])


def _answers(tx: Transaction, clips: list[str]) -> dict[str, list[tuple[int, Decision]]]:
    """What people decided of these clips, in order, each with its number."""
    found: dict[str, list[tuple[int, Decision]]] = {}
    for clip, seq, body in tx.pg.execute(REPLAYING.answers_of_clips, {"clips": clips}):
        found.setdefault(clip, []).append((seq, Decision.from_json(json.loads(body))))
    return found
