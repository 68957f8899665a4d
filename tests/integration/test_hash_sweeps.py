"""Released clips meet hashes that are listed later: each that shows one is judged again, and no other."""

import numpy as np
import psycopg
import pytest

from moderation import intake, release, screening
from moderation.assembly import open_services
from moderation.checking import InlineSteps, check_file
from moderation.clips import Submission
from moderation.errors import Conflict
from moderation.hashlists import sweeping
from moderation.hashlists.formats import Entry, Kind
from moderation.hashlists.lists import add_entries, switch_entries, switch_list
from moderation.hashlists.prints import hash_picture, read_print
from moderation.hashlists.sweeping import Sweeper
from moderation.pipeline import process_clip
from moderation.samples.drawing import draw_clip
from moderation.samples.footage import write_footage
from moderation.verdicts import read_verdict

ORG = "default"
FPS = 10


def picture(seed):
    """Coloured blocks, different for each seed; BGR uint8 [180, 320, 3]."""
    blocks = np.random.default_rng(seed).integers(0, 256, (9, 16, 3), np.uint8)
    return np.ascontiguousarray(np.kron(blocks, np.ones((20, 20, 1), np.uint8)))


def pdq(seed, turns=0):
    return hash_picture(np.ascontiguousarray(np.rot90(picture(seed), turns)))[0][0].tobytes()


@pytest.fixture(autouse=True)
def one_round_does_all(monkeypatch):
    """A slow machine would end a round before everything is compared."""
    monkeypatch.setattr(sweeping, "ROUND_SECONDS", 60.0)


@pytest.fixture
def services(settings, lend_decoders):
    with open_services(settings) as opened, lend_decoders(opened):
        yield opened


