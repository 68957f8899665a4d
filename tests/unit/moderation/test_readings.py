"""Looks are kept for minutes and for some clips only; without one there is nothing to compare again."""

from dataclasses import dataclass

import numpy as np

from detectors.base import Findings, Gallery, Subject
from moderation.readings import KEPT_SECONDS, MOST, Look, Readings
from watermark.sampling import Account


@dataclass
class Comparing:
    """An inspection that answers with what it was told, and remembers whom it was asked about."""

    answer: Findings | None
    asked: Subject | None = None

    def see(self, frames):
        """Nothing."""

    def finish(self):
        return Findings(signals=())

    def again(self, subject):
        self.asked = subject
        return self.answer


class Looking:
    """An inspection whose findings depend on nobody."""

    def see(self, frames):
        """Nothing."""

    def finish(self):
        return Findings(signals=())


def gallery(version):
    return Gallery(model="m", version=version, people=(), vectors=np.empty((0, 4), np.float32))


def look(*found):
    account = Account(shots=(), unseen=(), frames=0, unseen_frames=0)
    return Look(subject=Subject(duration_ms=1000, texts={"prompt": "x"}), found=found, seen_ms=(), account=account)


def test_only_what_depends_on_the_registry_is_asked_again():
    old, new = Findings(signals=()), Findings(signals=())
    comparing = Comparing(new)
    answers = look((comparing, old), (Looking(), old)).against(gallery("7"), gallery("7"))
    assert [answer is new for answer in answers] == [True, False]
    assert (comparing.asked.gallery.version, comparing.asked.texts) == ("7", {"prompt": "x"})


def test_one_that_cannot_tell_means_another_look():
    assert look((Comparing(None), Findings(signals=()))).against(gallery("7"), gallery("7")) is None


def test_looks_are_let_go_by_age_and_number_and_when_a_clip_is_settled():
    now = [0.0]
    readings = Readings(lambda: now[0])
    readings.keep("o", "first", look())
    now[0] = KEPT_SECONDS - 1
    assert readings.find("o", "first")
    readings.keep("o", "second", look())
    now[0] = KEPT_SECONDS + 1
    readings.let_go()
    assert len(readings) == 1
    assert readings.find("p", "second") is None
    readings.forget("o", "second")
    assert readings.find("o", "second") is None
    for number in range(MOST + 5):
        readings.keep("o", str(number), look())
    assert len(readings) == MOST
    assert readings.find("o", "4") is None
    assert readings.find("o", "5")
