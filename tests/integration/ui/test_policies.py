"""The policies' pages in a browser: what judges, a draft edited with faults underlined, cases, backtest, the next step."""

import re

import pytest
from playwright.sync_api import expect

pytestmark = [pytest.mark.full, pytest.mark.timeout(600)]

FILE = "explicit/policy.yaml"
#: Cases and records take seconds where the machine is busy.
PATIENCE = 120_000


@pytest.fixture
def desk(page):
    """A fresh draft, open at the rules of one area."""
    page.goto("/policies")
    page.get_by_role("button", name="Begin a draft from these rules").click()
    page.wait_for_url("**/policies/bundles/*")
    page.goto(f"{page.url}?file={FILE}")
    return page


def editor(page):
    return page.get_by_role("textbox", name=FILE)


def test_a_reviewer_reads_what_judges_and_its_guidance(page):
    page.goto("/policies")
    page.get_by_role("link", name="explicit", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("explicit")
    assert page.locator("article[lang=ar]").get_attribute("dir") == "rtl"
    expect(page.locator("article")).to_have_count(3)
    expect(page.locator("pre")).to_contain_text("rules:")


def test_a_fault_is_found_while_writing_and_keeps_the_draft_from_being_saved(desk):
    desk.watch.forgiven += ["422"]
    editor(desk).click()
    desk.keyboard.press("Control+End")
    desk.keyboard.type("\nunheard_of: 1\n")
    fault = desk.locator("#faults li", has_text="unheard_of").first
    expect(fault).to_be_visible(timeout=PATIENCE)
    expect(desk.locator(".cm-lintRange-error").first).to_be_visible()
    fault.get_by_role("button").click()
    expect(editor(desk)).to_be_focused()
    desk.keyboard.press("Control+s")
    expect(desk.get_by_role("status").filter(has_text="Nothing was saved")).to_be_visible(timeout=PATIENCE)


def test_a_changed_draft_is_saved_tried_on_its_cases_and_rehearsed(desk):
    before = desk.url
    editor(desk).click()
    desk.keyboard.press("Control+End")
    desk.keyboard.type("\n# written by a person\n")
    desk.get_by_role("button", name="Run the cases").click()
    expect(desk.locator("#side")).to_contain_text(re.compile(r"\d+ cases tried, 0 failed"), timeout=PATIENCE)
    desk.get_by_label("What changes, and why").fill("a remark")
    desk.keyboard.press("Control+s")
    desk.wait_for_url(
        lambda url: url.startswith(before.partition("?")[0][:30]) and url.partition("?")[0] != before.partition("?")[0]
    )
    desk.get_by_role("link", name="Backtest").click()
    desk.wait_for_url("**tab=backtest*")
    expect(editor(desk)).to_be_visible()
    desk.keyboard.press("Control+Enter")
    expect(desk.locator("#side")).to_contain_text("come out otherwise", timeout=PATIENCE)
    desk.get_by_role("link", name="History").click()
    desk.wait_for_url("**tab=history*")
    expect(desk.locator(".diff ins").last).to_have_text("+# written by a person")
    expect(desk.locator("#side")).to_contain_text("a remark")
    desk.get_by_role("button", name="Propose").click()
    expect(desk.locator("main .chip").first).to_have_text("proposed")
    expect(desk.locator("#side")).to_contain_text("A second person has to approve it.")


def test_names_of_the_vocabulary_are_offered(desk):
    editor(desk).click()
    desk.keyboard.press("Control+End")
    desk.keyboard.type("\nexplicit.sc")
    expect(desk.locator(".cm-tooltip-autocomplete li").first).to_contain_text("explicit.score", timeout=PATIENCE)


def test_without_scripts_a_draft_is_read_linted_and_saved(open_browser, pages):
    page = open_browser(pages, java_script_enabled=False)
    page.goto("/policies")
    page.get_by_role("button", name="Begin a draft from these rules").click()
    page.goto(f"{page.url}?file={FILE}")
    page.locator("#text").fill(page.locator("#text").input_value() + "# by hand\n")
    page.get_by_role("button", name="Find faults").click()
    expect(page.locator("#side")).to_contain_text("No fault found")
    assert page.locator("#text").input_value().endswith("# by hand\n")
    page.get_by_role("button", name="Save as a new draft").click()
    assert page.locator("#text").input_value().endswith("# by hand\n")


@pytest.mark.parametrize("locale", ["en", "ar"])
def test_the_policies_pages_fit_and_are_accessible(
    open_browser, pages, assert_accessible, assert_layout, shoot, sizes, locale
):
    page = open_browser(pages, locale=locale)
    page.goto("/policies")
    page.locator("form[action='/policies/drafts'] button").click()
    page.wait_for_url("**/policies/bundles/*")
    draft = page.url
    wrong = {}
    paths = {"policies": "/policies", "policy": "/policies/explicit", "policy-draft": f"{draft}?file={FILE}"}
    tabs = {f"policy-{tab}": f"{draft}?file={FILE}&tab={tab}" for tab in ("backtest", "guidance", "history")}
    for name, path in (paths | tabs).items():
        page.goto(path)
        for width, height in sizes:
            page.set_viewport_size({"width": width, "height": height})
            for check, scheme in ((assert_layout, "light"), (assert_accessible, "light"), (assert_accessible, "dark")):
                page.emulate_media(color_scheme=scheme)
                try:
                    check(page)
                except AssertionError as error:
                    wrong[f"{name} {check.__qualname__} {width} {scheme}"] = str(error)[:1500]
        if name in paths or name == "policy-history":
            shoot(page, name)
    assert wrong == {}, "\n".join(f"{name}: {told}" for name, told in wrong.items())
