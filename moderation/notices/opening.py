"""Putting a clip's notices before a person, and hiding the clip meanwhile where a stop stands. Decides nothing."""

import json
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from moderation import audit, outbox, review
from moderation.clips import Clip, Status
from moderation.db import Transaction, queries, rows
from moderation.db.clips import move, next_generation, read_clip
from moderation.decisions import POLICY, Decision, Outcome, Reason
from moderation.notices import stops
from moderation.notices.claims import PRIORITY
from moderation.notices.rows import COUNTER, Notice
from moderation.notices.settling import settle_gone, uphold_sealed
from moderation.recording import insert_decision, was_out

SQL, RECORDS, CASES = queries("notices"), queries("records"), queries("cases")
QUEUE: Final = "takedown"
REASON: Final = "takedown_notice"
SYSTEM: Final = "system"
#: Nothing of such a clip is out, or will be again by itself.
OUT_OF_SIGHT: Final = frozenset({Status.WITHHELD, Status.WITHDRAWN})
#: So long a notice about sealed material stays open, where nobody has it: an answer at once would tell that it is such.
QUIET: Final = timedelta(hours=12)
#: So many notices that say something new send whoever holds the case back to read; further ones wait for the next
#: case, or somebody could keep it from ever being answered.
READ_ANEW: Final = 10
ON_ITS_WAY: Final = frozenset({Status.RECEIVED, Status.PROCESSING, Status.HELD})


def bring(tx: Transaction, enqueuer: outbox.Enqueuer, now: datetime, clip: Clip) -> str | None:
    """Put a locked clip's open notices before a person; returns the case, None where none is needed now.

    A clip on its way comes to `bring_stopped` when it is judged, one before a person for other reasons comes here
    again when they have decided.
    """
    asked = _asking(tx, clip, "open")
    if not asked or clip.state in ON_ITS_WAY:
        return None
    if clip.erased_at or clip.state is Status.REFUSED or _never_judged(tx, clip):
        settle_gone(tx, enqueuer, now, clip)
        return None
    if clip.state in OUT_OF_SIGHT and tx.pg.execute(CASES.sealed_case, {"clip": clip.clip_id}).fetchone():
        if tx.pg.execute(SQL.acting_case, {"clip": clip.clip_id}).fetchone() is None and _idle(tx, clip):
            uphold_sealed(tx, enqueuer, now, clip, [each for each in asked if each.filed_at + QUIET <= now])
        return None
    if clip.state is Status.RELEASED and stops.stands(tx, clip.clip_id):
        clip = hide(tx, now, clip)
    return _case_of(tx, enqueuer, now, clip, asked)


def _never_judged(tx: Transaction, clip: Clip) -> bool:
    """Whether a clip was withdrawn on its way: nothing of it was ever out, will be, or is there to be confirmed."""
    judged = tx.pg.execute(RECORDS.latest_decision, {"clip": clip.clip_id}).fetchone()
    return clip.state is Status.WITHDRAWN and judged is None


def bring_stopped(tx: Transaction, enqueuer: outbox.Enqueuer, now: datetime, clip: Clip) -> bool:
    """Put a locked clip that was just judged publishable before a person where a stop stands; whether one does."""
    if not stops.stands(tx, clip.clip_id):
        return False
    _case_of(tx, enqueuer, now, clip, _asking(tx, clip, "open", "upheld"))
    return True


def _asking(tx: Transaction, clip: Clip, *states: str) -> list[Notice]:
    found = rows(tx, SQL.notices_of_clip, Notice, {"clip": clip.clip_id})
    return [notice for notice in found if notice.state in states and notice.kind != COUNTER]


def hide(tx: Transaction, now: datetime, clip: Clip) -> Clip:
    """Take a locked, released clip from the public; it is `processing` after this, for its case to take over."""
    tx.pg.execute(RECORDS.withdraw_release, {"clip": clip.clip_id, "now": now})
    next_generation(tx, clip, now)
    audit.record(tx, now, SYSTEM, "clip.hidden", clip.clip_id)
    return read_clip(tx, clip.clip_id, lock=True)


