"""The public forms: anybody, in their language, without scripts; what is wrong is said in place and nothing is lost."""

import re

import pytest

from moderation.api.notices import PER_MINUTE
from moderation.ids import new_id
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
    assert "number or address" in nobody.post("/notice", data={**form, "clip": "clip_none"}).text
    receipt = nobody.post("/notice", data=form)
    assert receipt.status_code == 201, receipt.text
    assert "Zoe" not in receipt.text
    number, secret = re.findall(r'<dd><bdi class="id">([^<]+)</bdi></dd>', receipt.text)
    asked = nobody.post("/notice/state", data={"number": number, "token": secret})
    assert (asked.status_code, "A person looks at it" in asked.text) == (200, True)
    assert nobody.post("/notice/state", data={"number": number, "token": "guess"}).status_code == 404
    answers = {nobody.post("/notice", data=form).status_code for _ in range(PER_MINUTE)}
    assert 429 in answers


def test_an_appeal_that_proves_nothing_says_so_in_place(pages, clip):
    nobody = pages.with_headers()
    page = nobody.get("/appeal")
    form = {"form_token": hidden(page.text), "number": clip, "decision_id": "dec_x", "token": "guess"}
    refused = nobody.post("/appeal", data=form)
    assert (refused.status_code, "This is needed." in refused.text) == (422, True)
    refused = nobody.post("/appeal", data={**form, "explanation": "It is a parody."})
    assert (refused.status_code, "do not belong to this clip" in refused.text) == (404, True)
    assert "It is a parody." in refused.text
