"""What no rule sees and keeps a clip before a person all the same: whom its pictures show elsewhere, and wishes.

Judgement, gate and revocation are the real ones, on rows; the pictures' likeness is written down as the comparison does.
"""

import json
import threading
import time
from collections.abc import Iterator

import pytest
from families import Row, register, write
from gated_clips import decide, give, go_on, nobody, take_back, upload, wait
from judging_worker import ORG, showing

from moderation import appearances, asking, consent, judging, release, review
from moderation.assembly import open_services
from moderation.checking import InlineSteps
from moderation.clips import Status
from moderation.clock import FixedClock
from moderation.db.clips import move, next_generation, read_clip
from moderation.decisions import Decision, Outcome, Reason
from moderation.errors import NotFound
from moderation.pipeline import WORKFLOWS
from moderation.recording import insert_decision
from moderation.renditions import owned
from moderation.review.following import carry_out
from moderation.revocations import beginning, driving, rejudging, removing
from moderation.revocations.progress import progress
from moderation.revocations.reaching import find_reached
from moderation.revocations.receipts import take_receipt
from moderation.scoring import Analysis
from moderation.services import Services

FACE, MATCHED = "face", "matched"
WAITING = "select 1 from pg_locks l join pg_stat_activity a using (pid) where not l.granted and a.datname = current_database()"


@pytest.fixture
def services(settings) -> Iterator[Services]:
    with open_services(settings) as opened:
        opened.clock = FixedClock(opened.clock.now())
        yield opened


@pytest.fixture
def person(services) -> str:
    """Somebody who allowed everybody, and ana by a grant of its own."""
    person = register(services.database, services.vault)
    give(services, person, grantee="ana")
    return person


def grants_of(services, person) -> list[str]:
    with services.database.transaction(ORG) as tx:
        return [grant.grant_id for grant in consent.read_grants(tx, [person]) if grant.revoked_at is None]


def original(services, person, **said) -> str:
    with services.database.transaction(ORG) as tx:
        (clip,) = write(tx, [Row(shows=[(person, FACE, MATCHED)], **said)])
    return clip


def asked(services, clip) -> list[tuple[str, str | None]]:
    """Code and person of every reason that the open case of a clip was opened for; its queue and source are these."""
    with services.database.transaction(ORG) as tx:
        found = tx.pg.execute(
            "select case_id from moderation.cases where clip_id = %s and state = 'open' and effect = 'clip'", (clip,)
        ).fetchall()
        ((case_id,),) = found
        case = review.read_case(tx, case_id)
        assert (case.queue, case.source) == ("likeness", "revocation")
        return [(reason.code, reason.person) for reason in review.opening_decision(tx, case).reasons]


def events(services, clip) -> list[dict[str, object]]:
    with services.database.system_transaction() as tx:
        found = tx.pg.execute("select body from moderation.events where clip_id = %s order by seq", (clip,)).fetchall()
    return [{"type": (body := json.loads(text))["type"], **body["data"]} for (text,) in found]


def far(services, revocation):
    with services.database.transaction(ORG) as tx:
        return progress(tx, revocation)


def test_a_near_copy_rests_on_the_grants_of_whom_its_pictures_show_though_nobody_was_recognised(services, person):
    everyone, ana = grants_of(services, person)
    clip = upload(services, nobody(services), copies=original(services, person))
    assert go_on(services, clip) == "released"
    first = take_back(services, person, everyone)
    assert far(services, first).state == "judging"
    assert go_on(services, clip) == "released"
    assert (far(services, first).unsettled, far(services, first).unpurged) == (1, 0)
    second = take_back(services, person, ana)
    assert go_on(services, clip) == "in_review"
    assert asked(services, clip) == [("consent_revoked", person)]
    told = events(services, clip)
    assert [each["type"] for each in told] == ["clip.released", "clip.released", "clip.in_review"]
    assert (told[-1]["purge"], told[-1]["revocation_id"]) == (True, second)
    # Of the original nobody judges a row: its place in both revocations stays open.
    assert (far(services, second).unsettled, far(services, second).unpurged) == (1, 1)
    assert far(services, second).state == "awaiting_receipts"
    with services.database.transaction(ORG) as tx:
        assert take_receipt(tx, services.clock.now(), second, [clip], by="platform") == 1
    assert far(services, second).state == "judging"
    decide(services, clip, "context_allowed")
    assert go_on(services, clip) == "released"
    assert "purge" not in events(services, clip)[-1]
    # A later no is answered by no earlier yes.
    take_back(services, person, give(services, person, grantee="ana"))
    assert go_on(services, clip) == "in_review"
    decide(services, clip, "consent_revoked", Outcome.BLOCK)
    assert far(services, second).unpurged == 0


