"""Breaks without a line of script: begun, seen, ended; and the line that says when one is due."""

import re
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from moderation.clock import Clock
from moderation.exposure import Standing
from moderation.keys import Principal
from moderation.sessions import login_token
from review_ui.app import create_app
from review_ui.desk import STRETCH, Desk, Desks

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
ANA = Principal(org="default", principal="ana", scopes=frozenset({"review"}), kind="person")
PAUSE = timedelta(minutes=5)


@pytest.fixture
def browser(run_app) -> httpx.Client:
    pages = run_app(create_app)
    client = pages.with_headers(**{"Sec-Fetch-Site": "same-origin"})
    client.get(f"/login/dev?token={login_token(pages.services)}")
    return client


def send(browser: httpx.Client, path: str, **fields: str) -> httpx.Response:
    token = re.search(r'name="form_token" value="(\w+)"', browser.get("/queues").text)[1]
    return browser.post(path, data={"form_token": token, **fields})


def test_a_break_is_begun_shown_and_ended_where_it_began(browser):
    assert "You are not on a break." in browser.get("/break").text
    begun = send(browser, "/break", back="/queues/likeness")
    assert (begun.status_code, begun.headers["location"]) == (303, "/break?back=/queues/likeness")
    page = browser.get("/break?back=/queues/likeness").text
    assert re.search(r'data-since="\d+">0:0\d<', page)
    assert "<video" not in page
    assert "<img" not in page
    assert "On a break" in browser.get("/queues").text
    again = send(browser, "/break")
    assert again.status_code == 303
    ended = send(browser, "/break/end", back="/queues/likeness")
    assert ended.headers["location"] == "/queues/likeness"
    assert "Take a break" in browser.get("/queues").text
    assert send(browser, "/break/end", back="//evil.example").headers["location"] == "/queues"


def test_a_break_needs_the_token_of_our_form(browser):
    assert browser.post("/break").status_code == 403
    assert browser.post("/break/end").status_code == 403
    assert "You are not on a break." in browser.get("/break").text


def test_a_break_is_due_after_a_stretch_of_work_and_not_after_a_pause():

    desks, fresh = Desks(), Standing(day_ms=0, run_ms=0, day_cap_ms=9, run_cap_ms=9)
    for minute in range(0, 49, 4):
        since = desks.touch(ANA, NOW + timedelta(minutes=minute), PAUSE)
    assert since == NOW
    desk = Desk(standing=fresh, working_since=since)
    assert not desk.rest_due(NOW + STRETCH - timedelta(seconds=1))
    assert desk.rest_due(NOW + STRETCH)
    after = desks.touch(ANA, NOW + timedelta(minutes=48) + PAUSE, PAUSE)
    assert after == NOW + timedelta(minutes=48) + PAUSE
    assert not Desk(standing=fresh, working_since=after).rest_due(NOW + STRETCH + PAUSE)


def test_a_break_is_due_when_the_cap_of_one_stretch_is_reached_and_not_while_one_is_on():

    capped = Standing(day_ms=9, run_ms=9, day_cap_ms=99, run_cap_ms=9)
    assert Desk(standing=capped).rest_due(NOW)
    on_break = Standing(day_ms=9, run_ms=9, day_cap_ms=99, run_cap_ms=9, break_since=NOW)
    assert not Desk(standing=on_break).rest_due(NOW)


def test_every_page_says_how_long_was_looked_and_that_a_break_is_due(run_app):
    class Later(Clock):
        def __init__(self) -> None:
            self.passed = timedelta(0)

        def now(self) -> datetime:
            return datetime.now(UTC) + self.passed

    pages = run_app(create_app)
    clock = pages.services.clock = Later()
    client = pages.with_headers(**{"Sec-Fetch-Site": "same-origin"})
    client.get(f"/login/dev?token={login_token(pages.services)}")
    page = client.get("/queues").text
    assert 'Unveiled <bdi id="unveiled">0:00</bdi> of 30 min' in page, "the person of development is a specialist, too"
    assert "A break is due" not in page
    for _ in range(13):
        clock.passed += timedelta(minutes=4)
        page = client.get("/queues").text
    assert "A break is due" in page
