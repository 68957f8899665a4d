"""Grants: what a person allows, to whom, for what, within which limits. Append-only; a change is a new row."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from moderation import audit
from moderation.consent.contexts import CONTEXTS, Context
from moderation.consent.people import SQL, Locked, lock_person
from moderation.consent.revocations import write_revocation
from moderation.db import Transaction, rows
from moderation.errors import Conflict, NotFound, Unprocessable
from moderation.ids import new_id

Scope = Literal["face", "voice", "both"]
GranteeKind = Literal["creator", "list", "everyone", "self"]
Mode = Literal["standing", "ask_me"]
Reach = Literal["draft", "public"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a grant covers. Whatever is not said is not granted."""

    #: `grantee` is a creator's id, or a list's, by its kind; None for everyone and for oneself.
    grantee_kind: GranteeKind
    grantee: str | None = None
    scope: Scope = "face"
    mode: Mode = "standing"
    #: What a clip may be for; empty means anything.
    purposes: tuple[str, ...] = ()
    #: Contexts that this grant forbids beside those that the person forbids.
    limits: tuple[Context, ...] = ()
    #: `draft`: as long as nobody but its maker sees it.
    audience: Reach = "public"
    #: Whether the clip may be made from another that shows this person.
    remix: bool = False
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """A grant as it stands in the ledger."""

    grant_id: str
    person_id: str
    grantee_kind: str
    grantee: str | None
    scope: str
    mode: str
    purposes: list[str]
    limits: list[str]
    audience: str
    remix: bool
    expires_at: datetime | None
    replaces: str | None
    created_at: datetime
    #: When it was taken back, by itself or with all others; None while it was not.
    revoked_at: datetime | None

    def over(self, now: datetime) -> bool:
        """Whether its time has come."""
        return self.expires_at is not None and self.expires_at <= now


def grant(
    tx: Transaction,
    now: datetime,
    person: str,
    *,
    by: str,
    grantee: str | None = None,
    scope: Scope = "face",
    mode: Mode = "standing",
    purposes: tuple[str, ...] = (),
    expires_at: datetime | None = None,
    terms: Terms | None = None,
) -> str:
    """Write down that a person consents, on `terms`; without them to the creator `grantee`, None being everyone.

    Returns the grant's id. Raises NotFound for an unknown person or list, Unprocessable for terms that contradict
    themselves or that a teen cannot give.
    """
    said = terms or Terms(
        grantee_kind="everyone" if grantee is None else "creator",
        grantee=grantee,
        scope=scope,
        mode=mode,
        purposes=purposes,
        expires_at=expires_at,
    )
    return _write(tx, now, lock_person(tx, person), said, by=by)


def replace_grant(
    tx: Transaction, now: datetime, person: str, grant_id: str, terms: Terms, *, by: str
) -> tuple[str, dict[str, object]]:
    """Change a grant: the old one is taken back and another given in its place; the new one's id, the revocation.

    Raises NotFound, Conflict for one that was taken back, Unprocessable as `grant` does.
    """
    held = lock_person(tx, person)
    old = next((found for found in read_grants(tx, [person]) if found.grant_id == grant_id), None)
    if old is None:
        raise NotFound(f"there is no grant {grant_id} of this person")
    if old.revoked_at is not None:
        raise Conflict("this grant was taken back; give another")
    revocation = write_revocation(tx, now, person, by=by, grant_id=grant_id)
    return _write(tx, now, held, terms, by=by, replaces=grant_id), revocation


def take_back(tx: Transaction, now: datetime, person: str, grant_id: str, *, by: str) -> dict[str, object]:
    """Take one grant back; see `revoke`. Raises NotFound for one that is not this person's or does not stand."""
    lock_person(tx, person)
    if not any(found.grant_id == grant_id and found.revoked_at is None for found in read_grants(tx, [person])):
        raise NotFound(f"there is no grant {grant_id} of this person")
    return write_revocation(tx, now, person, by=by, grant_id=grant_id)


def read_grants(tx: Transaction, people: Collection[str]) -> list[Grant]:
    """Every grant that these people ever gave, oldest first."""
    return rows(tx, SQL.grants, Grant, {"people": sorted(people)})


def _write(tx: Transaction, now: datetime, held: Locked, terms: Terms, *, by: str, replaces: str | None = None) -> str:
    terms = _for_teens(terms) if held.teen else terms
    _demand_sense(tx, now, held, terms)
    grant_id = new_id("grant")
    tx.pg.execute(
        SQL.insert_grant,
        {
            "org": tx.org,
            "grant": grant_id,
            "person": held.person_id,
            "grantee_kind": terms.grantee_kind,
            "grantee": terms.grantee,
            "scope": terms.scope,
            "mode": terms.mode,
            "purposes": list(terms.purposes),
            "limits": list(terms.limits),
            "audience": terms.audience,
            "remix": terms.remix,
            "expires_at": terms.expires_at,
            "replaces": replaces,
            "by": by,
            "now": now,
        },
    )
    tx.pg.execute(SQL.touch_person, {"person": held.person_id})
    told = {"grant": grant_id, "scope": terms.scope, "mode": terms.mode, "to": terms.grantee_kind}
    audit.record(tx, now, by, "grant.given", held.person_id, **told, **({"replaces": replaces} if replaces else {}))
    return grant_id


def _for_teens(terms: Terms) -> Terms:
    """What a teen gives is given within every limit, and never to everyone."""
    if terms.grantee_kind == "everyone":
        raise Unprocessable("a teen's likeness is never granted to everyone")
    return replace(terms, limits=CONTEXTS)


def _demand_sense(tx: Transaction, now: datetime, held: Locked, terms: Terms) -> None:
    if (terms.grantee is not None) != (terms.grantee_kind in {"creator", "list"}):
        raise Unprocessable("a grant to a creator or a list names it, and one to everyone or to oneself names nobody")
    if terms.grantee_kind == "self" and held.account is None:
        raise Unprocessable("a grant to oneself needs the person's account")
    if terms.expires_at is not None and terms.expires_at <= now:
        raise Unprocessable("this grant would be over already")
    own = {row[0] for row in tx.pg.execute(SQL.lists, {"person": held.person_id}).fetchall()}
    if terms.grantee_kind == "list" and terms.grantee not in own:
        raise NotFound(f"there is no list {terms.grantee} of this person")
