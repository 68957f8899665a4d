"""What the sweeps of notices, appeals and answers cannot do for one clip they do for every other."""

from moderation import appeals, release
from moderation.errors import NotFound
from moderation.notices.tending import tend
from moderation.review import following
from moderation.statements import read_statement

ORG = "default"
#: Nothing of this service writes such a decision; whatever reads it fails.
UNREADABLE = (
    "insert into moderation.decisions (org_id, clip_id, decision_id, seq, outcome, body, actor_kind, actor, created_at) "
    "select org_id, clip_id, 'dec_' || clip_id, 99, outcome, '{}', actor_kind, actor, created_at "
    "from moderation.decisions where clip_id = %s limit 1"
)


def test_a_withdrawn_clip_that_was_never_judged_ends_its_notices_and_stops_nobody_elses(bureau):
    """It stood first in every round: nothing of it could be put before anybody."""
    early, kept = bureau.clip("processing", decided=False), bureau.clip()
    receipts = [bureau.file(each, source="") for each in (early, kept)]
    bureau.change("update moderation.cases set state = 'closed' where clip_id = %s", kept)
    release.withdraw(bureau.services, ORG, early, "ana", "changed her mind")
    assert tend(bureau.services) == 1
    assert [bureau.state(each) for each in receipts] == ["gone", "open"]
    assert bureau.claim("ben").clip_id == kept
    # Whoever files about it now learns so at once.
    assert bureau.state(bureau.file(early, contact="yan@example.org", source="")) == "gone"


def test_what_cannot_be_read_of_one_clip_stops_no_notice_and_no_appeal_about_others(bureau):
    broken, noticed, appealed = bureau.clip("withheld", "block"), bureau.clip(), bureau.clip("withheld", "block")
    for each in (broken, appealed):
        said = read_statement(bureau.services, ORG, each)
        proof = (said["decision_id"], said["redress"]["token"])
        appeals.appeal_as_creator(bureau.services, each, *proof, "It was a parody.")
    bureau.file(broken)
    bureau.file(noticed)
    bureau.change(UNREADABLE, broken)
    bureau.change("update moderation.appeals set appealed = 'dec_' || clip_id where clip_id = %s", broken)
    bureau.change("update moderation.cases set state = 'closed'")
    assert tend(bureau.services) == 2
    assert (bureau.claim("ben").clip_id, bureau.claim("ben", "appeals").clip_id) == (noticed, appealed)


def test_an_answer_that_cannot_be_followed_stops_no_other(bureau, monkeypatch):
    bureau.services.settings.review.undo_s = 30
    broken, clip = bureau.clip(), bureau.clip()
    for each in (broken, clip):
        bureau.file(each, source="")
        bureau.settle("block")
    bureau.wait(seconds=31)
    followed = following.carry_out

    def fail(tx, enqueuer, now, found, decision_id):
        if found.clip_id == broken:
            raise NotFound("what was decided of it")
        followed(tx, enqueuer, now, found, decision_id)

    monkeypatch.setattr(following, "carry_out", fail)
    done = following.follow_due(bureau.services)
    assert (done, bureau.status(broken), bureau.status(clip)) == (1, "in_review", "withheld")
