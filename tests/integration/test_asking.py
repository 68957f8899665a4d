"""A grant that says `ask_me`: one question, one signed answer, and silence is a no. And the owner's way in."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import numpy as np
import psycopg
import pytest
from authenticator import Authenticator

from moderation import asking, consent, owners, passkeys
from moderation.asking import words_about
from moderation.clock import FixedClock
from moderation.consent.people import lock_person
from moderation.db.clips import read_clip
from moderation.engine import Enqueuer
from moderation.errors import Conflict, Forbidden, NotFound, Unauthorised
from moderation.ids import new_id
from moderation.passkeys import NotSigned, party_at
from moderation.vault import Vault

BEGIN = datetime(2026, 1, 1, 12, tzinfo=UTC)
PARTY = passkeys.Party(host="localhost", origin="http://localhost")
WAITING = "select 1 from pg_locks l join pg_stat_activity a using (pid) where not l.granted and a.datname = current_database()"
INSERT = """insert into moderation.clips (org_id, clip_id, status, creator, created_at, updated_at)
values ('default', %s, 'in_review', 'ana', %s, %s)"""

SHOWS = """insert into moderation.appearances (org_id, clip_id, person_id, how, state, version, generation, judged_at)
select 'default', %s, person, 'face', 'matched', 1, 1, %s from unnest(%s::text[]) person"""

#: What a sweep of the known-illegal lists leaves: nothing of the clip is kept, and its case is the specialists'.
SEALED = """with asked as (insert into moderation.decisions
  (org_id, decision_id, clip_id, seq, outcome, body, actor_kind, actor, facts_hash, created_at)
  values ('default', 'dec_sealed', %(clip)s, 1, 'block', '{}', 'rule', 'policy', '', %(now)s) returning decision_id),
