"""The pages of looking back as text: who may ask for what, what is refused in words, what people do not see of others."""

import re
from datetime import timedelta

import httpx
import pytest
from families import Row, register, write

from moderation import owners, sessions, unmatched
from moderation.clock import FixedClock
from moderation.keys import Principal
from moderation.likeness_settings import LikenessSettings, UnmatchedTemplates
from moderation.lookbacks import driving
from moderation.sessions import login_token
from review_ui.app import create_app

BASIS = "a law of our state, Art. 7"
TOKEN = re.compile(r'name="form_token" value="([^"]+)"')


@pytest.fixture
def pages(run_app):
    return run_app(create_app)


@pytest.fixture
def person(pages) -> str:
    return register(pages.services.database, pages.services.vault, model=pages.services.face_model)


def browser(pages) -> httpx.Client:
    client = pages.with_headers()
    client.follow_redirects = True
    return client


@pytest.fixture
def staff(pages) -> httpx.Client:
    client = browser(pages)
    client.get("/login/dev", params={"token": login_token(pages.services)})
    return client


@pytest.fixture
def owner(pages, person) -> httpx.Client:
    client = browser(pages)
    with pages.services.database.transaction() as tx:
        made = owners.make_link(tx, pages.services.clock.now(), person, by="test")
    address = made.address(pages.url)
    form = {"form_token": TOKEN.search(client.get(address).text)[1], "link": address}
    assert client.post("/mine/enter", data=form).url.path == "/mine"
    return client


def send(client: httpx.Client, place: str, **fields: str) -> httpx.Response:
    page = client.get(place.removesuffix("/cancel").rpartition("/lkb_")[0] or place)
    return client.post(place, data={"form_token": TOKEN.search(page.text)[1], **fields})


def days(pages, ago: int) -> str:
    return (pages.services.clock.now() - timedelta(days=ago)).date().isoformat()


def found(pages) -> list[tuple]:
    with pages.services.database.transaction() as tx:
        return tx.pg.execute(
            "select lookback_id, state, creator, words, asked_by from moderation.lookbacks order by lookback_id"
        ).fetchall()


def test_staff_begin_follow_and_call_off_a_look_back(pages, staff, person):
    services, place = pages.services, f"/likeness/{person}/lookbacks"
    assert f'href="{place}"' in staff.get(f"/likeness/{person}").text
    for wrong in (
        {"since": ""},
        {"since": "soon"},
        {"since": "2020-01-01"},
        {"since": days(pages, 1), "until": "2020-01-01"},
    ):
        refused = send(staff, place, **wrong)
        assert (refused.status_code, 'aria-invalid="true"' in refused.text) == (422, True), wrong
    assert staff.post(place, data={"since": days(pages, 2)}).status_code == 403, "without the form's token"
    assert found(pages) == []
    with services.database.transaction() as tx:
        clips = write(tx, [Row(), Row()])
        tx.pg.execute("update moderation.clips set created_at = %s, creator = 'bo'", (services.clock.now(),))
    asked = send(staff, place, since=days(pages, 2), creator="bo")
    assert (asked.status_code, "waits for its turn" in asked.text, "hx-get" in asked.text) == (200, True, True)
    assert "· <bdi>bo</bdi>" in asked.text
    ((lookback, _, creator, words, _),) = found(pages)
    assert (creator, words) == ("bo", None)
    assert send(staff, place, since=days(pages, 2)).status_code == 409
    driving.list_window(services, "default", lookback)
    turn = driving.take_turn(services, "default", lookback)
    driving._count_unreadable(services, "default", lookback, turn, "its bytes are gone")
    demand_that_it_takes_an_administrator(pages, place, lookback)
    part = staff.get(place, headers={"HX-Request": "true"}).text
    assert "<h1" not in part
    assert turn.clip.clip_id in part
    assert "its file is no longer kept" in part
    assert "CPU seconds so far" in part
    stopped = send(staff, f"{place}/{lookback}/cancel")
    assert ("called off" in stopped.text, "hx-get" in stopped.text) == (True, False)
    assert {clips[0], clips[1]} > {turn.clip.clip_id}


