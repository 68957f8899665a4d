"""Grants weighed against what a clip is: to whom, for what, in which context, until when; and who may give them."""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from moderation import consent, portraits
from moderation.consent import NewPerson, Terms, Use
from moderation.errors import Conflict, NotFound, Unprocessable
from moderation.policy.truth import FALSE, TRUE, UNDETERMINED
from moderation.vault import Vault

NOW = datetime(2026, 5, 1, tzinfo=UTC)
LATER = NOW + timedelta(days=1)
PLAIN = dict.fromkeys(consent.CONTEXTS, FALSE)
#: Of everyone, for anything.
OPEN = Terms(grantee_kind="everyone", scope="both", remix=True)


@pytest.fixture
def vault(tmp_path) -> Vault:
    return Vault(tmp_path / "keys")


@pytest.fixture
def tx(database):
    with database.transaction() as tx:
        yield tx


@pytest.fixture
def lea(tx, vault):
    said = NewPerson(name="Léa", kind="cameo", state="verified", verification="operator", account="lea-7")
    return consent.register(tx, vault, NOW, said, by="test")


def said_of(tx, person, *, now=NOW, voice=False, **use):
    """The word for one person in a clip, and what stands against a yes."""
    clip = Use(**({"creator": "ana", "contexts": PLAIN} | use))
    standing = consent.stand(tx, now, seen=frozenset({person}), declared=frozenset(), use=clip)[person]
    return (standing.voice if voice else standing.consent), standing.limits


def give(tx, person, now=NOW, **terms):
    return consent.grant(tx, now, person, terms=Terms(**terms), by="test")


def test_nobody_who_said_nothing_is_taken_to_agree(tx, lea):
    assert said_of(tx, lea) == ("not_consented", ())


def test_a_grant_opens_a_likeness_for_whom_it_names(tx, vault, lea):
    give(tx, lea, grantee_kind="creator", grantee="ana")
    assert said_of(tx, lea)[0] == "consented"
    assert said_of(tx, lea, creator="bo")[0] == "not_consented"
    assert said_of(tx, lea, creator=None)[0] == "not_consented"
    assert said_of(tx, lea, voice=True)[0] == "not_consented"


def test_a_grant_to_oneself_goes_by_the_account(tx, lea):
    give(tx, lea, grantee_kind="self", scope="both")
    assert said_of(tx, lea, creator="lea-7", voice=True)[0] == "consented"
    assert said_of(tx, lea)[0] == "not_consented"


def test_who_is_on_a_list_is_said_by_the_last_entry(tx, vault, lea):
    friends = consent.make_list(tx, vault, NOW, lea, "friends", by="test", creators=("ana", "bo"))
    give(tx, lea, grantee_kind="list", grantee=friends)
    assert said_of(tx, lea)[0] == "consented"
    left = consent.change_list(tx, vault, NOW, lea, friends, by="test", remove=("ana",))
    assert (left.name, left.creators) == ("friends", ("bo",))
    assert said_of(tx, lea)[0] == "not_consented"
    consent.change_list(tx, vault, NOW, lea, friends, by="test", add=("ana",))
    assert said_of(tx, lea)[0] == "consented"


@pytest.mark.parametrize(
    ("terms", "use", "word", "against"),
    [
        ({"audience": "draft"}, {"draft": True}, "consented", ()),
        ({"audience": "draft"}, {}, "limit_violated", ("audience",)),
        ({"purposes": ("satire",)}, {"purpose": "satire"}, "consented", ()),
        ({"purposes": ("satire",)}, {"purpose": "advertising"}, "limit_violated", ("purpose",)),
        ({"purposes": ("satire",)}, {}, "undetermined", ("purpose",)),
        ({"limits": ("violent",)}, {}, "consented", ()),
        ({"limits": ("violent",)}, {"contexts": PLAIN | {"violent": TRUE}}, "limit_violated", ("violent",)),
        ({"limits": ("violent",)}, {"contexts": PLAIN | {"violent": UNDETERMINED}}, "undetermined", ("violent",)),
        ({"limits": ("violent",)}, {"contexts": {}}, "undetermined", ("violent",)),
        ({"limits": ("violent",)}, {"contexts": PLAIN | {"sexual": TRUE}}, "consented", ()),
        ({"mode": "ask_me"}, {}, "undetermined", ("answer",)),
    ],
)
def test_a_grant_covers_what_it_says_and_no_more(tx, lea, terms, use, word, against):
    give(tx, lea, grantee_kind="everyone", **terms)
    assert said_of(tx, lea, **use) == (word, against)


