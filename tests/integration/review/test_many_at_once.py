"""Batches and trends over a real queue: one queue, one decision a clip, all undone or none, never for minor safety."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as trying
from hypothesis import strategies as st

from moderation import review
from moderation.decisions import Outcome, Reason
from moderation.errors import Conflict, NotFound, Unprocessable
from moderation.hashlists.prints import ClipPrint, keep_print
from moderation.review import batches, capacity, trends

OFTEN = trying(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))


def imprint(desk, case: str, seed: int, noise: int = 0) -> str:
    """Give a case's clip the print of a picture; noise turns that many bits of each frame."""
    hashes = np.random.default_rng(seed).integers(0, 256, (6, 8, 32), np.uint8)
    hashes[:, :, 0] ^= np.uint8((1 << noise) - 1)
    found = ClipPrint(times=np.arange(6, dtype=np.int32), quality=np.full(6, 90, np.uint8), hashes=hashes, plain=0)
    with desk.transaction() as tx:
        keep_print(tx, desk.case(case).clip_id, found, desk.now)
    return case


def person(name: str) -> review.Reviewer:
    return review.Reviewer(principal=name, specialist=name.endswith("specialist"))


def similar(desk, who: str, case: str) -> list[str]:
    with desk.transaction() as tx:
        found = batches.similar(tx, desk.terms, desk.now, desk.case(case), person(who))
    return [one.case_id for one in found]


def decide_all(desk, who: str, case: review.Case, also: list[str], outcome: str = "block") -> batches.Batch:
    reason = "no_violation" if outcome == "allow" else "explicit_content"
    answer = review.Answer(
        outcome=Outcome(outcome), reason=reason, note="", lease_token=case.lease_token or "", version=case.version
    )
    with desk.transaction() as tx:
        return batches.decide_all(tx, desk.enqueuer, desk.terms, desk.now, case.case_id, answer, person(who), also=also)


def undo_all(desk, who: str, case: str) -> review.Case:
    with desk.transaction() as tx:
        return batches.undo_all(tx, desk.terms, desk.now, case, person(who))


def test_near_duplicates_of_the_same_queue_and_reasons_are_offered(desk):
    lead, near, far, elsewhere, asking = (imprint(desk, desk.open(), 1), *(None,) * 4)
    near = imprint(desk, desk.open(), 1, noise=3)
    far = imprint(desk, desk.open(), 2)
    elsewhere = imprint(desk, desk.open("likeness"), 1)
    asking = imprint(desk, desk.open(lesser=(Reason(code="minor_sexualised"),)), 1)
    assert similar(desk, "ana", lead) == [near]
    assert {far, elsewhere, asking}.isdisjoint(similar(desk, "ana", lead))
    desk.claim("ben", clip=desk.case(near).clip_id)
    assert similar(desk, "ana", lead) == []


def test_a_batch_is_one_decision_for_each_clip_and_is_undone_whole(desk):
    cases = [imprint(desk, desk.open(), 1, noise=n % 3) for n in range(4)]
    lead = desk.claim("ana", clip=desk.case(cases[0]).clip_id)
    batch = decide_all(desk, "ana", lead, cases[1:3])
    assert (set(batch.decided), batch.left) == (set(cases[1:3]), ())
    assert [desk.case(case).state for case in cases] == ["decided"] * 3 + ["open"]
    assert desk.scalar("select count(distinct decision_id) from moderation.opinions") == 3
    roles = "select role || (derived_from is not null) from moderation.opinions order by opinion_id"
    assert desk.column(roles) == ["decidingfalse", "batchtrue", "batchtrue"]
    again = undo_all(desk, "ana", cases[0])
    assert again.held(desk.now)
    assert [desk.case(case).state for case in cases] == ["open"] * 4
    assert desk.claim("ben", clip=desk.case(cases[1]).clip_id) is not None
    assert desk.scalar("select count(*) from moderation.undone_opinions") == 3


