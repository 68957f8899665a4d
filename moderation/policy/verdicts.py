"""What one rule says of one clip: fired, could not be told, or nothing; with its reasons filled from the evidence."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace

from moderation.decisions import Audience, Cause, Leaf, Note, Outcome, Param, Reason, RuleTrace, Span
from moderation.policy.conditions import Compiled, compile_condition
from moderation.policy.exhibits import Exhibits
from moderation.policy.model import REQUIRES, Action, Policy, Rule, RuleException, Said
from moderation.policy.regions import known_market
from moderation.policy.truth import FALSE, TRUE, UNDETERMINED

#: The truth of a rule that was met but for one of its exceptions.
EXCEPTED = "excepted"
_SILENT = frozenset({"not_measured", "absent"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A rule's contribution to the decision."""

    trace: RuleTrace
    reasons: tuple[Reason, ...] = ()
    notes: tuple[Note, ...] = ()
    queue: str | None = None
    priority: int = 0
    audience: Audience
    deadline_s: int | None = None
    #: Markets in which the clip must not be shown, although it may elsewhere.
    markets_withheld: tuple[str, ...] = ()
    #: Whether the rule's audit sample took the clip.
    sampled: bool = False

    @property
    def outcome(self) -> Outcome:
        """What the rule asks for."""
        return self.trace.outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """One rule made ready; with the overlay whose variant it is, if it is one."""

    policy: str
    rule: Rule
    condition: Compiled
    exceptions: tuple[tuple[RuleException, Compiled], ...] = ()
    overlay: str | None = None

    @classmethod
    def of(cls, policy: Policy, rule: Rule, overlay: str | None = None) -> "Judge":
        """Compile one rule of a policy."""
        return cls(
            policy=policy.area,
            rule=rule,
            condition=compile_condition(rule.when),
            # By name, so that of several that apply the trace names the same one whatever their order.
            exceptions=tuple(
                (exception, compile_condition(exception.when))
                for exception in sorted(rule.exceptions, key=lambda exception: exception.name)
            ),
            overlay=overlay,
        )

    def judge(self, exhibits: Exhibits, required: frozenset[str]) -> Verdict | None:
        """Return the verdict; None when the rule is false, or open only for want of signals nobody requires."""
        visibility = self.rule.then.visibility
        if visibility and exhibits.facts.submission.visibility not in visibility:
            return None
        truth = self.condition.ask(exhibits)
        if truth is FALSE:
            return None
        leaves = tuple(self.condition.explain(exhibits))
        for exception, condition in self.exceptions:
            if exhibits.day <= exception.expires and condition.ask(exhibits) is TRUE:
                return self._excepted(exception, (*leaves, *condition.explain(exhibits)))
        if truth is TRUE:
            return self._fired(exhibits, leaves)
        causes = [cause for leaf in leaves if leaf.truth == UNDETERMINED.word for cause in leaf.causes]
        real = [cause for cause in causes if not _ignorable(cause, required)]
        return self._open(exhibits, leaves, real) if real or not causes else None

    def _fired(self, exhibits: Exhibits, leaves: tuple[Leaf, ...]) -> Verdict:
        then = self.rule.then
        held = [span for leaf in leaves if leaf.truth == TRUE.word for span in leaf.spans]
        subjects = _subjects(held)
        verdict = Verdict(
            trace=self._trace(TRUE.word, then.outcome, leaves),
            reasons=tuple(_reason(said, span) for said in then.reasons for span in subjects),
            notes=tuple(_note(said, span) for said in then.notes for span in subjects),
            queue=then.queue,
            priority=then.priority,
            audience=then.audience,
            deadline_s=then.deadline_s,
            sampled=then.sample_rate > 0 and falls_into(exhibits.facts.clip, then.sample_rate),
        )
        return _elsewhere(verdict, then) if _is_elsewhere(then, exhibits) else verdict

    def _open(self, exhibits: Exhibits, leaves: tuple[Leaf, ...], causes: list[Cause]) -> Verdict:
        then = self.rule.then
        verdict = Verdict(
            trace=self._trace(UNDETERMINED.word, self.rule.on_undetermined, leaves),
            reasons=tuple(reason for cause in causes for reason in _open_reasons(self, cause)),
            queue=then.queue,
            priority=then.priority,
            audience=then.audience,
            deadline_s=then.deadline_s,
        )
        return _elsewhere(verdict, then) if _is_elsewhere(then, exhibits) else verdict

    def _excepted(self, exception: RuleException, leaves: tuple[Leaf, ...]) -> Verdict:
        trace = self._trace(EXCEPTED, Outcome.ALLOW, leaves, exception.name)
        return Verdict(trace=trace, audience=Audience())

    def _trace(self, truth: str, outcome: Outcome, leaves: tuple[Leaf, ...], exception: str | None = None) -> RuleTrace:
        return RuleTrace(
            policy=self.policy,
            rule=self.rule.name,
            truth=truth,
            outcome=outcome,
            leaves=leaves,
            overlay=self.overlay,
            exception=exception,
            shadow=self.rule.mode == "shadow",
        )


