"""One decoder child seen from its parent: starting it, speaking with it, ending it. Believes nothing it says."""

import contextlib
import importlib.util
import json
import os
import select
import subprocess
import sys
from collections.abc import Generator, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

from moderation.errors import ClipFault, DecoderLost, Outage
from moderation.sandbox import landlock, shared
from moderation.sandbox.airlock import Airlock
from moderation.sandbox.channel import Allowance, Broken, Lost, Message, Overrun, ParentEnd, Refused
from moderation.sandbox.confinement import Confinement
from moderation.sandbox.limits import Cage
from moderation.sandbox.shared import FrameReader, Pixels, Placed, Samples

_PACKAGES: Final = ("moderation", "watermark", "detectors")
#: What the runtime and the codecs read besides Python itself: loader, processor count, random numbers.
_SYSTEM: Final = ("/usr", "/lib", "/lib64", "/etc/ld.so.cache", "/proc/self", "/proc/cpuinfo", "/proc/meminfo")
_DEVICES: Final = ("/sys/devices/system/cpu", "/dev/urandom", "/dev/random", "/dev/zero")
#: Kept from the parent's environment: an unusual Python may not start without them.
_KEPT: Final = ("PYTHONHOME", "LD_LIBRARY_PATH")
_COMPLAINT_BYTES: Final = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """How children are started."""

    memory_bytes: int
    file_bytes: int
    #: Where each child's airlock is made; best on the file system the clips lie on.
    folder: Path
    require_confinement: bool = True
    confine: bool = True
    start_seconds: float = 30.0
    #: The module with the table of jobs, and folders to find it in besides the installed packages.
    jobs: str = "moderation.sandbox.jobs"
    search_path: tuple[Path, ...] = field(default=())


def _runtime_folders(launch: Launch) -> tuple[str, ...]:
    """What a child must be able to read to run at all. The checkout itself is not in it: its state lies there."""
    found: list[str] = [sys.prefix, sys.base_prefix, sys.exec_prefix, *_SYSTEM, *_DEVICES]
    found += [entry for entry in sys.path if Path(entry).name in {"site-packages", "dist-packages"}]
    for package in _PACKAGES:
        spec = importlib.util.find_spec(package)
        found += list(spec.submodule_search_locations or ()) if spec else []
    return tuple(dict.fromkeys([*found, *map(str, launch.search_path)]))


def _environment(launch: Launch) -> dict[str, str]:
    """Nothing of the parent's secrets; one thread in numeric libraries, so that confinement meets no other thread."""
    root = Path(__file__).resolve().parent.parent.parent
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    return kept | {
        "LANG": "C.UTF-8",
        "PYTHONPATH": os.pathsep.join(map(str, (root, *launch.search_path))),
        "PYTHONDONTWRITEBYTECODE": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
        "MALLOC_ARENA_MAX": "4",
    }


