"""Who is dealt which case: in order, under a lease, by role, never their own again, nothing severe at a cap."""

import random
from datetime import timedelta

import pytest

from moderation import exposure, review
from moderation.errors import Conflict, Forbidden, ModerationError, NotFound, Unprocessable

QUEUES = ("explicit", "words", "minor_safety")
PEOPLE = ("ana", "ben", "cem", "d specialist", "e specialist", "f specialist")


def look(desk, who: str, ms: int, severity: int = 0) -> None:
    """Write a look into the ledger, ending now, at a case that is none of those dealt here."""
    case = desk.scalar("select case_id from moderation.cases limit 1")
    with desk.transaction() as tx:
        tx.pg.execute(
            "insert into moderation.exposures (org_id, principal, case_id, clip_id, rendition, ms, severity, started_at, "
            "ended_at) select 'default', %s, case_id, clip_id, 'revealed', %s, %s, %s, %s from moderation.cases "
            "where case_id = %s",
            (who, ms, severity, desk.now - timedelta(milliseconds=ms), desk.now, case),
        )


def test_the_next_case_is_the_most_urgent_then_the_gravest_then_the_oldest(desk):
    late = desk.open(deadline_s=7200)
    desk.wait(seconds=1)
    grave, soon = desk.open(deadline_s=7199, priority=50), desk.open(deadline_s=600)
    old = desk.open(deadline_s=7199)
    assert [desk.claim(who).case_id for who in ("ana", "ben", "cem", "dan")] == [soon, grave, late, old]
    assert desk.claim("eve") is None


def test_a_queue_that_is_none_is_not_found_and_a_retired_one_neither(desk):
    with pytest.raises(NotFound):
        desk.claim("ana", "nowhere")
    with desk.transaction() as tx:
        desk_ = (tx, desk.now, "rights")
        review.change_queue(*desk_, {"retired": True}, by="admin")
    with pytest.raises(NotFound):
        desk.claim("ana", "rights")
    desk.open("words")
    with desk.transaction() as tx, pytest.raises(Conflict, match="1 cases wait"):
        review.change_queue(tx, desk.now, "words", {"retired": True}, by="admin")


def test_roles_and_choices_say_from_which_queues_somebody_is_dealt(desk):
    for queue in QUEUES:
        desk.open(queue)
    with pytest.raises(Forbidden):
        desk.claim("ana", "minor_safety")
    assert desk.claim("ana", "words") is not None

    def names(who: str) -> list[str]:
        with desk.transaction() as tx:
            reviewer = review.Reviewer(principal=who, specialist=who.endswith("specialist"))
            return [line.name for line in review.list_queues(tx, desk.now, reviewer)]

    assert names("ana") == ["explicit", "words"]
    with desk.transaction() as tx:
        review.give_queues(tx, desk.now, "ana", ["explicit"], by="admin")
        review.choose(tx, desk.now, "d specialist", opted_out=["minor_safety"])
    assert (names("ana"), names("d specialist")) == (["explicit"], ["explicit", "words"])
    for who, queue in (("ana", "words"), ("d specialist", "minor_safety")):
        with pytest.raises(Forbidden):
            desk.claim(who, queue)
    with desk.transaction() as tx, pytest.raises(Unprocessable):
        review.give_queues(tx, desk.now, "ana", ["nowhere"], by="admin")
    with desk.transaction() as tx, pytest.raises(NotFound):
        review.give_queues(tx, desk.now, "nobody", None, by="admin")


def test_the_list_counts_what_came_and_went_before_and_after_it_is_added_up(desk):
    def line() -> tuple[int, int, int]:
        with desk.transaction() as tx:
            found = review.list_queues(tx, desk.now, review.Reviewer(principal="ana"), empty=True)
        explicit = next(each for each in found if each.name == "explicit")
        return explicit.waiting, explicit.in_work, explicit.mine

    for _ in range(20):
        desk.open()
    assert line() == (20, 0, 0)
    desk.decide("ana", desk.claim("ana"))
    desk.claim("ana")
    desk.escalate("ben", desk.claim("ben"), "block", queue="second_opinions")
    assert line() == (18, 1, 1)
    from moderation.review.queues import fold_changes  # noqa: PLC0415

    with desk.database.system_transaction() as tx:
        assert fold_changes(tx) > 0
    assert line() == (18, 1, 1)
    assert desk.scalar("select count(*) from moderation.queue_changes where queue = 'explicit'") == 1


