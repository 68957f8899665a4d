"""What each person in a clip consented to, at one moment: their grants weighed against what the clip is.

Who is in the clip, who was declared and who granted to whom stay apart; a rule says what follows.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from moderation.consent.contexts import CONTEXTS, read_contexts
from moderation.consent.grants import Grant, read_grants
from moderation.consent.limits import read_limits
from moderation.consent.people import SQL
from moderation.db import Transaction, rows
from moderation.facts import SignalFact, SubmissionFacts
from moderation.history import ancestors_untold, people_in_ancestors
from moderation.policy.truth import FALSE, TRUE, UNDETERMINED, Truth, either


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """What a clip does with the people in it, as far as it was told. What is not here is not known."""

    creator: str | None
    draft: bool = False
    #: What the clip is for, in the platform's word.
    purpose: str | None = None
    #: Whether each context is there.
    contexts: Mapping[str, Truth] = field(default_factory=dict)
    #: People whom clips show that this one was made from.
    remixes: Collection[str] = ()
    #: Whether one of those clips cannot say whom it shows.
    untold: bool = False
    #: What people answered who want to be asked about every clip, by person and scope; who has not is not in it.
    answers: Mapping[tuple[str, str], bool] = field(default_factory=dict)


def use_of(
    tx: Transaction,
    clip_id: str,
    said: SubmissionFacts,
    signals: Mapping[str, SignalFact],
    answers: Mapping[tuple[str, str], bool],
) -> Use:
    """What a clip does with the people in it, by what its platform said and what was measured."""
    texts = [text for text in (said.prompt, said.title) if text]
    return Use(
        creator=said.creator or None,
        draft=said.visibility == "draft",
        purpose=said.purpose,
        contexts=read_contexts(signals, texts, said.purpose),
        remixes=people_in_ancestors(tx, clip_id, said.parents),
        untold=ancestors_untold(tx, clip_id, said.parents),
        answers=answers,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What consent says of one person in one clip, at one moment."""

    person: str
    kind: str
    #: Of the face: consented | not_consented | revoked | limit_violated | undetermined
    consent: str
    #: Of the voice, in the same words.
    voice: str
    declared: bool
    #: The person's version this was read at; the release gate demands that it still stands.
    version: int
    #: What stands against a yes that was given: contexts, `audience`, `purpose`, `remix`, `time`, `answer`.
    limits: tuple[str, ...] = ()
    #: The scopes for which they have yet to be asked, or to answer: nothing else is surely against it.
    asks: frozenset[str] = frozenset()
    #: The other record of the same human whose grants were weighed, and who is asked; None where it is their own.
    ruled_by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """A person's row, held by the transaction."""

    person_id: str
    kind: str
    version: int
    erased_at: datetime | None
    state: str
    account: str | None
    age_band: str | None
    same_as: str | None

    @property
    def counts(self) -> bool:
        """Whether what they granted counts."""
        return self.erased_at is None and self.state == "verified"

    @property
    def teen(self) -> bool:
        """Whether the stricter rules for the young hold."""
        return self.age_band == "teen"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Held:
    """One human by the records that stand for them: whose grants rule, and what each of them forbids."""

    ruler: str
    records: frozenset[str]
    counts: bool
    teen: bool
    forbidden: frozenset[str]


def stand(
    tx: Transaction, now: datetime, *, seen: frozenset[str], declared: frozenset[str], use: Use
) -> dict[str, Standing]:
    """What each person seen or declared in a clip consented to, their rows held until this transaction ends.

    Of a public figure who has a cameo of their own, the cameo's grants are weighed for both; the cameo is among those
    told even if nobody saw them.
    """
    held = {row.person_id: row for row in rows(tx, SQL.people_shared, _Row, {"people": sorted(seen | declared)})}
    forbidden = read_limits(tx, held)
    grants = _addressed(tx, held, use)
    return {
        row.person_id: _standing(row, _human(row, held, forbidden), grants, declared, use, now) for row in held.values()
    }


def _human(row: _Row, held: Mapping[str, _Row], forbidden: Mapping[str, Collection[str]]) -> _Held:
    # A link that was made while this waited for the row: its cameo is not held, and nothing counts.
    ruler = held.get(row.same_as) if row.same_as else row
    records = [each for each in (row, ruler) if each is not None]
    teen = any(each.teen for each in records)
    limits = {context for each in records for context in forbidden.get(each.person_id, ())}
    return _Held(
        ruler=row.same_as or row.person_id,
        records=frozenset(each.person_id for each in records),
        counts=ruler is not None and all(each.counts for each in records),
        teen=teen,
        forbidden=frozenset(CONTEXTS if teen else limits),
    )


