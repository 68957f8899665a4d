"""The registry's pages as text: who may open them, what they say, what they do. One service for all of it."""

import html
import json
import re
from datetime import timedelta

import httpx
import numpy as np
import pytest
from authenticator import Authenticator
from psycopg.types.json import Jsonb

from moderation import appearances, asking, consent, passkeys, review, sessions
from moderation.db import queries
from moderation.db.clips import read_clip
from moderation.decisions import Decision, Outcome, Reason
from moderation.enrolling import attempts
from moderation.enrolling.checks import Check, CheckState
from moderation.enrolling.verdicts import Outcome as Enrolled
from moderation.enrolling.verdicts import Verdict
from moderation.errors import NotFound
from moderation.facts import FactRecord, PersonFact, SubmissionFacts
from moderation.ids import new_id
from moderation.keys import Principal
from moderation.notices.claims import Claim
from moderation.notices.filing import Sender, file_notice
from moderation.recording import insert_decision
from moderation.renditions import owned
from moderation.revocations.reaching import reach as reach_of
from moderation.scoring import Analysis
from moderation.sessions import login_token
from review_ui.app import create_app
from review_ui.cases import names_of
from review_ui.enrolments import may_look
from review_ui.filters import write_cursor

HIDDEN = re.compile(r'name="(form_token|sealed)" value="([^"]+)"')


def new_clip(tx, now, status) -> str:
    """A clip that is only a row."""
    clip = new_id("clip")
    tx.pg.execute(
        "insert into moderation.clips (org_id, clip_id, status, creator, created_at, updated_at) "
        "values ('default', %s, %s, 'noor', %s, %s)", (clip, status, now, now),
    )  # fmt: skip
    return clip


def hidden(text: str) -> dict[str, str]:
    return dict(HIDDEN.findall(text))


@pytest.fixture
def pages(run_app):
    return run_app(create_app)


@pytest.fixture
def lea(pages) -> str:
    """A person whose one grant wants her asked, and who is shown by a published clip that is only a row."""
    services = pages.services
    with services.database.transaction("default") as tx:
        now, vector = services.clock.now(), np.eye(1, 128, dtype=np.float32)
        said = {"name": "Léa & Co", "kind": "cameo", "model": "m", "sources": ["test"], "by": "test"}
        person = consent.add_person(tx, services.vault, now, vectors=vector, **said)
        consent.grant(tx, now, person, scope="face", mode="ask_me", by="test")
        for status in ("released", "released", "in_review"):
            clip = new_clip(tx, now, status)
            tx.pg.execute(
                "insert into moderation.appearances (org_id, clip_id, person_id, how, state, version, generation, "
                "judged_at) values ('default', %s, %s, 'face', 'matched', 1, 1, %s)", (clip, person, now),
            )  # fmt: skip
        asking.ask(tx, services.enqueuer, read_clip(tx, clip, lock=True), [(person, "face")], now)
    return person


@pytest.fixture
def staff(pages) -> httpx.Client:
    client = pages.with_headers()
    client.follow_redirects = True
    client.get("/login/dev", params={"token": login_token(pages.services)})
    return client


@pytest.fixture
def owner(pages, lea, capfd) -> httpx.Client:
    """Lea, who opened the link that her platform gave her."""
    made = pages.client.post(f"/v1/people/{lea}/links", json={"on_behalf_of": None})
    assert made.status_code == 201, made.text
    client = pages.with_headers()
    client.follow_redirects = True
    url, stranger = made.json()["url"], pages.with_headers()
    door, elsewhere = client.get(url), stranger.get(url)
    assert url.partition("#")[2] not in door.text + str(door.request.url.raw_path)
    assert door.headers["referrer-policy"] == "no-referrer"
    # Nobody is anybody yet, and still a form is good in the browser that it was made for and in no other.
    foreign = {**hidden(elsewhere.text), "link": url}
    assert client.post("/mine/enter", data=foreign).status_code == 403
    assert pages.with_headers().post("/mine/enter", data=foreign).status_code == 403
    assert client.post("/mine/enter", data={**hidden(door.text), "link": url}).url.path == "/mine"
    assert client.cookies.get("countersign_owner")
    assert stranger.post("/mine/enter", data=foreign).status_code == 401
    assert url.partition("#")[2] not in "".join(capfd.readouterr())
    return client


