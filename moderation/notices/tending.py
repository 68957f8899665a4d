"""What a worker's sweep does for notices: alarms of their clock, cases that got lost, identities past their time.

Time passing decides nothing: a clip that is hidden stays hidden until a person has looked.
"""

from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Final

import structlog

from moderation import appeals, audit, outbox
from moderation.db import queries
from moderation.db.clips import read_clip
from moderation.notices.opening import bring
from moderation.notices.rows import read_notice
from moderation.notices.sealing import erase
from moderation.rounds import go_through
from moderation.verdicts import moment

if TYPE_CHECKING:
    from moderation.services import Services

log = structlog.get_logger()
SQL = queries("notices")
#: How many rows one round takes on.
BATCH: Final = 100


def tend(services: "Services") -> int:
    """Ring what is due, and put before a person what is before nobody; returns how much there was."""
    return ring_alarms(services) + bring_lost(services) + appeals.bring_lost(services)


def ring_alarms(services: "Services") -> int:
    """Ring every alarm that is due, each once: a webhook, a line in the log, an entry in the audit log."""
    now, hours = services.clock.now(), list(services.settings.notices.alarm_hours)
    with services.database.system_transaction() as tx:
        due = tx.pg.execute(SQL.alarms_due, {"now": now, "hours": hours, "limit": BATCH}).fetchall()
    return go_through(due, partial(_ring, services))


def _ring(services: "Services", org: str, clip_id: str, notice_id: str, after: float) -> bool:
    now = services.clock.now()
    with services.database.transaction(org) as tx:
        clip = read_clip(tx, clip_id, lock=True)
        notice = read_notice(tx, notice_id)
        row = {"org": org, "notice": notice_id, "hours": after, "now": now}
        if notice.state != "open" or tx.pg.execute(SQL.ring, row).fetchone() is None:
            return False
        said = {
            "notice_id": notice_id,
            "kind": notice.kind,
            "after_hours": after,
            "due_at": moment(notice.due_at),
            "overdue": notice.due_at <= now,
        }
        audit.record(tx, now, "system", "notice.alarm", clip_id, notice=notice_id, after_hours=str(after))
        outbox.announce(tx, services.enqueuer, clip, "notice.alarm", now, said)
    log.warning("notice_alarm", notice=notice_id, after_hours=after, overdue=said["overdue"])
    return True


def bring_lost(services: "Services") -> int:
    """Put clips with open notices before a person where no case is left of them; returns how many."""
    with services.database.system_transaction() as tx:
        lost = tx.pg.execute(SQL.without_case, {"limit": BATCH}).fetchall()
    return go_through(lost, partial(_bring, services))


def _bring(services: "Services", org: str, clip_id: str) -> bool:
    with services.database.transaction(org) as tx:
        clip = read_clip(tx, clip_id, lock=True)
        return bring(tx, services.enqueuer, services.clock.now(), clip) is not None


def erase_old(services: "Services") -> int:
    """Erase who filed what, and their words, once nobody may appeal any more; returns how many."""
    now = services.clock.now()
    before: datetime = now - timedelta(days=services.settings.notices.identity_days)
    with services.database.system_transaction() as tx:
        due = tx.pg.execute(SQL.past_keeping, {"before": before, "limit": BATCH}).fetchall()
    return go_through(due, partial(_erase, services))


def _erase(services: "Services", org: str, of: str) -> bool:
    with services.database.transaction(org) as tx:
        return erase(tx, services.clock.now(), of, "system")
