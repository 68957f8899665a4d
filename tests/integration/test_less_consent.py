"""Less consent without a revocation: stricter limits, a shorter list, a suspension, a grant that ends; and remixes."""

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace

import pytest
from families import NOW, Row, register, write

from moderation import consent, descent, erasure, stops
from moderation.clock import FixedClock
from moderation.consent.people import lock_person
from moderation.db import queries
from moderation.db.clips import read_clip
from moderation.engine import Enqueuer
from moderation.errors import Conflict
from moderation.facts import Consent, FactRecord, Manifests, PersonFact, PersonKind, SubmissionFacts
from moderation.history import people_in_ancestors
from moderation.naming import Names
from moderation.release import still_true
from moderation.revocations import driving, rejudging
from moderation.revocations.progress import progress
from moderation.revocations.receipts import take_receipt
from moderation.revocations.rejudging import judge_clips_of, judge_outlived, judge_released
from moderation.vault import Vault

FACE = "face"
WAITING = "select 1 from pg_locks l join pg_stat_activity a using (pid) where not l.granted and a.datname = current_database()"
#: The moment at which the grants of these tests end; clips are judged at `NOW`.
END = NOW + timedelta(hours=1)


@pytest.fixture
def inside(database, dsn, tmp_path) -> Iterator[SimpleNamespace]:
    """What these duties need of the services."""
    enqueuer = Enqueuer(dsn)
    parts = {"vault": Vault(tmp_path / "keys"), "clock": FixedClock(NOW), "enqueuer": enqueuer}
    yield SimpleNamespace(database=database, detectors_hash="d", names=Names(), **parts)
    enqueuer.close()


@pytest.fixture
def person(inside) -> str:
    return register(inside.database, inside.vault)


def put(inside, **said) -> str:
    with inside.database.transaction() as tx:
        (clip,) = write(tx, [Row(**said)])
    return clip


def stands_under(inside, clip) -> tuple[bool, bool]:
    """Whether a clip is stopped, and whether a revocation stops it."""
    with inside.database.transaction() as tx:
        return stops.stopped(tx, clip), stops.revoked(tx, clip)


def test_stricter_limits_stop_what_was_judged_before_and_looser_ones_nothing(inside, person):
    with inside.database.transaction() as tx:
        consent.forbid(tx, NOW, person, ["sexual"], by="test")
    clip = put(inside, shows=[(person, FACE, "matched")])
    with inside.database.transaction() as tx:
        consent.forbid(tx, NOW, person, [], by="test")
    assert stands_under(inside, clip) == (False, False)
    with inside.database.transaction() as tx:
        consent.forbid(tx, NOW, person, ["sexual", "violent"], by="test")
        assert tx.pg.execute("select count(*) from moderation.revocation_runs").fetchone() == (0,)
        assert stops.lessened(tx, clip) == {person: NOW}
    assert stands_under(inside, clip) == (True, False)


def test_who_leaves_a_list_has_their_clips_stopped_and_nobody_else(inside, person):
    clip = put(inside, shows=[(person, FACE, "matched")])
    with inside.database.transaction() as tx:
        friends = consent.make_list(tx, inside.vault, NOW, person, "friends", by="test", creators=("ana", "bo"))
        consent.change_list(tx, inside.vault, NOW, person, friends, by="test", remove=("bo",))
    assert stands_under(inside, clip) == (False, False)
    with inside.database.transaction() as tx:
        assert stops.lessened(tx, clip) == {}
        consent.change_list(tx, inside.vault, NOW, person, friends, by="test", remove=("ana",))
    assert stands_under(inside, clip) == (True, False)


