"""Looking back: whoever registers today is found in what was judged before, each clip is counted once, none is forgotten.

One look at real clips with the real networks; everything else is rows.
"""

from collections.abc import Iterator
from datetime import timedelta

import cv2
import numpy as np
import pytest
from families import NOW, Row, register, write

from moderation import consent, descent
from moderation.assembly import open_services
from moderation.clock import FixedClock
from moderation.enrolment import register_person
from moderation.errors import Conflict, NotFound, Outage
from moderation.lookbacks import asking, driving
from moderation.lookbacks.looking import Seen
from moderation.lookbacks.progress import lookbacks_of, progress, unreadable_clips
from moderation.revocations.rejudging import judge_copies
from moderation.samples.footage import write_footage
from moderation.samples.portraits import portrait
from moderation.samples.stills import near
from moderation.services import Services

ORG = "default"
DAY = timedelta(days=1)
WINDOW = asking.Window(since=NOW - DAY, until=NOW + DAY)
NOBODY = Seen(ways={}, partly=False, cpu_ms=1_000)


@pytest.fixture
def services(settings, loaded, lend_decoders, monkeypatch) -> Iterator[Services]:
    # What was found goes to judgement, and nobody judges here.
    monkeypatch.setattr(driving, "GIVE_WAY_SECONDS", 0.0)
    with open_services(settings, clock=FixedClock(NOW + timedelta(hours=1))) as opened, lend_decoders(opened):
        opened.__dict__["detectors"] = loaded
        yield opened


@pytest.fixture
def person(services) -> str:
    """Somebody whose template is no face at all: for everything but the looks."""
    return register(services.database, services.vault, model=services.face_model)


def put(services, *rows, **said) -> list[str]:
    """Write clips of a size that can be looked at, with some of their columns set."""
    with services.database.transaction() as tx:
        clips = write(tx, rows)
        for column, value in said.items():
            tx.pg.execute(f"update moderation.clips set {column} = %s where clip_id = any(%s)", (value, clips))
    return clips


def keep(services, path, row, **said) -> str:
    """A clip whose upload is this file."""
    sha256 = services.store.put(ORG, "upload", path).sha256
    (clip,) = put(services, row, content_sha256=sha256, probe='{"duration_ms": 400}', **said)
    return clip


def ask(services, person, window=WINDOW) -> str:
    with services.database.transaction() as tx:
        return asking.ask(services, tx, person, window, by="test")


def far(services, person, lookback):
    with services.database.transaction() as tx:
        return progress(tx, person, lookback)


def scalar(services, query, *args):
    with services.database.system_transaction() as tx:
        return tx.pg.execute(query, args).fetchone()[0]


def status(services, clip):
    return scalar(services, "select status from moderation.clips where clip_id = %s", clip)


def test_who_registers_today_is_found_in_what_was_judged_before(services, tmp_path):
    file = portrait("collins", services.settings.models)
    shown, empty, broken = tmp_path / "shown.mp4", tmp_path / "empty.mp4", tmp_path / "broken.mp4"
    write_footage(shown, near(cv2.imread(str(file)), 4, 720, 720), fps=10)
    write_footage(empty, iter([np.full((240, 320, 3), 90, np.uint8)] * 4), fps=10)
    broken.write_bytes(b"no film at all")
    named = keep(services, shown, Row(), prompt="Eileen Collins says hello")
    waiting = keep(services, shown, Row(status="in_review"))
    without = keep(services, empty, Row())
    unreadable = {keep(services, broken, Row()), *put(services, Row())}
    before = keep(services, shown, Row(), created_at=NOW - 2 * DAY)
    picture = {"kind": "cameo", "images": [file], "by": "test"}
    person = register_person(services, ORG, name="Eileen Collins", **picture)
    # Registered again, and nothing of the others compared: it is one person who is looked for.
    other = register_person(services, ORG, name="Somebody", **picture)
    lookback = ask(services, person)
    driving.list_window(services, ORG, lookback)
    turn = driving.take_turn(services, ORG, lookback)
    assert turn.clip.clip_id == named
    driving.drive(services, ORG, lookback)
    done = far(services, person, lookback)
    assert (done.state, done.clips, done.named, done.left) == ("done", 5, 1, 0)
    assert (done.looked, done.matched, done.possible, done.partly, done.unreadable) == (3, 2, 0, 0, 2)
    assert done.cpu_ms > 0
    with services.database.transaction() as tx:
        assert {each["clip_id"] for each in unreadable_clips(tx, lookback)} == unreadable
    found = (
        "select array_agg(clip_id || how || state order by clip_id) from moderation.appearances where person_id = %s"
    )
    assert scalar(services, found, person) == [f"{clip}facematched" for clip in sorted([named, waiting])]
    assert scalar(services, found, other) is None
    assert [status(services, clip) for clip in (named, waiting)] == ["processing"] * 2
    assert [status(services, clip) for clip in (without, before, *unreadable)] == ["released"] * 4
    assert scalar(services, "select count(*) from dbos.workflow_status where name = 'process_clip'") == 2
    assert scalar(services, "select array_agg(type) from moderation.events where about = %s", lookback) == [
        "lookback.completed"
    ]