def test_a_lost_lease_records_nothing_and_its_case_is_dealt_the_moment_it_ends(desk):
    case = desk.open()
    mine = desk.claim("ana")
    desk.wait(seconds=299.9)
    assert desk.claim("ben") is None
    desk.wait(seconds=0.1)
    assert desk.claim("ben").case_id == case
    for late in (lambda: desk.decide("ana", mine), lambda: desk.escalate("ana", mine)):
        with pytest.raises(Conflict):
            late()
    with desk.transaction() as tx, pytest.raises(Conflict):
        review.renew(tx, desk.terms, desk.now, case, mine.lease_token)
    assert desk.scalar("select count(*) from moderation.opinions") == 0


def test_a_renewed_lease_is_kept(desk):
    case = desk.open()
    mine = desk.claim("ana")
    for _ in range(5):
        desk.wait(seconds=200)
        with desk.transaction() as tx:
            assert review.renew(tx, desk.terms, desk.now, case, mine.lease_token) == desk.now + desk.terms.lease
    assert desk.claim("ben") is None
    assert desk.decide("ana", mine).decision_id


def test_in_development_a_rules_new_case_may_come_back_and_in_production_it_never_does(desk, settle):
    settle("ana", "block")
    clip = desk.scalar("select clip_id from moderation.cases")
    with desk.transaction() as tx:
        tx.pg.execute("update moderation.clips set status = 'processing'")
    desk.open(clip=clip)
    assert desk.claim("ana") is None
    assert desk.claim("ana", clip=clip) is None
    desk.change(own_clips_again=True)
    again = desk.claim("ana")
    assert again.clip_id == clip
    desk.escalate("ana", again, "allow")
    assert desk.claim("ana") is None, "a second view is somebody else's, wherever"


def test_whoever_looked_long_enough_is_dealt_no_severe_case_and_other_work_goes_on(desk):
    severe, light = desk.open(priority=80), desk.open(priority=79)
    look(desk, "ana", ms=10 * 60 * 1000)
    claimed = desk.claim("ana")
    assert claimed.case_id == light
    assert desk.claim("ana", clip=desk.case(severe).clip_id) is None
    assert desk.claim("ben").case_id == severe


def test_after_a_severe_case_the_next_is_another_kind_until_it_is_felt_no_more(desk):
    severe = desk.open(priority=90)
    look(desk, "ana", ms=1000, severity=90)
    assert desk.claim("ana") is None
    desk.wait(minutes=10, seconds=1)
    assert desk.claim("ana").case_id == severe


def test_with_the_ledger_unasked_a_severe_case_would_be_dealt(desk, monkeypatch):
    severe = desk.open(priority=90)
    look(desk, "ana", ms=60 * 60 * 1000, severity=90)
    monkeypatch.setattr(exposure.Standing, "severe_allowed", lambda _self, _now: True)
    assert desk.claim("ana").case_id == severe