def test_a_near_copy_that_comes_later_is_asked_about_whatever_it_says_of_itself(services, person):
    first = original(services, person)
    copy = upload(services, nobody(services), copies=first)
    assert go_on(services, copy) == "released"
    for grant in grants_of(services, person):
        take_back(services, person, grant)
    again = upload(services, nobody(services), copies=copy)
    assert go_on(services, again) == "in_review"
    assert asked(services, again) == [("consent_revoked", person)]
    give(services, person, grantee="ana", scope="face")
    other = upload(services, nobody(services), copies=first)
    assert go_on(services, other) == "released"
    # Declared as a remix it needs a grant that covers remixes, and one for some purposes a purpose that was said.
    remix = upload(services, nobody(services), copies=first, parents=[first])
    assert go_on(services, remix) == "in_review"
    assert asked(services, remix) == [("consent_limit", person)]
    give(services, person, grantee="bo", scope="face", purposes=("satire",))
    unsaid = upload(services, nobody(services), copies=first, creator="bo")
    assert go_on(services, unsaid) == "in_review"
    assert asked(services, unsaid) == [("unconsented_likeness", person)]
    # Who is recognised is the rules' affair alone.
    seen = upload(services, showing(services, person), copies=first)
    assert go_on(services, seen) == "released"


def test_what_a_copy_shows_is_remembered_when_the_first_clip_was_erased(services, person):
    first = original(services, person)
    copy = upload(services, nobody(services), copies=first)
    assert go_on(services, copy) == "released"
    release.delete(services, ORG, first, "test")
    for grant in grants_of(services, person):
        take_back(services, person, grant)
        ended = go_on(services, copy)
    assert ended == "in_review"
    assert asked(services, copy) == [("consent_revoked", person)]


def test_who_was_only_heard_in_a_clip_is_not_in_one_with_the_same_pictures(services, person):
    with services.database.transaction(ORG) as tx:
        heard, remix = write(tx, [row := Row(shows=[(person, "voice", MATCHED)]), Row(parent=row.clip)])
    copy = upload(services, nobody(services), copies=heard)
    twin = upload(services, nobody(services), copies=remix)
    assert (go_on(services, copy), go_on(services, twin)) == ("released", "released")
    with services.database.transaction(ORG) as tx:
        assert appearances.in_clip(tx, copy, person) == []
        # What a remix took of it nobody knows: its pictures, the voice, or both.
        assert appearances.in_clip(tx, twin, person) == [("inherited", "possible")]
        found = {each.clip_id: each.why for each in find_reached(tx, person)}
    assert found == {heard: "shown", remix: "descendant", twin: "descendant"}
    revocation = str(beginning.begin(services, ORG, person, by="test")["revocation_id"])
    driving.drive(services, ORG, revocation)
    with services.database.transaction(ORG) as tx:
        assert [read_clip(tx, clip).status for clip in (heard, copy)] == ["withdrawn", "released"]


def test_a_face_that_an_erased_clip_showed_is_asked_for_beside_a_voice_that_was_heard_since(services, person):
    first = original(services, person)
    between = upload(services, nobody(services), copies=first)
    assert go_on(services, between) == "released"
    with services.database.transaction(ORG) as tx:
        assert appearances.note(tx, read_clip(tx, between, lock=True), person, {"voice": MATCHED}, services.clock.now())
    release.delete(services, ORG, first, "test")
    for grant in grants_of(services, person):
        take_back(services, person, grant)
    copy = upload(services, nobody(services), copies=between)
    assert go_on(services, copy) == "in_review"
    assert asked(services, copy) == [("consent_revoked", person)]


