"""What was done with a case, for whoever works on it. A second view is not told what the first thought."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from moderation.db import Transaction, queries, rows
from moderation.review.cases import Case
from moderation.review.reviewers import Reviewer

SQL = queries("cases")
#: What tells an opinion.
TELLING: Final = frozenset({"outcome", "reason", "error_class"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One thing that was done with a case: `claimed`, `skipped`, `escalated`, `decided`, … and what was said of it."""

    action: str
    actor: str
    body: Mapping[str, object]
    at: datetime


def history(tx: Transaction, case: Case, reviewer: Reviewer) -> list[Act]:
    """What was done with a case, oldest first; before the third view without what others think."""
    acts = rows(tx, SQL.actions, Act, {"case": case.case_id})
    blind = case.state == "open" and case.stage != "third"
    return [_hidden(act) if blind and act.actor != reviewer.principal else act for act in acts]


def _hidden(act: Act) -> Act:
    return replace(act, body={name: value for name, value in act.body.items() if name not in TELLING})
