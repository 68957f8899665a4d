"""What reviewers answered of a clip, and what of it still counts. No approval loosens what rules restrict."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from moderation import asking, stops
from moderation.db import Transaction, queries
from moderation.decisions import Audience, Decision, Outcome, Reason
from moderation.facts import Consent, FactRecord, FactsError

SQL = queries("records")
#: A reviewer's finding that the clip shows somebody, or something, else.
FALSE_MATCH: Final = "false_match"
#: What the texts of a clip alone can name; and all that a resemblance can be about where a reason names nobody.
NAMED: Final = frozenset({"public_figure_likeness", "protected_person", "rights_holder"})
NAMELESS: Final = NAMED | {"takedown_copy", "takedown_notice", "voice_likeness"}
_NO_NO: Final = frozenset({Consent.CONSENTED, Consent.UNDETERMINED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One decision of a reviewer; `lesser` of it holds the reasons it answered."""

    decision: Decision
    at: datetime
    #: What the case was opened on; None where it rests on no judgement.
    facts: FactRecord | None = None

    @property
    def people(self) -> frozenset[str]:
        """Whom the reasons name that it answered."""
        return frozenset(reason.person for reason in self.decision.lesser if reason.person)

    @property
    def denies(self) -> bool:
        """Whether the reviewer found a resemblance to be a mistake, whosever it is."""
        return any(reason.code == FALSE_MATCH for reason in self.decision.reasons)

    @property
    def refutes(self) -> frozenset[str]:
        """Whom the reviewer did not recognise.

        Only where it is sure of whom and what they speak: of one person, or of those whom the same faces may be, or the
        same voices; not where somebody is near both a face and a voice, and may be there by one of them.
        """
        nameless = any(not reason.person and reason.code in NAMELESS for reason in self.decision.lesser)
        if not self.denies or nameless:
            return frozenset()
        faces, voices = self._near()
        ambiguous = (faces and voices) or any(not self.people <= near for near in (*faces, *voices))
        several = len(self.people) > 1 and not (faces or voices)
        return frozenset() if ambiguous or several else self.people

    def _near(self) -> tuple[list[set[str]], list[set[str]]]:
        """Whom each face, and each voice, may be that may be one of these people."""
        if self.facts is None:
            return [], []
        faces = [{candidate.person for candidate in face.candidates} for face in self.facts.faces]
        voices = [{candidate.person for candidate in voice.candidates} for voice in self.facts.voices]
        return [near for near in faces if near & self.people], [near for near in voices if near & self.people]


def read_answers(tx: Transaction, clip_id: str, words: asking.Words = asking.UNASKED) -> list[Answer]:
    """What reviewers decided of this clip, in order, without the approvals that somebody's own words overrule."""
    found = tx.pg.execute(SQL.decisions_of_people, {"clip": clip_id}).fetchall()
    return [
        Answer(decision=Decision.from_json(json.loads(row[2])), at=row[7], facts=_facts(tx, clip_id, row[5]))
        for row in found
        if row[1] == Outcome.BLOCK or not words.overrule(row[7])
    ]


def _facts(tx: Transaction, clip_id: str, facts_hash: str) -> FactRecord | None:
    found = tx.pg.execute(SQL.facts, {"clip": clip_id, "hash": facts_hash}).fetchone() if facts_hash else None
    try:
        return FactRecord.from_json(found[0]) if found else None
    except FactsError:
        # Of another version: a person is asked once more.
        return None


def refuted_people(answers: Iterable[Answer]) -> frozenset[str]:
    """Whom people looked at and did not recognise where a rule thought it had."""
    return frozenset[str]().union(*(answer.refutes for answer in answers))


def counting(tx: Transaction, facts: FactRecord, words: asking.Words) -> list[Decision]:
    """The answers to a clip, each less what it settled of likenesses that may be used less, or otherwise, by now."""
    found = read_answers(tx, facts.clip, words)
    lessened = stops.lessened(tx, facts.clip) if found else {}
    return [still_answered(answer, facts, lessened) for answer in found]


def still_answered(answer: Answer, facts: FactRecord, lessened: Mapping[str, datetime]) -> Decision:
    """An answer less what consent says otherwise now, by the facts of now, or less of since; `lessened` says when.

    An approval is of what its case said. That somebody is not them stays true.
    """
    return replace(
        answer.decision,
        lesser=tuple(reason for reason in answer.decision.lesser if _holds(reason, answer, facts, lessened)),
    )


def _holds(reason: Reason, answer: Answer, facts: FactRecord, lessened: Mapping[str, datetime]) -> bool:
    person = reason.person
    if person is None:
        return reason.code not in NAMED or answer.facts is None or answer.facts.named == facts.named
    if person in answer.refutes:
        return True
    since = lessened.get(person)
    same = answer.facts is not None and _consent(answer.facts, person) == _consent(facts, person)
    return same and (since is None or since < answer.at)


def _consent(facts: FactRecord, person: str) -> object:
    """What consent said of somebody's likeness; None of whom the facts do not know.

    And whom it was to be shown to, where it was no yes: what may stay a draft without one need not be public.
    """
    found = facts.people.get(person)
    if found is None:
        return None
    words = {found.consent, found.voice or found.consent}
    return found.consent, found.voice, found.limits, None if words <= _NO_NO else facts.phase


def settle(decision: Decision, answers: Sequence[Decision]) -> Decision:
    """Let people's answers stand: a reason they settled asks no more, one they never saw still does.

    A person's block stands whatever the rules say now; an approval never loosens what the rules restrict.
    """
    if not answers:
        return decision
    latest = answers[-1]
    settled = {reason.settles for answer in answers for reason in answer.lesser}
    standing = (*decision.reasons, *decision.lesser)
    asks = decision.outcome.strictness >= Outcome.REVIEW.strictness
    if asks and latest.outcome is not Outcome.BLOCK and any(reason.settles not in settled for reason in standing):
        return decision
    rules = _unasked(decision.audience) if asks else decision.outcome
    return replace(
        decision,
        outcome=max(latest.outcome, rules, key=lambda outcome: outcome.strictness),
        reasons=latest.reasons,
        lesser=standing,
        audience=decision.audience.narrowed(latest.audience),
        decided_by=latest.decided_by,
    )


def _unasked(audience: Audience) -> Outcome:
    """What rules still demand once a person answered all they asked: the limits, which no approval loosens."""
    return Outcome.RESTRICT if audience.adults_only or audience.no_remix else Outcome.ALLOW
