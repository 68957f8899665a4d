"""What a notice was right about does not come back: copies that are out are judged again, later ones meet the list."""

import pytest

from moderation.hashlists import sweeping
from moderation.hashlists.lists import Category
from moderation.hashlists.matching import compare_with_lists
from moderation.hashlists.prints import read_print
from moderation.hashlists.sweeping import Sweeper
from moderation.notices import blocking, settling

ORG = "default"


@pytest.fixture(autouse=True)
def one_round_does_all(monkeypatch):
    """A slow machine would end a round before everything is compared."""
    monkeypatch.setattr(sweeping, "ROUND_SECONDS", 60.0)


def listed(bureau, clip):
    """Which share of a clip's frames the lists in force know."""
    services = bureau.services
    services.hash_lists.refresh(services.database)
    with services.database.transaction(ORG) as tx:
        seen = read_print(tx, clip)
    return compare_with_lists(services.hash_lists, seen, ORG, Category.TAKEDOWN).share


def test_copies_stay_until_a_person_agreed_and_are_then_judged_again(bureau, monkeypatch):
    clip, copy, other = bureau.film(1, 2), bureau.film(1, 2, 3, creator="eve"), bureau.film(4, 5, creator="kim")
    bureau.file(clip)
    sweeper = Sweeper(bureau.services)
    # A notice hides what it names and nothing else, however alike.
    assert (sweeper.sweep(), bureau.status(copy), listed(bureau, copy)) == (0, "released", 0)
    with monkeypatch.context() as off:
        off.setattr(settling, "block_copies", lambda *_: 0)
        bureau.settle("block")
        assert (sweeper.sweep(), listed(bureau, copy)) == (0, 0)
    bureau.change("update moderation.notices set state = 'open', decided_at = null")
    bureau.change("update moderation.cases set state = 'closed'")
    bureau.file(clip, contact="yan@example.org", source="")
    bureau.settle("block", who="eve")
    assert sweeper.sweep() == 1
    assert [bureau.status(each) for each in (clip, copy, other)] == ["withheld", "processing", "released"]
    later = bureau.film(2, 1, creator="lou")
    assert (listed(bureau, later), listed(bureau, other)) == (1, 0)


@pytest.mark.full
def test_what_is_let_out_again_is_taken_off_the_list(bureau):
    clip = bureau.film(1, 2)
    bureau.file(clip)
    bureau.settle("block")
    assert listed(bureau, clip) == 1
    with bureau.services.database.transaction(ORG) as tx:
        case = tx.pg.execute("select case_id, version from moderation.cases").fetchone()
    bureau.overturn("lou", *case)
    assert listed(bureau, clip) == 0
    assert bureau.status(clip) == "processing"
    assert bureau.scalar("select count(*) from moderation.clip_stops where lifted_at is null") == 0


def test_the_same_film_handed_in_twice_is_listed_as_long_as_a_notice_about_either_stands(bureau):
    """A hash is listed once, for whichever clip had it first."""
    clip, twin = bureau.film(1, 2), bureau.film(1, 2, creator="eve")

    def block(each, who):
        bureau.change("update moderation.clips set status = 'released' where clip_id = %s", each)
        bureau.file(each, source="")
        bureau.settle("block", who=who)
        return listed(bureau, twin)

    def overturn(each):
        bureau.overturn("lou", *case_of(bureau, each))
        return listed(bureau, twin)

    assert (block(clip, "ben"), overturn(clip)) == (1, 0)
    assert (block(twin, "ben"), overturn(twin)) == (1, 0), "what was taken off with the first counts again"
    assert (block(clip, "eve"), block(twin, "eve")) == (1, 1)
    assert (overturn(clip), overturn(twin)) == (1, 0), "what the other stands on"


def test_what_others_stand_on_is_looked_up_and_not_compared_one_by_one(bureau):
    """However many notices were right, letting one clip out unpacks each print once."""
    where = {"org": ORG, "list": blocking.LIST, "clip": "clip_1", "hashes": [bytes(32)]}
    with bureau.services.database.transaction(ORG) as tx:
        tx.pg.execute("set local enable_nestloop = off")
        plan = tx.pg.execute(b"explain " + blocking.SQL.stood_on_alone, where).fetchall()
    joins = [line for (line,) in plan if "Anti Join" in line or "SubPlan" in line]
    assert joins
    assert not [line for line in joins if "Nested Loop" in line], plan


def case_of(bureau, clip):
    """The latest case of a clip, and which version of it is read."""
    with bureau.services.database.transaction(ORG) as tx:
        latest = (
            "select case_id, version from moderation.cases where clip_id = %s order by created_at desc, case_id desc"
        )
        return tx.pg.execute(latest, (clip,)).fetchone()
