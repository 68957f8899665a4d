"""The decoder child: confines itself, then serves named jobs until its parent leaves. Alone opens untrusted files.

Started by `process.py` as `python -m moderation.sandbox.child ORDERS` (JSON); never imported by a service.
"""

import dataclasses
import importlib
import json
import os
import select
import sys
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from moderation.sandbox.channel import ChildEnd, Message, Refused
from moderation.sandbox.confinement import confine
from moderation.sandbox.limits import Cage
from moderation.sandbox.shared import FrameWriter, Gone

if TYPE_CHECKING:
    from moderation.sandbox.jobs import Job

_FAULT_CHARACTERS = 300


def _leave_with_parent(requests: int) -> None:
    """End this process when the other end of the pipe closes, even in the middle of a job."""
    poll = select.poll()
    poll.register(requests, 0)
    poll.poll()
    os._exit(0)


def _drop_inherited(keep: set[int]) -> None:
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208
        fd = int(name)
        if fd > 2 and fd not in keep:
            try:
                os.close(fd)
            except OSError:
                continue


def _silence() -> None:
    """What codecs print may be the clip's own words: it goes nowhere."""
    fd = os.open(os.devnull, os.O_WRONLY)
    os.dup2(fd, 1)
    os.dup2(fd, 2)
    os.close(fd)


def _serve(request: Message, jobs: "Mapping[str, Job]", writer: FrameWriter) -> Message:
    answer = _work(request, jobs, writer)
    writer.settle()
    return answer


def _work(request: Message, jobs: "Mapping[str, Job]", writer: FrameWriter) -> Message:
    try:
        arguments = request["arguments"]
        assert isinstance(arguments, dict)
        return {"done": jobs[str(request["job"])](arguments, writer)}
    except Refused as refusal:
        return {"refused": refusal.code}
    except Gone:
        raise
    except Exception as fault:  # noqa: BLE001  whatever a hostile file provokes is this clip's fault, said in one line
        return {"failed": f"{type(fault).__name__}: {fault}"[:_FAULT_CHARACTERS]}


def main(orders: Mapping[str, Any]) -> None:
    """Serve until the parent closes its end."""
    requests, answers, frames = orders["requests"], orders["answers"], orders["frames"]
    _drop_inherited({requests, answers, frames})
    jobs: Mapping[str, Job] = importlib.import_module(orders["jobs"]).TABLE
    end = ChildEnd(requests, answers)
    writer = FrameWriter(frames, end.send, end.receive)
    os.close(frames)
    confinement = confine(Cage(**orders["cage"]))
    threading.Thread(target=_leave_with_parent, args=(requests,), daemon=True).start()
    end.send({"hello": dataclasses.asdict(confinement)})
    _silence()
    while (request := end.receive()) is not None:
        end.send(_serve(request, jobs, writer))


if __name__ == "__main__":
    try:
        main(json.loads(sys.argv[1]))
    except (Gone, BrokenPipeError):
        sys.exit(0)
