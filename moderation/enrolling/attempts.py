"""Enrolments as they are kept: asked, received, concluded, answered. Sealed recordings in, templates out on a yes.

The caller learns a word and how to do better; evidence and candidates are for staff alone.
"""

import io
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, cast

import numpy as np
from numpy.typing import NDArray
from psycopg.types.json import Jsonb

from moderation import audit, consent, outbox
from moderation.canonical import canonical
from moderation.consent.people import PATIENCE, Locked, key_of, lock_person
from moderation.db import Transaction, queries, row, rows
from moderation.enrolling.challenges import Challenge, Turn, draw
from moderation.enrolling.checks import Check
from moderation.enrolling.comparing import Checks, compare_again
from moderation.enrolling.verdicts import Outcome, Verdict
from moderation.errors import Conflict, NotFound, TooLarge, TooOften, Unprocessable
from moderation.ids import new_id

if TYPE_CHECKING:
    from moderation.services import Services

SQL = queries("enrolling")
Floats = NDArray[np.float32]
#: How staff may answer: the person is who they say, or is not.
Answer = Literal["verify", "refuse"]

#: The queue that enrolments wait in, by the word that pages use.
QUEUE: Final = "likeness"
#: States in which a person must look, and what callers read of each.
WAITING: Final = ("uncertain", "guardian_needed")
_TOLD: Final = {"received": "checking", "uncertain": "pending"}
_CONTEXT: Final = "recording"


class ChallengeOver(Conflict):
    """This challenge is expired, answered already, or another's: ask for a new one."""

    code = "challenge_over"


class MetMeanwhile(Conflict):
    """The registry changed meanwhile, and the checks with it: read them again, then answer."""