def test_what_a_revocation_covers_goes_by_the_order_of_commits_and_not_by_clocks(tx, lea):
    ahead = NOW + timedelta(seconds=3)
    give(tx, lea, ahead, grantee_kind="everyone")
    consent.revoke(tx, NOW, lea, by="test")
    assert [found.revoked_at for found in consent.read_grants(tx, [lea])] == [ahead]
    assert said_of(tx, lea) == ("revoked", ())
    # And what is given after it counts, on a machine whose clock is behind.
    give(tx, lea, grantee_kind="everyone")
    assert [found.revoked_at is None for found in consent.read_grants(tx, [lea])] == [False, True]
    assert said_of(tx, lea)[0] == "consented"


@pytest.fixture
def figure(tx, vault, lea):
    said = NewPerson(name="Léa the figure", kind="public_figure", state="verified", verification="operator")
    figure = consent.register(tx, vault, NOW, said, by="test")
    consent.link(tx, NOW, figure, lea, by="test")
    return figure


def test_a_figure_with_a_cameo_of_their_own_goes_by_the_cameos_grants_and_limits(tx, lea, figure):
    consent.grant(tx, NOW, figure, terms=OPEN, by="test")
    assert said_of(tx, figure) == ("not_consented", ()), "what an operator wrote down is not their word"
    give(tx, lea, grantee_kind="creator", grantee="ana")
    assert said_of(tx, figure) == ("consented", ())
    assert said_of(tx, figure, voice=True)[0] == said_of(tx, figure, creator="bo")[0] == "not_consented"
    for shown in (lea, figure):
        assert said_of(tx, figure, remixes={shown}) == ("limit_violated", ("remix",))
    give(tx, lea, grantee_kind="self", scope="voice")
    assert said_of(tx, figure, creator="lea-7", voice=True)[0] == "consented"
    violent = {"contexts": PLAIN | {"violent": TRUE}}
    consent.forbid(tx, NOW, lea, ["violent"], by="test")
    assert said_of(tx, figure, **violent) == ("limit_violated", ("violent",))
    consent.set_state(tx, NOW, lea, "suspended", by="test")
    assert said_of(tx, figure)[0] == "not_consented"
    consent.set_state(tx, NOW, lea, "verified", by="test")
    consent.set_state(tx, NOW, figure, "suspended", by="test")
    assert (said_of(tx, figure)[0], said_of(tx, lea)[0]) == ("not_consented", "consented")
    consent.set_state(tx, NOW, figure, "verified", by="test")
    consent.revoke(tx, NOW, lea, by="test")
    assert said_of(tx, figure) == ("revoked", ())
    consent.unlink(tx, NOW, figure, by="test")
    assert said_of(tx, figure)[0] == "consented"


def test_of_a_figure_with_a_cameo_it_is_the_cameo_who_is_asked(tx, lea, figure):
    give(tx, lea, grantee_kind="everyone", mode="ask_me")
    use = Use(creator="ana", contexts=PLAIN)
    told = consent.stand(tx, NOW, seen=frozenset({figure}), declared=frozenset(), use=use)
    assert {person: (each.consent, each.asks, each.ruled_by) for person, each in told.items()} == {
        figure: ("undetermined", frozenset(), lea),
        lea: ("undetermined", frozenset({"face"}), None),
    }
    assert said_of(tx, figure, answers={(lea, "face"): True})[0] == "consented"
    assert consent.stand(tx, NOW, seen=frozenset({figure}), declared=frozenset({lea}), use=use)[figure].declared


