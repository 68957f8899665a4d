"""The way in by the pages: cookies, where it leads back to, what a refusal says, and that a session can be ended."""

import re
from collections.abc import Callable, Iterator
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from oidc_provider import CLIENT, SECRET, OidcProvider

from moderation import sessions
from moderation.settings import Login, OidcSettings
from review_ui.app import create_app

ROLES = {"moderators": {"scopes": ["review"]}, "leads": {"scopes": ["review", "audit"]}}


@pytest.fixture
def provider() -> Iterator[OidcProvider]:
    made = OidcProvider()
    yield made
    made.close()


@pytest.fixture
def service(run_app, provider):
    said = {"issuer": provider.issuer, "client_id": CLIENT, "client_secret": SECRET, "roles": ROLES}
    return run_app(create_app, login=Login(oidc=OidcSettings.model_validate(said)))


def come_back(service, browser: httpx.Client, path: str = "/login/start") -> httpx.Response:
    """Click, log in at the provider, come back."""
    away = browser.get(path)
    assert away.status_code == 303, away.text
    back = browser.get(away.headers["location"])
    assert back.status_code == 302
    return browser.get(back.headers["location"])


def logged_in(service, **headers: str) -> httpx.Client:
    browser = service.with_headers(**{"Sec-Fetch-Site": "same-origin", **headers})
    answer = come_back(service, browser)
    assert answer.status_code == 200, answer.text
    return browser


def token_of(browser: httpx.Client, path: str = "/queues") -> str:
    return re.search(r'name="form_token" value="(\w+)"', browser.get(path).text)[1]


def test_log_in_leads_to_the_page_that_was_wanted(service):
    browser = service.with_headers()
    asked = browser.get("/queues/likeness?said=recorded")
    assert asked.headers["location"] == "/login?back=/queues/likeness%3Fsaid%3Drecorded"
    start = re.search(r'href="(/login/start[^"]+)"', browser.get(asked.headers["location"]).text)[1]
    answer = come_back(service, browser, start.replace("&amp;", "&"))
    assert 'content="0; url=/queues/likeness?said=recorded"' in answer.text
    assert browser.get("/queues").status_code == 200
    kept = {cookie.name: cookie for cookie in browser.cookies.jar}
    assert set(kept) == {"countersign_session"}, "the attempt is forgotten"
    assert kept["countersign_session"].get_nonstandard_attr("SameSite") == "strict"


@pytest.mark.parametrize(
    "back", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:1", "/a\tb", "/%0d", "\\/x"]
)
def test_nobody_is_led_to_another_site(service, back):
    browser = service.with_headers()
    away = browser.get("/login/start", params={"back": back})
    answer = browser.get(browser.get(away.headers["location"]).headers["location"])
    led = re.search(r'content="0; url=([^"]*)"', answer.text)[1]
    assert led == ("/%0d" if back == "/%0d" else "/queues")
    dev = browser.get("/login/dev", params={"token": sessions.login_token(service.services), "back": back})
    assert dev.headers["location"] in {"/queues", "/%0d"}


def test_over_tls_cookies_are_bound_to_it_and_to_this_host(service, monkeypatch):
    monkeypatch.setattr(service.services.settings, "url", "https://review.example")
    browser = service.with_headers()
    away = browser.get("/login/start")
    assert parse_qs(urlsplit(away.headers["location"]).query)["redirect_uri"] == ["https://review.example/login/return"]
    assert "Secure" in away.headers["set-cookie"]
    assert "SameSite=lax" in away.headers["set-cookie"]
    dev = browser.get("/login/dev", params={"token": sessions.login_token(service.services)})
    cookie = dev.headers["set-cookie"]
    assert cookie.startswith("__Host-countersign_session=")
    for attribute in ("Secure", "HttpOnly", "SameSite=strict", "Path=/"):
        assert attribute in cookie
    assert "Domain" not in cookie


