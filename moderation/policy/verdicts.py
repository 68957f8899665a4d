"""What one rule says of one clip: fired, could not be told, or nothing; with its reasons filled from the evidence."""

from collections.abc import Iterable
from dataclasses import dataclass

from moderation.decisions import Audience, Cause, Leaf, Note, Outcome, Param, Reason, RuleTrace, Span
from moderation.policy.conditions import Compiled, compile_condition
from moderation.policy.exhibits import Exhibits
from moderation.policy.model import Policy, Rule, Said
from moderation.policy.truth import FALSE, TRUE, UNDETERMINED, Truth

#: The name under which the trace shows a policy whose required signals are missing.
REQUIRES = "requires"
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

    @property
    def outcome(self) -> Outcome:
        """What the rule asks for."""
        return self.trace.outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """One rule made ready."""

    policy: str
    rule: Rule
    condition: Compiled

    @classmethod
    def of(cls, policy: Policy, rule: Rule) -> "Judge":
        """Compile one rule of a policy."""
        return cls(policy=policy.area, rule=rule, condition=compile_condition(rule.when))

    def judge(self, exhibits: Exhibits, required: frozenset[str]) -> Verdict | None:
        """Return the verdict; None when the rule is false, or open only for want of signals nobody requires."""
        truth = self.condition.ask(exhibits)
        if truth is FALSE:
            return None
        leaves = tuple(self.condition.explain(exhibits))
        if truth is TRUE:
            return self._fired(leaves)
        causes = [cause for leaf in leaves if leaf.truth == UNDETERMINED.word for cause in leaf.causes]
        real = [cause for cause in causes if not _ignorable(cause, required)]
        return self._open(leaves, real) if real or not causes else None

    def _fired(self, leaves: tuple[Leaf, ...]) -> Verdict:
        then = self.rule.then
        held = [span for leaf in leaves if leaf.truth == TRUE.word for span in leaf.spans]
        subjects = _subjects(held)
        return self._verdict(
            TRUE,
            then.outcome,
            leaves,
            tuple(_reason(said, span) for said in then.reasons for span in subjects),
            tuple(_note(said, span) for said in then.notes for span in subjects),
        )

    def _open(self, leaves: tuple[Leaf, ...], causes: list[Cause]) -> Verdict:
        reasons = [reason for cause in causes for reason in _open_reasons(self, cause)]
        return self._verdict(UNDETERMINED, self.rule.on_undetermined, leaves, tuple(reasons), ())

    def _verdict(
        self,
        truth: Truth,
        outcome: Outcome,
        leaves: tuple[Leaf, ...],
        reasons: tuple[Reason, ...],
        notes: tuple[Note, ...],
    ) -> Verdict:
        then = self.rule.then
        trace = RuleTrace(policy=self.policy, rule=self.rule.name, truth=truth.word, outcome=outcome, leaves=leaves)
        return Verdict(
            trace=trace,
            reasons=reasons,
            notes=notes,
            queue=then.queue,
            priority=then.priority,
            audience=then.audience,
        )


def unmet(policy: Policy, exhibits: Exhibits) -> Verdict | None:
    """Return the verdict of a policy that lacks a required signal; None when it has them all."""
    gaps = [(signal, exhibits.gaps(signal)) for signal in policy.requires]
    leaves = tuple(
        Leaf(says=f"requires {signal}", truth=UNDETERMINED.word, causes=causes) for signal, causes in gaps if causes
    )
    if not leaves:
        return None
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
    for span in sorted(spans, key=lambda s: (s.start_ms - s.end_ms, s.start_ms)):
        longest.setdefault(span.track if span.person is None else span.person, span)
    named = [span for subject, span in longest.items() if subject is not None]
    named.sort(key=lambda s: (s.person or "", -1 if s.track is None else s.track))
    return [*named] or [longest.get(None)]


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