@pytest.mark.parametrize("lessen", ["suspended", "teen", "teen with a guardian"])
def test_who_is_suspended_or_proves_to_be_a_teen_has_their_clips_stopped(inside, person, lessen):
    clip = put(inside, shows=[(person, FACE, "matched")])
    with inside.database.transaction() as tx:
        if lessen == "suspended":
            consent.set_state(tx, NOW, person, "suspended", by="test")
        else:
            guardian = "parent" if "guardian" in lessen else None
            consent.set_guardian(tx, NOW, person, by="test", age_band="teen", guardian=guardian)
    assert stands_under(inside, clip) == (True, False)


def facts_of(tx, inside, person) -> FactRecord:
    (version,) = tx.pg.execute("select version from moderation.people where person_id = %s", (person,)).fetchone()
    known = {
        person: PersonFact(
            kind=PersonKind.CAMEO, consent=Consent.CONSENTED, declared=False, version=version, voice=None
        )
    }
    return FactRecord(
        org="default",
        clip="clip_x",
        judged_at=NOW.isoformat(),
        duration_ms=1000,
        phase="public",
        submission=SubmissionFacts(creator="ana"),
        people=known,
        manifests=Manifests(detectors=inside.detectors_hash, gallery=consent.gallery_version(tx), lexicon=""),
    )


def test_the_gate_and_who_edits_the_registry_never_wait_for_each_other(inside, person):
    """Both hold people before the gallery: what the gate waits for is another's commit."""
    clip = put(inside, shows=[(person, FACE, "matched")])
    with inside.database.transaction() as tx:
        judged = facts_of(tx, inside, person)
        # Judged by other detectors: the gate need not compare to know that the answer is another.
        facts = replace(judged, clip=clip, manifests=replace(judged.manifests, detectors="others"))

    def somebody_waits() -> bool:
        with inside.database.system_transaction() as tx:
            return tx.pg.execute(WAITING).fetchone() is not None

    def ask_gate() -> bool:
        with inside.database.transaction() as tx:
            return still_true(tx, inside, facts)

    with ThreadPoolExecutor(1) as pool:
        with inside.database.transaction() as tx:
            lock_person(tx, person)
            gate = pool.submit(ask_gate)
            while not (gate.done() or somebody_waits()):
                time.sleep(0.01)
            consent.touch_gallery(tx, person)
        assert not gate.result(), "the gallery is another one now"
    assert not ask_gate()


def test_a_grant_that_ended_since_the_judgement_closes_the_gate_and_takes_in_what_is_out(inside, person):
    with inside.database.transaction() as tx:
        consent.grant(tx, NOW, person, grantee="ana", scope="both", expires_at=END, by="test")
    mine, other = put(inside, shows=[(person, FACE, "matched")]), put(inside, shows=[(person, "inherited", "possible")])
    with inside.database.transaction() as tx:
        facts = facts_of(tx, inside, person)
        inside.clock.at = END - timedelta(seconds=1)
        assert still_true(tx, inside, facts)
        inside.clock.at = END
        assert not still_true(tx, inside, facts)
    inside.clock.at = END - timedelta(seconds=1)
    assert judge_outlived(inside) == 0
    inside.clock.at = END
    assert judge_outlived(inside) == 1
    with inside.database.transaction() as tx:
        found = dict(tx.pg.execute("select clip_id, status from moderation.clips").fetchall())
    assert found == {mine: "processing", other: "released"}
    assert judge_outlived(inside) == 0


def test_a_clip_that_cannot_be_judged_again_when_a_grant_ends_stops_no_other(inside, person, monkeypatch):
    with inside.database.transaction() as tx:
        consent.grant(tx, NOW, person, grantee="ana", scope="both", expires_at=END, by="test")
    clips = [put(inside, shows=[(person, FACE, "matched")]) for _ in range(2)]
    broken, again = min(clips), rejudging.next_generation

    def fail(tx, clip, now):
        if clip.clip_id == broken:
            raise Conflict("its next generation")
        return again(tx, clip, now)

    monkeypatch.setattr(rejudging, "next_generation", fail)
    inside.clock.at = END
    assert judge_outlived(inside) == 1
    monkeypatch.undo()
    assert (judge_outlived(inside), judge_outlived(inside)) == (1, 0)