def test_a_copy_that_was_let_out_before_its_original_was_understood_is_judged_again(services, person):
    first = upload(services, showing(services, person))
    copy, passing = (upload(services, nobody(services), copies=first) for _ in range(2))
    far_copy, last = (upload(services, nobody(services), copies=copy) for _ in range(2))
    seen = upload(services, showing(services, person), copies=first)
    for each in (copy, far_copy, last, seen):
        assert go_on(services, each) == "released"
    # Judged, and not through the gate yet.
    assert judging.judge(services, ORG, passing, 1, "1.0") == "publishable"
    for grant in grants_of(services, person):
        with services.database.transaction(ORG) as tx:
            consent.revoke(tx, services.clock.now(), person, by="test", grant_id=grant)
    assert go_on(services, first) == "in_review"
    assert jobs(services, first) == 1
    assert release.release(services, ORG, passing, 1) == "facts_changed"
    WORKFLOWS["judge_copies_of"](InlineSteps(services), ORG, first)
    for each in (far_copy, copy, last):
        assert go_on(services, each) == "in_review"
        assert asked(services, each) == [("consent_revoked", person)]
    # The last was on its way when the copy came to know: its own judgement sees the first.
    assert jobs(services, copy) == 0
    assert judging.judge(services, ORG, passing, 1, "1.1") == "in_review"
    # They know by now, at whatever distance, and so did the one that recognised them itself.
    assert [rejudging.judge_copies(services, ORG, each) for each in (first, copy)] == [0, 0]
    with services.database.transaction(ORG) as tx:
        assert read_clip(tx, seen).status == "released"
        assert [appearances.copied_since(tx, each) for each in (copy, far_copy, passing)] == [False] * 3


def test_a_copy_at_the_gate_while_its_original_is_understood_waits_for_no_better_moment(services, person):
    first = upload(services, nobody(services))
    copy = upload(services, nobody(services), copies=first)
    assert (go_on(services, first), go_on(services, copy)) == ("released", "released")
    # A look back finds them in the first, while the second is at the gate once more.
    with services.database.transaction(ORG) as tx:
        next_generation(tx, read_clip(tx, copy, lock=True), services.clock.now())
    assert judging.judge(services, ORG, copy, 2, "2.0") == "publishable"
    with services.database.transaction(ORG) as gate:
        held = read_clip(gate, copy, lock=True)
        assert not appearances.copied_since(gate, copy)
        with services.database.transaction(ORG) as tx:
            found = read_clip(tx, first, lock=True)
            assert appearances.note(tx, found, person, {FACE: "possible"}, services.clock.now())
            rejudging.judge_copies_of(tx, services.enqueuer, first)
        again = threading.Thread(target=rejudging.judge_copies, args=(services, ORG, first))
        again.start()
        while gate.pg.execute(WAITING).fetchone() is None and again.is_alive():
            time.sleep(0.01)
        assert again.is_alive()
        move(gate, held, Status.RELEASED, services.clock.now())
    again.join()
    assert jobs(services, first) == 1
    with services.database.transaction(ORG) as tx:
        assert (read_clip(tx, copy).status, read_clip(tx, copy).generation) == ("processing", 3)
        # Whom nothing before the first shows is told to copies on their way too: they may pass the gate before a commit.
        rejudging.judge_copies_of(tx, services.enqueuer, first)
    assert (jobs(services, first), rejudging.judge_copies(services, ORG, first)) == (2, 0)


def jobs(services, clip) -> int:
    """How often copies of a clip were put on the queue to be judged again."""
    with services.database.system_transaction() as tx:
        named = (
            "select count(*)::int from dbos.workflow_status where name = 'judge_copies_of' and workflow_uuid like %s"
        )
        return tx.pg.execute(named, (f"{ORG}:{clip}:%",)).fetchone()[0]


