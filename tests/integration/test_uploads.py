"""Equal bytes are stored once: removing them with one clip takes nothing from a copy that is being handed in."""

import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from moderation import fetching, intake, release, retention
from moderation.assembly import open_services
from moderation.clips import Clip, Submission
from moderation.clock import FixedClock, SystemClock
from moderation.errors import Outage
from moderation.services import Services
from moderation.settings import Settings

ORG = "default"
SAID = Submission(creator="ana")


@pytest.fixture
def services(settings: Settings, lend_decoders) -> Iterator[Services]:
    """Services whose clock a test may move."""
    with open_services(settings, clock=FixedClock(SystemClock().now())) as opened, lend_decoders(opened):
        yield opened


def hand_in(services: Services, path: Path) -> Clip:
    return intake.accept_file(services, ORG, "tester", path, SAID)


def fetched(services: Services, path: Path) -> Clip:
    """A clip whose bytes come from elsewhere, as they were written into it."""
    clip = intake.accept_url(services, ORG, "tester", "https://source.example/clip", SAID)
    fetching._keep(services, clip, path)
    with services.database.transaction(ORG) as tx:
        return intake.read_clip(tx, clip.clip_id)


def bytes_of(services: Services, clip: Clip) -> int:
    with services.store.open(services.upload_key(clip)) as path:
        return path.stat().st_size


def uploads(services: Services) -> int:
    return len(list(services.store.list(f"{ORG}/upload")))


def settled_long_ago(services: Services, clip: Clip) -> None:
    with services.database.transaction(ORG) as tx:
        tx.pg.execute("update moderation.clips set status = 'released' where clip_id = %s", (clip.clip_id,))
    services.clock.at += timedelta(days=400)


def delete(services: Services, clip: Clip) -> None:
    release.delete(services, ORG, clip.clip_id, "tester")


def sweep(services: Services, clip: Clip) -> None:
    retention.sweep(services)


def waits(services: Services) -> bool:
    with services.database.system_transaction() as tx:
        found = tx.pg.execute("select 1 from pg_locks where locktype = 'advisory' and not granted limit 1").fetchone()
    return found is not None


def meanwhile(services: Services, act: Callable[[], Clip]) -> tuple[threading.Thread, list[Clip]]:
    """Let `act` come as far as it can beside this thread: to its end, or to where it waits its turn."""
    made: list[Clip] = []
    thread = threading.Thread(target=lambda: made.append(act()))
    thread.start()
    until = time.monotonic() + 30
    while thread.is_alive() and not waits(services) and time.monotonic() < until:
        time.sleep(0.01)
    return thread, made


@pytest.mark.parametrize("bring", [hand_in, fetched])
@pytest.mark.parametrize("remove", [delete, sweep])
def test_a_copy_handed_in_while_the_bytes_are_removed_has_them(bring, remove, services, drawn, monkeypatch):
    clip, act, others = hand_in(services, drawn), services.store.delete, []
    if remove is sweep:
        settled_long_ago(services, clip)

    def interrupted(key: str) -> None:
        if key == services.upload_key(clip):
            others.append(meanwhile(services, lambda: bring(services, drawn)))
        act(key)

    monkeypatch.setattr(services.store, "delete", interrupted)
    remove(services, clip)
    ((thread, made),) = others
    thread.join(30)
    (copy,) = made
    assert copy.content_sha256 == clip.content_sha256
    assert bytes_of(services, copy) == drawn.stat().st_size


@pytest.mark.parametrize("bring", [hand_in, fetched])
@pytest.mark.parametrize("remove", [delete, sweep])
def test_bytes_removed_between_storing_and_writing_a_copy_are_stored_again(bring, remove, services, drawn, monkeypatch):
    clip, act, done = hand_in(services, drawn), services.store.put, []
    if remove is sweep:
        settled_long_ago(services, clip)

    def interrupted(org: str, prefix: str, path: Path):
        blob = act(org, prefix, path)
        if not done:
            done.append(True)
            remove(services, clip)
            assert uploads(services) == 0
        return blob

    monkeypatch.setattr(services.store, "put", interrupted)
    assert bytes_of(services, bring(services, drawn)) == drawn.stat().st_size


def test_the_last_of_two_clips_that_are_deleted_takes_the_bytes(services, drawn):
    first, second = hand_in(services, drawn), hand_in(services, drawn)
    delete(services, first)
    assert bytes_of(services, second) == drawn.stat().st_size
    delete(services, second)
    assert uploads(services) == 0


def test_two_clips_deleted_at_once_leave_no_bytes(services, drawn, monkeypatch):
    first, second = hand_in(services, drawn), hand_in(services, drawn)
    forget, done = release.audit.record, []

    def interrupted(tx, now, actor, action, subject, **details):
        forget(tx, now, actor, action, subject, **details)
        if action == "clip.deleted" and not done:
            done.append(True)
            delete(services, second)

    monkeypatch.setattr(release.audit, "record", interrupted)
    delete(services, first)
    assert uploads(services) == 0


@pytest.mark.parametrize("handed_in", [True, False])
def test_what_a_deletion_that_was_cut_short_left_goes_when_it_is_asked_for_again(
    handed_in, services, drawn, monkeypatch
):
    clip, act = hand_in(services, drawn), services.store.delete

    def lost(key: str) -> None:
        raise Outage("blobs", "killed between the commit and the file")

    monkeypatch.setattr(services.store, "delete", lost)
    with pytest.raises(Outage):
        delete(services, clip)
    monkeypatch.setattr(services.store, "delete", act)
    assert uploads(services) == 1
    if handed_in:
        copy = hand_in(services, drawn)
        delete(services, clip)
        assert bytes_of(services, copy) == drawn.stat().st_size
        delete(services, copy)
    delete(services, clip)
    assert uploads(services) == 0


def test_what_a_deletion_that_was_cut_short_left_goes_with_its_retention(services, drawn, monkeypatch):
    clip, act = hand_in(services, drawn), services.store.delete
    monkeypatch.setattr(services.store, "delete", lambda key: None)
    delete(services, clip)
    monkeypatch.setattr(services.store, "delete", act)
    services.clock.at += timedelta(days=400)
    assert (uploads(services), retention.sweep(services)["blob:upload"], uploads(services)) == (1, 1, 0)
    assert retention.sweep(services)["blob:upload"] == 0


def test_what_reviewers_saw_of_a_clip_goes_when_a_deletion_that_was_cut_short_is_asked_for_again(
    services, drawn, monkeypatch
):
    clip, act = hand_in(services, drawn), services.store.delete
    veiled = services.store.put(ORG, "veiled", drawn)
    line = (ORG, clip.clip_id, veiled.sha256, veiled.key, services.clock.now())
    insert = (
        "insert into moderation.renditions (org_id, clip_id, kind, sha256, blob_key, bytes, report, created_at)"
        " values (%s, %s, 'veiled', %s, %s, 1, '{}', %s)"
    )
    with services.database.transaction(ORG) as tx:
        tx.pg.execute(insert, line)

    def lost(key: str) -> None:
        raise Outage("blobs", "killed between the commit and the file")

    monkeypatch.setattr(services.store, "delete", lost)
    with pytest.raises(Outage):
        delete(services, clip)
    assert services.store.has(veiled.key)
    monkeypatch.setattr(services.store, "delete", act)
    delete(services, clip)
    assert not services.store.has(veiled.key)
    with services.database.transaction(ORG) as tx:
        assert tx.pg.execute("select 1 from moderation.renditions where kind = 'veiled'").fetchone() is None
