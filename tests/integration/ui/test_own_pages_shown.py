"""The registry's pages and a person's own, in a browser: whole and legible, with keys alone, and with a real passkey."""

import re
from dataclasses import replace

import pytest
from playwright.sync_api import Page, expect

from moderation import asking, consent, owners
from moderation.db.clips import read_clip

pytestmark = [pytest.mark.full, pytest.mark.timeout(600)]


@pytest.fixture
def shown(pages):
    """The registered person of the stage's likeness case, whose clip is published for these pages, and its number.

    The service is reached by a name, since no passkey is bound to an address.
    """
    services = pages.services
    with services.database.transaction("default") as tx:
        now = services.clock.now()
        (clip,) = tx.pg.execute("select clip_id from moderation.cases where queue = 'likeness'").fetchone()
        (person,) = tx.pg.execute(
            "select person_id from moderation.appearances where clip_id = %s and state = 'matched'", (clip,)
        ).fetchone()
        consent.grant(tx, now, person, scope="face", mode="ask_me", by="test")
        consent.grant(tx, now, person, grantee="omar", scope="both", by="test")
        asking.ask(tx, services.enqueuer, read_clip(tx, clip, lock=True), [(person, "face")], now)
    return replace(pages, url=pages.url.replace("127.0.0.1", "localhost")), person, clip


def link(pages, person: str) -> str:
    with pages.services.database.transaction("default") as tx:
        made = owners.make_link(tx, pages.services.clock.now(), person, by="test")
    return made.address(pages.url)


def enter(open_browser, pages, person: str, **options) -> Page:
    """Open a link's page; its secret is sent once, in a form, and stands in no address that the service is asked for."""
    page, address = open_browser(pages, log_in=False, size=(400, 860), **options), link(pages, person)
    sent: list[str] = []
    page.on("request", lambda request: sent.append(f"{request.url.partition('#')[0]} {request.all_headers()}"))
    page.goto(address)
    if not options.get("java_script_enabled", True):
        page.locator("#link").fill(address)
    page.locator('form[action="/mine/enter"] button').click()
    page.wait_for_url(re.compile("/mine$"))
    assert len(sent) > 1
    assert not any(address.partition("#")[2] in asked for asked in sent)
    return page


def look(page: Page, name: str, checks, shoot, sizes) -> None:
    """Demand that a page fits in every size, and is accessible light and dark."""
    layout, accessible = checks
    for width, height in sizes:
        page.set_viewport_size({"width": width, "height": height})
        layout(page)
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        accessible(page)
    page.emulate_media(color_scheme="light")
    shoot(page, name)


@pytest.mark.parametrize("locale", ["en", "ar"])
def test_the_registrys_pages_fit_and_are_accessible(
    open_browser, shown, assert_accessible, assert_layout, shoot, sizes, locale
):
    pages, person, _ = shown
    page = open_browser(pages, locale=locale)
    for name, path in (("likeness", "/likeness"), ("likeness-person", f"/likeness/{person}")):
        page.goto(path)
        look(page, name, (assert_layout, assert_accessible), shoot, sizes)


@pytest.mark.parametrize("locale", ["en", "ar"])
def test_a_persons_own_pages_fit_and_are_accessible(
    open_browser, shown, assert_accessible, assert_layout, shoot, sizes, locale
):
    pages, person, _ = shown
    page = enter(open_browser, pages, person, locale=locale)
    question = page.locator('a[href^="/mine/questions/"]').get_attribute("href")
    expect(page.locator("img.veil")).to_have_js_property("complete", value=True)
    for name, path in (
        ("mine", "/mine"), ("mine-all", "/mine/all"), ("mine-grants", "/mine/grants"), ("mine-lists", "/mine/lists"), ("mine-passkeys", "/mine/passkeys"),
        ("mine-question", question),
    ):  # fmt: skip
        page.goto(path)
        look(page, name, (assert_layout, assert_accessible), shoot, sizes)
    page.goto("/mine")
    page.locator('form[action="/mine/leave"] button').click()
    page.goto("/mine/enter")
    look(page, "mine-enter", (assert_layout, assert_accessible), shoot, sizes)


def test_consent_is_taken_back_by_the_number_and_its_progress_is_seen(open_browser, shown):
    pages, person, _ = shown
    page = open_browser(pages)
    page.watch.forgiven += ["422"]
    page.goto(f"/likeness/{person}")
    page.get_by_label("To confirm").fill("7")
    page.get_by_label("To confirm").press("Enter")
    expect(page.locator("#typed-wrong")).to_be_visible()
    page.get_by_label("To confirm").fill("0")
    page.get_by_label("To confirm").press("Enter")
    expect(page.locator("#progress progress")).to_be_visible()
    expect(page.get_by_text("None stands")).to_be_visible()


def test_a_question_is_answered_with_a_passkey_and_the_passkey_opens_the_page(open_browser, shown):
    pages, person, clip = shown
    page = enter(open_browser, pages, person)
    device = page.context.new_cdp_session(page)
    device.send("WebAuthn.enable")
    options = {"protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True}
    device.send(
        "WebAuthn.addVirtualAuthenticator",
        {"options": {**options, "isUserVerified": True, "automaticPresenceSimulation": True}},
    )
    page.goto("/mine/passkeys")
    page.get_by_role("button", name="Make a passkey").click()
    page.wait_for_url(re.compile("said=registered"))
    page.locator('a[href^="/mine/questions/"]').click()
    page.get_by_role("button", name="Yes, publish it").click()
    page.wait_for_url(re.compile("said=answered"))
    with pages.services.database.transaction("default") as tx:
        assert asking.words_about(tx, clip).answers == {(person, "face"): True}
        assert read_clip(tx, clip).status == "processing"
    page.get_by_role("button", name="Log out").click()
    page.get_by_role("link", name="Countersign").click()
    page.get_by_role("button", name="Enter with a passkey").click()
    page.wait_for_url(re.compile("/mine$"))
    expect(page.get_by_text("last used")).to_be_visible()


def test_without_scripts_everything_works_but_the_passkey_which_says_so(open_browser, shown):
    pages, person, _ = shown
    page = enter(open_browser, pages, person, java_script_enabled=False)
    page.goto("/mine/passkeys")
    expect(page.get_by_text("A passkey needs scripts.")).to_be_visible()
    page.goto("/mine/lists")
    page.get_by_label("What you call it").fill("Friends")
    page.get_by_label("Makers, one name a line").fill("bo\ncy")
    page.get_by_role("button", name="Make the list").click()
    page.get_by_role("link", name="Who may use your likeness").click()
    page.get_by_label("Who", exact=True).select_option(label="Your list: Friends")
    page.get_by_label("Only for these purposes").fill("satire")
    page.get_by_role("button", name="Allow it").click()
    expect(page.get_by_text("only for: satire")).to_be_visible()
    page.get_by_role("button", name="Take back").first.click()
    expect(page.get_by_text("Taken back.")).to_be_visible()
    page.goto("/mine")
    page.get_by_role("button", name="Take this clip out").click()
    expect(page.get_by_role("status").first).to_be_visible()