def test_a_clip_whose_look_was_cut_off_is_looked_at_again_and_counted_once(services, person):
    clips = put(services, Row(), Row(), Row())
    lookback = ask(services, person)
    assert [driving.list_window(services, ORG, lookback) for _ in range(2)] == [3, 0]
    cut_off = driving.take_turn(services, ORG, lookback)
    # A kill leaves the try that was noted, and nothing else; the next worker takes the same clip.
    turn = driving.take_turn(services, ORG, lookback)
    assert (turn.clip.clip_id, turn.tries) == (cut_off.clip.clip_id, 2)
    (copy,) = put(services, Row(), created_at=NOW - 2 * DAY)
    with services.database.transaction() as tx:
        descent.join(tx, copy, [turn.clip.clip_id], "copy", NOW)
    found = Seen(ways={"face": "matched"}, partly=True, cpu_ms=2_000)
    assert driving.count_look(services, ORG, lookback, turn, found)
    # Nobody looked at the copy, and it shows whom the first shows.
    assert scalar(services, "select count(*) from dbos.workflow_status where name = 'judge_copies_of'") == 1
    assert [judge_copies(services, ORG, turn.clip.clip_id) for _ in range(2)] == [1, 0]
    assert status(services, copy) == "processing"
    # A worker that only seemed dead comes too late, whatever it saw.
    assert not driving.count_look(services, ORG, lookback, cut_off, found)
    assert scalar(services, "select generation from moderation.clips where clip_id = %s", turn.clip.clip_id) == 2
    now = far(services, person, lookback)
    assert (now.looked, now.matched, now.partly, now.left, now.cpu_ms) == (1, 1, 1, 2, 2_000)
    assert now.cpu_seconds_left == 4.0
    second = driving.take_turn(services, ORG, lookback)
    assert second.clip.clip_id == max(set(clips) - {turn.clip.clip_id})
    driving.count_look(services, ORG, lookback, second, NOBODY)
    for _ in range(driving.TRIES):
        driving.take_turn(services, ORG, lookback)
    assert driving.look_back_some(services, ORG, lookback) == "ended"
    now = far(services, person, lookback)
    assert (now.state, now.looked, now.unreadable, now.left) == ("done", 2, 1, 0)


def test_an_outage_leaves_the_clip_listed_and_another_run_takes_it_up(services, person, loaded):
    put(services, Row())
    lookback = ask(services, person)
    driving.list_window(services, ORG, lookback)
    services.__dict__["detectors"] = ()
    for _ in range(driving.TRIES + 1):
        with pytest.raises(Outage):
            driving.look_back_some(services, ORG, lookback)
    now = far(services, person, lookback)
    assert (now.state, now.held_cause, now.left, now.unreadable) == ("running", "detector:faces", 1, 0)
    assert driving.watch(services) == 0
    services.clock.at += driving.HELD + timedelta(seconds=1)
    assert driving.watch(services) == 1
    assert scalar(services, "select count(*) from dbos.workflow_status where name = 'look_back'") == 2
    services.__dict__["detectors"] = loaded
    driving.drive(services, ORG, lookback)
    assert far(services, person, lookback).unreadable == 1


