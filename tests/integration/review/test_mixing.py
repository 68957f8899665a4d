"""What is mixed into the queues: golden cases, second opinions, audit samples. None of them moves a clip."""

import json
from datetime import timedelta
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as trying
from hypothesis import strategies as st

from moderation import review
from moderation.api.reviews import document
from moderation.clock import FixedClock
from moderation.db.clips import read_clip
from moderation.decisions import Decision, Outcome, RuleTrace
from moderation.errors import Conflict, NotFound, Unprocessable
from moderation.keys import Principal
from moderation.policy.loader import Folder, compile_folder
from moderation.policy.vocabulary import FILE, render
from moderation.quality.answers import read_quality
from moderation.recording import insert_decision, keep_version
from moderation.review import golden, mixing

ALWAYS = trying(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))


def rates(desk, *, golden_rate: float = 0.0, second: float = 0.0) -> None:
    with desk.transaction() as tx:
        tx.pg.execute("update moderation.queues set golden_rate = %s, second_opinion_rate = %s", (golden_rate, second))


@pytest.fixture(autouse=True)
def staff(desk) -> None:
    """Who logged in once."""
    insert = (
        "insert into moderation.reviewers (org_id, principal, code_name, created_at) values ('default', %s, %s, %s)"
    )
    with desk.transaction() as tx:
        for who in ("ana", "ben", "lead", "cem", "dan", "eva"):
            tx.pg.execute(insert, (who, who.title(), desk.now))


def keep(desk, case: str, outcome: str = "block", by: str = "lead", **said) -> str:
    """Make a golden answer of a decided case's clip."""
    reason = "no_violation" if outcome == "allow" else "explicit_content"
    new = golden.NewGolden(
        **{
            "clip_id": desk.case(case).clip_id,
            "queue": "explicit",
            "outcome": Outcome(outcome),
            "reason": reason,
            "why": "It shows what the policy names.",
            **said,
        }
    )
    with desk.transaction() as tx:
        return golden.add_golden(tx, desk.now, new, policy_version="v7", by=by)


def mix(desk) -> int:
    """What a worker's round does, with this clock."""
    opened = 0
    for duty in mixing.DUTIES.values():
        for _ in range(mixing.BATCH):
            with desk.transaction() as tx:
                if not duty(tx, desk.now):
                    break
                opened += 1
    return opened


def test_a_duty_that_fails_keeps_no_other_from_its_cases(desk, monkeypatch):
    def fail(tx, now):
        raise KeyError(now)

    due = [True, True]
    monkeypatch.setattr(mixing, "DUTIES", {"golden": fail, "audit_sample": lambda tx, now: bool(due) and due.pop()})
    assert mixing.mix(SimpleNamespace(database=desk.database, clock=FixedClock(desk.now))) == 2


def quality(desk):
    with desk.transaction() as tx:
        return read_quality(tx, desk.now - timedelta(days=7), desk.now + timedelta(days=1))


def standing(desk, clip: str) -> tuple[object, ...]:
    """All that tells where a clip stands."""
    rows = "select status, generation, updated_at from moderation.clips where clip_id = %s"
    decisions = "select count(*) from moderation.decisions where clip_id = %s"
    with desk.transaction() as tx:
        return (*tx.pg.execute(rows, (clip,)).fetchone(), desk.scalar(decisions, clip))


def test_a_golden_case_comes_beside_another_into_the_same_queue(desk, settle):
    rates(desk, golden_rate=1.0)
    known = settle("ana", "block")
    keep(desk, known)
    desk.wait(hours=2)
    beside = desk.case(desk.open())
    assert mix(desk) == 1
    assert mix(desk) == 0
    (mixed,) = desk.column("select case_id from moderation.cases where source = 'golden'")
    case = desk.case(mixed)
    assert (case.queue, case.created_at, case.deadline) == (beside.queue, beside.created_at, beside.deadline)
    assert (case.severity, case.stage, case.effect) == (beside.severity, beside.stage, "opinion")
    assert case.opened_by == desk.case(known).opened_by


def test_nothing_that_reviewers_are_sent_tells_a_golden_case(desk, settle):
    rates(desk, golden_rate=1.0, second=0.0)
    keep(desk, settle("ana", "block"))
    desk.wait(hours=2)
    desk.open()
    mix(desk)
    held = [desk.claim("ben"), desk.claim("ben")]
    reader = Principal(org="default", principal="ben", scopes=frozenset({"review"}), kind="person")
    sent = [document(case, reader) for case in held]
    assert {case.source for case in held} == {"rule", "golden"}
    told = {"id", "clip_id", "lease", "version"}
    assert [set(each) for each in sent] == [set(sent[0])] * 2
    plain = [{name: value for name, value in each.items() if name not in told} for each in sent]
    assert plain[0] == plain[1]
    assert "golden" not in json.dumps(sent)
    with desk.transaction() as tx:
        opened = [review.opening_decision(tx, case).to_json() for case in held]
    assert opened[0] == opened[1]


