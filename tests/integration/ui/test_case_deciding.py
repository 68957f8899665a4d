"""Deciding a case: by key and by form, refused, undone, lost, raced for, cut off from the network, without scripts."""

import re
import time

import pytest
from playwright.sync_api import Page, Route, expect

pytestmark = [pytest.mark.full, pytest.mark.timeout(600)]

START = 'form[action="/queues/failures/start"] button'


def until(page: Page, expression: str) -> None:
    """Wait until an expression over `video` holds; asked from outside, as the content policy lets nobody inside ask."""
    deadline = time.monotonic() + 60
    while not page.evaluate(f"(() => {{ const video = document.querySelector('video'); return {expression} }})()"):
        assert time.monotonic() < deadline, expression
        page.wait_for_timeout(50)


def start(page: Page) -> str:
    """Take the next drawn case; its path."""
    page.goto("/queues")
    page.locator(START).click()
    page.wait_for_url(re.compile("/review/case_"))
    until(page, "video && video.readyState >= 1 && 'live' in document.body.dataset")
    return page.evaluate("location.pathname")


def case_of(page: Page) -> str:
    return page.get_by_role("heading", level=1).inner_text()


def asked(pages, query: str, *values: object) -> object:
    with pages.services.database.transaction("default") as tx:
        return tx.pg.execute(query, values).fetchone()[0]


def decisions(pages) -> int:
    return asked(pages, "select count(*) from moderation.decisions where actor_kind = 'person'")


def test_a_refused_block_touches_only_the_form_and_keeps_everything(page, pages, draw_case):
    draw_case(pages)
    page.watch.forgiven += ["422"]
    start(page)
    page.keyboard.press(".")
    until(page, "video.currentTime > 1.02")
    page.keyboard.press("n")
    page.keyboard.type("abel looks at x")
    page.keyboard.press("Escape")
    page.keyboard.press("b")
    alert = page.locator("#decide [role=alert]")
    expect(alert).to_contain_text("Choose the reason first")
    # The clip once went back to its beginning, and the note was lost.
    until(page, "video.currentTime > 1.02")
    expect(page.get_by_label("Note for the team")).to_have_value("abel looks at x")
    assert decisions(pages) == 0
    page.keyboard.press("w")
    page.keyboard.press("9")
    expect(page.get_by_label("Reason")).not_to_have_value("")
    page.keyboard.press("b")
    page.wait_for_url(re.compile("/queues"))
    assert decisions(pages) == 1


def test_typing_is_no_key_and_a_digit_takes_the_reason(page, pages, draw_case):
    draw_case(pages)
    path = start(page)
    page.keyboard.press("n")
    page.keyboard.type("a b l e x u 1 r")
    expect(page.get_by_label("Note for the team")).to_have_value("a b l e x u 1 r")
    page.keyboard.press("Escape")
    page.keyboard.press("w")
    page.keyboard.press("1")
    chosen = page.get_by_label("Reason").locator("option[data-number='1']").get_attribute("value")
    expect(page.get_by_label("Reason")).to_have_value(chosen)
    assert page.evaluate("document.activeElement.id") != "reason"
    assert page.evaluate("location.pathname") == path
    assert decisions(pages) == 0


def test_the_next_case_comes_at_once_and_the_last_is_undone(page, pages, draw_case):
    clips = [draw_case(pages, prompt=f"balloon {n}") for n in range(2)]
    first = start(page)
    page.evaluate("window.still = true")
    page.keyboard.press("a")
    page.wait_for_url(lambda url: "/review/case_" in url and not url.endswith(first))
    second = page.evaluate("location.pathname")
    assert page.evaluate("window.still"), "the page was loaded anew"
    expect(page).to_have_title(re.compile(second[-8:]))
    expect(page.get_by_text("balloon 1")).to_be_visible()
    until(page, "video.readyState >= 2 && Math.abs(video.currentTime - 0.999) < 0.1")
    toast = page.locator("#toasts")
    expect(toast).to_contain_text("Recorded")
    expect(toast.get_by_role("button", name="Undo")).to_be_visible()
    page.keyboard.press("u")
    page.wait_for_url(re.compile(first))
    expect(page.get_by_role("button", name="Approve")).to_be_visible()
    assert pages.client.get(f"/v1/clips/{clips[0]}").json()["status"] == "in_review"
    assert asked(pages, "select count(*) from moderation.undone_opinions") == 1


