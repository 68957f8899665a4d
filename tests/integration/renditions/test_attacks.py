"""Attacks on the pages and on what reviewers are shown, each beside what is let through."""

import re
from html.parser import HTMLParser
from urllib.parse import quote

import httpx
import pytest

from moderation import exposure
from moderation.keys import create_key
from moderation.sessions import login_token
from review_ui.app import AREAS, create_app

SAME = {"Sec-Fetch-Site": "same-origin"}
#: Posts that anybody may send, and those of owners, who have sessions and tokens of their own.
OPEN = ("/csp-report", "/verify", "/mine", "/notice", "/appeal")
#: What one form or another asks for, so that none is refused for a missing field.
FIELDS = {
    "outcome": "allow",
    "lease_token": "x",
    "version": "1",
    "kind": "rule",
    "key": "x",
    "language": "fr",
    "file": "x",
}
KINDS = ("veiled", "strip", "still_1", "still_9", "revealed", "cartoon", "sound", "marked")
PROBE = "'\"><xss-probe onclick=1>\u202e\u0634<svg/onload=1>{{7*7}}"


@pytest.fixture
def service(run_app):
    """The service with the pages."""
    return run_app(create_app)


def enter(service, **headers: str) -> httpx.Client:
    """Somebody who followed the log-in link."""
    browser = service.with_headers(**SAME, **headers)
    browser.get(f"/login/dev?token={login_token(service.services)}")
    return browser


def token_of(browser: httpx.Client) -> str:
    return re.search(r'name="form_token" value="(\w+)"', browser.get("/queues").text)[1]


def posts(case: str) -> list[str]:
    """Every address of the pages that takes a form."""
    found = [route for area in AREAS for route in area.router.routes if "POST" in route.methods]
    paths = {re.sub(r"\{[^}]+\}", "x", route.path.replace("{case_id}", case)) for route in found}
    return sorted(path for path in paths if not path.startswith(OPEN))


def test_no_form_is_taken_from_elsewhere(service, case):
    mine, other = enter(service), enter(service)
    token, theirs = token_of(mine), token_of(other)
    paths = posts(case)
    assert len(paths) > 25
    for path in paths:
        assert mine.post(path, data={**FIELDS, "form_token": theirs}).status_code == 403, path
        away = {"Sec-Fetch-Site": "cross-site"}
        assert mine.post(path, data={**FIELDS, "form_token": token}, headers=away).status_code == 403, path
    for wrong in ("", "\u00e9", "x" * 64):
        assert mine.post("/break", data={"form_token": wrong}).status_code == 403, wrong
    assert mine.post("/break", headers={"X-Form-Token": b"\xe9"}).status_code == 403
    assert mine.post("/break", data={"form_token": token}).status_code == 303
    for path in ("/v1/break", f"/v1/cases/{case}/reveals", "/v1/queues/general/claim"):
        assert mine.post(path, headers={"Sec-Fetch-Site": "cross-site"}, json={}).status_code == 403, path


def test_a_session_looks_over_tls_and_another_of_the_same_person_does_not(service, held, monkeypatch):
    monkeypatch.setattr(service.services.settings, "url", "https://review.example")
    sessions = []
    for _ in range(2):
        answer = service.with_headers().get(f"/login/dev?token={login_token(service.services)}")
        cookie = answer.headers["set-cookie"].partition(";")[0]
        assert cookie.startswith("__Host-countersign_session=")
        sessions.append(service.with_headers(Cookie=cookie, **SAME))
    mine, other = sessions
    wish = {"lease_token": held["lease"]["token"], "rendition": "cartoon"}
    begun = mine.post(f"/v1/cases/{held['id']}/reveals", json=wish)
    assert begun.status_code == 201, begun.text
    url = begun.json()["url"]
    assert mine.get(url).status_code == 200
    for thief in (other, service.client):
        assert (thief.get(url).status_code, thief.head(url).status_code) == (403, 403)
    assert service.with_headers().get(url).status_code == 401
    mine.post("/logout", data={"form_token": token_of(mine)})
    assert mine.get(url).status_code == 401, "a session that ended shows nothing"


def test_what_is_for_specialists_or_nobody_is_given_by_no_address(service, held, change):
    general = service.with_scopes("review", principal="general", kind="person")
    case = held["id"]
    for kind in ("veiled", "strip"):
        assert service.client.get(f"/v1/cases/{case}/renditions/{kind}").status_code == 200, "made and kept"

    def demand_nothing(who: httpx.Client, *, status: set[int]) -> None:
        for kind in KINDS:
            path = f"/v1/cases/{case}/renditions/{kind}"
            for answer in (
                who.get(path),
                who.head(path),
                who.get(path, headers={"Range": "bytes=0-9"}),
                who.get(path, headers={"If-None-Match": "*"}),
                who.get(f"{path}?reveal=reveal_x"),
            ):
                assert answer.status_code in status, (kind, answer.status_code)
                assert "no-store" in answer.headers["cache-control"], kind
        lease = {"lease_token": held["lease"]["token"]}
        assert who.post(f"/v1/cases/{case}/renditions/cartoon", json=lease).status_code in status
        assert who.post(f"/v1/cases/{case}/reveals", json=lease).status_code in status

    demand_nothing(general, status={403, 404, 409})
    change("update moderation.cases set lease_expires_at = now() - interval '1 hour'")
    assert general.get(f"/v1/cases/{case}/renditions/veiled").status_code == 200, "nobody holds it"
    change("update moderation.cases set queue = 'minor_safety'")
    demand_nothing(general, status={403})
    for path in ("", "/similar", "/renditions"):
        assert general.get(f"/v1/cases/{case}{path}").status_code == 403, path
    change("update moderation.cases set queue = 'known_illegal'")
    demand_nothing(service.client, status={403, 404})
    assert service.client.get(f"/v1/cases/{case}/renditions").status_code == 404