class DecoderChild:
    """A child process with its pipes, shared frames and airlock. For one thread at a time."""

    def __init__(self, launch: Launch) -> None:
        """Start the process without waiting for it. Raises OSError when there can be none."""
        self._launch = launch
        self._confinement: Confinement | None = None
        #: False while a job runs and after one that did not end cleanly.
        self.fit = True
        with contextlib.ExitStack() as undo:
            self.airlock = Airlock(launch.folder, links=landlock.version() >= landlock.TRUNCATE_ABI)
            undo.callback(self.airlock.close)
            frames = shared.create()
            undo.callback(os.close, frames)
            self._frames = FrameReader(frames)
            self._start(frames)
            undo.pop_all()
        os.close(frames)

    def _start(self, frames: int) -> None:
        requests_in, requests_out = os.pipe()
        answers_in, answers_out = os.pipe()
        theirs = (requests_in, answers_out, frames)
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "moderation.sandbox.child", self._orders(*theirs)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                cwd="/",
                env=_environment(self._launch),
                pass_fds=theirs,
                start_new_session=True,
            )
        except OSError:
            os.close(requests_out)
            os.close(answers_in)
            raise
        finally:
            os.close(requests_in)
            os.close(answers_out)
        self._end = ParentEnd(requests_out, answers_in)

    def _orders(self, requests: int, answers: int, frames: int) -> str:
        cage = Cage(
            memory_bytes=self._launch.memory_bytes,
            file_bytes=self._launch.file_bytes,
            readable=(*_runtime_folders(self._launch), str(self.airlock.inside)),
            writable=(str(self.airlock.outside), os.devnull),
            confine=self._launch.confine,
        )
        orders = {"requests": requests, "answers": answers, "frames": frames, "jobs": self._launch.jobs}
        return json.dumps(orders | {"cage": asdict(cage)})

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def greeted(self) -> bool:
        return self._confinement is not None

    def alive(self) -> bool:
        return self._process.poll() is None

    def cpu_seconds(self) -> float:
        """CPU time of all its threads so far; 0 when it is gone."""
        try:
            stat = Path(f"/proc/{self.pid}/stat").read_text()
        except OSError:
            return 0.0
        user, system = stat.rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def greet(self) -> Confinement:
        """Wait until it is confined and ready. Raises Outage when it never is, or is less confined than required."""
        if self._confinement is None:
            allowance = Allowance(self._launch.start_seconds, self._launch.start_seconds, self.cpu_seconds)
            try:
                self._confinement = _confinement(self._end.receive(allowance))
            except (Broken, Overrun) as fault:
                raise Outage("decoder", f"the decoder did not start: {fault}: {self._complaint()}") from fault
        proven = self._confinement
        if self._launch.require_confinement and not (proven.network and proven.processes):
            raise Outage("decoder", f"the decoder cannot be confined on this machine: {'; '.join(proven.notes)}")
        return proven

    def begin(self, job: str, arguments: Mapping[str, object], allowance: Allowance) -> None:
        """Hand over a job. Raises Broken when it is gone before it began."""
        self.fit = False
        self._end.send({"job": job, "arguments": dict(arguments)}, allowance)

    def finish(self, allowance: Allowance) -> object:
        """The job's answer, unchecked. Raises Refused, DecoderLost when the child died, ClipFault when it failed."""
        with self._blaming_the_clip():
            return self._conclude(self._end.receive(allowance))

    def batches(self, long_side: int, allowance: Allowance) -> Generator[list[tuple[Placed, Pixels]], None, object]:
        """Batches of frames; each batch's views are valid until the next is asked for. Raises as `finish`.

        Returns the job's answer, unchecked.
        """
        while True:
            with self._blaming_the_clip():
                message = self._end.receive(allowance)
                if "batch" not in message:
                    return self._conclude(message)
                slot = self._frames.slot(message)
                placed = self._frames.placed(message, long_side)
            yield [(place, self._frames.pixels(slot, place)) for place in placed]
            with self._blaming_the_clip():
                self._end.send({"free": slot}, allowance)

    def pieces(self, allowance: Allowance) -> Iterator[tuple[int, Samples]]:
        """Pieces of sound: start in ms and samples, the receiver's own. Raises as `finish`."""
        while True:
            with self._blaming_the_clip():
                message = self._end.receive(allowance)
                if "sound" not in message:
                    self._conclude(message)
                    return
                slot = self._frames.slot(message, "sound")
                piece = self._frames.sound(slot, message)
                self._end.send({"free": slot}, allowance)
            yield piece

    def distrust(self) -> None:
        """Let it serve no other job."""
        self.fit = False

    def clear(self) -> bool:
        """Remove the last job's files; False when that cannot be done."""
        try:
            self.airlock.empty()
        except OSError:
            return False
        return True

    def end(self) -> None:
        """Kill it and remove all it left. Safe to call twice."""
        self.fit = False
        if self._process.returncode is None:
            self._process.kill()
            self._process.wait()
        if self._process.stderr is not None and not self._process.stderr.closed:
            self._process.stderr.close()
            self._end.close()
            self.airlock.close()

    def _conclude(self, message: Message) -> object:
        if "failed" in message:
            raise ClipFault("processing_failed", f"the decoder failed: {_printable(message['failed'])}")
        if "refused" in message:
            self.fit = True
            raise Refused(str(message["refused"]))
        if "done" not in message:
            raise Broken("an answer of an unknown kind")
        self.fit = True
        return message["done"]

    @contextlib.contextmanager
    def _blaming_the_clip(self) -> Iterator[None]:
        try:
            yield
        except (Broken, Overrun) as fault:
            self.fit = False
            kind = DecoderLost if isinstance(fault, Lost) else ClipFault
            raise kind("processing_failed", f"the decoder was stopped: {fault}") from fault

    def _complaint(self) -> str:
        """The last words of a child that did not start, for the operator's log."""
        stderr = self._process.stderr
        assert stderr is not None
        self._process.kill()
        self._process.wait()
        words = b""
        if select.select([stderr], [], [], 0)[0]:
            words = os.read(stderr.fileno(), 65536)
        return _printable(words.decode(errors="replace")[-_COMPLAINT_BYTES:])


def _printable(value: object) -> str:
    return "".join(c if c.isprintable() else " " for c in str(value))[:_COMPLAINT_BYTES]


def _confinement(message: Message) -> Confinement:
    """What a child says of itself before it has met a clip; still checked for shape."""
    hello = message.get("hello")
    if not isinstance(hello, dict):
        raise Broken("no greeting")
    return Confinement(
        network=hello.get("network") is True,
        processes=hello.get("processes") is True,
        files=hello.get("files") is True,
        notes=tuple(_printable(note) for note in hello.get("notes", ())),
    )