@pytest.mark.full
def test_staff_see_who_is_registered_and_take_back_by_typing_the_number(pages, staff, lea):
    listed = staff.get("/likeness")
    assert "Léa &amp; Co" in listed.text
    assert "Nobody matches." in staff.get("/likeness", params={"kind": "public_figure"}).text
    hostile = write_cursor(pages.services.clock.now().isoformat(), "per_\0")
    for path in ("/likeness", "/search", "/audit"):
        assert staff.get(path, params={"after": hostile}).status_code == 200, path
    assert "Léa &amp; Co" in staff.get("/likeness", params={"after": hostile}).text
    page = staff.get(f"/likeness/{lea}")
    assert "2 published clips are withdrawn here" in page.text
    token = hidden(page.text)["form_token"]
    wrong = staff.post(f"/likeness/{lea}/revoke", data={"form_token": token, "typed": "3"})
    assert (wrong.status_code, "Nothing was taken back." in wrong.text) == (422, True)
    assert "Nothing was taken back yet." in staff.get(f"/likeness/{lea}").text
    done = staff.post(f"/likeness/{lea}/revoke", data={"form_token": token, "typed": "2"})
    assert "Everything is taken back." in done.text
    assert "None stands" in done.text
    services, said = pages.services, consent.NewPerson(name="Lea", kind="public_figure", state="verified")
    with services.database.transaction("default") as tx:
        now = services.clock.now()
        figure = consent.register(tx, services.vault, now, said, by="test")
        consent.link(tx, now, figure, lea, by="test")
    assert f'href="/likeness/{lea}"' in staff.get(f"/likeness/{figure}").text
    assert staff.get(f"/likeness/{new_id('per')}").status_code == 404


def test_only_the_scope_opens_the_registry(pages, lea, owner):
    for path in ("/likeness", f"/likeness/{lea}"):
        assert pages.with_headers().get(path).status_code == 303
        assert owner.get(path).url.path == "/login"
    assert pages.with_scopes("read").post(f"/v1/people/{lea}/links").status_code == 403
    platform = pages.with_scopes("likeness")
    assert platform.post(f"/v1/people/{lea}/links", json={"on_behalf_of": "noor-1"}).status_code == 404


def demand_that_only_staff_act_for_who_has_no_account(pages, keeper, staff, lea: str, token: dict[str, str]) -> None:
    """What the API refuses to a key of scope `likeness` alone its pages neither offer nor do."""
    with pages.services.database.transaction("default") as tx:
        (grant,) = consent.read_grants(tx, [lea])
        reach = reach_of(tx, lea)
    page = f"/likeness/{lea}"
    acts = {f"{page}/revoke": {"typed": str(reach.released)}, f"{page}/grants/{grant.grant_id}/revoke": {}}
    for act, fields in acts.items():
        assert keeper.post(act, data={**token, **fields}).status_code == 403, act
        assert f'action="{act}"' not in keeper.get(page).text, act
        assert f'action="{act}"' in staff.get(page).text, act
    assert keeper.get(page).text.count("only an administrator may act for them") == 1
    with pages.services.database.transaction("default") as tx:
        assert [each.revoked_at for each in consent.read_grants(tx, [lea])] == [None]


