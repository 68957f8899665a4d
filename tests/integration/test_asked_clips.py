"""From the upload to the mark: clips of somebody who wants to be asked. Real networks, a real service, a passkey in software."""

import html
import json
import re
from pathlib import Path

import cv2
import httpx
import pytest
from authenticator import Authenticator

from moderation import consent
from moderation.checking import InlineSteps, check_file
from moderation.clips import Submission
from moderation.db.clips import read_clip
from moderation.enrolment import register_person
from moderation.pipeline import process_clip
from moderation.samples.footage import write_footage
from moderation.samples.portraits import portrait
from moderation.samples.stills import near
from moderation.settings import Settings
from moderation.verification import verify_file
from review_ui.app import create_app

pytestmark = pytest.mark.full
ORG = "default"
SHOWN = "collins"
MARKS = ("c2pa", "invisible", "visible", "fingerprint")
#: Whoever is asked lets one of these through and the other not.
ANSWERS = {"yes": 1.0, "no": 0.8}


class Owner:
    """The person at their own page: no account, a link, and a device that signs."""

    def __init__(self, pages, person: str) -> None:
        self._client = pages.with_headers()
        self._client.follow_redirects = True
        self._device = Authenticator()
        link = pages.client.post(f"/v1/people/{person}/links", json={"on_behalf_of": None}).json()["url"]
        self._send("/mine/enter", self._client.get("/mine/enter"), link=link)
        asked = self._client.get("/mine/passkeys")
        (options,) = self._signable(asked)
        self._send("/mine/passkeys", asked, credential=json.dumps(self._device.register(options)))

    def questions(self) -> list[str]:
        """The addresses of what is asked."""
        return re.findall(r'href="(/mine/questions/ask_[0-9a-f]+)"', self._client.get("/mine").text)

    def clip_of(self, question: str) -> str:
        """Which clip a question is about; its veiled pictures can be watched."""
        assert self._client.get(f"{question}/clip", headers={"Range": "bytes=0-9"}).status_code == 206
        return re.search(r"clip_[0-9a-f]+", self._client.get(question).text)[0]

    def answer(self, question: str, said: str) -> httpx.Response:
        """Sign an answer and send it."""
        page = self._client.get(question)
        options = dict(zip(("yes", "no"), self._signable(page), strict=True))[said]
        return self._send(f"{question}/{said}", page, credential=json.dumps(self._device.sign(options["challenge"])))

    def _signable(self, page: httpx.Response) -> list[dict[str, object]]:
        return [json.loads(html.unescape(found)) for found in re.findall(r'data-passkey="([^"]+)"', page.text)]

    def _send(self, path: str, page: httpx.Response, **fields: str) -> httpx.Response:
        hidden = dict(re.findall(r'name="(form_token|sealed)" value="([^"]+)"', page.text))
        answer = self._client.post(path, data={**hidden, **fields})
        assert answer.status_code == 200, answer.text
        return answer


@pytest.fixture
def pages(run_app, loaded):
    served = run_app(create_app, url="http://localhost")
    served.services.__dict__["detectors"] = loaded
    return served


@pytest.fixture
def person(pages) -> str:
    """Somebody whose one grant lets everyone use their face, once they were asked."""
    services, picture = pages.services, portrait(SHOWN, Settings().models)
    made = register_person(services, ORG, name="She", kind="cameo", images=[picture], by="test", sources=["test"])
    with services.database.transaction(ORG) as tx:
        consent.grant(tx, services.clock.now(), made, scope="face", mode="ask_me", by="test")
    return made


def hand_in(services, folder: Path, person: str, name: str, filling: float) -> str:
    """Take a clip that shows the person through the whole pipeline."""
    picture = cv2.imread(str(portrait(SHOWN, Settings().models)))
    path = folder / f"{name}.mp4"
    write_footage(path, near(picture, 45, 960, 960, filling=filling), fps=30)
    return check_file(services, ORG, "test", path, Submission(creator="maya", cameos=(person,))).clip_id


def judge_again(services, clip: str) -> None:
    """Carry out, as a worker would, the run to which an answer sent a clip."""
    with services.database.transaction(ORG) as tx:
        generation = read_clip(tx, clip).generation
    assert generation == 2
    process_clip(InlineSteps(services), ORG, clip, generation)


def standing(pages, clip: str) -> tuple[str, str, int]:
    """A clip's status, what is known of the consent, and what asking for its file gives."""
    document = pages.client.get(f"/v1/clips/{clip}").json()
    (seen,) = document["people"]
    return document["status"], seen["consent"], pages.client.get(f"/v1/clips/{clip}/media").status_code


def test_a_clip_waits_for_its_person_and_only_their_yes_releases_it(pages, person, tmp_path):
    services = pages.services
    clips = {said: hand_in(services, tmp_path, person, said, filling) for said, filling in ANSWERS.items()}
    for clip in clips.values():
        assert standing(pages, clip) == ("in_review", "undetermined", 409)
    owner = Owner(pages, person)
    questions = {owner.clip_of(question): question for question in owner.questions()}
    assert set(questions) == set(clips.values())
    for said, clip in clips.items():
        assert "Your answer is signed and recorded." in owner.answer(questions[clip], said).text
        assert pages.client.get(f"/v1/clips/{clip}/media").status_code == 409, "an answer alone publishes nothing"
        judge_again(services, clip)
    assert standing(pages, clips["yes"]) == ("released", "consented", 200)
    assert standing(pages, clips["no"]) == ("in_review", "not_consented", 409)
    released = tmp_path / "released.mp4"
    released.write_bytes(pages.client.get(f"/v1/clips/{clips['yes']}/media").content)
    found = verify_file(services, released)
    assert (found["origin"], found["clip_id"], found["consent_state"]) == ("ours", clips["yes"], "in_force")
    assert {name: layer["state"] for name, layer in found["layers"].items()} == dict.fromkeys(MARKS, "found")
    assert owner.questions() == []
