"""What follows from the checks: verified, uncertain, a guardian is needed, or refused. Nothing passes on silence."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from moderation.enrolling.checks import Check, CheckState

#: A failure of any other check refuses; of these it does not, since it is nobody's fault, or says nothing for sure.
_NEVER_REFUSE: Final = frozenset({"adult", "nobody_else", "mouth"})
#: All of these must have passed for a verdict without a person.
NEEDED: Final = (
    "one_face",
    "one_take",
    "quality",
    "turns",
    "depth",
    "one_voice",
    "digits",
    "same_face",
    "mouth",
    "adult",
    "own",
    "nobody_else",
    "source",
)


class Outcome(StrEnum):
    """Where an enrolment ends, or waits for somebody."""

    VERIFIED = "verified"
    UNCERTAIN = "uncertain"
    GUARDIAN_NEEDED = "guardian_needed"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The outcome, and what the caller is told beside it: how to do better, and never what gave an attack away."""

    outcome: Outcome
    hints: tuple[str, ...] = ()


def conclude(checks: Sequence[Check]) -> Verdict:
    """Conclude from all checks of a recording.

    A check that is missing counts as not measured. Hints are given only where nothing but the quality failed.
    """
    states = {check.name: check.state for check in checks}
    failed = [check for check in checks if check.state is CheckState.FAILED and check.name not in _NEVER_REFUSE]
    if failed:
        hints = tuple(hint for check in failed for hint in check.hint.split(",") if hint)
        return Verdict(outcome=Outcome.REFUSED, hints=hints if all(check.hint for check in failed) else ())
    if states.get("adult") is not CheckState.PASSED:
        return Verdict(outcome=Outcome.GUARDIAN_NEEDED)
    passed = all(states.get(name) is CheckState.PASSED for name in NEEDED)
    return Verdict(outcome=Outcome.VERIFIED if passed else Outcome.UNCERTAIN)
