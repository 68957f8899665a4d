"""Answers of people to cases: written down, undone, escalated, overturned; what follows happens once and not before."""

import pytest

from moderation.errors import Conflict, Forbidden, NotFound, Unprocessable


def runs(desk) -> int:
    """How many runs of the pipeline were asked for."""
    with desk.database.system_transaction() as tx:
        return tx.pg.execute("select count(*) from dbos.workflow_status where name = 'process_clip'").fetchone()[0]


def test_nothing_follows_from_an_answer_before_its_undo_window_is_over(desk):
    case = desk.open()
    recorded = desk.decide("ana", desk.claim("ana"), "allow")
    assert recorded.undo_until == desk.now + desk.terms.undo
    desk.wait(seconds=29)
    assert (desk.follow(), runs(desk), desk.status(case)) == (0, 0, "in_review")
    desk.wait(seconds=1)
    assert (desk.follow(), runs(desk), desk.status(case)) == (1, 1, "processing")
    assert (desk.follow(), runs(desk)) == (0, 1)


def test_without_a_window_what_follows_commits_with_the_answer(desk):
    desk.change(undo=desk.terms.undo * 0)
    case = desk.open()
    assert desk.decide("ana", desk.claim("ana"), "block").undo_until is None
    assert (desk.status(case), desk.case(case).followed_at) == ("withheld", desk.now)
    with pytest.raises(Conflict, match="no more"):
        desk.undo("ana", case)


@pytest.mark.parametrize("outcome", ["allow", "restrict", "block"])
def test_an_undone_answer_leaves_no_trace_on_the_clip_and_the_case_is_its_reviewers_again(desk, outcome):
    case = desk.open()
    desk.decide("ana", desk.claim("ana"), outcome)
    again = desk.undo("ana", case)
    assert (again.state, again.lease_holder, again.held(desk.now), again.stage) == ("open", "ana", True, "first")
    desk.wait(seconds=60)
    assert (desk.follow(), runs(desk), desk.status(case)) == (0, 0, "in_review")
    events = desk.column("select type from moderation.events order by seq")
    assert events == ["clip.in_review"]
    from moderation.answers import read_answers  # noqa: PLC0415 (loads the detectors' types)

    with desk.transaction() as tx:
        assert read_answers(tx, again.clip_id) == []
    assert desk.column("select outcome from moderation.decisions order by seq") == ["review", outcome, "review"]
    # The second time it stands, and judgement hears of that one alone.
    desk.decide("ana", again, "block")
    desk.wait(seconds=31)
    assert (desk.follow(), desk.status(case)) == (1, "withheld")
    with desk.transaction() as tx:
        assert [str(answer.decision.outcome) for answer in read_answers(tx, again.clip_id)] == ["block"]


def test_only_ones_own_last_answer_can_be_undone_and_only_in_time(desk):
    case = desk.open()
    with pytest.raises(Conflict, match="no answer"):
        desk.undo("ana", case)
    desk.decide("ana", desk.claim("ana"))
    with pytest.raises(Conflict, match="no answer"):
        desk.undo("ben", case)
    desk.wait(seconds=30)
    with pytest.raises(Conflict, match="no more"):
        desk.undo("ana", case)
    # Done early by a service whose clock is ahead, it is done all the same.
    desk.follow()
    desk.wait(seconds=-20)
    with pytest.raises(Conflict, match="no more"):
        desk.undo("ana", case)


def test_a_clip_that_went_on_without_the_answer_is_not_moved_by_it(desk):
    case = desk.open()
    claimed = desk.claim("ana")
    desk.decide("ana", claimed, "block")
    with desk.transaction() as tx:
        tx.pg.execute("update moderation.clips set generation = 9, status = 'processing'")
    with pytest.raises(Conflict, match="judged again"):
        desk.undo("ana", case)
    desk.wait(seconds=31)
    assert (desk.follow(), desk.status(case)) == (1, "processing")


def test_an_answer_sent_twice_is_recorded_once(desk):
    case = desk.open()
    claimed = desk.claim("ana")
    first = desk.decide("ana", claimed, "block", key="form-1")
    again = desk.decide("ana", claimed, "block", key="form-1")
    assert (again, desk.scalar("select count(*) from moderation.opinions")) == (first, 1)
    for other in ({}, {"key": "form-2"}):
        with pytest.raises(Conflict):
            desk.decide("ana", claimed, "block", **other)
    mine = desk.undo("ana", case)
    with pytest.raises(Conflict):
        desk.decide("ana", claimed, "block", key="form-1")
    assert desk.decide("ana", mine, "allow", key="form-1").opinion_id != first.opinion_id


