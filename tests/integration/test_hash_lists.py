"""Hash lists end to end: kept in Postgres, compared with clips, in force at once, never across organisations.

Everything listed here is a picture of coloured blocks.
"""

import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import psycopg
import pytest

from moderation import intake, judging, release, screening
from moderation.assembly import open_services
from moderation.checking import InlineSteps, check_file
from moderation.clips import Submission
from moderation.db.clips import read_clip
from moderation.db.migrate import _config, _engine, migrate
from moderation.errors import NotFound, Outage, Unprocessable
from moderation.hashlists import mirror
from moderation.hashlists.formats import Entry, Format, Kind, read_entries
from moderation.hashlists.lists import (
    Category,
    add_entries,
    create_list,
    export_entries,
    read_lists,
    switch_entries,
    switch_list,
)
from moderation.hashlists.matching import FAR, compare
from moderation.hashlists.prints import hash_picture, keep_print, read_print
from moderation.hashlists.providers import ServiceMatch, ServiceUnavailable
from moderation.pipeline import process_clip
from moderation.replaying import replay_decisions
from moderation.samples.footage import write_footage
from moderation.services import Services
from moderation.verdicts import read_verdict

ORG = "default"
FPS = 10


def picture(seed):
    """Coloured blocks, different for each seed; BGR uint8 [180, 320, 3]."""
    blocks = np.random.default_rng(seed).integers(0, 256, (9, 16, 3), np.uint8)
    return np.ascontiguousarray(np.kron(blocks, np.ones((20, 20, 1), np.uint8)))


def pdq(seed, *, off=0):
    """The hash of a picture, with so many bits turned, spread over all of it."""
    bits = np.unpackbits(hash_picture(picture(seed))[0][0])
    bits[np.linspace(0, 255, off).astype(int)] ^= 1
    return np.packbits(bits).tobytes()


@pytest.fixture
def services(settings, lend_decoders) -> Iterator[Services]:
    with open_services(settings) as opened, lend_decoders(opened):
        yield opened