@ALWAYS
@given(answers=st.lists(st.sampled_from(["allow", "restrict", "block", "escalate", "undo"]), min_size=1, max_size=4))
def test_a_golden_answer_never_moves_its_clip(desk, settle, answers):
    """Property: whatever people answer, undo or ask, and whatever follows, status, run and decisions stay."""
    rates(desk, golden_rate=1.0)
    desk.wait(hours=3)
    known = settle("ana", "block")
    clip = desk.case(known).clip_id
    keep(desk, known)
    desk.wait(hours=3)
    desk.open()
    mix(desk)
    before = standing(desk, clip)
    who = f"ben{desk.now.timestamp()}"
    for answer in answers:
        case = desk.claim(who, clip=clip)
        if case is None:
            break
        if answer == "escalate":
            desk.escalate(who, case)
        else:
            desk.decide(who, case, "block" if answer == "undo" else answer)
        if answer == "undo":
            desk.undo(who, case.case_id)
            with desk.transaction() as tx:
                tx.pg.execute("update moderation.cases set lease_expires_at = null where case_id = %s", (case.case_id,))
        desk.wait(seconds=31)
        desk.follow()
        assert standing(desk, clip) == before
    with desk.transaction() as tx:
        tx.pg.execute("update moderation.cases set state = 'closed' where state = 'open'")
        tx.pg.execute("update moderation.golden_answers set retired_at = %s", (desk.now,))


def test_golden_answers_are_counted_by_the_version_they_belong_to(desk, settle):
    rates(desk, golden_rate=1.0)
    keep(desk, settle("ana", "block"))
    desk.wait(hours=2)
    for who, outcome in (("ben", "block"), ("cem", "allow"), ("dan", "block")):
        opened = desk.open()
        mix(desk)
        (mixed,) = desk.column("select case_id from moderation.cases where source = 'golden' and state = 'open'")
        case = desk.claim(who, clip=desk.case(mixed).clip_id)
        assert case.case_id == mixed
        desk.decide(who, case, outcome)
        desk.decide(who, desk.claim(who, clip=desk.case(opened).clip_id), "allow")
        desk.wait(minutes=2)
        desk.follow()
    (line,) = quality(desk).golden
    assert (line.policy_version, line.share.hits, line.share.of) == ("v7", 2, 3)
    with desk.transaction() as tx:
        (answer,) = golden.list_golden(tx)
    assert (answer.asked, answer.met, answer.why) == (3, 2, "It shows what the policy names.")


def test_what_can_be_no_golden_answer(desk, settle):
    known = settle("ana", "block")
    with pytest.raises(Unprocessable, match="say why"):
        keep(desk, known, why=" ")
    with pytest.raises(Unprocessable, match="reason must go with the outcome"):
        keep(desk, known, reason="no_violation")
    with pytest.raises(Unprocessable, match="never decided"):
        keep(desk, known, queue="likeness")
    with pytest.raises(Unprocessable, match="specialists"):
        keep(desk, known, queue="minor_safety")
    made = keep(desk, known)
    with pytest.raises(Conflict, match="already"):
        keep(desk, known)
    with desk.transaction() as tx:
        golden.retire_golden(tx, desk.now, made, by="lead")
        assert golden.list_golden(tx) == []
        assert len(golden.list_golden(tx, retired=True)) == 1
    with desk.transaction() as tx, pytest.raises(NotFound):
        golden.retire_golden(tx, desk.now, made, by="lead")


def test_a_second_opinion_is_asked_blind_of_somebody_else_once(desk, settle):
    rates(desk, second=1.0)
    first = settle("ana", "block")
    assert mix(desk) == 1
    assert mix(desk) == 0
    assert desk.claim("ana") is None
    case = desk.claim("ben")
    assert (case.source, case.queue, case.clip_id) == ("second_opinion", "explicit", desk.case(first).clip_id)
    before = standing(desk, case.clip_id)
    with desk.transaction() as tx:
        assert list(review.opinions_to_show(tx, case, review.Reviewer(principal="ben"))) == []
    desk.decide("ben", case, "allow")
    desk.wait(seconds=31)
    desk.follow()
    assert standing(desk, case.clip_id) == before
    found = quality(desk)
    assert (found.kappa.units, found.alpha.units) == (1, 1)
    assert found.kappa.value is not None
    assert found.kappa.value <= 0


