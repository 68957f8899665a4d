"""The frame at work in a browser: rows and keys, the dialog, one's own keys, other keyboards, and a service that goes away."""

import pytest
from playwright.sync_api import expect

pytestmark = [pytest.mark.full, pytest.mark.timeout(300)]


def focused(page) -> str:
    return page.evaluate(
        "document.activeElement.getAttribute('aria-label') || document.activeElement.textContent.trim()"
    )


def test_the_queue_list_is_worked_with_keys_alone(page):
    expect(page.get_by_role("heading", name="Queues")).to_be_visible()
    page.keyboard.press("j")
    assert focused(page) == "Start with Minor safety"
    page.keyboard.press("ArrowDown")
    assert focused(page) == "Start with Likeness"
    page.keyboard.press("j")
    assert focused(page) == "Start with Likeness", "the last row is the end"
    page.keyboard.press("k")
    assert focused(page) == "Start with Minor safety"
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_url("**/review/**")
    page.keyboard.press("g")
    page.keyboard.press("q")
    page.wait_for_url("**/queues")
    held = page.get_by_role("region", name="In my hands")
    expect(held).to_contain_text("Likeness")
    expect(held).to_contain_text("yours for")


def test_the_dialog_shows_the_keys_of_the_page_and_gives_the_focus_back(page, assert_accessible, assert_layout, shoot):
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog", name="Keys")
    expect(dialog).to_be_visible()
    expect(dialog).to_contain_text("Next row")
    expect(dialog).to_contain_text("Go to the queues")
    assert_accessible(page)
    assert_layout(page)
    shoot(page, "keys")
    page.keyboard.press("p")
    assert page.url.endswith("/queues"), "keys rest while a dialog is open"
    page.set_viewport_size({"width": 400, "height": 860})
    assert_layout(page)
    page.set_viewport_size({"width": 1280, "height": 720})
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    page.goto("/queues/likeness")
    page.get_by_role("link", name="Open case").click()
    page.wait_for_url("**/review/**")
    page.keyboard.press("?")
    expect(dialog).to_contain_text("Play or pause")
    assert_layout(page)
    shoot(page, "keys-of-a-case")


def test_keys_of_ones_own_work_and_the_usual_ones_do_not(page):
    page.goto("/me")
    page.get_by_label("Next row", exact=True).fill("d")
    page.locator("#keys-chosen").get_by_role("button", name="Save").click()
    expect(page.get_by_role("status")).to_contain_text("Saved.")
    page.goto("/queues")
    page.keyboard.press("j")
    assert focused(page) != "Start with Minor safety"
    page.keyboard.press("d")
    assert focused(page) == "Start with Minor safety"
    page.goto("/me")
    page.get_by_label("Next row", exact=True).fill("p")
    page.locator("#keys-chosen").get_by_role("button", name="Save").click()
    page.watch.forgiven += ["422"]
    expect(page.get_by_role("alert").filter(has_text="Nothing was saved")).to_be_visible()
    expect(page.get_by_text("“P” is the key of “Take a break”")).to_be_visible()


def test_keys_that_are_switched_off_do_nothing(page):
    page.goto("/me")
    page.get_by_label("Single-key commands").uncheck()
    page.locator("#keys-chosen").get_by_role("button", name="Save").click()
    page.goto("/queues")
    for key in ("j", "p", "?", "g", "q"):
        page.keyboard.press(key)
    assert page.url.endswith("/queues")
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(page.locator("kbd:visible")).to_have_count(0)


def test_a_break_is_taken_by_key_and_its_timer_runs(page, assert_accessible, assert_layout, shoot):
    page.keyboard.press("p")
    page.wait_for_url("**/break**")
    timer = page.locator("[data-since]")
    before = timer.text_content()
    expect(timer).not_to_have_text(before)
    assert page.locator("video, img").count() == 0
    assert_accessible(page)
    assert_layout(page)
    shoot(page, "break")
    page.get_by_role("button", name="Go on").click()
    page.wait_for_url("**/queues")


def test_other_keyboards_reach_the_keys_by_their_place(open_browser, pages):
    page = open_browser(pages, locale="ar")
    press = """([key, code]) => document.body.dispatchEvent(
      new KeyboardEvent('keydown', {key, code, bubbles: true, cancelable: true}))"""
    page.evaluate(press, ["ت", "KeyJ"])
    assert page.evaluate("document.activeElement.hasAttribute('data-row')")
    page.evaluate("document.activeElement.blur()")
    page.evaluate(press, ["q", "KeyJ"])
    assert not page.evaluate("document.activeElement.hasAttribute('data-row')"), (
        "a Latin letter counts as it is written"
    )


def test_typing_is_no_key(page):
    page.goto("/me")
    page.get_by_label("Next row", exact=True).focus()
    page.keyboard.press("p")
    assert page.url.endswith("/me")
    page.keyboard.press("Escape")
    page.keyboard.press("p")
    page.wait_for_url("**/break**")


def test_a_service_that_goes_away_is_said_and_asked_again(page, assert_layout):
    page.watch.forgiven += ["ERR_FAILED", "Failed to fetch", "NetworkError", "htmx"]
    page.keyboard.press("j")
    page.route("**/queues", lambda route: route.abort())
    page.evaluate("document.querySelector('#list').dispatchEvent(new Event('retry'))")
    expect(page.get_by_role("alert").filter(has_text="does not answer")).to_be_visible()
    assert focused(page) == "Start with Minor safety", "what one was at stays where it was"
    assert_layout(page)
    page.unroute("**/queues")
    expect(page.get_by_text("does not answer")).to_have_count(0, timeout=15_000)
    assert focused(page) == "Start with Minor safety", "and is still there when the list came anew"


def test_the_menu_collapses_and_opens_without_a_script(open_browser, pages, assert_layout):
    page = open_browser(pages, size=(400, 860), java_script_enabled=False)
    page.goto("/queues")
    assert page.get_by_role("link", name="Verify").count() == 0
    page.get_by_role("button", name="Menu").click()
    expect(page.get_by_role("link", name="Verify")).to_be_visible()
    expect(page.get_by_role("button", name="Keys")).to_have_count(0)
    page.get_by_role("link", name="Verify").click()
    page.wait_for_url("**/verify")


def test_an_empty_service_says_what_to_do_next(open_browser, empty_pages, assert_accessible, assert_layout, shoot):
    page = open_browser(empty_pages)
    expect(page.get_by_text("Nothing is waiting.")).to_be_visible()
    expect(page.get_by_text("You hold no case.")).to_be_visible()
    assert_accessible(page)
    assert_layout(page)
    shoot(page, "queues-empty")