def test_only_what_was_judged_without_the_person_and_fits_the_filters_is_looked_at(services, person):
    (theirs,) = put(services, Row(), creator="bo", prompt="Two red boats at sea")
    put(services, Row(), prompt="Two red boats at sea")
    put(services, Row(), creator="bo", prompt="A red field")
    put(services, Row(status="processing"), Row(status="withdrawn"), Row(status="held"))
    (since,) = put(services, Row(), creator="bo", prompt="Red boats")
    with services.database.transaction() as tx:
        tx.pg.execute(
            "insert into moderation.analyses (org_id, clip_id, detectors, gallery, body, created_at) "
            "values ('default', %s, 'd', %s, '{}', now()), ('default', %s, 'd', '0', '{}', now())",
            (since, consent.gallery_version(tx), theirs),
        )
    window = asking.Window(since=WINDOW.since, until=WINDOW.until, creator="bo", words="boats red")
    lookback = ask(services, person, window)
    assert driving.list_window(services, ORG, lookback) == 1
    assert driving.take_turn(services, ORG, lookback).clip.clip_id == theirs
    now = far(services, person, lookback)
    assert (now.clips, now.known, now.left) == (2, 1, 1)


def test_what_moved_on_is_not_looked_at_and_erasing_the_person_ends_the_search(services, person):
    clips = put(services, Row(), Row())
    lookback = ask(services, person)
    driving.list_window(services, ORG, lookback)
    with services.database.transaction() as tx:
        tx.pg.execute("update moderation.clips set status = 'processing' where clip_id = %s", (max(clips),))
    moved = driving.take_turn(services, ORG, lookback)
    driving.count_look(services, ORG, lookback, moved, None)
    turn = driving.take_turn(services, ORG, lookback)
    assert (far(services, person, lookback).moved_on, turn.clip.clip_id) == (1, min(clips))
    with services.database.transaction() as tx:
        consent.erase_person(tx, services.clock.now(), person, by="test")
    assert not driving.count_look(services, ORG, lookback, turn, Seen(ways={"face": "matched"}, partly=False, cpu_ms=1))
    assert driving.take_turn(services, ORG, lookback) is None
    ended = far(services, person, lookback)
    assert (ended.state, ended.ended_why, ended.looked) == ("cancelled", "erased", 0)
    assert scalar(services, "select count(*) from moderation.appearances where person_id = %s", person) == 0


def test_one_at_a_time_and_who_calls_it_off_keeps_what_was_found(services, person):
    put(services, Row())
    lookback = ask(services, person)
    with pytest.raises(Conflict):
        ask(services, person)
    driving.list_window(services, ORG, lookback)
    for _ in range(2):
        with services.database.transaction() as tx:
            asking.cancel(services, tx, person, lookback, by="test")
    assert driving.look_back_some(services, ORG, lookback) == "ended"
    with services.database.transaction() as tx, pytest.raises(NotFound):
        asking.cancel(services, tx, "per_other", lookback, by="test")
    second = ask(services, person)
    with services.database.transaction() as tx:
        assert [each.lookback_id for each in lookbacks_of(tx, person)] == [second, lookback]
        assert {each.state for each in lookbacks_of(tx, person)} == {"asked", "cancelled"}


def test_the_routes_ask_tell_and_call_off_for_who_acts_for_the_person(service):
    inside = service.services
    person = register(inside.database, inside.vault, model=inside.face_model)
    place = f"/v1/people/{person}/lookbacks"
    now = inside.clock.now()
    window = {"from": (now - DAY).isoformat(), "to": now.isoformat()}
    assert service.with_scopes("read").post(place, json=window).status_code == 403
    assert service.with_scopes("likeness").post(place, json=window).status_code == 404
    assert service.client.post(place, json={**window, "from": "2026-01-01T00:00:00"}).status_code == 422
    assert service.client.post(place, json={**window, "from": "2020-01-01T00:00:00Z"}).status_code == 422
    made = service.client.post(place, json=window)
    assert (made.status_code, made.json()["state"], made.json()["clips"]) == (202, "asked", None)
    assert service.client.post(place, json=window).status_code == 409
    here = made.headers["location"]
    assert service.client.get(here).json()["lookback_id"] == made.json()["lookback_id"]
    assert service.client.post(f"{here}/cancel").json()["state"] == "cancelled"
    assert [each["state"] for each in service.client.get(place).json()["items"]] == ["cancelled"]
