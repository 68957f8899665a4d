"""What keeps a clip before a person although no rule asks: who is shown by the clips that it copies, and wishes.

A wish is somebody's to be out of a clip that may show them. Lets nothing out; an answer of a person settles it.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from moderation import asking, consent, outbox, review
from moderation.answers import Answer
from moderation.clips import Clip
from moderation.db import Transaction, queries, rows
from moderation.decisions import POLICY, Decision, Outcome, Reason
from moderation.recording import insert_decision

SQL = queries("reservations")
QUEUE: Final = "likeness"
SYSTEM: Final = "system"
WISHED: Final = "removal_asked"
#: How urgent: somebody took consent back, or asked; and somebody never gave it for this.
_REVOKED, _UNCONSENTED = 85, 75
_ALLOWED: Final = "consented"
Answers = Sequence[Answer]


@dataclass(frozen=True, slots=True, kw_only=True)
class Copied:
    """Somebody whom clips with the same pictures show: ways in which they were recognised `there` and `here`."""

    person_id: str
    #: Whether that is sure.
    matched: bool
    there: list[str]
    here: list[str]

    @property
    def scopes(self) -> list[str]:
        """What has to be allowed though no detector found it here.

        Equal pictures say nothing of a sound track: a voice alone is not carried over. Beside a face it is, where
        nothing of the person was found here. A copy's row stands for a face; whether the clip that it copied, and that
        was erased since, had the voice too is not known any more.
        """
        shown = set(self.there) & {"face", "voice"}
        if "face" not in shown:
            shown |= {"face", "voice"} if "copy" in self.there else set()
        if shown == {"voice"} or self.here:
            shown -= {"voice"}
        return sorted(shown - set(self.here))


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """One reason against letting a clip out, and how urgent it is."""

    reason: Reason
    priority: int


def wish(tx: Transaction, now: datetime, clip_id: str, person: str, *, by: str) -> None:
    """Write down that somebody asked to be out of a clip, whose row the caller holds."""
    tx.pg.execute(SQL.wish, {"org": tx.org, "clip": clip_id, "person": person, "by": by, "now": now})


def bring(
    tx: Transaction,
    enqueuer: outbox.Enqueuer,
    now: datetime,
    clip: Clip,
    decision: Decision,
    answers: Answers,
    use: Callable[[], consent.Use],
) -> bool:
    """Put a locked clip that was just judged publishable before a person where something stands against it; whether.

    `answers` are those of people, `use` what the clip does with whom it shows.
    """
    against = [*_wishes(tx, clip, answers), *_unallowed(tx, enqueuer, now, clip, answers, use)]
    if not against:
        return False
    asked = Decision(
        outcome=Outcome.REVIEW,
        facts_hash=decision.facts_hash,
        reasons=tuple(each.reason for each in against),
        # What rules said besides is answered with it.
        lesser=(*decision.reasons, *decision.lesser) if decision.decided_by == POLICY else (),
        decided_by=SYSTEM,
        queue=QUEUE,
        priority=max(each.priority for each in against),
    )
    opened_by = insert_decision(tx, clip, asked, actor_kind=SYSTEM, actor="likeness", now=now)
    review.open_case(tx, enqueuer, clip, asked, opened_by, now, source="revocation")
    return True


def wished(person: str) -> Reservation:
    """What a wish to be out of a clip says to whoever looks."""
    return Reservation(reason=Reason(code=WISHED, person=person), priority=_REVOKED)


def _wishes(tx: Transaction, clip: Clip, answers: Answers) -> list[Reservation]:
    """Wishes that nobody answered later by finding that the clip shows somebody else; whoever sees them blocks it."""
    found = tx.pg.execute(SQL.wishes, {"clip": clip.clip_id}).fetchall()
    return [
        each
        for person, at in found
        if not settled((each := wished(person)).reason, _of_them_alone(answers, person), at)
    ]


def _of_them_alone(answers: Answers, person: str) -> Answers:
    return [said for said in answers if said.denies and said.people == {person}]


def _unallowed(
    tx: Transaction,
    enqueuer: outbox.Enqueuer,
    now: datetime,
    clip: Clip,
    answers: Answers,
    use: Callable[[], consent.Use],
) -> list[Reservation]:
    """Who is shown by the same pictures, was not recognised in these, and does not surely allow them."""
    found = [each for each in rows(tx, SQL.copied, Copied, {"clip": clip.clip_id}) if each.scopes]
    if not found:
        return []
    people = frozenset(each.person_id for each in found)
    standings = consent.stand(tx, now, seen=people, declared=frozenset(), use=use())
    lessened = _lessened(tx, clip, people)
    against, wanted = [], set()
    for each in found:
        standing = standings[each.person_id]
        code = against_it(standing, each.scopes)
        if code is None:
            continue
        said = {"seen_in": "copy", "consent": _said(standing, each.scopes)}
        reason = Reason(code=code, params=said, person=each.person_id)
        if settled(reason, answers, lessened.get(each.person_id)):
            continue
        against.append(Reservation(reason=reason, priority=_REVOKED if code == "consent_revoked" else _UNCONSENTED))
        if each.matched:
            wanted |= {(each.person_id, scope) for scope in each.scopes if scope in standing.asks}
    asking.ask(tx, enqueuer, clip, wanted, now)
    return against


def against_it(standing: consent.Standing, scopes: Collection[str]) -> str | None:
    """The reason why somebody's likeness may not be there; None where all of it is surely allowed."""
    if standing.kind == "protected_person":
        return "protected_person"
    words = {standing.consent if scope == "face" else standing.voice for scope in scopes} - {_ALLOWED}
    if not words:
        return None
    if "revoked" in words:
        return "consent_revoked"
    if words == {"limit_violated"}:
        return "consent_limit"
    return "public_figure_likeness" if standing.kind == "public_figure" else "unconsented_likeness"


def _said(standing: consent.Standing, scopes: Collection[str]) -> str:
    """What consent says of somebody who is only in the pictures: no fact record tells it of them."""
    words = {standing.consent if scope == "face" else standing.voice for scope in scopes}
    return " ".join([*sorted(words), *standing.limits])


def settled(reason: Reason, answers: Answers, since: datetime | None) -> bool:
    """Whether a person approved of this very reason, under the same word of consent, after the moment it holds from."""
    return any(
        said.decision.outcome is not Outcome.BLOCK
        and (since is None or said.at > since)
        and any(_same(answered, reason) for answered in said.decision.lesser)
        for said in answers
    )


def _same(answered: Reason, reason: Reason) -> bool:
    return answered.settles == reason.settles and answered.params.get("consent") == reason.params.get("consent")


def _lessened(tx: Transaction, clip: Clip, people: Collection[str]) -> Mapping[str, datetime]:
    where = {"clip": clip.clip_id, "people": sorted(people)}
    return dict(tx.pg.execute(SQL.lessened_of, where).fetchall())
