"""Looking and listening where something is in the way: no preview yet, no picture, no network, a page that is left.

Sound is off until asked for, a finger reveals as a pointer does, a break is named once due.
"""

import re
import time

import pytest
from clips import ClipPlan, Sound, draw_clip
from playwright.sync_api import Page, Route, expect

from moderation import reveals
from moderation.api import renditions as rendition_routes

pytestmark = [pytest.mark.full, pytest.mark.timeout(600)]

SEEN = "select coalesce(sum(ms), 0)::int from moderation.exposures where clip_id = %s and rendition = %s"
COUNTED = "select count(*) from moderation.exposures where clip_id = %s and rendition = %s"


@pytest.fixture
def ana(open_browser, empty_queues) -> Page:
    """A reviewer's tab on the shared service."""
    return open_browser(empty_queues, who="ana")


@pytest.fixture
def case(ana, empty_queues, draw_case, take_case) -> str:
    """A drawn case in that tab; its clip."""
    clip = draw_case(empty_queues)
    take_case(ana)
    return clip


def eventually(told, wanted) -> None:
    """Wait until a question is answered as wanted."""
    deadline = time.monotonic() + 30
    while told() != wanted:
        assert time.monotonic() < deadline, (told(), wanted)
        time.sleep(0.1)


def test_sound_is_off_until_it_is_asked_for_and_is_counted(
    ana, empty_queues, draw_case, take_case, tmp_path, until, ask
):
    plan = ClipPlan(width=360, height=640, frames=90, sounds=(Sound(seconds=3.0),))
    clip = draw_case(empty_queues, file=draw_clip(tmp_path / "loud.mp4", plan))
    take_case(ana)
    ana.keyboard.press("Space")
    until(ana, "video.currentTime > 1.2")
    assert ana.evaluate("document.querySelector('video').muted && !document.querySelector('clip-player').heard")
    assert ask(empty_queues, COUNTED, clip, "sound") == 0
    ana.keyboard.press("Space")
    ana.keyboard.press("1")
    ana.keyboard.press("m")
    expect(ana.get_by_role("button", name="Sound")).to_have_attribute("aria-pressed", "true")
    # Asked for and at rest is silent still.
    assert ask(empty_queues, COUNTED, clip, "sound") == 0
    ana.keyboard.press("o")
    ana.keyboard.press("Space")
    until(
        ana,
        "(() => { const heard = document.querySelector('clip-player').heard; return heard && heard.currentTime > 1.05 && !heard.muted })()",
    )
    ana.keyboard.press("m")
    until(ana, "!document.querySelector('clip-player').heard")
    eventually(lambda: ask(empty_queues, COUNTED, clip, "sound"), 1)
    assert ask(empty_queues, SEEN, clip, "sound") > 0


def test_a_finger_held_on_the_picture_unveils_it(open_browser, empty_queues, draw_case, take_case, ask):
    clip = draw_case(empty_queues)
    page = open_browser(empty_queues, who="ana", has_touch=True, is_mobile=True, size=(400, 860))
    take_case(page)
    screen = page.locator("[data-part=screen]")
    screen.scroll_into_view_if_needed()
    box = screen.bounding_box()
    finger = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
    touch = page.context.new_cdp_session(page)
    touch.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [finger]})
    player = page.locator("clip-player")
    expect(player).to_have_attribute("unveiled", "revealed")
    # A finger is never quite still, and the page must not scroll away under it.
    touch.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [{**finger, "y": finger["y"] + 30}]})
    before = page.evaluate("scrollY")
    expect(player).to_have_attribute("unveiled", "revealed")
    assert page.evaluate("scrollY") == before
    touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    expect(player).not_to_have_attribute("unveiled", "revealed")
    eventually(lambda: ask(empty_queues, COUNTED, clip, "revealed"), 1)


def hide(page: Page, *, hidden: bool) -> None:
    """Put the page out of sight, as another tab before it does, or back."""
    page.evaluate(
        "(hidden) => { Object.defineProperty(document, 'hidden', { configurable: true, get: () => hidden });"
        " document.dispatchEvent(new Event('visibilitychange')) }",
        hidden,
    )