def test_only_a_figure_is_linked_and_only_to_a_verified_cameo_and_an_erasure_forgets_it(tx, vault, lea, figure):
    said = NewPerson(name="Somebody", kind="cameo", account="s-1")
    pending = consent.register(tx, vault, NOW, said, by="test")
    for one, other in ((lea, figure), (figure, figure), (lea, lea), (figure, pending)):
        with pytest.raises(Unprocessable):
            consent.link(tx, NOW, one, other, by="test")
    with pytest.raises(NotFound):
        consent.link(tx, NOW, figure, "per_unknown", by="test")
    assert consent.read_person(tx, vault, figure).same_as == lea
    consent.erase_person(tx, NOW, lea, by="test")
    assert consent.read_person(tx, vault, figure).same_as is None


def test_a_remix_needs_a_grant_that_allows_one(tx, lea):
    give(tx, lea, grantee_kind="everyone")
    assert said_of(tx, lea, remixes={lea}) == ("limit_violated", ("remix",))
    assert said_of(tx, lea, remixes={"somebody else"})[0] == "consented"
    assert said_of(tx, lea, untold=True) == ("undetermined", ("remix",))
    give(tx, lea, grantee_kind="creator", grantee="ana", remix=True)
    assert said_of(tx, lea, remixes={lea}, untold=True)[0] == "consented"


def test_who_wants_to_be_asked_is_asked_of_every_clip(tx, lea):
    give(tx, lea, grantee_kind="everyone", mode="ask_me")
    assert said_of(tx, lea, answers={(lea, "face"): True})[0] == "consented"
    assert said_of(tx, lea, answers={(lea, "face"): False}) == ("not_consented", ("answer",))


def test_a_grant_whose_time_is_over_covers_nothing(tx, lea):
    give(tx, lea, grantee_kind="everyone", expires_at=LATER)
    assert said_of(tx, lea)[0] == "consented"
    assert said_of(tx, lea, now=LATER) == ("limit_violated", ("time",))


def test_what_a_person_forbids_holds_of_every_grant_and_the_last_word_stands(tx, lea):
    consent.grant(tx, NOW, lea, terms=OPEN, by="test")
    consent.forbid(tx, NOW, lea, ["political", "sexual"], by="test")
    political = {"contexts": PLAIN | {"political": TRUE}}
    assert said_of(tx, lea, **political) == ("limit_violated", ("political",))
    consent.forbid(tx, NOW, lea, ["sexual"], by="test")
    assert said_of(tx, lea, **political)[0] == "consented"


def test_of_several_grants_the_widest_counts(tx, lea):
    give(tx, lea, grantee_kind="creator", grantee="ana", audience="draft")
    give(tx, lea, grantee_kind="everyone", mode="ask_me")
    assert said_of(tx, lea)[0] == "undetermined"
    give(tx, lea, grantee_kind="everyone")
    assert said_of(tx, lea)[0] == "consented"


def test_what_was_taken_back_is_revoked_and_a_new_grant_counts_again(tx, lea):
    first = give(tx, lea, grantee_kind="everyone")
    consent.revoke(tx, NOW, lea, by="test", grant_id=first)
    assert said_of(tx, lea)[0] == "revoked"
    give(tx, lea, grantee_kind="everyone")
    assert said_of(tx, lea)[0] == "consented"
    consent.revoke(tx, LATER, lea, by="test")
    assert said_of(tx, lea)[0] == "revoked"


def test_a_change_takes_the_old_grant_back_and_names_it(tx, lea):
    first = give(tx, lea, grantee_kind="everyone")
    changed, _ = consent.replace_grant(tx, NOW, lea, first, Terms(grantee_kind="creator", grantee="bo"), by="test")
    old, new = consent.read_grants(tx, [lea])
    assert (old.revoked_at, new.replaces, new.grant_id) == (NOW, first, changed)
    assert said_of(tx, lea)[0] == "revoked"
    assert said_of(tx, lea, creator="bo")[0] == "consented"
    with pytest.raises(Conflict):
        consent.replace_grant(tx, NOW, lea, first, OPEN, by="test")


@pytest.mark.parametrize("state", ["pending", "refused", "suspended"])
def test_only_the_grants_of_the_verified_count(tx, lea, state):
    consent.grant(tx, NOW, lea, terms=OPEN, by="test")
    consent.set_state(tx, NOW, lea, state, by="test")
    assert said_of(tx, lea)[0] == "not_consented"
    consent.set_state(tx, NOW, lea, "verified", by="test")
    assert said_of(tx, lea)[0] == "consented"


