"""Registered people: who they are, where they stand, on whose account. Names are sealed with each person's own key."""

from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Literal

from moderation import audit, stops
from moderation.db import Transaction, queries
from moderation.errors import Conflict, NotFound, Unprocessable
from moderation.ids import new_id
from moderation.vault import Vault

SQL = queries("people")
Kind = Literal["cameo", "public_figure", "rights_holder", "protected_person"]
#: Only the grants of who is verified count; of who is suspended none does, and they are recognised all the same.
State = Literal["pending", "verified", "refused", "suspended"]
AgeBand = Literal["adult", "teen"]
#: How far a person's lines may be moved, in distances of faces.
STRICTEST: Final = -0.1
WIDEST: Final = 0.05
#: How soon somebody is to look at an enrolment that waits.
PATIENCE: Final = timedelta(hours=12)
Place = tuple[datetime, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A registered person, name opened."""

    person_id: str
    kind: str
    name: str
    state: str
    verification: str
    #: The platform's own id of them; by it the platform acts for them, and a grant to oneself knows them.
    account: str | None
    age_band: str | None
    #: The account of who answers for a teen.
    guardian: str | None
    version: int
    created_at: datetime
    #: Of a public figure: the cameo of the same human, whose grants rule for both.
    same_as: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Locked:
    """A person whose row the transaction holds."""

    person_id: str
    kind: str
    state: str
    account: str | None
    age_band: str | None
    guardian: str | None

    @property
    def teen(self) -> bool:
        """Whether the stricter rules for the young hold."""
        return self.age_band == "teen"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPerson:
    """What is said of a person who is written down."""

    name: str
    kind: Kind
    state: State = "pending"
    #: How it was found out who they are: `operator`, `enrolment`, ...
    verification: str = "none"
    account: str | None = None
    age_band: AgeBand | None = None
    guardian: str | None = None


def register(tx: Transaction, vault: Vault, now: datetime, said: NewPerson, *, by: str) -> str:
    """Write a person down with a key of their own, and no template; returns their id.

    Raises Conflict when the account is another person's, Unprocessable for a verified teen without a guardian and for
    somebody who would be their own. Who has a guardian is young unless `age_band` says otherwise.
    """
    _refuse_own_guardian(said.account, said.guardian)
    said = replace(said, age_band="teen") if said.guardian is not None and said.age_band is None else said
    if said.state == "verified" and said.age_band == "teen" and said.guardian is None:
        raise Unprocessable("a teen needs a guardian's account before they are verified")
    person = new_id("per")
    wrapped = vault.new_person_key(person)
    row = {
        **asdict(said),
        "org": tx.org,
        "person": person,
        "name": vault.seal_for(person, wrapped, said.name.encode(), "name"),
        "now": now,
    }
    if tx.pg.execute(SQL.insert_person, row).fetchone() is None:
        raise Conflict("this account is a registered person's already")
    tx.pg.execute(SQL.insert_person_key, {"org": tx.org, "person": person, "wrapped": wrapped})
    audit.record(tx, now, by, "person.added", person, kind=said.kind, state=said.state)
    return person


def lock_person(tx: Transaction, person: str) -> Locked:
    """Hold a person's row until the transaction ends; who needs clips too holds them before this (decision 0047).

    Raises NotFound for one who is unknown or erased.
    """
    row = tx.pg.execute(SQL.person_locked, {"person": person}).fetchone()
    if row is None:
        raise NotFound(f"there is no person {person}")
    return Locked(person_id=row[0], kind=row[1], state=row[2], account=row[3], age_band=row[4], guardian=row[5])


def demand_acting(tx: Transaction, person: str, account: str | None, *, staff: bool, lock: bool = True) -> None:
    """Let a platform act for a person whose account it names; for who has none, only its staff may.

    Who only reads holds nobody up: `lock` is for acts. Raises NotFound, in the same words for who is unknown, erased
    or somebody else's account.
    """
    found = tx.pg.execute(SQL.account_locked if lock else SQL.account, {"person": person}).fetchone()
    if found is None or found[0] != account or (account is None and not staff):
        raise NotFound(f"there is no person {person}")


def key_of(tx: Transaction, person: str) -> bytes:
    """A person's wrapped key. Raises NotFound once it was destroyed."""
    row = tx.pg.execute(SQL.person_key, {"person": person}).fetchone()
    if row is None or row[0] is None:
        raise NotFound(f"there is no person {person}")
    return bytes(row[0])


def touch_gallery(tx: Transaction, person: str) -> None:
    """Give the gallery its next version, in which this person's templates, names or lines are others than before.

    Edits of one organisation wait for one another from here on: do it late in the transaction.
    """
    tx.pg.execute(SQL.touch_gallery, {"org": tx.org, "person": person})


def set_state(
    tx: Transaction, now: datetime, person: str, state: State, *, by: str, verification: str | None = None
) -> None:
    """Say where a person stands; clips judged from the commit on see it. `verification` names how it was found out.

    Who is verified no longer has no grant that counts: what shows them is served again once it was judged so.
    Raises NotFound, Unprocessable for a verified teen without a guardian.
    """
    held = lock_person(tx, person)
    if state == "verified" and held.teen and held.guardian is None:
        raise Unprocessable("a teen needs a guardian's account before they are verified")
    tx.pg.execute(SQL.set_state, {"person": person, "state": state, "verification": verification})
    if held.state == "verified" and state != "verified":
        stops.put_up(tx, now, person)
    touch_gallery(tx, person)
    audit.record(tx, now, by, "person.state", person, before=held.state, after=state)


def move_line(tx: Transaction, now: datetime, person: str, shift: float, *, by: str) -> None:
    """Move a person's two lines by `shift`: look-alikes ask for stricter ones (below zero), few pictures for wider.

    A wider line takes more strangers for this person, so it is bounded more narrowly. Raises NotFound, Unprocessable.
    """
    if not STRICTEST <= shift <= WIDEST:
        raise Unprocessable(f"a line moves by {STRICTEST:g} to {WIDEST:g}")
    lock_person(tx, person)
    tx.pg.execute(SQL.set_line_shift, {"person": person, "shift": shift})
    touch_gallery(tx, person)
    audit.record(tx, now, by, "person.line_moved", person, shift=shift)


def set_guardian(
    tx: Transaction,
    now: datetime,
    person: str,
    *,
    by: str,
    age_band: AgeBand | None = None,
    guardian: str | None = None,
) -> None:
    """Write down a person's age band, or who answers for a teen; what is left out stays.

    Raises NotFound, and Unprocessable for somebody who would be their own guardian.
    A verified person who proves to be a teen without a guardian is suspended; once one is named, staff may lift it, and
    nothing else does. An enrolment that waited for a guardian goes on with the one who is named: a person looks at it.
    Who has a guardian is young unless somebody says otherwise.
    """
    held = lock_person(tx, person)
    _refuse_own_guardian(held.account, guardian)
    if guardian is not None and (age_band or held.age_band) is None:
        age_band = "teen"
    young = (age_band or held.age_band) == "teen" and (guardian or held.guardian) is None
    if young and held.state == "verified":
        set_state(tx, now, person, "suspended", by=by)
    tx.pg.execute(SQL.set_guardian, {"person": person, "age_band": age_band, "guardian": guardian})
    if age_band == "teen" and not held.teen:
        stops.put_up(tx, now, person)
    audit.record(tx, now, by, "person.guardian", person, teen=(age_band or held.age_band) == "teen")
    if guardian is not None:
        resumed = tx.pg.execute(SQL.resume_enrolments, {"person": person, "deadline": now + PATIENCE}).fetchall()
        for (enrolment,) in resumed:
            audit.record(tx, now, by, "enrolment.resumed", person, enrolment=enrolment)


def _refuse_own_guardian(account: str | None, guardian: str | None) -> None:
    if guardian is not None and guardian == account:
        raise Unprocessable("nobody is their own guardian: name another account")


def read_person(tx: Transaction, vault: Vault, person: str) -> Person:
    """One person. Raises NotFound for one who is unknown or erased."""
    row = tx.pg.execute(SQL.person, {"person": person}).fetchone()
    if row is None:
        raise NotFound(f"there is no person {person}")
    return _opened(vault, row)


def page_people(
    tx: Transaction,
    vault: Vault,
    *,
    limit: int,
    after: Place | None = None,
    kind: str | None = None,
    state: str | None = None,
) -> list[Person]:
    """A page of those registered, oldest first, from where the last page ended."""
    at, last = after or (None, None)
    where = {"kind": kind, "state": state, "at": at, "after": last, "limit": limit}
    return [_opened(vault, row) for row in tx.pg.execute(SQL.people, where).fetchall()]


def list_people(tx: Transaction, vault: Vault) -> list[Person]:
    """Everybody registered and not erased, oldest first."""
    where = {"kind": None, "state": None, "at": None, "after": None, "limit": None}
    return [_opened(vault, row) for row in tx.pg.execute(SQL.people, where).fetchall()]


def _opened(vault: Vault, row: tuple[object, ...]) -> Person:
    person, kind, name, wrapped, state, verification, account, age_band, guardian, version, created_at, same_as = row
    assert isinstance(name, bytes)
    assert isinstance(wrapped, bytes)
    assert isinstance(version, int)
    assert isinstance(created_at, datetime)
    return Person(
        person_id=str(person),
        kind=str(kind),
        name=vault.open_for(str(person), wrapped, name, "name").decode(),
        state=str(state),
        verification=str(verification),
        account=_text(account),
        age_band=_text(age_band),
        guardian=_text(guardian),
        version=version,
        created_at=created_at,
        same_as=_text(same_as),
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
