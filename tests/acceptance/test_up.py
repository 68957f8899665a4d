"""The product as a newcomer runs it: `moderation up`, a clip in, the same answer twice, its copy known, Ctrl-C."""

import json
import signal
import stat
from pathlib import Path

import httpx
import pytest

from moderation.samples.copies import encode_again
from moderation.samples.drawing import draw_clip

pytestmark = [pytest.mark.full, pytest.mark.timeout(1800)]
MARKS = ("visible", "invisible", "c2pa")


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small clip whose path no shell would take unquoted."""
    folder = tmp_path_factory.mktemp("a folder")
    draw_clip(folder / "vidéo 视频.mp4", seconds=1, width=320, height=180)
    return folder / "vidéo 视频.mp4"


@pytest.fixture(scope="module")
def kept(deploy):
    return deploy()


@pytest.fixture
def up(kept):
    """The module's deployment, running."""
    if not kept.running:
        kept.start()
    return kept


@pytest.fixture(scope="module")
def released(kept, drawn: Path) -> tuple[dict, Path]:
    """The drawn clip's verdict, and the file that was released."""
    if not kept.running:
        kept.start()
    target = drawn.with_name("released.mp4")
    document = kept.answer(
        "submit", drawn, "--creator", "ann", "--prompt", "une maison", "--wait", 120, "--out", target
    )
    assert document["status"] == "released", document
    return document, target


def same_of_every_run(document: dict) -> dict:
    """What the same bytes, said of in the same words, always get; ids and times left out."""
    decision = {name: document["decision"][name] for name in ("outcome", "reasons", "policy_version")}
    signals = {name: document[name] for name in ("signals", "segments", "faces", "notes", "audience")}
    return {"decision": decision, **signals}


def test_who_may_read_the_development_file(up):
    file = up.state / "dev.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert set(json.loads(file.read_text())) == {"url", "api_key", "reviewer_login_url"}


def test_the_log_in_of_the_development_file_opens_the_queues(up):
    with httpx.Client(follow_redirects=True, timeout=60) as browser:
        page = browser.get(up.development()["reviewer_login_url"])
        assert page.status_code == 200
        assert "text/html" in page.headers["content-type"]
        assert browser.cookies


def test_submit_and_check_give_the_same_verdict_bit_for_bit(up, drawn, released):
    over_http, _ = released
    here = up.answer("check", drawn, "--creator", "ann", "--prompt", "une maison")
    assert here["id"] != over_http["id"]
    # Equal as JSON text: not one digit of one score differs.
    assert json.dumps(same_of_every_run(here)) == json.dumps(same_of_every_run(over_http))
    with up.client() as client:
        assert same_of_every_run(client.get(f"/v1/clips/{here['id']}").json()) == same_of_every_run(here)


def test_an_unusable_file_gets_the_same_problem_over_http_and_here(up, tmp_path):
    text = tmp_path / "text.mp4"
    text.write_text("not a video")
    over_http, here = up.answer("submit", text, code=3), up.answer("check", text, code=3)
    assert over_http.pop("request_id")
    assert over_http == here
    assert here["code"] == "not_video"


def test_the_released_file_proves_all_its_marks(up, released):
    document, file = released
    answer = up.answer("verify", file)
    assert (answer["origin"], answer["clip_id"], answer["confidence"]) == ("ours", document["id"], 1.0)
    assert {name: answer["layers"][name]["state"] for name in MARKS} == dict.fromkeys(MARKS, "found")
    assert {name: document["marks"][name]["state"] for name in MARKS} == dict.fromkeys(MARKS, "found")


def test_a_copy_encoded_again_is_still_ours_by_the_invisible_mark(up, released, tmp_path):
    document, file = released
    copy = encode_again(file, tmp_path / "copy.mp4", crf=28)
    answer = up.answer("verify", copy)
    assert (answer["origin"], answer["clip_id"]) == ("ours", document["id"])
    assert answer["layers"]["invisible"]["state"] == "found"
    assert answer["layers"]["c2pa"]["state"] == "not_found"
    with httpx.Client(base_url=up.url, timeout=120) as anybody, copy.open("rb") as content:
        asked = anybody.post("/v1/verify", files={"file": ("copy.mp4", content, "video/mp4")}).json()
    assert (asked["origin"], asked["clip_id"]) == ("ours", document["id"])
    # What helps to wear a mark down (scores, places) is for those with a key.
    assert {name: layer["state"] for name, layer in asked["layers"].items()} == {
        name: layer["state"] for name, layer in answer["layers"].items()
    }
    assert "geometry" not in asked["layers"]["invisible"]


def test_the_upload_itself_carries_no_mark(up, drawn, released):
    answer = up.answer("verify", drawn, code=1)
    assert (answer["origin"], answer["clip_id"], answer["confidence"]) == ("unknown", None, 0.0)
    assert {answer["layers"][name]["state"] for name in ("c2pa", "invisible")} == {"not_found"}


def test_doctor_is_green_beside_the_service(up):
    assert up.answer("doctor")["healthy"] is True


def test_a_wrong_key_opens_nothing(up):
    assert httpx.get(f"{up.url}/v1/queues", headers={"Authorization": "Bearer csk_no"}, timeout=30).status_code == 401
    assert httpx.get(f"{up.url}/v1/queues", timeout=30).status_code == 401


def test_ctrl_c_leaves_nothing_and_the_next_start_finds_all(up, released):
    assert any(process.command[0].endswith("/postgres") for process in up.processes().values())
    assert up.interrupt() == 0, up.told()
    assert not (up.state / "dev.json").exists()
    assert up.processes() == {}
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{up.url}/livez", timeout=5)

    assert up.answer("doctor")["healthy"] is True
    assert up.answer("replay", "--all")["different"] == []
    assert up.answer("audit", "verify")["whole"] is True
    assert up.processes() == {}

    up.start()
    with up.client() as client:
        assert client.get(f"/v1/clips/{released[0]['id']}").json()["status"] == "released"


def test_a_terminated_service_ends_as_cleanly(up):
    up.process.send_signal(signal.SIGTERM)
    assert up.process.wait(60) == 0
    assert not (up.state / "dev.json").exists()
    assert up.processes() == {}
