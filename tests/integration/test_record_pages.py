"""Search, the audit log and verify as pages: what they show to whom, their exports, and that every page is sound HTML."""

import csv
import io
import json
import re
from html.parser import HTMLParser

import httpx
import pytest

from moderation import audit, sessions
from moderation.ids import new_id
from moderation.keys import Principal
from review_ui.app import create_app

SAME_ORIGIN = {"Sec-Fetch-Site": "same-origin"}
VOID = {
    "area",
    "base",
    "br",
    "col",
    "hr",
    "img",
    "input",
    "link",
    "meta",
    "source",
    "track",
    "wbr",
    "path",
    "rect",
    "line",
    "circle",
    "use",
}
LONG = "Donaudampfschifffahrtsgesellschaftskapitän" * 8


class Page(HTMLParser):
    """A page as its parser sees it: tags balanced, ids single, controls labelled, nothing inline."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.wrong: list[str] = []
        self.ids: list[str] = []
        self.named: set[str] = set()
        self.controls: list[dict[str, str]] = []
        self.feed(text)
        self.close()
        self.wrong += [f"not closed: {tag}" for tag in self.open]
        self.wrong += [f"id twice: {each}" for each in set(self.ids) if self.ids.count(each) > 1]
        for control in self.controls:
            labelled = control.get("id") in self.named or "aria-label" in control or "aria-labelledby" in control
            if not labelled and control.get("type") != "hidden":
                self.wrong.append(f"no label: {control}")

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if tag not in VOID:
            self.open.append(tag)
        if "id" in found:
            self.ids.append(found["id"])
        if tag == "label":
            self.named.add(found["for"])
        if tag in {"input", "select", "textarea"}:
            self.controls.append(found)
        if "style" in found or any(name.startswith("on") for name in found) or (tag == "script" and "src" not in found):
            self.wrong.append(f"inline: {tag} {found}")

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.wrong.append(f"closed: {tag}")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)


def sound(answer: httpx.Response, status: int = 200) -> str:
    assert answer.status_code == status, answer.text
    assert Page(answer.text).wrong == [], answer.url
    return answer.text


@pytest.fixture
def pages(run_app):
    return run_app(create_app)


def browser(pages, *scopes: str, name: str = "person-a") -> httpx.Client:
    """Somebody logged in with these scopes."""
    principal = Principal(org="default", principal=name, scopes=frozenset(scopes), kind="person")
    client = pages.with_headers(**SAME_ORIGIN)
    client.cookies.set("countersign_session", sessions.begin(pages.services, principal, method="development"))
    return client


def fill(pages, clips: int, *, prompt: str = "a cat", creator: str = "noor", queue: str | None = None) -> list[str]:
    """Clips, the newest last, each with an entry of the log."""
    services, made = pages.services, [new_id("clip") for _ in range(clips)]
    with services.database.transaction() as tx:
        for number, clip in enumerate(made):
            tx.pg.execute(
                "insert into moderation.clips (org_id, clip_id, status, creator, prompt, created_at, updated_at) values"
                " ('default', %s, 'released', %s, %s, now() - %s * interval '1 minute', now())",
                [clip, creator, prompt, clips - number],
            )
            audit.record(tx, services.clock.now(), "system", "clip.received", clip, sha256="")
            if queue:
                tx.pg.execute(
                    "insert into moderation.decisions (org_id, decision_id, clip_id, seq, outcome, body, actor_kind, actor, created_at)"
                    " values ('default', %s, %s, 1, 'review', '{\"outcome\": \"review\", \"reasons\": [], \"trace\": []}', 'rule', 'policy', now())",
                    [f"dec_{clip}", clip],
                )
                tx.pg.execute(
                    "insert into moderation.cases (org_id, case_id, clip_id, queue, opened_by, deadline, created_at)"
                    " values ('default', %s, %s, %s, %s, now(), now())",
                    [f"case_{clip}", clip, queue, f"dec_{clip}"],
                )
    return made


def token(client: httpx.Client, path: str) -> str:
    return re.search(r'name="form_token" value="(\w+)"', client.get(path).text)[1]


def test_who_may_open_what(pages):
    reviewer, auditor, nobody = (
        browser(pages, "review"),
        browser(pages, "audit", name="person-b"),
        browser(pages, "policy", name="person-c"),
    )
    for client, path, status in (
        (reviewer, "/search", 200), (auditor, "/search", 200), (nobody, "/search", 403), (reviewer, "/audit", 403),
        (auditor, "/audit", 200), (reviewer, "/audit/0-1", 403), (reviewer, "/creators/cr_1", 403), (auditor, "/creators/cr_1", 404),
        (auditor, "/audit/0-999", 404), (auditor, "/audit/x", 404), (auditor, "/audit/²-1", 404), (nobody, "/verify", 200),
    ):  # fmt: skip
        sound(client.get(path), status)
    stranger = pages.with_headers()
    for path in ("/search", "/audit", "/creators/cr_1"):
        assert stranger.get(path).headers["location"].startswith("/login")
    assert reviewer.post("/audit/check", data={"form_token": token(reviewer, "/search")}).status_code == 403
    assert auditor.post("/audit/check").status_code == 403


def test_search_shows_what_matches_and_its_address_shows_it_again(pages):
    clips = fill(pages, 52, prompt=f"<script>alert(1)</script> قطة {LONG}")
    client = browser(pages, "review")
    first = sound(client.get("/search?status=released&words=قطة"))
    assert "50 clips on this page" in first
    assert "<script>alert" not in first
    assert 'value="قطة"' in first
    following = re.search(r'rel="next" href="([^"]+)"', first)[1].replace("&amp;", "&")
    second = sound(client.get(following))
    assert "2 clips on this page" in second
    assert clips[0] in second
    assert clips[0] not in first
    assert "First page" in second
    assert "<img" not in first
    assert "<video" not in first


@pytest.mark.parametrize("language", ["en", "fr", "ar"])
def test_pages_without_anything_say_so_in_every_language(pages, language):
    client = browser(pages, "review", "audit", "admin")
    headers = {"Accept-Language": language}
    text = {"en": "No clips match.", "fr": "Aucun clip ne correspond.", "ar": "لا مقاطع مطابقة."}[language]
    assert text in sound(client.get("/search", headers=headers))
    for path in ("/audit?action=none", "/verify", "/login"):
        assert f'lang="{language}"' in sound(client.get(path, headers=headers))


def test_a_field_that_cannot_be_read_says_what_would_do(pages):
    client = browser(pages, "review", "audit")
    for path, says in (
        ("/search?number=123", "Write the number of a clip"), ("/search?since=yesterday", "Write a day as"),
        ("/search?until=9999-12-31", "Write a day as"), ("/audit?until=1-1-1", "Write a day as"),
    ):  # fmt: skip
        text = sound(client.get(path), 422)
        assert says in text
        assert 'aria-invalid="true"' in text
    for odd in (
        "/search?after=x",
        "/search?after=MjAyNg==",
        "/search?words=%26%26%20!!%20(",
        f"/search?words={LONG}",
    ):
        assert client.get(odd).status_code == 200, odd
    assert client.get("/audit?after=%00").status_code == 400


def test_specialists_clips_are_not_in_a_reviewers_search(pages):
    (clip,) = fill(pages, 1, queue="minor_safety")
    assert clip not in browser(pages, "review").get("/search").text
    assert clip not in browser(pages, "review", name="person-z").get(f"/search?number={clip}").text.replace(
        f'value="{clip}"', ""
    )
    page = browser(pages, "review", "specialist", name="person-s").get("/search").text
    assert f'href="/review/case_{clip}"' in page
    reviewer = browser(pages, "review", name="person-y").get("/search").text
    assert 'value="minor_safety"' not in reviewer


def test_exports_are_files_that_no_spreadsheet_runs_and_are_written_down(pages):
    fill(pages, 2, prompt='=HYPERLINK("http://evil.example")')
    client = browser(pages, "review", "audit")
    form = {"form_token": token(client, "/search"), "asked": "words=hyperlink"}
    answer = client.post("/search/export", data={**form, "form": "csv"})
    assert answer.headers["content-disposition"] == 'attachment; filename="clips.csv"'
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert len(rows) == 2
    assert rows[0]["words"].startswith("'=")
    lines = client.post("/search/export", data={**form, "form": "jsonl"}).text.splitlines()
    assert json.loads(lines[0])["words"].startswith("=")
    log = client.post(
        "/audit/export", data={**form, "asked": "action=search.exported", "form": "jsonl"}
    ).text.splitlines()
    assert [json.loads(line)["details"]["clips"] for line in log] == [2, 2]
    assert client.get("/audit?action=audit.exported").text.count("audit.exported") >= 1
    for refused in ({**form, "form_token": "x"}, {"asked": ""}):
        assert client.post("/search/export", data=refused).status_code == 403


def test_the_log_opens_into_full_entries(pages):
    (clip,) = fill(pages, 1)
    client = browser(pages, "audit")
    listed = sound(client.get(f"/audit?subject={clip}"))
    place = re.search(r'href="/audit/(\d+-\d+)"', listed)[1]
    full = sound(client.get(f"/audit/{place}"))
    assert clip in full
    assert '"sha256"' not in full, "quotes of the record are escaped"
    assert "sha256" in full
    assert re.search(r'href="/creators/(cr_\w+)"', full)
    assert "noor" not in full + listed


def test_a_broken_chain_is_said_on_every_page_of_leads(pages):
    fill(pages, 2)
    lead, reviewer = browser(pages, "audit", "review"), browser(pages, "review", name="person-r")
    assert "Not checked yet" in sound(lead.get("/audit"))
    asked = {"form_token": token(lead, "/audit")}
    assert lead.post("/audit/check", data=asked).headers["location"] == "/audit#check"
    assert "every hash as it must be" in sound(lead.get("/audit"))
    with pages.services.database.system_transaction() as tx:
        tx.pg.execute("alter table moderation.audit_entries disable trigger audit_entries_append_only")
        tx.pg.execute("update moderation.audit_entries set body = replace(body, 'clip.received', 'clip.accepted')")
    lead.post("/audit/check", data=asked)
    assert "its content was changed" in sound(lead.get("/audit"))
    for path in ("/queues", "/search"):
        assert "chain is broken" in sound(lead.get(path))
        assert "chain is broken" not in sound(reviewer.get(path))


def test_a_creators_name_takes_an_administrator_and_a_reason(pages):
    fill(pages, 1)
    lead, auditor = browser(pages, "admin", "audit"), browser(pages, "audit", name="person-b")
    pseudonym = re.search(r"/search\?number=(cr_\w+)", lead.get("/search").text)[1]
    path = f"/creators/{pseudonym}"
    assert "Only an administrator" in sound(auditor.get(path))
    assert (
        auditor.post(path, data={"form_token": token(auditor, path), "why": "a court asks for it"}).status_code == 403
    )
    form = {"form_token": token(lead, path)}
    refused = sound(lead.post(path, data={**form, "why": "because"}), 422)
    assert ">because</textarea>" in refused, "what was written is kept"
    assert "noor" not in refused
    assert "noor" in sound(lead.post(path, data={**form, "why": "a court asks for it"}))
    assert "noor" not in sound(lead.get(path))
    assert "creator.unmasked" in lead.get("/audit?action=creator.unmasked").text


def test_verify_knows_numbers_by_what_they_may_tell(pages):
    (clip,) = fill(pages, 1)
    with pages.services.database.system_transaction() as tx:
        tx.pg.execute("insert into moderation.mark_payloads values ('0a1b2c3d4e5f', 'default', %s, 1, now())", [clip])
    stranger, staff = pages.with_headers(), browser(pages, "review")
    public = sound(stranger.get("/verify?number=0A1B2C3D4E5F"))
    assert "It is published." in public
    assert clip not in public
    assert clip in sound(staff.get("/verify?number=0a1b2c3d4e5f"))
    assert "It is published." in sound(staff.get(f"/verify?number={clip}"))
    for client, number in ((stranger, clip), (stranger, "ffffffffffff"), (staff, new_id("clip")), (staff, "<script>")):
        assert "Nothing here has this number" in sound(client.get("/verify", params={"number": number}), 404)


def test_verify_gives_a_sentence_four_rows_and_no_bare_tick(pages, drawn):
    staff, stranger = browser(pages, "review"), pages.with_headers()
    for client in (stranger, staff):
        text = sound(client.post("/verify", files={"file": drawn.read_bytes()}))
        rows = re.findall(r'data-state="(\w+)">([^<]+)</span>\s*<span>([^<]+)<', text)
        assert [state for state, _, _ in rows] == ["not_checked", "not_found", "not_found", "not_checked"]
        assert all(len(word) > 2 and len(sentence) > 10 for _, word, sentence in rows)
        assert "could not be established" in text
        assert "proves nothing" in text
        assert ('href="/verify" aria-current="page"' in text) == (client is staff)
        assert ("No published clip of yours looks like it." in text) == (client is staff)
        assert ("<summary>Figures" in text) == (client is staff)


def test_verify_says_what_to_do_next(pages, monkeypatch):
    stranger = pages.with_headers()
    assert "Save it again as MP4" in sound(stranger.post("/verify", files={"file": b"a letter"}), 415)
    monkeypatch.setattr(pages.services.settings.limits, "max_bytes", 1000)
    assert "cut out the part" in sound(stranger.post("/verify", files={"file": b"x" * 5000}), 413)
