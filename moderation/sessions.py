"""Sessions of people: a signed cookie that names who, where, with which scopes and since when; the table says it lives.

Decides nothing about what a scope opens. A session ends by log-out, by idleness, by age, or because somebody is barred.
"""

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from itsdangerous import BadSignature, URLSafeSerializer, URLSafeTimedSerializer

from moderation import audit, code_names
from moderation.db import Transaction, queries, rows
from moderation.errors import NotFound, Unauthorised
from moderation.ids import new_id
from moderation.keys import SCOPES, Principal, revoke_keys_of
from moderation.login.refusals import LoginRefused

if TYPE_CHECKING:
    from moderation.services import Services

SQL = queries("sessions")
#: How long a development log-in link works: as long as somebody may sit beside the terminal that printed it.
LOGIN_SECONDS: Final = 12 * 3600
#: `seen_at` is written at most so often.
TOUCH_EVERY: Final = timedelta(minutes=1)
DEVELOPMENT: Final = Principal(org="default", principal="dev", scopes=frozenset(SCOPES), kind="person")


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A session as its cookie says; whether it still stands is in the table."""

    session_id: str
    principal: Principal
    #: What colleagues call them.
    code_name: str
    began_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody who may log in: their code name, when last seen, how many sessions stand, since when barred."""

    principal: str
    barred_at: datetime | None
    code_name: str | None
    seen_at: datetime | None
    sessions: int


def login_token(services: "Services") -> str:
    """Make the token of a development log-in link."""
    return _links(services).dumps(DEVELOPMENT.principal)


def check_login_token(services: "Services", token: str) -> Principal:
    """Return whom a log-in link stands for. Raises Unauthorised, always so outside development."""
    if not services.settings.development:
        raise Unauthorised("development log-in is off here")
    try:
        _links(services).loads(token, max_age=LOGIN_SECONDS)
    except BadSignature as error:
        raise Unauthorised("this log-in is not valid any more; ask for a new link") from error
    return DEVELOPMENT


def begin(
    services: "Services",
    principal: Principal,
    *,
    method: str,
    queues: tuple[str, ...] | None = None,
    before: str | None = None,
) -> str:
    """Begin a session and return its cookie; whatever session the browser had before ends.

    Raises LoginRefused for somebody who is barred, who is known as a service, or whose organisation does not exist.
    """
    now = services.clock.now()
    if before is not None:
        end(services, before, why="replaced")
    with services.database.transaction(principal.org) as tx:
        _demand_welcome(tx, principal)
        called = code_names.code_name(tx, now, principal.principal)
        session = Session(session_id=new_id("ses"), principal=principal, code_name=called, began_at=now)
        if method == "oidc":
            code_names.assign_queues(tx, principal.principal, queues)
        absolute = timedelta(seconds=services.settings.login.absolute_seconds)
        row = {**_who(principal), "session": session.session_id, "scopes": _in_order(principal), "method": method}
        tx.pg.execute(SQL.insert_session, {**row, "now": now, "ends_at": now + absolute})
        told = {"method": method, "scopes": _in_order(principal), "queues": None if queues is None else list(queues)}
        subject = principal.principal
        audit.record(tx, now, subject, "session.began", subject, session=session.session_id, **told)
    return _write(services, session)


def read_session(services: "Services", cookie: str) -> Session:
    """What a cookie of ours says, without asking whether the session still stands. Raises Unauthorised."""
    try:
        said: dict[str, Any] = json.loads(_cookies(services).loads(cookie))
    except (BadSignature, ValueError, TypeError) as error:
        raise Unauthorised("this is no session of ours") from error
    principal = Principal(org=said["org"], principal=said["principal"], scopes=frozenset(said["scopes"]), kind="person")
    return Session(
        session_id=said["session"],
        principal=principal,
        code_name=said["name"],
        began_at=datetime.fromtimestamp(said["began"], UTC),
    )