def _standing(
    row: _Row, human: _Held, grants: Collection[Grant], declared: Collection[str], use: Use, now: datetime
) -> Standing:
    own = [grant for grant in grants if grant.person_id == human.ruler]
    face, voice = _weigh(human, own, "face", use, now), _weigh(human, own, "voice", use, now)
    asks = frozenset(scope for scope, (word, why) in (("face", face), ("voice", voice)) if _asks(word, why))
    return Standing(
        person=row.person_id,
        kind=row.kind,
        version=row.version,
        declared=not human.records.isdisjoint(declared),
        consent=face[0],
        voice=voice[0],
        limits=tuple(sorted({*face[1], *voice[1]})),
        asks=frozenset() if row.same_as else asks,
        ruled_by=row.same_as,
    )


def _addressed(tx: Transaction, held: Mapping[str, _Row], use: Use) -> list[Grant]:
    """The grants of these people that are made out to this clip's creator, in whatever way."""
    naming = {"people": sorted(held), "creator": use.creator}
    lists = {row[0] for row in tx.pg.execute(SQL.lists_naming, naming).fetchall()} if use.creator else set()

    def meant(grant: Grant) -> bool:
        match grant.grantee_kind:
            case "everyone":
                return True
            case "creator":
                return grant.grantee == use.creator
            case "list":
                return grant.grantee in lists
            case _:
                own = held[grant.person_id].account
                return own is not None and own == use.creator

    return [grant for grant in read_grants(tx, held) if meant(grant)]


def _weigh(held: _Held, own: list[Grant], scope: str, use: Use, now: datetime) -> tuple[str, tuple[str, ...]]:
    """The word for one person and one scope, and what stands against it."""
    covering = [grant for grant in own if grant.scope in {scope, "both"}] if held.counts else []
    if held.teen:
        # What they opened to everyone before anybody knew their age opens nothing.
        covering = [grant for grant in covering if grant.grantee_kind != "everyone"]
    live = [grant for grant in covering if grant.revoked_at is None and not grant.over(now)]
    weighed = [_against(held, grant, scope, use) for grant in live]
    if weighed:
        least = min(weighed, key=lambda against: either(against.values()))
        return _word(least)
    if any(grant.revoked_at is not None for grant in covering):
        return "revoked", ()
    return ("limit_violated", ("time",)) if covering else ("not_consented", ())


def _asks(word: str, why: tuple[str, ...]) -> bool:
    return word == "undetermined" and "answer" in why


def _against(held: _Held, grant: Grant, scope: str, use: Use) -> dict[str, Truth]:
    """What may stand between a grant and this clip; true where it does."""
    against = {context: use.contexts.get(context, UNDETERMINED) for context in held.forbidden | set(grant.limits)}
    if grant.audience == "draft":
        against["audience"] = FALSE if use.draft else TRUE
    if not grant.remix:
        against["remix"] = _remixed(held, use)
    if grant.purposes:
        against["purpose"] = _purpose(grant.purposes, use.purpose)
    if grant.mode == "ask_me":
        answer = use.answers.get((held.ruler, scope))
        against["answer"] = UNDETERMINED if answer is None else FALSE if answer else TRUE
    return against


def _remixed(held: _Held, use: Use) -> Truth:
    if not held.records.isdisjoint(use.remixes):
        return TRUE
    return UNDETERMINED if use.untold else FALSE


def _purpose(allowed: list[str], purpose: str | None) -> Truth:
    if purpose is None:
        return UNDETERMINED
    return FALSE if purpose in allowed else TRUE


def _word(against: dict[str, Truth]) -> tuple[str, tuple[str, ...]]:
    hindered = {truth: tuple(sorted(k for k, v in against.items() if v is truth)) for truth in (TRUE, UNDETERMINED)}
    if hindered[TRUE] == ("answer",):
        # They were asked of this very clip and said no, or nothing in time.
        return "not_consented", ("answer",)
    if hindered[TRUE]:
        return "limit_violated", hindered[TRUE]
    return ("undetermined", hindered[UNDETERMINED]) if hindered[UNDETERMINED] else ("consented", ())
