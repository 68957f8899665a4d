"""A person's own way in: a link that works once, or a passkey; then a session that sees this person and nobody else.

An owner is no principal: nothing that asks for a scope lets them in, and nothing here lets a principal in.
"""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, Literal

from moderation import audit
from moderation.consent.people import lock_person
from moderation.db import Transaction, queries
from moderation.errors import NotFound, Unauthorised
from moderation.ids import new_id

if TYPE_CHECKING:
    from moderation.services import Services

SQL = queries("owners")
#: How long a link may lie unused: as long as somebody needs to open what the platform just showed them.
LINK_LASTS: Final = timedelta(minutes=15)
IDLE: Final = timedelta(minutes=30)
LONGEST: Final = timedelta(hours=8)
#: `seen_at` is written at most so often.
TOUCH_EVERY: Final = timedelta(minutes=1)
SECRET_BYTES: Final = 32
WORTHLESS: Final = "this link was used already or is too old"
Method = Literal["link", "passkey"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """Who is at their own page: a person of an organisation, and how they came in."""

    org: str
    person: str
    session_id: str
    method: str

    @property
    def actor(self) -> str:
        """What the audit log calls them."""
        return f"owner:{self.person}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A link at the one moment it can be read."""

    link_id: str
    secret: str
    expires_at: datetime

    def address(self, base: str) -> str:
        """Where it leads. What stands behind `#` no browser sends, so that no log of addresses or referrers has it."""
        return f"{base.rstrip('/')}/mine/enter#{self.secret}"


def make_link(tx: Transaction, now: datetime, person: str, *, by: str, on_behalf_of: str | None = None) -> Link:
    """Make a link to a person's page. Raises NotFound."""
    if tx.pg.execute(SQL.living_person, {"person": person}).fetchone() is None:
        raise NotFound(f"there is no person {person}")
    link = Link(link_id=new_id("link"), secret=secrets.token_urlsafe(SECRET_BYTES), expires_at=now + LINK_LASTS)
    who = {"org": tx.org, "link": link.link_id, "person": person, "by": by, "behalf": on_behalf_of}
    tx.pg.execute(SQL.insert_link, {**who, "hash": _hash(link.secret), "now": now, "expires": link.expires_at})
    audit.record(tx, now, by, "owner.link_made", person, link=link.link_id)
    return link


def enter_by_link(services: "Services", secret: str) -> str:
    """Use a link up and begin a session; returns its cookie. Raises Unauthorised for one that is old or was used."""
    now = services.clock.now()
    with services.database.system_transaction() as tx:
        found = tx.pg.execute(SQL.standing_link, {"hash": _hash(secret), "now": now}).fetchone()
    if found is None:
        raise Unauthorised(WORTHLESS)
    org, person, link = found
    with services.database.transaction(org) as tx:
        lock_person(tx, person)
        if tx.pg.execute(SQL.use_link, {"link": link, "now": now}).fetchone() is None:
            raise Unauthorised(WORTHLESS)
        return begin(tx, now, person, "link", link=link)


def begin(
    tx: Transaction, now: datetime, person: str, method: Method, *, challenge: bytes | None = None, **told: object
) -> str:
    """Begin a session and return its cookie. Raises Unauthorised when `challenge` began one before."""
    cookie = secrets.token_urlsafe(SECRET_BYTES)
    session = {"org": tx.org, "session": new_id("own"), "person": person, "method": method}
    times = {"now": now, "ends": now + LONGEST}
    kept = {"hash": _hash(cookie), "challenge": challenge}
    if tx.pg.execute(SQL.insert_session, {**session, **times, **kept}).fetchone() is None:
        raise Unauthorised("this signature was used already")
    audit.record(tx, now, f"owner:{person}", "owner.entered", person, session=session["session"], method=method, **told)
    return cookie


def check(services: "Services", cookie: str, *, touch: bool = True) -> Owner:
    """Whose session this cookie is. Raises Unauthorised when it ended or never was.

    Without `touch`, as for what a page asks by itself, nobody need be there and the session does not last longer.
    """
    now = services.clock.now()
    with services.database.system_transaction() as tx:
        found = tx.pg.execute(SQL.standing_session, {"hash": _hash(cookie), "now": now, "idle": IDLE}).fetchone()
        if found is None:
            raise Unauthorised("this session has ended")
        org, person, session, method, seen = found
        if touch and now - seen > TOUCH_EVERY:
            tx.pg.execute(SQL.touch_session, {"session": session, "now": now})
    return Owner(org=org, person=person, session_id=session, method=method)


def demand_standing(tx: Transaction, owner: Owner) -> None:
    """Refuse a session that was ended since it was checked. Raises Unauthorised."""
    if tx.pg.execute(SQL.is_standing, {"session": owner.session_id}).fetchone() is None:
        raise Unauthorised("this session has ended")


def shut_out(tx: Transaction, now: datetime, person: str) -> tuple[int, int]:
    """End all of a person's sessions and unused links, whoever holds them; returns how many of each.

    Who enters holds the person as the caller must: they did before, and their session ends here, or they find no link.
    """
    links = tx.pg.execute(SQL.end_links, {"person": person, "now": now}).fetchall()
    return len(tx.pg.execute(SQL.end_sessions, {"person": person, "now": now}).fetchall()), len(links)


def end(services: "Services", owner: Owner) -> None:
    """End a session."""
    now = services.clock.now()
    with services.database.transaction(owner.org) as tx:
        tx.pg.execute(SQL.end_session, {"session": owner.session_id, "now": now})
        audit.record(tx, now, owner.actor, "owner.left", owner.person, session=owner.session_id)


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