def test_a_page_out_of_sight_is_at_rest_veiled_and_keeps_no_hold(ana, empty_queues, case, until):
    renewed: list[str] = []
    ana.on("request", lambda request: renewed.append(request.url) if request.url.endswith("/renew") else None)
    ana.get_by_role("button", name="Keep open").click()
    expect(ana.locator("clip-player")).to_have_attribute("unveiled", "revealed")
    ana.get_by_role("button", name="Play").click()
    until(ana, "!video.paused")
    hide(ana, hidden=True)
    until(ana, "video.paused")
    expect(ana.locator("clip-player")).not_to_have_attribute("unveiled", "revealed")
    expect(ana.locator("video.revealed")).to_have_count(0)
    # Nearly over, and somebody moves: in sight that renews, out of sight it does not.
    ana.evaluate(
        "document.querySelector('#lease').replaceWith(Object.assign(document.querySelector('#lease').cloneNode(true), {}))"
    )
    ana.evaluate("document.querySelector('#lease').dataset.left = 20")
    ana.evaluate(
        "document.dispatchEvent(new CustomEvent('htmx:after:swap', { detail: { ctx: { sourceElement: document.body } } }))"
    )
    ana.mouse.move(200, 300)
    ana.mouse.move(220, 320)
    ana.wait_for_timeout(2500)
    assert renewed == []
    hide(ana, hidden=False)
    ana.mouse.move(240, 340)
    eventually(lambda: ana.wait_for_timeout(100) or len(renewed), 1)


def test_what_is_not_made_yet_is_said_and_then_appears(ana, empty_queues, draw_case, take_case, until):
    draw_case(empty_queues)
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    ana.route("**/renditions/veiled", hold)
    take_case(ana, "document.querySelector('clip-player')")
    line = ana.get_by_text("The preview is being made, about 5 seconds.")
    expect(line).to_be_visible()
    expect(ana.get_by_role("button", name="Skip, leave it to a colleague")).to_be_enabled()
    for route in held:
        route.continue_()
    ana.unroute("**/renditions/veiled")
    until(ana, "video.readyState >= 2")
    expect(line).to_be_hidden()


def test_a_preview_that_failed_to_come_is_asked_for_again(ana, empty_queues, draw_case, take_case, until):
    draw_case(empty_queues)
    ana.watch.forgiven += ["503"]
    ana.route("**/renditions/veiled", lambda route: route.fulfill(status=503))
    take_case(ana, "document.querySelector('clip-player')")
    line = ana.get_by_text("The preview is being made, about 5 seconds.")
    expect(line).to_be_visible()
    ana.unroute("**/renditions/veiled")
    until(ana, "video.readyState >= 2")
    expect(line).to_be_hidden()


@pytest.mark.parametrize("kind", ["veiled", "revealed"])
def test_what_cannot_be_played_is_a_sentence_with_a_next_step(ana, empty_queues, draw_case, take_case, kind):
    draw_case(empty_queues)
    ana.route(f"**/renditions/{kind}*", lambda route: route.fulfill(status=200, content_type="video/mp4", body="none"))
    take_case(ana, "document.querySelector('clip-player')")
    if kind == "revealed":
        ana.keyboard.down("r")
    expect(
        ana.get_by_text("This cannot be played here. Stills and scores stay: decide by them, or skip.")
    ).to_be_visible()
    expect(ana.locator("clip-player")).not_to_have_attribute("unveiled", "revealed")
    expect(ana.locator(".moments img").first).to_be_visible()
    expect(ana.get_by_role("button", name="Approve")).to_be_enabled()


def test_the_minutes_in_the_bar_grow_with_each_look(ana, case, empty_queues, ask):
    chip = ana.locator("#unveiled")
    before = chip.inner_text()
    ana.keyboard.down("r")
    expect(ana.locator("clip-player")).to_have_attribute("unveiled", "revealed")
    ana.wait_for_timeout(1500)
    ana.keyboard.up("r")
    expect(chip).not_to_have_text(before)
    eventually(lambda: ask(empty_queues, COUNTED, case, "revealed"), 1)
    day = ask(empty_queues, "select sum(ms)::int from moderation.exposures where principal = 'ana'") // 1000
    expect(chip).to_have_text(f"{day // 60}:{day % 60:02}")
    # A whole page that comes right after says the same.
    ana.reload()
    expect(chip).to_have_text(f"{day // 60}:{day % 60:02}")