def test_the_clip_of_the_next_case_is_there_before_it_is_asked_for(page, pages, draw_case):
    for n in range(2):
        draw_case(pages, prompt=f"balloon {n}")
    fetched: list[str] = []
    page.on("response", lambda answer: fetched.append(answer.url) if "/renditions/veiled" in answer.url else None)
    first = start(page)
    deadline = time.monotonic() + 60
    while len({url for url in fetched if first.rpartition("/")[2] not in url}) < 1:
        assert time.monotonic() < deadline, fetched
        page.wait_for_timeout(100)
    until(page, "true")
    page.wait_for_timeout(300)
    page.keyboard.press("a")
    page.wait_for_url(lambda url: not url.endswith(first))
    ready = "document.querySelector('video').readyState >= 1"
    assert page.evaluate(ready), "the prepared clip was not taken over"


def test_a_lost_hold_is_a_plain_sentence_and_records_nothing(page, pages, draw_case):
    clip = draw_case(pages)
    page.watch.forgiven += ["409"]
    start(page)
    with pages.services.database.transaction("default") as tx:
        tx.pg.execute("update moderation.cases set lease_expires_at = now() - interval '1 second' where state = 'open'")
    page.keyboard.press("a")
    expect(page.locator("#decide [role=alert]")).to_contain_text("Nothing was recorded")
    expect(page.locator("#decide").get_by_role("button", name="Next case")).to_be_visible()
    assert pages.client.get(f"/v1/clips/{clip}").json()["status"] == "in_review"
    assert decisions(pages) == 0


def test_of_two_browsers_only_one_has_the_case_and_one_decision_is_recorded(open_browser, pages, draw_case):
    draw_case(pages)
    one = open_browser(pages)
    one.watch.forgiven += ["409"]
    start(one)
    lease = one.locator("#answer input[name=lease_token]").input_value()
    with pages.services.database.transaction("default") as tx:
        tx.pg.execute("update moderation.cases set lease_expires_at = now() - interval '1 second' where state = 'open'")
    colleague = pages.with_scopes("review", principal="colleague")
    theirs = colleague.post("/v1/queues/failures/claim", json={}).json()
    assert theirs["lease"]["token"] != lease
    one.keyboard.press("a")
    expect(one.locator("#decide [role=alert]")).to_contain_text("Nothing was recorded")
    answer = {
        "outcome": "block",
        "reason": "hate",
        "lease_token": theirs["lease"]["token"],
        "version": theirs["version"],
    }
    assert colleague.post(f"/v1/cases/{theirs['id']}/decision", json=answer).status_code == 200
    assert decisions(pages) == 1
    assert asked(pages, "select count(*) from moderation.opinions") == 1


def test_the_same_tab_twice_records_one_answer(open_browser, pages, draw_case):
    draw_case(pages)
    one = open_browser(pages)
    start(one)
    two = one.context.new_page()
    two.set_default_timeout(60_000)
    two.goto(one.url)
    one.watch.forgiven += ["409"]
    two.locator(".act.allow").click()
    two.wait_for_url(re.compile("/queues"))
    one.keyboard.press("a")
    expect(one.locator("#decide [role=alert]")).to_contain_text("Nothing was recorded")
    assert decisions(pages) == 1


def test_an_answer_outlives_a_lost_network_and_is_recorded_once(page, pages, draw_case):
    draw_case(pages)
    page.watch.forgiven += ["ERR_", "Failed to fetch"]
    start(page)
    page.keyboard.press("n")
    page.keyboard.type("kept")
    page.keyboard.press("Escape")
    keys: list[str] = []

    def cut(route: Route) -> None:
        keys.append(re.search(r'name="key"\r\n\r\n(\S+)|key=([^&]+)', route.request.post_data or "").group(0))
        if len(keys) == 1:
            route.abort("internetdisconnected")
        elif len(keys) == 2:
            # It arrives, and the answer to it is lost.
            route.fetch()
            route.abort("connectionreset")
        else:
            route.continue_()

    page.route("**/decide", cut)
    page.keyboard.press("a")
    expect(page.locator("#notice")).to_contain_text("Not yet recorded")
    expect(page.get_by_label("Note for the team")).to_have_value("kept")
    page.wait_for_url(re.compile("/queues"))
    assert len(keys) == 3
    assert len(set(keys)) == 1
    assert decisions(pages) == 1
    assert asked(pages, "select count(*) from moderation.opinions") == 1


