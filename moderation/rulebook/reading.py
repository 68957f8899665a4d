"""What people read of the rules in force: their texts, and how they decided lately. Changes nothing."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from moderation import code_names
from moderation.db import Transaction, queries
from moderation.policy.engine import Ruleset
from moderation.rulebook.bundles import read_texts
from moderation.rulebook.pointers import read_pointer, stored_texts

if TYPE_CHECKING:
    from moderation.services import Services

SQL = queries("policies")


@dataclass(frozen=True, slots=True, kw_only=True)
class InUse:
    """The rules that judge: their texts by path, compiled, and the bundle they came from (None: the folder)."""

    bundle: str | None
    texts: Mapping[str, str]
    ruleset: Ruleset


def in_use(services: "Services", tx: Transaction, org: str) -> InUse:
    """The acting rules of an organisation. Raises Outage when there are none to judge by."""
    pointer, _ = read_pointer(tx, org)
    ruleset = services.rulebook.in_force(tx).rules.acting
    if services.rulebook.in_database and pointer.acting is not None:
        return InUse(bundle=pointer.acting, texts=stored_texts(tx, pointer.acting), ruleset=ruleset)
    return InUse(bundle=None, texts=read_texts(services.settings.policies_dir()), ruleset=ruleset)


def outcomes_since(tx: Transaction, since: datetime, version: str | None = None) -> dict[str, int]:
    """How many clips rules decided each way, by one version or by any."""
    found = tx.pg.execute(SQL.outcomes_since, {"since": since, "version": version}).fetchall()
    return {str(outcome): int(clips) for outcome, clips in found}


def called(tx: Transaction, principals: Iterable[str]) -> dict[str, str]:
    """What to call who acted: a code name, or the principal's own for what is no person."""
    known = list(principals)
    return {principal: principal for principal in known} | code_names.code_names(tx, known)