def test_passkeys_of_a_lost_device_are_removed_by_staff_alone_and_who_holds_it_is_shut_out(
    pages, owner, staff, lea, monkeypatch
):
    services = pages.services
    monkeypatch.setattr(services.settings, "url", "http://localhost")
    with services.database.transaction("default") as tx:
        said = consent.NewPerson(name="Noor", kind="cameo", account="noor-1")
        noor = consent.register(tx, services.vault, services.clock.now(), said, by="test")
    keeper = pages.with_headers()
    reduced = Principal(org="default", principal="ana", scopes=frozenset({"likeness"}), kind="person")
    keeper.cookies.set("countersign_session", sessions.begin(services, reduced, method="development"))
    token = {"form_token": hidden(keeper.get(f"/likeness/{noor}").text)["form_token"]}
    assert "/link" not in keeper.get(f"/likeness/{lea}").text, "who has no account"
    assert keeper.post(f"/likeness/{lea}/link", data=token).status_code == 403
    assert keeper.post(f"/likeness/{noor}/link", data=token).status_code == 200
    demand_that_only_staff_act_for_who_has_no_account(pages, keeper, staff, lea, token)

    device, door = Authenticator(), owner.get("/mine/passkeys").text
    assert "Your passkey is registered." in register(owner, door, device).text
    spare = pages.client.post(f"/v1/people/{lea}/links", json={"on_behalf_of": None}).json()["url"]
    assert keeper.post(f"/likeness/{lea}/passkeys/remove", data=token).status_code == 403
    assert "/passkeys/remove" not in keeper.get(f"/likeness/{lea}").text
    shown = staff.get(f"/likeness/{lea}").text
    assert "/passkeys/remove" in shown
    staff.post(f"/likeness/{lea}/passkeys/remove", data={"form_token": hidden(shown)["form_token"]})

    assert owner.get("/mine").url.path == "/mine/enter"
    register(owner, door, Authenticator())
    visitor = pages.with_headers()
    late = {**hidden(visitor.get("/mine/enter").text), "link": spare}
    assert visitor.post("/mine/enter", data=late).status_code == 401
    with services.database.transaction("default") as tx:
        assert passkeys.passkeys_of(tx, lea) == []


@pytest.mark.full
def test_an_owner_sees_their_own_page_and_no_reviewers_session_opens_it(pages, owner, staff, lea):
    page = owner.get("/mine")
    assert page.status_code == 200
    assert page.text.count("Take this clip out") == 3
    assert "1 question to you" in page.text
    assert "noor" not in page.text
    assert "Ask me about every clip" in owner.get("/mine/grants").text
    assert staff.get("/mine").url.path == "/mine/enter"
    assert owner.get("/queues").url.path == "/login"
    assert owner.get("/v1/people").status_code in {401, 404, 405}
    strange = owner.get(f"/mine/clips/{new_id('clip')}/still")
    assert strange.status_code == 404
    left = owner.post("/mine/leave", data=hidden(page.text))
    assert "You have logged out." in left.text
    assert owner.get("/mine").url.path == "/mine/enter"


def test_who_is_named_by_a_maker_and_was_not_recognised_is_shown_no_still(pages, owner, lea):
    services = pages.services
    with services.database.transaction("default") as tx:
        clip = new_clip(tx, services.clock.now(), "released")
        appearances.declare(tx, clip, 1, [lea], services.clock.now())
    seen = owner.get("/mine").text
    assert seen.count("named by its maker · not certain") == 1
    assert (f"/mine/clips/{clip}/remove" in seen, f"/mine/clips/{clip}/still" in seen) == (True, False)
    assert seen.count("/still") == 3
    with pytest.raises(NotFound, match="not recognised for certain"):
        owned.still_for(services, "default", lea, clip)


def test_forms_of_an_owners_page_are_their_own(pages, owner, lea, staff):
    clip = re.search(r"/mine/clips/(clip_[0-9a-f]+)/remove", owner.get("/mine").text)[1]
    foreign = hidden(staff.get("/likeness").text)["form_token"]
    for token in ("", foreign):
        assert owner.post(f"/mine/clips/{clip}/remove", data={"form_token": token}).status_code == 403
    mine = hidden(owner.get("/mine").text)["form_token"]
    removed = owner.post(f"/mine/clips/{clip}/remove", data={"form_token": mine})
    assert "The clip is taken out." in removed.text
    assert removed.text.count("Take this clip out") == 2
    # From another site a browser brings no cookie to the door of a new link, and the old session's to its form.
    link = pages.client.post(f"/v1/people/{lea}/links", json={"on_behalf_of": None}).json()["url"]
    again = pages.with_headers()
    door = hidden(again.get(link).text)
    again.cookies.set("countersign_owner", owner.cookies["countersign_owner"])
    assert again.post(f"/mine/clips/{clip}/remove", data=door).status_code == 403
    assert again.post("/mine/enter", data={**door, "link": link}).headers["location"] == "/mine"


