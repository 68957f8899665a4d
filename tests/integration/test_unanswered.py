"""A case that went to colleagues ends with their answer, however its clip is judged again meanwhile.

Queue, judgement, gate, revocation, look back and questions are the real ones; clips are rows.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest
from families import register
from judging_worker import ORG, add_clip, prove, showing

from moderation import asking, consent, judging, release, review
from moderation.assembly import open_services
from moderation.clock import FixedClock
from moderation.db.clips import read_clip
from moderation.decisions import Outcome
from moderation.ids import new_id
from moderation.lookbacks import driving as lookbacks
from moderation.lookbacks.looking import Seen
from moderation.review.following import follow_due
from moderation.review.reviewers import enlist
from moderation.review.terms import Terms, terms_of
from moderation.revocations import beginning, driving, rejudging
from moderation.services import Services

QUESTION = "is that a child?"
#: What a clip is brought before a person for: nothing tells whether it is violent.
ASKS = {"limits": ("violent",)}


@pytest.fixture
def services(settings) -> Iterator[Services]:
    with open_services(settings) as opened:
        opened.clock = FixedClock(opened.clock.now())
        yield opened


@dataclass(slots=True)
class Desk:
    """One clip that shows one person, and who works on it."""

    services: Services
    person: str
    grant: str
    #: Somebody else, who allows everything.
    other: str
    clip: str

    @property
    def terms(self) -> Terms:
        """Those of the settings, with half a minute to undo an answer."""
        return replace(terms_of(self.services.settings), undo=timedelta(seconds=30))

    def wait(self) -> None:
        self.services.clock.at += timedelta(minutes=1)

    def give(self, **terms) -> str:
        return give(self.services, self.person, **terms)

    def go_on(self) -> str:
        """Judge the clip in its present run and lead it through the gate; how it ends."""
        with self.services.database.transaction(ORG) as tx:
            generation = read_clip(tx, self.clip).generation
        verdict = judging.judge(self.services, ORG, self.clip, generation, f"{generation}.0")
        return release.release(self.services, ORG, self.clip, generation) if verdict == "publishable" else verdict

    def claim(self, who: str, queue: str) -> tuple[review.Reviewer, review.Case]:
        now, reviewer = self.services.clock.now(), review.Reviewer(principal=who, specialist=queue == "minor_safety")
        with self.services.database.transaction(ORG) as tx:
            enlist(tx, now, who)
            case = review.claim(tx, self.terms, now, queue, reviewer)
        assert case is not None
        return reviewer, case

    def hand_over(
        self, view: Outcome | None = None, *, to: str = "minor_safety", who: str = "rev", undone: bool = False
    ) -> review.Case:
        """A reviewer asks colleagues, with what they think themselves."""
        reviewer, case = self.claim(who, "likeness")
        leased = {"lease_token": case.lease_token, "version": case.version}
        reason = "minor_safety" if view else None
        asked = review.Escalation(question=QUESTION, outcome=view, reason=reason, queue=to, **leased)
        now = self.services.clock.now()
        with self.services.database.transaction(ORG) as tx:
            review.escalate(tx, self.services.enqueuer, self.terms, now, case.case_id, asked, reviewer)
        if undone:
            with self.services.database.transaction(ORG) as tx:
                review.undo(tx, self.terms, now, case.case_id, reviewer)
        self.wait()
        return self.case(case.case_id)

    def answer(self, who: str, outcome: Outcome = Outcome.ALLOW, queue: str = "minor_safety") -> None:
        """Decide the next case of a queue, and let what it asks for be done."""
        reviewer, case = self.claim(who, queue)
        reason = "minor_safety" if outcome is Outcome.BLOCK else "context_allowed"
        leased = {"lease_token": case.lease_token, "version": case.version}
        answer = review.Answer(outcome=outcome, reason=reason, note="", **leased)
        now = self.services.clock.now()
        with self.services.database.transaction(ORG) as tx:
            review.decide(tx, self.services.enqueuer, self.terms, now, case.case_id, answer, reviewer)
        self.wait()
        follow_due(self.services)

    def case(self, case_id: str) -> review.Case:
        with self.services.database.transaction(ORG) as tx:
            return review.read_case(tx, case_id)

    def open(self) -> list[tuple[str, str, str]]:
        """Queue, stage and id of what is open about the clip."""
        with self.services.database.transaction(ORG) as tx:
            found = "select queue, stage, case_id from moderation.cases where clip_id = %s and state = 'open'"
            return tx.pg.execute(found, (self.clip,)).fetchall()

    def status(self) -> str:
        with self.services.database.transaction(ORG) as tx:
            return read_clip(tx, self.clip).status

    def told(self) -> list[dict[str, object]]:
        with self.services.database.system_transaction() as tx:
            found = "select body from moderation.events where clip_id = %s order by seq"
            said = [json.loads(body) for (body,) in tx.pg.execute(found, (self.clip,)).fetchall()]
        return [{"type": each["type"], **each["data"]} for each in said]


def give(services, person, **terms) -> str:
    said = consent.Terms(**{"grantee_kind": "creator", "grantee": "ana", "scope": "both"} | terms)
    with services.database.transaction(ORG) as tx:
        return consent.grant(tx, services.clock.now(), person, by="test", terms=said)


def somebody(services) -> str:
    """Somebody who was registered and allowed nothing."""
    person = register(services.database, services.vault)
    with services.database.transaction(ORG) as tx:
        for each in consent.read_grants(tx, [person]):
            consent.take_back(tx, services.clock.now(), person, each.grant_id, by="test")
    services.clock.at += timedelta(minutes=1)
    return person


def desk(services, visibility: str = "public", **terms) -> Desk:
    """A clip of somebody on these terms."""
    person, other = somebody(services), somebody(services)
    give(services, other)
    made = Desk(services, person, give(services, person, **terms), other, new_id("clip"))
    add_clip(services, showing(services, person), made.clip)
    prove(services, made.clip)
    with services.database.transaction(ORG) as tx:
        said = (visibility, made.clip)
        tx.pg.execute("update moderation.clips set creator = 'ana', visibility = %s where clip_id = %s", said)
    return made


def says_yes(desk: Desk) -> None:
    """The owner answers; the signature was verified."""
    key = "insert into moderation.passkeys (org_id, passkey_id, person_id, credential, public_key, sign_count, created_at)"
    now = desk.services.clock.now()
    with desk.services.database.transaction(ORG) as tx:
        tx.pg.execute(f"{key} values ('default', 'pk', %s, 'c', 'k', 0, now())", (desk.person,))
        (question,) = asking.questions_of(tx, desk.person)
        signed = asking.Signed(passkey_id="pk", credential={})
        asking.answer(tx, desk.services.enqueuer, now, question, "yes", signed)


def takes_one_grant_back(desk: Desk) -> None:
    """The narrower one; a wider stands."""
    desk.give()
    begun = beginning.begin(desk.services, ORG, desk.person, by="test", grant_id=desk.grant)
    driving.drive(desk.services, ORG, str(begun["revocation_id"]))


def publishes(desk: Desk) -> None:
    desk.give()
    release.publish_draft(desk.services, ORG, desk.clip, "platform")


def looks_back(desk: Desk) -> None:
    """Somebody else is found, who allowed it."""
    desk.give()
    finds_other(desk)


def finds_other(desk: Desk) -> None:
    seen = Seen(ways={"face": "possible"}, partly=False, cpu_ms=0)
    with desk.services.database.transaction(ORG) as tx:
        lookbacks._act(tx, desk.services, "lkb_1", desk.other, read_clip(tx, desk.clip, lock=True), seen)


WAYS = {
    "yes": (says_yes, {"mode": "ask_me"}),
    "grant": (takes_one_grant_back, ASKS),
    "publish": (publishes, ASKS | {"visibility": "draft"}),
    "lookback": (looks_back, ASKS),
}


@pytest.mark.parametrize("view", [None, Outcome.BLOCK], ids=["asked", "blocked"])
@pytest.mark.parametrize("way", WAYS)
def test_what_went_to_specialists_comes_before_them_again_however_its_clip_is_judged_again(services, way, view):
    act, terms = WAYS[way]
    here = desk(services, **terms)
    assert here.go_on() == "in_review"
    before = here.hand_over(view)
    assert (before.queue, before.stage) == ("minor_safety", "second")
    act(here)
    assert here.status() == "processing"
    here.wait()
    assert here.go_on() == "in_review"
    assert here.open() == [("minor_safety", "second", before.case_id)]
    again = here.case(before.case_id)
    assert (again.lease_token, again.decided_at, again.opened_by) == (None, None, before.opened_by)
    assert again.version > before.version
    assert again.deadline == services.clock.now() + timedelta(hours=4)
    assert here.told()[-1]["type"] == "clip.in_review"
    # Done a second time the step changes nothing.
    assert here.go_on() == "in_review"
    assert here.case(before.case_id) == again
    # Whoever looks now finds the question, and not what its sender thinks.
    reviewer, _ = here.claim("spe", "minor_safety")
    with services.database.transaction(ORG) as tx:
        case = review.read_case(tx, before.case_id)
        assert review.opinions_to_show(tx, case, reviewer) == []
        assert [each.outcome for each in review.opinions_of(tx, case.case_id)] == [view or "review"]
        said = [act.body.get("question") for act in review.history(tx, case, reviewer) if act.action == "escalated"]
    assert said == [QUESTION]


def judged_again(services, act=looks_back, view: Outcome | None = None, **terms) -> Desk:
    """A clip that a reviewer handed over and that was judged again before anybody answered."""
    here = desk(services, **(terms or ASKS))
    assert here.go_on() == "in_review"
    here.hand_over(view)
    act(here)
    here.wait()
    assert here.go_on() == "in_review"
    return here


def test_their_answer_is_the_end_of_it(services):
    here = judged_again(services)
    here.answer("spe")
    assert here.go_on() == "released"
    # No later judgement asks them again.
    assert rejudging.judge_released(services, ORG, here.person) == 1
    assert here.go_on() == "released"
    assert here.open() == []


def test_what_they_block_stays_in(services):
    here = judged_again(services)
    here.answer("spe", Outcome.BLOCK)
    assert here.status() == "withheld"


def test_two_who_disagreed_are_still_to_be_heard_by_a_third(services):
    here = desk(services, mode="ask_me")
    here.go_on()
    here.hand_over(Outcome.BLOCK)
    here.answer("spe")
    says_yes(here)
    here.wait()
    assert here.go_on() == "in_review"
    ((queue, stage, case_id),) = here.open()
    assert (queue, stage) == ("minor_safety", "third")
    reviewer, case = here.claim("third", "minor_safety")
    with services.database.transaction(ORG) as tx:
        views = review.opinions_to_show(tx, case, reviewer)
    assert [(each.stage, each.outcome) for each in views] == [("first", "block"), ("second", "allow")]
    assert case.case_id == case_id


def test_what_rules_ask_meanwhile_is_asked_first_and_does_not_answer_it(services):
    here = judged_again(services, finds_other)
    ((queue, stage, _),) = here.open()
    assert (queue, stage) == ("likeness", "first")
    here.answer("bo", queue="likeness")
    assert here.go_on() == "in_review"
    ((queue, stage, _),) = here.open()
    assert (queue, stage) == ("minor_safety", "second")
    here.answer("spe")
    assert here.go_on() == "released"


def test_a_block_of_what_rules_asked_meanwhile_leaves_nothing_to_ask(services):
    here = judged_again(services, finds_other)
    here.answer("bo", Outcome.BLOCK, queue="likeness")
    assert (here.status(), here.open()) == ("withheld", [])


def test_each_of_two_questions_waits_for_its_own_answer(services):
    here = judged_again(services, finds_other)
    later = here.hand_over(who="bo")
    takes_one_grant_back(here)
    here.wait()
    assert here.go_on() == "in_review"
    assert here.open() == [("minor_safety", "second", later.case_id)]
    here.answer("spe")
    assert here.go_on() == "in_review"
    assert here.open() != [("minor_safety", "second", later.case_id)]
    here.answer("second")
    assert here.go_on() == "released"


def test_a_second_view_in_the_same_queue_is_waited_for_too(services):
    here = desk(services, mode="ask_me")
    here.go_on()
    case = here.hand_over(Outcome.BLOCK, to="likeness")
    says_yes(here)
    here.wait()
    assert here.go_on() == "in_review"
    assert here.open() == [("likeness", "second", case.case_id)]


def test_an_escalation_that_was_undone_asks_nobody(services):
    here = desk(services, mode="ask_me")
    here.go_on()
    before = here.hand_over(Outcome.BLOCK, to="likeness", undone=True)
    assert (before.queue, before.stage) == ("likeness", "first")
    says_yes(here)
    here.wait()
    assert here.go_on() == "released"


def test_a_clip_that_was_withdrawn_meanwhile_comes_before_nobody(services):
    here = desk(services, mode="ask_me")
    here.go_on()
    here.hand_over()
    says_yes(here)
    release.withdraw(services, ORG, here.clip, "platform", "asked")
    assert here.go_on() == "withdrawn"
    assert here.open() == []