def test_without_scripts_one_reads_and_decides(open_browser, pages, draw_case):
    for n in range(2):
        draw_case(pages, prompt=f"balloon {n}")
    page = open_browser(pages, java_script_enabled=False)
    page.watch.forgiven += ["422"]
    page.goto("/queues")
    page.locator(START).click()
    expect(page.get_by_role("heading", name="Why it is here")).to_be_visible()
    expect(page.get_by_text("balloon 0")).to_be_visible()
    expect(page.locator("video")).to_have_attribute("controls", "")
    expect(page.locator(".transport")).to_be_hidden()
    page.get_by_label("Note for the team").fill("a thought")
    page.get_by_role("button", name="Block").click()
    expect(page.get_by_role("alert").filter(has_text="Choose the reason first")).to_be_visible()
    expect(page.get_by_label("Note for the team")).to_have_value("a thought")
    page.get_by_label("Reason").select_option("hate")
    page.get_by_role("button", name="Block").click()
    expect(page.get_by_text("balloon 1")).to_be_visible()
    page.locator("#toasts").get_by_role("button").click()
    expect(page.get_by_text("balloon 0")).to_be_visible()
    # What the browser still fetches must not meet a service that is gone.
    page.wait_for_load_state("networkidle")
    assert asked(pages, "select count(*) from moderation.undone_opinions") == 1


def test_from_the_list_to_an_empty_queue_by_keys_alone(page, pages, draw_case):
    for n in range(3):
        draw_case(pages, prompt=f"balloon {n}")
    page.goto("/queues")
    for _ in range(8):
        page.keyboard.press("j")
        if page.evaluate("document.activeElement.textContent.includes('Not processed in full')"):
            break
    page.keyboard.press("Enter")
    for n in range(3):
        expect(page.get_by_text(f"balloon {n}")).to_be_visible()
        until(page, "video && video.readyState >= 1")
        page.keyboard.press("1")
        page.keyboard.press("a")
    page.wait_for_url(re.compile("/queues"))
    assert decisions(pages) == 3
    assert asked(pages, "select count(*) from moderation.cases where queue = 'failures' and state = 'open'") == 0


def test_an_escalated_case_goes_on_without_the_first_opinion(page, pages, draw_case):
    draw_case(pages)
    page.watch.forgiven += ["422"]
    start(page)
    page.keyboard.press("e")
    expect(page.locator("#decide [role=alert]")).to_contain_text("Say in the note")
    page.keyboard.press("n")
    page.keyboard.type("Is this the actor?")
    page.keyboard.press("Escape")
    page.keyboard.press("e")
    page.wait_for_url(re.compile("/queues"))
    assert asked(pages, "select stage from moderation.cases where queue = 'failures'") == "second"
    assert decisions(pages) == 0


def test_a_skipped_case_is_a_colleagues(page, pages, draw_case):
    draw_case(pages)
    start(page)
    page.keyboard.press("x")
    page.wait_for_url(re.compile("/queues/failures"))
    assert asked(pages, "select lease_holder from moderation.cases where queue = 'failures'") is None


def test_what_is_only_for_specialists_is_withheld_from_others(open_browser, pages):
    path = asked(pages, "select case_id from moderation.cases where queue = 'minor_safety'")
    specialist = open_browser(pages)
    specialist.goto(f"/review/{path}")
    expect(specialist.get_by_text("Specialists only", exact=True)).to_be_visible()
    specialist.get_by_role("button", name="Take this case").click()
    expect(specialist.get_by_role("heading", name="Before you decide")).to_be_visible()
    for name in ("Hold to look", "Sound", "Cartoon", "Keep open"):
        expect(specialist.get_by_role("button", name=name)).to_have_count(0)