@pytest.mark.full
def test_grants_are_given_changed_and_taken_back(pages, owner, lea):
    token = hidden(owner.get("/mine/grants").text)["form_token"]
    terms = {"form_token": token, "to": "creator", "grantee": "omar", "scope": "both", "mode": "standing",
             "audience": "public", "limits": ["sexual", "violent"], "until": ""}  # fmt: skip
    assert "<bdi>omar</bdi>" in owner.post("/mine/grants", data=terms).text
    for wrong in ({"grantee": " "}, {"until": "tomorrow"}, {"until": "2001-01-01"}):
        refused = owner.post("/mine/grants", data={**terms, **wrong})
        assert (refused.status_code, 'role="alert"' in refused.text) == (422, True)
    assert owner.post("/mine/grants", data={**terms, "scope": "soul"}).status_code == 422
    grants = re.findall(r"/mine/grants/(grant_[0-9a-f]+)/revoke", owner.get("/mine/grants").text)
    assert len(grants) == 2
    changed = owner.post("/mine/grants", data={**terms, "changes": grants[-1], "grantee": "noor"})
    live = changed.text.partition("What you allowed before")[0]
    assert ("<bdi>noor</bdi>" in live, "<bdi>omar</bdi>" in live) == (True, False)
    assert owner.post(f"/mine/grants/{grants[-1]}/revoke", data={"form_token": token}).status_code == 404
    for grant in re.findall(r"/mine/grants/(grant_[0-9a-f]+)/revoke", changed.text):
        left = owner.post(f"/mine/grants/{grant}/revoke", data={"form_token": token})
    assert "Nothing. Nobody may use your face or voice here." in left.text
    keeps_its_hour(pages, owner, lea, terms)
    give_to_a_list(owner, token, {**terms, "purposes": "satire, parody", "until": "2100-01-01"})
    limited = owner.post("/mine/limits", data={"form_token": token, "limits": ["political"]})
    assert 'value="political" checked' in limited.text


def keeps_its_hour(pages, owner: httpx.Client, lea: str, terms: dict[str, object]) -> None:
    """A grant that ends within a day ends no later when something else of it is changed; another day is taken."""
    ends = (pages.services.clock.now() + timedelta(days=9)).replace(hour=10, minute=0, second=0, microsecond=0)
    with pages.services.database.transaction("default") as tx:
        said = consent.Terms(grantee_kind="creator", grantee="omar", limits=consent.CONTEXTS, expires_at=ends)
        grant = consent.grant(tx, pages.services.clock.now(), lea, terms=said, by="test")
    for day, expected in ((ends, ends), (ends + timedelta(days=1), ends + timedelta(days=1, hours=14))):
        shown = owner.get("/mine/grants", params={"change": grant}).text
        assert f'value="{ends.date().isoformat()}"' in shown
        fewer = {**terms, "changes": grant, "limits": ["sexual"], "until": day.date().isoformat()}
        owner.post("/mine/grants", data=fewer)
        with pages.services.database.transaction("default") as tx:
            (new,) = (each for each in consent.read_grants(tx, [lea]) if each.revoked_at is None)
        assert (new.replaces, new.limits, new.expires_at) == (grant, ["sexual"], expected)
        grant = new.grant_id
    owner.post(f"/mine/grants/{grant}/revoke", data={"form_token": terms["form_token"]})


