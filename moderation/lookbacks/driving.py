"""Driving a look back: list its window once, then one clip after another, each counted once, behind everything else.

A clip leaves the list, and is counted, in the transaction that acts on what was seen. A look that is cut off leaves
nothing; whoever comes next takes what is still listed.
"""

import time
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from moderation import appearances, audit, outbox
from moderation.clips import Clip, Status
from moderation.db import Transaction, queries
from moderation.db.clips import next_generation, read_clip
from moderation.errors import ModerationError, NotFound, Outage
from moderation.lookbacks.looking import Likeness, Seen, likeness_of, look_for
from moderation.naming import named_people
from moderation.outcomes import database_away
from moderation.revocations.rejudging import judge_copies_of

if TYPE_CHECKING:
    from moderation.services import Services

SQL, RECORDS, CASES = queries("lookbacks"), queries("records"), queries("cases")
SYSTEM: Final = "system"
QUEUE: Final = "lookback"
#: How long one piece of work goes on beginning looks, and how long a look gives way to clips on their way.
ROUND_SECONDS: Final = 20.0
GIVE_WAY_SECONDS: Final = 20.0
PAUSE_SECONDS: Final = 0.5
#: Prompts read at once while names are looked for.
BLOCK: Final = 2_000
#: A clip whose look never came to an end is given up after so many.
TRIES: Final = 3
#: A drive without a sign of life is begun again after so long, one that waits for an outage to end sooner.
STALLED: Final = timedelta(minutes=20)
HELD: Final = timedelta(seconds=60)
#: Whose file was judged, and is out or before a person; what is on its way is compared with everybody anyway.
SETTLED: Final = frozenset({Status.RELEASED, Status.IN_REVIEW})


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """The next clip of a look back, and whom it is looked at for."""

    person: str
    likeness: Likeness
    clip: Clip
    tries: int


def enqueue_drive(tx: Transaction, enqueuer: outbox.Enqueuer, org: str, lookback: str, run: int) -> None:
    """Put a look back on its queue; the same run enqueued twice is done once."""
    enqueuer.enqueue(tx, "look_back", f"{org}:{lookback}:{run}", QUEUE, [org, lookback], 1)


def list_window(services: "Services", org: str, lookback: str) -> int:
    """Write down which clips are to be looked at, once; returns how many. Clips that name the person come first."""
    now = services.clock.now()
    with services.database.transaction(org) as tx:
        where = {"lookback": lookback, "now": now, "org": org}
        begun = tx.pg.execute(SQL.begin_locked, where).fetchone()
        if begun is None:
            return 0
        known = tx.pg.execute(SQL.count_known, where).fetchone() or (0,)
        listed = tx.pg.execute(SQL.insert_window, where).rowcount
        named = _note_named(services, tx, lookback, begun[0])
        tx.pg.execute(SQL.note_listed, {**where, "clips": listed + known[0], "known": known[0], "named": named})
    return listed


def _note_named(services: "Services", tx: Transaction, lookback: str, person: str) -> int:
    """Mark the clips whose prompt or title names the person; returns how many."""
    after, named = "", 0
    while found := tx.pg.execute(SQL.texts, {"lookback": lookback, "after": after, "limit": BLOCK}).fetchall():
        after = found[-1][0]
        clips = [
            clip
            for clip, prompt, title in found
            if person in named_people(services.names.find(tx, services.vault, {"prompt": prompt, "title": title}))
        ]
        tx.pg.execute(SQL.mark_named, {"lookback": lookback, "clips": clips})
        named += len(clips)
    return named


def look_back_some(services: "Services", org: str, lookback: str) -> str:
    """Look at clips for a while. Answers "more", or "ended" when it is over or was called off.

    Raises Outage when a part of the system is down; the clip in hand stays listed.
    """
    until = time.monotonic() + ROUND_SECONDS
    while time.monotonic() < until:
        turn = take_turn(services, org, lookback)
        if turn is None:
            return "ended"
        _give_way(services, org)
        if turn.tries > TRIES:
            _count_unreadable(services, org, lookback, turn, "its looks never came to an end")
        else:
            _look_once(services, org, lookback, turn)
    return "more"


def drive(services: "Services", org: str, lookback: str) -> None:
    """Do here and now what workers do: for commands without a service."""
    list_window(services, org, lookback)
    while look_back_some(services, org, lookback) != "ended":
        continue


def take_turn(services: "Services", org: str, lookback: str) -> Turn | None:
    """The next clip that is listed, its try noted; None, and the look back ended, where there is none."""
    now = services.clock.now()
    with services.database.transaction(org) as tx:
        where = {"lookback": lookback, "now": now}
        found = tx.pg.execute(SQL.running_locked, where).fetchone()
        if found is None:
            return None
        likeness = likeness_of(services, tx, found[0])
        if likeness.empty:
            end(tx, services, lookback, "cancelled", why="nothing_registered", by=SYSTEM)
            return None
        taken = tx.pg.execute(SQL.begin_look, where).fetchone()
        if taken is None:
            end(tx, services, lookback, "done", why=None, by=SYSTEM)
            return None
        return Turn(person=found[0], likeness=likeness, clip=read_clip(tx, taken[0]), tries=taken[1])


def _give_way(services: "Services", org: str) -> None:
    """Let clips that are on their way go first, for a while: a look back may take days, and must come to an end."""
    until = time.monotonic() + GIVE_WAY_SECONDS
    while time.monotonic() < until:
        with services.database.transaction(org) as tx:
            if tx.pg.execute(SQL.busy).fetchone() is None:
                return
        time.sleep(PAUSE_SECONDS)


