"""CPU seconds of this process, of the decoders it keeps and of its database, told apart. Measures, changes nothing."""

import os
import resource
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self, cast

from detectors.base import Detector, Findings, Frame, Inspection, Listening, Sound, Subject, TakesTexts, Text
from moderation.postgres import EmbeddedPostgres
from watermark.frames import FrameMarker, Planes

#: The kernel counts another process's time in ticks of this many seconds: smaller figures than a few are noise.
TICK: Final = 1 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """CPU seconds by where they were spent."""

    service: float = 0.0
    decoders: float = 0.0
    database: float = 0.0

    @property
    def total(self) -> float:
        """All of them."""
        return self.service + self.decoders + self.database

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(
            service=self.service + other.service,
            decoders=self.decoders + other.decoders,
            database=self.database + other.database,
        )

    def __sub__(self, other: "Cost") -> "Cost":
        return self + Cost(service=-other.service, decoders=-other.decoders, database=-other.database)


@dataclass(frozen=True, slots=True, kw_only=True)
class Meter:
    """Reads what this process and its children have used so far; `database` is the pid of Postgres."""

    database: int

    def read(self) -> Cost:
        """Everything used so far. Children that have ended are counted where they were waited for."""
        database = _with_descendants(self.database)
        gone = resource.getrusage(resource.RUSAGE_CHILDREN)
        decoders = _with_descendants(os.getpid()) - _of_process(os.getpid()) - database
        return Cost(
            service=time.process_time(),
            decoders=decoders + gone.ru_utime + gone.ru_stime,
            database=database,
        )


def database_meter(state: Path) -> Meter:
    """The meter of a state whose embedded database runs. Raises RuntimeError when it does not."""
    pid = EmbeddedPostgres(state).pid()
    if pid is None:
        raise RuntimeError("the database of this benchmark is not the embedded one: unset MODERATION_DATABASE_URL")
    return Meter(database=pid)


@contextmanager
def own_seconds(keep: Callable[[float], None]) -> Iterator[None]:
    """Hand `keep` the CPU seconds that all threads of this process used in the block."""
    began = time.process_time()
    yield
    keep(time.process_time() - began)


class MeteredMarker:
    """A marker whose own time is counted."""

    def __init__(self, marker: FrameMarker) -> None:
        self._marker = marker
        self.seconds = 0.0

    def mark(self, planes: Planes) -> None:
        began = time.thread_time()
        self._marker.mark(planes)
        self.seconds += time.thread_time() - began


@dataclass(slots=True)
class MeteredDetector:
    """A detector whose own time is counted; it answers as the detector does."""

    detector: Detector
    seconds: float = 0.0
    name: str = field(init=False)
    signals: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        self.name = self.detector.name
        self.signals = self.detector.signals

    def open(self, subject: Subject) -> "_MeteredInspection":
        with own_seconds(self._count):
            inspection = self.detector.open(subject)
        if isinstance(inspection, Listening):
            return _MeteredListener(inspection, self._count)
        if isinstance(inspection, TakesTexts):
            return _MeteredTaker(inspection, self._count)
        return _MeteredInspection(inspection, self._count)

    def self_check(self) -> None:
        self.detector.self_check()

    def take(self) -> float:
        """The seconds since this was last asked."""
        seconds, self.seconds = self.seconds, 0.0
        return seconds

    def _count(self, seconds: float) -> None:
        self.seconds += seconds


@dataclass(frozen=True, slots=True)
class _MeteredInspection:
    inspection: Inspection
    count: Callable[[float], None]

    def see(self, frames: Sequence[Frame]) -> None:
        with own_seconds(self.count):
            self.inspection.see(frames)

    def finish(self) -> Findings:
        with own_seconds(self.count):
            return self.inspection.finish()


@dataclass(frozen=True, slots=True)
class _MeteredListener(_MeteredInspection):
    """One that also listens: without `hear` nobody would decode the sound."""

    def hear(self, sound: Sound) -> None:
        listener = cast("Listening", self.inspection)
        with own_seconds(self.count):
            listener.hear(sound)


@dataclass(frozen=True, slots=True)
class _MeteredTaker(_MeteredInspection):
    """One that also judges what others read off the clip."""

    def take(self, texts: Sequence[Text]) -> None:
        taker = cast("TakesTexts", self.inspection)
        with own_seconds(self.count):
            taker.take(texts)


@dataclass(frozen=True, slots=True)
class _Stat:
    parent: int
    #: Its own time, and that of its children which it waited for.
    own: float
    ended: float

    @classmethod
    def read(cls, pid: int) -> Self:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        user, system, ended_user, ended_system = (int(value) * TICK for value in fields[11:15])
        return cls(int(fields[1]), user + system, ended_user + ended_system)


def _of_process(pid: int) -> float:
    """A process's own time and that of the children it waited for."""
    stat = _Stat.read(pid)
    return stat.own + stat.ended


def _with_descendants(pid: int) -> float:
    known: dict[int, _Stat] = {}
    for place in Path("/proc").iterdir():
        if place.name.isdecimal():
            try:
                known[int(place.name)] = _Stat.read(int(place.name))
            except (FileNotFoundError, ProcessLookupError):
                # It ended meanwhile; whoever waited for it has its time.
                continue
    family, added = {pid}, {pid}
    while added:
        added = {child for child, stat in known.items() if stat.parent in added}
        family |= added
    return sum(known[member].own + known[member].ended for member in family if member in known)
