"""The pipe between parent and child: what is no message is refused, and silence ends."""

import os
import struct
import threading
import time

import pytest

from moderation.sandbox.channel import MESSAGE_BYTES, Allowance, Broken, ChildEnd, Overrun, ParentEnd, pack, unpack


@pytest.fixture
def pipes():
    requests_in, requests_out = os.pipe()
    answers_in, answers_out = os.pipe()
    parent = ParentEnd(requests_out, answers_in)
    yield parent, ChildEnd(requests_in, answers_out), answers_out
    parent.close()
    for fd in (requests_in, answers_out):
        os.close(fd)


def patience(seconds: float = 2.0, cpu_seconds: float = 10.0, cpu_now=lambda: 0.0) -> Allowance:
    return Allowance(seconds, cpu_seconds, cpu_now)


def test_a_message_longer_than_the_pipe_arrives_whole(pipes):
    parent, child, _ = pipes
    text = "x" * 1_000_000
    sender = threading.Thread(target=parent.send, args=({"text": text}, patience()))
    sender.start()
    assert child.receive() == {"text": text}
    sender.join()
    sender = threading.Thread(target=child.send, args=({"text": text},))
    sender.start()
    assert parent.receive(patience()) == {"text": text}
    sender.join()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[1]",
        b'"text"',
        b"{",
        b'{"a": NaN}',
        b'{"a": -Infinity}',
        b'{"a": 1e999}',
        b"\xff\xfe",
        b"[" * 100_000 + b"]" * 100_000,
        b'{"a": ' + b"9" * 5000 + b"}",
        b"\x80\x04\x95cos\nsystem\n(S'true'\ntR.",
    ],
)
def test_what_is_no_plain_object_is_refused(body):
    with pytest.raises(Broken):
        unpack(body)


def test_a_length_beyond_the_bound_is_refused_before_anything_is_read(pipes):
    parent, _, answers = pipes
    os.write(answers, struct.pack(">I", MESSAGE_BYTES + 1))
    with pytest.raises(Broken, match="too long"):
        parent.receive(patience())


def test_silence_ends_when_the_time_is_spent(pipes):
    parent, _, answers = pipes
    os.write(answers, struct.pack(">I", 100) + b"half")
    started = time.monotonic()
    with pytest.raises(Overrun):
        parent.receive(patience(0.2))
    assert 0.15 < time.monotonic() - started < 2


def test_a_child_that_does_not_read_cannot_hold_its_parent(pipes):
    parent, _, _ = pipes
    with pytest.raises(Overrun):
        parent.send({"text": "x" * 1_000_000}, patience(0.2))


def test_cpu_time_is_bounded_apart_from_the_clock(pipes):
    parent, _, _ = pipes
    spent = iter(range(0, 1000, 4))
    with pytest.raises(Overrun, match="CPU"):
        parent.receive(patience(30, 3, lambda: float(next(spent))))


def test_the_parents_own_work_costs_the_child_nothing(pipes):
    parent, child, _ = pipes
    allowance = patience(0.3)
    time.sleep(0.4)
    child.send({"late": False})
    assert parent.receive(allowance) == {"late": False}


def test_a_pipe_that_closes_is_a_child_that_is_gone():
    answers_in, answers_out = os.pipe()
    requests_in, requests_out = os.pipe()
    parent = ParentEnd(requests_out, answers_in)
    os.close(answers_out)
    os.close(requests_in)
    with pytest.raises(Broken, match="gone"):
        parent.receive(patience())
    with pytest.raises(Broken, match="gone"):
        parent.send({"a": 1}, patience())
    parent.close()


def test_only_plain_finite_json_is_sent():
    with pytest.raises(ValueError):
        pack({"a": float("nan")})
    with pytest.raises(ValueError):
        pack({"a": "x" * MESSAGE_BYTES})