def check_session(services: "Services", cookie: str) -> Session:
    """The session of a cookie, which stands. Raises Unauthorised when it ended, by whatever cause."""
    session, now = read_session(services, cookie), services.clock.now()
    idle = timedelta(seconds=services.settings.login.idle_seconds)
    with services.database.system_transaction() as tx:
        where = {"org": session.principal.org, "session": session.session_id, "now": now, "idle": idle}
        found = tx.pg.execute(SQL.standing_session, where).fetchone()
        if found is None or found[0] != session.principal.principal:
            raise Unauthorised("this session has ended")
        if now - found[1] > TOUCH_EVERY:
            tx.pg.execute(SQL.touch_session, where)
    return session


def end(services: "Services", cookie: str, *, why: str = "log-out") -> None:
    """End the session of a cookie; nothing happens when it is none of ours or has ended."""
    try:
        session = read_session(services, cookie)
    except Unauthorised:
        return
    now, who = services.clock.now(), session.principal
    with services.database.transaction(who.org) as tx:
        if tx.pg.execute(SQL.end_session, {"session": session.session_id, "now": now, "why": why}).fetchone():
            audit.record(tx, now, who.principal, "session.ended", who.principal, session=session.session_id, why=why)


def bar(services: "Services", org: str, principal: str, *, by: str) -> tuple[int, int]:
    """Shut somebody out at once: their sessions and keys end, and no log-in succeeds until `admit`.

    Returns how many sessions and keys ended. Raises NotFound.
    """
    now = services.clock.now()
    with services.database.transaction(org) as tx:
        where = {"org": org, "principal": principal, "now": now, "why": "barred"}
        if tx.pg.execute(SQL.bar, where).fetchone() is None:
            raise NotFound(f"nobody is known as {principal}")
        sessions = len(tx.pg.execute(SQL.end_sessions_of, where).fetchall())
        keys = revoke_keys_of(tx, now, principal, by=by)
        audit.record(tx, now, by, "principal.barred", principal, sessions=sessions, keys=keys)
    return sessions, keys


def admit(services: "Services", org: str, principal: str, *, by: str) -> None:
    """Let somebody who was barred log in again; what ended stays ended. Raises NotFound."""
    now = services.clock.now()
    with services.database.transaction(org) as tx:
        if tx.pg.execute(SQL.admit, {"org": org, "principal": principal}).fetchone() is None:
            raise NotFound(f"nobody is barred as {principal}")
        audit.record(tx, now, by, "principal.admitted", principal)


def list_people(services: "Services", org: str) -> list[Person]:
    """Everybody of an organisation who logged in or holds a key as a person."""
    idle = timedelta(seconds=services.settings.login.idle_seconds)
    with services.database.transaction(org) as tx:
        return rows(tx, SQL.people, Person, {"now": services.clock.now(), "idle": idle})


def _demand_welcome(tx: Transaction, principal: Principal) -> None:
    if tx.pg.execute(SQL.organisation, {"org": principal.org}).fetchone() is None:
        raise LoginRefused("role", "its organisation does not exist")
    tx.pg.execute(SQL.make_person, _who(principal))
    known = tx.pg.execute(SQL.person_locked, _who(principal)).fetchone()
    if known is None or known[0] != "person":
        raise LoginRefused("role", "this name is a service's")
    if known[1] is not None:
        raise LoginRefused("barred")


def _who(principal: Principal) -> dict[str, object]:
    return {"org": principal.org, "principal": principal.principal}


def _in_order(principal: Principal) -> list[str]:
    return [scope for scope in SCOPES if scope in principal.scopes]


def _write(services: "Services", session: Session) -> str:
    who = session.principal
    said = {"session": session.session_id, "org": who.org, "principal": who.principal, "scopes": _in_order(who)}
    rest = {"name": session.code_name, "began": session.began_at.timestamp()}
    return str(_cookies(services).dumps(json.dumps({**said, **rest})))


def _cookies(services: "Services") -> URLSafeSerializer:
    return URLSafeSerializer(services.vault.derive("session").hex(), **_signing("session"))


def _links(services: "Services") -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(services.vault.derive("login").hex(), **_signing("login"))


def _signing(purpose: str) -> dict[str, Any]:
    return {"salt": f"countersign.{purpose}", "signer_kwargs": {"digest_method": hashlib.sha256}}