@pytest.fixture
def film(tmp_path):
    """Write a film that shows each picture for half a second."""

    def write(*seeds, frames=FPS // 2, name="film.mp4"):
        write_footage(tmp_path / name, (picture(seed) for seed in seeds for _ in range(frames)), fps=FPS)
        return tmp_path / name

    return write


@pytest.fixture
def place(services):
    """Take a clip in and take its print, without looking at it any further; returns its id."""

    def accept(path, org=ORG, **said):
        submission = Submission(**({"creator": "ana"} | said))
        clip = intake.accept_file(services, org, "tester", path, submission, runner="check")
        screening.take_print(services, clip)
        return clip.clip_id

    return accept


def facts(services, clip, org=ORG):
    return compare(services, org, clip).facts()


def change(services, which, act, org=ORG, **how):
    with services.database.transaction(org) as tx:
        return act(tx, services.clock.now(), which, by="tester", **how)


def scalar(services, query, *args):
    with services.database.system_transaction() as tx:
        return tx.pg.execute(query, args).fetchone()[0]


def test_a_file_is_taken_whole_or_not_at_all_and_every_change_is_audited(services, put_on_list):
    made = put_on_list(services, pdq(1), kind="pdq", category="takedown", name="feed")
    lines = iter([f"{'ab' * 32}\n", "bad\n"])
    with pytest.raises(Unprocessable):
        change(services, "feed", add_entries, entries=read_entries(lines, Format.LINES))
    entries = [Entry(kind=Kind.PDQ, hash=each) for each in (pdq(1), pdq(2), pdq(2))]
    assert change(services, "feed", add_entries, entries=entries) == 1
    assert change(services, made, switch_entries, hashes=[pdq(2)], items=[], enabled=False) == 1
    assert change(services, made, add_entries, entries=entries) == 0
    with services.database.transaction(ORG) as tx:
        (seen,) = read_lists(tx)
        kept = list(export_entries(tx, services.clock.now(), made, by="tester"))
    assert (seen.entries, seen.disabled, seen.version) == (1, 1, 4)
    assert [entry.hash for entry in kept] == [pdq(1)]
    with services.database.system_transaction() as tx:
        said = tx.pg.execute(
            "select body::jsonb ->> 'action' from moderation.audit_entries where body like %s order by seq",
            (f"%{made}%",),
        ).fetchall()
    assert [action for (action,) in said] == [
        "hash_list.created", "hash_list.added", "hash_list.added", "hash_list.entries_disabled", "hash_list.added",
        "hash_list.exported",
    ]  # fmt: skip


def test_lists_of_others_are_neither_seen_nor_changed_and_the_deployments_hold_for_all(
    services, film, place, put_on_list
):
    with services.database.system_transaction() as tx:
        tx.pg.execute("insert into moderation.organisations values ('rival')")
    theirs = put_on_list(services, pdq(1), kind="pdq", category="takedown", org="rival", name="theirs")
    clip = place(film(1, 2))
    assert facts(services, clip)["takedown_share"] == 0.0
    with pytest.raises(NotFound):
        change(services, theirs, switch_list, enabled=False)
    everybodys = put_on_list(services, pdq(2), kind="pdq", category="takedown", org="*", name="everybodys")
    assert facts(services, clip)["takedown_list"] == "everybodys"
    assert facts(services, place(film(1, 3), org="rival"), "rival")["takedown_list"] == "theirs"
    with services.database.transaction(ORG) as tx:
        assert [each.name for each in read_lists(tx)] == ["everybodys"]
    with pytest.raises(NotFound):
        change(services, everybodys, switch_list, enabled=False)
    forged = (
        "insert into moderation.hash_lists (org_id, list_id, name, category, created_at) "
        "values ('*', 'hlist_x', 'x', 'takedown', now())"
    )
    for statement in (forged, "update moderation.hash_lists set org_id = '*'", "delete from moderation.hash_entries"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege), services.database.transaction("rival") as tx:
            tx.pg.execute(statement)


ADDING = """
import sys
from moderation.db import Database
from moderation.hashlists.formats import Entry, Kind
from moderation.hashlists.lists import add_entries, switch_entries
from moderation.clock import SystemClock
dsn, hash_, act = sys.argv[1:]
with Database(dsn).transaction("default") as tx:
    now, hash_ = SystemClock().now(), bytes.fromhex(hash_)
    if act == "add":
        add_entries(tx, now, "feed", [Entry(kind=Kind.PDQ, hash=hash_)], by="tester")
    else:
        switch_entries(tx, now, "feed", hashes=[hash_], items=[], enabled=act == "enable", by="tester")
"""


def test_what_another_process_adds_or_disables_counts_at_the_next_look_up(services, film, place, put_on_list, dsn):
    put_on_list(services, pdq(9), kind="pdq", category="takedown", name="feed")
    clip = place(film(1, 2))
    assert facts(services, clip)["takedown_distance"] == FAR
    for act, share in (("add", 0.5), ("disable", 0.0)):
        subprocess.run([sys.executable, "-c", ADDING, dsn, pdq(1).hex(), act], check=True)
        assert facts(services, clip)["takedown_share"] == share, act
    change(services, "feed", switch_entries, hashes=[pdq(1)], items=[], enabled=True)
    assert facts(services, clip)["takedown_share"] == 0.5
    change(services, "feed", switch_list, enabled=False)
    assert facts(services, clip)["takedown_share"] == 0.0


def test_shares_are_of_the_clips_frames_and_of_the_listed_video(services, film, place):
    now = services.clock.now()
    with services.database.transaction(ORG) as tx:
        create_list(tx, now, name="videos", category=Category.TAKEDOWN, source="", by="tester")
        listed = [Entry(kind=Kind.PDQ, hash=pdq(seed), item="a video") for seed in (1, 2, 3, 4)]
        listed += [Entry(kind=Kind.PDQ, hash=pdq(5, off=6), item="a picture")]
        listed += [Entry(kind=Kind.PDQ, hash=pdq(6), quality=49, item="too plain")]
        add_entries(tx, now, "videos", listed, by="tester")
    known = facts(services, place(film(1, 2, 7, 8)))
    assert (known["frames"], known["takedown_share"], known["takedown_target_share"]) == (4, 0.5, 0.5)
    known = facts(services, place(film(5, 7, 8, 9)))
    assert (known["takedown_share"], known["takedown_target_share"]) == (0.25, 1.0)
    assert 0 < known["takedown_distance"] <= 31
    assert facts(services, place(film(6, 7)))["takedown_share"] == 0.0
    change(services, "videos", switch_entries, hashes=[], items=["a video"], enabled=False)
    assert facts(services, place(film(1, 2)))["takedown_share"] == 0.0


def test_turned_pictures_are_found_on_the_second_look_and_near_ones_are_said_to_be_near(
    services, film, place, put_on_list
):
    turned = np.ascontiguousarray(np.rot90(picture(1)))
    put_on_list(services, hash_picture(turned)[0][0].tobytes(), kind="pdq", category="takedown", name="turned")
    known = facts(services, place(film(1, 2)))
    assert (known["takedown_share"], known["takedown_list"]) == (0.5, "turned")
    put_on_list(services, pdq(3, off=45), pdq(4, off=45), kind="pdq", category="takedown", name="near")
    known = facts(services, place(film(3, 4)))
    assert (known["takedown_share"], known["takedown_near_share"]) == (0.0, 1.0)
    assert 35 <= known["takedown_distance"] <= 55


def test_a_clip_nobody_can_tell_apart_has_no_shares(services, tmp_path, place, put_on_list):
    put_on_list(services, pdq(1), kind="pdq", category="takedown")
    write_footage(tmp_path / "grey.mp4", [np.full((180, 320, 3), 90, np.uint8)] * FPS, fps=FPS)
    assert facts(services, place(tmp_path / "grey.mp4")) == {"frames": 0}


def test_copies_of_our_own_clips_are_told_by_what_became_of_them(services, film, place):
    first, again = place(film(1, 2, 3)), film(1, 2, 4)
    anas, bobs = place(again), place(again, creator="bob")
    remix = place(again, creator="bob", parents=(first,))
    third = round(2 / 3, 4)

    def shares(clip, status):
        with services.database.system_transaction() as tx:
            tx.pg.execute("update moderation.clips set status = %s where clip_id = %s", (status, first))
        known = facts(services, clip)
        return [known[f"{word}_share"] for word in ("withheld", "withdrawn", "others")]

    assert shares(bobs, "processing") == [0.0, 0.0, 0.0]
    assert shares(bobs, "released") == [0.0, 0.0, third]
    assert shares(remix, "released") == [0.0, 0.0, 0.0]
    assert shares(anas, "released") == shares(anas, "withdrawn") == [0.0, 0.0, 0.0]
    assert shares(bobs, "withdrawn") == [0.0, third, 0.0]
    assert shares(anas, "withheld") == [third, 0.0, 0.0]
    release.delete(services, ORG, first, "tester")
    assert scalar(services, "select count(*) from moderation.clip_prints where clip_id = %s", first) == 0
    assert shares(bobs, "withheld") == [0.0, 0.0, 0.0]


def test_one_listed_frame_in_a_film_seals_it(services, tmp_path, put_on_list):
    shown = [picture(1)] * 30
    shown[17] = picture(2)
    write_footage(tmp_path / "insert.mp4", shown, fps=30)
    put_on_list(services, pdq(2), kind="pdq")
    clip = intake.accept_file(
        services, ORG, "tester", tmp_path / "insert.mp4", Submission(creator="ana"), runner="check"
    )
    process_clip(InlineSteps(services), ORG, clip.clip_id, 1)
    verdict = read_verdict(services, ORG, clip.clip_id)
    assert (verdict["status"], verdict["decision"]["reasons"][0]["code"]) == ("withheld", "known_illegal")
    assert scalar(services, "select count(*) from moderation.analyses") == 0


def test_what_is_listed_while_a_clip_is_decoded_seals_it(services, film, put_on_list, monkeypatch):
    put_on_list(services, pdq(9), kind="pdq", name="feed")
    clip = intake.accept_file(services, ORG, "tester", film(1, 2), Submission(creator="ana"), runner="check").clip_id
    decode = screening.take_print

    def listed_meanwhile(*said):
        taken = decode(*said)
        change(services, "feed", add_entries, entries=[Entry(kind=Kind.PDQ, hash=pdq(2))])
        return taken

    monkeypatch.setattr(screening, "take_print", listed_meanwhile)
    assert InlineSteps(services).run("begin", ORG, clip, 1) == "go"
    assert screening.screen(services, ORG, clip, 1) == "known_illegal"


def test_a_clip_of_plain_frames_is_decoded_once_for_its_print(services, tmp_path, put_on_list):
    put_on_list(services, pdq(9), kind="pdq")
    write_footage(tmp_path / "grey.mp4", [np.full((180, 320, 3), 90, np.uint8)] * FPS, fps=FPS)
    submission = Submission(creator="ana")
    clip = intake.accept_file(services, ORG, "tester", tmp_path / "grey.mp4", submission, runner="check")
    assert screening.screen(services, ORG, clip.clip_id, 1) == "clear"
    services.store.delete(services.upload_key(clip))
    assert screening.screen(services, ORG, clip.clip_id, 1) == "clear"


def test_a_list_that_came_half_is_not_taken_for_whole(services, film, place, put_on_list, monkeypatch):
    """The database goes away in the middle of a copy; afterwards every entry stands in it once, and can be disabled."""
    put_on_list(services, pdq(1), pdq(2), pdq(3), kind="pdq", category="takedown", name="feed")
    clip = place(film(1, 2))
    whole = mirror.copy_changes

    def half(*asked):
        yield next(whole(*asked))
        raise psycopg.OperationalError("the database went away")

    with monkeypatch.context() as broken:
        broken.setattr(mirror, "copy_changes", half)
        with pytest.raises(psycopg.OperationalError):
            compare(services, ORG, clip)
    assert facts(services, clip)["takedown_share"] == 1.0
    assert len(services.hash_lists) == 3
    change(services, "feed", switch_entries, hashes=[pdq(1), pdq(2)], items=[], enabled=False)
    assert facts(services, clip)["takedown_share"] == 0.0


def test_what_was_found_among_our_own_clips_keeps_its_name_while_the_copy_is_made_anew(services, film, place):
    own = mirror.ClipMirror(1)
    first = place(film(1, 2))
    own.refresh(services.database)
    hashes = np.frombuffer(pdq(1), np.uint8).reshape(1, 32)
    (found,) = own.near(hashes, 31)
    for seed in (3, 4, 5):
        place(film(seed, seed + 10, name=f"{seed}.mp4"))
        own.refresh(services.database)
    assert (found.clip, found.frames) == (first, 2)
    assert own.near(hashes, 31) == []


class Outside:
    """A closed service, played here because it lies outside."""

    name, wants = "outside", "hashes"

    def __init__(self, category):
        self.category, self.asked, self.down = category, 0, False

    def match(self, frames):
        self.asked += 1
        if self.down:
            raise ServiceUnavailable("out of order")
        return [ServiceMatch(time_ms=frames[0].time_ms, category=self.category, list="theirs")]


def test_a_closed_service_that_is_down_holds_the_clip_and_one_that_knows_it_seals_it(services, film):
    services.__dict__["hash_services"] = (asked := Outside(Category.KNOWN_ILLEGAL),)
    asked.down = True
    clip = intake.accept_file(services, ORG, "tester", film(1, 2), Submission(creator="ana"), runner="check").clip_id
    process_clip(InlineSteps(services), ORG, clip, 1)
    verdict = read_verdict(services, ORG, clip)
    assert (verdict["status"], verdict["held"]["cause"]) == ("held", "hash_service:outside")
    assert scalar(services, "select count(*) from moderation.analyses") == 0
    with services.database.transaction(ORG) as tx:
        tx.pg.execute("update moderation.clips set status = 'processing', held_cause = null, retry_at = null")
    asked.down = False
    assert screening.screen(services, ORG, clip, 1) == "known_illegal"
    assert read_verdict(services, ORG, clip)["status"] == "withheld"


@pytest.mark.parametrize("wants", ["hashes", "frames"])
def test_a_closed_service_is_asked_once_a_clip_and_its_answer_is_a_fact(services, film, wants):
    services.__dict__["hash_services"] = (asked := Outside(Category.TAKEDOWN),)
    asked.wants = wants
    clip = intake.accept_file(services, ORG, "tester", film(1, 2), Submission(creator="ana"), runner="check").clip_id
    assert [screening.screen(services, ORG, clip, 1) for _ in range(2)] == ["clear", "clear"]
    assert asked.asked == 1
    known = facts(services, clip)
    assert (known["takedown_share"], known["takedown_list"]) == (0.5, "theirs")
    asked.match = lambda _: 1 / 0
    other = intake.accept_file(services, ORG, "tester", film(3, 4), Submission(creator="ana"), runner="check").clip_id
    with pytest.raises(Outage, match="ZeroDivisionError"):
        screening.screen(services, ORG, other, 1)


def test_what_stood_in_the_older_table_becomes_lists(dsn):
    from alembic import command  # noqa: PLC0415

    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("drop schema moderation cascade")
        connection.execute("create schema moderation")
    with _engine(dsn) as pool, pool.begin() as connection, _config() as config:
        config.attributes["connection"] = connection.execution_options(no_parameters=True)
        command.upgrade(config, "0002")
    with psycopg.connect(dsn, autocommit=True) as connection:
        add = "insert into moderation.known_hashes (org_id, kind, hash, source) values ('default', %s, %s, %s)"
        for kind, number, source in (("pdq", 1, "hotline"), ("sha256", 2, "hotline"), ("pdq", 3, "our own")):
            connection.execute(add, (kind, bytes([number]) * 32, source))
    migrate(dsn)
    with psycopg.connect(dsn) as connection:
        found = connection.execute(
            "select l.name, l.category, e.kind, e.hash from moderation.hash_entries e "
            "join moderation.hash_lists l using (list_no) order by e.hash"
        ).fetchall()
    assert found == [
        ("hotline", "known_illegal", "p", bytes([1]) * 32),
        ("hotline", "known_illegal", "s", bytes([2]) * 32),
        ("our own", "known_illegal", "p", bytes([3]) * 32),
    ]


@pytest.mark.full
def test_a_takedown_is_decided_by_the_policies_and_replays(services, embedded_pack, film, put_on_list):
    put_on_list(services, pdq(1), pdq(2), kind="pdq", category="takedown", item="a video")
    whole = check_file(services, ORG, "tester", film(1, 2), Submission(creator="ana"))
    part = check_file(services, ORG, "tester", film(1, 3, 4), Submission(creator="bob"))
    verdicts = [read_verdict(services, ORG, clip.clip_id) for clip in (whole, part)]
    assert [verdict["status"] for verdict in verdicts] == ["withheld", "in_review"]
    assert [verdict["decision"]["reasons"][0]["code"] for verdict in verdicts] == ["takedown_copy"] * 2
    change(services, "test takedown", switch_list, enabled=False)
    replayed = replay_decisions(services, ORG)
    assert (replayed.equal, replayed.different) == (2, [])


@pytest.mark.full
def test_a_hash_listed_while_a_clip_is_looked_at_seals_it_with_all_that_was_made(
    services, embedded_pack, film, put_on_list
):
    clip = intake.accept_file(services, ORG, "tester", film(1, 2), Submission(creator="ana"), runner="check").clip_id
    steps = InlineSteps(services)
    assert [steps.run(step, ORG, clip, 1) for step in ("begin", "screen", "detect")] == ["go", "clear", "done"]
    steps.run("mark", ORG, clip, 1)
    made = scalar(services, "select blob_key from moderation.renditions")
    put_on_list(services, pdq(2), kind="pdq")
    assert judging.judge(services, ORG, clip, 1, "1.0") == "withheld"
    assert judging.judge(services, ORG, clip, 1, "1.0") == "withheld"
    assert scalar(services, "select count(*) from moderation.renditions") == 0
    assert scalar(services, "select queue from moderation.cases where state = 'open'") == "known_illegal"
    assert scalar(services, "select body::jsonb -> 'data' ->> 'reasons' from moderation.events") == "[]"
    left = [key for key, _ in services.store.list(ORG)]
    assert made not in left
    assert all("/sealed/" in key for key in left), left
    with services.database.transaction(ORG) as tx:
        assert read_clip(tx, clip).status == "withheld"


@pytest.mark.full
def test_twenty_thousand_hashes_keep_the_promises_of_a_million(services, monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parents[2] / "benchmarks")
    figures = importlib.import_module("hashes").measure(services, 20_000, clips=40)
    assert [figures["recall"][bits] for bits in ("0", "8", "16", "24", "28", "31")] == [1.0] * 6
    assert figures["recall"]["45"] >= 0.9
    assert figures["disk"]["bytes_a_hash"] <= 200
    assert figures["look_up"]["first_look_ms"]["cpu_p95"] <= 50
    assert figures["added_hash_counts_after_ms"] <= 5000


def test_a_print_is_taken_once(services, film, place):
    clip = place(film(1, 2))
    other = SimpleNamespace(to_bytes=lambda: b"x", hashes=np.zeros((1, 8, 32), np.uint8))
    with services.database.transaction(ORG) as tx:
        keep_print(tx, clip, other, services.clock.now())
        assert len(read_print(tx, clip)) == 2
