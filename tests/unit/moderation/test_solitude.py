"""Together or alone."""

import threading
import time

import pytest

from moderation.outcomes import Leaving
from moderation.solitude import Solitude


def test_one_who_wants_to_be_alone_waits_for_the_others_and_keeps_newcomers_out():
    solitude, seen, inside = Solitude(threading.Event()), [], threading.Event()

    def first() -> None:
        with solitude.together():
            inside.set()
            time.sleep(0.2)
            seen.append("first leaves")

    def suspect() -> None:
        with solitude.alone():
            seen.append("alone")
            time.sleep(0.2)
            seen.append("no longer")

    def newcomer() -> None:
        with solitude.together():
            seen.append("newcomer")

    threads = [threading.Thread(target=each) for each in (first, suspect, newcomer)]
    threads[0].start()
    inside.wait()
    threads[1].start()
    time.sleep(0.05)
    threads[2].start()
    for thread in threads:
        thread.join()
    assert seen == ["first leaves", "alone", "no longer", "newcomer"]


def test_many_are_inside_together():
    solitude, barrier = Solitude(threading.Event()), threading.Barrier(3, timeout=60)

    def enter() -> None:
        with solitude.together():
            barrier.wait()

    threads = [threading.Thread(target=enter) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not barrier.broken


def test_nobody_waits_in_a_process_that_stops():
    stopping = threading.Event()
    solitude = Solitude(stopping)
    with solitude.together():
        stopping.set()
        with pytest.raises(Leaving), solitude.alone():
            pass