def test_nobody_is_asked_where_nobody_is_left(desk, settle):
    rates(desk, second=1.0, golden_rate=1.0)
    with desk.transaction() as tx:
        tx.pg.execute("update moderation.reviewers set queues = '{likeness}'")
        tx.pg.execute("update moderation.reviewers set queues = null, opted_out = '{explicit}' where principal = 'ben'")
        tx.pg.execute("update moderation.reviewers set queues = null where principal = 'ana'")
    keep(desk, settle("ana", "block"))
    desk.wait(hours=2)
    desk.open()
    assert mix(desk) == 0
    with desk.transaction() as tx:
        tx.pg.execute("update moderation.reviewers set opted_out = '{}'")
    # The golden answer comes first; its clip is then before somebody already.
    assert mix(desk) == 1


def test_agreement_is_read_from_blind_answers(desk, settle):
    rates(desk, second=1.0)
    for outcome, second in (("block", "block"), ("allow", "allow"), ("block", "allow"), ("allow", "allow")):
        settle("ana", outcome)
        mix(desk)
        desk.decide("ben", desk.claim("ben"), second)
        desk.wait(seconds=31)
        desk.follow()
    found = quality(desk)
    assert found.kappa.units == 4
    assert found.kappa.value == pytest.approx(0.5)


POLICY = """\
language: 1
owner: somebody
description: for a test
queue: likeness
requires: []
rules:
  - rule: drawn
    when: {signal: explicit.score, at_least: 0.1}
    then: {outcome: allow, sample_rate: 0.25}
"""


def released(desk, *, sampled: bool) -> str:
    """A clip that a rule let out, in its sample or not; returns the clip."""
    ruleset, _ = compile_folder(Folder(root="", texts={FILE: render(), "area/policy.yaml": POLICY}))
    trace = RuleTrace(policy="area", rule="drawn", truth="true", outcome=Outcome.ALLOW)
    decision = Decision(
        outcome=Outcome.ALLOW,
        facts_hash="",
        trace=(trace,),
        policy_version=ruleset.version,
        sampled=("area.drawn",) if sampled else (),
    )
    clip = desk.clip("released")
    with desk.transaction() as tx:
        keep_version(tx, ruleset, desk.now)
        found = read_clip(tx, clip, lock=True)
        made = insert_decision(tx, found, decision, actor_kind="rule", actor="policy", now=desk.now)
        where = {"clip": clip, "decision": made, "now": desk.now}
        tx.pg.execute(
            "insert into moderation.proofs (org_id, clip_id, sha256, passed, body, created_at)"
            " values ('default', %(clip)s, 'x', true, '{}', %(now)s)",
            where,
        )
        tx.pg.execute(
            "insert into moderation.releases (org_id, clip_id, sha256, blob_key, decision_id, released_at)"
            " values ('default', %(clip)s, 'x', 'x', %(decision)s, %(now)s)",
            where,
        )
    return clip


def test_what_rules_drew_is_audited_and_tells_of_what_went_out(desk):
    drawn = [released(desk, sampled=True) for _ in range(3)]
    released(desk, sampled=False)
    assert mix(desk) == 3
    assert mix(desk) == 0
    assert sorted(desk.column("select clip_id from moderation.samples where rate = 0.25")) == sorted(drawn)
    for outcome in ("allow", "block"):
        case = desk.claim("ana", "samples")
        assert (case.source, case.effect) == ("sample", "opinion")
        desk.decide("ana", case, outcome)
    found = quality(desk).unseen_harm
    assert (found.seen, found.harmful, found.share) == (2, 1, 0.5)
    assert found.low < 0.5 < found.high
    # Three drawn at a quarter stand for twelve: more than the four that went out, so none is left unseen.
    assert found.unseen == 0


def test_an_audit_that_finds_worse_opens_a_real_case(desk):
    released(desk, sampled=True)
    mix(desk)
    case = desk.claim("ana", "samples")
    before = standing(desk, case.clip_id)
    desk.decide("ana", case, "block")
    assert standing(desk, case.clip_id) == before
    desk.wait(seconds=31)
    desk.follow()
    (opened,) = desk.column("select case_id from moderation.cases where effect = 'clip'")
    assert (desk.case(opened).clip_id, desk.case(opened).source) == (case.clip_id, "sample")
    assert standing(desk, case.clip_id)[:2] == before[:2]
    assert desk.claim("ana", "samples") is None


def test_specialists_queues_are_never_mixed_into(desk, settle):
    rates(desk, golden_rate=1.0, second=1.0)
    desk.open("minor_safety")
    case = desk.claim("a specialist", "minor_safety")
    desk.decide("a specialist", case, "block")
    desk.wait(seconds=31)
    desk.follow()
    assert mix(desk) == 0


def test_a_golden_case_is_not_dealt_to_who_wrote_its_answer(desk, settle):
    rates(desk, golden_rate=1.0)
    keep(desk, settle("ana", "block"), by="lead")
    desk.wait(hours=2)
    desk.decide("lead", desk.claim("lead", clip=desk.case(desk.open()).clip_id), "allow")
    mix(desk)
    assert desk.claim("lead") is None
    assert desk.claim("ben").source == "golden"
