"""What comes in while an answer can still be undone is not lost: an appeal, a notice sent twice, a counter-notice."""

import pytest

from moderation import appeals
from moderation.db.clips import read_clip
from moderation.notices.opening import bring_stopped
from moderation.notices.tending import tend
from moderation.review.following import follow_due

ORG = "default"


@pytest.fixture(autouse=True)
def window(bureau):
    bureau.services.settings.review.undo_s = 30


def passes(bureau):
    """The undo window is over, and what was answered acts."""
    bureau.wait(seconds=31)
    return follow_due(bureau.services)


def judge(bureau, clip):
    """Nothing but a stop speaks against a clip."""
    with bureau.services.database.transaction(ORG) as tx:
        return bring_stopped(tx, bureau.services.enqueuer, bureau.clock.now(), read_clip(tx, clip, lock=True))


def test_an_appeal_whose_answer_was_overtaken_by_a_notice_comes_before_a_person_again(bureau):
    clip = bureau.clip()
    receipt = bureau.file(clip)
    bureau.settle("allow")
    passes(bureau)
    bureau.change("update moderation.clips set status = 'released' where clip_id = %s", clip)
    made, token = appeals.appeal_as_notifier(
        bureau.services, receipt.notice.notice_id, receipt.token, "Look again at 0:02."
    )
    bureau.settle("block", who="lou", queue="appeals")
    bureau.file(clip, "likeness", contact="yan@example.org", source="")
    # The clip was hidden meanwhile: what lou saw is not what is there, and their answer does not act.
    passes(bureau)
    bureau.settle("block", who="eve")
    assert tend(bureau.services) == 0
    passes(bureau)
    assert bureau.status(clip) == "withheld"
    assert (tend(bureau.services), tend(bureau.services)) == (1, 0)
    bureau.settle("block", who="kim", queue="appeals")
    passes(bureau)
    assert appeals.read_appeal(bureau.services, made.appeal_id, token).state == "upheld"
    assert (bureau.state(receipt), tend(bureau.services)) == ("upheld", 0)


def test_a_notice_rings_its_alarms_once_the_one_it_was_joined_to_is_decided(bureau):
    clip = bureau.clip()
    first = bureau.file(clip)
    bureau.settle("allow")
    again = bureau.file(clip)
    assert again.notice.joined_to == first.notice.notice_id
    bureau.wait(hours=25)
    assert (tend(bureau.services), bureau.events(clip).count("notice.alarm")) == (1, 1)
    passes(bureau)
    assert [bureau.state(each) for each in (first, again)] == ["rejected", "open"]
    assert (tend(bureau.services), tend(bureau.services)) == (1, 0)
    told = "select count(*) from moderation.notice_alarms where notice_id = %s"
    assert [bureau.scalar(told, each.notice.notice_id) for each in (first, again)] == [1, 1]


def test_a_counter_notice_ends_with_the_last_notice_that_it_answers(bureau):
    alone, beside = bureau.clip(), bureau.clip()
    counters = []
    for clip in (alone, beside):
        bureau.file(clip, source="")
        bureau.settle("allow")
        counters.append(bureau.file(clip, "counter_notice", contact="", source=""))
    other = bureau.file(beside, "likeness", contact="yan@example.org", source="")
    passes(bureau)
    assert [bureau.state(each) for each in (*counters, other)] == ["upheld", "open", "open"]
    assert judge(bureau, beside)
    bureau.settle("allow", who="eve")
    passes(bureau)
    assert [bureau.state(each) for each in (*counters, other)] == ["upheld", "upheld", "rejected"]
