"""Colleagues at one queue, each in a browser of their own: races, lost holds, blind views, what is not theirs."""

import re

import pytest
from clips import ClipPlan, draw_clip
from playwright.sync_api import Page, expect

from moderation.db.clips import read_clip
from moderation.screening import take_print

pytestmark = [pytest.mark.full, pytest.mark.timeout(600)]

START = 'form[action="/queues/failures/start"] button'
RUN_OUT = "update moderation.cases set lease_expires_at = now() - interval '1 second' where lease_token is not null"
OPEN = "select case_id from moderation.cases where state = 'open'"
OPINIONS = "select count(*) from moderation.opinions o join moderation.cases c using (case_id) where c.clip_id = %s"


def change(pages, query: str) -> None:
    with pages.services.database.transaction("default") as tx:
        tx.pg.execute(query)


def press(page: Page, selector: str) -> None:
    """Press without waiting for what follows, so that two can press at once."""
    page.evaluate("(selector) => { setTimeout(() => document.querySelector(selector).click()) }", selector)


def test_two_who_start_at_once_never_get_the_same_case(open_browser, empty_queues, draw_case, ask):
    clip = draw_case(empty_queues)
    both = [open_browser(empty_queues, who=name) for name in ("ana", "ben")]
    for page in both:
        page.goto("/queues")
    for page in both:
        press(page, START)
    for page in both:
        page.wait_for_url(re.compile(r"/review/case_|said=none_free"))
    got = [page for page in both if "/review/" in page.url]
    assert len(got) == 1
    expect(got[0].get_by_role("button", name="Approve")).to_be_visible()
    [other] = [page for page in both if page is not got[0]]
    expect(other.locator("#toasts")).to_contain_text("Nothing is free in this queue just now.")
    got[0].keyboard.press("a")
    got[0].wait_for_url(re.compile("/queues"))
    expect(got[0].get_by_text("Nothing is waiting.")).to_be_visible()
    expect(got[0].locator("#toasts")).to_contain_text("Recorded")
    assert ask(empty_queues, OPINIONS, clip) == 1


def test_of_two_who_take_one_case_by_its_address_one_has_it_and_the_other_is_told_who(
    open_browser, empty_queues, draw_case, ask
):
    draw_case(empty_queues)
    path = f"/review/{ask(empty_queues, OPEN)}"
    both = [open_browser(empty_queues, who=name) for name in ("ana", "ben")]
    for page in both:
        page.goto(path)
    for page in both:
        press(page, f'form[action="{path}/claim"] button')
    for page in both:
        expect(page.locator("#answer, #toasts .toast").first).to_be_visible()
    has = [page for page in both if page.locator("#answer").count()]
    assert len(has) == 1
    [other] = [page for page in both if page is not has[0]]
    expect(other.locator("#toasts")).to_contain_text("You did not get this case")
    expect(other.locator("#decide")).to_contain_text("has this case. You can read what is known of it.")
    expect(other.locator("#decide").get_by_role("button", name="Next case")).to_be_visible()
    expect(other.locator("clip-player video")).to_have_count(0)


def test_a_hold_that_ran_out_and_went_to_a_colleague_records_nothing_and_says_what_is_next(
    open_browser, empty_queues, draw_case, take_case, ask
):
    clip = draw_case(empty_queues)
    ana, ben = open_browser(empty_queues, who="ana"), open_browser(empty_queues, who="ben")
    ana.watch.forgiven += ["409"]
    path = take_case(ana)
    change(empty_queues, RUN_OUT)
    assert take_case(ben) == path
    ana.keyboard.press("a")
    alert = ana.locator("#decide [role=alert]")
    expect(alert).to_have_text(re.compile("^Your hold on this case ran out and another reviewer may have it. Nothing"))
    assert ask(empty_queues, OPINIONS, clip) == 0
    # Neither the key again nor an unveiling does anything without the hold.
    ana.keyboard.press("a")
    ana.keyboard.press("t")
    ana.wait_for_url(re.compile("said=none_free"))
    ben.keyboard.press("a")
    ben.wait_for_url(re.compile("/queues"))
    assert ask(empty_queues, OPINIONS, clip) == 1
    assert ask(empty_queues, "select reviewer from moderation.opinions where clip_id = %s", clip) == "ben"


def test_who_wants_to_keep_what_a_colleague_has_is_told_at_once(open_browser, empty_queues, draw_case, take_case):
    draw_case(empty_queues)
    ana, ben = open_browser(empty_queues, who="ana"), open_browser(empty_queues, who="ben")
    ana.watch.forgiven += ["409"]
    take_case(ana)
    change(empty_queues, RUN_OUT)
    take_case(ben)
    ana.get_by_role("button", name="Keep it").click()
    expect(ana.locator("#decide [role=alert]")).to_contain_text("Nothing was recorded")
    expect(ana.locator("#answer")).to_have_count(0)
    expect(ana.locator("#decide").get_by_role("button", name="Next case")).to_be_visible()


@pytest.fixture
def two_people(empty_queues):
    """The queue of the drawn cases takes two people."""
    change(empty_queues, "update moderation.queues set two_person = true where name = 'failures'")
    yield empty_queues
    change(empty_queues, "update moderation.queues set two_person = null where name = 'failures'")