def test_the_address_to_come_back_to_is_never_the_askers(service, monkeypatch):
    settings = service.services.settings
    monkeypatch.setattr(settings, "env", "production")
    assert service.with_headers().get("/login/start").status_code == 503
    monkeypatch.setattr(settings, "url", "https://review.example")
    service.services.login_provider._plain_loopback = True
    away = service.with_headers(Host="evil.example").get("/login/start")
    assert "review.example%2Flogin%2Freturn" in away.headers["location"]
    assert "evil" not in away.headers["location"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"hostile": "declined"}, "did not let you in"),
        ({"hostile": "nonce"}, "could not be trusted"),
        ({"hostile": "state"}, "Begin again"),
        ({"person": {"sub": "u-2", "groups": ["chess club"]}}, "Ask whoever runs this service for a role"),
    ],
)
def test_who_is_refused_reads_why_and_has_no_session(service, provider, change, says):
    for name, value in change.items():
        setattr(provider, name, value)
    browser = service.with_headers()
    answer = come_back(service, browser)
    assert answer.status_code == 401
    assert says in answer.text
    assert 'role="alert"' in answer.text
    assert not list(browser.cookies.jar)
    assert browser.get("/queues").headers["location"] == "/login"


def test_a_provider_that_is_away_is_said_to_be(service, provider):
    provider.close()
    answer = service.with_headers().get("/login/start")
    assert answer.status_code == 503
    assert "Try again in a minute" in answer.text


def test_log_in_gives_a_new_session_whatever_the_browser_had(service):
    browser = service.with_headers(**{"Sec-Fetch-Site": "same-origin"})
    planted = logged_in(service).cookies["countersign_session"]
    browser.cookies.set("countersign_session", planted)
    come_back(service, browser)
    fresh = [cookie.value for cookie in browser.cookies.jar if cookie.domain == "127.0.0.1"]
    assert planted not in fresh
    stranger = service.with_headers(cookie=f"countersign_session={planted}")
    assert stranger.get("/queues").headers["location"] == "/login", "the planted session has ended"


def test_a_log_out_ends_the_session_on_the_server(service):
    browser = logged_in(service)
    stolen = browser.cookies["countersign_session"]
    thief = service.with_headers(cookie=f"countersign_session={stolen}")
    assert thief.get("/queues").status_code == 200
    answer = browser.post("/logout", data={"form_token": token_of(browser)})
    assert answer.headers["location"] == "/login?said=left"
    assert "You have logged out" in browser.get("/login?said=left").text
    assert thief.get("/queues").headers["location"] == "/login"


def test_who_is_barred_is_shown_out_with_the_next_click(service):
    browser = logged_in(service)
    who = sessions.read_session(service.services, browser.cookies["countersign_session"]).principal
    sessions.bar(service.services, "default", who.principal, by="operator")
    assert browser.get("/queues").headers["location"] == "/login"
    answer = come_back(service, service.with_headers())
    assert (answer.status_code, "access to this service was ended" in answer.text) == (401, True)


def test_a_form_needs_its_token_and_our_own_site(service):
    browser = logged_in(service)
    token = token_of(browser)
    refused: list[Callable[[], httpx.Response]] = [
        lambda: browser.post("/logout"),
        lambda: browser.post("/logout", data={"form_token": token[::-1]}),
        lambda: browser.post("/logout", data={"form_token": token_of(logged_in(service))}),
        lambda: browser.post("/logout", data={"form_token": token}, headers={"Sec-Fetch-Site": "cross-site"}),
        lambda: browser.post("/logout", data={"form_token": token}, headers={"Sec-Fetch-Site": "same-site"}),
        lambda: browser.post("/logout", headers={"X-Form-Token": "x"}),
    ]
    for ask in refused:
        assert ask().status_code == 403
    assert browser.get("/queues").status_code == 200
    assert browser.post("/logout", headers={"X-Form-Token": token}).status_code == 303


def test_the_development_link_works_in_development_alone(service, monkeypatch):
    link = f"/login/dev?token={sessions.login_token(service.services)}"
    assert service.with_headers().get(link).status_code == 303
    monkeypatch.setattr(service.services.settings, "env", "production")
    answer = service.with_headers().get(link)
    assert answer.status_code == 401
    assert "review:" not in answer.text
    assert "set-cookie" not in answer.headers


def test_a_reader_without_a_review_role_opens_nothing_of_the_queue(service, provider):
    provider.person["groups"] = ["leads"]
    assert logged_in(service).get("/queues").status_code == 200
    said = service.services.login_provider.settings.roles["leads"]
    service.services.login_provider.settings.roles["leads"] = said.model_copy(update={"scopes": frozenset({"audit"})})
    assert logged_in(service).get("/queues").status_code == 403