def test_an_opinion_says_who_when_for_what_and_how_long_they_looked(desk):
    case = desk.open()
    claimed = desk.claim("ana")
    with desk.transaction() as tx:
        for ms, principal in ((1200, "ana"), (300, "ana"), (9000, "ben")):
            tx.pg.execute(
                "insert into moderation.exposures (org_id, principal, case_id, clip_id, rendition, ms, severity, "
                "started_at, ended_at) values ('default', %s, %s, %s, 'revealed', %s, 0, %s, %s)",
                (principal, case, claimed.clip_id, ms, desk.now, desk.now),
            )
    desk.wait(seconds=12)
    desk.decide("ana", claimed, "restrict", note="in the background")
    with desk.transaction() as tx:
        found = tx.pg.execute(
            "select reviewer, role, outcome, reason, note, policy_version, language, unveiled_ms, "
            "extract(epoch from answered_at - opened_at)::int, queue from moderation.opinions"
        ).fetchone()
    note = "in the background"
    assert found == ("ana", "deciding", "restrict", "explicit_content", note, "v1", "fr", 1500, 12, "explicit")


class TestEscalation:
    def test_two_that_agree_decide_and_neither_saw_the_other(self, desk):
        case = desk.open()
        asked = desk.escalate("ana", desk.claim("ana"), "block", question="is that a statue?")
        assert (asked.decision_id, asked.next_stage) == (None, "second")
        assert desk.claim("ana") is None
        second = desk.claim("ben")
        assert (second.case_id, second.stage) == (case, "second")
        from moderation import review  # noqa: PLC0415

        with desk.transaction() as tx:
            ben = review.Reviewer(principal="ben")
            assert review.opinions_to_show(tx, second, ben) == []
            told = [act for act in review.history(tx, second, ben) if act.action == "escalated"]
        assert [dict(act.body) for act in told] == [{"question": "is that a statue?"}]
        decided = desk.decide("ben", second, "block")
        assert decided.decision_id is not None
        desk.wait(seconds=31)
        assert (desk.follow(), desk.status(case)) == (1, "withheld")
        assert desk.column("select role from moderation.opinions order by opinion_id") == ["first", "second"]
        assert desk.scalar("select count(*) from moderation.calibration_cases") == 0

    def test_a_third_sees_both_and_decides_and_the_case_is_listed_for_calibration(self, desk):
        case = desk.open()
        desk.escalate("ana", desk.claim("ana"), "block")
        assert desk.decide("ben", desk.claim("ben"), "allow").next_stage == "third"
        assert desk.claim("ana") is None
        assert desk.claim("ben") is None
        third = desk.claim("cem")
        from moderation import review  # noqa: PLC0415

        with desk.transaction() as tx:
            shown = review.opinions_to_show(tx, third, review.Reviewer(principal="cem"))
        assert [(each.reviewer, each.outcome) for each in shown] == [("ana", "block"), ("ben", "allow")]
        with pytest.raises(Unprocessable, match="decides"):
            desk.escalate("cem", third)
        assert desk.decide("cem", third, "restrict").decision_id is not None
        assert desk.column("select case_id from moderation.calibration_cases where settled_at is null") == [case]
        assert desk.column("select role from moderation.opinions order by opinion_id") == ["first", "second", "third"]

    def test_what_one_asked_can_be_undone_until_a_colleague_looks(self, desk):
        case = desk.open()
        desk.escalate("ana", desk.claim("ana"), "block", queue="second_opinions")
        assert desk.case(case).queue == "second_opinions"
        again = desk.undo("ana", case)
        assert (again.queue, again.stage, again.lease_holder) == ("explicit", "first", "ana")
        desk.escalate("ana", again, "block")
        desk.claim("ben")
        with pytest.raises(Conflict):
            desk.undo("ana", case)

    def test_an_undone_disagreement_is_taken_off_the_list(self, desk):
        case = desk.open()
        desk.escalate("ana", desk.claim("ana"), "block")
        desk.decide("ben", desk.claim("ben"), "allow")
        again = desk.undo("ben", case)
        assert (again.stage, again.lease_holder) == ("second", "ben")
        assert desk.scalar("select count(*) from moderation.calibration_cases where settled_at is null") == 0
        assert desk.decide("ben", again, "block").decision_id is not None

    def test_in_minor_safety_nothing_is_let_out_by_one_person(self, desk):
        desk.open("minor_safety")
        first = desk.claim("a specialist", "minor_safety")
        assert desk.decide("a specialist", first, "allow").next_stage == "second"
        assert desk.claim("a specialist", "minor_safety") is None
        second = desk.claim("b specialist", "minor_safety")
        assert desk.decide("b specialist", second, "allow").decision_id is not None
        desk.open("minor_safety")
        third = desk.claim("a specialist", "minor_safety")
        assert desk.decide("a specialist", third, "block").decision_id is not None

    def test_a_specialists_case_is_handed_to_no_general_group(self, desk):
        desk.open("minor_safety")
        first = desk.claim("a specialist", "minor_safety")
        with pytest.raises(Unprocessable, match="stays with specialists"):
            desk.escalate("a specialist", first, "block", queue="second_opinions")
        with pytest.raises(NotFound):
            desk.escalate("a specialist", first, "block", queue="nowhere")


