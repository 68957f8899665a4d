"""The metrics board as a page: whom it shows what, in every language, with nothing, with much, and with old figures."""

import re
from datetime import timedelta

import psycopg
import pytest

from moderation import sessions
from moderation.errors import Outage
from moderation.keys import Principal
from moderation.quality import board as boards
from moderation.quality.operations import Hour, Operations
from moderation.quality.times import Times
from moderation.rehearsing.intervals import share_of
from review_ui.app import create_app
from review_ui.metrics_board import hours_so_far


@pytest.fixture
def pages(run_app):
    return run_app(create_app)


def browser(pages, *scopes: str, name: str = "person-a"):
    principal = Principal(org="default", principal=name, scopes=frozenset(scopes), kind="person")
    client = pages.with_headers(**{"Sec-Fetch-Site": "same-origin"})
    client.cookies.set("countersign_session", sessions.begin(pages.services, principal, method="development"))
    return client


def look_at(pages, principal: str, minutes: int) -> None:
    """Write down that somebody looked at unveiled material for so long."""
    services = pages.services
    now = services.clock.now()
    with services.database.system_transaction() as tx:
        tx.pg.execute("set local session_replication_role = replica")
        tx.pg.execute(
            "insert into moderation.exposures (org_id, principal, case_id, clip_id, rendition, ms, severity, started_at, ended_at)"
            " values ('default', %s, 'case_x', 'clip_x', 'revealed', %s, 10, %s, %s)",
            [principal, minutes * 60_000, now - timedelta(hours=1), now],
        )


def test_everybody_sees_the_work_and_themselves_and_leads_the_rest(pages):
    look_at(pages, "person-a", 3)
    look_at(pages, "person-b", 7)
    reviewer = browser(pages, "review").get("/metrics-board").text
    assert "3.0 min in 1 looks" in reviewer
    assert "7.0 min" not in reviewer
    for heading in ("Quality", "Machine", "Person-days by minutes unveiled"):
        assert heading not in reviewer
    lead = browser(pages, "admin", name="person-c").get("/metrics-board").text
    assert "You have looked at nothing unveiled" in lead
    assert "Fewer than five people" in lead, "two people are too few to be shown"
    assert "3.0 min" not in lead
    for number in range(5):
        look_at(pages, f"person-{number}x", 4)
    pages.services.boards.clear()
    lead = browser(pages, "admin", name="person-c").get("/metrics-board").text
    assert "Caps reached" in lead
    assert "person-" not in lead.partition("<main")[2]
    assert browser(pages, "submit", name="person-d").get("/metrics-board").status_code == 403


@pytest.mark.parametrize(
    ("language", "says"),
    [("en", "No cases in the last 24 hours"), ("fr", "Aucun cas ces dernières"), ("ar", "لا حالات في آخر 24 ساعة")],
)
def test_nothing_is_said_to_be_nothing_and_every_picture_has_its_table(pages, language, says):
    client = browser(pages, "review", "audit", "specialist")
    answer = client.get("/metrics-board?days=7", headers={"Accept-Language": language})
    assert answer.status_code == 200
    assert says in answer.text
    assert answer.text.count('<svg class="chart"') == answer.text.count("<details>")
    assert not re.search(r"\sstyle=|<style|<script(?![^>]*\ssrc=)", answer.text)
    assert 'value="7" selected' in answer.text
    assert client.get("/metrics-board?days=12345").status_code == 200


def test_old_figures_are_shown_with_their_age(pages, monkeypatch):
    client = browser(pages, "review")
    assert "could not be read anew" not in client.get("/metrics-board").text

    def away(*_: object) -> None:
        raise psycopg.OperationalError("the server closed the connection")

    monkeypatch.setattr(boards, "_read", away)
    monkeypatch.setattr(boards, "KEPT_SECONDS", -1)
    assert "could not be read anew" in client.get("/metrics-board").text
    pages.services.boards.clear()
    with pytest.raises(Outage):
        boards.read_board(pages.services, "default", 28)
    assert client.get("/metrics-board").status_code == 503


def test_figures_are_read_at_most_once_a_minute(pages):
    first = boards.read_board(pages.services, "default", 28)
    assert boards.read_board(pages.services, "default", 28) is first
    assert boards.read_board(pages.services, "default", 7) is not first


@pytest.mark.parametrize(("arrived", "hours"), [([0] * 24, 0), ([1] * 24, 24), ([0] * 21 + [1, 0, 2], 3)])
def test_hours_of_data_are_counted_from_the_first_case(pages, arrived, hours):
    now = pages.services.clock.now()
    found = Operations(
        now=now,
        hours=tuple(Hour(at=now, arrived=count, decided=0) for count in arrived),
        queues=(),
        to_decision=Times(count=0),
        automatic=share_of(0, 0),
        hours_needed=0.0,
    )
    assert hours_so_far(found) == hours