def give_to_a_list(owner: httpx.Client, token: str, terms: dict[str, object]) -> None:
    """Make a list, allow it something, change both; nothing that was said before is lost."""
    named = {"form_token": token, "name": "Friends", "creators": "bo\n cy \nbo\n"}
    made = owner.post("/mine/lists", data=named)
    assert "The list is made." in made.text
    for wrong in ({"name": " "}, {"creators": "x" * 300}, {"creators": "a\0b"}):
        assert owner.post("/mine/lists", data={**named, **wrong}).status_code == 422, wrong
    friends = re.search(r"/mine/lists/(glist_[0-9a-f]+)", made.text)[1]
    # Somebody was added meanwhile: who saves what they saw neither knows nor removes them.
    owner.post(f"/mine/lists/{friends}", data={"form_token": token, "shown": "", "creators": "dee"})
    said = {"form_token": token, "shown": "bo\ncy", "creators": "cy\neve"}
    assert "The list is changed." in owner.post(f"/mine/lists/{friends}", data=said).text
    assert owner.post(f"/mine/lists/{new_id('glist')}", data=said).status_code == 404
    assert re.search(r">cy\r?\ndee\r?\neve</textarea>", owner.get("/mine/lists").text)
    for wrong in ({"purposes": "for you!"}, {"to": new_id("glist")}, {"to": "anybody"}, {"until": "9999-12-31"}):
        assert owner.post("/mine/grants", data={**terms, "to": friends, **wrong}).status_code in {404, 422}, wrong
    given = owner.post("/mine/grants", data={**terms, "to": friends}).text
    for shown in ("Your list <bdi>Friends</bdi>", "<bdi>satire, parody</bdi>", "until 2100-01-01"):
        assert shown in given, shown
    grant = re.search(r"/mine/grants\?change=(grant_[0-9a-f]+)", given)[1]
    form = owner.get("/mine/grants", params={"change": grant}).text
    for kept in (f'value="{friends}" selected', 'value="satire, parody"', 'value="2100-01-01"'):
        assert kept in form, kept


def register(owner: httpx.Client, asked: str, device: Authenticator) -> httpx.Response:
    """Send what a device makes of the page that asks for a passkey."""
    options = json.loads(html.unescape(re.search(r'data-passkey="([^"]+)"', asked)[1]))
    made = {**hidden(asked), "credential": json.dumps(device.register(options))}
    return owner.post("/mine/passkeys", data=made)


def test_a_list_that_the_api_made_longer_than_a_form_is_shortened_there(pages, owner, lea):
    services, names = pages.services, [f"maker-{number:04}" for number in range(1200)]
    with services.database.transaction("default") as tx:
        now = services.clock.now()
        friends = consent.make_list(tx, services.vault, now, lea, "Fans", by="test", creators=tuple(names[:1000]))
        consent.change_list(tx, services.vault, now, lea, friends, by="test", add=tuple(names[1000:]))
    token, place = hidden(owner.get("/mine/lists").text)["form_token"], f"/mine/lists/{friends}"
    said = {"form_token": token, "shown": "\n".join(names), "creators": "\n".join(names[1:])}
    longer = {**said, "creators": "\n".join([*names, "one more"])}
    assert owner.post(place, data=longer).status_code == 422
    assert owner.post("/mine/lists", data={**said, "name": "As long"}).status_code == 422
    assert "The list is changed." in owner.post(place, data=said).text
    with services.database.transaction("default") as tx:
        (kept,) = consent.read_lists(tx, services.vault, lea)
    assert kept.creators == tuple(names[1:])