class Elements(HTMLParser):
    """The elements of a page and where its forms lead."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def test_nothing_that_strangers_write_becomes_an_element_or_a_way_elsewhere(service, held, change):
    change("update moderation.clips set prompt = %s, title = %s, creator = %s", PROBE, PROBE, PROBE)
    browser = enter(service)
    asked = {"question": PROBE, "lease_token": held["lease"]["token"], "version": held["version"]}
    assert service.client.post(f"/v1/cases/{held['id']}/escalate", json=asked).status_code in {200, 422}
    shown = 0
    for path in (
        f"/review/{held['id']}",
        f"/queues/{held['queue']}",
        f"/queues/{held['queue']}/trends",
        "/search",
        "/audit",
        *(f"{page}={{}}" for page in ("/search?words", "/search?number", "/search?since", "/audit?actor", "/me?area")),
        *(f"{page}={{}}" for page in ("/verify?number", "/login?back", "/login?said", "/break?back")),
        "/queues?said=recorded&after={}",
        f"/review/{held['id']}?said={{}}&after={{}}",
    ):
        answer = browser.get(path.format(*[quote(PROBE)] * 2))
        assert answer.status_code in {200, 404, 422}, path
        for tag, attributes in Elements(answer.text).found:
            assert tag != "xss-probe", path
            assert not any(name.startswith("on") for name in attributes), path
        shown += "xss-probe" in answer.text
        assert "49" not in re.findall(r"ش&lt;svg/onload=1&gt;(\d+)", answer.text)
    assert shown > 3, "the probe was said, as text"


def test_addresses_and_forms_lead_nowhere_else_and_break_nothing(service, case):
    browser = enter(service)
    token = token_of(browser)
    service.services.settings.review.undo_s = 30
    for after in ("../../logout?x=", "case_x/../../break/end?", "//evil.example/", "case_" + "g" * 32):
        for path in ("/queues?said=recorded", f"/review/{case}?said="):
            page = browser.get(f"{path}&after={quote(after, safe='')}").text
            ways = [attributes.get("action") or "" for _, attributes in Elements(page).found]
            assert not [way for way in ways if way.endswith("/undo")], (path, after)
    assert f'action="/review/{case}/undo' in browser.get(f"/queues?said=recorded&after={case}").text
    for path in (
        "/search?words=%00",
        "/audit?actor=%00",
        "/queues/%00",
        "/review/%00",
        "/v1/cases/%00",
        "/me?area=%00",
    ):
        assert browser.get(path).status_code == 400, path
    for path, field in (
        ("/search/export", "asked"),
        ("/audit/export", "asked"),
        (f"/review/{case}/skip", "lease_token"),
    ):
        data = {**FIELDS, "form_token": token, field: "words=\0"}
        assert browser.post(path, data=data).status_code in {200, 422}, path
    answer = {**FIELDS, "form_token": token, "note": "\0", "outcome": "block", "reason": "hate"}
    assert browser.post(f"/review/{case}/decide", data=answer).status_code == 422
    assert browser.post("/search/export", data={"form_token": token, "asked": "words=%00"}).status_code == 200
    for back in ("//evil.example", "/\r\nSet-Cookie: a=b", "https://evil.example", "/\\evil.example"):
        data = {"form_token": token, "back": back, "language": "fr"}
        for path in ("/break", "/break/end", "/language"):
            sent = browser.post(path, data=data)
            assert sent.headers["location"] in {"/queues", "/break?back=/queues"}
            assert "a=b" not in str(sent.headers)


def test_a_second_key_of_a_person_is_the_same_person(service, held):
    chosen = service.services.settings.review
    service.services.settings.review = chosen.model_copy(update={"own_clips_again": False})
    two = [create_key(service.services, "default", principal="dev", scopes=("review",), by="test", kind="person")] * 2
    first, second = (service.with_headers(Authorization=f"Bearer {made.key}") for made in two)
    lease = {"lease_token": held["lease"]["token"], "version": held["version"]}
    answer = {**lease, "outcome": "block", "reason": "hate", "note": ""}
    assert first.post(f"/v1/cases/{held['id']}/decision", json=answer).status_code == 200
    version = service.client.get(f"/v1/cases/{held['id']}").json()["version"]
    wish = {
        "outcome": "allow",
        "reason": "no_violation",
        "error_class": "false_positive",
        "version": version,
        "note": "",
    }
    assert second.post(f"/v1/cases/{held['id']}/overturn", json=wish).status_code == 403
    assert second.post(f"/v1/queues/{held['queue']}/claim", json={"clip_id": held["clip_id"]}).status_code == 204


def test_looks_are_counted_by_the_service_whatever_a_page_says(service, held, passes):
    wish = {"lease_token": held["lease"]["token"], "rendition": "cartoon"}
    path = f"/v1/cases/{held['id']}/reveals"
    for _ in range(3):
        reveal = service.client.post(path, json=wish).json()
        ended = service.client.post(f"{path}/{reveal['id']}/end", json={"ms": -1000, "ended_at": "1970-01-01"})
        assert ended.json()["ms"] == 1000, "a glance is a second"
        passes(milliseconds=10)
    assert service.client.get("/v1/exposure").json()["day_ms"] == 3000
    reveal = service.client.post(path, json=wish).json()
    passes(seconds=14)
    assert service.client.get(reveal["url"]).status_code == 200
    passes(seconds=2)
    assert service.client.get(reveal["url"]).status_code == 403, "no beat came"
    assert service.client.post(f"{path}/{reveal['id']}/beat").status_code == 403
    assert service.client.post(f"{path}/{reveal['id']}/end").json()["ms"] == exposure.SLICE.total_seconds() * 1000
