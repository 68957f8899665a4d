"""Break-glass: one person lays rules over those in force. Stricter by construction, gone in a day, seen by a second."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from moderation import audit
from moderation.db import Transaction, queries, row, rows
from moderation.errors import Conflict, Forbidden, NotFound
from moderation.ids import new_id
from moderation.policy import source
from moderation.policy.loader import POLICY, UnusablePolicies
from moderation.policy.model import Finding
from moderation.rulebook.in_force import Emergency, lay_over
from moderation.rulebook.lifecycle import demand_person

if TYPE_CHECKING:
    from moderation.services import Services

SQL = queries("policies")
LASTS = timedelta(hours=24)
#: Emergency rules in force at once: each costs every clip, and what needs more wants a bundle.
MOST = 20
#: All that an emergency area may hold. Whatever else the language has (exceptions, overlays, macros) might loosen.
HEAD = frozenset({"language", "owner", "description", "queue", "requires", "on_undetermined", "rules"})
RULE = frozenset({"rule", "description", "when", "then", "on_undetermined"})
THEN = frozenset({"outcome", "reasons", "notes", "queue", "priority", "audience"})


@dataclass(frozen=True, slots=True, kw_only=True)
class EmergencyRules:
    """One row of `moderation.emergency_rules`."""

    emergency_id: str
    area: str
    text: str
    why: str
    state: str
    placed_by: str
    placed_at: datetime
    expires_at: datetime
    settled_by: str | None
    settled_at: datetime | None


def break_glass(services: "Services", org: str, text: str, *, by: str, why: str) -> EmergencyRules:
    """Put rules in force at once, for a day. Raises UnusablePolicies for what might loosen or does not compile."""
    demand_only_rules(text)
    now = services.clock.now()
    emergency_id = new_id("emg")
    area = f"emergency_{emergency_id[-12:]}"
    laid = Emergency(emergency_id=emergency_id, area=area, text=text, expires_at=now + LASTS)
    services.rulebook.demand_row(org)
    with services.database.transaction(org) as tx:
        # Locked before it is read: a move that is under way is waited for, none begins.
        tx.pg.execute(SQL.pointer_locked, {"org": org})
        in_force = services.rulebook.in_force(tx)
        held = [each for each in in_force.emergencies if each.holds(now)]
        if len(held) >= MOST:
            raise Conflict(f"{len(held)} emergency rules are in force: end some, or write them as one area")
        rules = in_force.rules
        for ruleset in (rules.acting, rules.candidate, rules.shadow):
            if ruleset is not None:
                lay_over(ruleset, [*held, laid])
        tx.pg.execute(SQL.touch_pointer, {"org": org, "now": now})
        said = {"emergency": emergency_id, "area": area, "text": text, "why": why, "by": by}
        tx.pg.execute(SQL.insert_emergency, {**said, "org": org, "now": now, "expires_at": laid.expires_at})
        audit.record(tx, now, by, "policy.glass_broken", emergency_id, expires_at=laid.expires_at.isoformat())
        return read_emergency(tx, emergency_id)


def settle(services: "Services", org: str, emergency_id: str, *, by: str, end: bool) -> EmergencyRules:
    """A second person lets the rules stand until they expire, or anybody ends them.

    Raises Forbidden for who placed them and would confirm them, Conflict for what is settled, NotFound.
    """
    now = services.clock.now()
    with services.database.transaction(org) as tx:
        tx.pg.execute(SQL.touch_pointer, {"org": org, "now": now})
        found = read_emergency(tx, emergency_id, lock=True)
        if not end:
            demand_person(tx, by)
            if by == found.placed_by:
                raise Forbidden("who laid these rules cannot confirm them: a second person has to")
        state = _settled(found, end=end)
        tx.pg.execute(SQL.settle_emergency, {"emergency": emergency_id, "state": state, "by": by, "now": now})
        audit.record(tx, now, by, "policy.emergency_ended" if end else "policy.emergency_confirmed", emergency_id)
        return read_emergency(tx, emergency_id)


def _settled(found: EmergencyRules, *, end: bool) -> str:
    """The state that follows. What ended without a second person may still be confirmed, to have been seen."""
    in_force = found.state in {"live", "confirmed"}
    unseen = found.settled_by in {None, found.placed_by} and found.state != "confirmed"
    if end and in_force:
        return "ended"
    if not end and unseen:
        return "confirmed" if in_force else found.state
    raise Conflict(f"these rules are {found.state} and were seen by {found.settled_by}", state=found.state)


def expire(services: "Services") -> int:
    """Write down which emergency rules are over, of every organisation; judging lets them go by itself."""
    now = services.clock.now()
    with services.database.system_transaction() as tx:
        over = tx.pg.execute(SQL.expired_emergencies, {"now": now}).fetchall()
    for org, emergency_id in over:
        with services.database.transaction(org) as tx:
            tx.pg.execute(SQL.touch_pointer, {"org": org, "now": now})
            expired = {"emergency": emergency_id, "now": now}
            if tx.pg.execute(SQL.expire_emergency, expired).fetchone() is not None:
                audit.record(tx, now, "system", "policy.emergency_expired", emergency_id)
    return len(over)


def list_emergencies(tx: Transaction, *, pending: bool, limit: int = 200) -> list[EmergencyRules]:
    """Emergency rules, newest first; with `pending` those that no second person has seen."""
    return rows(tx, SQL.emergencies, EmergencyRules, {"pending": pending, "limit": limit})


def read_emergency(tx: Transaction, emergency_id: str, *, lock: bool = False) -> EmergencyRules:
    """One of them. Raises NotFound."""
    statement = SQL.emergency_locked if lock else SQL.emergency
    found = row(tx, statement, EmergencyRules, {"emergency": emergency_id})
    if found is None:
        raise NotFound(f"there are no emergency rules {emergency_id}")
    return found


def demand_only_rules(text: str) -> None:
    """Refuse whatever is more than added rules. Raises UnusablePolicies with every finding."""
    try:
        tree = source.parse(text, POLICY)
    except source.SourceError as error:
        raise UnusablePolicies([error.finding]) from error
    findings = _strange(tree, HEAD)
    # What is required and missing holds a clip before any rule speaks: that is for the rules in force to say.
    findings += [
        _finding(needed, "`requires` stays empty")
        for needed in _values(tree, "requires")
        if not isinstance(needed, source.Sequence) or needed.items
    ]
    for rule in _items(tree, "rules"):
        findings += _strange(rule, RULE)
        findings += [found for then in _values(rule, "then") for found in _strange(then, THEN)]
    if findings:
        raise UnusablePolicies(findings)


def _strange(node: source.Node, allowed: frozenset[str]) -> list[Finding]:
    entries = node.entries if isinstance(node, source.Mapping) else ()
    return [_finding(key, f"no `{key.value}` here") for key, _ in entries if str(key.value) not in allowed]


def _finding(node: source.Node, message: str) -> Finding:
    said = f"{message}: emergency rules may only add rules"
    return Finding(path=POLICY, line=node.line, column=node.column, code="not-stricter", message=said)


def _values(node: source.Node, name: str) -> list[source.Node]:
    entries = node.entries if isinstance(node, source.Mapping) else ()
    return [value for key, value in entries if key.value == name]


def _items(node: source.Node, name: str) -> list[source.Node]:
    return [item for value in _values(node, name) if isinstance(value, source.Sequence) for item in value.items]
