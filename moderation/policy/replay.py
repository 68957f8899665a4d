"""Derives a past decision anew from its stored facts and policies, and says what differs. Reads no database itself."""

from collections.abc import Mapping
from dataclasses import dataclass

from moderation.canonical import canonical
from moderation.decisions import Decision
from moderation.facts import FactRecord
from moderation.policy.engine import Ruleset, decide


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """A past decision beside the one derived anew; equal when nothing differs."""

    derived: Decision
    #: Names of the parts of the decision that differ, sorted.
    differences: tuple[str, ...]

    @property
    def equal(self) -> bool:
        """Whether the decision came out bit for bit."""
        return not self.differences


def replay(facts: Mapping[str, object] | bytes | str, decision: Mapping[str, object], ruleset: Ruleset) -> Replayed:
    """Judge stored facts again and compare with the stored decision of a rule.

    `ruleset` is `loader.load_bundle` of the text kept with the decision's policy version. Raises FactsError for
    facts that cannot be read, ValueError when the ruleset is not the one that decided.
    """
    if decision.get("policy_version") != ruleset.version:
        raise ValueError("the decision was taken under another policy version than this ruleset")
    derived = decide(FactRecord.from_json(facts), ruleset)
    again = derived.to_json()
    differing = sorted(key for key in {*again, *decision} if canonical(again.get(key)) != canonical(decision.get(key)))
    return Replayed(derived=derived, differences=tuple(differing))
