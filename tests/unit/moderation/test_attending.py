"""A detector that does not answer is left behind, and only so many times."""

import threading
import time

import pytest

from detectors.base import DetectorUnavailable
from detectors.rehearsal import RehearsalDetector
from moderation.attending import MOST_LEFT_BEHIND, Attention, Hand, LeftBehind, Overdue, probe
from moderation.loading import Loading


def threads(name):
    return {thread for thread in threading.enumerate() if thread.name == name}


def wait_until(true):
    until = time.monotonic() + 5
    while not true():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_a_hand_returns_what_the_act_returns_and_raises_what_it_raises():
    hand = Hand(LeftBehind())
    assert hand.do("any", 5, divmod, 7, 2) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        hand.do("any", 5, divmod, 7, 0)
    with pytest.raises(TimeoutError):
        hand.do("any", 5, lambda: (_ for _ in ()).throw(TimeoutError))
    assert hand.cpu_seconds > 0
    hand.close()


def test_probes_that_hang_are_bounded_and_counted_until_they_end():
    hanging = RehearsalDetector(name="hangs", values={}, slow=60)
    left_behind = LeftBehind()
    before = threads("hand")
    for _ in range(MOST_LEFT_BEHIND):
        with pytest.raises(DetectorUnavailable, match="did not answer its probe"):
            probe(hanging, left_behind, 0.02)
    for _ in range(3):
        with pytest.raises(DetectorUnavailable, match="have not ended"):
            probe(hanging, left_behind, 0.02)
    assert len(threads("hand") - before) == MOST_LEFT_BEHIND
    hanging.slow = 0
    hanging.hurried.set()
    wait_until(lambda: left_behind.of("hangs") == 0 and threads("hand") <= before)
    probe(hanging, left_behind, 5)


def test_a_detectors_acts_on_one_clip_share_one_deadline():
    slow = RehearsalDetector(name="slow", values={}, slow=0.3)
    attention = Attention(LeftBehind(), 0.5, [slow])
    attention.during(slow, slow.self_check)()
    with pytest.raises(Overdue, match=r"0\.5 s"):
        attention.during(slow, slow.self_check)()
    attention.hand.close()


def test_many_who_ask_at_once_load_once_and_a_failure_is_tried_again():
    loads = []

    def load():
        loads.append(threading.get_ident())
        time.sleep(0.1)
        if len(loads) == 1:
            raise DetectorUnavailable("damaged")
        return ()

    loading = Loading(load)
    with pytest.raises(DetectorUnavailable, match="damaged"):
        loading.wait(5)
    found = []
    asking = [threading.Thread(target=lambda: found.append(loading.wait(5))) for _ in range(8)]
    for each in asking:
        each.start()
    for each in asking:
        each.join()
    assert found == [()] * 8
    assert len(loads) == 2


def test_a_load_that_hangs_keeps_nobody_waiting_twice():
    ended = threading.Event()

    def load():
        ended.wait(60)
        return ()

    loading = Loading(load)
    with pytest.raises(DetectorUnavailable, match="not loaded"):
        loading.wait(0.2)
    began = time.monotonic()
    with pytest.raises(DetectorUnavailable, match="not loaded"):
        loading.wait(0.2)
    assert time.monotonic() - began < 0.15
    ended.set()
    assert loading.wait(5) == ()
