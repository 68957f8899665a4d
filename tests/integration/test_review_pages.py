"""The review pages over the real service: who gets in, what a form needs, what is refused and what is recorded."""

import re
from html.parser import HTMLParser

import httpx
import pytest

from moderation import holding
from moderation.keys import Principal
from moderation.sessions import login_token
from review_ui.app import create_app

HEADERS = {"Sec-Fetch-Site": "same-origin"}


class Fields(HTMLParser):
    """Hidden fields, labels, and every control that a label or name of its own must explain."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.hidden: dict[str, str] = {}
        self.labelled: set[str] = set()
        self.controls: list[dict[str, str]] = []
        self.ids: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.ids += [found["id"]] if "id" in found else []
        if tag == "label" and "for" in found:
            self.labelled.add(found["for"])
        if found.get("type") == "hidden":
            self.hidden[found["name"]] = found["value"]
        elif tag in {"input", "select", "textarea"}:
            self.controls.append(found)


@pytest.fixture
def pages(run_app):
    """The API with the pages on top."""
    return run_app(create_app)


@pytest.fixture
def browser(pages) -> httpx.Client:
    """Somebody who followed the log-in link."""
    client = pages.with_headers(**HEADERS)
    answer = client.get(f"/login/dev?token={login_token(pages.services)}")
    assert (answer.status_code, answer.headers["location"]) == (303, "/queues")
    return client


@pytest.fixture
def clip(pages, drawn) -> str:
    """A clip before a person, who is told what its platform said."""
    sent = {"file": drawn.read_bytes(), "metadata": ("", '{"prompt": "<b>قطة</b>", "creator": "noor"}')}
    clip = pages.client.post("/v1/clips", files=sent).json()["id"]
    holding.ask_a_person(pages.services, "default", clip, 1, "processing_failed", "it broke")
    return clip


def claimed(browser: httpx.Client, queue: str = "failures") -> tuple[str, dict[str, str]]:
    """Start a queue: the path of the case and its hidden fields."""
    token = Fields(browser.get("/queues").text).hidden["form_token"]
    answer = browser.post(f"/queues/{queue}/start", data={"form_token": token})
    path = answer.headers["location"]
    return path, Fields(browser.get(path).text).hidden


def scalar(pages, query: str) -> object:
    with pages.services.database.transaction("default") as tx:
        return tx.pg.execute(query).fetchone()[0]


def test_without_a_session_every_page_leads_to_the_log_in(pages, clip):
    stranger = pages.with_headers(**HEADERS)
    for path in ("/queues", "/queues/failures", "/review/case_x"):
        answer = stranger.get(path)
        assert (answer.status_code, answer.headers["location"].partition("?")[0]) == (303, "/login"), path
    for path in ("/queues/failures/start", "/review/case_x/decide", "/review/case_x/skip", "/review/case_x/claim"):
        fields = {"outcome": "allow", "lease_token": "x", "version": "1"}
        assert stranger.post(path, data=fields).headers.get("location") == "/login", path
    assert "review:" in stranger.get("/login").text
    assert scalar(pages, "select count(*) from moderation.case_actions") == 0


def test_a_log_in_link_must_be_ours_and_development(pages, monkeypatch):
    stranger = pages.with_headers()
    token = login_token(pages.services)
    for wrong in ("", "x", token[:-2], f"{token}x"):
        assert stranger.get("/login/dev", params={"token": wrong}).status_code == 401
    assert stranger.get("/queues").status_code == 303
    stranger.cookies.set("countersign_session", token)
    assert stranger.get("/queues").headers["location"] == "/login", "a link is no session"
    monkeypatch.setattr(pages.services.settings, "env", "production")
    assert stranger.get(f"/login/dev?token={token}").status_code == 401
    assert "review:" not in stranger.get("/login").text


def test_a_session_is_out_of_scripts_reach_and_ends(browser):
    (cookie,) = [cookie for cookie in browser.cookies.jar if cookie.name == "countersign_session"]
    assert cookie.has_nonstandard_attr("HttpOnly")
    assert cookie.get_nonstandard_attr("SameSite") == "strict"
    token = Fields(browser.get("/queues").text).hidden["form_token"]
    assert browser.post("/logout").status_code == 403
    assert browser.post("/logout", data={"form_token": token}).headers["location"] == "/login?said=left"
    assert browser.get("/queues").headers["location"] == "/login"


def test_every_page_has_the_headers_and_labels_that_it_must_have(browser, clip):
    case, _ = claimed(browser)
    for path in ("/login", "/queues", "/queues/failures", "/queues/words", case, "/review/case_0", "/queues/none"):
        answer = browser.get(path)
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'"), path
        assert "unsafe" not in policy
        assert "require-trusted-types-for 'script'" in policy
        assert answer.headers["cache-control"] == "no-store", path
        assert answer.headers["referrer-policy"] == "same-origin"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-type"] == "text/html; charset=utf-8", path
        fields = Fields(answer.text)
        assert len(set(fields.ids)) == len(fields.ids), path
        for control in fields.controls:
            explained = control.get("id") in fields.labelled or "aria-label" in control or control["type"] == "checkbox"
            assert explained, (path, control)
    assert browser.get("/review/case_0").status_code == 404


def test_a_form_must_be_our_own(pages, browser, clip):
    path, fields = claimed(browser)
    answer = {**fields, "outcome": "block", "reason": "hate"}
    other = pages.with_headers(**HEADERS)
    other.get(f"/login/dev?token={login_token(pages.services)}")
    strange = Fields(other.get("/login").text).hidden["form_token"]
    for token in ("", "x", strange[::-1]):
        assert browser.post(f"{path}/decide", data={**answer, "form_token": token}).status_code == 403
    without = {name: value for name, value in answer.items() if name != "form_token"}
    assert browser.post(f"{path}/decide", data=without).status_code == 403
    for site in ("cross-site", "same-site", "none"):
        refused = browser.post(f"{path}/decide", data=answer, headers={"Sec-Fetch-Site": site})
        assert refused.status_code == 403, site
    assert browser.post("/language", data={"language": "ar"}).status_code == 403
    assert scalar(pages, "select state from moderation.cases") == "open"
    assert browser.post(f"{path}/decide", data=answer).status_code == 303


def test_a_case_says_why_it_is_here_and_what_its_platform_said(browser, clip):
    listed = browser.get("/queues/failures").text
    assert "could not be processed in full" in listed
    assert "<video" not in listed
    assert "<img" not in listed
    path, _ = claimed(browser)
    page = browser.get(path).text
    assert "&lt;b&gt;قطة&lt;/b&gt;" in page
    assert "noor" not in page, "a creator is told in figures, never by name"
    assert "no marked rendition" in page
    assert "<video" not in page


def test_deciding_withholds_or_sends_on_and_leads_to_the_next(pages, browser, clip):
    path, fields = claimed(browser)
    answer = {**fields, "outcome": "block", "reason": "violence", "note": " blood "}
    done = browser.post(f"{path}/decide", data=answer)
    assert (done.status_code, done.headers["location"]) == (
        303,
        f"/queues?said=recorded&after={path.rpartition('/')[2]}",
    )
    assert 'role="status"' in browser.get("/queues?said=recorded").text
    verdict = pages.client.get(f"/v1/clips/{clip}").json()
    assert (verdict["status"], verdict["decision"]["decided_by"]) == ("withheld", "dev")
    assert verdict["decision"]["reasons"][0]["code"] == "violence"
    assert "closed" in browser.get(path).text


def test_approving_needs_no_reason_and_publishes_nothing_by_itself(pages, browser, clip):
    path, fields = claimed(browser)
    assert browser.post(f"{path}/decide", data={**fields, "outcome": "allow"}).status_code == 303
    verdict = pages.client.get(f"/v1/clips/{clip}").json()
    assert verdict["status"] == "processing"
    assert scalar(pages, "select count(*) from moderation.releases") == 0
    query = "select body::json -> 'reasons' -> 0 ->> 'code' from moderation.decisions where actor = 'dev'"
    assert scalar(pages, query) == "no_violation"


@pytest.mark.parametrize(
    "wrong",
    [
        {"outcome": "block", "reason": ""},
        {"outcome": "block", "reason": "no_violation"},
        {"outcome": "restrict", "reason": ""},
        {"outcome": "allow", "reason": "hate"},
        {"outcome": "review", "reason": "hate"},
        {"outcome": "release", "reason": "hate"},
    ],
)
def test_a_refused_answer_keeps_what_was_entered(pages, browser, clip, wrong):
    path, fields = claimed(browser)
    refused = browser.post(f"{path}/decide", data={**fields, **wrong, "note": "a long <thought>"})
    assert refused.status_code == 422
    assert "a long &lt;thought&gt;</textarea>" in refused.text
    assert re.search(r'role="alert">[^<]+</p>', refused.text)
    if wrong["reason"]:
        assert f'value="{wrong["reason"]}" selected' in refused.text
    assert Fields(refused.text).hidden["version"] == fields["version"]
    assert scalar(pages, "select count(*) from moderation.decisions where actor = 'dev'") == 0


def test_a_reason_that_is_no_code_is_refused_by_the_api_too(pages, clip):
    case = pages.client.post("/v1/queues/failures/claim", json={}).json()
    answer = {"outcome": "block", "lease_token": case["lease"]["token"], "version": case["version"]}
    path = f"/v1/cases/{case['id']}/decision"
    assert pages.client.post(path, json={**answer, "reason": "because"}).status_code == 422
    assert pages.client.post(path, json={**answer, "reason": "hate"}).status_code == 200


def test_a_lost_lease_says_so_and_records_nothing(pages, browser, clip):
    path, fields = claimed(browser)
    answer = {**fields, "outcome": "block", "reason": "hate", "note": "kept"}
    with pages.services.database.transaction("default") as tx:
        tx.pg.execute("update moderation.cases set lease_expires_at = now() - interval '1 second'")
    lost = browser.post(f"{path}/decide", data=answer)
    assert lost.status_code == 409
    assert "Nothing was recorded" in lost.text
    colleague = pages.with_scopes("review", principal="colleague")
    assert colleague.post("/v1/queues/failures/claim", json={}).status_code == 200
    theirs = browser.post(f"{path}/decide", data=answer)
    assert theirs.status_code == 409
    assert "another reviewer may have it" in theirs.text
    assert "lease_token" not in Fields(theirs.text).hidden
    taken = browser.post(f"{path}/claim", data=fields).headers["location"]
    assert "You did not get this case" in browser.get(taken).text
    assert browser.post(f"{path}/skip", data=fields).status_code == 409
    assert scalar(pages, "select count(*) from moderation.decisions where actor = 'dev'") == 0


def test_a_case_is_skipped_and_taken_again(pages, browser, clip):
    path, fields = claimed(browser)
    assert browser.post(f"{path}/skip", data=fields).headers["location"] == "/queues/failures"
    free = browser.get(path).text
    assert "Nobody has this case" in free
    assert "lease_token" not in Fields(free).hidden
    assert browser.post(f"{path}/claim", data=fields).headers["location"] == path
    assert "lease_token" in Fields(browser.get(path).text).hidden


@pytest.fixture
def general(run_app) -> tuple[object, httpx.Client]:
    """A service whose session belongs to a reviewer who is no specialist."""

    def factory(settings):
        app = create_app(settings)
        app.state.session_principal = lambda _: Principal(
            org="default", principal="general", scopes=frozenset({"review"}), kind="person"
        )
        return app

    service = run_app(factory)
    return service, service.with_headers(**HEADERS)


@pytest.mark.parametrize("queue", ["minor_safety", "known_illegal"])
def test_the_specialists_queues_are_shut_to_others(general, drawn, queue):
    service, browser = general
    clip = service.client.post("/v1/clips", files={"file": drawn.read_bytes()}).json()["id"]
    holding.ask_a_person(service.services, "default", clip, 1, "processing_failed", "it broke")
    with service.services.database.transaction("default") as tx:
        tx.pg.execute("update moderation.cases set queue = %s", [queue])
    case = scalar(service, "select case_id from moderation.cases")
    assert queue not in browser.get("/queues").text
    assert browser.get(f"/queues/{queue}").status_code == 403
    assert browser.get(f"/review/{case}").status_code == 403
    assert browser.get(f"/v1/cases/{case}/renditions/veiled").status_code == 403
    token = Fields(browser.get("/queues").text).hidden["form_token"]
    assert browser.post(f"/queues/{queue}/start", data={"form_token": token}).status_code == 403
    assert browser.post(f"/review/{case}/claim", data={"form_token": token}).status_code == 403
    fields = {"form_token": token, "outcome": "block", "reason": "hate", "lease_token": "x", "version": "1"}
    assert browser.post(f"/review/{case}/decide", data=fields).status_code == 403


def test_of_known_illegal_material_nothing_is_shown_and_nothing_lifted(pages, browser, clip):
    with pages.services.database.transaction("default") as tx:
        tx.pg.execute("update moderation.cases set queue = 'known_illegal'")
    path, fields = claimed(browser, "known_illegal")
    page = browser.get(path).text
    assert "<video" not in page
    assert re.findall(r'name="outcome" value="(\w+)"', page) == ["block"]
    assert browser.post(f"{path}/decide", data={**fields, "outcome": "allow"}).status_code == 422


def test_pages_speak_the_readers_language_and_direction(browser, clip):
    path, fields = claimed(browser)
    french = browser.get(path, headers={"Accept-Language": "de, fr-CA;q=0.8, en;q=0.5"}).text
    assert '<html lang="fr" dir="ltr"' in french
    assert "Pourquoi ce cas est ici" in french
    back = {"form_token": fields["form_token"], "language": "ar", "back": path}
    assert browser.post("/language", data=back).headers["location"] == path
    arabic = browser.get(path, headers={"Accept-Language": "fr"}).text
    assert '<html lang="ar" dir="rtl"' in arabic
    assert "لماذا هي هنا" in arabic
    assert browser.post("/language", data={**back, "language": "xx"}).status_code == 404
    assert browser.post("/language", data={**back, "back": "//evil"}).headers["location"] == "/queues"