class TooMany(TooOften):
    """Too many challenges were asked for; wait the stated seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolment:
    """One row of `moderation.enrolments`."""

    org_id: str
    enrolment_id: str
    person_id: str
    state: str
    challenge: dict[str, list[str]]
    expires_at: datetime
    asked_by: str
    asked_at: datetime
    received_at: datetime | None
    recording: str | None
    duration_ms: int | None
    attempts: int
    templates: bytes | None
    checks: list[dict[str, object]] | None
    hints: list[str]
    case_id: str | None
    deadline: datetime | None
    checked_at: datetime | None
    answered_by: str | None
    reason: str | None
    answered_at: datetime | None
    version: int

    @property
    def told(self) -> str:
        """The state as callers read it: whether somebody else looks, and why, is not in it."""
        return _TOLD.get(self.state, self.state)

    def asked(self) -> Challenge:
        """What was asked for."""
        turns = cast("list[Turn]", self.challenge["turns"])
        return Challenge(digits=tuple(self.challenge["digits"]), turns=tuple(turns), expires_at=self.expires_at)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Templates:
    """What is kept of a recording on a yes: `faces` float32 [n, 128], `voice` float32 [256] or None, raw."""

    faces: Floats
    voice: Floats | None


def ask(services: "Services", org: str, person: str, *, by: str) -> Enrolment:
    """Draw a challenge for a person; the one before it ends. Raises NotFound, TooMany, Unprocessable."""
    settings, now = services.settings.likeness, services.clock.now()
    challenge = draw(now, settings.challenge_s)
    enrolment = new_id("enr")
    with services.database.transaction(org) as tx:
        held = lock_person(tx, person)
        if held.kind != "cameo" or held.state == "suspended":
            raise Unprocessable("only the owner of a cameo enrols, and not while they are suspended")
        _demand_rate(services, tx, person, by, now)
        tx.pg.execute(SQL.drop_asked, {"person": person})
        said = Jsonb({"digits": list(challenge.digits), "turns": list(challenge.turns)})
        where = {"org": org, "enrolment": enrolment, "person": person, "challenge": said, "by": by, "now": now}
        tx.pg.execute(SQL.insert_enrolment, {**where, "expires_at": challenge.expires_at})
        audit.record(tx, now, by, "enrolment.asked", person, enrolment=enrolment)
        return read(tx, enrolment)


def _demand_rate(services: "Services", tx: Transaction, person: str, by: str, now: datetime) -> None:
    settings = services.settings.likeness
    hour, day = now - timedelta(hours=1), now - timedelta(days=1)
    found = tx.pg.execute(SQL.asked_lately, {"person": person, "by": by, "hour": hour, "day": day}).fetchone()
    in_hour, in_day, of_caller = found or (0, 0, 0)
    most = settings.attempts_per_hour, settings.attempts_per_day, settings.attempts_of_caller_per_hour
    if in_hour >= most[0] or in_day >= most[1] or of_caller >= most[2]:
        raise TooMany(retry_after=3600)


def read(tx: Transaction, enrolment: str, *, person: str | None = None, lock: bool = False) -> Enrolment:
    """One enrolment, of `person` where one is named. Raises NotFound."""
    found = row(tx, SQL.enrolment_locked if lock else SQL.enrolment, Enrolment, {"enrolment": enrolment})
    if found is None or person not in {None, found.person_id}:
        raise NotFound(f"there is no enrolment {enrolment}")
    return found


def waiting(tx: Transaction, limit: int = 100) -> list[Enrolment]:
    """Enrolments that a person must look at, the most urgent first."""
    return rows(tx, SQL.waiting, Enrolment, {"states": list(WAITING), "limit": limit})


def receive(services: "Services", org: str, person: str, enrolment: str, path: Path, *, by: str) -> Enrolment:
    """Take the one recording that answers a challenge, seal it and send it to be checked.

    Raises ChallengeOver, NotFound, TooLarge, and a refusal for what is no video.
    """
    most = services.settings.likeness.recording_bytes
    if path.stat().st_size > most:
        raise TooLarge(f"a recording has at most {most} bytes", limit="recording_bytes", value=most)
    with services.database.transaction(org) as tx:
        before = read(tx, enrolment, person=person)
        wrapped = key_of(tx, person)
    if before.state != "asked" or before.expires_at <= services.clock.now():
        raise ChallengeOver
    probe = services.sandbox.probe(path)
    sealed = services.vault.seal_for(person, wrapped, path.read_bytes(), f"{_CONTEXT}:{enrolment}")
    with services.store.scratch() as folder:
        (folder / "sealed").write_bytes(sealed)
        key = services.store.put(org, "recording", folder / "sealed").key
    now = services.clock.now()
    with services.database.transaction(org) as tx:
        where = {"enrolment": enrolment, "person": person, "recording": key, "duration_ms": probe.duration_ms}
        if tx.pg.execute(SQL.receive, {**where, "now": now}).fetchone() is not None:
            audit.record(tx, now, by, "enrolment.received", person, enrolment=enrolment)
            return read(tx, enrolment)
    services.store.delete(key)
    raise ChallengeOver


def unseal(services: "Services", found: Enrolment, target: Path) -> None:
    """Write the recording as it was handed in to `target`, in a scratch folder. Raises NotFound once it is deleted."""
    if found.recording is None:
        raise NotFound("the recording is deleted")
    with services.database.transaction(found.org_id) as tx:
        wrapped = key_of(tx, found.person_id)
    with services.store.open(found.recording) as path:
        sealed = path.read_bytes()
    context = f"{_CONTEXT}:{found.enrolment_id}"
    target.write_bytes(services.vault.open_for(found.person_id, wrapped, sealed, context))


def settle(
    services: "Services", found: Enrolment, checks: list[Check], verdict: Verdict, templates: Templates | None
) -> None:
    """Write down what the checks came to; on a yes the person is verified and their templates are kept.

    What waits for a person keeps its templates sealed until then. Whoever was registered since the checks, and is near,
    makes a yes uncertain. A second worker's word changes nothing.
    """
    now, written = services.clock.now(), [check.to_json() for check in checks]
    with services.database.transaction(found.org_id) as tx:
        outcome = _outcome(verdict, lock_person(tx, found.person_id))
        if outcome is Outcome.VERIFIED and templates is not None:
            met = compare_again(services, tx, found.person_id, templates.faces, templates.voice, written)
            outcome, written = (outcome, written) if met is None else (Outcome.UNCERTAIN, met)
        waits = outcome.value in WAITING
        row_: dict[str, object] = {
            "enrolment": found.enrolment_id,
            "state": outcome.value,
            "checks": Jsonb(written),
            "hints": list(verdict.hints),
            "templates": _sealed(services, tx, found, templates) if waits and templates else None,
            "case": new_id("case") if waits else None,
            "deadline": now + PATIENCE if waits else None,
            "now": now,
        }
        if tx.pg.execute(SQL.conclude, row_).fetchone() is None:
            return
        if outcome is Outcome.VERIFIED and templates is not None:
            _keep(services, tx, found, templates, by="system")
        evidence = audit.refer(tx, now, canonical(written).decode())
        said = {"outcome": outcome.value, "evidence": evidence, "enrolment": found.enrolment_id}
        audit.record(tx, now, "system", "enrolment.checked", found.person_id, **said)
    forget_spent(services)


def _outcome(verdict: Verdict, held: Locked) -> Outcome:
    """Of somebody whose guardian is named already, none is needed: a person looks. No teen is verified without one."""
    named = held.guardian is not None
    if verdict.outcome is Outcome.VERIFIED and held.teen and not named:
        return Outcome.GUARDIAN_NEEDED
    return Outcome.UNCERTAIN if named and verdict.outcome is Outcome.GUARDIAN_NEEDED else verdict.outcome


def answer(
    services: "Services", org: str, enrolment: str, given: Answer, *, reason: str, by: str, version: int | None = None
) -> Enrolment:
    """What a member of staff says of an enrolment that waits. Raises NotFound, Conflict when it no longer waits.

    Who asked for the challenge does not answer it. Raises Unprocessable where nothing was read, and for a face that was
    not cleared as an adult's until somebody says that it is one, or names a guardian; MetMeanwhile where the
    registry came to hold somebody near, or other likenesses of them, since the checks, which are written anew then.
    """
    now = services.clock.now()
    with services.database.transaction(org) as tx:
        found = read(tx, enrolment)
        held = lock_person(tx, found.person_id)
        found = read(tx, enrolment, lock=True)
        if found.state not in WAITING or version not in {None, found.version}:
            raise Conflict
        if found.asked_by == by:
            raise Conflict("who asked for this enrolment does not answer it")
        met = _verify(services, tx, found, held, by=by) if given == "verify" else None
        state = Outcome.VERIFIED if given == "verify" else Outcome.REFUSED
        if met is None:
            why = audit.refer(tx, now, reason)
            tx.pg.execute(SQL.answer, {"enrolment": enrolment, "state": state, "by": by, "reason": reason, "now": now})
            said = {"enrolment": enrolment, "case": found.case_id, "outcome": state.value, "reason": why}
            audit.record(tx, now, by, "enrolment.answered", found.person_id, **said)
    if met is not None:
        raise MetMeanwhile
    forget_spent(services)
    with services.database.transaction(org) as tx:
        return read(tx, enrolment)


def _verify(services: "Services", tx: Transaction, found: Enrolment, held: Locked, *, by: str) -> Checks | None:
    """Keep what was read and verify the person; or write down, and return, what is near in the registry by now."""
    kept, now = _opened(services, tx, found), services.clock.now()
    if kept is None:
        raise Unprocessable("nothing could be read off this recording: ask for a new one")
    _demand_age(found, held)
    met = compare_again(services, tx, found.person_id, kept.faces, kept.voice, found.checks or [])
    if met is None:
        _keep(services, tx, found, kept, by=by)
        return None
    tx.pg.execute(SQL.compared_again, {"enrolment": found.enrolment_id, "checks": Jsonb(met)})
    evidence = audit.refer(tx, now, canonical(met).decode())
    said = {"outcome": found.state, "evidence": evidence, "enrolment": found.enrolment_id}
    audit.record(tx, now, "system", "enrolment.checked", found.person_id, **said)
    return met


def _demand_age(found: Enrolment, held: Locked) -> None:
    """Without an age, nothing that is said later about the young would hold for them."""
    if found.state == Outcome.GUARDIAN_NEEDED.value and held.age_band is None:
        raise Unprocessable(
            "nobody says how old they are: name a guardian, or have staff (admin) say that they are adult"
        )


def _keep(services: "Services", tx: Transaction, found: Enrolment, kept: Templates, *, by: str) -> None:
    """Keep the templates and verify their person, but whom staff suspended while the recording was looked at."""
    now, source = services.clock.now(), f"enrolment {found.enrolment_id}"
    own = {"source": source, "by": by}
    for face in kept.faces:
        consent.add_template(tx, services.vault, now, found.person_id, vector=face, model=services.face_model, **own)
    if kept.voice is not None:
        consent.add_voice(
            tx, services.vault, now, found.person_id, vector=kept.voice, model=services.voice_model, **own
        )
    if lock_person(tx, found.person_id).state == "suspended":
        return
    consent.set_state(tx, now, found.person_id, "verified", by=by, verification="enrolment")
    told: dict[str, object] = {"person_id": found.person_id, "enrolment_id": found.enrolment_id}
    outbox.tell(tx, services.enqueuer, found.person_id, "person.verified", now, told)


def _sealed(services: "Services", tx: Transaction, found: Enrolment, templates: Templates) -> bytes:
    body = io.BytesIO()
    np.savez(body, faces=templates.faces, voice=np.empty(0, np.float32) if templates.voice is None else templates.voice)
    wrapped = key_of(tx, found.person_id)
    return services.vault.seal_for(found.person_id, wrapped, body.getvalue(), f"templates:{found.enrolment_id}")


def _opened(services: "Services", tx: Transaction, found: Enrolment) -> Templates | None:
    if found.templates is None:
        return None
    wrapped, context = key_of(tx, found.person_id), f"templates:{found.enrolment_id}"
    body = services.vault.open_for(found.person_id, wrapped, bytes(found.templates), context)
    with np.load(io.BytesIO(body), allow_pickle=False) as arrays:
        voice = arrays["voice"]
        return Templates(faces=arrays["faces"], voice=voice if len(voice) else None)


def forget_spent(services: "Services") -> int:
    """Delete recordings whose answer was given, or that waited a week; returns how many. Challenges expire here too."""
    now, settings = services.clock.now(), services.settings.likeness
    answered, waited = now - timedelta(seconds=settings.recording_s), now - timedelta(days=settings.recording_days)
    with services.database.system_transaction() as tx:
        tx.pg.execute(SQL.expire_asked, {"now": now})
        tx.pg.execute(SQL.give_up, {"before": waited, "now": now})
        spent = tx.pg.execute(SQL.spent_recordings, {"answered": answered, "waited": waited}).fetchall()
    for _, enrolment, key in spent:
        # The file first: a row that names a file that is gone is found again, a file without a row is not.
        services.store.delete(key)
        with services.database.system_transaction() as tx:
            tx.pg.execute(SQL.forget_recording, {"enrolment": enrolment, "recording": key})
    return len(spent)