def _look_once(services: "Services", org: str, lookback: str, turn: Turn) -> None:
    began = _spent(services)
    try:
        seen = look_for(services, turn.clip, turn.person, turn.likeness) if _settled(turn.clip) else None
    except Outage as outage:
        with services.database.transaction(org) as tx:
            where = {"lookback": lookback, "clip": turn.clip.clip_id, "now": services.clock.now()}
            tx.pg.execute(SQL.put_off, where | {"cause": outage.cause})
        raise
    except NotFound:
        _count_unreadable(services, org, lookback, turn, "its bytes are gone", _spent(services) - began)
    except Exception as error:
        if database_away(error):
            raise
        why = error.message if isinstance(error, ModerationError) else type(error).__name__
        _count_unreadable(services, org, lookback, turn, why, _spent(services) - began)
    else:
        count_look(services, org, lookback, turn, seen, round(1000 * (_spent(services) - began)))


def _spent(services: "Services") -> float:
    """CPU seconds of this thread and of the decoder for it; a look adds those of the detectors."""
    return time.thread_time() + services.sandbox.cpu_seconds_here()


def _settled(clip: Clip) -> bool:
    return clip.state in SETTLED and clip.erased_at is None


def count_look(services: "Services", org: str, lookback: str, turn: Turn, seen: Seen | None, here_ms: int = 0) -> bool:
    """Take a clip off the list, count it, and send it to judgement where the person was seen; False when it was.

    `seen` is None for a clip that had moved on before it was looked at.
    """
    now, clip_id = services.clock.now(), turn.clip.clip_id
    with services.database.transaction(org) as tx:
        where = {"lookback": lookback, "clip": clip_id, "person": turn.person, "now": now}
        # The clip, then the person, then the look back: in the order in which an erasure holds them.
        clip = read_clip(tx, clip_id, lock=True)
        tx.pg.execute(SQL.person_held, where)
        if tx.pg.execute(SQL.running_locked, where).fetchone() is None:
            return False
        if tx.pg.execute(SQL.take_off, where).fetchone() is None:
            return False
        tx.pg.execute(SQL.count_look, where | _counts(seen, here_ms))
        if seen is not None and seen.ways:
            _act(tx, services, lookback, turn.person, clip, seen)
    return True


def _counts(seen: Seen | None, here_ms: int) -> dict[str, int]:
    state = seen.state if seen else None
    return {
        "looked": int(seen is not None),
        "moved_on": int(seen is None),
        "matched": int(state == appearances.MATCHED),
        "possible": int(state == appearances.POSSIBLE),
        "partly": int(seen is not None and seen.partly),
        "from_templates": int(seen is not None and seen.from_templates),
        "cpu_ms": (seen.cpu_ms if seen else 0) + here_ms,
    }


def _act(tx: Transaction, services: "Services", lookback: str, person: str, clip: Clip, seen: Seen) -> None:
    """Note where the person appears, and have the clip, whose row is held, judged again where that is news."""
    now, clip_id = services.clock.now(), clip.clip_id
    if clip.erased_at is not None or not appearances.note(tx, clip, person, seen.ways, now):
        return
    judge_copies_of(tx, services.enqueuer, clip_id)
    if clip.state in SETTLED:
        tx.pg.execute(RECORDS.withdraw_release, {"clip": clip_id, "now": now})
        tx.pg.execute(CASES.close_cases, {"clip": clip_id, "now": now})
        audit.record(tx, now, SYSTEM, "clip.judged_again", clip_id, reason="looked_back", lookback=lookback)
        outbox.enqueue_clip(tx, services.enqueuer, clip, next_generation(tx, clip, now))


def _count_unreadable(
    services: "Services", org: str, lookback: str, turn: Turn, why: str, seconds: float = 0.0
) -> None:
    """Count a clip that could not be looked at; it stays listed with the reason, for nobody may think it clear."""
    with services.database.transaction(org) as tx:
        where = {"lookback": lookback, "clip": turn.clip.clip_id, "now": services.clock.now(), "why": why[:200]}
        if tx.pg.execute(SQL.running_locked, where).fetchone() and tx.pg.execute(SQL.give_up, where).fetchone():
            tx.pg.execute(SQL.count_unreadable, where | {"cpu_ms": round(1000 * seconds)})


def end(tx: Transaction, services: "Services", lookback: str, state: str, *, why: str | None, by: str) -> None:
    """End a look back whose row the caller holds, tell of it, and forget what was still listed."""
    now = services.clock.now()
    where = {"lookback": lookback, "state": state, "why": why, "now": now}
    person, *counts = tx.pg.execute(SQL.end_lookback, where).fetchone() or ("",)
    tx.pg.execute(SQL.forget_pending, where)
    audit.record(tx, now, by, f"lookback.{'completed' if state == 'done' else state}", lookback, why=why)
    if state == "done":
        names = ("clips", "matched", "possible", "unreadable")
        said = {"lookback_id": lookback, "person": person, **dict(zip(names, counts, strict=True))}
        outbox.tell(tx, services.enqueuer, lookback, "lookback.completed", now, said)


def watch(services: "Services") -> int:
    """Begin again the look backs that stand still; returns how many."""
    now = services.clock.now()
    with services.database.system_transaction() as tx:
        times = {"now": now, "stalled": now - STALLED, "held": now - HELD}
        found = tx.pg.execute(SQL.stalled, times).fetchall()
        for org, lookback, run in found:
            enqueue_drive(tx, services.enqueuer, org, lookback, run)
    return len(found)
