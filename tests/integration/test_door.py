"""A decoder killed while a clip is handed in costs nobody a good clip; a clip that kills decoders is refused.

Real children, which end themselves by SIGKILL as the kernel would; unconfined, so that they can count their deaths.
"""

import textwrap
from pathlib import Path

import pytest
from clips import ClipPlan, draw_clip

from moderation.errors import Outage, RefusedAtTheDoor
from moderation.media import examine
from moderation.sandbox import Sandbox
from moderation.settings import Limits

JOBS = """
    import os, signal, time
    from pathlib import Path
    from moderation.sandbox import jobs

    folder = Path({folder!r})

    def probe(arguments, writer):
        with (folder / "asked").open("a") as asked:
            asked.write("x")
        deaths = int((folder / "deaths").read_text())
        if deaths:
            (folder / "deaths").write_text(str(deaths - 1))
        content = Path(arguments["source"]).read_bytes()
        if deaths or content.endswith(b"deadly"):
            os.kill(os.getpid(), signal.SIGKILL)
        if content.endswith(b"endless"):
            time.sleep(60)
        return jobs.TABLE["probe"](arguments, writer)

    TABLE = dict(jobs.TABLE, probe=probe)
"""


class Decoders:
    """A sandbox whose next children die of a probe, as often as is asked."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "mortal_jobs.py").write_text(textwrap.dedent(JOBS.format(folder=str(folder))))
        self.kill(0)
        self.sandbox = Sandbox(
            Limits(decode_seconds=3),
            folder=folder / "airlocks",
            confine=False,
            require_confinement=False,
            jobs="mortal_jobs",
            search_path=[folder],
        )

    def kill(self, times: int) -> None:
        (self.folder / "deaths").write_text(str(times))
        (self.folder / "asked").write_text("")

    @property
    def asked(self) -> int:
        return len((self.folder / "asked").read_text())


@pytest.fixture
def mortal(tmp_path):
    made = Decoders(tmp_path)
    with made.sandbox:
        yield made


@pytest.fixture
def clip(tmp_path):
    path = tmp_path / "clip.mp4"
    draw_clip(path, ClipPlan(frames=20))
    return path


def ending_with(clip: Path, words: bytes) -> Path:
    path = clip.with_stem(words.decode())
    path.write_bytes(clip.read_bytes() + words)
    return path


def test_a_good_clip_outlives_a_decoder_that_is_killed(mortal, clip):
    mortal.kill(1)
    assert examine(mortal.sandbox, clip).frames == 20
    assert mortal.asked == 2


def test_a_clip_that_kills_decoders_is_refused_and_the_next_is_not(mortal, clip):
    with pytest.raises(RefusedAtTheDoor) as refused:
        examine(mortal.sandbox, ending_with(clip, b"deadly"))
    assert (refused.value.status, refused.value.code) == (415, "decode_failed")
    assert mortal.asked == 3, "two tries and the drawn clip"
    assert examine(mortal.sandbox, clip).frames == 20


def test_decoders_that_die_of_any_file_are_an_outage(mortal, clip):
    mortal.kill(3)
    with pytest.raises(Outage) as outage:
        examine(mortal.sandbox, clip)
    assert (outage.value.status, outage.value.cause) == (503, "decoder")
    assert examine(mortal.sandbox, clip).frames == 20


def test_a_clip_that_stalls_its_decoder_is_not_tried_again(mortal, clip):
    with pytest.raises(RefusedAtTheDoor) as refused:
        examine(mortal.sandbox, ending_with(clip, b"endless"))
    assert refused.value.code == "decode_failed"
    assert mortal.asked == 1


def test_a_caller_is_told_to_come_again_and_nothing_is_kept(run_app, mortal, clip):
    running = run_app()
    running.services.sandbox = mortal.sandbox
    mortal.kill(3)

    def hand_in():
        files = {"metadata": (None, '{"creator": "someone"}', "application/json"), "file": clip.read_bytes()}
        return running.client.post("/v1/clips", files=files, headers={"Idempotency-Key": "the-same"})

    answer = hand_in()
    assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")
    assert (answer.json()["code"], answer.json()["cause"]) == ("outage", "decoder")
    assert int(answer.headers["retry-after"]) > 0
    assert running.client.get("/v1/clips").json()["items"] == []
    assert hand_in().status_code == 202, "the key may be used again"
    assert len(running.client.get("/v1/clips").json()["items"]) == 1