def test_a_batch_that_cannot_be_undone_whole_is_not_undone_at_all(desk):
    cases = [imprint(desk, desk.open(), 1) for _ in range(3)]
    decide_all(desk, "ana", desk.claim("ana", clip=desk.case(cases[0]).clip_id), cases[1:])
    with desk.transaction() as tx:
        tx.pg.execute("update moderation.cases set followed_at = %s where case_id = %s", (desk.now, cases[2]))
    with pytest.raises(Conflict, match="undone no more"):
        undo_all(desk, "ana", cases[0])
    assert [desk.case(case).state for case in cases] == ["decided"] * 3


@OFTEN
@given(queues=st.lists(st.sampled_from(["explicit", "likeness", "minor_safety", "words"]), min_size=2, max_size=6))
def test_a_batch_never_crosses_queues(desk, queues):
    """Property: whatever is asked for, what is decided with a case lies in its queue, and nothing of minor safety."""
    cases = [imprint(desk, desk.open(queue), 1) for queue in queues]
    who = "a specialist"
    lead = desk.claim(who, queues[0], clip=desk.case(cases[0]).clip_id)
    assert lead is not None
    try:
        batch = decide_all(desk, who, lead, cases[1:])
    except Unprocessable:
        assert queues[0] == "minor_safety"
    else:
        same = {case for case, queue in zip(cases[1:], queues[1:], strict=True) if queue == queues[0]}
        assert set(batch.decided) == same
    left = [case for case, queue in zip(cases, queues, strict=True) if queue != queues[0]]
    assert all(desk.case(case).state == "open" for case in left)
    with desk.transaction() as tx:
        tx.pg.execute("update moderation.cases set state = 'closed' where state = 'open'")


def test_minor_safety_is_decided_one_by_one(desk):
    lead, other = (imprint(desk, desk.open("minor_safety"), 1) for _ in range(2))
    who = "a specialist"
    assert similar(desk, who, lead) == []
    with pytest.raises(Unprocessable, match="one by one"):
        decide_all(desk, who, desk.claim(who, "minor_safety", clip=desk.case(lead).clip_id), [other])
    with desk.transaction() as tx:
        assert trends.find_lots(tx, desk.terms, "minor_safety", person(who)) == ()
        with pytest.raises(Unprocessable, match="one by one"):
            trends.open_trend(tx, desk.terms, desk.now, "minor_safety", ("rule", "a.b"), person(who))


@pytest.fixture
def lot(desk) -> list[str]:
    """Thirty cases with one prompt."""
    cases = [desk.open() for _ in range(30)]
    with desk.transaction() as tx:
        tx.pg.execute("update moderation.clips set prompt = 'The King, dancing ' || right(clip_id, 2)")
        tx.pg.execute("update moderation.clips set prompt = 'The King dancing!'")
    return cases


def open_trend(desk, who: str = "ana", **said) -> str:
    with desk.transaction() as tx:
        (lot,) = trends.find_lots(tx, desk.terms, "explicit", person(who))
        assert (lot.kind, lot.key, len(lot.cases)) == ("prompt", "the king dancing", 30)
        return trends.open_trend(tx, desk.terms, desk.now, "explicit", (lot.kind, lot.key), person(who), **said)


def read(desk, trend: str, who: str = "ana") -> trends.Standing:
    with desk.transaction() as tx:
        return trends.read_trend(tx, trend, person(who))


def settle_trend(desk, trend: str, who: str = "ana") -> trends.Settled:
    with desk.transaction() as tx:
        return trends.settle(tx, desk.enqueuer, desk.terms, desk.now, trend, person(who))


def decide_drawn(desk, trend: str, who: str = "ana", outcomes: str = "block") -> None:
    for member in read(desk, trend).drawn:
        desk.decide(who, desk.claim(who, clip=member.clip_id), outcomes)


