"""A child that dies, hangs, lies or swells costs one clip one attempt: never a worker, never the next clip."""

import gc
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from moderation.errors import Busy, ClipFault, ModerationError, Outage
from moderation.sandbox import Sandbox
from moderation.settings import Limits
from watermark.sampling import SamplingRules

ROOT = Path(__file__).resolve().parents[2]
ASSETS = ROOT / "tests" / "assets"
RULES = SamplingRules()
LIMITS = Limits(decode_seconds=2, decode_memory_bytes=1024**3, max_bytes=1024**2)


def make(folder: Path, limits: Limits = LIMITS, **options: object) -> Sandbox:
    return Sandbox(limits, folder=folder / "airlocks", jobs="hostile_jobs", search_path=[ASSETS], **options)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("sandbox")


@pytest.fixture(scope="module")
def sandbox(folder):
    with make(folder) as made:
        yield made


@pytest.fixture(scope="module")
def clip(folder):
    path = folder / "clip"
    path.write_text("40 90 160")
    return path


def ask(sandbox: Sandbox, job: str, clip: Path, **arguments: object) -> object:
    return sandbox.ask(job, clip, arguments, lambda said: said)


def pid(sandbox: Sandbox) -> int:
    with sandbox._pool.lend() as child:
        return child.pid


def assert_well(sandbox: Sandbox, clip: Path) -> None:
    assert ask(sandbox, "echo", clip, value="still here") == "still here"


@pytest.mark.parametrize(
    ("job", "arguments", "words"),
    [
        ("crash", {}, "gone"),
        ("crash", {"kill": True}, "EPERM|gone|Operation not permitted"),
        ("exit", {"code": 0}, "gone"),
        ("spin", {}, "time"),
        ("sleep", {}, "time"),
        ("allocate", {"pieces": 64}, "MemoryError"),
        ("fill_disk", {"megabytes": 8}, "File too large"),
        ("raw", {"body": "not json"}, "not JSON"),
        ("raw", {"body": '{"unknown": 1}'}, "unknown"),
        ("raw", {"body": "", "length": 2**32 - 1}, "too long"),
        ("no such job", {}, "KeyError"),
    ],
)
def test_a_broken_job_is_the_clips_fault_and_the_next_job_gets_a_fresh_child(sandbox, clip, job, arguments, words):
    before = pid(sandbox)
    with pytest.raises(ClipFault, match=words) as fault:
        ask(sandbox, job, clip, **arguments)
    assert fault.value.reason == "processing_failed"
    assert_well(sandbox, clip)
    assert pid(sandbox) != before
    assert not Path(f"/proc/{before}").exists()


def test_the_limits_are_what_stops_it(folder, clip):
    """The same jobs pass where the limits allow them."""
    wide = Limits(decode_seconds=20, decode_memory_bytes=8 * 1024**3, max_bytes=1024**3)
    with make(folder, wide) as sandbox:
        assert ask(sandbox, "allocate", clip, pieces=20) == 20
        assert ask(sandbox, "fill_disk", clip, megabytes=8) is None
        assert ask(sandbox, "sleep", clip, seconds=2.5) == "slept"


def test_a_child_killed_in_the_middle_of_a_job(sandbox, clip):
    victim = pid(sandbox)
    timer = threading.Timer(0.3, os.kill, (victim, signal.SIGKILL))
    timer.start()
    with pytest.raises(ClipFault):
        ask(sandbox, "sleep", clip)
    timer.join()
    assert_well(sandbox, clip)


def test_a_child_killed_between_jobs_costs_nobody_anything(sandbox, clip):
    os.kill(pid(sandbox), signal.SIGKILL)
    time.sleep(0.1)
    assert_well(sandbox, clip)


def test_a_healthy_child_is_kept(sandbox, clip):
    before = pid(sandbox)
    assert_well(sandbox, clip)
    with pytest.raises(ModerationError):
        ask(sandbox, "refuse", clip, code="truncated")
    assert pid(sandbox) == before


def test_a_refusal_keeps_its_code_at_the_door_and_is_a_fault_behind_it(sandbox, clip):
    with pytest.raises(ModerationError) as refused:
        sandbox.ask("refuse", clip, {"code": "too_long"}, lambda said: said, door=True)
    assert (refused.value.status, refused.value.code) == (413, "too_long")
    assert refused.value.params == {"limit": "max_duration_ms", "value": LIMITS.max_duration_ms}
    with pytest.raises(ClipFault):
        ask(sandbox, "refuse", clip, code="too_long")
    with pytest.raises(ClipFault):
        sandbox.ask("refuse", clip, {"code": "a code of its own"}, lambda said: said, door=True)


def test_frames_come_in_order_and_only_while_asked_for(sandbox, clip):
    seen = []
    for batch in sandbox.frames(clip, RULES, 160):
        assert all(not frame.pixels.flags.writeable for frame in batch)
        seen += [(frame.index, frame.time_ms, frame.pixels.shape, int(frame.pixels.mean())) for frame in batch]
    assert seen == [(n, n * 40, (90, 160, 3), n) for n in range(40)]


def test_leaving_the_frames_early_frees_the_child(sandbox, clip):
    for batch in sandbox.frames(clip, RULES, 160):
        assert batch
        break
    gc.collect()
    assert_well(sandbox, clip)


@pytest.mark.parametrize("fault", ["die", "hang", "refuse"])
def test_frames_that_stop_coming_are_a_fault_after_those_that_came(sandbox, folder, fault):
    clip = folder / fault
    clip.write_text(f"40 90 160 {fault}")
    seen: list[int] = []
    with pytest.raises(ClipFault):
        seen.extend(frame.index for batch in sandbox.frames(clip, RULES, 160) for frame in batch)
    assert seen == list(range(len(seen)))
    assert len(seen) <= 20
    assert_well(sandbox, clip)


