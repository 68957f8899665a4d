"""Facts and a ruleset to a decision: pure, so that the same facts and rules give the same bytes on any day.

Precedence is total: the strictest outcome wins; its reasons stand in the order queue, priority (highest first),
policy, rule; weaker reasons stay as `lesser`; notes and limits on audience and markets of every rule that fired add up.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import reduce
from typing import TypeVar

from detectors.base import State
from moderation.canonical import canonical_record
from moderation.decisions import Audience, Decision, Note, Outcome, Reason
from moderation.facts import FactRecord
from moderation.policy.exhibits import Exhibits
from moderation.policy.model import Policy
from moderation.policy.registry import VOCABULARY, Vocabulary
from moderation.policy.standing import Standing
from moderation.policy.verdicts import Judge, Verdict, unmet

_R = TypeVar("_R", bound=Reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruleset:
    """Policies ready to judge. `version` names their content; `bundle` is the text from which replay rebuilds them."""

    policies: tuple[Policy, ...]
    version: str
    vocabulary: Vocabulary
    bundle: str
    #: The areas' own rules, without any overlay.
    judges: tuple[Judge, ...]
    #: The rules that stand for a clip of some market and locale.
    standing: Standing = field(compare=False, repr=False)
    #: Every signal that some policy cannot do without.
    required: frozenset[str]

    @classmethod
    def of(
        cls,
        policies: Iterable[Policy],
        *,
        version: str = "unversioned",
        bundle: str = "",
        vocabulary: Vocabulary = VOCABULARY,
    ) -> "Ruleset":
        """Compile policies; their order does not matter."""
        ordered = tuple(sorted(policies, key=lambda policy: policy.area))
        standing = Standing(ordered)
        return cls(
            policies=ordered,
            version=version,
            bundle=bundle,
            vocabulary=vocabulary,
            judges=standing.everywhere(),
            standing=standing,
            required=frozenset(signal for policy in ordered for signal in policy.requires),
        )

    def to_bytes(self) -> bytes:
        """Return the text to keep beside the version; `loader.load_bundle` turns it back into a ruleset."""
        return self.bundle.encode()


def decide(facts: FactRecord, ruleset: Ruleset) -> Decision:
    """Judge one clip. Reads nothing but its arguments; never allows what a required signal did not look at."""
    required, exhibits = ruleset.required, Exhibits(facts, ruleset.vocabulary)
    return weigh(judge_all(exhibits, ruleset, lambda judge: judge.judge(exhibits, required)), facts, ruleset)


def judge_all(exhibits: Exhibits, ruleset: Ruleset, ask: Callable[[Judge], Verdict | None]) -> list[Verdict]:
    """Return what policies say that lack a signal, and what the rules say that stand for the clip."""
    unmets = (unmet(policy, exhibits) for policy in ruleset.policies)
    judged = map(ask, ruleset.standing.judges(exhibits.facts.submission))
    return [verdict for verdict in (*unmets, *judged) if verdict is not None]


def required_failures(facts: FactRecord, ruleset: Ruleset) -> list[str]:
    """Return the required signals that failed, are absent, or claim to be measured without a single frame.

    The pipeline then holds the clip or asks a person. A required signal that is `not_measured` (no model is
    configured) is not an outage: `decide` sends such a clip to review.
    """
    exhibits = Exhibits(facts, ruleset.vocabulary)
    return sorted(
        signal
        for signal in ruleset.required
        if any(gap.state in ("failed", "absent", "empty") for gap in exhibits.gaps(signal))
    )


def weigh(verdicts: Iterable[Verdict], facts: FactRecord, ruleset: Ruleset) -> Decision:
    """Put what policies and rules say together to one decision."""
    if not ruleset.policies:
        return _unjudged(facts, ruleset)
    rank = ruleset.vocabulary.rank
    verdicts = sorted(
        verdicts,
        key=lambda v: (-v.outcome.strictness, rank(v.queue), -v.priority, v.trace.policy, v.trace.rule, v.trace.order),
    )
    acting = [v for v in verdicts if v.trace.acts]
    outcome = acting[0].outcome if acting else Outcome.ALLOW
    asking = [v for v in acting if v.outcome.strictness >= Outcome.REVIEW.strictness]
    reasons = _distinct(reason for v in acting if v.outcome is outcome for reason in v.reasons)
    lesser = _distinct(reason for v in acting if v.outcome is not outcome for reason in v.reasons)
    settled = {_identity(reason) for reason in reasons}
    return Decision(
        outcome=outcome,
        reasons=reasons,
        lesser=tuple(reason for reason in lesser if _identity(reason) not in settled),
        notes=_notes(acting, facts, ruleset),
        audience=reduce(Audience.narrowed, (v.audience for v in acting), Audience()),
        queue=min((v.queue for v in asking if v.queue), key=rank, default=None),
        priority=max((v.priority for v in asking), default=0),
        policy_version=ruleset.version,
        facts_hash=facts.digest(),
        trace=tuple(v.trace for v in verdicts),
        markets_withheld=tuple(sorted({market for v in acting for market in v.markets_withheld})),
        deadline_s=min((v.deadline_s for v in asking if v.deadline_s is not None), default=None),
        sampled=tuple(sorted({v.trace.name for v in acting if v.sampled})),
    )


def _unjudged(facts: FactRecord, ruleset: Ruleset) -> Decision:
    """Without policies nothing was judged, and nothing unjudged is released."""
    return Decision(
        outcome=Outcome.REVIEW,
        reasons=(Reason(code="undetermined", params={"rule": "none"}),),
        queue="failures",
        policy_version=ruleset.version,
        facts_hash=facts.digest(),
    )


def _notes(verdicts: list[Verdict], facts: FactRecord, ruleset: Ruleset) -> tuple[Note, ...]:
    said = (note for v in verdicts for note in v.notes)
    unmeasured = (
        Note(code="not_measured", params={"signal": name})
        for name, signal in sorted(facts.signals.items())
        if signal.state is State.NOT_MEASURED and name not in ruleset.required
    )
    return _distinct((*said, *unmeasured))


def _identity(reason: Reason) -> tuple[str, str | int | None, bytes]:
    return *reason.settles, canonical_record(reason.params) if reason.params else b""


def _distinct(reasons: Iterable[_R]) -> tuple[_R, ...]:
    first: dict[tuple[str, str | int | None, bytes], _R] = {}
    for reason in reasons:
        first.setdefault(_identity(reason), reason)
    return tuple(first.values())