def test_a_second_view_is_blind_and_a_third_sees_both_and_decides(open_browser, two_people, draw_case, take_case, ask):
    clip = draw_case(two_people)
    ana, ben, cleo = (open_browser(two_people, who=name) for name in ("ana", "ben", "cleo"))
    path = take_case(ana)
    expect(ana.get_by_text("To approve or limit here takes a second person.")).to_be_visible()
    ana.get_by_label("Note for the team").fill("nobody is hurt")
    ana.get_by_role("button", name="Approve").click()
    ana.wait_for_url(re.compile("/queues"))
    assert take_case(ben) == path
    expect(ben.locator(".opinion")).to_have_count(0)
    assert "nobody is hurt" not in ben.content()
    expect(ben.locator(".history")).not_to_contain_text(re.compile("approve", re.IGNORECASE))
    ben.get_by_label("Reason").select_option("hate")
    ben.get_by_role("button", name="Block").click()
    ben.wait_for_url(re.compile("/queues"))
    by_people = "select count(*) from moderation.decisions where actor_kind = 'person' and clip_id = %s"
    assert ask(two_people, by_people, clip) == 0
    # Whoever answered is not dealt it again.
    ana.goto("/queues")
    ana.locator(START).click()
    ana.wait_for_url(re.compile("said=none_free"))
    assert take_case(cleo) == path
    expect(cleo.locator(".opinion")).to_have_count(2)
    expect(cleo.locator(".opinion").first).to_contain_text("Approve")
    expect(cleo.locator(".opinion").first).to_contain_text("nobody is hurt")
    expect(cleo.locator(".opinion").last).to_contain_text("Block")
    expect(cleo.get_by_label("To escalate, ask")).to_have_count(0)
    cleo.get_by_label("Reason").select_option("hate")
    cleo.get_by_role("button", name="Block").click()
    cleo.wait_for_url(re.compile("/queues"))
    made = "select outcome || ' ' || actor from moderation.decisions where actor_kind = 'person' and clip_id = %s"
    assert ask(two_people, made, clip) == "block cleo"
    assert ask(two_people, OPINIONS, clip) == 3


def test_what_is_for_specialists_is_a_card_and_no_media_is_served(
    open_browser, empty_queues, draw_case, ask, assert_accessible, shoot
):
    draw_case(empty_queues)
    change(empty_queues, "update moderation.cases set queue = 'minor_safety' where state = 'open'")
    case = ask(empty_queues, OPEN)
    page = open_browser(empty_queues, who="eve")
    page.watch.forgiven += ["403"]
    page.goto(f"/review/{case}")
    expect(page.get_by_role("heading", name="Withheld. Specialists only.")).to_be_visible()
    expect(page.locator("video, img, form[action*=review]")).to_have_count(0)
    assert "Shapes over hills" not in page.content()
    for kind in ("veiled", "strip", "still_1", "revealed"):
        assert page.request.get(f"/v1/cases/{case}/renditions/{kind}").status == 403, kind
    assert_accessible(page)
    shoot(page, "case-withheld")
    page.get_by_role("link", name="Back to the queues").click()
    expect(page.get_by_text("Nothing is waiting.")).to_be_visible()


@pytest.fixture
def near_duplicates(empty_queues, draw_case, tmp_path) -> list[str]:
    """Three cases: a clip, the same one coded anew and coarser, and another one; their clips, each with its print."""
    plans = [
        ClipPlan(width=360, height=640, frames=60, texture=noise, options=(("preset", "ultrafast"), ("crf", crf)))
        for noise, crf in ((0.0, "18"), (0.0, "34"), (40.0, "18"))
    ]
    files = [draw_clip(tmp_path / f"{n}.mp4", plan) for n, plan in enumerate(plans)]
    clips = [draw_case(empty_queues, file=file, prompt=f"balloon {n}") for n, file in enumerate(files)]
    for clip in clips:
        with empty_queues.services.database.transaction("default") as tx:
            stored = read_clip(tx, clip)
        take_print(empty_queues.services, stored)
    return clips


def test_near_duplicates_are_decided_alike_where_ticked_and_undone_together(
    open_browser, empty_queues, near_duplicates, take_case, ask
):
    ana = open_browser(empty_queues, who="ana")
    path = take_case(ana)
    offered = ana.get_by_role("group", name="The same clip, nearly: decide these too")
    expect(offered.get_by_role("checkbox")).to_have_count(1)
    expect(offered).to_contain_text("distance")
    offered.get_by_role("checkbox").check()
    ana.keyboard.press("a")
    # The third one is no duplicate, so that it comes next.
    expect(ana.get_by_text("balloon 2")).to_be_visible()
    answered = "select count(*) from moderation.opinions where clip_id = any(%s)"
    assert ask(empty_queues, answered, near_duplicates) == 2
    assert ask(empty_queues, answered + " and derived_from is not null", near_duplicates) == 1
    ana.keyboard.press("u")
    ana.wait_for_url(re.compile(path))
    expect(ana.get_by_role("button", name="Approve")).to_be_visible()
    assert (
        ask(
            empty_queues,
            "select count(*) from moderation.undone_opinions o join moderation.opinions using (opinion_id) where clip_id = any(%s)",
            near_duplicates,
        )
        == 2
    )
    assert ask(empty_queues, "select count(*) from moderation.cases where state = 'open'") == 3


def test_a_specialists_case_is_never_decided_with_others(open_browser, empty_queues, near_duplicates, ask):
    change(empty_queues, "update moderation.cases set queue = 'minor_safety' where state = 'open'")
    page = open_browser(empty_queues)
    page.goto("/queues")
    page.locator('form[action="/queues/minor_safety/start"] button').click()
    expect(page.get_by_role("button", name="Approve")).to_be_visible()
    expect(page.get_by_role("checkbox", name=re.compile("case_|distance"))).to_have_count(0)
    expect(page.locator(".similar")).to_have_count(0)