hidden as (update moderation.clips set status = 'withheld' where clip_id = %(clip)s)
insert into moderation.cases (org_id, case_id, clip_id, queue, opened_by, deadline, created_at)
select 'default', 'case_sealed', %(clip)s, 'known_illegal', decision_id, %(now)s, %(now)s from asked"""


class Registry:
    """Two people who want to be asked, and clips that are only rows."""

    def __init__(self, services) -> None:
        self.services = services
        self.lea, self.noor = (self._person(name) for name in ("Lea", "Noor"))

    def _person(self, name: str) -> str:
        with self.transaction() as tx:
            vectors, said = np.eye(1, 8, dtype=np.float32), {"model": "m", "sources": ["test"], "by": "test"}
            person = consent.add_person(
                tx, self.services.vault, self.now, name=name, kind="cameo", vectors=vectors, **said
            )
            consent.grant(tx, self.now, person, grantee=None, scope="face", mode="ask_me", by="test")
        return person

    @property
    def now(self) -> datetime:
        return self.services.clock.now()

    def wait(self, **time: float) -> None:
        self.services.clock.at += timedelta(**time)

    def transaction(self):
        return self.services.database.transaction("default")

    def clip(self) -> str:
        clip = new_id("clip")
        with self.transaction() as tx:
            tx.pg.execute(INSERT, (clip, self.now, self.now))
            tx.pg.execute(SHOWS, (clip, self.now, [self.lea, self.noor]))
        return clip

    def ask(self, clip: str, *wanted: tuple[str, str]) -> list[asking.Question]:
        with self.transaction() as tx:
            found = read_clip(tx, clip, lock=True)
            asked = asking.ask(tx, self.services.enqueuer, found, wanted or [(self.lea, "face")], self.now)
            return [asking.read_question(tx, each, self.lea) for each in asked]

    def generation(self, clip: str) -> int:
        with self.transaction() as tx:
            return read_clip(tx, clip).generation

    def consent(self, clip: str) -> consent.Standing:
        with self.transaction() as tx:
            use = consent.Use(creator="ana", answers=words_about(tx, clip).answers)
            return consent.stand(tx, self.now, seen=frozenset({self.lea}), declared=frozenset(), use=use)[self.lea]

    def owner(self, person: str, method: str = "link") -> owners.Owner:
        with self.transaction() as tx:
            cookie = owners.begin(tx, self.now, person, method)
        return owners.check(self.services, cookie)

    def passkey(self, person: str, device: Authenticator, method: str = "link") -> str:
        challenge, sealed = passkeys.seal_challenge(self.services.vault, self.now, "register")
        owner = self.owner(person, method)
        with self.transaction() as tx:
            options = passkeys.registration(tx, PARTY, owner, challenge, "Lea")
            back = passkeys.open_challenge(self.services.vault, self.now, "register", sealed)
            return passkeys.register(tx, self.now, PARTY, owner, back, device.register(options))

    def sign(self, question: asking.Question, said: str, device: Authenticator, **signed_for: str) -> asking.Signed:
        """Sign an answer with a device; `signed_for` is what the device is shown instead."""
        shown = asking.challenge(replace(question, **signed_for), said)
        options = passkeys.assertion(PARTY, shown, [])
        with self.transaction() as tx:
            challenge = asking.challenge(question, said)
            credential = device.sign(str(options["challenge"]))
            return passkeys.demand_signed(tx, self.now, PARTY, question.person_id, challenge, credential)

    def answer(self, question: asking.Question, said: str, device: Authenticator) -> None:
        options = passkeys.assertion(PARTY, asking.challenge(question, said), [])
        credential = device.sign(str(options["challenge"]))
        with self.transaction() as tx:
            passkeys.answer(tx, self.services.enqueuer, self.now, PARTY, question, said, credential)


@pytest.fixture
def registry(database, dsn, tmp_path) -> Iterator[Registry]:
    enqueuer = Enqueuer(dsn)
    parts = {"vault": Vault(tmp_path / "keys"), "clock": FixedClock(BEGIN), "enqueuer": enqueuer}
    yield Registry(SimpleNamespace(database=database, **parts))
    enqueuer.close()


@pytest.mark.parametrize(("said", "becomes"), [("yes", "consented"), ("no", "not_consented")])
def test_an_answer_is_of_one_clip_and_sends_it_through_judgement_again(registry, said, becomes):
    device, clip, other = Authenticator(), registry.clip(), registry.clip()
    registry.passkey(registry.lea, device)
    (question,) = registry.ask(clip)
    assert registry.ask(clip) == []
    assert (registry.consent(clip).consent, registry.consent(clip).asks) == ("undetermined", {"face"})
    registry.answer(question, said, device)
    assert (registry.consent(clip).consent, registry.consent(clip).asks) == (becomes, frozenset())
    assert registry.consent(other).consent == "undetermined"
    assert (registry.generation(clip), registry.generation(other)) == (2, 1)
    with pytest.raises(Conflict):
        registry.answer(question, "yes", device)


@pytest.mark.parametrize("revoked_first", [True, False])
def test_whether_a_yes_was_taken_back_goes_by_the_order_of_commits(registry, revoked_first):
    """One machine's clock is three seconds ahead of the other's: whoever is ahead acts first."""
    device, clip = Authenticator(), registry.clip()
    registry.passkey(registry.lea, device)
    (question,) = registry.ask(clip)

    def revoke():
        with registry.transaction() as tx:
            consent.revoke(tx, registry.now, registry.lea, by="test")
            consent.grant(tx, registry.now, registry.lea, grantee=None, scope="face", mode="ask_me", by="test")

    def answer():
        registry.answer(question, "yes", device)

    first, then = (revoke, answer) if revoked_first else (answer, revoke)
    registry.wait(seconds=3)
    first()
    registry.wait(seconds=-3)
    then()
    assert registry.consent(clip).consent == ("consented" if revoked_first else "not_consented")


def test_a_yes_ends_with_what_it_was_given_under_and_a_later_grant_does_not_bring_it_back(registry):
    device, clip = Authenticator(), registry.clip()
    registry.passkey(registry.lea, device)
    (question,) = registry.ask(clip)
    registry.answer(question, "yes", device)
    registry.wait(hours=1)
    with registry.transaction() as tx:
        consent.grant(tx, registry.now, registry.lea, grantee="bo", scope="voice", by="test")
        apart = consent.read_grants(tx, [registry.lea])[-1].grant_id
        consent.revoke(tx, registry.now, registry.lea, grant_id=apart, by="test")
    assert registry.consent(clip).consent == "consented"
    registry.wait(hours=1)
    with registry.transaction() as tx:
        consent.revoke(tx, registry.now, registry.lea, by="test")
    registry.wait(hours=1)
    with registry.transaction() as tx:
        consent.grant(tx, registry.now, registry.lea, grantee=None, scope="face", mode="ask_me", by="test")
    assert registry.consent(clip).consent == "not_consented"


def test_silence_for_a_day_is_a_no_and_is_final(registry):
    device, clip = Authenticator(), registry.clip()
    registry.passkey(registry.lea, device)
    (question,) = registry.ask(clip)
    registry.wait(hours=23, minutes=59)
    assert (asking.lapse_due(registry.services), registry.consent(clip).consent) == (0, "undetermined")
    registry.wait(minutes=1)
    with pytest.raises(Conflict):
        registry.answer(question, "yes", device)
    assert (asking.lapse_due(registry.services), asking.lapse_due(registry.services)) == (1, 0)
    assert (registry.consent(clip).consent, registry.generation(clip)) == ("not_consented", 2)


def test_a_question_that_cannot_be_ended_stops_no_other(registry, monkeypatch):
    broken, clip = registry.clip(), registry.clip()
    for each in (broken, clip):
        registry.ask(each)
    registry.wait(hours=24)
    again = asking.next_generation

    def fail(tx, found, now):
        if found.clip_id == broken:
            raise NotFound("its next generation")
        return again(tx, found, now)

    monkeypatch.setattr(asking, "next_generation", fail)
    assert (asking.lapse_due(registry.services), registry.generation(clip), registry.generation(broken)) == (1, 2, 1)


@pytest.mark.parametrize("said", ["no", "silence"])
def test_a_clip_that_was_sealed_meanwhile_stays_with_its_specialists(registry, said):
    device, clip = Authenticator(), registry.clip()
    registry.passkey(registry.lea, device)
    (question,) = registry.ask(clip)
    with registry.transaction() as tx:
        tx.pg.execute(SEALED.encode(), {"clip": clip, "now": registry.now})
    if said == "silence":
        registry.wait(hours=24)
        assert asking.lapse_due(registry.services) == 1
    else:
        registry.answer(question, said, device)
    with registry.transaction() as tx:
        stands = tx.pg.execute(
            "select status, generation, state from moderation.clips join moderation.cases using (clip_id) "
            "where clip_id = %s",
            (clip,),
        ).fetchall()
    assert stands == [("withheld", 1, "open")]
    assert registry.consent(clip).consent == "not_consented"


def test_a_signature_is_worth_something_for_what_was_signed_alone(registry):
    device, strange, careless = Authenticator(), Authenticator(), Authenticator(verifies=False)
    registry.passkey(registry.lea, device)
    registry.passkey(registry.noor, strange)
    (question,) = registry.ask(registry.clip())
    other = {"clip_id": new_id("clip")}, {"person_id": registry.noor}, {"question_id": "ask_x"}, {"scope": "voice"}
    for signed_for in other:
        with pytest.raises(NotSigned):
            registry.sign(question, "yes", device, **signed_for)
    with pytest.raises(NotSigned):
        registry.sign(question, "yes", strange)
    careless.key, careless.credential = device.key, device.credential
    with pytest.raises(NotSigned):
        registry.sign(question, "yes", careless)
    foreign = replace(device, origin="http://localhost.example")
    with pytest.raises(NotSigned):
        registry.sign(question, "yes", foreign)
    assert registry.sign(question, "yes", device).passkey_id


def test_a_no_cannot_be_handed_in_as_a_yes(registry):
    device = Authenticator()
    registry.passkey(registry.lea, device)
    (question,) = registry.ask(registry.clip())
    no, yes = (asking.challenge(question, said) for said in ("no", "yes"))
    credential = device.sign(str(passkeys.assertion(PARTY, no, [])["challenge"]))
    with registry.transaction() as tx:
        with pytest.raises(NotSigned):
            passkeys.demand_signed(tx, registry.now, PARTY, registry.lea, yes, credential)
        assert passkeys.demand_signed(tx, registry.now, PARTY, registry.lea, no, credential)


def test_an_answer_and_the_removal_of_its_passkey_never_wait_for_each_other(registry):
    """Both hold the person before the passkey: what the answer waits for is another's commit."""
    device = Authenticator()
    registry.passkey(registry.lea, device)
    (question,) = registry.ask(registry.clip())

    def somebody_waits() -> bool:
        with registry.services.database.system_transaction() as tx:
            return tx.pg.execute(WAITING).fetchone() is not None

    with ThreadPoolExecutor(1) as pool:
        with registry.transaction() as tx:
            lock_person(tx, registry.lea)
            answering = pool.submit(registry.answer, question, "yes", device)
            while not (answering.done() or somebody_waits()):
                time.sleep(0.01)
            assert passkeys.forget(tx, registry.now, registry.lea, by="test") == 1
        with pytest.raises(NotSigned):
            answering.result()
    assert registry.generation(question.clip_id) == 1


