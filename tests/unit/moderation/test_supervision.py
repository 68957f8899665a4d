"""Children of `up`: started again whenever they die, ever more slowly, and at once again after a healthy life."""

import socket
import time

import pytest

from moderation.errors import Unprocessable
from moderation.settings import Settings
from moderation.supervision import HEALTHY_SECONDS, LONGEST_PAUSE, Child, demand_port


def die_once(child: Child) -> float:
    """Let a child start, die and be noticed; the pause before its next start."""
    child.start_at = 0
    child.tend()
    assert child.process is not None
    child.process.wait()
    child.tend()
    assert child.process is None
    return child.start_at - time.monotonic()


@pytest.fixture
def child() -> Child:
    return Child(name="short-lived", command=["/bin/true"], environment={})


def test_a_child_that_keeps_dying_is_started_ever_more_slowly_but_always_again(child):
    pauses = [round(die_once(child), 1) for _ in range(6)]
    assert pauses == sorted(pauses)
    assert pauses[0] < 1.1
    assert LONGEST_PAUSE - 1 < pauses[-1] <= LONGEST_PAUSE
    for _ in range(20):
        die_once(child)
    child.deaths = 100_000
    assert die_once(child) <= LONGEST_PAUSE


def test_after_a_healthy_life_the_pause_is_the_shortest_again(child):
    for _ in range(6):
        die_once(child)
    child.start_at = 0
    child.tend()
    assert child.process is not None
    child.process.wait()
    child.started_at -= HEALTHY_SECONDS
    child.tend()
    assert child.start_at - time.monotonic() < 1.1


def test_a_port_that_is_let_go_of_is_waited_for_and_a_taken_one_is_named(monkeypatch):
    monkeypatch.setattr("moderation.supervision.PORT_SECONDS", 0.5)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        settings = Settings(port=taken.getsockname()[1])
        with pytest.raises(Unprocessable, match="MODERATION_PORT"):
            demand_port(settings)
    demand_port(settings)
