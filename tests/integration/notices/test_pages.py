"""The public forms: anybody, in their language, without scripts; what is wrong is said in place and nothing is lost."""

import re

import pytest

from moderation.api.notices import PER_MINUTE
from moderation.ids import new_id
from moderation.settings import Limits
from review_ui.app import create_app


@pytest.fixture
def pages(run_app):
    return run_app(create_app)


@pytest.fixture
def clip(pages):
    """A clip that is only a row, and not before anybody."""
    services, clip_id = pages.services, new_id("clip")
    now = services.clock.now()
    with services.database.transaction("default") as tx:
        tx.pg.execute(
            "insert into moderation.clips (org_id, clip_id, status, created_at, updated_at) "
            "values ('default', %s, 'processing', %s, %s)",
            (clip_id, now, now),
        )
        tx.pg.execute(
            "insert into moderation.mark_payloads (payload, org_id, clip_id, key_version, minted_at) "
            "values ('0000000000ab', 'default', %s, 1, %s)",
            (clip_id, now),
        )
    return clip_id


@pytest.fixture
def few_bytes():
    """A file may have 1000 bytes."""
    return Limits(max_bytes=1000)


def hidden(text: str) -> str:
    return re.search(r'name="form_token" value="([^"]+)"', text.partition("<main")[2])[1]


def test_a_notice_is_filed_from_the_form_and_asked_after(pages, clip):
    nobody = pages.with_headers()
    for language, title in (("en", "Give notice"), ("fr", "Signaler un clip"), ("ar", "الإبلاغ عن مقطع")):
        page = nobody.get("/notice", headers={"Accept-Language": language})
        assert (page.status_code, f"<h1>{title}" in page.text, "<label" in page.text) == (200, True, True)
    token = hidden(page.text)
    form = {"form_token": token, "kind": "likeness", "clip": "0000000000ab", "explanation": "It shows <me>."}
    refused = nobody.post("/notice", data=form)
    assert refused.status_code == 422
    for said in ("This is needed.", "not valid", 'id="contact-wrong"', 'aria-invalid="true"', "It shows &lt;me&gt;."):
        assert said in refused.text
    form |= {"contact": "zoe@example.org", "signature": "Zoe Zimmer", "good_faith": "yes"}
    stale = nobody.post("/notice", data={**form, "form_token": "guess"})
    assert (stale.status_code, "send it again" in stale.text, "It shows" in stale.text) == (403, True, True)
    elsewhere = nobody.post("/notice", data=form, headers={"Sec-Fetch-Site": "cross-site"})
    assert elsewhere.status_code == 403
    assert "No clip here has this number" in nobody.post("/notice", data={**form, "clip": "clip_none"}).text
    # No file was chosen: the part is there, and empty.
    receipt = nobody.post("/notice", data=form, files={"file": ("", b"")})
    assert receipt.status_code == 201, receipt.text
    assert "Zoe" not in receipt.text
    number, secret = re.findall(r'<dd><bdi class="id">([^<]+)</bdi></dd>', receipt.text)
    assert f"/notice/{number}" in receipt.text
    asked = nobody.post("/notice/state", data={"number": number, "token": secret})
    assert (asked.status_code, "A person looks at it" in asked.text, secret in asked.text) == (200, True, False)
    # A right number with a wrong token, and a number of nobody's, are told alike; so are their pages.
    guesses = [nobody.post("/notice/state", data={"number": n, "token": "guess"}) for n in (number, "ntc_" + "0" * 32)]
    assert {guess.status_code for guess in guesses} == {404}
    assert len({re.sub(r"ntc_\w+", "", guess.text.partition("<main")[2]) for guess in guesses}) == 1
    forms = [nobody.get(f"/notice/{n}", headers={"Accept-Language": "fr"}) for n in (number, "ntc_" + "0" * 32)]
    assert [page.status_code for page in forms] == [200, 200]
    assert len({re.sub(r"ntc_\w+", "", page.text.partition("<main")[2]) for page in forms}) == 1
    answers = {nobody.post("/notice", data=form).status_code for _ in range(PER_MINUTE)}
    assert 429 in answers


def test_the_language_can_be_chosen_on_the_public_forms(pages):
    nobody = pages.with_headers()
    for path in ("/notice", "/appeal"):
        header = nobody.get(path).text.partition("<main")[0]
        token = re.search(r'name="form_token" value="([^"]+)"', header)[1]
        form = {"form_token": token, "language": "fr", "back": path}
        answer = nobody.post("/language", data=form, follow_redirects=False)
        assert (answer.status_code, answer.headers["location"]) == (303, path)


