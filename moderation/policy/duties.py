"""What an area owes to those it concerns: an owner, texts, grounds, a queue that fits, dates that have not passed."""

from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from typing import Final

from moderation.decisions import Outcome
from moderation.messages import LANGUAGES, catalogue
from moderation.policy.actions import PROTECTED_REASONS
from moderation.policy.drift import signal_leaves
from moderation.policy.model import Finding, Overlay, Policy, Rule, RuleException
from moderation.policy.registry import Vocabulary
from moderation.policy.rivals import of_rule

#: How long a rule may be tried without acting before somebody has to decide.
SHADOW_DAYS: Final = 30
#: How far ahead an exception may end: what is agreed for longer is agreed again.
LONGEST: Final = timedelta(days=366)
#: Owners who are nobody, whatever marks stand around them.
_NOBODY: Final = frozenset({"", "me", "na", "nobody", "noone", "none", "owner", "tbd", "todo", "unknown", "xxx"})


def find_duties(policy: Policy, path: str, vocabulary: Vocabulary, today: date | None) -> Iterator[Finding]:
    """Yield what an area owes and does not have. Without `today` nothing is said of dates."""
    exceptions = [exception for _, rule in policy.variants for exception in rule.exceptions]
    owned: tuple[Policy | Overlay | RuleException, ...] = (policy, *policy.overlays, *exceptions)
    for each in owned:
        if "".join(letter for letter in each.owner if letter.isalnum()).casefold() in _NOBODY:
            yield _at(each, path, "no-owner", f"`{each.owner}` is nobody to turn to")
    for _, rule in policy.variants:
        yield from _texts(rule, path)
        yield from _grounds(rule, path, vocabulary)
        yield from _severity(rule, path, policy, vocabulary)
        yield from _measured(rule, path, vocabulary)
        yield from _dates(rule, path, today)


def _at(place: object, path: str, code: str, message: str, suggestion: str = "") -> Finding:
    line, column = getattr(place, "line", 1), getattr(place, "column", 1)
    return Finding(path=path, line=line, column=column, code=code, message=message, suggestion=suggestion)


def texts() -> Mapping[str, Mapping[str, str]]:
    """Return the sentences of every language."""
    return {language: catalogue(language) for language in LANGUAGES}


def _texts(rule: Rule, path: str) -> Iterator[Finding]:
    keys = [f"reason.{said.code}" for said in rule.then.reasons] + [f"note.{said.code}" for said in rule.then.notes]
    for key in keys:
        missing = [language for language, known in texts().items() if key not in known]
        if missing:
            kind, _, code = key.partition(".")
            message = f"the {kind} `{code}` has no sentence in {', '.join(missing)}: nobody could be told of it"
            yield of_rule(rule, path, "no-text", message, f"add `{key}` to the texts")


def _grounds(rule: Rule, path: str, vocabulary: Vocabulary) -> Iterator[Finding]:
    for said in rule.then.reasons:
        if said.code not in vocabulary.grounds:
            message = f"a statement of reasons for `{said.code}` would rest on nothing"
            instead = f'in vocabulary.yaml, `grounds: {{{said.code}: {{basis: terms, clause: "..."}}}}`'
            yield of_rule(rule, path, "no-ground", message, instead)


def _severity(rule: Rule, path: str, policy: Policy, vocabulary: Vocabulary) -> Iterator[Finding]:
    """Find outcomes and queues that are too light for what the reasons say."""
    then = rule.then
    for code in (said.code for said in then.reasons):
        ground = vocabulary.grounds.get(code)
        if ground is not None and ground.basis == "law" and then.outcome.strictness < Outcome.REVIEW.strictness:
            message = f"`{code}` is a matter of law, and `{then.outcome}` publishes the clip"
            yield of_rule(rule, path, "severity-mismatch", message, "outcome: review, or block")
        queue = vocabulary.queues.get(then.queue or policy.queue)
        if code in PROTECTED_REASONS and queue is not None and not queue.specialists:
            message = (
                f"`{code}` is for people trained for it, and the queue `{then.queue or policy.queue}` is not theirs"
            )
            names = [name for name, entry in vocabulary.queues.items() if entry.specialists]
            yield of_rule(rule, path, "severity-mismatch", message, f"queue: {' or '.join(names)}")


def _measured(rule: Rule, path: str, vocabulary: Vocabulary) -> Iterator[Finding]:
    """Find lines that lie where nobody knows what they are worth."""
    for leaf in signal_leaves(rule.when):
        entry = vocabulary.signals.get(leaf.signal)
        if entry is None or entry.measured is None:
            continue
        low, high = entry.measured
        if not low <= leaf.threshold <= high and entry.low < leaf.threshold < entry.high:
            message = f"{leaf.signal} was measured with lines from {low:g} to {high:g}, not at {leaf.threshold:g}"
            instead = f"a line from {low:g} to {high:g}"
            yield of_rule(rule, path, "outside-calibration", message, instead)


def _dates(rule: Rule, path: str, today: date | None) -> Iterator[Finding]:
    if today is None:
        return
    for exception in rule.exceptions:
        yield from _end(exception, path, today)
    if rule.mode == "shadow" and rule.since is not None:
        since = date.fromisoformat(rule.since)
        if today - since > timedelta(days=SHADOW_DAYS):
            message = f"`{rule.name}` has been a shadow since {rule.since}, for more than {SHADOW_DAYS} days"
            instead = "let it act (mode: enforce), or remove it"
            yield of_rule(rule, path, "stale-shadow", message, instead)
        # Two days, so that no time zone is wrong.
        elif since - today > timedelta(days=2):
            message = f"`{rule.name}` cannot have been a shadow since {rule.since}: that is still to come"
            yield of_rule(rule, path, "stale-shadow", message, "the day on which it was first tried")


def _end(exception: RuleException, path: str, today: date) -> Iterator[Finding]:
    expires = date.fromisoformat(exception.expires)
    if expires < today:
        message = f"the exception `{exception.name}` ended on {exception.expires} and holds no longer"
        instead = f"remove it, or have {exception.owner} give it another date"
        yield _at(exception, path, "expired-exception", message, instead)
    elif expires - today > LONGEST:
        message = f"the exception `{exception.name}` ends on {exception.expires}, more than a year from now"
        yield _at(exception, path, "far-expiry", message, "a day within a year, on which somebody looks at it again")
