"""The rulebook: asks the database which rules judge, in the judgement's own transaction, and keeps them compiled.

A move of the pointer is in force for every judgement that begins after it was committed, on every machine; what is
told and looked for in between (`watching`) only has rules compiled before somebody needs them.
"""

import threading
from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

import structlog
from psycopg.types.json import Jsonb

from moderation import audit
from moderation.canonical import canonical
from moderation.db import Database, Transaction, queries
from moderation.errors import ModerationError, Outage
from moderation.ids import new_id
from moderation.policy.loader import UnusablePolicies
from moderation.rulebook.bundles import read_texts
from moderation.rulebook.in_force import Choice, Emergency, InForce, Layering, Rules
from moderation.rulebook.pointers import read_pointer
from moderation.rulebook.signatures import read_public_key
from moderation.rulebook.sources import BundleSource, FolderSource, Source, usable

if TYPE_CHECKING:
    from moderation.clock import Clock
    from moderation.settings import Settings

log = structlog.get_logger()
SQL = queries("policies")
#: Who hands in the bundle that the folder seeds.
FOLDER = "folder"


class Rulebook:
    """Which rules judge. One per process, safe to share between its threads."""

    def __init__(self, settings: "Settings", database: Database, clock: "Clock") -> None:
        chosen = settings.policies
        self._folder = settings.policies_dir()
        self._database = database
        self._clock = clock
        self.public_key = read_public_key(chosen.public_key) if chosen.public_key else None
        self.in_database = chosen.mode == "database"
        self._bundles = BundleSource(self.public_key)
        self._source: Source = self._bundles
        if not self.in_database:
            self._source = FolderSource(self._folder, chosen.shadow, self.public_key)
        self._layering = Layering()
        self._in_force: dict[str, InForce] = {}
        self._lock = threading.Lock()

    def choose(self, tx: Transaction, clip_id: str, at: datetime) -> Choice:
        """The rules for a clip judged at this instant. Raises Outage("policies") when there are none to judge by."""
        try:
            return self.in_force(tx).choose(clip_id, at)
        except UnusablePolicies as error:
            raise Outage("policies", f"emergency rules do not fit the rules in force: {error}") from error

    def in_force(self, tx: Transaction) -> InForce:
        """What stands for the organisation of this transaction, as the database says now. Raises Outage."""
        assert tx.org is not None
        row = tx.pg.execute(SQL.serial, {"org": tx.org}).fetchone()
        serial = row[0] if row else 0
        known = self._in_force.get(tx.org)
        if known is not None and (known.serial, known.edition) == (serial, self._source.edition):
            return known
        with self._lock:
            return self._stand(tx, tx.org)

    def demand_usable(self, tx: Transaction, bundle: str, emergencies: Iterable[Emergency]) -> None:
        """Refuse a bundle that would not be used: unsigned, not compiling, or with emergency rules laid over it.

        Raises UnusablePolicies, BadSignature.
        """
        self._layering.over(self._bundles.compiled(tx, bundle), emergencies)

    def told(self) -> dict[str, object]:
        """What this process judges by, by organisation; asks nobody."""
        return {
            org: {"serial": held.serial, "acting": held.rules.acting.version, "faults": list(held.rules.faults)}
            for org, held in self._in_force.copy().items()
        }

    def look_outside(self) -> bool:
        """Look for changes that no pointer tells; whether there were any."""
        before = self._source.edition
        self._source.look()
        return self._source.edition != before

    def look(self) -> None:
        """Have ready what the next judgements need. Raises Outage, and what the database raises while it is away."""
        for org in [*self._in_force] or ["default"]:
            with self._database.transaction(org) as tx:
                self.in_force(tx)

    def _stand(self, tx: Transaction, org: str) -> InForce:
        pointer, emergencies = read_pointer(tx, org)
        if pointer.acting is None and self.in_database:
            self._seed(org)
            pointer, emergencies = read_pointer(tx, org)
        known = self._in_force.get(org)
        edition = self._source.edition
        if known is not None and (known.serial, known.edition) == (pointer.serial, edition):
            return known
        rules = self._source.rules(tx, pointer, known.rules if known else None)
        self._in_force[org] = made = InForce(
            serial=pointer.serial,
            # The first look into a folder is an edition of its own.
            edition=self._source.edition,
            rules=self._fitting(rules, emergencies, known),
            emergencies=emergencies,
            layering=self._layering,
        )
        log.info("policies_stand", org=org, serial=made.serial, acting=made.rules.acting.version)
        return made

    def _fitting(self, rules: Rules, emergencies: tuple[Emergency, ...], known: InForce | None) -> Rules:
        """The rules, or those from before where the emergency rules fit these no more: never without them."""
        held = tuple(emergency for emergency in emergencies if emergency.holds(self._clock.now()))
        try:
            for ruleset in (rules.acting, rules.candidate, rules.shadow):
                if ruleset is not None:
                    self._layering.over(ruleset, held)
        except UnusablePolicies as error:
            fault = f"emergency rules do not fit new rules: {error}"
            if known is None:
                raise Outage("policies", fault) from error
            kept = known.rules
            return Rules(acting=kept.acting, candidate=kept.candidate, percent=kept.percent, faults=(fault,))
        return rules

    def demand_row(self, org: str) -> None:
        """Have a pointer to lock, committed, so that nobody takes a serial for known that may be rolled back.

        Whoever locks it asks this first: what is seeded while the row is locked would wait for itself.
        """
        if self.in_database:
            self.seed_if_new(org)
        with self._database.transaction(org) as tx:
            tx.pg.execute(SQL.insert_pointer, {"org": org, "acting": None, "now": self._clock.now()})

    def seed_if_new(self, org: str) -> None:
        """Switch on the folder's policies where none were ever chosen. In a transaction of its own; raises Outage."""
        with self._database.transaction(org) as tx:
            pointer, _ = read_pointer(tx, org)
        if pointer.acting is None:
            self._seed(org)

    def _seed(self, org: str) -> None:
        try:
            texts = read_texts(self._folder)
            version = usable(texts, self.public_key).version
        except (ModerationError, OSError) as error:
            raise Outage("policies", f"the policies in {self._folder} cannot be used: {error}") from error
        now = self._clock.now()
        bundle = new_id("pol")
        row = {"org": org, "bundle": bundle, "now": now}
        with self._database.transaction(org) as tx:
            said = {"version": version, "author": FOLDER, "note": "the folder's policies at the first start"}
            body = canonical(texts).decode()
            tx.pg.execute(SQL.touch_pointer, row)
            pointer = tx.pg.execute(SQL.pointer_locked, row).fetchone()
            if pointer is not None and pointer[1] is None:
                tx.pg.execute(SQL.insert_bundle, {**row, **said, "texts": body, "state": "full"})
                none: dict[str, object] = {"candidate": None, "percent": 0, "shadow": None}
                tx.pg.execute(SQL.move_pointer, {**row, **none, "acting": bundle})
                step = {**row, "step": "seeded", "actor": FOLDER, "why": "", "body": Jsonb({"version": version})}
                tx.pg.execute(SQL.insert_step, step)
                audit.record(tx, now, FOLDER, "policy.seeded", bundle, version=version)
