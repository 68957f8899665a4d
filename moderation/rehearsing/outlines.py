"""What rehearsals compare of a decision: the outcome, the queue, the rules that fired. Judges nothing itself."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from moderation.decisions import Decision, Outcome
from moderation.review import DEFAULT_QUEUE, SPECIALIST_QUEUES

EXCEPTED = "excepted"
#: (policy.rule, truth, outcome) of one rule that spoke; the outcome is empty where it had no part in the decision.
Voice = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Outline:
    """One decision in short. `queue` is where a case would be opened, if any; `rules` are those that spoke."""

    outcome: str
    queue: str | None
    rules: tuple[Voice, ...]

    @classmethod
    def of(cls, decision: Decision) -> "Outline":
        """The outline of a decision just taken."""
        spoken = tuple(_voice(rule.name, rule.truth, rule.outcome, shadow=rule.shadow) for rule in decision.trace)
        return cls(str(decision.outcome), case_queue(decision.outcome, decision.queue), spoken)

    @classmethod
    def of_stored(cls, decision: Mapping[str, Any]) -> "Outline":
        """The outline of a stored decision's plain data. Raises KeyError or ValueError when it is none."""
        spoken = tuple(
            _voice(f"{rule['policy']}.{rule['rule']}", rule["truth"], rule["outcome"], shadow=rule.get("shadow", False))
            for rule in decision["trace"]
        )
        outcome = Outcome(decision["outcome"])
        return cls(str(outcome), case_queue(outcome, decision["queue"]), spoken)


def _voice(name: str, truth: str, outcome: str, *, shadow: bool) -> Voice:
    """Write down what one rule said; of one with an exception the truth says that it does not act."""
    if shadow:
        return f"{name} (shadow)", truth, ""
    return name, truth, "" if truth == EXCEPTED else str(outcome)


def case_queue(outcome: Outcome, queue: str | None) -> str | None:
    """Return the queue in which a decision opens a case, as `judging.follow` does; None when it opens none."""
    if outcome is Outcome.REVIEW:
        return queue or DEFAULT_QUEUE
    return queue if outcome is Outcome.BLOCK and queue in SPECIALIST_QUEUES else None


def difference(before: Outline, after: Outline) -> tuple[str, ...]:
    """Name the rules that made the difference: `-rule` spoke for the outcome before only, `+rule` after only."""
    old = {name for name, _, outcome in before.rules if outcome == before.outcome}
    new = {name for name, _, outcome in after.rules if outcome == after.outcome}
    return (*(f"-{name}" for name in sorted(old - new)), *(f"+{name}" for name in sorted(new - old)))