def test_a_question_is_answered_with_a_passkey_and_never_without(pages, owner, lea, monkeypatch):
    party = passkeys.Party(host="localhost", origin="http://localhost")
    path = re.search(r'href="(/mine/questions/ask_[0-9a-f]+)"', owner.get("/mine").text)[1]
    # A bare address is no name that a passkey could be bound to.
    assert "Passkeys do not work" in owner.get("/mine/passkeys").text
    token = hidden(owner.get("/mine").text)["form_token"]
    unsigned = {"form_token": token, "credential": "{}"}
    assert owner.post(f"{path}/yes", data=unsigned).status_code == 422
    monkeypatch.setattr(pages.services.settings, "url", "http://localhost")

    device = Authenticator(host=party.host, origin=party.origin)
    assert "Your passkey is registered." in register(owner, owner.get("/mine/passkeys").text, device).text
    nested = "[" * 16_000
    for unread in ("{}", nested):
        assert owner.post(f"{path}/yes", data={**unsigned, "credential": unread}).status_code == 422, unread[:9]
    question = owner.get(path).text
    yes, no = (json.loads(html.unescape(found)) for found in re.findall(r'data-passkey="([^"]+)"', question))
    swapped = {"form_token": token, "credential": json.dumps(device.sign(no["challenge"]))}
    assert owner.post(f"{path}/yes", data=swapped).status_code == 422
    signed = {"form_token": token, "credential": json.dumps(device.sign(yes["challenge"]))}
    assert "Your answer is signed and recorded." in owner.post(f"{path}/yes", data=signed).text
    assert "You said yes." in owner.get(path).text
    visitor = pages.with_headers()
    visitor.follow_redirects = True
    door = visitor.get("/mine/enter").text
    assert visitor.post("/mine/passkey", data={**hidden(door), "credential": nested}).status_code == 401
    options = json.loads(html.unescape(re.search(r'data-passkey="([^"]+)"', door)[1]))
    entered = {**hidden(door), "credential": json.dumps(device.sign(options["challenge"]))}
    assert visitor.post("/mine/passkey", data=entered).url.path == "/mine"


def test_what_stands_against_a_yes_and_who_a_face_may_be_are_said_beside_each_other(pages, staff, lea):
    services, now = pages.services, pages.services.clock.now()
    with services.database.transaction("default") as tx:
        clip = read_clip(tx, new_clip(tx, now, "processing"), lock=True)
        said = consent.NewPerson(name="Twin", kind="cameo", state="verified")
        twin = consent.register(tx, services.vault, now, said, by="test")
        near = [{"person": who, "distance": at, "state": "possible"} for who, at in ((lea, 0.52), (twin, 0.55))]
        face = {"track": 0, "start_ms": 0, "end_ms": 900, "state": "possible", "person": lea, "distance": 0.52}
        analysis = Analysis(signals={}, faces=[{**face, "boxes": [], "candidates": near}], shots=[], seen_ms=[])
        kept = {"org": "default", "clip": clip.clip_id, "detectors": "d", "gallery": "g", "now": now}
        tx.pg.execute(queries("records").insert_analysis, {**kept, "body": analysis.to_text()})
        people = {
            lea: PersonFact(kind="cameo", consent="limit_violated", limits=("political", "purpose")),
            twin: PersonFact(kind="cameo", consent="consented", voice="undetermined"),
        }
        facts = FactRecord(
            org="default", clip=clip.clip_id, judged_at=now.isoformat(), duration_ms=1000, phase="public",
            submission=SubmissionFacts(creator="noor", prompt="two who look alike"), people=people,
            named={"works": 0, "who": ""},
        )  # fmt: skip
        row = {"org": "default", "clip": clip.clip_id, "hash": facts.digest(), "now": now}
        tx.pg.execute(queries("records").insert_facts, {**row, "body": facts.to_bytes().decode()})
        reason = Reason(code="consent_limit", person=lea)
        decision = Decision(
            outcome=Outcome.REVIEW, facts_hash=facts.digest(), reasons=(reason,), queue="likeness", policy_version="v1"
        )
        decided = insert_decision(tx, clip, decision, actor_kind="rule", actor="policy", now=now)
        case = review.open_case(tx, services.enqueuer, clip, decision, decided, now)
    document = pages.with_scopes("read").get(f"/v1/clips/{clip.clip_id}").json()
    assert {each["person"]: each["limits"] for each in document["people"]} == {lea: ["political", "purpose"], twin: []}
    assert document["works"] == {"fingerprint": "not_measured", "names": "measured", "embedding": "not_measured"}
    shown = staff.get(f"/review/{case}", headers={"Accept-Language": "fr"}).text
    assert "politiques, l’usage prévu" in shown
    beside = shown[shown.index("Un visage, et qui cela") :]
    assert beside.index("Léa &amp; Co") < beside.index("0.52") < beside.index("Twin") < beside.index("0.55")
    keyless = Principal(org="default", principal="ana", scopes=frozenset({"review"}), kind="person")
    assert names_of(services, keyless, [lea]) == {}


