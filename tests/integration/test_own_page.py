"""A reviewer's own page without a line of script: what is chosen is kept, shown everywhere, and refused where it clashes."""

import re

import httpx
import pytest

from moderation.keys import Principal
from moderation.sessions import login_token
from review_ui.app import create_app

HEADERS = {"Sec-Fetch-Site": "same-origin"}


@pytest.fixture
def pages(run_app):
    return run_app(create_app)


@pytest.fixture
def browser(pages) -> httpx.Client:
    client = pages.with_headers(**HEADERS)
    client.get(f"/login/dev?token={login_token(pages.services)}")
    return client


def token(browser: httpx.Client) -> str:
    return re.search(r'name="form_token" value="(\w+)"', browser.get("/me").text)[1]


def send(browser: httpx.Client, part: str, **fields: object) -> httpx.Response:
    return browser.post(f"/me/{part}", data={"form_token": token(browser), **fields})


def stored(pages) -> tuple[dict, list[str]]:
    with pages.services.database.transaction("default") as tx:
        return tx.pg.execute(
            "select preferences, opted_out from moderation.reviewers where principal = 'dev'"
        ).fetchone()


def test_how_clips_begin_is_kept_for_one_queue_and_for_all(browser, pages):
    assert (
        send(browser, "look", area="", veil="strong", speed="1.5", muted="true").headers["location"]
        == "/me?area=&said=kept#look"
    )
    send(browser, "look", area="likeness", veil="strongest", speed="1.0", cartoon_first="true")
    looks = stored(pages)[0]["looks"]
    assert (looks[""]["veil"], looks[""]["muted"], looks[""]["grey"], looks[""]["speed"]) == (
        "strong",
        True,
        False,
        1.5,
    )
    assert (looks["likeness"]["veil"], looks["likeness"]["cartoon_first"]) == ("strongest", True)
    shown = browser.get("/me?area=likeness&said=kept").text
    assert re.search(r'value="strongest" checked', shown)
    assert "Saved." in shown
    send(browser, "look", area="likeness", veil="usual", speed="1.0", drop="1")
    assert set(stored(pages)[0]["looks"]) == {""}


@pytest.mark.parametrize("wrong", [{"veil": "none"}, {"speed": "9"}, {"area": "nowhere"}, {"speed": "x"}])
def test_a_look_that_is_no_choice_is_refused(browser, pages, wrong):
    assert send(browser, "look", **{"area": "", "veil": "usual", "speed": "1.0", **wrong}).status_code in {404, 422}
    assert stored(pages)[0] == {}


def test_a_key_of_ones_own_holds_on_every_page_and_a_clash_is_refused_with_a_sentence(browser, pages):
    usual = dict(re.findall(r'name="key\.(\w+)" value="([^"]*)"', browser.get("/me").text))
    usual = {f"key.{action}": key.replace("&#39;", "'") for action, key in usual.items()}
    refused = send(browser, "keys", **{**usual, "key.block": "a"}, keys_on="true")
    assert refused.status_code == 422
    assert "“A” is the key of “Approve”" in refused.text
    assert re.search(
        r'name="key\.block" value="a"[^>]*aria-invalid="true" aria-describedby="wrong-block"', refused.text
    )
    assert send(browser, "keys", **{**usual, "key.block": "7"}, keys_on="true").status_code == 422
    assert stored(pages)[0] == {}
    assert send(browser, "keys", **{**usual, "key.help": "z"}, keys_on="true").status_code == 303
    assert stored(pages)[0]["keys"] == {"help": "z"}
    assert 'id="show-keys" data-key="z" aria-keyshortcuts="Z"' in browser.get("/queues").text
    swapped = {**usual, "key.allow": "b", "key.block": "a"}
    assert send(browser, "keys", **swapped, keys_on="true").status_code == 303
    send(browser, "keys", **usual)
    assert "data-key" not in browser.get("/queues").text
    assert "switched off" in browser.get("/queues").text


def test_language_direction_and_contrast_follow_the_reviewer(browser, pages):
    send(browser, "reading", language="ar", direction="ltr", contrast="more", motion="less", colours="dark")
    page = browser.get("/queues").text
    assert '<html lang="ar" dir="ltr" data-contrast="more" data-motion="less" data-scheme="dark">' in page
    again = pages.with_headers(**HEADERS)
    again.get(f"/login/dev?token={login_token(pages.services)}")
    assert '<html lang="ar"' in again.get("/queues").text, "another browser of theirs speaks it too"
    assert send(browser, "reading", language="", direction="up").status_code == 422


def test_queues_somebody_does_not_want_are_kept_and_not_dealt(browser, pages, drawn):
    assert send(browser, "queues", out=["likeness", "explicit"]).status_code == 303
    assert stored(pages)[1] == ["likeness", "explicit"]
    assert len(re.findall(r'name="out" value="\w+" checked', browser.get("/me").text)) == 2
    start = browser.post("/queues/likeness/start", data={"form_token": token(browser)})
    assert start.status_code == 403
    assert send(browser, "queues", out=["nowhere"]).status_code == 422
    send(browser, "queues")
    assert stored(pages)[1] == []


def test_names_stand_apart_from_the_sentence_and_cannot_break_out(browser, pages):
    called = re.search(r'popovertarget="account"><bdi>([^<]+)</bdi>', browser.get("/me").text)[1]
    assert f"Colleagues know you as <bdi>{called}</bdi>." in browser.get("/me").text


def test_each_form_needs_its_token(browser, pages):
    for part in ("look", "keys", "reading", "queues"):
        assert browser.post(f"/me/{part}", data={"area": "", "veil": "usual", "speed": "1.0"}).status_code == 403, part
    assert stored(pages) == ({}, [])


def test_a_general_reviewer_is_offered_no_specialists_queue(pages, monkeypatch):
    monkeypatch.setattr(pages.services.settings, "env", "development")
    reviewer = Principal(org="default", principal="ana", scopes=frozenset({"review"}), kind="person")
    from moderation import sessions  # noqa: PLC0415

    client = pages.with_headers(**HEADERS)
    client.cookies.set("countersign_session", sessions.begin(pages.services, reviewer, method="development"))
    page = client.get("/me").text
    assert 'value="likeness"' in page
    assert "minor_safety" not in page
    assert client.get("/likeness").status_code == 403
    nav = client.get("/queues").text
    assert 'href="/queues"' in nav
    assert 'href="/likeness"' not in nav