class Chance:
    """One run of people who do whatever they may, in an order drawn by chance; every claim is checked as it is dealt."""

    def __init__(self, desk, seed: int) -> None:
        self.desk, self.chance = desk, random.Random(seed)
        self.held: dict[str, review.Case] = {}
        self.answered: list[tuple[str, str]] = []

    def step(self) -> None:
        acts = (self.claim, self.claim, self.claim, self.answer, self.answer, self.answer, self.let_go, self.undo)
        self.chance.choice((*acts, self.look, self.wait, self.open))(self.chance.choice(PEOPLE))

    def claim(self, who: str) -> None:
        queue = self.chance.choice(QUEUES)
        try:
            case = self.desk.claim(who, queue)
        except Forbidden:
            assert queue == "minor_safety"
            return
        if case is None:
            return
        caps = self.desk.terms.caps
        with self.desk.transaction() as tx:
            standing = exposure.standing(tx, self.desk.now, who, caps)
        assert standing.severe_allowed(self.desk.now) or not caps.severe(case.severity), (who, case)
        others = [holder for holder, held in self.held.items() if held.case_id == case.case_id and holder != who]
        assert all(self.desk.now >= self.held[other].lease_expires_at for other in others), (who, others)
        own = "select reviewer from moderation.opinions o where clip_id = %s and reviewer = %s and opinion_id not in "
        own += "(select opinion_id from moderation.undone_opinions)"
        assert self.desk.scalar(own, case.clip_id, who) is None
        self.held[who] = case

    def answer(self, who: str) -> None:
        case = self.held.pop(who, None)
        if case is None:
            return
        outcome = self.chance.choice(("allow", "restrict", "block"))
        act = self.desk.escalate if self.chance.random() < 0.3 else self.desk.decide
        late = self.desk.now >= case.lease_expires_at
        before = self.desk.scalar("select count(*) from moderation.opinions")
        refused = None
        try:
            act(who, case, outcome)
        except ModerationError as error:
            refused = error
        grown = self.desk.scalar("select count(*) from moderation.opinions") - before
        if refused is None:
            assert (late, grown) == (False, 1)
            self.answered.append((who, case.case_id))
            return
        assert grown == 0
        assert late or isinstance(refused, Unprocessable) or self.desk.case(case.case_id).version != case.version

    def let_go(self, who: str) -> None:
        case = self.held.pop(who, None)
        if case is None:
            return
        act = self.chance.choice((review.skip, review.give_back))
        try:
            with self.desk.transaction() as tx:
                act(tx, self.desk.now, case.case_id, case.lease_token, review.Reviewer(principal=who, specialist=True))
        except Conflict:
            return

    def undo(self, _who: str) -> None:
        if not self.answered:
            return
        who, case = self.answered[-1]
        try:
            self.held[who] = self.desk.undo(who, case)
        except Conflict:
            return

    def look(self, who: str) -> None:
        severity = self.chance.choice((0, 95))
        look(self.desk, who, ms=self.chance.choice((1000, 300_000)), severity=severity)

    def wait(self, _who: str) -> None:
        self.desk.wait(seconds=self.chance.choice((1, 40, 400)))
        self.desk.follow()

    def open(self, _who: str) -> None:
        self.desk.open(self.chance.choice(QUEUES), priority=self.chance.choice((10, 79, 80, 95)))

    def finish(self) -> None:
        """Everybody works on, rested, until nothing waits."""
        for _ in range(12):
            self.desk.wait(hours=17)
            self.held.clear()
            for who in PEOPLE:
                for queue in QUEUES:
                    self.work_through(who, queue)
        self.desk.wait(seconds=60)
        self.desk.follow()

    def work_through(self, who: str, queue: str) -> None:
        for clip in self.desk.column("select clip_id from moderation.cases where state = 'open' and queue = %s", queue):
            try:
                case = self.desk.claim(who, queue, clip)
                if case is not None:
                    self.desk.decide(who, case, "block")
            except Forbidden:
                return


@pytest.mark.parametrize("seed", [1, 2])
def test_whatever_people_do_in_whatever_order_each_case_is_decided_once_by_who_may(desk, seed):
    run = Chance(desk, seed)
    for _ in range(6):
        run.open("")
    for _ in range(120):
        run.step()
    run.finish()
    assert desk.column("select case_id from moderation.cases where state <> 'decided' or followed_at is null") == []
    decided = (
        "select case_id from moderation.opinions o where decision_id is not null and not exists (select 1 from "
        "moderation.undone_opinions u where u.opinion_id = o.opinion_id) group by case_id having count(*) = 1"
    )
    assert len(desk.column(decided)) == desk.scalar("select count(*) from moderation.cases")
    assert desk.scalar("select coalesce(sum(change), 0)::int from moderation.queue_changes") == 0


def test_after_a_severe_answer_no_other_severe_case_is_dealt_for_a_while_and_the_page_knows_why(desk):
    def spared(who: str) -> exposure.Standing | None:
        with desk.transaction() as tx:
            return review.spared(tx, desk.terms, desk.now, "explicit", review.Reviewer(principal=who))

    for _ in range(2):
        desk.open(priority=90)
    mild = desk.open("words", priority=10)
    assert spared("ana") is None
    first = desk.claim("ana")
    desk.decide("ana", first, "block")
    assert desk.claim("ana") is None, "decided from the veil, and felt all the same"
    assert spared("ana").spared_until == desk.now + desk.terms.caps.sparing
    assert spared("ben") is None
    assert desk.claim("ana", "words").case_id == mild
    desk.undo("ana", first.case_id)
    assert spared("ana") is None, "an answer that was taken back is not felt"
    desk.decide("ana", desk.case(first.case_id), "block")
    desk.wait(seconds=desk.terms.caps.sparing.total_seconds())
    assert desk.claim("ana") is not None
