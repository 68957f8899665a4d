"""The queue list without a line of script: what it says, what it costs, and what it says when there is nothing."""

import re
import threading

import httpx
import psycopg
import pytest

from moderation import holding, review, sessions
from moderation.clips import Submission
from moderation.decisions import Outcome
from moderation.intake import accept_file
from moderation.keys import Principal
from moderation.review import Answer, Reviewer
from moderation.sessions import login_token
from review_ui.app import create_app

HEADERS = {"Sec-Fetch-Site": "same-origin"}
ANA, BEN = (Reviewer(principal=name) for name in ("ana", "ben"))


@pytest.fixture
def pages(run_app):
    return run_app(create_app)


@pytest.fixture
def browser(pages) -> httpx.Client:
    client = pages.with_headers(**HEADERS)
    client.get(f"/login/dev?token={login_token(pages.services)}")
    return client


def hold(pages, drawn) -> str:
    clip = accept_file(pages.services, "default", "platform", drawn, Submission(creator="noor"))
    holding.ask_a_person(pages.services, "default", clip.clip_id, 1, "processing_failed", "it broke")
    return clip.clip_id


def as_person(pages, name: str) -> httpx.Client:
    who = Principal(org="default", principal=name, scopes=frozenset({"review"}), kind="person")
    client = pages.with_headers(**HEADERS)
    client.cookies.set("countersign_session", sessions.begin(pages.services, who, method="development"))
    return client


def test_an_empty_list_says_so_and_names_the_queues(browser):
    page = browser.get("/queues").text
    assert "Nothing is waiting." in page
    assert "The last case left" not in page
    assert "Sample of released clips" in page
    assert "You hold no case." in page


def test_a_row_says_what_waits_how_long_and_what_is_mine(browser, pages, drawn):
    hold(pages, drawn)
    page = browser.get("/queues").text
    row = re.search(r"<tr>\s*<th scope=\"row\"><a href=\"/queues/failures\">.*?</tr>", page, re.DOTALL)[0]
    assert re.search(r'data-label="Waiting">1<', row)
    assert "just now" in row
    assert "in 23 h" in row
    assert 'aria-label="Start with Not processed in full"' in row
    assert "<img" not in page
    token = re.search(r'name="form_token" value="(\w+)"', page)[1]
    case = browser.post("/queues/failures/start", data={"form_token": token}).headers["location"]
    page = browser.get("/queues").text
    assert f'href="{case}"' in page
    assert "yours for 4 min more" in page
    assert re.search(r'data-label="In work">1<', page)


def test_htmx_gets_the_list_and_not_the_page(browser):
    part = browser.get("/queues", headers={"HX-Request": "true"}).text
    assert "<html" not in part
    assert "Nothing is waiting." in part
    assert "<html" in browser.get("/queues", headers={"HX-Request": "true", "HX-History-Restore-Request": "true"}).text


def test_the_list_takes_three_statements(browser, pages, drawn, monkeypatch):
    hold(pages, drawn)
    browser.get("/queues")
    asked: list[str] = []
    for kind in (psycopg.Connection, psycopg.Cursor):
        execute = kind.execute

        def noted(self, query, *args, _execute=execute, **named):
            # The thread that keeps the rules current asks every two seconds, whatever page is read.
            if threading.current_thread().name != "rules":
                asked.append(query if isinstance(query, str) else query.decode())
            return _execute(self, query, *args, **named)

        monkeypatch.setattr(kind, "execute", noted)
    assert browser.get("/queues").status_code == 200
    read = {query for query in asked if re.search(r"\bfrom moderation\.(?!sessions|principals)", query)}
    assert {"queues" in query or "cases" in query for query in read} == {True}
    assert 1 < len(read) <= 3


def test_what_became_of_an_escalation_is_told_to_who_asked(pages, drawn):
    hold(pages, drawn)
    services, terms = pages.services, review.terms_of(pages.services.settings)
    ana = as_person(pages, "ana")
    with services.database.transaction("default") as tx:
        case = review.claim(tx, terms, services.clock.now(), "failures", ANA)
        asked = review.Escalation(
            question="Is this a person?",
            lease_token=case.lease_token,
            version=case.version,
            outcome=Outcome.BLOCK,
            reason="hate",
        )
        review.escalate(tx, services.enqueuer, terms, services.clock.now(), case.case_id, asked, ANA)
    assert "None in the last seven days." in ana.get("/queues").text
    with services.database.transaction("default") as tx:
        again = review.claim(tx, terms, services.clock.now(), "failures", BEN)
        answer = Answer(
            outcome=Outcome.BLOCK, reason="hate", note="", lease_token=again.lease_token, version=again.version
        )
        review.decide(tx, services.enqueuer, terms, services.clock.now(), again.case_id, answer, BEN)
        tx.pg.execute(
            "update moderation.cases set undo_until = now() - interval '1 second' where undo_until is not null"
        )
    page = ana.get("/queues").text
    assert "<strong>blocked</strong>" in page
    assert "you: blocked" in page
    assert "ben" not in page
    assert "None in the last seven days." in as_person(pages, "ben").get("/queues").text


def test_a_queue_lists_its_cases_and_an_unknown_one_is_said_to_be_none(browser, pages, drawn):
    hold(pages, drawn)
    assert "Open case" in browser.get("/queues/failures").text
    assert "No open cases in this queue." in browser.get("/queues/words").text
    missing = browser.get("/queues/nowhere")
    assert missing.status_code == 404
    assert "There is no such thing here." in missing.text