def test_nobody_reads_a_question_to_somebody_else(registry):
    (question,) = registry.ask(registry.clip())
    with registry.transaction() as tx:
        with pytest.raises(NotFound):
            asking.read_question(tx, question.question_id, registry.noor)
        assert [each.question_id for each in asking.questions_of(tx, registry.lea)] == [question.question_id]
        assert asking.questions_of(tx, registry.noor) == []


def test_what_is_not_sure_any_more_is_asked_of_nobody_until_it_is_again(registry):
    device, clip, other = Authenticator(), registry.clip(), registry.clip()
    registry.passkey(registry.lea, device)
    (question,), (kept,) = registry.ask(clip), registry.ask(other)

    def be(state):
        with registry.transaction() as tx:
            tx.pg.execute("update moderation.appearances set state = %s where clip_id = %s", (state, clip))

    be("possible")
    with registry.transaction() as tx:
        assert asking.questions_of(tx, registry.lea) == [kept]
        assert not words_about(tx, clip).overrule(registry.now)
        with pytest.raises(NotFound):
            asking.read_question(tx, question.question_id, registry.lea)
    with pytest.raises(NotFound):
        registry.answer(question, "no", device)
    registry.wait(hours=24)
    assert (asking.lapse_due(registry.services), registry.generation(clip)) == (1, 1)
    assert registry.consent(clip).consent == "undetermined"
    be("matched")
    with registry.transaction() as tx:
        assert words_about(tx, clip).overrule(registry.now)
    assert (asking.lapse_due(registry.services), registry.consent(clip).consent) == (1, "not_consented")