def test_the_file_stands_last_so_that_every_field_arrives_before_it(pages):
    names = re.findall(r'<(?:input|textarea)[^>]* name="(\w+)"', pages.with_headers().get("/notice").text)
    assert names[-1] == "file"


def test_an_appeal_that_proves_nothing_says_so_in_place(pages, clip):
    nobody = pages.with_headers()
    page = nobody.get("/appeal")
    form = {"form_token": hidden(page.text), "number": clip, "decision_id": "dec_x", "token": "guess"}
    refused = nobody.post("/appeal", data=form)
    assert (refused.status_code, "This is needed." in refused.text) == (422, True)
    refused = nobody.post("/appeal", data={**form, "explanation": "It is a parody."})
    assert (refused.status_code, "do not belong to this clip" in refused.text) == (404, True)
    assert "It is a parody." in refused.text


def test_an_appeal_that_is_too_long_says_so_in_place_and_keeps_what_was_typed(pages, clip):
    nobody = pages.with_headers()
    form = {"form_token": hidden(nobody.get("/appeal").text), "number": clip, "decision_id": "dec_x", "token": "guess"}

    def send(**said):
        return nobody.post("/appeal", data={**form, "explanation": "It is a parody.", **said})

    for field, typed in (
        ("explanation", "نقد" * 7_000),
        ("number", "n" * 201),
        ("decision_id", "d" * 201),
        ("token", "t" * 201),
    ):
        refused = send(**{field: typed})
        assert (refused.status_code, "This is too long." in refused.text) == (422, True)
        assert (f'id="{field}-wrong"' in refused.text, typed in refused.text) == (True, True)
    # Browsers count the end of a line as one character and send two.
    lines = send(explanation="a parody\r\n" * 1_100)
    assert (lines.status_code, "do not belong to this clip" in lines.text) == (404, True)
    stale = send(form_token="f" * 201)
    assert (stale.status_code, "It is a parody." in stale.text) == (403, True)


def test_a_copy_is_bounded_and_what_is_wrong_with_it_is_said_beside_it(run_app, few_bytes):
    pages = run_app(create_app, limits=few_bytes)
    nobody = pages.with_headers()
    token = hidden(nobody.get("/notice").text)
    form = {"form_token": token, "kind": "likeness", "explanation": "It shows me.", "contact": "zoe@example.org"}
    form |= {"signature": "Zoe Zimmer", "good_faith": "yes"}

    def send(file, **said):
        return nobody.post("/notice", data={**form, **said}, files={"file": ("a.mp4", file)})

    nothing = nobody.post("/notice", data=form)
    assert (nothing.status_code, "or choose a copy" in nothing.text) == (422, True)
    text = send(b"no film")
    assert (text.status_code, "no video or picture" in text.text, 'id="file-wrong"' in text.text) == (415, True, True)
    assert ("choose it again" in text.text, "It shows me." in text.text) == (True, True)
    # So large that nobody waits for its end: the form stays filled in all the same.
    large = send(b"x" * 400_000)
    assert (large.status_code, "too large" in large.text, 'id="file-wrong"' in large.text) == (413, True, True)
    assert "It shows me." in large.text
    assert 'value="likeness" required checked' in large.text
    both = send(b"x" * 2000, signature="")
    assert (both.status_code, 'id="signature-wrong"' in both.text, "too large" in both.text) == (422, True, True)
    # Nothing is looked at for a notice that lacks something.
    assert send(b"no film", signature="").status_code == 422
    giant = nobody.post("/notice", data={**form, "explanation": "x" * 70_000})
    assert giant.status_code == 413
    long = nobody.post("/notice", data={**form, "clip": "0000000000ab", "explanation": "x" * 10_001})
    assert (long.status_code, "This is too long." in long.text) == (422, True)
    for hostile in ("a\x00b", "a\u202eb", "a\x1bb"):
        refused = nobody.post("/notice", data={**form, "clip": "0000000000ab", "explanation": hostile})
        assert (refused.status_code, "cannot be used here" in refused.text) == (422, True)
    assert list(pages.services.scratch().glob("upload-*")) == []


def test_a_copy_may_be_larger_than_other_bodies_are(pages):
    nobody = pages.with_headers()
    form = {"form_token": hidden(nobody.get("/notice").text), "kind": "likeness", "explanation": "It shows me."}
    form |= {"contact": "zoe@example.org", "signature": "Zoe Zimmer", "good_faith": "yes"}
    answer = nobody.post("/notice", data=form, files={"file": ("a.mp4", b"no film." * 200_000)})
    assert (answer.status_code, 'id="file-wrong"' in answer.text) == (415, True)
    assert answer.headers["content-type"].startswith("text/html")