def demand_that_it_takes_an_administrator(pages, place: str, lookback: str) -> None:
    """For who has no account: neither begun nor called off by who only keeps the registry, nor offered to them."""
    reduced = Principal(org="default", principal="ana", scopes=frozenset({"likeness"}), kind="person")
    keeper, before = browser(pages), found(pages)
    keeper.cookies.set("countersign_session", sessions.begin(pages.services, reduced, method="development"))
    assert send(keeper, place, since=days(pages, 2)).status_code == 403
    assert send(keeper, f"{place}/{lookback}/cancel").status_code == 403
    shown = keeper.get(place).text
    assert (f'action="{place}' in shown, "only an administrator may act for them" in shown) == (False, True)
    assert found(pages) == before


def test_people_ask_for_themselves_a_few_times_a_day_and_see_no_clip_of_others(pages, owner, person):
    services, place, began = pages.services, "/mine/lookbacks", pages.services.clock.now()
    other = register(services.database, services.vault, model=services.face_model)
    assert f'href="{place}"' in owner.get("/mine").text
    services.settings = services.settings.model_copy(
        update={
            "likeness": LikenessSettings(
                lookbacks_per_day=2, unmatched_templates=UnmatchedTemplates(legal_basis=BASIS, ttl_hours=24)
            )
        }
    )
    assert BASIS not in owner.get(place).text
    unmatched.tell(services)
    shown = owner.get(place).text
    assert BASIS in shown
    assert 'name="words"' not in shown
    with services.database.transaction() as tx:
        (clip,) = write(tx, [Row()])
        tx.pg.execute("update moderation.clips set created_at = %s", (services.clock.now(),))
    # Whatever else a form says, it is about oneself, and about a window.
    assert send(owner, place, since=days(pages, 2), creator="bo", words="boat").status_code == 200
    ((lookback, _, creator, words, by),) = found(pages)
    assert (creator, words, by) == (None, None, f"owner:{person}")
    assert send(owner, place, since=days(pages, 2)).status_code == 409
    driving.list_window(services, "default", lookback)
    driving._count_unreadable(services, "default", lookback, driving.take_turn(services, "default", lookback), "broken")
    now = owner.get(place).text
    assert clip not in now
    assert "CPU seconds" not in now
    assert "Could not be looked at" in now
    assert "called off" in send(owner, f"{place}/{lookback}/cancel").text
    assert "called off" in send(owner, place, since=days(pages, 2)).text
    # Whom and what staff look for is no business of theirs.
    with services.database.transaction() as tx:
        tx.pg.execute("update moderation.lookbacks set creator = 'Omar Sought', words = 'a red boat'")
    seen = owner.get(place).text
    assert ("called off" in seen, "Omar Sought" in seen, "a red boat" in seen) == (True, False, False)
    second = found(pages)[-1][0]
    send(owner, f"{place}/{second}/cancel")
    assert send(owner, place, since=days(pages, 2)).status_code == 429
    # No other person's search is theirs, and their session opens no page of staff.
    with services.database.transaction() as tx:
        tx.pg.execute("update moderation.lookbacks set person_id = %s where lookback_id = %s", (other, second))
    assert send(owner, f"{place}/{second}/cancel").status_code == 404
    assert owner.get(f"/likeness/{person}/lookbacks").url.path == "/login"
    assert browser(pages).get(place).url.path == "/mine/enter"
    assert owner.post(place, data={"since": days(pages, 2)}).status_code == 403
    # What an open page asks by itself keeps nobody's session alive.
    for minutes, leads in ((20, None), (40, "/mine/enter")):
        services.clock = FixedClock(began + timedelta(minutes=minutes))
        assert owner.get(place, headers={"HX-Request": "true"}).headers.get("hx-redirect") == leads


def test_who_has_nothing_registered_is_told_so(pages, staff):
    nobody = register(pages.services.database, pages.services.vault)
    shown = staff.get(f"/likeness/{nobody}/lookbacks")
    assert "Nothing of this person is registered" in shown.text
    assert 'name="since"' not in shown.text
    assert staff.get("/likeness/per_nobody/lookbacks").status_code == 404