def test_the_platform_is_told_that_somebody_is_asked(registry):
    clip = registry.clip()
    (question,) = registry.ask(clip)
    with registry.transaction() as tx:
        (kind, body) = tx.pg.execute("select type, body from moderation.events").fetchone()
    assert kind == "consent.asked"
    assert question.question_id in body


def test_reviewers_cannot_say_yes_in_an_owners_stead(registry):
    clip = registry.clip()
    registry.ask(clip)
    with registry.transaction() as tx:
        assert words_about(tx, clip).overrule(registry.now)
    registry.wait(hours=24)
    asking.lapse_due(registry.services)
    with registry.transaction() as tx:
        words = words_about(tx, clip)
    assert words.overrule(BEGIN)
    assert not words.overrule(registry.now + timedelta(minutes=1))
    assert not asking.UNASKED.overrule(BEGIN)


def test_a_link_opens_one_session_of_one_person_and_not_for_long(registry):
    def link() -> str:
        with registry.transaction() as tx:
            return owners.make_link(tx, registry.now, registry.lea, by="tester", on_behalf_of="lea@there").secret

    cookie = owners.enter_by_link(registry.services, secret := link())
    owner = owners.check(registry.services, cookie)
    assert (owner.person, owner.method, owner.org) == (registry.lea, "link", "default")
    for worthless in (secret, "made up"):
        with pytest.raises(Unauthorised):
            owners.enter_by_link(registry.services, worthless)
    late = link()
    registry.wait(minutes=15)
    with pytest.raises(Unauthorised):
        owners.enter_by_link(registry.services, late)
    assert owners.check(registry.services, cookie) == owner
    registry.wait(minutes=31)
    with pytest.raises(Unauthorised):
        owners.check(registry.services, cookie)


