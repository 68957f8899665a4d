"""A notice that comes while its clip is on the way: at whichever step, the clip is never out before a person decided."""

import pytest

from moderation import intake
from moderation.checking import InlineSteps
from moderation.clips import Submission
from moderation.notices import stops
from moderation.pipeline import process_clip
from moderation.samples.drawing import draw_clip

ORG = "default"
#: Between what was seen of a clip and its release.
BETWEEN = ("mark", "judge", "prove", "release")


class Interrupted(InlineSteps):
    """Carries the steps out, and lets somebody file a notice before one of them."""

    def __init__(self, services, before, act):
        super().__init__(services)
        self._waiting = {before: act}

    def run(self, step, *args):
        self._waiting.pop(step, lambda: None)()
        return super().run(step, *args)


@pytest.mark.full
def test_a_notice_between_detection_and_release_keeps_the_clip_in(bureau, embedded_pack, monkeypatch):
    path = bureau.folder / "clip.mp4"
    draw_clip(path, seconds=1, width=320, height=180)

    def go(before):
        clip = intake.accept_file(bureau.services, ORG, "tester", path, Submission(creator="ana"), runner="check")
        receipts = []
        steps = Interrupted(bureau.services, before, lambda: receipts.append(bureau.file(clip.clip_id, source="")))
        process_clip(steps, ORG, clip.clip_id, clip.generation)
        (receipt,) = receipts
        released = bureau.scalar("select count(*) from moderation.releases where clip_id = %s", clip.clip_id)
        return bureau.status(clip.clip_id), released, bureau.state(receipt), receipt.notice.hidden

    assert [go(step) for step in BETWEEN] == [("in_review", 0, "open", True)] * len(BETWEEN)
    with monkeypatch.context() as off:
        off.setattr(stops, "stands", lambda *_: False)
        assert go("release")[:2] == ("released", 1)