def test_a_slow_reader_is_no_fault_of_the_clip(folder):
    clip = folder / "slow"
    clip.write_text("40 90 160")
    with make(folder, LIMITS.model_copy(update={"decode_seconds": 1})) as sandbox:
        for batch in sandbox.frames(clip, RULES, 160):
            time.sleep(0.4)
            assert batch


@pytest.mark.parametrize(
    "message",
    [
        {"batch": 7, "frames": [[0, 0, 0, 4, 4, 0]]},
        {"batch": 0, "frames": [[0, 0, 0, 4096, 4096, 0]]},
        {"batch": 0, "frames": [[0, 0, 0, 4, 4, 2**40]]},
        {"batch": 0},
    ],
)
def test_a_forged_batch_ends_the_child(folder, clip, message):
    """A job named `sample` that forges its batch: the parent must not look where it is told."""
    forging = folder / "forging.py"
    forging.write_text(
        "import time\nimport hostile_jobs\n"
        f"def sample(arguments, writer):\n    writer._send({message!r})\n    time.sleep(60)\n"
        "TABLE = dict(hostile_jobs.TABLE, sample=sample)\n"
    )
    with Sandbox(LIMITS, folder=folder / "airlocks", jobs="forging", search_path=[folder, ASSETS]) as sandbox:
        with pytest.raises(ClipFault):
            list(sandbox.frames(clip, RULES, 160))
        assert_well(sandbox, clip)


def test_a_product_appears_whole_or_not_at_all(sandbox, clip, folder):
    target, secret = folder / "out" / "marked.mp4", folder / "secret"
    secret.write_bytes(b"secret")
    sandbox.ask("write_product", clip, {"text": "marked"}, lambda said: said, target=target)
    assert target.read_bytes() == b"marked"
    for job, arguments in (("echo", {"value": 1}), ("link_product", {"to": str(secret)}), ("spin", {})):
        with pytest.raises(ClipFault):
            sandbox.ask(job, clip, arguments, lambda said: said, target=target)
    assert target.read_bytes() == b"marked"


def test_a_child_that_cannot_start_is_an_outage(folder, clip):
    with Sandbox(LIMITS, folder=folder / "airlocks", jobs="no_such_table") as sandbox:
        for _ in range(2):
            with pytest.raises(Outage, match="no_such_table") as outage:
                ask(sandbox, "echo", clip, value=1)
            assert outage.value.cause == "decoder"


def test_several_threads_share_a_few_children(folder, clip):
    # Ten wait their turn, however busy the machine is.
    with make(folder, LIMITS.model_copy(update={"decode_seconds": 60}), children=2) as sandbox:
        answers: list[object] = []
        threads = [
            threading.Thread(target=lambda n=n: answers.append(ask(sandbox, "echo", clip, value=n))) for n in range(12)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(answers) == list(range(12))


def test_all_children_at_work_is_busy_at_the_door_and_an_outage_behind_it(folder, clip):
    """Never the fault of the clip that waited."""
    limits = LIMITS.model_copy(update={"decode_seconds": 1})
    with make(folder, limits) as sandbox, sandbox._pool.lend():
        with pytest.raises(Busy):
            sandbox.ask("echo", clip, {"value": 1}, lambda said: said, door=True)
        with pytest.raises(Outage) as outage:
            ask(sandbox, "echo", clip, value=1)
        assert outage.value.cause == "decoder"


def test_nothing_is_left_when_it_closes(folder, clip):
    own = folder / "own"
    sandbox = Sandbox(LIMITS, folder=own, children=2, jobs="hostile_jobs", search_path=[ASSETS])
    assert_well(sandbox, clip)
    descriptors = len(list(Path("/proc/self/fd").iterdir()))
    assert len(list(own.iterdir())) == 2
    sandbox.close()
    assert list(own.iterdir()) == []
    assert len(list(Path("/proc/self/fd").iterdir())) < descriptors


def test_a_child_leaves_when_its_worker_is_killed(folder, clip):
    """Even in the middle of a job that never ends."""
    program = textwrap.dedent(f"""
        import sys
        from pathlib import Path
        from moderation.sandbox import Sandbox
        from moderation.settings import Limits
        sandbox = Sandbox(Limits(), folder=Path({str(folder)!r}) / "killed", jobs="hostile_jobs",
                          search_path=[Path({str(ASSETS)!r})])
        with sandbox._pool.lend() as child:
            print(child.pid, flush=True)
        sandbox.ask("sleep", Path({str(clip)!r}), {{}}, lambda said: said)
    """)
    with subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout is not None
        child = int(worker.stdout.readline())
        time.sleep(0.3)
        assert Path(f"/proc/{child}").exists()
        worker.kill()
    deadline = time.monotonic() + 5
    while Path(f"/proc/{child}").exists() and time.monotonic() < deadline:
        if "Z" in Path(f"/proc/{child}/stat").read_text().rpartition(")")[2][:3]:
            break
        time.sleep(0.05)
    else:
        assert not Path(f"/proc/{child}").exists()


def test_memory_does_not_grow_with_the_number_of_frames(folder):
    clip = folder / "many"
    clip.write_text("400 360 640")
    with make(folder, Limits(decode_seconds=30)) as sandbox:
        with sandbox._pool.lend() as child:
            status = Path(f"/proc/{child.pid}/status")
        seen = 0
        for batch in sandbox.frames(clip, RULES, 640):
            seen += sum(int(np.count_nonzero(frame.pixels[0, 0] == frame.index % 251)) == 3 for frame in batch)
        peak = next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    assert seen == 400
    # 400 frames are 276 MB; two slots of eight frames are 11.
    assert peak < 100_000