def test_a_session_ends_by_leaving_and_with_its_person(registry):
    cookies = []
    for _ in range(2):
        with registry.transaction() as tx:
            link = owners.make_link(tx, registry.now, registry.lea, by="tester")
        cookies.append(owners.enter_by_link(registry.services, link.secret))
    owners.end(registry.services, owners.check(registry.services, cookies[0]))
    assert owners.check(registry.services, cookies[1]).person == registry.lea
    with registry.transaction() as tx:
        consent.erase_person(tx, registry.now, registry.lea, by="test")
    for cookie in cookies:
        with pytest.raises(Unauthorised):
            owners.check(registry.services, cookie)
    with pytest.raises(NotFound), registry.transaction() as tx:
        owners.make_link(tx, registry.now, registry.lea, by="tester")


def test_only_what_proves_an_answer_outlasts_the_person(registry):
    used, unused = Authenticator(), Authenticator()
    kept = registry.passkey(registry.lea, used)
    registry.passkey(registry.lea, unused, method="passkey")
    registry.passkey(registry.noor, Authenticator())
    (question,) = registry.ask(registry.clip())
    registry.answer(question, "no", used)
    with registry.transaction() as tx:
        consent.erase_person(tx, registry.now, registry.lea, by="test")
        left = "select passkey_id, removed_at is not null from moderation.passkeys where person_id = %s"
        assert tx.pg.execute(left, (registry.lea,)).fetchall() == [(kept, True)]
        assert len(tx.pg.execute(left, (registry.noor,)).fetchall()) == 1


def test_a_passkey_lets_its_person_in_once_for_each_signature(registry):
    device = Authenticator()
    registry.passkey(registry.lea, device)
    challenge, _ = passkeys.seal_challenge(registry.services.vault, registry.now, "enter")
    credential = device.sign(str(passkeys.assertion(PARTY, challenge, [])["challenge"]))
    owner = owners.check(registry.services, passkeys.enter(registry.services, PARTY, challenge, credential))
    assert (owner.person, owner.method) == (registry.lea, "passkey")
    with pytest.raises(NotSigned):
        passkeys.enter(registry.services, PARTY, challenge, credential)
    with pytest.raises(NotSigned):
        passkeys.enter(registry.services, PARTY, challenge, Authenticator().sign("AAAA"))


def test_a_stolen_link_adds_no_second_passkey(registry):
    registry.passkey(registry.lea, Authenticator())
    with pytest.raises(Forbidden):
        registry.passkey(registry.lea, Authenticator())
    registry.passkey(registry.lea, Authenticator(), "passkey")
    with registry.transaction() as tx:
        assert len(passkeys.passkeys_of(tx, registry.lea)) == 2
        assert passkeys.forget(tx, registry.now, registry.lea, by="tester") == 2
    registry.passkey(registry.lea, Authenticator())


