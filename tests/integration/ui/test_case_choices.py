"""A case as one person wants it: other keys, none at all, another beginning; and the hold that is nearly over."""

import re
import time

import pytest
from playwright.sync_api import Page, expect

from moderation import preferences
from moderation.code_names import code_name
from moderation.preferences import Look, Preferences

pytestmark = [pytest.mark.full, pytest.mark.timeout(600)]


def choose(pages, chosen: Preferences) -> None:
    """Keep a reviewer's choices before they log in, as of an earlier day."""
    with pages.services.database.transaction("default") as tx:
        code_name(tx, pages.services.clock.now(), "dev")
        preferences.keep(tx, "dev", chosen)


def start(page: Page) -> str:
    page.goto("/queues")
    page.locator('form[action="/queues/failures/start"] button').click()
    page.wait_for_url(re.compile("/review/case_"))
    expect(page.locator("clip-player video")).to_be_visible()
    until(page, "video.readyState >= 1 && 'live' in document.body.dataset")
    return page.evaluate("location.pathname")


def until(page: Page, expression: str) -> None:
    """Wait until an expression over `video` holds; asked from outside, as the content policy lets nobody inside ask."""
    deadline = time.monotonic() + 60
    while not page.evaluate(f"(() => {{ const video = document.querySelector('video'); return {expression} }})()"):
        assert time.monotonic() < deadline, expression
        page.wait_for_timeout(50)


def test_another_key_does_it_and_is_shown_and_the_usual_one_does_nothing(open_browser, pages, draw_case):
    draw_case(pages)
    choose(pages, Preferences(keys={"allow": "y"}))
    page = open_browser(pages)
    path = start(page)
    expect(page.locator(".act.allow kbd")).to_have_text("Y")
    page.keyboard.press("a")
    page.wait_for_timeout(300)
    assert page.evaluate("location.pathname") == path
    page.keyboard.press("y")
    page.wait_for_url(re.compile("/queues"))


def test_switched_off_no_key_acts_and_every_button_does(open_browser, pages, draw_case):
    draw_case(pages)
    choose(pages, Preferences(keys_on=False))
    page = open_browser(pages)
    path = start(page)
    expect(page.locator(".act kbd")).to_have_count(0)
    for key in "abexr":
        page.keyboard.press(key)
    page.wait_for_timeout(300)
    assert page.evaluate("location.pathname") == path
    expect(page.locator("clip-player")).not_to_have_attribute("unveiled", "revealed")
    page.get_by_role("button", name="Approve").click()
    page.wait_for_url(re.compile("/queues"))


def test_a_clip_begins_as_its_reviewer_wants(open_browser, pages, draw_case):
    draw_case(pages)
    choose(pages, Preferences(looks={"": Look(veil="strong", grey=False, speed=0.5)}))
    page = open_browser(pages)
    start(page)
    until(page, "video.playbackRate === 0.5")
    assert "blur" in page.evaluate("getComputedStyle(document.querySelector('.screen video')).filter")
    expect(page.get_by_role("button", name="Colour")).to_have_attribute("aria-pressed", "true")


def test_a_hold_that_is_nearly_over_is_said_politely_and_activity_prolongs_it(open_browser, pages, draw_case):
    pages.services.settings.review.lease_s = 20
    draw_case(pages)
    page = open_browser(pages)
    start(page)
    expect(page.locator("#notice")).to_contain_text("ends in half a minute")
    expect(page.locator("#notice")).to_have_attribute("role", "status")
    before = page.evaluate("document.querySelector('#lease').textContent")
    pages.services.settings.review.lease_s = 300
    page.mouse.move(200, 300)
    page.mouse.move(220, 320)
    expect(page.locator("#lease")).to_have_text(re.compile(r"^[45]:"), timeout=15_000)
    assert before.startswith("0:")
