"""The public page: anybody may ask, gets words of their language, no scores, and only so often."""

import cv2
import numpy as np
import pytest

from moderation.api.verify import PER_MINUTE
from review_ui.app import create_app


@pytest.fixture
def pages(run_app):
    return run_app(create_app)


def picture() -> bytes:
    noise = np.random.default_rng(1).integers(0, 255, (96, 160, 3), dtype=np.uint8)
    return cv2.imencode(".png", noise)[1].tobytes()


def test_anybody_is_told_in_their_language(pages, drawn):
    nobody = pages.with_headers()
    page = nobody.get("/verify", headers={"Accept-Language": "fr"})
    assert (page.status_code, "<h1>D’où vient-il\u00a0?</h1>" in page.text) == (200, True)
    for language, word in (
        ("en", "could not be established"),
        ("ar", "تعذّر تحديد مصدر"),
        ("fr", "n’a pas pu être établie"),
    ):
        answer = nobody.post("/verify", files={"file": picture()}, headers={"Accept-Language": language})
        assert answer.status_code == 200
        assert word in answer.text
        assert f'lang="{language}"' in answer.text
    film = nobody.post("/verify", files={"file": drawn.read_bytes()})
    assert "Not found" in film.text
    assert "0." not in film.text.partition("<main")[2]


def test_what_cannot_be_read_is_said_on_the_page(pages):
    refused = pages.with_headers().post("/verify", files={"file": b"a letter"})
    assert (refused.status_code, "neither a video nor a picture" in refused.text) == (415, True)
    assert list(pages.services.scratch().glob("upload-*")) == []


def test_page_and_api_share_one_limit(pages):
    nobody = pages.with_headers()
    answers = [nobody.post("/verify", files={"file": b"x"}).status_code for _ in range(PER_MINUTE - 1)]
    assert set(answers) == {415}
    assert nobody.post("/v1/verify", files={"file": b"x"}).status_code == 415
    assert nobody.post("/v1/verify", files={"file": b"x"}).status_code == 429
    assert nobody.post("/verify", files={"file": b"x"}).status_code == 429


def test_a_picture_is_answered_by_the_api(pages):
    answer = pages.with_headers().post("/v1/verify", files={"file": picture()})
    assert answer.status_code == 200, answer.text
    assert answer.json()["origin"] == "unknown"
    assert answer.json()["layers"]["invisible"]["state"] == "not_found"
