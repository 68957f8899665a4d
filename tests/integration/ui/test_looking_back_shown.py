"""Looking back in a browser: asked for with keys alone, followed without a press, called off without a script."""

import re

import pytest
from families import Row, write
from playwright.sync_api import expect

from moderation import owners
from moderation.lookbacks import driving

pytestmark = [pytest.mark.full, pytest.mark.timeout(600)]


@pytest.fixture
def person(pages) -> str:
    """The registered person of the stage's likeness case; beside that clip, one whose file is gone."""
    services = pages.services
    with services.database.transaction() as tx:
        (found,) = tx.pg.execute(
            "select person_id from moderation.appearances where how = 'face' and state = 'matched' limit 1"
        ).fetchone()
        (clip,) = write(tx, [Row()])
        tx.pg.execute("update moderation.clips set created_at = %s where clip_id = %s", (services.clock.now(), clip))
    return found


def look(page, name, checks, shoot, sizes) -> None:
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


def keeps_what_was_opened(page, services, lookback: str) -> None:
    """Neither asking again nor its end shuts a list that somebody opened, or takes the focus away from it."""
    opened = page.locator(f"details#unread-{lookback}[open]")
    expect(opened).to_have_count(1)
    for _ in range(2):
        with page.expect_response(lambda answer: answer.url.endswith("/lookbacks")) as asked:
            pass
        assert asked.value.finished() is None
        expect(opened).to_have_count(1)
        expect(page.locator("#progress summary")).to_be_focused()
    driving.drive(services, "default", lookback)
    # What asked by itself asks no more: htmx has let go of it.
    expect(page.locator("#progress:is([hx-get], [data-htmx-powered], :has(form))")).to_have_count(0)
    expect(opened).to_have_count(1)
    expect(page.locator("#progress summary")).to_be_focused()


@pytest.mark.parametrize("locale", ["en", "ar"])
def test_a_look_back_is_asked_for_followed_and_called_off(
    open_browser, pages, person, assert_accessible, assert_layout, shoot, sizes, locale
):
    services, checks = pages.services, (assert_layout, assert_accessible)
    page = open_browser(pages, locale=locale)
    page.goto(f"/likeness/{person}")
    page.locator(f'a[href="/likeness/{person}/lookbacks"]').press("Enter")
    page.locator("#f-words").press("Enter")
    page.wait_for_url(re.compile("#progress$"))
    with services.database.transaction() as tx:
        (lookback,) = tx.pg.execute("select lookback_id from moderation.lookbacks").fetchone()
    driving.list_window(services, "default", lookback)
    # No press: the page asks again by itself.
    expect(page.locator("#progress dl")).to_be_visible()
    look(page, f"looking-back-{locale}", checks, shoot, sizes)
    turn = driving.take_turn(services, "default", lookback)
    driving._count_unreadable(services, "default", lookback, turn, "its bytes are gone")
    page.locator("#progress summary").press("Enter")
    keeps_what_was_opened(page, services, lookback)
    look(page, f"looked-back-{locale}", checks, shoot, sizes)

    with services.database.transaction() as tx:
        link = owners.make_link(tx, services.clock.now(), person, by="test")
    own = open_browser(pages, log_in=False, size=(400, 860), locale=locale, java_script_enabled=False)
    own.goto(link.address(pages.url))
    own.locator("#link").fill(link.address(pages.url))
    own.locator('form[action="/mine/enter"] button').click()
    own.locator('a[href="/mine/lookbacks"]').click()
    own.locator('form[action="/mine/lookbacks"] button').click()
    expect(own.locator('#progress form[action$="/cancel"]')).to_have_count(1)
    own.locator('#progress form[action$="/cancel"] button').click()
    expect(own.locator('#progress form[action$="/cancel"]')).to_have_count(0)
    seen = open_browser(pages, log_in=False, size=(400, 860), locale=locale)
    seen.context.add_cookies(own.context.cookies())
    seen.goto("/mine/lookbacks")
    look(seen, f"own-looking-back-{locale}", checks, shoot, sizes)
