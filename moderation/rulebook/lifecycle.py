"""The way of a bundle: draft, proposed, approved by a second person, shadow, a share of the clips, all of them.

Every step is one transaction with its audit entry; the pointer moves here and nowhere else.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, cast

from psycopg.types.json import Jsonb

from moderation import audit
from moderation.canonical import canonical
from moderation.db import Transaction, queries, row, rows
from moderation.errors import Conflict, Forbidden, NotFound, Unprocessable
from moderation.ids import new_id
from moderation.policy.loader import UnusablePolicies
from moderation.policy.model import LANGUAGE
from moderation.rulebook.activation import faults_of
from moderation.rulebook.bundles import Texts, compile_texts, decoded
from moderation.rulebook.in_force import Emergency
from moderation.rulebook.pointers import Pointer, read_pointer, stored_texts

if TYPE_CHECKING:
    from moderation.services import Services

SQL = queries("policies")
KEYS = queries("keys")
ALL = 100
#: Who acts at the machine itself, without a key of their own: nobody in particular.
OPERATOR = "operator"
#: What comes next where a bundle stands.
_NEXT = {
    "draft": "propose it",
    "proposed": "a second person approves it",
    "approved": "let it judge in shadow",
    "shadow": "look at its cases (check), then let it judge a share of the clips",
    "enforcing": "let it judge all clips, or take it back to shadow",
    "full": "it judges; roll back, or let another go full",
    "retired": "roll back to it by its id if it judged every clip once, else hand it in anew",
}
MAY_ENFORCE = ("shadow", "enforcing")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """One row of `moderation.policy_bundles`, less its texts."""

    bundle_id: str
    version: str
    author: str
    note: str
    state: str
    proposed_by: str | None
    approved_by: str | None
    was_full: bool
    checked: dict[str, object] | None
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What somebody did with a bundle."""

    step: str
    actor: str
    why: str
    body: dict[str, object]
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """Who takes a step, and why they say they do."""

    by: str
    why: str = ""


class NotReady(Unprocessable):
    """The bundle may not act yet; every finding is listed with its place."""

    code = "policies_not_ready"


class NotChecked(Conflict):
    """Nobody has looked at the bundle's cases yet: check it first (`/check`), then let it judge."""

    code = "policies_not_checked"


class FolderRules(Conflict):
    """The folder is the truth here (MODERATION_POLICIES__MODE=file): change the folder."""

    code = "folder_is_the_truth"


def hand_in(services: "Services", org: str, texts: Texts, act: Act) -> Bundle:
    """Keep texts for ever as a draft. Raises UnusablePolicies with every finding when they make no ruleset."""
    texts = decoded({name: text.encode() for name, text in texts.items()})
    version = compile_texts(texts).version
    now = services.clock.now()
    bundle = new_id("pol")
    with services.database.transaction(org) as tx:
        said = {"author": act.by, "note": act.why, "state": "draft", "texts": canonical(texts).decode()}
        tx.pg.execute(SQL.insert_bundle, {"org": org, "bundle": bundle, "version": version, "now": now, **said})
        _note(tx, now, bundle, "drafted", act, version=version)
        return read_bundle(tx, bundle)


def propose(services: "Services", org: str, bundle_id: str, act: Act) -> Bundle:
    """Ask for approval of a draft. Raises NotFound, Conflict for what is no draft, Forbidden for a service."""
    with services.database.transaction(org) as tx:
        bundle = read_bundle(tx, bundle_id, lock=True)
        _demand_somebody(tx, act.by)
        demand_state(bundle, "draft")
        return _change(tx, services.clock.now(), bundle_id, "proposed", act, proposed_by=act.by)


def approve(services: "Services", org: str, bundle_id: str, act: Act) -> Bundle:
    """Approve what somebody else wrote and proposed.

    Raises Forbidden for who did either and for what is no person, Conflict, NotFound.
    """
    with services.database.transaction(org) as tx:
        bundle = read_bundle(tx, bundle_id, lock=True)
        demand_person(tx, act.by)
        demand_state(bundle, "proposed")
        if act.by in {bundle.author, bundle.proposed_by}:
            raise Forbidden("who wrote or proposed it cannot approve it: a second person has to")
        return _change(tx, services.clock.now(), bundle_id, "approved", act, approved_by=act.by)


def shadow(services: "Services", org: str, bundle_id: str, act: Act) -> Bundle:
    """Judge by an approved bundle beside the acting one; what was enforcing by percentage ceases to.

    What stood in shadow before is approved again. Raises Conflict, NotFound, UnusablePolicies.
    """

    def move(pointer: Pointer, _: Bundle) -> Pointer:
        enforcing = pointer.candidate == bundle_id
        return replace(
            pointer,
            shadow=bundle_id,
            candidate=None if enforcing else pointer.candidate,
            percent=0 if enforcing else pointer.percent,
        )

    return _move(services, org, bundle_id, ("approved", "enforcing"), "shadow", act, move)