def test_a_remix_that_nobody_declared_is_one_and_an_equal_clip_is_none(inside, person):
    first = put(inside, shows=[(person, FACE, "matched")])
    remix, twin = put(inside), put(inside)
    with inside.database.transaction() as tx:
        descent.join(tx, remix, [first], "payload", NOW)
        descent.join(tx, twin, [first], "copy", NOW)
        assert people_in_ancestors(tx, remix, []) == {person}
        assert people_in_ancestors(tx, twin, []) == frozenset()
        assert people_in_ancestors(tx, twin, [first]) == {person}


def test_who_says_less_while_a_clip_is_judged_waits_for_no_clip_and_has_it_judged_afterwards(inside, person):
    clip = put(inside, shows=[(person, FACE, "matched")])
    with inside.database.transaction() as judging:
        read_clip(judging, clip, lock=True)
        # Whoever judges holds the clip and wants the person; this holds the person, and must not want the clip.
        with inside.database.transaction() as tx:
            tx.pg.execute("set local lock_timeout = '5s'")
            consent.forbid(tx, NOW, person, ["sexual"], by="test")
            judge_clips_of(tx, inside.enqueuer, person)
        judging.pg.execute(queries("people").people_shared, {"people": [person]})
    with inside.database.system_transaction() as tx:
        named = "select count(*)::int from dbos.workflow_status where name = 'judge_clips_of' and workflow_uuid like %s"
        assert tx.pg.execute(named, (f"default:{person}:%",)).fetchone() == (1,)
    assert (judge_released(inside, "default", person), judge_released(inside, "default", person)) == (1, 0)


def test_who_is_erased_while_a_clip_is_judged_waits_for_that_and_stops_nobody(inside, person):
    clip = put(inside, status="processing", shows=[(person, FACE, "matched")])
    failed: list[Exception] = []

    def erase() -> None:
        try:
            with inside.database.transaction() as tx:
                erasure.forget_person(tx, inside, NOW, person, by="test")
        except Exception as error:  # noqa: BLE001 (the thread's end is the test's to tell)
            failed.append(error)

    erasing = threading.Thread(target=erase)
    with inside.database.transaction() as judging:
        read_clip(judging, clip, lock=True)
        erasing.start()
        while judging.pg.execute(WAITING).fetchone() is None and erasing.is_alive():
            time.sleep(0.01)
        judging.pg.execute(queries("people").people_shared, {"people": [person]})
    erasing.join()
    assert failed == []
    with inside.database.transaction() as tx:
        assert read_clip(tx, clip).status == "withdrawn"


def test_what_was_out_before_and_is_on_its_way_when_somebody_is_erased_is_to_be_purged(inside, person):
    out, new = (put(inside, status=status, shows=[(person, FACE, "matched")]) for status in ("released", "held"))
    with inside.database.transaction() as tx:
        tx.pg.execute("update moderation.clips set status = 'processing' where clip_id = %s", (out,))
        revocation = erasure.forget_person(tx, inside, NOW, person, by="test")
        told = "select body from moderation.events where clip_id = %s order by seq desc limit 1"
        said = {clip: json.loads(tx.pg.execute(told, (clip,)).fetchone()[0]) for clip in (out, new)}
    assert {each["type"] for each in said.values()} == {"clip.withdrawn"}
    assert (said[out]["data"]["purge"], said[out]["data"]["revocation_id"]) == (True, revocation)
    assert "purge" not in said[new]["data"]
    driving.drive(inside, "default", revocation)
    with inside.database.transaction() as tx:
        far = progress(tx, revocation)
        assert (far.state, far.targets, far.unpurged) == ("awaiting_receipts", 2, 1)
        assert take_receipt(tx, NOW, revocation, [out], by="platform") == 1
        assert progress(tx, revocation).state == "completed"