def _case_of(tx: Transaction, enqueuer: outbox.Enqueuer, now: datetime, clip: Clip, asked: list[Notice]) -> str | None:
    acting = tx.pg.execute(SQL.acting_case, {"clip": clip.clip_id}).fetchone()
    if acting is not None and acting[1] == "notice":
        case = str(acting[0])
        _take_out(tx, enqueuer, now, clip)
        if not _let_in(tx, case, [notice for notice in asked if notice.joined_to is None]):
            return case
    elif acting is not None:
        # Somebody has it for other reasons, specialists perhaps: it is theirs first, by the clock of the notices.
        due = min(notice.due_at for notice in asked)
        tx.pg.execute(SQL.hasten, {"case": str(acting[0]), "due": due})
        _take_out(tx, enqueuer, now, clip)
        return None
    elif clip.state is Status.IN_REVIEW:
        # Answered, and about to be followed; or its case was closed a moment ago.
        return _open(tx, enqueuer, now, clip, asked) if _idle(tx, clip) else None
    else:
        case = _open(tx, enqueuer, now, clip, asked)
    tx.pg.execute(SQL.link_notices, {"clip": clip.clip_id, "case": case})
    return case


def _take_out(tx: Transaction, enqueuer: outbox.Enqueuer, now: datetime, clip: Clip) -> None:
    """Leave a locked clip that was just stopped to the case that is open already: nothing else would move it on.

    What was ever out its platform is to purge.
    """
    if clip.state is not Status.PROCESSING:
        return
    decision = Decision(outcome=Outcome.REVIEW, facts_hash="", reasons=(Reason(code=REASON),), decided_by=SYSTEM)
    insert_decision(tx, clip, decision, actor_kind=SYSTEM, actor="notices", now=now)
    tx.pg.execute(RECORDS.withdraw_release, {"clip": clip.clip_id, "now": now})
    move(tx, clip, Status.IN_REVIEW, now)
    reasons = [reason.to_json() for reason in decision.reasons]
    said = {"status": "in_review", "reasons": reasons} | ({"purge": True} if was_out(tx, clip) else {})
    outbox.announce(tx, enqueuer, clip, "clip.in_review", now, said)


def _let_in(tx: Transaction, case: str, asked: list[Notice]) -> bool:
    """Whether more notices come into an open case; what is new in them sends its holder back to read."""
    inside = sum(notice.case_id == case for notice in asked)
    if inside == len(asked):
        return True
    if inside >= READ_ANEW:
        return False
    tx.pg.execute(SQL.read_anew, {"case": case})
    return True


def _idle(tx: Transaction, clip: Clip) -> bool:
    return tx.pg.execute(SQL.unfollowed_case, {"clip": clip.clip_id}).fetchone() is None


def _open(tx: Transaction, enqueuer: outbox.Enqueuer, now: datetime, clip: Clip, asked: list[Notice]) -> str:
    standing = tx.pg.execute(RECORDS.latest_decision, {"clip": clip.clip_id}).fetchone()
    before = Decision.from_json(json.loads(standing[2])) if standing else None
    left = min(notice.due_at for notice in asked) - now
    priority = max(PRIORITY[notice.kind] for notice in asked)
    deadline_s = max(int(left.total_seconds()), 0)
    if clip.state is not Status.PROCESSING and standing is not None and before is not None:
        # It stays as it is until somebody decides: what it stands on is what they confirm or change.
        opened = replace(before, queue=QUEUE, priority=priority, deadline_s=deadline_s)
        return review.insert_case(tx, clip, opened, standing[0], now, source="notice")
    # What rules asked before is answered with it, on the facts they asked it on; what people answered stands as it is.
    rules = before if before and before.decided_by == POLICY else None
    decision = Decision(
        outcome=Outcome.REVIEW,
        facts_hash=rules.facts_hash if rules else "",
        reasons=(Reason(code=REASON),),
        lesser=(*rules.reasons, *rules.lesser) if rules else (),
        decided_by=SYSTEM,
        queue=QUEUE,
        priority=priority,
        deadline_s=deadline_s,
    )
    opened_by = insert_decision(tx, clip, decision, actor_kind=SYSTEM, actor="notices", now=now)
    return review.open_case(tx, enqueuer, clip, decision, opened_by, now, source="notice")