def test_teens_are_verified_with_a_guardian_and_never_open_to_everyone(tx, vault):
    said = NewPerson(name="Mia", kind="cameo", age_band="teen", account="mia")
    mia = consent.register(tx, vault, NOW, said, by="test")
    with pytest.raises(Unprocessable, match="guardian"):
        consent.set_state(tx, NOW, mia, "verified", by="test")
    consent.set_guardian(tx, NOW, mia, guardian="parent", by="test")
    consent.set_state(tx, NOW, mia, "verified", by="test")
    with pytest.raises(Unprocessable, match="everyone"):
        consent.grant(tx, NOW, mia, terms=OPEN, by="test")
    with pytest.raises(Unprocessable, match="stays forbidden"):
        consent.forbid(tx, NOW, mia, ["sexual"], by="test")
    give(tx, mia, grantee_kind="creator", grantee="ana")
    assert said_of(tx, mia)[0] == "consented"
    for context in consent.CONTEXTS:
        assert said_of(tx, mia, contexts=PLAIN | {context: UNDETERMINED}) == ("undetermined", (context,))


def test_who_has_a_guardian_is_young_unless_said_otherwise(tx, lea, vault):
    for said, held in ((None, "teen"), ("teen", "teen"), ("adult", "adult")):
        new = NewPerson(name="Mia", kind="cameo", age_band=said, guardian="parent", account=f"mia {said}")
        mia = consent.register(tx, vault, NOW, new, by="test")
        assert consent.read_person(tx, vault, mia).age_band == held
    consent.set_guardian(tx, NOW, lea, guardian="parent", by="test")
    assert consent.read_person(tx, vault, lea).age_band == "teen"
    consent.set_guardian(tx, NOW, lea, age_band="adult", by="test")
    consent.set_guardian(tx, NOW, lea, guardian="another", by="test")
    assert consent.read_person(tx, vault, lea).age_band == "adult"


def test_nobody_is_their_own_guardian(tx, lea, vault):
    said = NewPerson(name="Mia", kind="cameo", age_band="teen", account="mia", guardian="mia")
    with pytest.raises(Unprocessable, match="their own guardian"):
        consent.register(tx, vault, NOW, said, by="test")
    mia = consent.register(tx, vault, NOW, replace(said, guardian=None), by="test")
    with pytest.raises(Unprocessable, match="their own guardian"):
        consent.set_guardian(tx, NOW, mia, guardian="mia", by="test")
    assert consent.read_person(tx, vault, mia).guardian is None


def test_who_proves_to_be_a_teen_is_suspended_until_a_guardian_is_named(tx, lea, vault):
    """What they granted as an adult holds within every limit from then on."""
    consent.grant(tx, NOW, lea, terms=OPEN, by="test")
    consent.set_guardian(tx, NOW, lea, age_band="teen", by="test")
    assert consent.read_person(tx, vault, lea).state == "suspended"
    consent.set_guardian(tx, NOW, lea, guardian="parent", by="test")
    consent.set_state(tx, NOW, lea, "verified", by="test")
    assert said_of(tx, lea)[0] == "not_consented"
    give(tx, lea, grantee_kind="creator", grantee="ana")
    assert said_of(tx, lea, contexts=PLAIN | {"commercial": TRUE}) == ("limit_violated", ("commercial",))


@pytest.mark.parametrize(
    ("terms", "error"),
    [
        ({"grantee_kind": "creator"}, Unprocessable),
        ({"grantee_kind": "everyone", "grantee": "ana"}, Unprocessable),
        ({"grantee_kind": "list", "grantee": "glist_of_somebody_else"}, NotFound),
        ({"grantee_kind": "everyone", "expires_at": NOW}, Unprocessable),
    ],
)
def test_terms_that_make_no_sense_are_refused(tx, lea, terms, error):
    with pytest.raises(error):
        give(tx, lea, **terms)


def test_a_grant_to_oneself_needs_an_account(tx, vault):
    nobody = consent.register(tx, vault, NOW, NewPerson(name="x", kind="cameo"), by="test")
    with pytest.raises(Unprocessable, match="account"):
        give(tx, nobody, grantee_kind="self")