def test_drawn_cases_that_agree_speak_for_the_rest_within_a_stated_bound(desk, lot):
    trend = open_trend(desk, tolerated=0.1)
    standing = read(desk, trend)
    assert len(standing.members) == 30
    assert 0 < len(standing.drawn) < 30
    with pytest.raises(Conflict, match="not all"):
        settle_trend(desk, trend)
    decide_drawn(desk, trend)
    assert read(desk, trend).agreed is None
    desk.wait(seconds=31)
    desk.follow()
    standing = read(desk, trend)
    assert standing.agreed == ("block", "explicit_content")
    settled = settle_trend(desk, trend)
    assert len(settled.decided) == 30 - len(standing.drawn)
    assert settled.wrong_at_most == standing.bound.wrong <= 3
    assert desk.scalar("select count(*) from moderation.cases where state = 'open'") == 0
    derived = "select count(*) from moderation.opinions where role = 'batch' and derived_from is not null"
    assert desk.scalar(derived) == len(settled.decided)
    with pytest.raises(Conflict, match="over"):
        settle_trend(desk, trend)


def test_a_trend_is_undone_whole(desk, lot):
    trend = open_trend(desk, tolerated=0.1)
    decide_drawn(desk, trend)
    desk.wait(seconds=31)
    desk.follow()
    settled = settle_trend(desk, trend)
    with desk.transaction() as tx:
        assert trends.undo_trend(tx, desk.terms, desk.now, trend, person("ana")) == len(settled.decided)
    assert {desk.case(case).state for case in settled.decided} == {"open"}
    assert desk.claim("ben") is not None
    assert read(desk, trend).trend.state == "ended"


def test_one_that_comes_out_otherwise_opens_the_rest_singly(desk, lot):
    trend = open_trend(desk, tolerated=0.1)
    drawn = read(desk, trend).drawn
    for number, member in enumerate(drawn):
        desk.decide("ana", desk.claim("ana", clip=member.clip_id), "allow" if number == 0 else "block")
    desk.wait(seconds=31)
    desk.follow()
    assert read(desk, trend).split
    with pytest.raises(Conflict, match="one by one"):
        settle_trend(desk, trend)
    with desk.transaction() as tx:
        trends.end_trend(tx, desk.now, trend, person("ana"))
    assert desk.claim("ben") is not None


def test_a_lot_is_drawn_from_once_and_only_while_it_is_large(desk, lot):
    open_trend(desk)
    with desk.transaction() as tx:
        assert trends.find_lots(tx, desk.terms, "explicit", person("ben")) == ()
        assert [trend.key for trend in trends.list_trends(tx, "explicit", person("ben"))] == ["the king dancing"]
        with pytest.raises(NotFound):
            trends.open_trend(tx, desk.terms, desk.now, "explicit", ("prompt", "the king dancing"), person("ben"))


def test_a_colleagues_case_is_left_to_them(desk, lot):
    trend = open_trend(desk, tolerated=0.1)
    decide_drawn(desk, trend)
    desk.wait(seconds=31)
    desk.follow()
    theirs = desk.claim("ben")
    settled = settle_trend(desk, trend)
    assert settled.left == (theirs.case_id,)
    assert desk.case(theirs.case_id).held(desk.now)


def test_what_exceeds_the_hours_stays_and_says_so(desk):
    for _ in range(5):
        desk.open()
    with desk.transaction() as tx:
        tx.pg.execute(
            "update moderation.queues set hours_per_day = 0.1, seconds_per_case = 120 where name = 'explicit'"
        )
        load = next(each for each in capacity.read_loads(tx, desk.now) if each.name == "explicit")
    assert (load.waiting, load.within, load.beyond) == (5, 3, 2)
    assert load.hours_waiting == pytest.approx(5 * 120 / 3600)
    with desk.transaction() as tx:
        (line,) = review.list_queues(tx, desk.now, person("ana"))
    assert (line.waiting, line.beyond) == (5, 2)
    assert desk.scalar("select count(*) from moderation.cases where state = 'open'") == 5


def test_beyond_the_hours_the_riskiest_is_dealt_first(desk):
    urgent = desk.open(priority=10, deadline_s=600)
    risky = desk.open(priority=70)
    assert desk.claim("ana").case_id == urgent
    with desk.transaction() as tx:
        tx.pg.execute("update moderation.queues set hours_per_day = 0.05 where name = 'explicit'")
    desk.wait(minutes=6)
    assert desk.claim("ben").case_id == risky