def test_who_holds_a_lost_device_is_shut_out_with_its_passkeys(registry):
    with registry.transaction() as tx:
        unused, fresh = (owners.make_link(tx, registry.now, registry.lea, by="tester") for _ in range(2))
    cookie = owners.enter_by_link(registry.services, fresh.secret)
    lost, other = owners.check(registry.services, cookie), registry.owner(registry.noor)
    registry.passkey(registry.lea, Authenticator())
    device = Authenticator()
    challenge, _ = passkeys.seal_challenge(registry.services.vault, registry.now, "register")
    with registry.transaction() as tx:
        assert passkeys.forget(tx, registry.now, registry.lea, by="tester") == 1
    with pytest.raises(Unauthorised):
        owners.check(registry.services, cookie)
    # A request that was under way when they were removed adds nothing either.
    with registry.transaction() as tx:
        made = device.register(passkeys.registration(tx, PARTY, lost, challenge, "Lea"))
        with pytest.raises(Unauthorised):
            passkeys.register(tx, registry.now, PARTY, lost, challenge, made)
    with pytest.raises(Unauthorised):
        owners.enter_by_link(registry.services, unused.secret)
    with registry.transaction() as tx:
        assert passkeys.passkeys_of(tx, registry.lea) == []
        owners.demand_standing(tx, other)
        later = owners.make_link(tx, registry.now, registry.lea, by="tester")
    assert owners.check(registry.services, owners.enter_by_link(registry.services, later.secret))


def test_two_links_at_once_register_one_first_passkey(registry):
    device, other = Authenticator(), Authenticator()
    owner = registry.owner(registry.lea)
    challenges = [passkeys.seal_challenge(registry.services.vault, registry.now, "register")[0] for _ in range(2)]
    with registry.transaction() as tx:
        asked = [passkeys.registration(tx, PARTY, owner, each, "Lea") for each in challenges]

    def late() -> None:
        with registry.transaction() as tx:
            ident.append(tx.pg.info.backend_pid)
            passkeys.register(tx, registry.now, PARTY, owner, challenges[1], other.register(asked[1]))

    ident: list[int] = []
    with ThreadPoolExecutor(1) as pool:
        with registry.transaction() as tx:
            passkeys.register(tx, registry.now, PARTY, owner, challenges[0], device.register(asked[0]))
            second = pool.submit(late)
            while not (second.done() or (ident and blocked(registry, ident[0]))):
                time.sleep(0.01)
        with pytest.raises(Forbidden):
            second.result()
    with registry.transaction() as tx:
        assert [bytes(each) for each in passkeys.credentials_of(tx, registry.lea)] == [device.credential]


def blocked(registry, pid: int) -> bool:
    """Whether a connection waits for another one."""
    with registry.services.database.system_transaction() as tx:
        return bool(tx.pg.execute("select pg_blocking_pids(%s)", (pid,)).fetchone()[0])


def test_a_challenge_is_for_one_purpose_and_not_for_long(registry):
    vault = registry.services.vault
    challenge, sealed = passkeys.seal_challenge(vault, BEGIN, "enter")
    assert passkeys.open_challenge(vault, BEGIN + timedelta(minutes=5), "enter", sealed) == challenge
    for purpose, text, late in (
        ("register", sealed, 0),
        ("enter", sealed[:-4] + "AAAA", 0),
        ("enter", "?", 0),
        ("enter", sealed, 6),
    ):
        with pytest.raises(NotSigned):
            passkeys.open_challenge(vault, BEGIN + timedelta(minutes=late), purpose, text)


@pytest.mark.parametrize(
    ("address", "host"),
    [("https://gate.example:8443/x", "gate.example"), ("http://localhost:80", "localhost"), ("http://127.0.0.1:1", None), ("http://[::1]:1", None), ("", None)],
)  # fmt: skip
def test_passkeys_are_bound_to_a_name(address, host):
    assert (party_at(address).host if party_at(address) else None) == host


@pytest.mark.parametrize("act", ["update moderation.questions set due_at = due_at", "delete from moderation.questions"])
def test_what_was_asked_cannot_be_changed(registry, act):
    registry.ask(registry.clip())
    with registry.services.database.system_transaction() as tx, pytest.raises(psycopg.errors.RestrictViolation):
        tx.pg.execute(act)