def falls_into(clip: str, rate: float) -> bool:
    """Tell whether a clip is in the sample of this rate: by the hash of its id, the same on any day and machine.

    Samples nest: what is in that of 1 % is in that of 5 %.
    """
    drawn = int.from_bytes(hashlib.sha256(clip.encode()).digest()[:8])
    return drawn < rate * 2**64


def _is_elsewhere(then: Action, exhibits: Exhibits) -> bool:
    """Tell whether the clip is surely for another market than the action; for an unknown one it is not."""
    market = known_market(exhibits.facts.submission.market)
    return bool(then.markets and market and not market & set(then.markets))


def _elsewhere(verdict: Verdict, then: Action) -> Verdict:
    """Turn what is asked for other markets into the one thing it means here: the clip is not for those."""
    return Verdict(
        trace=replace(verdict.trace, outcome=Outcome.ALLOW),
        audience=Audience(),
        markets_withheld=then.markets,
        sampled=verdict.sampled,
    )


def unmet(policy: Policy, exhibits: Exhibits) -> Verdict | None:
    """Return the verdict of a policy that lacks a required signal; None when it has them all."""
    if exhibits.silence(*policy.requires) is FALSE:
        return None
    gaps = [(signal, exhibits.gaps(signal)) for signal in policy.requires]
    leaves = tuple(
        Leaf(says=f"requires {signal}", truth=UNDETERMINED.word, causes=causes) for signal, causes in gaps if causes
    )
    trace = RuleTrace(
        policy=policy.area,
        rule=REQUIRES,
        truth=UNDETERMINED.word,
        outcome=policy.on_undetermined,
        leaves=leaves,
    )
    reasons = tuple(_unavailable(signal) for signal, causes in gaps if causes)
    return Verdict(trace=trace, reasons=reasons, queue=policy.queue, audience=Audience())


def _ignorable(cause: Cause, required: frozenset[str]) -> bool:
    return cause.kind == "signal" and cause.state in _SILENT and cause.name not in required


def _unavailable(signal: str) -> Reason:
    return Reason(code="detector_unavailable", params={"signal": signal})


def _open_reasons(judge: Judge, cause: Cause) -> list[Reason]:
    if cause.kind == "signal":
        return [_unavailable(cause.name)]
    person = cause.name if cause.kind == "person" else None
    doubt: dict[str, Param] = {"undetermined": True}
    own = [Reason(code=s.code, params=dict(s.params) | doubt, person=person) for s in judge.rule.then.reasons]
    return own or [Reason(code="undetermined", params={"rule": f"{judge.policy}.{judge.rule.name}"}, person=person)]


def _subjects(spans: Iterable[Span]) -> list[Span | None]:
    """Choose one span for each person, else for each track; one for the whole picture only when there is neither.

    Of several the longest speaks, of equals the earliest; the trace keeps them all.
    """
    longest: dict[str | int | None, Span] = {}
    for span in spans:
        subject = span.track if span.person is None else span.person
        known = longest.get(subject)
        if known is None or _longer(span, known):
            longest[subject] = span
    named = [span for subject, span in longest.items() if subject is not None]
    named.sort(key=lambda s: (s.person or "", -1 if s.track is None else s.track))
    return [*named] or [longest.get(None)]


def _longer(one: Span, other: Span) -> bool:
    more = (one.end_ms - one.start_ms) - (other.end_ms - other.start_ms)
    return more > 0 or (more == 0 and one.start_ms < other.start_ms)


def _reason(said: Said, span: Span | None) -> Reason:
    if span is None:
        return Reason(code=said.code, params=dict(said.params))
    # A declared person whom nothing shows has a span of no length: it names nobody's seconds.
    seconds = span.end_ms > span.start_ms
    return Reason(
        code=said.code,
        params=dict(said.params),
        person=span.person,
        track=span.track,
        start_ms=span.start_ms if seconds else None,
        end_ms=span.end_ms if seconds else None,
    )


def _note(said: Said, span: Span | None) -> Note:
    filled = _reason(said, span)
    return Note(
        code=filled.code,
        params=filled.params,
        person=filled.person,
        track=filled.track,
        start_ms=filled.start_ms,
        end_ms=filled.end_ms,
    )