def test_of_a_remix_is_asked_while_nobody_can_say_whom_its_parent_shows(services, person):
    gone, early = original(services, person), original(services, person, status="processing")
    release.delete(services, ORG, gone, "test")
    for first in (gone, early):
        remix = upload(services, showing(services, person), parents=[first])
        assert go_on(services, remix) == "in_review"
    judged = original(services, person)
    with services.database.transaction(ORG) as tx:
        tx.pg.execute("delete from moderation.appearances where clip_id = %s", (judged,))
    beside = upload(services, showing(services, person), parents=[judged])
    assert go_on(services, beside) == "released"
    give(services, person, terms=consent.Terms(grantee_kind="everyone", scope="both", remix=True))
    allowed = upload(services, showing(services, person), parents=[gone])
    assert go_on(services, allowed) == "released"


def test_who_is_only_named_is_asked_at_the_gate_too(services, person):
    with services.database.transaction(ORG) as tx:
        consent.add_alias(tx, services.vault, services.clock.now(), person, "Noor Haddad", by="test")
    clip = upload(services, nobody(services))
    with services.database.transaction(ORG) as tx:
        tx.pg.execute("update moderation.clips set prompt = 'Noor Haddad by the sea' where clip_id = %s", (clip,))
    assert judging.judge(services, ORG, clip, 1, "1.0") == "publishable"
    for grant in grants_of(services, person):
        take_back(services, person, grant)
    assert release.release(services, ORG, clip, 1) == "facts_changed"
    assert judging.judge(services, ORG, clip, 1, "1.1") == "publishable"
    assert release.release(services, ORG, clip, 1) == "released"
    with services.database.transaction(ORG) as tx:
        facts = release.publishable(tx, clip)[2]
    assert (facts.named["cameos"], facts.people) == (1, {})


def wants_to_be_asked(services) -> str:
    """Somebody whose one grant has them asked."""
    person = register(services.database, services.vault)
    for grant in grants_of(services, person):
        take_back(services, person, grant)
    give(services, person, grantee="ana", mode="ask_me")
    return person


def question_to(services, person) -> str:
    with services.database.transaction(ORG) as tx:
        return asking.questions_of(tx, person)[0].question_id


def test_who_a_reviewer_finds_is_somebody_else_is_asked_no_more(services):
    person = wants_to_be_asked(services)
    clip = upload(services, showing(services, person))
    assert go_on(services, clip) == "in_review"
    question = question_to(services, person)
    decide(services, clip, "consented")
    assert go_on(services, clip) == "in_review"
    decide(services, clip, "false_match")
    assert go_on(services, clip) == "released"
    with services.database.transaction(ORG) as tx:
        assert asking.questions_of(tx, person) == []
    with pytest.raises(NotFound):
        owned.asked_about(services, ORG, person, question)
    services.clock.at += asking.PATIENCE
    assert asking.lapse_due(services) == 0


def test_who_is_recognised_again_is_waited_for_again(services):
    person = wants_to_be_asked(services)
    clip = upload(services, showing(services, person))
    assert go_on(services, clip) == "in_review"
    with services.database.transaction(ORG) as tx:
        tx.pg.execute("update moderation.appearances set state = 'possible' where clip_id = %s", (clip,))
    decide(services, clip, "consented")
    assert go_on(services, clip) == "in_review"
    assert question_to(services, person)


def test_who_is_asked_about_a_copy_sees_it_and_who_answered_sees_no_stranger(services, monkeypatch):
    person = wants_to_be_asked(services)
    monkeypatch.setattr(owned, "demand_veiled", lambda _services, clip, kind, _at: (f"{clip.clip_id} {kind}", 1))
    clip = upload(services, nobody(services), copies=original(services, person))
    assert go_on(services, clip) == "in_review"
    question = question_to(services, person)
    assert owned.asked_about(services, ORG, person, question).key == f"{clip} veiled"
    with services.database.transaction(ORG) as tx:
        said = {"org": ORG, "question": question, "answer": "silence", "passkey": None, "signed": None}
        tx.pg.execute(asking.SQL.insert_answer, {**said, "now": services.clock.now()})
    assert owned.asked_about(services, ORG, person, question).key == f"{clip} veiled"
    with services.database.transaction(ORG) as tx:
        tx.pg.execute("update moderation.appearances set state = 'possible' where clip_id = %s", (clip,))
        assert asking.read_question(tx, question, person).answer == "silence"
    with pytest.raises(NotFound):
        owned.asked_about(services, ORG, person, question)