def enforce(services: "Services", org: str, bundle_id: str, percent: int, act: Act) -> Bundle:
    """Let a bundle judge so many per cent of the clips (1 to 100), the same ones whoever asks.

    Raises NotChecked before `check` looked at it, NotReady unless its lint is clean and its cases hold its rules,
    Conflict while another one enforces.
    """
    if not 1 <= percent <= ALL:
        raise Unprocessable("a share is 1 to 100 per cent")
    demand_database(services)
    with services.database.transaction(org) as tx:
        demand_state(read_bundle(tx, bundle_id), *MAY_ENFORCE)
    demand_ready(services, org, bundle_id)

    def move(pointer: Pointer, _: Bundle) -> Pointer:
        if pointer.candidate not in (None, bundle_id):
            raise Conflict(f"{pointer.candidate} is enforcing: let it go full, or take it back to shadow, first")
        beside = None if pointer.shadow == bundle_id else pointer.shadow
        if percent == ALL:
            return replace(pointer, acting=bundle_id, candidate=None, percent=0, shadow=beside)
        return replace(pointer, candidate=bundle_id, percent=percent, shadow=beside)

    state = "full" if percent == ALL else "enforcing"
    return _move(services, org, bundle_id, MAY_ENFORCE, state, act, move, percent=percent)


def roll_back(services: "Services", org: str, act: Act, bundle_id: str | None = None) -> Bundle:
    """Let an earlier full bundle judge every clip again, by default the one before; one person may.

    Raises Conflict when there is none, or when this one was never full.
    """
    demand_database(services)
    with services.database.transaction(org) as tx:
        target = bundle_id or _before(tx)

    def move(pointer: Pointer, bundle: Bundle) -> Pointer:
        if not bundle.was_full or pointer.acting == target:
            raise Conflict(f"{target} is no earlier version that judged every clip")
        beside = None if pointer.shadow == target else pointer.shadow
        return replace(pointer, acting=target, candidate=None, percent=0, shadow=beside)

    states = ("retired", "approved", "shadow", "enforcing", "full")
    return _move(services, org, target, states, "full", act, move, step="rolled_back")


def retire(services: "Services", org: str, bundle_id: str, act: Act) -> Bundle:
    """Take a bundle out of the way. Raises Conflict for the one that judges: roll back, or let another go full."""

    def move(pointer: Pointer, _: Bundle) -> Pointer:
        return replace(
            pointer,
            shadow=None if pointer.shadow == bundle_id else pointer.shadow,
            candidate=None if pointer.candidate == bundle_id else pointer.candidate,
            percent=0 if pointer.candidate == bundle_id else pointer.percent,
        )

    if not services.rulebook.in_database:
        with services.database.transaction(org) as tx:
            demand_state(read_bundle(tx, bundle_id, lock=True), "draft", "proposed", "approved")
            return _change(tx, services.clock.now(), bundle_id, "retired", act)
    states = ("draft", "proposed", "approved", "shadow", "enforcing")
    return _move(services, org, bundle_id, states, "retired", act, move)


def demand_ready(services: "Services", org: str, bundle_id: str) -> None:
    """Refuse a bundle with findings, by what `check` found last. Raises NotChecked, NotReady, NotFound."""
    with services.database.transaction(org) as tx:
        checked = read_bundle(tx, bundle_id).checked
    if checked is None or checked["code"] != _code(services):
        raise NotChecked
    if findings := checked["findings"]:
        raise NotReady("its lint and its cases have findings: mend them in a new bundle", findings=findings)


def check(services: "Services", org: str, bundle_id: str) -> list[object]:
    """Look for what stands against enforcing a bundle, and keep it. May take minutes. Raises NotFound."""
    with services.database.transaction(org) as tx:
        read_bundle(tx, bundle_id)
        texts = stored_texts(tx, bundle_id)
    settings, today = services.settings, services.clock.now().date()
    found = faults_of(texts, settings.policies_dir(), settings.models, today)
    checked = {"code": _code(services), "findings": [finding.to_json() for finding in found]}
    with services.database.transaction(org) as tx:
        tx.pg.execute(SQL.note_check, {"bundle": bundle_id, "checked": Jsonb(checked)})
    return cast("list[object]", checked["findings"])


def _code(services: "Services") -> str:
    """By what code a bundle was looked at: another one may find something else."""
    return f"{services.version}/{LANGUAGE}"


def demand_person(tx: Transaction, who: str) -> None:
    """Refuse what is no person where a second one is asked for. Raises Forbidden."""
    if who == OPERATOR:
        raise Forbidden("this takes a person: act with a key of theirs (MODERATION_API_KEY)")
    _demand_somebody(tx, who)


def _demand_somebody(tx: Transaction, who: str) -> None:
    known = tx.pg.execute(KEYS.principal_kind, {"org": tx.org, "principal": who}).fetchone()
    if known is not None and known[0] == "service":
        raise Forbidden(f"{who} is a service, and this takes a person: a service may hand in, never propose or approve")


def read_bundle(tx: Transaction, bundle_id: str, *, lock: bool = False) -> Bundle:
    """One bundle. Raises NotFound."""
    found = row(tx, SQL.bundle_locked if lock else SQL.bundle, Bundle, {"bundle": bundle_id})
    if found is None:
        raise NotFound(f"there is no policy bundle {bundle_id}")
    return found