@pytest.fixture
def film(tmp_path):
    """Write a film that shows each picture for half a second."""

    def write(*seeds):
        path = tmp_path / f"{'-'.join(map(str, seeds))}.mp4"
        write_footage(path, (picture(seed) for seed in seeds for _ in range(FPS // 2)), fps=FPS)
        return path

    return write


@pytest.fixture
def released(services, film):
    """Take a clip in, keep its print and call it released (or something else); returns its id."""

    def accept(*seeds, status="released", org=ORG):
        clip = intake.accept_file(services, org, "tester", film(*seeds), Submission(creator="ana"), runner="check")
        screening.take_print(services, clip)
        change = (
            "update moderation.clips set status = %(status)s, held_cause = case when %(status)s = 'held' then 'test' end, "
            "retry_at = case when %(status)s = 'held' then now() end where clip_id = %(clip)s"
        )
        with services.database.system_transaction() as tx:
            tx.pg.execute(change, {"status": status, "clip": clip.clip_id})
        return clip.clip_id

    return accept


def change(services, which, act, org=ORG, **how):
    with services.database.transaction(org) as tx:
        return act(tx, services.clock.now(), which, by="tester", **how)


def statuses(services, *clips):
    with services.database.system_transaction() as tx:
        found = tx.pg.execute("select clip_id, status, generation, runner from moderation.clips").fetchall()
    said = {clip: (status, generation) for clip, status, generation, runner in found if runner == "service"}
    return [said.get(clip) for clip in clips]


AGAIN = ("processing", 2)


def test_only_clips_that_show_a_new_hash_are_judged_again_and_once(services, released, put_on_list):
    shows, turned, other, known = released(1, 2), released(3, 4), released(5, 6), released(7, 8)
    put_on_list(services, pdq(7), kind="pdq", category="takedown", name="feed")
    sweeper = Sweeper(services)
    assert sweeper.sweep() == 1
    assert statuses(services, shows, turned, other, known) == [None, None, None, AGAIN]
    entries = [Entry(kind=Kind.PDQ, hash=each) for each in (pdq(2), pdq(3, turns=1))]
    change(services, "feed", add_entries, entries=entries)
    assert [sweeper.sweep(), sweeper.sweep(), Sweeper(services).sweep()] == [2, 0, 0]
    assert statuses(services, shows, turned, other, known) == [AGAIN, AGAIN, None, AGAIN]


def test_the_very_file_and_one_hash_among_many_are_found(services, film, released, put_on_list):
    first, second = released(1, 2), released(3, 4)
    sha256 = services.store.put(ORG, "upload", film(1, 2)).sha256
    put_on_list(services, bytes.fromhex(sha256), category="takedown", name="files")
    many = [np.random.default_rng(seed).bytes(32) for seed in range(1000, 1200)]
    put_on_list(services, *many, pdq(4), kind="pdq", category="takedown", name="pictures")
    assert Sweeper(services).sweep() == 2
    assert statuses(services, first, second) == [AGAIN, AGAIN]


def test_what_is_out_of_force_or_anothers_list_reaches_nobody_and_counts_once_it_is_in_force(
    services, released, put_on_list
):
    with services.database.system_transaction() as tx:
        tx.pg.execute("insert into moderation.organisations values ('rival')")
    clip, theirs = released(1, 2), released(1, 3, org="rival")
    put_on_list(services, pdq(1), kind="pdq", category="takedown", name="feed")
    change(services, "feed", switch_list, enabled=False)
    assert Sweeper(services).sweep() == 0
    change(services, "feed", switch_entries, hashes=[pdq(1)], items=[], enabled=False)
    change(services, "feed", switch_list, enabled=True)
    assert Sweeper(services).sweep() == 0
    change(services, "feed", switch_entries, hashes=[pdq(1)], items=[], enabled=True)
    assert Sweeper(services).sweep() == 1
    assert statuses(services, clip, theirs) == [AGAIN, None]
    put_on_list(services, pdq(3), kind="pdq", category="takedown", org="*", name="everybodys")
    assert Sweeper(services).sweep() == 1
    assert statuses(services, theirs) == [AGAIN]


@pytest.mark.parametrize(
    ("category", "reached"),
    [
        ("takedown", {"released", "processing"}),
        ("known_illegal", {"released", "processing", "in_review"}),
    ],
)
def test_which_clips_are_within_reach(services, released, put_on_list, category, reached):
    """A clip on its way may have been judged a moment before; one that is held, or was taken out, is left alone."""
    states = ("released", "processing", "in_review", "held", "withheld", "withdrawn", "refused")
    clips = {status: released(1, number + 2, status=status) for number, status in enumerate(states)}
    put_on_list(services, pdq(1), kind="pdq", category=category)
    assert Sweeper(services).sweep() == len(reached)
    found = statuses(services, *clips.values())
    assert {status for status, now in zip(clips, found, strict=True) if now == AGAIN} == reached


def test_a_sweep_that_is_cut_short_goes_on_where_it_was(services, released, put_on_list, monkeypatch):
    clips = [released(1, seed) for seed in (2, 3, 4)]
    put_on_list(services, pdq(1), kind="pdq", category="takedown")
    monkeypatch.setattr(sweeping, "BATCH", 1)
    whole = sweeping.judge_again

    def fails_at_the_second(services, org, clip, task):
        if clip == clips[1]:
            raise psycopg.OperationalError("the database went away")
        return whole(services, org, clip, task)

    with monkeypatch.context() as broken:
        broken.setattr(sweeping, "judge_again", fails_at_the_second)
        with pytest.raises(psycopg.OperationalError):
            Sweeper(services).sweep()
    assert statuses(services, *clips) == [AGAIN, None, None]
    assert Sweeper(services).sweep() == 2
    assert statuses(services, *clips) == [AGAIN] * 3


@pytest.mark.parametrize("uploaded", [True, False], ids=["upload kept", "upload past its time"])
def test_a_released_clip_that_is_listed_as_illegal_is_sealed_before_anybody_looks(
    services, released, film, put_on_list, uploaded
):
    clip = released(1, 2)
    with services.store.open(f"{ORG}/upload/{(sha := services.store.put(ORG, 'upload', film(1, 2)).sha256)[:2]}/{sha}"):
        marked = services.store.put(ORG, "marked", film(1, 2, 3))
    row = (ORG, clip, "marked", marked.sha256, marked.key, marked.size, "{}", services.clock.now())
    with services.database.system_transaction() as tx:
        tx.pg.execute(
            "insert into moderation.renditions (org_id, clip_id, kind, sha256, blob_key, bytes, report, created_at) "
            "values (%s, %s, %s, %s, %s, %s, %s, %s)",
            row,
        )
    if not uploaded:
        services.store.delete(f"{ORG}/upload/{sha[:2]}/{sha}")
    put_on_list(services, pdq(2), kind="pdq")
    assert Sweeper(services).sweep() == 1
    process_clip(InlineSteps(services), ORG, clip, 2)
    verdict = read_verdict(services, ORG, clip)
    assert (verdict["status"], verdict["decision"]["reasons"][0]["code"]) == ("withheld", "known_illegal")
    left = [key for key, _ in services.store.list(ORG)]
    assert [key.split("/")[1] for key in left] == ["sealed"]
    assert left[0].endswith(sha if uploaded else marked.sha256)


@pytest.mark.full
def test_a_release_that_is_taken_down_later_is_taken_back_at_once_and_judged_anew(
    services, embedded_pack, tmp_path, put_on_list
):
    def check(seed):
        draw_clip(tmp_path / f"{seed}.mp4", seconds=1, width=320, height=180, seed=seed)
        return check_file(services, ORG, "tester", tmp_path / f"{seed}.mp4", Submission(creator="ana")).clip_id

    first, second = check(1), check(2)
    assert [read_verdict(services, ORG, clip)["status"] for clip in (first, second)] == ["released"] * 2
    with services.database.transaction(ORG) as tx:
        shown = {each.tobytes() for each in read_print(tx, first).hashes[:, 0]}
    put_on_list(services, *shown, kind="pdq", category="takedown", item="a video")
    assert Sweeper(services).sweep() == 1
    with pytest.raises(Conflict):
        release.media(services, ORG, first)
    process_clip(InlineSteps(services), ORG, first, 2)
    verdict = read_verdict(services, ORG, first)
    assert (verdict["status"], verdict["decision"]["reasons"][0]["code"]) == ("withheld", "takedown_copy")
    assert read_verdict(services, ORG, second)["status"] == "released"
