"""Many like cases without a line of script: drawn, answered, taken over and taken back; never for specialists."""

import re
from datetime import UTC, datetime

import pytest

from moderation import metrics
from moderation.sessions import login_token
from review_ui.app import create_app

LOT = 20


@pytest.fixture
def pages(run_app):
    return run_app(create_app)


def test_a_draw_speaks_for_its_lot_and_says_what_it_may_miss(pages, desk):
    browser = pages.with_headers(**{"Sec-Fetch-Site": "same-origin"})
    browser.get(f"/login/dev?token={login_token(pages.services)}")
    desk.now = datetime.now(UTC)
    for _ in range(LOT):
        desk.open()
    with desk.transaction() as tx:
        tx.pg.execute("update moderation.clips set prompt = 'The <b>same</b> words'")
    page = browser.get("/queues").text
    assert 'href="/queues/explicit/trends"' in page
    token = {"form_token": re.search(r'name="form_token" value="(\w+)"', page)[1]}
    lots = browser.get("/queues/explicit/trends").text
    assert "One prompt: <bdi>the b same b words</bdi>" in lots
    assert '<td class="number" data-label="To draw">19</td>' in lots
    made = browser.post("/queues/explicit/trends", data={**token, "kind": "prompt", "key": "the b same b words"})
    path = made.headers["location"]
    page = browser.get(path).text
    assert "0 of 1, with 95 % confidence" in page
    drawn = re.findall(r'href="/review/(case_\w+)"', page)
    assert len(drawn) == LOT - 1
    assert browser.post(f"{path}/decision", data=token).status_code == 409
    held = desk.claim("ben", clip=desk.case(drawn[0]).clip_id)
    row = browser.get("/queues/explicit").text
    name = desk.scalar("select code_name from moderation.reviewers where principal = 'ben'")
    assert f"<bdi>{name}</bdi>" in row, "colleagues are known by their code names"
    assert "<bdi>ben</bdi>" not in row
    desk.decide("ben", held, "block")
    for case in drawn[1:]:
        desk.decide("ana", desk.claim("ana", clip=desk.case(case).clip_id), "block")
    with desk.transaction() as tx:
        tx.pg.execute("update moderation.cases set followed_at = now() where state = 'decided'")
    assert "Let the rest take it over" in browser.get(path).text
    waiting = 'countersign_cases_waiting{queue="explicit"}'
    assert f"{waiting} 1.0".encode() in metrics.expose(pages.services, "default", 1.0)
    pages.services.settings.review.undo_s = 30
    taken = browser.post(f"{path}/decision", data=token)
    assert "1 case took the answer over." in taken.text
    assert f'action="{path}/undo"' in taken.text
    assert desk.column("select case_id from moderation.cases where state = 'open'") == []
    assert f"{waiting} 0.0".encode() in metrics.expose(pages.services, "default", 1.0)
    assert browser.post(f"{path}/undo", data=token).headers["location"] == path
    assert len(desk.column("select case_id from moderation.cases where state = 'open'")) == 1
    for _ in range(10):
        desk.open("minor_safety")
    assert "one by one" in browser.get("/queues/minor_safety/trends").text
    asked = {**token, "kind": "rule", "key": "x"}
    assert browser.post("/queues/minor_safety/trends", data=asked).status_code == 422
    assert "/queues/minor_safety/trends" not in browser.get("/queues").text