def list_bundles(
    tx: Transaction, *, state: str | None = None, after: str | None = None, limit: int = 50
) -> list[Bundle]:
    """Bundles, newest first, of one state or of all."""
    return rows(tx, SQL.bundles, Bundle, {"state": state, "after": after, "limit": limit})


def read_steps(tx: Transaction, bundle_id: str) -> list[Step]:
    """What was done with a bundle, in order."""
    return rows(tx, SQL.steps, Step, {"bundle": bundle_id})


def demand_state(bundle: Bundle, *states: str) -> None:
    """Refuse a step that does not go with where the bundle stands. Raises Conflict."""
    if bundle.state not in states:
        wanted = f"{bundle.bundle_id} is {bundle.state}, not {' or '.join(states)}"
        raise Conflict(f"{wanted}; next: {_NEXT[bundle.state]}", state=bundle.state)


def demand_database(services: "Services") -> None:
    """Refuse to move a pointer that decides nothing. Raises FolderRules."""
    if not services.rulebook.in_database:
        raise FolderRules


def _move(
    services: "Services",
    org: str,
    bundle_id: str,
    states: tuple[str, ...],
    state: str,
    act: Act,
    move: Callable[[Pointer, Bundle], Pointer],
    *,
    step: str | None = None,
    **said: object,
) -> Bundle:
    """Change pointer and bundle together, and put whoever lost their place where they belong."""
    demand_database(services)
    services.rulebook.seed_if_new(org)
    now = services.clock.now()
    with services.database.transaction(org) as tx:
        tx.pg.execute(SQL.pointer_locked, {"org": org})
        before, emergencies = read_pointer(tx, org)
        bundle = read_bundle(tx, bundle_id, lock=True)
        demand_state(bundle, *states)
        after = move(before, bundle)
        if state != "retired":
            _demand_usable(services, tx, bundle_id, emergencies)
        tx.pg.execute(SQL.move_pointer, {**_columns(after), "org": org, "now": now})
        _displace(tx, now, before, after, bundle_id, act)
        return _change(tx, now, bundle_id, state, act, step=step, said=said)


def _columns(pointer: Pointer) -> dict[str, object]:
    return {
        "acting": pointer.acting,
        "candidate": pointer.candidate,
        "percent": pointer.percent,
        "shadow": pointer.shadow,
    }


def _demand_usable(services: "Services", tx: Transaction, bundle_id: str, emergencies: tuple[Emergency, ...]) -> None:
    """Refuse what this deployment would not use: unsigned, not compiling, or at odds with emergency rules."""
    held = [emergency for emergency in emergencies if emergency.holds(services.clock.now())]
    services.rulebook.demand_usable(tx, bundle_id, ())
    try:
        services.rulebook.demand_usable(tx, bundle_id, held)
    except UnusablePolicies as error:
        raise Conflict(f"the emergency rules in force do not fit {bundle_id}; end them first: {error}") from error


def _displace(tx: Transaction, now: datetime, before: Pointer, after: Pointer, bundle_id: str, act: Act) -> None:
    """Move on whatever lost its place to the bundle: what judged is retired, what was tried is approved still."""
    kept = {after.acting, after.candidate, after.shadow, bundle_id}
    for lost, state in ((before.acting, "retired"), (before.candidate, "approved"), (before.shadow, "approved")):
        if lost is not None and lost not in kept:
            _change(tx, now, lost, state, act, step=f"displaced_by:{bundle_id}")


def _before(tx: Transaction) -> str:
    """The bundle that judged every clip before the present one. What was rolled back from is not gone back to."""
    stack: list[str] = []
    for bundle, step in tx.pg.execute(SQL.full_steps, {"org": tx.org}):
        if step == "rolled_back" and bundle in stack:
            del stack[stack.index(bundle) + 1 :]
        else:
            stack.append(bundle)
    if len(stack) < 2:
        raise Conflict("no earlier version judged every clip; to go to a later one again, name it")
    return stack[-2]


def _change(
    tx: Transaction,
    now: datetime,
    bundle_id: str,
    state: str,
    act: Act,
    *,
    step: str | None = None,
    proposed_by: str | None = None,
    approved_by: str | None = None,
    said: Mapping[str, object] | None = None,
) -> Bundle:
    row_ = {"bundle": bundle_id, "state": state, "proposed_by": proposed_by, "approved_by": approved_by}
    tx.pg.execute(SQL.change_bundle, row_)
    _note(tx, now, bundle_id, step or state, act, **(said or {}))
    return read_bundle(tx, bundle_id)


def _note(tx: Transaction, now: datetime, bundle_id: str, step: str, act: Act, **said: object) -> None:
    """Write a step down beside the bundle and in the audit log; what people write stays out of the chain."""
    row_ = {"org": tx.org, "bundle": bundle_id, "step": step, "actor": act.by, "why": act.why, "now": now}
    tx.pg.execute(SQL.insert_step, {**row_, "body": Jsonb(said)})
    audit.record(tx, now, act.by, f"policy.{step.partition(':')[0]}", bundle_id, **said)
