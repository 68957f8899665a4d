"""Backtests: what rules would have done with the clips of a stretch of time, beside what was decided or other rules.

Judges stored fact records, never media, and writes nothing. For the command line and for the API alike.
"""

import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from moderation.errors import NotFound, Unprocessable
from moderation.ids import is_id
from moderation.policy.engine import Ruleset
from moderation.policy.loader import load_bundle, load_ruleset
from moderation.rehearsing.comparing import Comparison
from moderation.rehearsing.crew import carry_out
from moderation.rehearsing.reports import Report, report_of
from moderation.rehearsing.scope import BATCH, SQL, Scope, batches, measure
from moderation.rehearsing.tallies import Tally
from moderation.rehearsing.workload import measure_paces
from moderation.rulebook.bundles import compile_texts
from moderation.rulebook.emergencies import read_emergency
from moderation.rulebook.in_force import Emergency, lay_over
from moderation.rulebook.lifecycle import read_bundle
from moderation.rulebook.pointers import stored_texts

if TYPE_CHECKING:
    from moderation.services import Services

#: Stands for the rules in force, where a version is asked for.
ACTIVE = "active"
#: How the side is named that is no policy set but what was decided.
DECIDED = "decided then"
#: Digits from which the beginning of a version may stand for it.
DIGITS = 6
#: Told (records done, records in all) after every batch.
Progress = Callable[[int, int], None]


def untold(done: int, total: int) -> None:
    """Tell nobody."""


def backtest(
    services: "Services",
    org: str,
    ruleset: Ruleset,
    scope: Scope,
    *,
    old: Ruleset | None = None,
    processes: int = 1,
    batch: int = BATCH,
    progress: Progress = untold,
) -> Report:
    """Judge the stored records in scope by `ruleset`, beside what rules decided then or, given `old`, say now."""
    work = Comparison(
        org=org,
        new=ruleset.bundle,
        old=None if old is None else old.bundle,
        queue=scope.queue,
        examples=scope.examples,
    )
    tally = Tally(scope.examples)
    with services.database.transaction(org) as tx:
        extent = measure(tx, scope)
        paces = measure_paces(tx, scope.until, services.settings.rehearsing)
        expected = extent.clips if scope.sample is None else min(scope.sample, extent.clips)
        with closing(carry_out(work, batches(tx, scope, batch), services.dsn, processes)) as parts:
            for part in parts:
                tally.merge(part)
                progress(tally.judged, expected)
    names = DECIDED if old is None else old.version, ruleset.version
    return report_of(tally, names, scope, extent, paces)


def find_ruleset(services: "Services", org: str, named: str) -> Ruleset:
    """Return the policies of a folder, those in force, of a bundle or a version, or emergency rules over the rest.

    A bundle's id names it whether or not it ever judged; an emergency's id the rules in force with it laid over them,
    whether or not it still holds; of a version the first digits do, of a bundle that was only handed in too.

    Raises NotFound for what is none of these, Unprocessable where several versions begin so, UnusablePolicies.
    """
    if named == ACTIVE:
        return services.ruleset
    if Path(named).is_dir():
        return load_ruleset(Path(named))
    if is_id("pol", named):
        with services.database.transaction(org) as tx:
            return compile_texts(stored_texts(tx, read_bundle(tx, named).bundle_id))
    if is_id("emg", named):
        return _laid_over(services, org, named)
    if len(named) < DIGITS or not set(named) <= set("0123456789abcdef"):
        known = "a folder, a bundle (pol_...), emergency rules (emg_...), a version's first digits"
        raise NotFound(f"{named} is none of these: {known}, {ACTIVE!r}")
    with services.database.transaction(org) as tx:
        found = {row[0]: row for row in tx.pg.execute(SQL.versions_like, {"prefix": f"{named}%"})}
        if len(found) > 1:
            raise Unprocessable(f"more than one version begins with {named}: give more of its digits")
        if not found:
            raise NotFound(f"no version {named} was ever used or handed in here")
        (_, body, texts) = found.popitem()[1]
        return load_bundle(body) if body is not None else compile_texts(json.loads(texts))


def _laid_over(services: "Services", org: str, emergency_id: str) -> Ruleset:
    with services.database.transaction(org) as tx:
        rules = read_emergency(tx, emergency_id)
    laid = Emergency(emergency_id=emergency_id, area=rules.area, text=rules.text, expires_at=rules.expires_at)
    return lay_over(services.ruleset, [laid])