@pytest.fixture
def short_looks(monkeypatch) -> None:
    """A look lasts two seconds unless a beat, each half second, prolongs it."""
    monkeypatch.setattr(reveals, "SLICE", reveals.SLICE / 7.5)
    monkeypatch.setattr(rendition_routes, "BEAT", rendition_routes.BEAT / 10)


@pytest.mark.usefixtures("short_looks")
def test_a_look_lasts_as_long_as_its_beats_are_heard_and_no_longer(ana, case):
    player = ana.locator("clip-player")
    ana.keyboard.down("r")
    expect(player).to_have_attribute("unveiled", "revealed")
    ana.wait_for_timeout(4000)
    expect(player).to_have_attribute("unveiled", "revealed")
    # Beats that nobody answers: what the server allowed last is over, and the page knows without being told.
    hanging: list[Route] = []

    def hang(route: Route) -> None:
        hanging.append(route)

    ana.route("**/beat", hang)
    expect(player).not_to_have_attribute("unveiled", "revealed")
    expect(ana.get_by_text("That was as long as one look may last. Hold again to look again.")).to_be_visible()
    ana.keyboard.up("r")
    for route in hanging:
        route.abort()
    ana.unroute("**/beat")
    ana.watch.forgiven += ["ERR_FAILED", "403", "404"]


def test_a_digit_after_the_key_of_reasons_is_a_reason_wherever_the_focus_is(ana, case, until):
    reasons = ana.get_by_label("Reason")
    until(ana, "(video.currentTime = 0.2, true)")
    ana.keyboard.press("w")
    # Something took the focus away meanwhile.
    ana.evaluate("document.activeElement.blur()")
    ana.keyboard.press("2")
    chosen = reasons.locator("option[data-number='2']").get_attribute("value")
    expect(reasons).to_have_value(chosen)
    until(ana, "Math.abs(video.currentTime - 0.2) < 0.05")
    # Chosen: digits are moments again, and typing is typing.
    ana.keyboard.press("1")
    until(ana, "Math.abs(video.currentTime - 0.999) < 0.05")
    expect(reasons).to_have_value(chosen)
    ana.keyboard.press("w")
    ana.get_by_label("Note for the team").click()
    ana.keyboard.type("3 of them")
    expect(ana.get_by_label("Note for the team")).to_have_value("3 of them")
    expect(reasons).to_have_value(chosen)
    # A keyboard that writes digits otherwise: as for every key, the one at its place.
    ana.keyboard.press("Escape")
    ana.keyboard.press("w")
    ana.evaluate(
        "document.activeElement.dispatchEvent("
        "new KeyboardEvent('keydown', { key: '&', code: 'Digit1', bubbles: true, cancelable: true }))"
    )
    expect(reasons).to_have_value(reasons.locator("option[data-number='1']").get_attribute("value"))


def test_the_sounds_lane_stands_under_the_voices(ana, empty_queues, draw_case, take_case):
    spoken = [(at, 0.9, None) for at in range(0, 3000, 250)]
    near = [(at, 0.95, 0) for at in range(0, 3000, 500)]
    draw_case(empty_queues, signals={"voice.match_distance": near, "voice.speech": spoken, "sampling.unseen": near})
    take_case(ana)
    lanes = ana.locator(".lanes .lane-name").all_inner_texts()
    voices = next(n for n, name in enumerate(lanes) if "voice" in name.lower())
    assert lanes[voices + 1].startswith("Sound and speech"), lanes
    assert voices + 2 < len(lanes)


def test_a_break_is_named_when_due_and_going_on_puts_it_away(open_browser, empty_queues, draw_case, take_case, until):
    run = empty_queues.services.settings.review.exposure_run_minutes
    empty_queues.services.settings.review.exposure_run_minutes = 0
    try:
        draw_case(empty_queues)
        page = open_browser(empty_queues, who="dora")
        take_case(page)
        line = page.locator("#notice")
        expect(line).to_contain_text("A break is due.")
        expect(line).to_have_attribute("role", "status")
        page.keyboard.press("Space")
        until(page, "!video.paused")
        expect(line).to_be_empty()
        page.keyboard.press("p")
        page.wait_for_url(re.compile("/break"))
        expect(page.locator("video")).to_have_count(0)
    finally:
        empty_queues.services.settings.review.exposure_run_minutes = run
