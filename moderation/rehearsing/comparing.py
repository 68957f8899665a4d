"""Judging stored records by one policy set or two and counting what differs. Reads the database, writes nothing."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic_core import from_json

from detectors.base import State
from moderation.db import Database
from moderation.facts import FACTS_VERSION, FactRecord, FactsError
from moderation.policy.engine import Ruleset, decide
from moderation.policy.loader import load_bundle
from moderation.policy.model import signals_of
from moderation.rehearsing.outlines import Outline
from moderation.rehearsing.pairs import Pair
from moderation.rehearsing.records import read_record
from moderation.rehearsing.scope import SQL, Key
from moderation.rehearsing.tallies import Example, Gaps, Tally


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What was decided then, or what `old` says now, against what `new` says; policy sets are bundles' texts."""

    org: str
    new: str
    old: str | None = None
    queue: str | None = None
    examples: int = 3

    def begin(self, database: Database) -> Callable[[Sequence[Key]], Tally]:
        """Compile the policies once; returns what counts a batch."""
        new = load_bundle(self.new)
        pair = None if self.old is None else Pair.of(load_bundle(self.old), new)
        read = signals_read(new)

        def count(keys: Sequence[Key]) -> Tally:
            tally = Tally(self.examples)
            for key, body, facts in records(database, self.org, keys, tally.gaps):
                if pair is None:
                    before, after = Outline.of_stored(from_json(body)), Outline.of(decide(facts, new))
                else:
                    before, after, _ = pair.outlines(facts)
                if key.counted:
                    tally.count(key.clip, before, after, self.queue)
                    tally.unmeasured.update(_unmeasured(facts, read))
                if key.label is not None:
                    tally.count_label(key.clip, key.label, before, after)
            return tally

        return count


def records(database: Database, org: str, keys: Sequence[Key], gaps: Gaps) -> Iterator[tuple[Key, str, FactRecord]]:
    """Give each key with the decision's text and the facts; what cannot be judged goes to `gaps`, never nowhere."""
    with database.transaction(org) as tx:
        found = tx.pg.execute(SQL.records, {"decisions": [key.decision for key in keys]}).fetchall()
    kept: dict[str, tuple[Any, ...]] = {row[0]: row for row in found}
    for key in keys:
        row = kept.get(key.decision)
        if row is None or row[3] is None:
            gaps.erased += 1
            continue
        try:
            facts = _intact(row[3], row[4])
        except FactsError:
            gaps.unreadable[_why(row[3])] += 1
            gaps.examples.add(Example.of(key.clip))
            continue
        yield key, row[2], facts


def _intact(body: str, facts_hash: str) -> FactRecord:
    """Read a record that is still what was judged. Raises FactsError for any other."""
    facts = read_record(body, facts_hash)
    if facts.digest() != facts_hash:
        raise FactsError("these are not the facts that were judged")
    return facts


def signals_read(ruleset: Ruleset) -> frozenset[str]:
    """Return every signal that some rule reads or some policy requires."""
    rules = [rule for policy in ruleset.policies for _, rule in policy.variants]
    asked = [rule.when for rule in rules] + [each.when for rule in rules for each in rule.exceptions]
    return ruleset.required.union(*map(signals_of, asked))


def _unmeasured(facts: FactRecord, read: frozenset[str]) -> Iterator[tuple[str, str]]:
    for name in read:
        fact = facts.signals.get(name)
        if fact is None:
            yield name, "absent"
        elif fact.state is State.NOT_MEASURED:
            yield name, "not_measured"


def _why(body: str) -> str:
    """Say in a few words what an unreadable record is; nothing of what it holds."""
    try:
        version = from_json(body)["facts_version"]
    except (ValueError, TypeError, KeyError):
        return "no fact record"
    return "damaged" if version == FACTS_VERSION else f"of version {version}"