def test_an_account_is_one_persons(tx, vault, lea):
    with pytest.raises(Conflict):
        consent.register(tx, vault, NOW, NewPerson(name="other", kind="cameo", account="lea-7"), by="test")
    consent.erase_person(tx, NOW, lea, by="test")
    assert consent.register(tx, vault, NOW, NewPerson(name="again", kind="cameo", account="lea-7"), by="test") != lea


def test_other_names_are_opened_for_the_prompt_check_and_gone_with_the_person(tx, vault, lea):
    names = ["Lea Martin", "ليا مارتان", "Леа Мартен"]
    kept = [consent.add_alias(tx, vault, NOW, lea, name, by="test") for name in names]
    assert [alias.name for alias in consent.list_aliases(tx, vault, kind="cameo")] == names
    consent.remove_alias(tx, NOW, lea, kept[0], by="test")
    assert [alias.name for alias in consent.list_aliases(tx, vault, person=lea)] == names[1:]
    (sealed,) = tx.pg.execute("select string_agg(sealed, ''::bytea) from moderation.aliases").fetchone()
    assert names[1].encode() not in sealed
    consent.erase_person(tx, NOW, lea, by="test")
    assert consent.list_aliases(tx, vault) == []


def test_an_erased_person_is_nobody(tx, vault, lea):
    consent.grant(tx, NOW, lea, terms=OPEN, by="test")
    consent.erase_person(tx, NOW, lea, by="test")
    assert said_of(tx, lea)[0] == "not_consented"
    assert consent.list_people(tx, vault) == []
    for act in (
        lambda: consent.read_person(tx, vault, lea),
        lambda: consent.grant(tx, NOW, lea, terms=OPEN, by="test"),
        lambda: consent.erase_person(tx, NOW, lea, by="test"),
    ):
        with pytest.raises(NotFound):
            act()


def test_people_come_in_pages(tx, vault):
    made = [consent.register(tx, vault, NOW, NewPerson(name=str(i), kind="cameo"), by="test") for i in range(5)]
    first = consent.page_people(tx, vault, limit=3)
    rest = consent.page_people(tx, vault, limit=3, after=(first[-1].created_at, first[-1].person_id))
    assert [person.person_id for person in [*first, *rest]] == made
    assert consent.page_people(tx, vault, limit=3, state="verified") == []


def test_the_ledger_is_written_once(database, vault):
    with database.transaction() as tx:
        person = consent.register(tx, vault, NOW, NewPerson(name="x", kind="cameo", account="x"), by="test")
        consent.grant(tx, NOW, person, terms=OPEN, by="test")
        consent.forbid(tx, NOW, person, ["sexual"], by="test")
        consent.make_list(tx, vault, NOW, person, "l", by="test", creators=("ana",))
    for table in ("grants", "person_limits", "list_entries"):
        with pytest.raises(psycopg.errors.RestrictViolation), database.system_transaction() as tx:
            tx.pg.execute(f"delete from moderation.{table}")


def test_no_portrait_is_kept_of_who_is_erased_at_that_very_moment(database, vault):
    said = NewPerson(name="Ada", kind="public_figure", state="verified")
    picture = portraits.Portrait(jpeg=b"small", source="ministry.example", licence="CC0")
    ident: list[int] = []
    with database.transaction() as tx:
        ada = consent.register(tx, vault, NOW, said, by="test")

    def keep() -> None:
        with database.transaction() as tx:
            ident.append(tx.pg.info.backend_pid)
            portraits.keep(tx, vault, NOW, ada, picture, by="test")

    def waits() -> bool:
        with database.system_transaction() as tx:
            return bool(ident and tx.pg.execute("select pg_blocking_pids(%s)", (ident[0],)).fetchone()[0])

    with ThreadPoolExecutor(1) as pool:
        with database.transaction() as tx:
            consent.erase_person(tx, NOW, ada, by="test")
            late = pool.submit(keep)
            while not (late.done() or waits()):
                time.sleep(0.01)
        with pytest.raises(NotFound):
            late.result()
    with database.transaction() as tx:
        assert not portraits.is_kept(tx, ada)