def unsure(services, person) -> Analysis:
    found = showing(services, person)
    face = {**found.faces[0], "state": "possible", "person": None}
    face["candidates"] = [{"person": person, "distance": 0.9, "state": "possible"}]
    return Analysis(signals=found.signals, faces=[face], seen_ms=found.seen_ms)


def test_a_wish_to_be_out_of_a_clip_outlasts_older_answers_and_judgements(services, person):
    clip = upload(services, unsure(services, person))
    assert go_on(services, clip) == "released"
    wait(services)
    assert removing.remove_clip(services, ORG, person, clip, by="owner") == "in_review"
    assert asked(services, clip) == [("removal_asked", person)]
    told = events(services, clip)[-1]
    assert (told["type"], told["purge"]) == ("clip.in_review", True)
    wait(services)
    # Judged again for whatever reason, with the case lost: the wish stands.
    with services.database.transaction(ORG) as tx:
        tx.pg.execute("update moderation.cases set state = 'closed' where clip_id = %s", (clip,))
        next_generation(tx, read_clip(tx, clip, lock=True), services.clock.now())
    assert go_on(services, clip) == "in_review"
    assert asked(services, clip) == [("removal_asked", person)]
    # An approval that does not say who it is, is no answer; that it is somebody else, is one.
    decide(services, clip, "no_violation")
    assert go_on(services, clip) == "in_review"
    decide(services, clip, "false_match")
    assert go_on(services, clip) == "released"
    # Asked once more it is a new wish, and the older answer none.
    assert removing.remove_clip(services, ORG, person, clip, by="owner") == "in_review"
    decide(services, clip, "removal_asked", Outcome.BLOCK)
    with services.database.transaction(ORG) as tx:
        assert read_clip(tx, clip).status == "withheld"


def test_whoever_has_the_clip_reads_the_wish_and_an_answer_before_it_lets_nothing_out(services, person):
    for grant in grants_of(services, person):
        take_back(services, person, grant)
    clip = upload(services, unsure(services, person))
    assert go_on(services, clip) == "in_review"
    wait(services)
    for _ in range(2):
        assert removing.remove_clip(services, ORG, person, clip, by="owner") == "in_review"
    assert asked(services, clip) == [("removal_asked", person), ("consent_revoked", person)]
    wait(services)
    # Answered, and within its undo window they ask again: that answer was to an older wish.
    decision = decide(services, clip, "false_match", followed=False)
    assert removing.remove_clip(services, ORG, person, clip, by="owner") == "in_review"
    with services.database.transaction(ORG) as tx:
        carry_out(tx, services.enqueuer, services.clock.now(), read_clip(tx, clip, lock=True), decision)
    wait(services)
    assert go_on(services, clip) == "in_review"
    assert asked(services, clip) == [("removal_asked", person)]
    decide(services, clip, "false_match")
    assert go_on(services, clip) == "released"


def answer(services, clip, outcome: Outcome, code: str) -> None:
    """A person's answer that acts at once, as one to an appeal does."""
    now = services.clock.now()
    with services.database.transaction(ORG) as tx:
        held = read_clip(tx, clip, lock=True)
        said = Decision(outcome=outcome, facts_hash="", reasons=(Reason(code=code),), decided_by="rev")
        decision = insert_decision(tx, held, said, actor_kind="person", actor="rev", now=now)
        carry_out(tx, services.enqueuer, now, held, decision)
    wait(services)


def test_a_wish_about_what_is_withheld_is_there_when_an_appeal_would_let_it_out(services, person):
    clip = upload(services, showing(services, person))
    assert go_on(services, clip) == "released"
    answer(services, clip, Outcome.BLOCK, "hate")
    assert removing.remove_clip(services, ORG, person, clip, by="owner") == "withheld"
    wait(services)
    answer(services, clip, Outcome.ALLOW, "no_violation")
    assert go_on(services, clip) == "in_review"
    assert asked(services, clip) == [("removal_asked", person)]