def test_an_enrolment_that_waits_is_looked_at_and_answered_once_by_who_may(pages, staff, lea):
    services, now = pages.services, pages.services.clock.now()
    with services.database.transaction("default") as tx:
        tx.pg.execute("update moderation.people set state = 'pending' where person_id = %s", (lea,))
        row = {"org": "default", "enrolment": (found := new_id("enr")), "person": lea, "by": "platform", "now": now}
        said = Jsonb({"digits": ["1234"], "turns": ["left"]})
        tx.pg.execute(attempts.SQL.insert_enrolment, {**row, "challenge": said, "expires_at": now})
        clip = tx.pg.execute("select clip_id from moderation.appearances limit 1").fetchone()[0]
        tx.pg.execute(
            "update moderation.enrolments set state = 'received', recording = 'x', received_at = %s, duration_ms = 1", (now,)
        )  # fmt: skip
        received = attempts.read(tx, found)
    likeness = Check(name="nobody_else", state=CheckState.UNCERTAIN, evidence={"candidates": [{"person": lea}]})
    unheard = Check(name="digits", state=CheckState.NOT_MEASURED)
    attempts.settle(services, received, [likeness, unheard], Verdict(outcome=Enrolled.UNCERTAIN), None)
    path = f"/likeness/enrolments/{found}"
    assert path in staff.get("/likeness").text
    assert path in staff.get(f"/likeness/{lea}").text
    shown = staff.get(path)
    assert f'src="/v1/enrolments/{found}/pictures"' in shown.text
    assert "1234" in shown.text
    assert re.search("nobody else's likeness: <b[^>]*>uncertain", shown.text)
    assert re.search("the digits said as asked: <b[^>]*>not measured", shown.text)
    assert "No machine has heard the digits: listen" in shown.text
    form = hidden(shown.text) | {"version": re.search('name="version" value="([0-9]+)"', shown.text)[1]}
    assert "Say why" in staff.post(f"{path}/answer", data={**form, "outcome": "refuse", "reason": " "}).text
    stale = {**form, "outcome": "refuse", "reason": "not her", "version": "77"}
    assert staff.post(f"{path}/answer", data=stale).status_code == 409
    unread = staff.post(f"{path}/answer", data={**form, "outcome": "verify", "reason": "seen"})
    assert (unread.status_code, "This cannot be verified" in unread.text) == (422, True)
    done = staff.post(f"{path}/answer", data={**form, "outcome": "refuse", "reason": "not her"})
    assert "The answer is recorded." in done.text
    with services.database.transaction("default") as tx:
        assert attempts.read(tx, found).reason == "not her"
    said = {
        "name": "Léa",
        "contact": "lea@example.org",
        "signature": "Léa",
        "location": "all of it",
        "good_faith": True,
    }
    claim = Claim(kind="likeness", explanation="me", **said)
    file_notice(services, "default", clip, claim, Sender(source="", language="en"))
    noticed = staff.get(f"/likeness/{lea}").text
    assert clip[-8:] in noticed[noticed.index("Notices and appeals about their clips") :]
    with services.database.transaction("default") as tx:
        tx.pg.execute("update moderation.notices set state = 'gone', decided_at = filed_at")
    assert "ended: the clip is gone" in staff.get(f"/likeness/{lea}").text
    keyless = Principal(org="default", principal="ana", scopes=frozenset({"likeness"}), kind="person")
    assert not may_look(keyless)