class TestOverturn:
    def test_a_wrong_block_is_overturned_by_somebody_else_and_enters_where_a_rules_decision_does(self, desk, settle):
        case = settle("ana", "block")
        before = runs(desk)
        with pytest.raises(Forbidden):
            desk.overturn("ana", case, "allow", "false_positive")
        made = desk.overturn("ben", case, "allow", "false_positive")
        assert (desk.status(case), runs(desk) - before) == ("processing", 1)
        with desk.transaction() as tx:
            row = tx.pg.execute("select error_class, decided_by, language from moderation.overturns").fetchone()
            chain = tx.pg.execute(
                "select supersedes from moderation.decisions where decision_id = %s", (made.decision_id,)
            ).fetchone()
        assert row == ("false_positive", made.decision_id, "fr")
        assert chain[0] is not None
        assert desk.case(case).decided_by == made.decision_id

    def test_a_wrong_release_is_withheld_at_once(self, desk, settle):
        case = settle("ana", "allow")
        generation = "select generation from moderation.clips"
        before = desk.scalar(generation)
        desk.overturn("ben", case, "block", "false_negative")
        assert desk.status(case) == "withheld"
        # A run of the clip that was under way finds itself outdated.
        assert desk.scalar(generation) == before + 1
        assert desk.column("select type from moderation.events order by seq")[-1] == "clip.withheld"

    @pytest.mark.parametrize(
        ("outcome", "error_class"),
        [("block", "false_positive"), ("allow", "false_negative"), ("restrict", "false_positive")],
    )
    def test_the_class_of_the_error_must_fit_the_outcome(self, desk, settle, outcome, error_class):
        case = settle("ana", "restrict")
        with pytest.raises(Unprocessable):
            desk.overturn("ben", case, outcome, error_class)
        assert desk.scalar("select count(*) from moderation.overturns") == 0

    def test_nothing_is_overturned_on_its_way_or_unseen(self, desk, settle):
        other = settle("ana", "block")
        case = desk.open()
        with pytest.raises(Conflict, match="nothing was decided"):
            desk.overturn("ben", case, "allow", "technical")
        desk.decide("ana", desk.claim("ana"), "allow")
        with pytest.raises(Conflict, match="on its way"):
            desk.overturn("ben", case, "block", "false_negative")
        with pytest.raises(Conflict, match="changed since"):
            desk.overturn("ben", other, "allow", "false_positive", version=1)

    def test_where_it_takes_two_one_person_makes_it_stricter_only(self, desk, settle):
        case = settle("a specialist", "block", "minor_safety")
        with pytest.raises(Unprocessable, match="two people"):
            desk.overturn("b specialist", case, "allow", "false_positive")
        assert desk.overturn("b specialist", case, "block", "wrong_policy", reason="violence").decision_id


class TestQuietCases:
    def test_an_answer_for_quality_never_moves_its_clip(self, desk):
        clip = desk.clip("released")
        case = desk.quiet(clip, "golden")
        recorded = desk.decide("ana", desk.claim("ana"), "block")
        assert recorded.decision_id is None
        desk.wait(seconds=31)
        assert (desk.follow(), desk.status(case), desk.case(case).state) == (1, "released", "decided")
        assert desk.column("select role from moderation.opinions") == ["golden"]
        assert desk.scalar("select count(*) from moderation.cases") == 1

    @pytest.mark.parametrize(("source", "role"), [("sample", "sample"), ("second_opinion", "second_opinion")])
    def test_a_blind_look_that_finds_worse_opens_a_real_case_for_somebody_else(self, desk, source, role):
        desk.quiet(desk.clip("released"), source)
        desk.decide("ana", desk.claim("ana"), "block")
        assert desk.scalar("select count(*) from moderation.cases") == 1, "it can still be undone"
        desk.wait(seconds=31)
        assert desk.follow() == 1
        assert desk.column("select role from moderation.opinions") == [role]
        assert desk.claim("ana") is None
        real = desk.claim("ben")
        assert (real.effect, real.source) == ("clip", source)
        desk.decide("ben", real, "block")
        desk.wait(seconds=31)
        assert (desk.follow(), desk.status(real.case_id)) == (1, "withheld")

    def test_a_blind_look_that_agrees_opens_nothing(self, desk):
        desk.quiet(desk.clip("released"), "sample")
        desk.decide("ana", desk.claim("ana"), "allow")
        desk.wait(seconds=31)
        assert desk.follow() == 1
        assert desk.scalar("select count(*) from moderation.cases") == 1

    def test_a_quiet_case_may_stand_beside_a_real_one(self, desk):
        real = desk.open()
        desk.quiet(desk.case(real).clip_id, "second_opinion")
        assert desk.scalar("select count(*) from moderation.cases where state = 'open'") == 2
